//! The validity ledger: every attempt that was not, or not wholly, a measurement of its
//! configuration, with what became of it.

use serde::Serialize;

use crate::decide::decision::Decision;
use crate::decide::reading::Start;
use crate::diagnose::{Failure, FailureClass};
use crate::manifest::{RunEnding, RunRecord};
use crate::measure::node::NodeStatus;
use crate::outcome::{Outcome, Settled};
use crate::plan::redo::{Grant, Redo};

/// What was not valid, and the budget for making it again.
#[derive(Debug, Clone, Serialize)]
pub struct Ledger {
    /// How often one place of the plan may be started again.
    pub retries_invalid: u32,
    /// How often all of them together may.
    pub budget: u32,
    /// How much of that is granted.
    pub n_granted: u32,
    /// In the order in which the attempts settled, in each by node.
    pub entries: Vec<Entry>,
}

/// One node of an attempt, or all of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    pub cell: String,
    pub start: u32,
    pub attempt: String,
    pub block: u32,
    /// `None` where it is about the whole attempt.
    pub node: Option<String>,
    pub what: What,
    pub reason: String,
    /// The start that was made in its stead.
    pub repeated_as: Option<u32>,
    /// What became of it, in words.
    pub fate: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// Something else than the engine was measured.
    Invalid,
    /// It did another task than the baseline.
    NotComparable,
    /// The engine ran other settings than it was given.
    NotAsConfigured,
}

impl What {
    pub fn words(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::NotComparable => "not comparable",
            Self::NotAsConfigured => "not as configured",
        }
    }
}

/// What became of an attempt.
struct Fate {
    repeated_as: Option<u32>,
    words: String,
}

impl Fate {
    fn not_repeated(because: impl Into<String>) -> Self {
        Self {
            repeated_as: None,
            words: format!("not repeated: {}", because.into()),
        }
    }
}

/// Reads the ledger off a run.
pub fn ledger(record: &RunRecord, decision: &Decision<'_>) -> Ledger {
    let run = &record.manifest.experiment.run;
    let n_planned = record.manifest.cells.len() * run.repeats as usize;
    let redo = Redo::of(&record.manifest.experiment, n_planned);
    let grants = redo.grants(&record.settled);
    let mut entries = Vec::new();
    for (at, (attempt, grant)) in record.settled.iter().zip(&grants).enumerate() {
        let entry = |node: Option<&str>, what: What, reason: &str, fate: Fate| Entry {
            cell: attempt.cell_name.clone(),
            start: attempt.attempt.number.0,
            attempt: attempt.attempt.to_string(),
            block: attempt.block,
            node: node.map(str::to_owned),
            what,
            reason: reason.to_owned(),
            repeated_as: fate.repeated_as,
            fate: fate.words,
        };
        match &attempt.outcome {
            Outcome::Measured(measured) => {
                let start = start_of(decision, attempt);
                for report in &measured.nodes {
                    let node = report.node.as_str();
                    if let NodeStatus::Invalid { because } = &report.status {
                        let fate = disturbed(record, at, *grant, &redo);
                        entries.push(entry(Some(node), What::Invalid, because, fate));
                    } else if let Some(because) = start.and_then(|start| start.incomparable(node)) {
                        let fate = Fate::not_repeated("this is not the machine's doing");
                        entries.push(entry(Some(node), What::NotComparable, because, fate));
                    }
                }
            }
            Outcome::Infeasible(failure) if failure.class == FailureClass::NotAsConfigured => {
                let fate = Fate::not_repeated("it would be configured alike again");
                entries.push(entry(None, What::NotAsConfigured, reason(failure), fate));
            }
            Outcome::Failed(failure) if failure.disturbed => {
                let fate = next(record, at)
                    .unwrap_or_else(|| open(record, at, "its place was tried twice"));
                entries.push(entry(None, What::Invalid, reason(failure), fate));
            }
            Outcome::Infeasible(_) | Outcome::Failed(_) | Outcome::Cancelled => {}
        }
    }
    let granted = grants.iter().filter(|grant| **grant == Grant::Again);
    Ledger {
        retries_invalid: run.retries_invalid,
        budget: redo.in_all(),
        n_granted: granted.count() as u32,
        entries,
    }
}

