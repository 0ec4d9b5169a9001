//! The deadline of a run: nothing is started that cannot end before it, what is at work then is
//! stopped, and what it has room for is told while there is time to change one's mind.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::decide::forecast;
use crate::manifest::{Manifest, RunRecord};
use crate::outcome::{Forecast, Outcome, Race, Settled};
use crate::plan::blocks::PlannedAttempt;
use crate::plan::pace;
use crate::runner::cancel::Cancel;

/// Counts from when this process began the run.
#[derive(Debug)]
pub struct Deadline {
    end: Option<Instant>,
    /// The last block after which a forecast was made.
    forecast_after: Option<u32>,
}

impl Deadline {
    pub fn of(manifest: &Manifest) -> Self {
        let within = manifest.experiment.run.deadline;
        Self {
            end: within.and_then(|within| Instant::now().checked_add(within)),
            forecast_after: None,
        }
    }

    fn left(&self) -> Option<Duration> {
        Some(self.end?.saturating_duration_since(Instant::now()))
    }

    /// Why the attempt is not started: by what is known, it cannot end in time.
    pub fn too_late(
        &self,
        manifest: &Manifest,
        next: &PlannedAttempt,
        settled: &[Settled],
    ) -> Option<String> {
        let left = self.left()?;
        if left.is_zero() {
            return Some(PASSED.to_owned());
        }
        let expected = pace::expected(&next.cell, settled, manifest.speed)?;
        (expected > left).then(|| {
            format!(
                "the deadline is {:.0} s away, and the next attempt would take about {:.0} s",
                left.as_secs_f64(),
                expected.as_secs_f64()
            )
        })
    }

    /// Asks whatever runs to stop when the deadline passes; goes on for ever.
    pub async fn enforce(&self, cancel: &Cancel) -> Infallible {
        if let Some(end) = self.end {
            sleep_until(end).await;
            cancel.ask_because(PASSED.to_owned());
        }
        std::future::pending().await
    }

    /// What is ahead: once something was measured, and again at the end of every block.
    pub fn forecast(
        &mut self,
        now: jiff::Timestamp,
        manifest: &Manifest,
        settled: &[Settled],
        race: &Race,
        left: &[PlannedAttempt],
    ) -> Option<Forecast> {
        let until = self.left()?;
        let ended = left.first()?.block.checked_sub(1)?;
        let measured = |one: &Settled| matches!(one.outcome, Outcome::Measured(_));
        if self.forecast_after.is_some_and(|known| known >= ended) || !settled.iter().any(measured)
        {
            return None;
        }
        self.forecast_after = Some(ended);
        let record = RunRecord {
            race: race.clone(),
            ..RunRecord::open(manifest.clone(), settled.to_vec())
        };
        let deadline = now.checked_add(until).ok()?;
        forecast::ahead(&record, left)?.by(now, deadline)
    }
}

const PASSED: &str = "the deadline has passed";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::RunEnding;
    use crate::runner::bench::{Bench, Script, manifest};

    #[tokio::test(start_paused = true)]
    async fn the_deadline_starts_nothing_more() {
        let mut bench = Bench::new(&["a", "bb"], &[Script::Serves]);
        bench.manifest = manifest(&["a", "bb"], 1, Some(Duration::from_secs(3)));
        let ran = bench.run().await;
        assert_eq!(ran.finished.settled.len(), 1);
        assert!(
            matches!(&ran.finished.ending, RunEnding::Stopped { because, .. } if because.contains("deadline"))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_that_cannot_end_before_the_deadline_is_not_started() {
        let bench = |seconds| {
            let mut bench = Bench::new(&["a", "bb"], &[const { Script::Serves }; 4]);
            bench.manifest = manifest(&["a", "bb"], 2, Some(Duration::from_secs(seconds)));
            bench
        };
        let whole = bench(1000).run().await;
        let took = whole.finished.settled[0].took_ms / 1e3;
        let ran = bench((2.5 * took) as u64).run().await;
        assert_eq!(ran.finished.settled.len(), 2);
        assert!(
            matches!(&ran.finished.ending, RunEnding::Stopped { because, .. } if because.contains("the next attempt would take about"))
        );
        // Foretold once something was measured, and again when a block had ended.
        let foretold: Vec<usize> = (0..whole.events.len())
            .filter(|&at| whole.events[at] == "forecast")
            .collect();
        assert_eq!(foretold.len(), 2, "{:?}", whole.events);
        assert!(
            foretold
                .iter()
                .all(|&at| whole.events[at - 1] == "measured")
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_stops_an_attempt_that_outlives_it() {
        let mut bench = Bench::new(&["a"], &[Script::NeverReady]);
        bench.manifest = manifest(&["a"], 1, Some(Duration::from_secs(3)));
        let begun = tokio::time::Instant::now();
        let ran = bench.run().await;
        assert!(begun.elapsed() < Duration::from_secs(60));
        assert_eq!(ran.finished.settled[0].outcome, Outcome::Cancelled);
        assert!(
            matches!(&ran.finished.ending, RunEnding::Stopped { because, .. } if because == "the deadline has passed")
        );
        assert_eq!(ran.trace.last().unwrap(), "stop gracefully");
    }
}
