//! The starts of a run in randomised blocks, and which of them are left after some have settled.
//!
//! In a block every cell is started once, in an order of its own, so that whatever drifts on the
//! machine hits all cells alike. Knows nothing of how an attempt is made.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::diagnose::Retry;
use crate::id::CellId;
use crate::matrix::cell::Cell;
use crate::outcome::{Outcome, Race, Settled, Skip};
use crate::plan::redo::{Grant, Redo};
use crate::plan::shuffle::shuffle;

/// How often a place whose attempt failed without the cell's fault is tried in all.
const TRIES_PER_PLACE: u32 = 2;

/// How often an attempt may be lost with the runtime before its place is given up: an engine
/// that takes the daemon with it every time must not be started for ever.
const LOSSES_PER_PLACE: u32 = 3;

/// One place of the plan: a cell in a block.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PlannedAttempt {
    pub cell: CellId,
    /// From 1.
    pub block: u32,
}

/// Plans `repeats` blocks of all cells, each shuffled by the seed and the block's number.
pub fn plan(cells: &[Cell], repeats: u32, seed: u64) -> Vec<PlannedAttempt> {
    (1..=repeats)
        .flat_map(|block| {
            let mut order: Vec<&CellId> = cells.iter().map(|cell| &cell.id).collect();
            shuffle(&mut order, seed, u64::from(block));
            order.into_iter().map(move |cell| PlannedAttempt {
                cell: cell.clone(),
                block,
            })
        })
        .collect()
}

