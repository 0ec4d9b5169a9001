//! What is ahead of a run: when every configuration will have been started, when it will likely
//! be decided, when everything that is planned will be done. By what its attempts took so far and
//! by how much their numbers differ; nothing is said before something was measured.

use std::collections::HashSet;
use std::time::Duration;

use crate::decide::confidence::{ENOUGH, LEAST_DEGREES};
use crate::decide::decision::{Decision, Ranking};
use crate::decide::draws::MOST_BLOCKS_AHEAD;
use crate::decide::number;
use crate::decide::verdict::{Basis, Verdict};
use crate::id::CellId;
use crate::manifest::RunRecord;
use crate::outcome::{Forecast, Ripeness};
use crate::plan::blocks::PlannedAttempt;
use crate::plan::pace;
use crate::spec::experiment::Experiment;

/// What is left of a run, as lengths of time by the clock.
#[derive(Debug, Clone, PartialEq)]
pub struct Ahead {
    /// Until each place that is left has been started and measured, in the order of the starts.
    ends: Vec<Duration>,
    /// Places that are left, up to the first one of the last configuration that was not started.
    n_to_all_once: usize,
    /// The last place of each block that has one left, as `(block, places up to its end)`.
    blocks: Vec<(u32, usize)>,
    pub ripeness: Ripeness,
}

/// `left` is what is left to start, in order. `None` before any attempt was measured.
pub fn ahead(record: &RunRecord, left: &[PlannedAttempt]) -> Option<Ahead> {
    let manifest = &record.manifest;
    let mut sum = Duration::ZERO;
    let ends = left.iter().map(|place| {
        let expected = pace::expected(&place.cell, &record.settled, manifest.speed)?;
        sum = sum.checked_add(expected)?;
        Some(sum)
    });
    let ends: Option<Vec<Duration>> = ends.collect();
    let ends = ends?;
    let settled = record.settled.iter();
    let mut started: HashSet<&CellId> = settled.map(|one| &one.attempt.cell).collect();
    let mut n_to_all_once = 0;
    let mut blocks: Vec<(u32, usize)> = Vec::new();
    for (at, place) in left.iter().enumerate() {
        if started.insert(&place.cell) {
            n_to_all_once = at + 1;
        }
        match blocks.last_mut() {
            Some((block, until)) if *block == place.block => *until = at + 1,
            _ => blocks.push((place.block, at + 1)),
        }
    }
    let decision = Decision::of(record);
    Some(Ahead {
        ends,
        n_to_all_once,
        blocks,
        ripeness: ripeness(&manifest.experiment, &decision),
    })
}

impl Ahead {
    /// Starts that are left.
    pub fn n_left(&self) -> usize {
        self.ends.len()
    }

    /// Until nothing is left.
    pub fn all(&self) -> Duration {
        self.ends.last().copied().unwrap_or_default()
    }

    /// Until every configuration was started; `None` where every one was.
    pub fn all_once(&self) -> Option<Duration> {
        self.ends.get(self.n_to_all_once.checked_sub(1)?).copied()
    }

    /// Until this block has ended; `None` where it is not among those that are left.
    pub fn until(&self, block: u32) -> Option<Duration> {
        let (_, n) = self.blocks.iter().rfind(|(at, _)| *at <= block)?;
        self.ends.get(n.checked_sub(1)?).copied()
    }

    /// Starts that end within this time.
    pub fn n_within(&self, time: Duration) -> usize {
        self.ends.partition_point(|end| *end <= time)
    }

    /// By the clock.
    pub fn by(&self, now: jiff::Timestamp, deadline: jiff::Timestamp) -> Option<Forecast> {
        let at = |after: Duration| now.checked_add(after).ok();
        let left = Duration::try_from(deadline.duration_since(now)).unwrap_or_default();
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let ripe_at = match self.ripeness {
            Ripeness::Block { block } | Ripeness::StatedFrom { block } => self.until(block),
            _ => None,
        };
        Some(Forecast {
            deadline,
            all_once: self.all_once().and_then(at),
            ripeness: self.ripeness,
            ripe_at: ripe_at.and_then(at),
            complete: at(self.all())?,
            n_left: count(self.n_left()),
            n_within: count(self.n_within(left)),
        })
    }
}

/// Of the ranking that takes longest: all of them must be decided.
fn ripeness(experiment: &Experiment, decision: &Decision<'_>) -> Ripeness {
    let all = decision
        .rankings()
        .map(|ranking| ripeness_of(ranking, experiment, decision));
    all.max().unwrap_or(Ripeness::Unknown)
}

