//! What a page says first: the call, the difference that it rests on, what died and what ties,
//! and three facts. Rules only: nothing is claimed that the view does not hold
//! (docs/REPORT.md says the rules).

use std::cmp::Ordering;

use crate::decide::number;
use crate::decide::standing::survival_bound;
use crate::outcome::Standing;
use crate::report::text::Prose;
use crate::report::view::{About, Row, VerdictKind, View};

/// Ties that are named; further ones are counted.
const NAMES: usize = 4;

/// What the run means for whoever must decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// A champion that is not the baseline.
    Promote,
    /// The baseline is the champion.
    Keep,
    /// Something leads; the data do not carry a champion.
    CannotTell,
    /// Nothing is ranked.
    NoCell,
}

impl Call {
    pub fn of(view: &View) -> Self {
        match view.verdict.kind {
            VerdictKind::NothingRanked => Self::NoCell,
            VerdictKind::LeaderOfSingleStarts
            | VerdictKind::LeaderByMean
            | VerdictKind::NoClearChampion => Self::CannotTell,
            VerdictKind::Champion => match view.verdict.cell == view.baseline {
                true => Self::Keep,
                false => Self::Promote,
            },
        }
    }

    pub fn words(self) -> &'static str {
        match self {
            Self::Promote => "promote",
            Self::Keep => "keep",
            Self::CannotTell => "cannot tell yet",
            Self::NoCell => "no configuration",
        }
    }
}

/// A number that decides, with what it is and how sure it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    pub label: String,
    pub value: String,
    pub note: String,
}

/// The first-placed cell's row.
pub fn first(view: &View) -> Option<&Row> {
    let name = view.verdict.cell.as_ref()?;
    view.cells.iter().find(|row| row.cell == *name)
}

/// The paired difference that the call rests on, with its interval.
pub fn difference(view: &View) -> Option<Prose> {
    let first = first(view)?;
    let baseline = view.baseline.as_ref().filter(|name| **name != first.cell);
    let by = match view.objectives.as_slice() {
        [one] => format!(" on {}", one.metric),
        _ => " by the weighted score".to_owned(),
    };
    let (other, sentence) = match baseline {
        Some(name) => {
            let row = view.cells.iter().find(|row| row.cell == *name)?;
            (row, Prose::new("Against the baseline ").name(name))
        }
        None => {
            let mut ranked = view.cells.iter().filter(|row| row.rank.is_some());
            let next = ranked.find(|row| row.cell != first.cell)?;
            let sentence = Prose::new("It is the baseline itself; against the next, ");
            (next, sentence.name(&next.cell))
        }
    };
    let behind = other.behind_first?;
    let told = match behind >= 0.0 {
        true => format!(" it is better by {}", number::percent(behind)),
        false => format!(" its mean is worse by {}", number::percent(-behind)),
    };
    let interval = match other.behind_interval {
        None => "; from these starts no interval can be stated.".to_owned(),
        Some((low, high)) => {
            let interval = format!(
                " (95 % interval of the difference: {} to {})",
                number::percent(low),
                number::percent(high)
            );
            match low <= 0.0 && high >= 0.0 {
                true => {
                    format!("{interval}: the interval holds 0, so the two cannot be told apart.")
                }
                false => format!("{interval}."),
            }
        }
    };
    Some(sentence.words(format!("{told}{by}{interval}")))
}