/// What is left to start after the attempts that have settled, in the order in which to start
/// it: block after block, in a block first the places that were not tried, then those that
/// failed or were disturbed.
///
/// - A measured attempt settles its place, unless something that is needed of it is invalid and
///   the budget grants another start.
/// - An infeasible one settles every place of its cell: such a death is not tried again.
/// - A failed one, the machine's fault or nobody's, leaves its place to be tried once more.
/// - One that was lost with the runtime does not count as a try: the daemon's absence is not the
///   cell's. Three such losses of one place are too many to be chance.
/// - A cancelled one leaves its place as it was.
/// - A skipped cell has no places, nor has one that racing dropped; once a race is decided nothing
///   has.
pub fn remaining<'a>(
    plan: &[PlannedAttempt],
    settled: impl IntoIterator<Item = &'a Settled>,
    skipped: &'a [Skip],
    race: &'a Race,
    redo: &Redo,
) -> Vec<PlannedAttempt> {
    if race.decided.is_some() {
        return Vec::new();
    }
    let settled: Vec<&Settled> = settled.into_iter().collect();
    let grants = redo.grants(settled.iter().copied());
    let skips = skipped.iter().map(|skip| &skip.cell);
    let drops = race.dropped.iter().map(|dropped| &dropped.cell);
    let mut dead: HashSet<&CellId> = skips.chain(drops).collect();
    let mut done: HashSet<(&CellId, u32)> = HashSet::new();
    let mut failures: HashMap<(&CellId, u32), u32> = HashMap::new();
    let mut losses: HashMap<(&CellId, u32), u32> = HashMap::new();
    let mut disturbed: HashMap<(&CellId, u32), u32> = HashMap::new();
    for (record, grant) in settled.into_iter().zip(grants) {
        let place = (&record.attempt.cell, record.block);
        match &record.outcome {
            Outcome::Measured(_) => match grant {
                Grant::Again => *disturbed.entry(place).or_default() += 1,
                Grant::NotNeeded | Grant::PlaceUsedUp | Grant::RunUsedUp => {
                    done.insert(place);
                }
            },
            Outcome::Infeasible(_) => {
                dead.insert(place.0);
            }
            Outcome::Failed(failure) => match failure.consequence.retry(failure.class) {
                Retry::Once => *failures.entry(place).or_default() += 1,
                Retry::NotCounted => *losses.entry(place).or_default() += 1,
                Retry::Never => {
                    dead.insert(place.0);
                }
            },
            Outcome::Cancelled => {}
        }
    }
    let count = |counts: &HashMap<(&CellId, u32), u32>, planned: &PlannedAttempt| {
        counts
            .get(&(&planned.cell, planned.block))
            .copied()
            .unwrap_or(0)
    };
    let tried = |planned: &PlannedAttempt| {
        count(&failures, planned) + count(&losses, planned) + count(&disturbed, planned)
    };
    let mut left: Vec<PlannedAttempt> = plan
        .iter()
        .filter(|planned| {
            !dead.contains(&planned.cell)
                && !done.contains(&(&planned.cell, planned.block))
                && count(&failures, planned) < TRIES_PER_PLACE
                && count(&losses, planned) < LOSSES_PER_PLACE
        })
        .cloned()
        .collect();
    // Stable: places of one block that were tried equally often keep the plan's order.
    left.sort_by_key(|planned| (planned.block, tried(planned)));
    left
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::decide::fixture::{self, Numbers};
    use crate::diagnose::{Consequence, Failure, FailureClass, Phase};
    use crate::id::{AttemptId, AttemptNo};
    use crate::outcome::{EngineFacts, Measured};

    fn cells(names: &[&str]) -> Vec<Cell> {
        names
            .iter()
            .map(|name| Cell {
                id: CellId::of(name),
                name: (*name).to_owned(),
                coordinates: Vec::new(),
                flags: BTreeMap::new(),
                env: BTreeMap::new(),
                memory: None,
            })
            .collect()
    }

    fn settled(cell: &str, block: u32, outcome: Outcome) -> Settled {
        Settled {
            attempt: AttemptId {
                cell: CellId::of(cell),
                number: AttemptNo(1),
            },
            cell_name: cell.to_owned(),
            block,
            started_at: jiff::Timestamp::UNIX_EPOCH,
            took_ms: 1.0,
            outcome,
            end: None,
            profiling: None,
            origin: None,
        }
    }

    fn measured() -> Outcome {
        Outcome::Measured(Measured {
            ready_after_ms: 1.0,
            nodes: Vec::new(),
            attestation: Vec::new(),
            engine: EngineFacts::default(),
        })
    }

    fn failure(consequence: Consequence) -> Failure {
        Failure {
            class: FailureClass::Unknown,
            phase: Phase::Starting,
            stage: None,
            consequence,
            cause: None,
            explanation: String::new(),
            suggestion: None,
            node: None,
            node_after_ms: None,
            exit_code: None,
            oom_killed: None,
            log_tail: Vec::new(),
            disturbed: false,
        }
    }

    /// A plan in an order that the test can see: a, b, c in each of two blocks.
    fn by_name() -> Vec<PlannedAttempt> {
        (1..=2)
            .flat_map(|block| {
                ["a", "b", "c"].map(|name| PlannedAttempt {
                    cell: CellId::of(name),
                    block,
                })
            })
            .collect()
    }

    fn left(settled: &[Settled]) -> Vec<String> {
        left_beside(settled, &[])
    }

    fn left_beside(settled: &[Settled], skipped: &[Skip]) -> Vec<String> {
        let redo = Redo::of(&fixture::experiment(), by_name().len());
        names(&remaining(
            &by_name(),
            settled,
            skipped,
            &Race::default(),
            &redo,
        ))
    }

    fn names(places: &[PlannedAttempt]) -> Vec<String> {
        places
            .iter()
            .map(|planned| {
                let name = ["a", "b", "c"]
                    .into_iter()
                    .find(|name| CellId::of(name) == planned.cell)
                    .unwrap();
                format!("{name}{}", planned.block)
            })
            .collect()
    }

    #[test]
    fn each_block_has_every_cell_once_and_blocks_differ() {
        let cells = cells(&["a", "b", "c", "d", "e", "f", "g", "h"]);
        let all = plan(&cells, 3, 1);
        assert_eq!(all.len(), 24);
        let block = |number| {
            let ids: Vec<&CellId> = all
                .iter()
                .filter(|p| p.block == number)
                .map(|p| &p.cell)
                .collect();
            ids
        };
        for number in 1..=3 {
            let distinct: HashSet<&CellId> = block(number).into_iter().collect();
            assert_eq!(distinct.len(), 8);
        }
        assert_ne!(block(1), block(2));
        assert_ne!(block(2), block(3));
        assert!(all.is_sorted_by_key(|planned| planned.block));
        assert_eq!(plan(&cells, 3, 1), all);
        assert_ne!(plan(&cells, 3, 2), all);
        // More repeats only add blocks.
        assert_eq!(plan(&cells, 1, 1), all[..8]);
    }

    #[test]
    fn a_measured_place_is_settled_and_its_other_blocks_are_not() {
        assert_eq!(left(&[]), ["a1", "b1", "c1", "a2", "b2", "c2"]);
        assert_eq!(
            left(&[settled("b", 1, measured())]),
            ["a1", "c1", "a2", "b2", "c2"]
        );
    }

    #[test]
    fn an_infeasible_cell_has_no_places_left() {
        let died = || Outcome::Infeasible(failure(Consequence::Infeasible));
        assert_eq!(left(&[settled("a", 1, died())]), ["b1", "c1", "b2", "c2"]);
        // Also when it lived before.
        let lived_first = [settled("a", 1, measured()), settled("a", 2, died())];
        assert_eq!(left(&lived_first), ["b1", "c1", "b2", "c2"]);
    }

    #[test]
    fn a_failed_place_is_tried_once_more_at_the_end_of_its_block() {
        for consequence in [Consequence::Machine, Consequence::Retry] {
            let failed = || settled("a", 1, Outcome::Failed(failure(consequence)));
            assert_eq!(left(&[failed()]), ["b1", "c1", "a1", "a2", "b2", "c2"]);
            assert_eq!(left(&[failed(), failed()]), ["b1", "c1", "a2", "b2", "c2"]);
            let then_measured = [failed(), settled("a", 1, measured())];
            assert_eq!(left(&then_measured), ["b1", "c1", "a2", "b2", "c2"]);
        }
    }

    #[test]
    fn the_absence_of_the_runtime_costs_no_place() {
        let lost = || {
            let failure = Failure {
                class: FailureClass::RuntimeLost,
                ..failure(Consequence::Machine)
            };
            settled("a", 1, Outcome::Failed(failure))
        };
        let all_but_last = ["b1", "c1", "a1", "a2", "b2", "c2"];
        assert_eq!(left(&[lost(), lost()]), all_but_last);
        assert_eq!(left(&[lost(), lost(), lost()]).len(), 5);
        let failed = || settled("a", 1, Outcome::Failed(failure(Consequence::Machine)));
        assert_eq!(left(&[lost(), failed()]), all_but_last);
        assert_eq!(left(&[lost(), failed(), failed()]).len(), 5);
    }

    #[test]
    fn a_disturbed_place_is_started_again_at_the_end_of_its_block() {
        let disturbed = |cell: &str, block: u32| {
            let numbers = Numbers::new(900.0, 90.0).invalid("a stranger");
            let settled = fixture::measured(cell, 1, numbers);
            Settled { block, ..settled }
        };
        let once = [disturbed("a", 1)];
        assert_eq!(left(&once), ["b1", "c1", "a1", "a2", "b2", "c2"]);
        let then_measured = [disturbed("a", 1), settled("a", 1, measured())];
        assert_eq!(left(&then_measured), ["b1", "c1", "a2", "b2", "c2"]);
        let twice = [disturbed("a", 1), disturbed("a", 1)];
        assert_eq!(left(&twice), ["b1", "c1", "a2", "b2", "c2"]);
        // Two of six planned starts may be made again.
        let others = [disturbed("a", 1), disturbed("b", 1), disturbed("c", 1)];
        assert_eq!(left(&others), ["a1", "b1", "a2", "b2", "c2"]);
        // The repeat may fail, and is then tried once more as any other.
        let failed = || settled("a", 1, Outcome::Failed(failure(Consequence::Retry)));
        let then_failed = [disturbed("a", 1), failed()];
        assert_eq!(left(&then_failed), ["b1", "c1", "a1", "a2", "b2", "c2"]);
        let given_up = [disturbed("a", 1), failed(), failed()];
        assert_eq!(left(&given_up), ["b1", "c1", "a2", "b2", "c2"]);
    }

    #[test]
    fn a_skipped_cell_has_no_places() {
        let skipped = [fixture::skip("b", "a")];
        let died = [settled(
            "a",
            1,
            Outcome::Infeasible(failure(Consequence::Infeasible)),
        )];
        assert_eq!(left_beside(&died, &skipped), ["c1", "c2"]);
    }

    #[test]
    fn a_dropped_cell_has_no_places_and_a_decided_race_has_none_at_all() {
        let redo = Redo::of(&fixture::experiment(), by_name().len());
        let settled = ["a", "b", "c"].map(|name| settled(name, 1, measured()));
        let left = |race: &Race| names(&remaining(&by_name(), &settled, &[], race, &redo));
        let mut race = Race {
            dropped: vec![fixture::dropped("b", 1)],
            decided: None,
        };
        assert_eq!(left(&race), ["a2", "c2"]);
        race.decided = Some(fixture::decided("a", 1));
        assert_eq!(left(&race), [""; 0]);
    }

    #[test]
    fn a_cancelled_place_is_as_it_was() {
        let cancelled = || settled("a", 1, Outcome::Cancelled);
        assert_eq!(left(&[cancelled(), cancelled(), cancelled()]), left(&[]));
    }

    #[test]
    fn attempts_of_cells_that_are_not_planned_change_nothing() {
        assert_eq!(left(&[settled("z", 1, measured())]), left(&[]));
    }
}
