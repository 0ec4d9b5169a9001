//! Did every configuration do the same task? Where the engine's own answers become part of the
//! next prompt, other answers make other prompts, and times of other prompts are not compared.

use std::collections::BTreeMap;

use crate::measure::kind::conversation::Turn;
use crate::measure::node::{NodeDetail, NodeReport, NodeStatus};
use crate::measure::summary::Summary;
use crate::outcome::{Measured, Outcome, Settled};
use crate::spec::experiment::{Experiment, WorkloadSpec};

/// Prompts may differ by so much of the baseline's length, as in the prompt book's own check.
const COMPARABLE_SHARE: f64 = 0.02;

/// How long the prompts of each turn were in the baseline, by node; `None` for a turn that
/// says nothing.
#[derive(Debug, Default)]
pub struct Yardstick<'a> {
    nodes: BTreeMap<&'a str, Lengths>,
}

#[derive(Debug)]
struct Lengths {
    /// Only a turn to which all conversations came has a median of the same messages.
    n_conversations: u32,
    tokens: Vec<Option<f64>>,
}

impl<'a> Yardstick<'a> {
    /// Of the attempts of the baseline: medians over those whose node was completed.
    pub fn of(experiment: &'a Experiment, baseline: &[&Settled]) -> Self {
        let nodes = experiment.workloads.iter().filter_map(|workload| {
            let WorkloadSpec::Conversation(spec) = &workload.spec else {
                return None;
            };
            let (turns, n_conversations) = (spec.turns, spec.n_conversations());
            let starts: Vec<&[Turn]> = baseline
                .iter()
                .filter_map(|settled| match &settled.outcome {
                    Outcome::Measured(measured) => completed(measured, &workload.name),
                    Outcome::Infeasible(_) | Outcome::Failed(_) | Outcome::Cancelled => None,
                })
                .filter_map(turns_of)
                .collect();
            let tokens = (1..=turns).map(|turn| {
                let lengths: Vec<f64> = starts
                    .iter()
                    .filter_map(|turns| length(turns, turn, n_conversations))
                    .collect();
                Summary::of(&lengths).map(|summary| summary.p50)
            });
            let lengths = Lengths {
                n_conversations,
                tokens: tokens.collect(),
            };
            Some((workload.name.as_str(), lengths))
        });
        Self {
            nodes: nodes.collect(),
        }
    }

    /// The nodes of an attempt that did another task than the baseline, each with the reason.
    pub fn incomparable(&self, measured: &Measured) -> BTreeMap<String, String> {
        let found = self.nodes.iter().filter_map(|(node, lengths)| {
            let turns = turns_of(completed(measured, node)?)?;
            let because = (1..).zip(&lengths.tokens).find_map(|(turn, expected)| {
                let expected = (*expected)?;
                let found = length(turns, turn, lengths.n_conversations)?;
                let is_off = (found - expected).abs() > COMPARABLE_SHARE * expected;
                is_off.then(|| {
                    format!(
                        "not comparable: the prompts of turn {turn} had {found:.0} tokens, \
                         those of the baseline {expected:.0}"
                    )
                })
            })?;
            Some(((*node).to_owned(), because))
        });
        found.collect()
    }
}

fn completed<'m>(measured: &'m Measured, node: &str) -> Option<&'m NodeReport> {
    let report = measured.nodes.iter().find(|report| report.node == node)?;
    (report.status == NodeStatus::Completed).then_some(report)
}

fn turns_of(report: &NodeReport) -> Option<&[Turn]> {
    match report.detail.as_ref()? {
        NodeDetail::Conversation(detail) => Some(&detail.turns),
        _ => None,
    }
}