/// How far one ranking is from being decided.
pub fn ripeness_of(
    ranking: &Ranking<'_>,
    experiment: &Experiment,
    decision: &Decision<'_>,
) -> Ripeness {
    let Verdict::Leader(lead) = decision.verdict_of(ranking, experiment) else {
        return Ripeness::Unknown;
    };
    let repeats = experiment.run.repeats;
    let ranked = ranking.order.len();
    let starts = ranking.order.iter();
    let starts = starts.map(|&cell| decision.cells[cell].tally.n_measured);
    let so_far = starts.max().unwrap_or(0);
    let (block, is_stated) = match lead.basis {
        Basis::Champion { .. } => return Ripeness::Decided,
        Basis::Open { more_blocks, .. } => match more_blocks {
            Some(more) => (so_far + more, true),
            None => return Ripeness::Never,
        },
        Basis::Mean { .. } | Basis::SingleStart if ranked > 1 => {
            // (L - 1)(R - 1) degrees of freedom after R whole blocks.
            let blocks = (LEAST_DEGREES / (ranked - 1) as f64).ceil() as u32 + 1;
            // Places that were lost leave fewer.
            (blocks.max(so_far + 1), false)
        }
        Basis::Mean { .. } | Basis::SingleStart => return Ripeness::Unknown,
    };
    match (block <= repeats, is_stated) {
        (true, true) => Ripeness::Block { block },
        (true, false) => Ripeness::StatedFrom { block },
        (false, true) => Ripeness::Beyond {
            more: block - repeats,
        },
        (false, false) => Ripeness::StatedBeyond {
            more: block - repeats,
        },
    }
}

/// How far a ranking is from being decided, in words; `by` says when the block will have ended
/// that they name. `None` where nothing is ranked.
pub fn ripeness_told(ripeness: Ripeness, by: &str) -> Option<String> {
    let likely = number::chosen_percent(ENOUGH);
    let repeats = |n: u32| match n {
        1 => "one more repeat than planned".to_owned(),
        n => format!("{n} more repeats than planned"),
    };
    Some(match ripeness {
        Ripeness::Unknown => return None,
        Ripeness::Decided => format!("decided to {likely} as it stands"),
        Ripeness::Block { block } => format!("likely decided to {likely} with block {block}{by}"),
        Ripeness::StatedFrom { block } => format!("probabilities from block {block} on{by}"),
        Ripeness::Beyond { more } => {
            format!("a decision to {likely} would likely take {}", repeats(more))
        }
        Ripeness::StatedBeyond { more } => format!("probabilities would take {}", repeats(more)),
        Ripeness::Never => format!(
            "not even {MOST_BLOCKS_AHEAD} more repeats would likely decide: the best differ by \
             about the margin"
        ),
    })
}

