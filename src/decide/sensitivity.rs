//! What would change the winner: another weight of an objective, another bound of a gate.
//!
//! "Change" means that another cell would be better by more than the margin, by the means: what
//! is the same to the user does not change anything. Draws nothing.

use crate::decide::decision::{CellResult, Ranking};
use crate::decide::fit::{Fit, Observation};
use crate::decide::score::{Score, score};
use crate::decide::standing::GateResult;
use crate::spec::experiment::Experiment;

/// Weights are varied within so many times what the file says, up and down.
pub const WEIGHT_RANGE: f64 = 10.0;

/// What would change the winner of one ranking; empty where nothing within the ranges does.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sensitivity {
    pub weights: Vec<WeightChange>,
    pub gates: Vec<GateChange>,
}

/// A weight from which on another cell wins, all other weights as they are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WeightChange {
    /// Position among the objectives.
    pub objective: usize,
    /// As the file would write it.
    pub weight: f64,
    pub winner: usize,
}

/// What a change of a gate would do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum GateChange {
    /// A cell that misses this gate alone would win without it.
    Without {
        gate: usize,
        winner: usize,
        /// What the bound would have to let through.
        value: Option<f64>,
        /// How many times better than the winner it is.
        ahead: f64,
    },
    /// A bound stricter than the winner's own number rejects it and leaves others.
    Stricter {
        gate: usize,
        value: f64,
        /// The best of those that would be left.
        then: usize,
    },
}

