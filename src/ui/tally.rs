//! Where a run stands, summed up from its events: what every sink shows.

use std::time::Duration;

use crate::event::{EventKind, RunEvent};
use crate::manifest::{Manifest, RunEnding, RunRecord};
use crate::outcome::{Outcome, Settled};
use crate::plan::blocks::{PlannedAttempt, remaining};
use crate::report::{self, Stamp};

/// Follows a run.
#[derive(Debug)]
pub struct Tally {
    record: RunRecord,
    plan: Vec<PlannedAttempt>,
    /// Settled by this process: only these tell how fast it goes. By the clock of those who
    /// wait.
    took: Vec<Duration>,
    best: Option<String>,
}

impl Tally {
    /// `settled` are the attempts of earlier processes.
    pub fn new(manifest: Manifest, plan: Vec<PlannedAttempt>, settled: Vec<Settled>) -> Self {
        let record = RunRecord {
            manifest,
            settled,
            ending: RunEnding::Open,
        };
        let best = first(&record);
        Self {
            record,
            plan,
            took: Vec::new(),
            best,
        }
    }

    /// What numbers are shown with when no real model answers.
    pub fn stamp(&self) -> Option<Stamp> {
        Stamp::of(&self.record.manifest)
    }

    pub fn take(&mut self, event: &RunEvent) {
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
    /// known now (dead cells are not tried again, failed attempts are).
    pub fn progress(&self) -> (u64, u64) {
        let done = self
            .record
            .settled
            .iter()
            .filter(|settled| settled.outcome != Outcome::Cancelled)
            .count();
        let left = remaining(&self.plan, &self.record.settled).len();
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
    use crate::plan::blocks::plan;
    use crate::time_scale::TimeScale;

    #[test]
    fn what_is_left_is_told_by_the_clock_of_those_who_wait() {
        let settled = fixture::measured("a", 1, Numbers::new(1305.0, 142.0));
        let rest = |speed| {
            let mut manifest = fixture::record(Vec::new()).manifest;
            manifest.speed = TimeScale::new(speed).unwrap();
            let planned = plan(&manifest.cells, 1, 1);
            let mut tally = Tally::new(manifest, planned, Vec::new());
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
}