/// Prompt tokens of a turn to which all conversations came.
fn length(turns: &[Turn], turn: u32, n_conversations: u32) -> Option<f64> {
    turns
        .iter()
        .find(|found| found.turn == turn && found.n == n_conversations)
        .map(|found| found.prompt_tokens)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::decision::Decision;
    use crate::decide::fixture;
    use crate::manifest::RunRecord;
    use crate::measure::kind::conversation::Detail;
    use crate::measure::metric::WorkloadKind;
    use crate::measure::node::MetricValue;
    use crate::outcome::Standing;
    use crate::spec::experiment::{Goal, Workload};
    use crate::spec::workload::conversation::{ConversationSpec, Script};

    fn workload() -> Workload {
        let kv_cache = fixture::experiment().workloads.remove(0);
        Workload {
            name: "talk".to_owned(),
            spec: WorkloadSpec::Conversation(ConversationSpec {
                turns: 3,
                iterations: 2,
                users: 1,
                think_time: None,
                max_tokens: 16,
                system_tokens: None,
                script: Script::Seeded { prompt_tokens: 100 },
            }),
            ..kv_cache
        }
    }

    /// Turns by conversations that came to them and tokens of their prompts.
    fn talked(cell: &str, number: u32, turns: [(u32, f64); 3]) -> Settled {
        let mut settled = fixture::measured(cell, number, fixture::Numbers::new(900.0, 90.0));
        let Outcome::Measured(measured) = &mut settled.outcome else {
            panic!("it was measured")
        };
        let report = &mut measured.nodes[0];
        report.node = "talk".to_owned();
        report.kind = WorkloadKind::Conversation;
        report.metrics = BTreeMap::from([
            ("degradation_ratio".to_owned(), MetricValue::Scalar(1.2)),
            ("success_rate".to_owned(), MetricValue::Scalar(0.75)),
        ]);
        let turns = (1..)
            .zip(turns)
            .map(|(turn, (n, prompt_tokens))| Turn {
                turn,
                n,
                ttft_ms: 10.0,
                e2e_ms: 100.0,
                prompt_tokens,
                cached_tokens: None,
            })
            .collect();
        report.detail = Some(NodeDetail::Conversation(Detail {
            turns,
            ..Detail::default()
        }));
        settled
    }

    fn record(settled: Vec<Settled>) -> RunRecord {
        let mut record = fixture::record(settled);
        let experiment = &mut record.manifest.experiment;
        experiment.workloads = vec![workload()];
        experiment.objectives = vec![fixture::objective("talk.degradation_ratio", Goal::Min, 1.0)];
        record.manifest.node_order = vec!["talk".to_owned()];
        record
    }

    const SAME: [(u32, f64); 3] = [(2, 100.0), (2, 250.0), (2, 400.0)];

    #[test]
    fn longer_histories_than_the_baselines_are_not_compared() {
        let record = record(vec![
            talked("a", 1, SAME),
            // 2 % is the bound itself, and still compared.
            talked("b", 1, [(2, 100.0), (2, 255.0), (2, 408.0)]),
            talked("c", 1, [(2, 100.0), (2, 250.0), (2, 409.0)]),
            talked("d", 1, [(2, 100.0), (2, 244.0), (2, 400.0)]),
        ]);
        let decision = Decision::of(&record);
        let standing = |cell: usize| decision.cells[cell].standing.clone();
        assert_eq!(standing(0), Standing::Ranked);
        assert_eq!(standing(1), Standing::Ranked);
        let because = |turn: u32, found: u32, expected: u32| Standing::Undecided {
            because: format!(
                "talk.degradation_ratio was not measured in start 1: talk is not comparable: \
                 the prompts of turn {turn} had {found} tokens, those of the baseline {expected}"
            ),
        };
        assert_eq!(standing(2), because(3, 409, 400));
        assert_eq!(standing(3), because(2, 244, 250));
    }

    #[test]
    fn a_gate_that_needs_the_times_is_missed_and_the_success_rate_still_counts() {
        let mut record = record(vec![
            talked("a", 1, SAME),
            talked("b", 1, [(2, 100.0), (2, 300.0), (2, 400.0)]),
        ]);
        record.manifest.experiment.gates = vec![
            fixture::gate("talk.degradation_ratio < 2"),
            fixture::gate("talk.success_rate >= 0.5"),
        ];
        let decision = Decision::of(&record);
        let held: Vec<bool> = decision.cells[1]
            .gates
            .iter()
            .map(|gate| gate.held)
            .collect();
        assert_eq!(held, [false, true]);
        assert!(decision.cells[0].gates.iter().all(|gate| gate.held));
    }

    #[test]
    fn turns_that_a_failed_conversation_lacks_say_nothing() {
        let record = record(vec![
            talked("a", 1, [(2, 100.0), (2, 250.0), (1, 500.0)]),
            talked("a", 2, SAME),
            talked("b", 1, [(2, 100.0), (1, 300.0), (1, 460.0)]),
        ]);
        let decision = Decision::of(&record);
        assert_eq!(decision.cells[1].standing, Standing::Ranked);
        // The baseline's own second start gave it the length of the third turn.
        let yardstick = Yardstick::of(&record.manifest.experiment, &decision.cells[0].settled);
        assert_eq!(
            yardstick.nodes["talk"].tokens,
            [Some(100.0), Some(250.0), Some(400.0)]
        );
    }
}
