//! How long an attempt will take, by those that settled: what a deadline is kept by.

use std::time::Duration;

use crate::id::CellId;
use crate::measure::metric::WorkloadKind;
use crate::outcome::{Outcome, Settled};
use crate::time_scale::TimeScale;

/// Milliseconds of the engine's time for the next attempt of a cell, without what ages: the mean of
/// its measured ones, else of everybody's; `None` before anything was measured. A start that dies is
/// shorter, and an `age` node ends with the run.
pub fn expected_ms(cell: &CellId, settled: &[Settled]) -> Option<f64> {
    let measured = || {
        let measured = |one: &&Settled| matches!(one.outcome, Outcome::Measured(_));
        settled.iter().filter(measured)
    };
    let mean = |took: Vec<f64>| {
        let n = took.len();
        (n > 0).then(|| took.iter().sum::<f64>() / n as f64)
    };
    let own = measured().filter(|one| one.attempt.cell == *cell);
    mean(own.map(took_ms).collect()).or_else(|| mean(measured().map(took_ms).collect()))
}

/// The same by the clock of those who wait.
pub fn expected(cell: &CellId, settled: &[Settled], speed: TimeScale) -> Option<Duration> {
    let told = Duration::try_from_secs_f64(expected_ms(cell, settled)? / 1e3).ok()?;
    Some(speed.real(told))
}

fn took_ms(one: &Settled) -> f64 {
    let Outcome::Measured(measured) = &one.outcome else {
        return one.took_ms;
    };
    let nodes = measured.nodes.iter();
    let ageing = nodes.filter(|node| node.kind == WorkloadKind::Age);
    let aged_ms: f64 = ageing.filter_map(|node| node.took_ms).sum();
    (one.took_ms - aged_ms).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture::{self, Numbers};
    use crate::diagnose::FailureClass;

    #[test]
    fn a_cell_goes_by_its_own_attempts_and_a_new_one_by_all() {
        let took = |cell: &str, number: u32, took_ms: f64| Settled {
            took_ms,
            ..fixture::measured(cell, number, Numbers::new(900.0, 90.0))
        };
        let died = Settled {
            took_ms: 1.0,
            ..fixture::died("d", 1, FailureClass::KvCacheTooSmall)
        };
        let settled = [
            took("a", 1, 100.0),
            took("a", 2, 200.0),
            took("b", 1, 600.0),
            died,
        ];
        let expected = |name: &str| expected_ms(&CellId::of(name), &settled);
        assert_eq!(expected("a"), Some(150.0));
        assert_eq!(expected("b"), Some(600.0));
        assert_eq!(expected("d"), Some(300.0));
        assert_eq!(expected_ms(&CellId::of("a"), &settled[3..]), None);
    }
}