/// What died, what missed a gate, what ties.
pub fn field(view: &View) -> Prose {
    let count = |wanted: fn(&Standing) -> bool| {
        let rows = view.cells.iter();
        rows.filter(|row| wanted(&row.standing)).count()
    };
    let mut told = vec![format!(
        "Of {} configurations {} ranked",
        view.cells.len(),
        match count(|it| matches!(it, Standing::Ranked)) {
            1 => "1 is".to_owned(),
            n => format!("{n} are"),
        }
    )];
    for (n, words) in [
        (
            count(|it| matches!(it, Standing::Rejected { .. })),
            "missed a gate",
        ),
        (
            count(|it| matches!(it, Standing::Infeasible { .. })),
            "died of their own making",
        ),
        (
            count(|it| matches!(it, Standing::Skipped { .. })),
            "were not started because they would die",
        ),
        (
            count(|it| matches!(it, Standing::Undecided { .. })),
            "are undecided",
        ),
    ] {
        let words = match n {
            0 => continue,
            1 => words
                .replace("their own", "its own")
                .replace("they would", "it would")
                .replace("were", "was")
                .replace("are", "is"),
            _ => words.to_owned(),
        };
        told.push(format!("{n} {words}"));
    }
    let sentence = Prose::new(told.join(", ")).words(".");
    let ties: Vec<&str> = view
        .cells
        .iter()
        .filter(|row| row.same_as_first)
        .map(|row| row.cell.as_str())
        .collect();
    let margin = number::chosen_percent(view.equivalence);
    match ties.as_slice() {
        [] if view.verdict.cell.is_some() => sentence.words(format!(
            " None is within the margin of {margin} of the first."
        )),
        [] => sentence,
        [one] => sentence.words(" ").name(one).words(format!(
            " is the same to you as the first (within {margin})."
        )),
        ties => {
            let named = sentence.words(" ").names(ties.iter().copied().take(NAMES));
            let more = ties.len().saturating_sub(NAMES);
            let more = match more {
                0 => String::new(),
                n => format!(" and {n} more"),
            };
            named.words(format!(
                "{more} are the same to you as the first (within {margin})."
            ))
        }
    }
}

/// What would change the first place, in the verdict's own words.
pub fn what_would_change_it(view: &View) -> Option<&Prose> {
    let mut sentences = view.verdict.sentences.iter();
    let found = sentences.find(|sentence| sentence.about == About::Sureness)?;
    Some(&found.text)
}

/// The first objective, the gate that is nearest to be missed, and what failed.
pub fn facts(view: &View) -> Vec<Fact> {
    let Some(first) = first(view) else {
        return Vec::new();
    };
    let facts = [
        objective(view, first),
        limit(view, first),
        failures(view, first),
    ];
    facts.into_iter().flatten().collect()
}

fn position(view: &View, row: &Row) -> Option<usize> {
    view.cells.iter().position(|other| other.cell == row.cell)
}

fn objective(view: &View, first: &Row) -> Option<Fact> {
    let objective = view.objectives.first()?;
    let measure = view.measures.first()?;
    let estimated = measure.estimates[position(view, first)?]?;
    let definition = objective.definition.as_ref();
    let number = |value| number::with_unit(value, definition);
    Some(Fact {
        label: objective.metric.clone(),
        value: number(estimated.mean),
        note: match estimated.interval {
            Some((low, high)) => format!(
                "mean of {} starts, 95 % interval {} to {}",
                estimated.n,
                number::of_metric(low, definition),
                number(high)
            ),
            None => match estimated.n {
                1 => "one start: no interval".to_owned(),
                n => format!("mean of {n} starts, no interval"),
            },
        },
    })
}

/// The gate whose bound is nearest, relative to the bound.
fn limit(view: &View, first: &Row) -> Option<Fact> {
    let bounds = |gate: &str| {
        let measures = view.measures.iter();
        measures
            .flat_map(|measure| measure.limits.iter().map(move |limit| (measure, limit)))
            .find(|(_, limit)| limit.gate == gate)
    };
    let nearest = first
        .gate_results
        .iter()
        .filter_map(|result| {
            let (measure, limit) = bounds(&result.gate)?;
            let value = result.value?;
            let room = (value - limit.bound).abs() / limit.bound.abs().max(f64::MIN_POSITIVE);
            Some((room, result, measure, value))
        })
        // What is at its bound is so because it cannot be better, as a success rate of 1.
        .min_by(|one, other| {
            (one.0 == 0.0, one.0)
                .partial_cmp(&(other.0 == 0.0, other.0))
                .unwrap_or(Ordering::Equal)
        })?;
    let (_, result, measure, value) = nearest;
    Some(Fact {
        label: format!("gate {}", result.gate),
        value: number::with_unit(value, measure.definition.as_ref()),
        note: match first.gate_results.len() {
            1 => "held; the only gate".to_owned(),
            n => format!("held; the nearest to be missed of {n} gates"),
        },
    })
}