/// What would change `winner`.
pub fn sensitivity(
    experiment: &Experiment,
    ranking: &Ranking<'_>,
    cells: &[CellResult<'_>],
    winner: usize,
) -> Sensitivity {
    let margin = experiment.run.equivalence.ln_1p();
    Sensitivity {
        weights: weights(ranking, winner, margin),
        gates: gates(experiment, ranking, cells, winner, margin),
    }
}

/// The nearest weights below and above each objective's own from which on another cell is better
/// than the winner by more than the margin.
///
/// With d the winner's distance to a rival in s ln x of the varied objective, D the sum of weight
/// times distance over the others and S the sum of their weights, the score's distance is
/// (W d + D) / (W + S): it passes the margin L at W = (L S - D) / (d - L) and nowhere else.
fn weights(ranking: &Ranking<'_>, winner: usize, margin: f64) -> Vec<WeightChange> {
    let objectives = ranking.objectives;
    if objectives.len() < 2 {
        return Vec::new();
    }
    let means = part_means(ranking);
    let at = |cell: usize| ranking.order.iter().position(|&other| other == cell);
    let Some(own) = at(winner) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (varied, objective) in objectives.iter().enumerate() {
        let mut below: Option<WeightChange> = None;
        let mut above: Option<WeightChange> = None;
        for (rival, &cell) in ranking.order.iter().enumerate() {
            let distance = |k: usize| means[k][own] - means[k][rival];
            let others = || (0..objectives.len()).filter(|&k| k != varied);
            let sum: f64 = others().map(|k| objectives[k].weight).sum();
            let rest: f64 = others().map(|k| objectives[k].weight * distance(k)).sum();
            let weight = (margin * sum - rest) / (distance(varied) - margin);
            let now = objective.weight;
            let is_near =
                weight.is_finite() && weight > now / WEIGHT_RANGE && weight < now * WEIGHT_RANGE;
            if cell == winner || !is_near {
                continue;
            }
            let change = WeightChange {
                objective: varied,
                weight,
                winner: cell,
            };
            let nearest = if weight < now { &mut below } else { &mut above };
            if nearest.is_none_or(|known| (weight - now).abs() < (known.weight - now).abs()) {
                *nearest = Some(change);
            }
        }
        found.extend(below);
        found.extend(above);
    }
    found
}

/// Per objective, the fitted mean of s ln x of each ranked cell, in the ranking's order.
fn part_means(ranking: &Ranking<'_>) -> Vec<Vec<f64>> {
    let n = ranking.order.len();
    let scores: Vec<Option<&Score>> = ranking.order.iter().map(|&c| ranking.score(c)).collect();
    let of = |objective: usize| {
        let observations = scores.iter().enumerate().flat_map(|(cell, score)| {
            let starts = score.iter().flat_map(|score| &score.starts);
            starts.map(move |start| Observation {
                cell,
                block: start.block,
                y: start.parts[objective],
            })
        });
        let fit = Fit::of(n, observations.collect());
        (0..n).map(|cell| fit.mean(cell)).collect()
    };
    (0..ranking.objectives.len()).map(of).collect()
}

fn gates(
    experiment: &Experiment,
    ranking: &Ranking<'_>,
    cells: &[CellResult<'_>],
    winner: usize,
    margin: f64,
) -> Vec<GateChange> {
    let mut found = Vec::new();
    for (gate, of_gate) in experiment.gates.iter().enumerate() {
        found.extend(without(gate, ranking, cells, winner, margin));
        let own = &cells[winner].gates[gate];
        let Some(value) = own.value.filter(|&value| value != of_gate.bound) else {
            continue;
        };
        // Whoever is as far from the bound as the winner falls with it.
        let is_left = |&cell: &usize| {
            let other = cells[cell].gates[gate].value;
            other.is_some_and(|other| {
                of_gate.comparison.holds(other, value) && other != value && cell != winner
            })
        };
        let then = ranking.order.iter().copied().find(is_left);
        found.extend(then.map(|then| GateChange::Stricter { gate, value, then }));
    }
    found
}

/// The best of the cells that miss this gate and no other, where it would beat the winner.
fn without(
    gate: usize,
    ranking: &Ranking<'_>,
    cells: &[CellResult<'_>],
    winner: usize,
    margin: f64,
) -> Option<GateChange> {
    let misses_it_alone = |cell: &CellResult<'_>| {
        let missed =
            |(at, one): (usize, &GateResult)| (at == gate) != one.held && !one.is_disturbed;
        cell.tally.lived() && !cell.gates.is_empty() && cell.gates.iter().enumerate().all(missed)
    };
    let candidates: Vec<(usize, Score)> = (0..cells.len())
        .filter(|&cell| misses_it_alone(&cells[cell]))
        .filter_map(|cell| Some((cell, score(ranking.objectives, &cells[cell].starts).ok()?)))
        .collect();
    let means = means_with(ranking, &candidates);
    let own = ranking.order.iter().position(|&cell| cell == winner)?;
    let n_ranked = ranking.order.len();
    let (at, _) = candidates
        .iter()
        .enumerate()
        .min_by(|a, b| means[n_ranked + a.0].total_cmp(&means[n_ranked + b.0]))?;
    let ahead = means[own] - means[n_ranked + at];
    let cell = candidates[at].0;
    (ahead > margin).then(|| GateChange::Without {
        gate,
        winner: cell,
        value: cells[cell].gates[gate].value,
        ahead: ahead.exp(),
    })
}

/// Fitted means of the ranked cells, in the ranking's order, and of some more after them.
fn means_with(ranking: &Ranking<'_>, more: &[(usize, Score)]) -> Vec<f64> {
    let ranked = ranking.order.iter().filter_map(|&cell| ranking.score(cell));
    let scores: Vec<&Score> = ranked.chain(more.iter().map(|(_, score)| score)).collect();
    let observations = scores.iter().enumerate().flat_map(|(cell, score)| {
        score.starts.iter().map(move |start| Observation {
            cell,
            block: start.block,
            y: start.y,
        })
    });
    let fit = Fit::of(scores.len(), observations.collect());
    (0..scores.len()).map(|cell| fit.mean(cell)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::decision::Decision;
    use crate::decide::fixture::{self, Numbers};
    use crate::manifest::RunRecord;
    use crate::spec::experiment::Goal;

    /// `a` is quick to answer, `b` streams faster, `c` is between and misses a gate.
    fn record() -> RunRecord {
        let starts = (1..=2).flat_map(|block| {
            [
                ("a", 100.0, 40.0, 1.0),
                ("b", 130.0, 50.0, 1.0),
                ("c", 60.0, 45.0, 0.5),
            ]
            .map(|(cell, ms, speed, success)| {
                let numbers = Numbers::new(900.0, ms).speed(speed).success(success);
                let mut start = fixture::measured(cell, block, numbers);
                start.block = block;
                start
            })
        });
        let mut record = fixture::record(starts.collect());
        let experiment = &mut record.manifest.experiment;
        experiment.objectives = vec![
            fixture::objective("kv-cache.ttft_repeat_ms.p50", Goal::Min, 2.0),
            fixture::objective("kv-cache.tokens_per_second.p50", Goal::Max, 1.0),
        ];
        experiment.gates = vec![
            fixture::gate("kv-cache.success_rate >= 0.9"),
            fixture::gate("kv-cache.ttft_repeat_ms.p50 < 150 ms"),
        ];
        record
    }

    fn of(record: &RunRecord) -> Sensitivity {
        let decision = Decision::of(record);
        assert_eq!(decision.ranking.order, [0, 1]);
        sensitivity(
            &record.manifest.experiment,
            &decision.ranking,
            &decision.cells,
            0,
        )
    }

    #[test]
    fn a_weight_is_told_where_the_other_is_better_by_the_margin() {
        let record = record();
        let found = of(&record);
        // By hand: a to b is ln(100/130) = -0.26236 in ttft and ln(50/40) = 0.22314 in speed.
        // 2 % apart: (2 d1 + W d2) / (2 + W) = 0.0198, W = (0.0396 + 0.52473) / (0.22314 - 0.0198).
        let speed: Vec<&WeightChange> = found.weights.iter().filter(|c| c.objective == 1).collect();
        assert_eq!((speed.len(), speed[0].winner), (1, 1));
        assert!((speed[0].weight - 2.7753).abs() < 1e-3, "{speed:?}");
        // With that weight the other wins by just the margin.
        let mut changed = record.clone();
        changed.manifest.experiment.objectives[1].weight = speed[0].weight;
        let decision = Decision::of(&changed);
        let ahead = decision.ranking.behind(0, 1).unwrap();
        assert!((ahead - 1.02).abs() < 1e-9, "{ahead}");
    }

    #[test]
    fn a_gate_is_told_that_keeps_a_better_one_out_and_one_that_would_throw_the_winner_out() {
        let found = of(&record());
        let [
            GateChange::Without {
                gate: 0,
                winner: 2,
                value,
                ahead,
            },
            rest @ ..,
        ] = found.gates.as_slice()
        else {
            panic!("{found:?}");
        };
        assert_eq!(*value, Some(0.5));
        assert!(*ahead > 1.3, "{ahead}");
        // Nobody is left by a bound that is stricter than the winner at either gate.
        assert_eq!(rest, []);
        let mut record = record();
        let gate = fixture::gate("kv-cache.tokens_per_second.p50 > 30 tok/s");
        record.manifest.experiment.gates.push(gate);
        let found = of(&record);
        let (gate, value, then) = (2, 40.0, 1);
        assert_eq!(
            found.gates[1..],
            [GateChange::Stricter { gate, value, then }]
        );
    }
}
