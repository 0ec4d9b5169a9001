//! Several runs as one, so that they are decided together.
//!
//! Attempts keep the run that made them, and blocks of different runs stay different blocks: a
//! slow night is not held against the cells that ran in it.

use std::collections::HashMap;

use crate::decide::conditions::Conditions;
use crate::decide::replay::scaffold;
use crate::id::{AttemptId, AttemptNo, CellId, RunId};
use crate::manifest::imported::Imported;
use crate::manifest::{Manifest, RunEnding, RunRecord};
use crate::outcome::{Origin, Race, Settled};
use crate::spec::experiment::Strategy;

/// Two runs whose numbers may not stand beside each other.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{first} and {second} cannot be decided together; they differ: {}", .differences.join("; "))]
pub struct Apart {
    pub first: String,
    pub second: String,
    pub differences: Vec<String>,
}

/// One record of all of them: the latest run's, with the attempts of the others in front of its
/// own. Cells that only older runs have come after its own cells. An attempt that several of
/// them count was made once and counts once. `None` for no record.
///
/// # Errors
/// When one did not measure the same thing on the same ground as the latest.
pub fn pool(mut records: Vec<RunRecord>) -> Result<Option<RunRecord>, Apart> {
    records.sort_by_key(|record| record.manifest.started_at);
    records.dedup_by(|a, b| a.manifest.run == b.manifest.run);
    let Some(mut pooled) = records.pop() else {
        return Ok(None);
    };
    if records.is_empty() {
        return Ok(Some(pooled));
    }
    // Its noise of earlier runs may be that of the very runs that are pooled with it.
    pooled.manifest.prior_noise.clear();
    let mut settled: Vec<Settled> = Vec::new();
    let mut n_blocks = 0;
    for older in records {
        let differences = differences(&older.manifest, &pooled.manifest);
        if !differences.is_empty() {
            return Err(Apart {
                first: older.manifest.run.to_string(),
                second: pooled.manifest.run.to_string(),
                differences,
            });
        }
        let run = older.manifest.run;
        for cell in older.manifest.cells {
            if pooled
                .manifest
                .cells
                .iter()
                .all(|known| known.id != cell.id)
            {
                pooled.manifest.cells.push(cell);
            }
        }
        let before = n_blocks;
        for mut one in older.settled {
            one.origin.get_or_insert_with(|| Origin {
                run: run.clone(),
                attempt: one.attempt.clone(),
                block: one.block,
            });
            one.block += before;
            n_blocks = n_blocks.max(one.block);
            if is_new(&settled, &one) {
                settled.push(one);
            }
        }
        pooled.manifest.experiment.run.repeats += older.manifest.experiment.run.repeats;
        pooled.skipped.extend(older.skipped);
    }
    for mut one in pooled.settled {
        one.block += n_blocks;
        if is_new(&settled, &one) {
            settled.push(one);
        }
    }
    // Every cell's attempts are counted through, and called by their cell's name of today.
    let mut numbers: HashMap<CellId, u32> = HashMap::new();
    for one in &mut settled {
        let number = numbers.entry(one.attempt.cell.clone()).or_default();
        *number += 1;
        one.attempt = AttemptId {
            cell: one.attempt.cell.clone(),
            number: AttemptNo(*number),
        };
        let cells = &pooled.manifest.cells;
        if let Some(cell) = cells.iter().find(|cell| cell.id == one.attempt.cell) {
            one.cell_name.clone_from(&cell.name);
        }
    }
    pooled.settled = settled;
    Ok(Some(pooled))
}

/// All of them as a run of its own, complete, in which every attempt says where it was made.
/// `None` for no record.
///
/// # Errors
/// As [`pool`].
pub fn consolidate(
    mut records: Vec<RunRecord>,
    run: &RunId,
    at: jiff::Timestamp,
) -> Result<Option<RunRecord>, Apart> {
    let mut runs: Vec<RunId> = Vec::new();
    records.sort_by_key(|record| record.manifest.started_at);
    for record in &mut records {
        let own = &record.manifest.run;
        for one in &mut record.settled {
            one.origin.get_or_insert_with(|| Origin {
                run: own.clone(),
                attempt: one.attempt.clone(),
                block: one.block,
            });
        }
        match record.manifest.consolidated.as_slice() {
            [] => runs.push(own.clone()),
            earlier => runs.extend(earlier.iter().cloned()),
        }
        runs.dedup();
    }
    let mut imported: Vec<Imported> = Vec::new();
    for row in records.iter().flat_map(|record| &record.imported) {
        if !imported.contains(row) {
            imported.push(row.clone());
        }
    }
    let Some(mut whole) = pool(records)? else {
        return Ok(None);
    };
    whole.manifest.run = run.clone();
    whole.manifest.started_at = at;
    whole.manifest.consolidated = runs;
    whole.ending = RunEnding::Complete { at };
    // Whom racing dropped is each run's own story.
    whole.race = Race::default();
    whole.manifest.experiment.run.strategy = Strategy::Exhaustive;
    whole.production = None;
    whole.manifest.night = None;
    whole.imported = imported;
    Ok(Some(whole))
}

/// A run without cells, for rows that were brought from elsewhere.
pub fn of_files(experiment: &str, run: &RunId, at: jiff::Timestamp) -> RunRecord {
    let mut manifest = scaffold::nothing(experiment);
    manifest.run = run.clone();
    manifest.started_at = at;
    RunRecord {
        ending: RunEnding::Complete { at },
        ..RunRecord::open(manifest, Vec::new())
    }
}