fn start_of<'d, 'a>(decision: &'d Decision<'a>, attempt: &Settled) -> Option<&'d Start<'a>> {
    let mut starts = decision.cells.iter().flat_map(|cell| &cell.starts);
    starts.find(|start| start.settled.attempt == attempt.attempt)
}

fn reason(failure: &Failure) -> &str {
    failure.cause.as_ref().unwrap_or(&failure.explanation)
}

/// What became of an attempt with an invalid node.
fn disturbed(record: &RunRecord, at: usize, grant: Grant, redo: &Redo) -> Fate {
    match grant {
        Grant::NotNeeded => Fate::not_repeated("no objective and no gate needs it"),
        Grant::Again => next(record, at)
            .unwrap_or_else(|| open(record, at, "the configuration was not started again")),
        Grant::PlaceUsedUp => match record.manifest.experiment.run.retries_invalid {
            0 => Fate::not_repeated("`retries-invalid` is 0"),
            n => Fate::not_repeated(format!(
                "its block's budget is used up (`retries-invalid` {n})"
            )),
        },
        Grant::RunUsedUp => {
            Fate::not_repeated(format!("the run's budget of {} is used up", redo.in_all()))
        }
    }
}

/// The next start of the same cell in the same block.
fn next(record: &RunRecord, at: usize) -> Option<Fate> {
    let attempt = &record.settled[at];
    let mut later = record.settled[at + 1..].iter();
    let next = later.find(|other| {
        other.attempt.cell == attempt.attempt.cell
            && other.block == attempt.block
            && other.outcome != Outcome::Cancelled
    })?;
    let number = next.attempt.number.0;
    Some(Fate {
        repeated_as: Some(number),
        words: format!("repeated as start {number}"),
    })
}

/// Nothing came after it: because the cell died, because the run is not at its end, or `else`.
fn open(record: &RunRecord, at: usize, otherwise: &str) -> Fate {
    let cell = &record.settled[at].attempt.cell;
    let death = record.settled.iter().find(|other| {
        other.attempt.cell == *cell && matches!(other.outcome, Outcome::Infeasible(_))
    });
    match (death, &record.ending) {
        (Some(death), _) => {
            let number = death.attempt.number.0;
            Fate::not_repeated(format!("the configuration died in start {number}"))
        }
        (None, RunEnding::Stopped { .. } | RunEnding::Open) => Fate {
            repeated_as: None,
            words: "not repeated yet".to_owned(),
        },
        (None, RunEnding::Complete { .. }) => Fate::not_repeated(otherwise),
    }
}

