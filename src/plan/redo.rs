//! Which disturbed attempts are made again: those with an invalid node that an objective or a
//! gate needs, as far as the budget goes.
//!
//! An attempt of which nothing was valid has no numbers at all: it counts as failed, and is
//! tried once more as any failed one, outside of this budget.

use std::collections::{BTreeSet, HashMap};

use crate::id::CellId;
use crate::measure::node::{NodeReport, NodeStatus};
use crate::outcome::{Outcome, Settled};
use crate::spec::experiment::Experiment;

/// One in so many planned starts may be made again in all.
const ONE_IN: usize = 5;

/// The budget of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redo {
    /// Nodes whose numbers an objective or a gate needs.
    needed: BTreeSet<String>,
    per_place: u32,
    in_all: u32,
}

/// What the budget has for an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// It need not be made again: what is needed of it is valid, or it has no numbers.
    NotNeeded,
    /// It is to be made again, at the end of its block.
    Again,
    /// Its place was started again as often as one place may be.
    PlaceUsedUp,
    /// The run has used up what all its places may together.
    RunUsedUp,
}

impl Redo {
    /// `n_planned`: starts that the experiment asks for.
    pub fn of(experiment: &Experiment, n_planned: usize) -> Self {
        let use_cases = experiment.use_cases.iter();
        let objectives = experiment
            .objectives
            .iter()
            .chain(use_cases.flat_map(|case| &case.objectives));
        let gates = experiment.gates.iter().map(|gate| &gate.metric);
        let metrics = objectives.map(|objective| &objective.metric).chain(gates);
        Self {
            needed: metrics.map(|metric| metric.node.clone()).collect(),
            per_place: experiment.run.retries_invalid,
            in_all: u32::try_from(n_planned.div_ceil(ONE_IN)).unwrap_or(u32::MAX),
        }
    }

    /// How often all places together may be started again.
    pub fn in_all(&self) -> u32 {
        match self.per_place {
            0 => 0,
            _ => self.in_all,
        }
    }

    /// What the budget has for each of these attempts, in the order in which they settled. Each
    /// grant lessens what is left for later ones.
    pub fn grants<'a>(&self, settled: impl IntoIterator<Item = &'a Settled>) -> Vec<Grant> {
        let mut of_place: HashMap<(&CellId, u32), u32> = HashMap::new();
        let mut in_all = 0;
        let grant = |attempt: &'a Settled| {
            if !self.is_spoilt(attempt) {
                return Grant::NotNeeded;
            }
            let place = (&attempt.attempt.cell, attempt.block);
            let of_place = of_place.entry(place).or_default();
            if *of_place >= self.per_place {
                return Grant::PlaceUsedUp;
            }
            if in_all >= self.in_all {
                return Grant::RunUsedUp;
            }
            *of_place += 1;
            in_all += 1;
            Grant::Again
        };
        settled.into_iter().map(grant).collect()
    }

    /// Something that is needed of it is invalid.
    fn is_spoilt(&self, attempt: &Settled) -> bool {
        let Outcome::Measured(measured) = &attempt.outcome else {
            return false;
        };
        let mut nodes = measured.nodes.iter();
        nodes.any(|report| self.needed.contains(&report.node) && is_invalid(report))
    }
}

fn is_invalid(report: &NodeReport) -> bool {
    match report.status {
        NodeStatus::Invalid { .. } => true,
        NodeStatus::Completed | NodeStatus::Failed { .. } | NodeStatus::Skipped { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture::{self, Numbers};

    fn spoilt(cell: &str, number: u32, block: u32) -> Settled {
        Settled {
            block,
            ..fixture::measured(
                cell,
                number,
                Numbers::new(900.0, 90.0).invalid("a stranger"),
            )
        }
    }

    fn redo(retries: u32, n_planned: usize) -> Redo {
        let mut experiment = fixture::experiment();
        experiment.run.retries_invalid = retries;
        Redo::of(&experiment, n_planned)
    }

    #[test]
    fn a_place_is_started_again_as_often_as_the_file_allows() {
        let attempts = [spoilt("a", 1, 1), spoilt("a", 2, 1), spoilt("a", 3, 2)];
        let granted = |retries: u32| redo(retries, 100).grants(&attempts);
        assert_eq!(granted(0), [Grant::PlaceUsedUp; 3]);
        assert_eq!(granted(1), [Grant::Again, Grant::PlaceUsedUp, Grant::Again]);
        assert_eq!(granted(2), [Grant::Again; 3]);
    }

    #[test]
    fn all_places_together_get_a_fifth_of_the_planned_starts_rounded_up() {
        let attempts: Vec<Settled> = (1..=4).map(|block| spoilt("a", block, block)).collect();
        for (n_planned, expected) in [(1, 1), (5, 1), (6, 2), (15, 3), (16, 4)] {
            let grants = redo(1, n_planned).grants(&attempts);
            let n = grants
                .iter()
                .filter(|grant| **grant == Grant::Again)
                .count();
            assert_eq!(n, expected, "{n_planned}");
            assert!(
                grants[expected..]
                    .iter()
                    .all(|grant| *grant == Grant::RunUsedUp),
                "{grants:?}"
            );
        }
        assert_eq!(redo(0, 100).in_all(), 0);
    }

    #[test]
    fn only_what_an_objective_or_a_gate_needs_is_worth_a_start() {
        let attempt = [spoilt("a", 1, 1)];
        let mut experiment = fixture::experiment();
        experiment.objectives.clear();
        let grant = |experiment: &Experiment| Redo::of(experiment, 10).grants(&attempt)[0];
        assert_eq!(grant(&experiment), Grant::NotNeeded);
        experiment.use_cases = vec![fixture::use_case_by_speed()];
        assert_eq!(grant(&experiment), Grant::Again);
        experiment.use_cases.clear();
        experiment.gates = vec![fixture::gate("kv-cache.success_rate >= 0.95")];
        assert_eq!(grant(&experiment), Grant::Again);
    }

    #[test]
    fn what_has_no_numbers_is_no_matter_of_this_budget() {
        use crate::diagnose::FailureClass::{EngineDied, KvCacheTooSmall};
        let attempts = [
            fixture::measured("a", 1, Numbers::new(900.0, 90.0)),
            fixture::failed("b", 1, EngineDied),
            fixture::died("d", 1, KvCacheTooSmall),
            fixture::cancelled("c", 1),
        ];
        assert_eq!(redo(1, 10).grants(&attempts), [Grant::NotNeeded; 4]);
    }
}