/// It was made by the run that tells of it, or none of these is the same attempt.
fn is_new(known: &[Settled], one: &Settled) -> bool {
    let made_by = |origin: &Origin| (origin.run.clone(), origin.attempt.clone());
    let own = one.origin.as_ref().map(made_by);
    own.is_none()
        || known
            .iter()
            .all(|other| other.origin.as_ref().map(made_by) != own)
}

/// What keeps two runs from being decided together, in words.
pub fn differences(older: &Manifest, newer: &Manifest) -> Vec<String> {
    Conditions::of(newer).apart_from(&Conditions::of(older))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::decision::Decision;
    use crate::decide::fixture::{self, Numbers};
    use crate::manifest::PriorNoise;

    /// A run at this second with starts of cells in block 1.
    fn run(second: i64, starts: &[(&str, f64)]) -> RunRecord {
        let starts: Vec<Settled> = starts
            .iter()
            .map(|&(cell, ms)| fixture::measured(cell, 1, Numbers::new(900.0, ms)))
            .collect();
        let mut record = fixture::record(starts);
        let at = jiff::Timestamp::from_second(second).unwrap();
        record.manifest.started_at = at;
        record.manifest.run = RunId::new(at, 7);
        record
    }

    #[test]
    fn nights_are_blocks_of_their_own() {
        // The first night is twice as slow: `a` ran in both, `c` in the slow one only.
        let slow = run(100, &[("a", 200.0), ("c", 180.0)]);
        let quick = run(200, &[("a", 100.0), ("b", 95.0)]);
        let pooled = pool(vec![quick.clone(), slow]).unwrap().unwrap();
        assert_eq!(pooled.manifest.run, quick.manifest.run);
        let numbers: Vec<String> = pooled
            .settled
            .iter()
            .map(|one| format!("{} {}", one.cell_name, one.attempt.number.0))
            .collect();
        assert_eq!(numbers, ["a 1", "c 1", "a 2", "b 1"]);
        assert!(pooled.settled[0].origin.is_some() && pooled.settled[2].origin.is_none());
        let decision = Decision::of(&pooled);
        let first = decision.ranking.order[0];
        assert_eq!(
            decision.cells[first].cell.name, "c",
            "10 % better than `a` on its night"
        );
    }

    #[test]
    fn what_a_run_took_over_from_another_of_them_counts_once() {
        let first = run(100, &[("a", 200.0), ("b", 180.0)]);
        let mut second = run(200, &[("b", 190.0)]);
        second.manifest.prior_noise.push(PriorNoise {
            use_case: None,
            variance: 1.0,
            degrees: 3.0,
            runs: vec![first.manifest.run.clone()],
        });
        let mut taken = first.settled[0].clone();
        taken.origin = Some(Origin {
            run: first.manifest.run.clone(),
            attempt: taken.attempt.clone(),
            block: 1,
        });
        second.settled.insert(0, taken);
        let pooled = pool(vec![first, second]).unwrap().unwrap();
        let numbers: Vec<(&str, u32)> = pooled
            .settled
            .iter()
            .map(|one| (one.cell_name.as_str(), one.block))
            .collect();
        assert_eq!(numbers, [("a", 1), ("b", 1), ("b", 2)]);
        assert_eq!(pooled.manifest.prior_noise, []);
    }

    #[test]
    fn a_consolidated_run_says_of_every_attempt_where_it_was_made_and_is_consolidated_again() {
        let first = run(100, &[("a", 200.0), ("b", 180.0)]);
        let second = run(200, &[("b", 190.0)]);
        let runs = [first.manifest.run.clone(), second.manifest.run.clone()];
        let at = jiff::Timestamp::from_second(300).unwrap();
        let name = RunId::new(at, 1);
        let whole = consolidate(vec![second.clone(), first.clone()], &name, at);
        let whole = whole.unwrap().unwrap();
        assert_eq!(whole.manifest.consolidated, runs);
        let made: Vec<&RunId> = whole
            .settled
            .iter()
            .map(|one| &one.origin.as_ref().unwrap().run)
            .collect();
        assert_eq!(made, [&runs[0], &runs[0], &runs[1]]);
        // With one of its own again nothing counts twice.
        let later = RunId::new(at, 2);
        let again = consolidate(vec![whole.clone(), first], &later, at)
            .unwrap()
            .unwrap();
        assert_eq!(again.settled.len(), 3);
        let score = |record: &RunRecord| Decision::of(record).ranking.confidence.mean(1);
        assert_eq!(score(&again), score(&whole));
    }

    #[test]
    fn runs_on_different_ground_are_not_decided_together() {
        let first = run(100, &[("a", 200.0)]);
        let mut second = run(200, &[("a", 200.0)]);
        second.manifest.experiment.run.seed += 1;
        second.manifest.host.gpus.push("another card".to_owned());
        let apart = pool(vec![first.clone(), second]).unwrap_err();
        let [gpus, seed] = apart.differences.as_slice() else {
            panic!("{apart}");
        };
        assert!(gpus.starts_with("GPUs or driver: ") && gpus.ends_with("another card now"));
        assert_eq!(seed, "seed of the prompts: 1 before, 2 now");
        // Where things stand in the file is no difference.
        let mut moved = first.clone();
        moved.manifest.experiment.workloads[0].at.start += 7;
        assert_eq!(differences(&first.manifest, &moved.manifest), [""; 0]);
        // The same run twice is that run.
        assert_eq!(
            pool(vec![first.clone(), first.clone()]).unwrap(),
            Some(first)
        );
        assert_eq!(pool(Vec::new()), Ok(None));
    }
}
