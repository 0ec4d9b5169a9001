//! What would change the winner of a ranking, in numbers and in words.

use serde::Serialize;

use crate::decide::decision::{Decision, Ranking};
use crate::decide::number;
use crate::decide::reading;
use crate::decide::sensitivity::{GateChange, Sensitivity, WEIGHT_RANGE, sensitivity};
use crate::decide::verdict::Verdict;
use crate::report::text::Prose;
use crate::spec::experiment::Experiment;

/// What another weight or another bound would change; both lists are empty where nothing would.
#[derive(Debug, Clone, Serialize)]
pub struct SwayView {
    /// The cell that is first now.
    pub winner: String,
    pub weights: Vec<WeightView>,
    pub gates: Vec<GateView>,
    #[serde(skip)]
    pub sentences: Vec<Prose>,
}

/// A weight beyond which another cell wins.
#[derive(Debug, Clone, Serialize)]
pub struct WeightView {
    pub metric: String,
    /// As the file has it.
    pub now: f64,
    pub weight: f64,
    pub then: String,
}

/// What a change of a gate would do.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum GateView {
    /// A cell that misses this gate alone would win.
    Without {
        gate: String,
        then: String,
        value: Option<f64>,
        /// How many times better than the winner.
        ahead: f64,
    },
    /// A bound stricter than the winner's own number.
    Stricter {
        gate: String,
        value: f64,
        then: String,
    },
}

/// Of one ranking; `None` where nobody is ranked.
pub fn view(
    experiment: &Experiment,
    decision: &Decision<'_>,
    ranking: &Ranking<'_>,
) -> Option<SwayView> {
    let Verdict::Leader(lead) = decision.verdict_of(ranking, experiment) else {
        return None;
    };
    let found = sensitivity(experiment, ranking, &decision.cells, lead.cell);
    let name = |cell: usize| decision.cells[cell].cell.name.clone();
    let gate = |at: usize| experiment.gates[at].text.clone();
    let weights = found.weights.iter().map(|change| {
        let objective = &ranking.objectives[change.objective];
        WeightView {
            metric: objective.metric.to_string(),
            now: objective.weight,
            weight: change.weight,
            then: name(change.winner),
        }
    });
    let gates = found.gates.iter().map(|change| match *change {
        GateChange::Without {
            gate: at,
            winner,
            value,
            ahead,
        } => GateView::Without {
            gate: gate(at),
            then: name(winner),
            value,
            ahead,
        },
        GateChange::Stricter {
            gate: at,
            value,
            then,
        } => GateView::Stricter {
            gate: gate(at),
            value,
            then: name(then),
        },
    });
    let words = Words {
        experiment,
        decision,
        ranking,
        winner: lead.cell,
    };
    Some(SwayView {
        winner: name(lead.cell),
        weights: weights.collect(),
        gates: gates.collect(),
        sentences: words.sentences(&found),
    })
}

struct Words<'a> {
    experiment: &'a Experiment,
    decision: &'a Decision<'a>,
    ranking: &'a Ranking<'a>,
    winner: usize,
}

impl<'a> Words<'a> {
    fn sentences(&self, found: &Sensitivity) -> Vec<Prose> {
        let mut sentences: Vec<Prose> = found
            .weights
            .iter()
            .map(|change| {
                let objective = &self.ranking.objectives[change.objective];
                let side = match change.weight < objective.weight {
                    true => "below",
                    false => "above",
                };
                Prose::new("With a weight of ")
                    .name(&objective.metric.to_string())
                    .words(format!(
                        " {side} {} (now {}), ",
                        number::significant(change.weight),
                        number::significant(objective.weight)
                    ))
                    .name(self.name(change.winner))
                    .words(" would be better by more than the margin.")
            })
            .collect();
        if found.weights.is_empty() && self.ranking.objectives.len() > 1 {
            sentences.push(Prose::new(format!(
                "No weight between a {WEIGHT_RANGE:.0}th and {WEIGHT_RANGE:.0} times of what the \
                 file says would."
            )));
        }
        sentences.extend(found.gates.iter().map(|change| self.of_gate(change)));
        sentences
    }

    fn of_gate(&self, change: &GateChange) -> Prose {
        match *change {
            GateChange::Without {
                gate,
                winner,
                value,
                ahead,
            } => {
                let has = value.map_or_else(String::new, |value| {
                    format!(", which has {}", self.number(gate, value))
                });
                Prose::new("Without the gate ")
                    .name(self.gate(gate))
                    .words(", ")
                    .name(self.name(winner))
                    .words(format!(
                        "{has}, would be better by {}.",
                        number::percent(ahead - 1.0)
                    ))
            }
            GateChange::Stricter { gate, value, then } => Prose::name_first(self.name(self.winner))
                .words(format!(" has {} at the gate ", self.number(gate, value)))
                .name(self.gate(gate))
                .words(": a bound that is stricter than that rejects it and leaves ")
                .name(self.name(then))
                .words(" first."),
        }
    }

    fn gate(&self, at: usize) -> &'a str {
        &self.experiment.gates[at].text
    }

    fn name(&self, cell: usize) -> &'a str {
        &self.decision.cells[cell].cell.name
    }

    fn number(&self, gate: usize, value: f64) -> String {
        let metric = &self.experiment.gates[gate].metric;
        number::with_unit(value, reading::definition(self.experiment, metric))
    }
}
