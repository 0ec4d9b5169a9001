//! Which attempts of earlier runs fill places of a new one.
//!
//! That those runs measured the same on the same ground is for whoever hands them over to see.

use std::collections::HashMap;
use std::time::Duration;

use crate::id::{AttemptId, AttemptNo, CellId};
use crate::manifest::{Manifest, RunRecord};
use crate::measure::node::NodeStatus;
use crate::outcome::{Origin, Outcome, Settled};
use crate::plan::ageing::ages;
use crate::plan::blocks::PlannedAttempt;
use crate::spec::experiment::Workload;

/// Attempts of the earlier runs, the latest first, in the places of the plan that they fill.
///
/// - No older than `within` before this run, and none from after its start: a clock that was
///   wrong is no evidence.
/// - Measured with all nodes completed, or died of the cell's own making; the latest of a cell
///   decides whether it lives.
/// - In no place that is to age: nobody knows by an earlier start how this one does after hours.
/// - Made by the run that tells of it: what it took over itself is taken from where it was made.
pub fn reusable(
    plan: &[PlannedAttempt],
    manifest: &Manifest,
    earlier: &[RunRecord],
    within: Duration,
) -> Vec<Settled> {
    let mut found: HashMap<&CellId, Vec<(&RunRecord, &Settled)>> = HashMap::new();
    for record in earlier {
        for one in record.settled.iter().rev() {
            if is_fit(one, manifest.started_at, within) {
                let of_cell = found.entry(&one.attempt.cell).or_default();
                of_cell.push((record, one));
            }
        }
    }
    for of_cell in found.values_mut() {
        let died = |one: &Settled| matches!(one.outcome, Outcome::Infeasible(_));
        match of_cell.first().is_some_and(|(_, latest)| died(latest)) {
            true => of_cell.truncate(1),
            false => of_cell.retain(|(_, one)| !died(one)),
        }
    }
    let mut used: HashMap<&CellId, usize> = HashMap::new();
    let has_age = manifest
        .experiment
        .workloads
        .iter()
        .any(Workload::is_ageing);
    let taken = plan.iter().filter_map(|planned| {
        if has_age && ages(manifest, planned) {
            return None;
        }
        let used = used.entry(&planned.cell).or_default();
        let &(record, one) = found.get(&planned.cell)?.get(*used)?;
        *used += 1;
        let mut taken = one.clone();
        taken.origin = Some(Origin {
            run: record.manifest.run.clone(),
            attempt: one.attempt.clone(),
            block: one.block,
        });
        taken.attempt = AttemptId {
            cell: planned.cell.clone(),
            number: AttemptNo(*used as u32),
        };
        taken.block = planned.block;
        let mut cells = manifest.cells.iter();
        if let Some(cell) = cells.find(|cell| cell.id == planned.cell) {
            taken.cell_name.clone_from(&cell.name);
        }
        Some(taken)
    });
    taken.collect()
}

fn is_fit(one: &Settled, now: jiff::Timestamp, within: Duration) -> bool {
    let age = now.duration_since(one.started_at);
    let is_recent = !age.is_negative() && age.unsigned_abs() <= within;
    let is_whole = match &one.outcome {
        Outcome::Measured(measured) => {
            let mut nodes = measured.nodes.iter();
            nodes.all(|node| matches!(node.status, NodeStatus::Completed))
        }
        Outcome::Infeasible(_) => true,
        Outcome::Failed(_) | Outcome::Cancelled => false,
    };
    one.origin.is_none() && is_recent && is_whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture::{self, Numbers};
    use crate::diagnose::FailureClass;
    use crate::id::RunId;
    use crate::plan::blocks::plan;

    const DAY: u64 = 86_400;

    fn at(seconds: i64) -> jiff::Timestamp {
        jiff::Timestamp::from_second(seconds).unwrap()
    }

    /// A run whose attempts began at this second.
    fn run(second: i64, mut settled: Vec<Settled>) -> RunRecord {
        for one in &mut settled {
            one.started_at = at(second);
        }
        let mut record = fixture::record(settled);
        record.manifest.started_at = at(second);
        record.manifest.run = RunId::new(at(second), 1);
        record
    }

    fn taken(now: i64, repeats: u32, earlier: &[RunRecord]) -> Vec<String> {
        let manifest = run(now, Vec::new()).manifest;
        let plan = plan(&manifest.cells, repeats, 1);
        let taken = reusable(&plan, &manifest, earlier, Duration::from_secs(DAY));
        let mut told: Vec<String> = taken
            .iter()
            .map(|one| {
                let origin = one.origin.as_ref().unwrap();
                let (number, block) = (one.attempt.number.0, one.block);
                format!(
                    "{} {number} in block {block}: {} of {}",
                    one.cell_name, origin.attempt.number.0, origin.run
                )
            })
            .collect();
        told.sort();
        told
    }

    #[test]
    fn the_latest_attempts_fill_the_first_places() {
        let first = run(
            100,
            vec![
                fixture::measured("a", 1, Numbers::new(900.0, 90.0)),
                fixture::measured("b", 1, Numbers::new(900.0, 90.0)),
            ],
        );
        let second = run(
            200,
            vec![
                fixture::measured("a", 1, Numbers::new(900.0, 90.0)),
                fixture::measured("a", 2, Numbers::new(900.0, 90.0)),
            ],
        );
        let earlier = [second, first];
        let late = "19700101T000320Z-0001";
        let early = "19700101T000140Z-0001";
        assert_eq!(
            taken(300, 2, &earlier),
            [
                format!("a 1 in block 1: 2 of {late}"),
                format!("a 2 in block 2: 1 of {late}"),
                format!("b 1 in block 1: 1 of {early}"),
            ]
        );
    }

    #[test]
    fn what_is_too_old_from_the_future_disturbed_or_failed_is_not_taken() {
        let numbers = || Numbers::new(900.0, 90.0);
        let good = || vec![fixture::measured("a", 1, numbers())];
        let day = DAY as i64;
        assert_eq!(taken(day + 100, 1, &[run(100, good())]).len(), 1);
        assert_eq!(taken(day + 101, 1, &[run(100, good())]).len(), 0);
        assert_eq!(taken(100, 1, &[run(101, good())]).len(), 0);
        for other in [
            fixture::measured("a", 1, numbers().invalid("a stranger")),
            fixture::failed("a", 1, FailureClass::EngineDied),
            fixture::cancelled("a", 1),
        ] {
            assert_eq!(taken(200, 1, &[run(100, vec![other])]), [""; 0]);
        }
        // What the earlier run had itself taken over.
        let mut second_hand = run(100, good());
        second_hand.settled[0].origin = Some(Origin {
            run: RunId::new(at(1), 1),
            attempt: second_hand.settled[0].attempt.clone(),
            block: 1,
        });
        assert_eq!(taken(200, 1, &[second_hand]), [""; 0]);
    }

    #[test]
    fn a_death_is_taken_once_and_an_older_death_not_at_all() {
        let died = || fixture::died("a", 1, FailureClass::KvCacheTooSmall);
        let lived = || fixture::measured("a", 1, Numbers::new(900.0, 90.0));
        let then_died = [run(200, vec![died()]), run(100, vec![lived()])];
        assert_eq!(taken(300, 3, &then_died).len(), 1);
        let then_lived = [run(200, vec![lived()]), run(100, vec![died()])];
        assert_eq!(taken(300, 3, &then_lived).len(), 1);
        assert!(taken(300, 3, &then_lived)[0].contains("0320Z"));
    }
}