/// All requests of a configuration, and those that failed.
pub fn requests(view: &View, cell: &str) -> (u32, u32) {
    let ran = view.workloads.iter().flat_map(|workload| &workload.cells);
    ran.filter(|ran| ran.cell == cell)
        .fold((0, 0), |(n, n_failed), ran| {
            (n + ran.n_requests, n_failed + ran.n_failed)
        })
}

fn failures(view: &View, first: &Row) -> Option<Fact> {
    let (n, n_failed) = requests(view, &first.cell);
    let starts = first.tally.n_measured;
    let bound = survival_bound(starts)?;
    Some(Fact {
        label: "failed requests".to_owned(),
        value: format!("{n_failed} of {n}"),
        note: format!(
            "0 deaths in {starts} start{}: it may still die in up to {} of its starts (95 % bound)",
            if starts == 1 { "" } else { "s" },
            number::percent(bound)
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture::{self, Numbers};
    use crate::diagnose::FailureClass;
    use crate::manifest::RunRecord;
    use crate::outcome::Settled;
    use crate::report::view_of;

    fn repeated(cells: &[(&str, f64)], n: u32) -> RunRecord {
        let starts = cells.iter().flat_map(|&(cell, ms)| {
            (1..=n).map(move |number| -> Settled {
                let ms = ms * (1.0 + 0.002 * f64::from(number % 3));
                fixture::measured(cell, number, Numbers::new(900.0, ms))
            })
        });
        fixture::record(starts.collect())
    }

    fn told(record: &RunRecord) -> (Call, String) {
        let view = view_of(record);
        let difference = difference(&view).map_or(String::new(), |it| it.plain());
        (Call::of(&view), difference)
    }

    #[test]
    fn the_call_follows_from_the_verdict_and_the_baseline() {
        let (call, difference) = told(&repeated(&[("a", 100.0), ("b", 80.0)], 8));
        assert_eq!(call, Call::Promote);
        assert!(
            difference.starts_with("Against the baseline a it is better by 25.0 % on"),
            "{difference}"
        );
        let (call, difference) = told(&repeated(&[("a", 80.0), ("b", 100.0)], 8));
        assert_eq!(call, Call::Keep);
        assert!(difference.starts_with("It is the baseline itself; against the next, b it"));
        let (call, difference) = told(&repeated(&[("a", 100.0), ("b", 80.0)], 1));
        assert_eq!(call, Call::CannotTell);
        assert!(
            difference.ends_with("no interval can be stated."),
            "{difference}"
        );
        let died = fixture::died("a", 1, FailureClass::GpuOomServing);
        assert_eq!(
            told(&fixture::record(vec![died])),
            (Call::NoCell, String::new())
        );
    }

    #[test]
    fn an_interval_with_nothing_in_it_says_so() {
        let record = fixture::record(vec![
            fixture::measured("a", 1, Numbers::new(900.0, 100.0)),
            fixture::measured("a", 2, Numbers::new(900.0, 120.0)),
            fixture::measured("b", 1, Numbers::new(900.0, 99.0)),
            fixture::measured("b", 2, Numbers::new(900.0, 118.0)),
        ]);
        let (_, difference) = told(&record);
        assert!(difference.contains("95 % interval"), "{difference}");
    }

    #[test]
    fn the_field_counts_every_fate_and_names_ties() {
        let view = view_of(&fixture::full());
        assert_eq!(
            field(&view).plain(),
            "Of 6 configurations 3 are ranked, 1 missed a gate, 1 died of its own making, 1 is \
             undecided. None is within the margin of 2 % of the first."
        );
        let view = view_of(&repeated(&[("a", 80.0), ("b", 80.1)], 2));
        assert!(
            field(&view)
                .plain()
                .ends_with("is the same to you as the first (within 2 %)."),
        );
    }

    #[test]
    fn three_facts_with_what_they_rest_on() {
        let facts = facts(&view_of(&fixture::full()));
        assert_eq!(facts[0].value, "132 ms");
        assert!(
            facts[0]
                .note
                .starts_with("mean of 2 starts, 95 % interval ")
        );
        assert_eq!(facts[1].label, "gate kv-cache.success_rate >= 0.95");
        assert_eq!(facts[2].value, "0 of 20");
        assert!(facts[2].note.contains("77.6 %"));
    }
}