impl Entry {
    /// `start 2 of `b` (block 1), kv-cache, invalid: a stranger; repeated as start 3`.
    pub fn text(&self) -> String {
        let node = match &self.node {
            Some(node) => format!("`{node}` "),
            None => String::new(),
        };
        let reason = self.reason.strip_prefix("not comparable: ");
        format!(
            "start {} in block {}: {node}{}: {}; {}",
            self.start,
            self.block,
            self.what.words(),
            reason.unwrap_or(&self.reason),
            self.fate
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture::{self, Numbers};

    fn told(record: &RunRecord) -> Vec<String> {
        let decision = Decision::of(record);
        let entries = ledger(record, &decision).entries;
        entries
            .iter()
            .map(|entry| format!("{} {}", entry.cell, entry.text()))
            .collect()
    }

    fn spoilt(cell: &str, number: u32, block: u32) -> Settled {
        let numbers = Numbers::new(900.0, 90.0).invalid("a stranger");
        Settled {
            block,
            ..fixture::measured(cell, number, numbers)
        }
    }

    fn sound(cell: &str, number: u32, block: u32) -> Settled {
        Settled {
            block,
            ..fixture::measured(cell, number, Numbers::new(900.0, 90.0))
        }
    }

    #[test]
    fn every_invalid_attempt_says_what_became_of_it() {
        let mut record = fixture::record(vec![
            spoilt("a", 1, 1),
            sound("b", 1, 1),
            sound("a", 2, 1),
            spoilt("b", 2, 2),
            spoilt("b", 3, 2),
            spoilt("c", 1, 1),
            spoilt("f", 1, 1),
        ]);
        let mut expected = [
            "a start 1 in block 1: `kv-cache` invalid: a stranger; repeated as start 2",
            "b start 2 in block 2: `kv-cache` invalid: a stranger; repeated as start 3",
            "b start 3 in block 2: `kv-cache` invalid: a stranger; not repeated: its block's \
             budget is used up (`retries-invalid` 1)",
            "c start 1 in block 1: `kv-cache` invalid: a stranger; not repeated: the \
             configuration was not started again",
            "f start 1 in block 1: `kv-cache` invalid: a stranger; not repeated: the run's budget \
             of 3 is used up",
        ];
        assert_eq!(told(&record), expected);
        let decision = Decision::of(&record);
        let ledger = ledger(&record, &decision);
        assert_eq!((ledger.budget, ledger.n_granted), (3, 3));

        record.ending = RunEnding::Open;
        expected[3] = "c start 1 in block 1: `kv-cache` invalid: a stranger; not repeated yet";
        assert_eq!(told(&record), expected);
        let died = fixture::died("c", 2, FailureClass::GpuOomServing);
        record.settled.push(died);
        expected[3] = "c start 1 in block 1: `kv-cache` invalid: a stranger; not repeated: the \
                       configuration died in start 2";
        assert_eq!(told(&record), expected);
    }

    #[test]
    fn what_cannot_be_made_again_is_listed_too() {
        let mut unneeded = fixture::record(vec![spoilt("a", 1, 1)]);
        unneeded.manifest.experiment.objectives.clear();
        assert_eq!(
            told(&unneeded),
            [
                "a start 1 in block 1: `kv-cache` invalid: a stranger; not repeated: no objective \
              and no gate needs it"
            ]
        );
        let mut never = fixture::record(vec![spoilt("a", 1, 1)]);
        never.manifest.experiment.run.retries_invalid = 0;
        assert_eq!(
            told(&never),
            [
                "a start 1 in block 1: `kv-cache` invalid: a stranger; not repeated: \
              `retries-invalid` is 0"
            ]
        );
        let mut other = fixture::died("d", 1, FailureClass::NotAsConfigured);
        if let Outcome::Infeasible(failure) = &mut other.outcome {
            failure.cause = Some("asked was 1, found was 2".to_owned());
        }
        assert_eq!(
            told(&fixture::record(vec![other])),
            [
                "d start 1 in block 1: not as configured: asked was 1, found was 2; not repeated: it \
              would be configured alike again"
            ]
        );
    }

    #[test]
    fn an_attempt_without_one_valid_node_was_tried_again_as_a_failed_one() {
        let nothing = |number: u32| {
            let outcome = Outcome::Failed(Failure::disturbed("first: a stranger", ""));
            Settled {
                block: 1,
                outcome,
                ..fixture::cancelled("a", number)
            }
        };
        let mut record = fixture::record(vec![nothing(1), nothing(2)]);
        assert_eq!(
            told(&record),
            [
                "a start 1 in block 1: invalid: first: a stranger; repeated as start 2",
                "a start 2 in block 1: invalid: first: a stranger; not repeated: its place was \
                 tried twice",
            ]
        );
        record.settled = vec![
            sound("b", 1, 1),
            fixture::failed("a", 1, FailureClass::EngineDied),
        ];
        assert_eq!(told(&record), [""; 0], "a crash is no matter of validity");
    }
}