/// In words. `clock` tells an instant as its reader wants it.
pub fn told(forecast: &Forecast, clock: &dyn Fn(jiff::Timestamp) -> String) -> String {
    let Forecast {
        deadline,
        all_once,
        ripeness,
        ripe_at,
        complete,
        n_left,
        n_within,
    } = forecast;
    let mut parts = Vec::new();
    let late = |at: jiff::Timestamp| match at > *deadline {
        true => " (after the deadline)",
        false => "",
    };
    if let Some(at) = all_once {
        parts.push(format!(
            "every configuration started once by {}{}",
            clock(*at),
            late(*at)
        ));
    }
    let by = ripe_at.map_or_else(String::new, |at| format!(" by {}{}", clock(at), late(at)));
    parts.extend(ripeness_told(*ripeness, &by));
    parts.push(match (n_left, n_within) {
        (left, within) if within >= left => {
            let starts = match left {
                1 => "the last start".to_owned(),
                n => format!("all {n} starts that are left"),
            };
            format!("{starts} by {}", clock(*complete))
        }
        (left, within) => format!("room for {within} of the {left} starts that are left"),
    });
    format!("deadline {}: {}", clock(*deadline), parts.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture::{self, Numbers};
    use crate::diagnose::FailureClass;
    use crate::outcome::Settled;
    use crate::plan::blocks::{plan, remaining};
    use crate::plan::redo::Redo;

    /// What is ahead after these attempts of the fixture's six cells, in so many blocks.
    fn after(settled: Vec<Settled>, repeats: u32) -> Option<Ahead> {
        let mut record = fixture::record(settled);
        record.manifest.experiment.run.repeats = repeats;
        let planned = plan(&record.manifest.cells, repeats, 1);
        let redo = Redo::of(&record.manifest.experiment, planned.len());
        let left = remaining(&planned, &record.settled, &[], &record.race, &redo);
        ahead(&record, &left)
    }

    fn took(cell: &str, block: u32, ms: f64, seconds: f64) -> Settled {
        Settled {
            took_ms: seconds * 1e3,
            ..fixture::measured(cell, block, Numbers::new(900.0, ms))
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn nothing_is_foretold_before_something_was_measured() {
        assert_eq!(after(Vec::new(), 2), None);
        let died = fixture::died("d", 1, FailureClass::KvCacheTooSmall);
        assert_eq!(after(vec![died], 2), None);
    }

    #[test]
    fn a_configuration_takes_what_it_took_and_a_new_one_what_all_did() {
        let ahead = after(vec![took("a", 1, 90.0, 60.0)], 2).unwrap();
        // Five that were never started, then all six again.
        assert_eq!(ahead.n_left(), 11);
        assert_eq!(ahead.all_once(), Some(300 * SECOND));
        assert_eq!(ahead.until(1), Some(300 * SECOND));
        assert_eq!(ahead.until(2), Some(660 * SECOND));
        assert_eq!(ahead.all(), 660 * SECOND);
        assert_eq!(ahead.n_within(299 * SECOND), 4);
        assert_eq!(ahead.n_within(300 * SECOND), 5);
        let ahead = after(vec![took("a", 1, 90.0, 60.0), took("b", 1, 91.0, 120.0)], 1).unwrap();
        assert_eq!(ahead.all(), 360 * SECOND);
    }

    #[test]
    fn a_start_that_failed_counts_as_started_and_dead_ones_are_not_waited_for() {
        let settled = ["a", "b", "c", "e", "f"].map(|cell| took(cell, 1, 90.0, 60.0));
        let mut settled = settled.to_vec();
        settled.push(fixture::died("d", 1, FailureClass::KvCacheTooSmall));
        let ahead = after(settled, 2).unwrap();
        assert_eq!(ahead.all_once(), None);
        assert_eq!(ahead.n_left(), 5);
        assert_eq!(ahead.until(1), None);
    }

    /// Three cells in so many blocks.
    fn three(blocks: u32, ms: [f64; 3]) -> Vec<Settled> {
        let starts = (1..=blocks).flat_map(|block| {
            ["a", "b", "c"].into_iter().zip(ms).map(move |(cell, ms)| {
                // The noise of each cell is its own.
                let lean = f64::from((block * 7 + cell.len() as u32 + ms as u32) % 5) * 0.2;
                took(cell, block, ms + lean, 60.0)
            })
        });
        starts.collect()
    }

    #[test]
    fn how_far_a_decision_is_off_follows_from_degrees_of_freedom_and_noise() {
        let ripeness = |settled, repeats| after(settled, repeats).unwrap().ripeness;
        // Three cells have (3 - 1)(R - 1) degrees: six after four blocks.
        assert_eq!(
            ripeness(three(1, [90.0, 95.0, 120.0]), 5),
            Ripeness::StatedFrom { block: 4 }
        );
        assert_eq!(
            ripeness(three(2, [90.0, 95.0, 120.0]), 3),
            Ripeness::StatedBeyond { more: 1 }
        );
        assert_eq!(
            ripeness(three(4, [90.0, 99.0, 120.0]), 5),
            Ripeness::Decided
        );
        assert_eq!(
            ripeness(vec![took("a", 1, 90.0, 60.0)], 5),
            Ripeness::Unknown
        );
    }

    #[test]
    fn what_is_ahead_is_told_against_the_deadline() {
        let clock = |at: jiff::Timestamp| at.strftime("%H:%M").to_string();
        let forecast = fixture::forecast();
        insta::assert_snapshot!(told(&forecast, &clock), @"deadline 06:00: every configuration started once by 03:10; likely decided to 95 % with block 3 by 05:40; all 31 starts that are left by 05:40");
        let late = Forecast {
            all_once: None,
            ripe_at: "2026-11-25T07:00:00Z".parse().ok(),
            complete: "2026-11-25T07:00:00Z".parse().unwrap(),
            n_within: 20,
            ..forecast
        };
        insta::assert_snapshot!(told(&late, &clock), @"deadline 06:00: likely decided to 95 % with block 3 by 07:00 (after the deadline); room for 20 of the 31 starts that are left");
        let never = Forecast {
            ripeness: Ripeness::Never,
            ripe_at: None,
            ..late
        };
        insta::assert_snapshot!(told(&never, &clock), @"deadline 06:00: not even 20 more repeats would likely decide: the best differ by about the margin; room for 20 of the 31 starts that are left");
    }

    #[test]
    fn an_instant_is_this_much_after_now() {
        let ahead = after(vec![took("a", 1, 90.0, 60.0)], 2).unwrap();
        let deadline = fixture::at(400);
        let forecast = ahead.by(fixture::at(0), deadline).unwrap();
        assert_eq!(forecast.all_once, Some(fixture::at(300)));
        assert_eq!(forecast.complete, fixture::at(660));
        assert_eq!((forecast.n_left, forecast.n_within), (11, 6));
    }
}
