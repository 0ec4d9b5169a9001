//! Where a run stands, summed up from its events: what every sink shows.

use std::time::Duration;

use crate::event::{EventKind, RunEvent};
use crate::manifest::{RunEnding, RunRecord};
use crate::outcome::Outcome;
use crate::plan::blocks::{PlannedAttempt, remaining};
use crate::plan::redo::Redo;
use crate::report::{self, Stamp};

/// Follows a run.
#[derive(Debug)]
pub struct Tally {
    record: RunRecord,
    plan: Vec<PlannedAttempt>,
    redo: Redo,
    /// Settled by this process: only these tell how fast it goes. By the clock of those who
    /// wait.
    took: Vec<Duration>,
    best: Option<String>,
}

impl Tally {
    /// `stored` is what earlier processes left.
    pub fn new(stored: RunRecord, plan: Vec<PlannedAttempt>) -> Self {
        let record = RunRecord {
            ending: RunEnding::Open,
            ..stored
        };
        let best = first(&record);
        let redo = Redo::of(&record.manifest.experiment, plan.len());
        Self {
            record,
            plan,
            redo,
            took: Vec::new(),
            best,
        }
    }

    /// What numbers are shown with when no real model answers.
    pub fn stamp(&self) -> Option<Stamp> {
        Stamp::of(&self.record.manifest)
    }

    pub fn take(&mut self, event: &RunEvent) {
        if let EventKind::CellSkipped { skip } = &event.kind {
            self.record.skipped.push(skip.clone());
        }
        if let EventKind::CellDropped { dropped } = &event.kind {
            self.record.race.dropped.push(dropped.clone());
        }
        if let EventKind::RaceDecided { decided } = &event.kind {
            self.record.race.decided = Some(decided.clone());
        }
        if let EventKind::AttemptSettled { settled } = &event.kind {
            if settled.outcome != Outcome::Cancelled {
                let took = Duration::from_secs_f64(settled.took_ms / 1e3);
                self.took.push(self.record.manifest.speed.real(took));
            }
            self.record.settled.push((**settled).clone());
            self.best = first(&self.record);
        }
    }

    /// Attempts that settled for good, and all that the run will have needed as far as is
    /// known now (dead and skipped cells are not tried again, failed and disturbed attempts are).
    pub fn progress(&self) -> (u64, u64) {
        let done = self
            .record
            .settled
            .iter()
            .filter(|settled| settled.outcome != Outcome::Cancelled)
            .count();
        let RunRecord {
            settled,
            skipped,
            race,
            ..
        } = &self.record;
        let left = remaining(&self.plan, settled, skipped, race, &self.redo).len();
        (done as u64, (done + left) as u64)
    }

    /// How long the rest takes if it goes on as so far; `None` before the first settlement.
    pub fn rest(&self) -> Option<Duration> {
        let (done, all) = self.progress();
        let mean = self
            .took
            .iter()
            .sum::<Duration>()
            .checked_div(u32::try_from(self.took.len()).ok()?)?;
        mean.checked_mul(u32::try_from(all - done).ok()?)
    }

    /// The first-placed cell so far, with its numbers.
    pub fn best(&self) -> Option<&str> {
        self.best.as_deref()
    }
}

/// The first-placed cell and its numbers, in one line.
fn first(record: &RunRecord) -> Option<String> {
    report::build(record)
        .best()
        .map(|(cell, numbers)| format!("{cell}: {numbers}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture::{self, Numbers};
    use crate::diagnose::FailureClass;
    use crate::plan::blocks::plan;
    use crate::time_scale::TimeScale;

    #[test]
    fn what_is_left_is_told_by_the_clock_of_those_who_wait() {
        let settled = fixture::measured("a", 1, Numbers::new(1305.0, 142.0));
        let rest = |speed| {
            let mut record = fixture::record(Vec::new());
            record.manifest.speed = TimeScale::new(speed).unwrap();
            let planned = plan(&record.manifest.cells, 1, 1);
            let mut tally = Tally::new(record, planned);
            tally.take(&RunEvent {
                at: fixture::at(0),
                elapsed_ms: 0.0,
                kind: EventKind::AttemptSettled {
                    settled: Box::new(settled.clone()),
                },
            });
            let (done, all) = tally.progress();
            tally.rest().unwrap() / u32::try_from(all - done).unwrap()
        };
        assert_eq!(rest(1.0), Duration::from_secs(95));
        assert_eq!(rest(20.0), Duration::from_millis(4750));
    }

    #[test]
    fn skipped_cells_and_disturbed_attempts_change_what_is_left_at_once() {
        let record = fixture::record(Vec::new());
        let planned = plan(&record.manifest.cells, 2, 1);
        let mut tally = Tally::new(record, planned);
        let mut take = |kind| {
            tally.take(&RunEvent {
                at: fixture::at(0),
                elapsed_ms: 0.0,
                kind,
            });
            tally.progress()
        };
        let settled = |settled| EventKind::AttemptSettled {
            settled: Box::new(settled),
        };
        let died = fixture::died("d", 1, FailureClass::KvCacheTooSmall);
        assert_eq!(take(settled(died)), (1, 11));
        let skip = fixture::skip("e", "d");
        assert_eq!(take(EventKind::CellSkipped { skip }), (1, 9));
        let disturbed = Numbers::new(1305.0, 142.0).invalid("a stranger");
        assert_eq!(take(settled(fixture::measured("a", 1, disturbed))), (2, 10));
    }
}
