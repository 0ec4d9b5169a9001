//! Two hand-made runs held against each other.

use super::*;
use crate::decide::fixture::{self, Numbers};
use crate::diagnose::FailureClass;
use crate::outcome::Settled;

/// Starts of `a`, `b`, `c` in three blocks; repeats take `ms` with a wiggle of half a per cent.
fn starts(a: f64, b: f64, c: f64) -> Vec<Settled> {
    let mut starts = Vec::new();
    for block in 1..=3_u32 {
        for (at, (cell, ms)) in [("a", a), ("b", b), ("c", c)].into_iter().enumerate() {
            let wiggle = 1.0 + 0.005 * (f64::from((block + at as u32) % 3) - 1.0);
            let mut start = fixture::measured(cell, block, Numbers::new(900.0, ms * wiggle));
            start.block = block;
            starts.push(start);
        }
    }
    starts
}

fn of(before: &RunRecord, now: &RunRecord) -> Comparison {
    compare(before, now, Some(0.02), false).unwrap()
}

fn objective(comparison: &Comparison) -> &Measure {
    let mut measures = comparison.measures.iter();
    measures
        .find(|one| one.metric.as_deref() == Some("kv-cache.ttft_repeat_ms.p50"))
        .unwrap()
}

#[test]
fn better_worse_and_the_same_are_told_by_the_whole_interval() {
    let before = fixture::record(starts(100.0, 100.0, 100.0));
    let now = fixture::record(starts(110.0, 90.0, 100.0));
    let comparison = of(&before, &now);
    assert_eq!(comparison.changes, []);
    let measure = objective(&comparison);
    let calls: Vec<Call> = measure.cells[..3]
        .iter()
        .map(|row| row.moved.unwrap().call)
        .collect();
    assert_eq!(calls, [Call::Worse, Call::Better, Call::Same]);
    let moved = measure.cells[0].moved.unwrap();
    let (low, high) = moved.interval.unwrap();
    assert!(
        (moved.change - 0.1).abs() < 1e-9 && low > 0.08 && high < 0.12,
        "{moved:?}"
    );
    let (_, together, n) = comparison.in_all().unwrap();
    assert_eq!(n, 3);
    // 1.1 times 0.9 is 0.99: a cube root of it over three.
    assert!((together.change - (0.99_f64.powf(1.0 / 3.0) - 1.0)).abs() < 1e-9);
    assert_eq!(together.call, Call::Same);
}

#[test]
fn what_goes_up_is_better_where_more_is_wanted() {
    let interval = Some((0.1, 0.2));
    let no = |_| false;
    assert_eq!(call(interval, no, Some(Goal::Max)), Call::Better);
    assert_eq!(call(interval, no, Some(Goal::Min)), Call::Worse);
    assert_eq!(call(interval, no, None), Call::Higher);
    assert_eq!(call(Some((-0.2, -0.1)), no, None), Call::Lower);
    assert_eq!(call(Some((-0.1, 0.2)), no, None), Call::CannotTell);
    assert_eq!(call(None, no, Some(Goal::Max)), Call::CannotTell);
    assert_eq!(call(interval, |_| true, Some(Goal::Max)), Call::Same);
}

#[test]
fn single_starts_have_a_change_and_no_call() {
    let single =
        |ms: f64| fixture::record(vec![fixture::measured("a", 1, Numbers::new(900.0, ms))]);
    let comparison = of(&single(100.0), &single(150.0));
    let moved = objective(&comparison).cells[0].moved.unwrap();
    assert!((moved.change - 0.5).abs() < 1e-9);
    assert_eq!((moved.interval, moved.call), (None, Call::CannotTell));
}

#[test]
fn who_died_is_told_and_has_no_number() {
    let before = fixture::record(starts(100.0, 100.0, 100.0));
    let mut now = fixture::record(starts(100.0, 100.0, 100.0));
    now.settled
        .push(fixture::died("b", 4, FailureClass::GpuOomServing));
    let comparison = of(&before, &now);
    let fate = &comparison.fates[0];
    assert_eq!((fate.cell.as_str(), fate.is_death), ("b", true));
    assert!(
        fate.now.contains(FailureClass::GpuOomServing.name()),
        "{fate:?}"
    );
    let row = &objective(&comparison).cells[1];
    assert!(row.now.is_none() && row.moved.is_none() && row.before.is_some());
}

#[test]
fn what_only_one_has_is_named_and_what_nobody_shares_is_refused() {
    let before = fixture::record(starts(100.0, 100.0, 100.0));
    let mut now = fixture::record(starts(100.0, 100.0, 100.0));
    now.manifest.cells.truncate(3);
    let comparison = of(&before, &now);
    assert_eq!(comparison.only_before, ["d", "e", "f"]);
    assert_eq!((comparison.n_common, comparison.only_now.len()), (3, 0));

    now.manifest.cells.clear();
    let refusal = compare(&before, &now, None, false).unwrap_err();
    assert!(
        matches!(refusal, Refusal::NothingShared { .. }),
        "{refusal}"
    );
    let mut other = before.clone();
    other.manifest.experiment.workloads[0].name = "else".to_owned();
    let refusal = compare(&before, &other, None, false).unwrap_err();
    assert!(refusal.to_string().contains("else"), "{refusal}");
    let mut real = before.clone();
    real.manifest.runtime.stand_in = !before.manifest.runtime.stand_in;
    real.manifest.engines = crate::manifest::Engines::Docker;
    let mut rehearsal = real.clone();
    real.manifest.runtime.stand_in = false;
    rehearsal.manifest.runtime.stand_in = true;
    let refusal = compare(&real, &rehearsal, None, false).unwrap_err();
    assert!(matches!(refusal, Refusal::StandIn { .. }), "{refusal}");
}

#[test]
fn all_metrics_are_compared_where_that_is_asked() {
    let before = fixture::record(starts(100.0, 100.0, 100.0));
    let few = of(&before, &before).measures.len();
    let many = compare(&before, &before, None, true).unwrap();
    assert!(many.measures.len() > few);
    let share = many
        .measures
        .iter()
        .find(|one| one.metric.as_deref() == Some("kv-cache.success_rate"))
        .unwrap();
    assert!(share.together.is_none());
    assert_eq!(share.cells[0].moved.unwrap().call, Call::Same);
}
