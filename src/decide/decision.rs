//! Everything that follows from a run's attempts: one result per cell, the ranking by the
//! objectives, one ranking per use case, and the order in which tables show the cells.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::decide::comparable::Yardstick;
use crate::decide::confidence::Confidence;
use crate::decide::estimate::cell_means;
use crate::decide::fit::Noise;
use crate::decide::frame;
use crate::decide::hint::hint;
use crate::decide::prior;
use crate::decide::reading::{self, Start};
use crate::decide::score::{Score, Unscored, score};
use crate::decide::standing::{GateResult, Tally, judge_gates, stand};
use crate::decide::verdict::{self, Basis, Lead, Verdict};
use crate::id::CellId;
use crate::manifest::RunRecord;
use crate::matrix::cell::Cell;
use crate::measure::metric::Scale;
use crate::outcome::{Settled, Standing};
use crate::spec::experiment::{Experiment, Objective, RunSettings};

/// What a run decides. Cells are named by their position in the manifest.
#[derive(Debug)]
pub struct Decision<'a> {
    /// In the order of the file.
    pub cells: Vec<CellResult<'a>>,
    /// By the experiment's objectives.
    pub ranking: Ranking<'a>,
    /// In the order of the file.
    pub use_cases: Vec<Ranking<'a>>,
    /// The first cell of the file that lived. Others are shown against it, and are compared
    /// only where they did the same task.
    pub baseline: Option<usize>,
    /// Every cell once: the ranked by rank, then the rejected, infeasible, skipped and undecided
    /// ones in the order of the file.
    pub order: Vec<usize>,
}

/// One cell with its attempts.
#[derive(Debug)]
pub struct CellResult<'a> {
    pub cell: &'a Cell,
    /// In the order in which they settled.
    pub settled: Vec<&'a Settled>,
    /// Those that were measured.
    pub starts: Vec<Start<'a>>,
    pub tally: Tally,
    /// One per gate of the experiment; empty where nothing was measured.
    pub gates: Vec<GateResult>,
    pub standing: Standing,
}

/// Cells by their score.
#[derive(Debug)]
pub struct Ranking<'a> {
    /// The use case's name; `None` for the experiment's own objectives.
    pub name: Option<&'a str>,
    pub objectives: &'a [Objective],
    /// Per cell; `None` where it died, missed a gate or was not measured.
    pub scores: Vec<Option<Result<Score, Unscored>>>,
    /// Per cell, from 1; equal scores share a rank.
    pub ranks: Vec<Option<u32>>,
    /// The ranked cells, best first.
    pub order: Vec<usize>,
    pub confidence: Confidence,
    /// What it comes to, once somebody asked: looking ahead takes many draws.
    verdict: OnceLock<Verdict>,
}

impl Ranking<'_> {
    pub fn score(&self, cell: usize) -> Option<&Score> {
        self.scores[cell].as_ref()?.as_ref().ok()
    }

    /// How many times worse one cell's score is than another's, what the blocks did to them
    /// taken out; `None` unless both have one.
    pub fn behind(&self, cell: usize, other: usize) -> Option<f64> {
        Some((self.confidence.mean(cell)? - self.confidence.mean(other)?).exp())
    }
}

impl<'a> Decision<'a> {
    pub fn of(record: &'a RunRecord) -> Self {
        let experiment = &record.manifest.experiment;
        let mut by_cell: BTreeMap<&CellId, Vec<&Settled>> = BTreeMap::new();
        for settled in &record.settled {
            by_cell
                .entry(&settled.attempt.cell)
                .or_default()
                .push(settled);
        }
        let of_cells: Vec<(&Cell, Vec<&Settled>)> = record
            .manifest
            .cells
            .iter()
            .map(|cell| (cell, by_cell.remove(&cell.id).unwrap_or_default()))
            .collect();
        let baseline = of_cells
            .iter()
            .position(|(_, settled)| Tally::of(settled).lived());
        let yardstick = baseline.map_or_else(Yardstick::default, |index| {
            Yardstick::of(experiment, &of_cells[index].1)
        });
        let mut cells: Vec<CellResult<'a>> = of_cells
            .into_iter()
            .map(|(cell, settled)| gather(experiment, cell, settled, &yardstick))
            .collect();
        doubt_gates(experiment, &mut cells);
        for skip in &record.skipped {
            let cell = cells.iter_mut().find(|cell| cell.cell.id == skip.cell);
            if let Some(cell) = cell.filter(|cell| cell.tally.n_valid() == 0) {
                let witness = skip.witness.clone();
                cell.standing = Standing::Skipped { witness };
            }
        }
        let prior = |name: Option<&str>| prior::noise_of(&record.manifest, name);
        let run = &experiment.run;
        let ranking = rank(None, &experiment.objectives, &cells, run, prior(None));
        for (cell, score) in cells.iter_mut().zip(&ranking.scores) {
            if let Some(Err(Unscored { because })) = score {
                cell.standing = stand(&cell.settled, &cell.gates, Some(because));
            }
        }
        let use_cases = experiment
            .use_cases
            .iter()
            .map(|case| {
                let name = Some(case.name.as_str());
                rank(name, &case.objectives, &cells, run, prior(name))
            })
            .collect();
        let groups: Vec<u32> = cells.iter().map(|cell| group(&cell.standing)).collect();
        let means: Vec<Option<f64>> = (0..cells.len())
            .map(|cell| ranking.confidence.mean(cell))
            .collect();
        let order = frame::sort(&groups, &means);
        Self {
            cells,
            ranking,
            use_cases,
            baseline,
            order,
        }
    }

    /// The rankings that have something to rank by: the experiment's own, then the use cases'.
    pub fn rankings(&self) -> impl Iterator<Item = &Ranking<'a>> {
        let all = std::iter::once(&self.ranking).chain(&self.use_cases);
        all.filter(|ranking| !ranking.objectives.is_empty())
    }

    /// The verdict over the experiment's own objectives.
    pub fn verdict(&self, experiment: &Experiment) -> &Verdict {
        self.verdict_of(&self.ranking, experiment)
    }

    /// The verdict over one of the rankings.
    pub fn verdict_of<'r>(&self, ranking: &'r Ranking<'_>, experiment: &Experiment) -> &'r Verdict {
        let margin = experiment.run.equivalence;
        let reach = || verdict::reach(ranking, &self.cells, margin);
        ranking.verdict.get_or_init(reach)
    }

    /// The champion of one of the rankings, where the data carry one.
    pub fn champion(&self, ranking: &Ranking<'_>, experiment: &Experiment) -> Option<usize> {
        match self.verdict_of(ranking, experiment) {
            Verdict::Leader(Lead {
                cell,
                basis: Basis::Champion { .. },
                ..
            }) => Some(*cell),
            Verdict::Leader(_) | Verdict::NothingRanked { .. } => None,
        }
    }
}

fn gather<'a>(
    experiment: &Experiment,
    cell: &'a Cell,
    settled: Vec<&'a Settled>,
    yardstick: &Yardstick<'_>,
) -> CellResult<'a> {
    let starts: Vec<Start<'a>> = settled
        .iter()
        .copied()
        .filter_map(Start::of)
        .map(|start| start.against(yardstick))
        .collect();
    let gates = match starts.as_slice() {
        [] => Vec::new(),
        starts => explained(judge_gates(experiment, starts), experiment, cell, starts),
    };
    CellResult {
        cell,
        tally: Tally::of(&settled),
        standing: stand(&settled, &gates, None),
        settled,
        starts,
        gates,
    }
}

/// The gates, where one that was missed says what to try: once for each node.
fn explained(
    mut gates: Vec<GateResult>,
    experiment: &Experiment,
    cell: &Cell,
    starts: &[Start<'_>],
) -> Vec<GateResult> {
    let mut told: Vec<&str> = Vec::new();
    for (result, gate) in gates.iter_mut().zip(&experiment.gates) {
        let node = gate.metric.node.as_str();
        if result.held || told.contains(&node) {
            continue;
        }
        if let Some(advice) = hint(node, cell, starts).advice.first() {
            result.finding = format!("{}; {advice}", result.finding);
            told.push(node);
        }
    }
    gates
}

/// Tells of each gate that a mean decides how far that mean is known, and whether the bound lies
/// inside that.
fn doubt_gates(experiment: &Experiment, cells: &mut [CellResult<'_>]) {
    for (at, gate) in experiment.gates.iter().enumerate() {
        let scale = reading::definition(experiment, &gate.metric).map(|metric| metric.scale);
        let Some(scale @ (Scale::Ratio | Scale::Signed)) = scale else {
            continue;
        };
        let means = cell_means(&gate.metric, scale, cells);
        for (cell, mean) in cells.iter_mut().zip(means) {
            let result = cell.gates.get_mut(at).filter(|gate| gate.value.is_some());
            let interval = mean.and_then(|mean| mean.interval);
            if let (Some(result), Some((low, high))) = (result, interval) {
                result.interval = Some((low, high));
                result.borderline = (low..=high).contains(&gate.bound);
            }
        }
    }
}

/// Ranks the cells that lived and passed every gate.
fn rank<'a>(
    name: Option<&'a str>,
    objectives: &'a [Objective],
    cells: &[CellResult<'_>],
    run: &RunSettings,
    prior: Option<Noise>,
) -> Ranking<'a> {
    let eligible =
        |cell: &CellResult<'_>| cell.tally.lived() && cell.gates.iter().all(|gate| gate.held);
    let scores: Vec<Option<Result<Score, Unscored>>> = cells
        .iter()
        .map(|cell| eligible(cell).then(|| score(objectives, &cell.starts)))
        .collect();
    let scored = scores
        .iter()
        .enumerate()
        .filter_map(|(cell, score)| Some((cell, score.as_ref()?.as_ref().ok()?)));
    let confidence = Confidence::of(scored, run.equivalence, run.seed, prior);
    let means: Vec<Option<f64>> = (0..cells.len()).map(|cell| confidence.mean(cell)).collect();
    let ranks = frame::rank(&means);
    let order = frame::sort(&vec![0; cells.len()], &means)
        .into_iter()
        .filter(|&cell| ranks[cell].is_some())
        .collect();
    Ranking {
        name,
        objectives,
        scores,
        ranks,
        order,
        confidence,
        verdict: OnceLock::new(),
    }
}

/// Where a standing is shown: smaller comes first.
fn group(standing: &Standing) -> u32 {
    match standing {
        Standing::Ranked => 0,
        Standing::Rejected { .. } => 1,
        Standing::Infeasible { .. } => 2,
        Standing::Skipped { .. } => 3,
        Standing::Undecided { .. } => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture::{self, Numbers};
    use crate::diagnose::FailureClass;

    fn names(decision: &Decision<'_>, order: &[usize]) -> Vec<String> {
        order
            .iter()
            .map(|&i| decision.cells[i].cell.name.clone())
            .collect()
    }

    #[test]
    fn tables_show_ranked_then_rejected_then_infeasible_then_undecided() {
        let record = fixture::full();
        let decision = Decision::of(&record);
        assert_eq!(
            names(&decision, &decision.order),
            ["b", "a", "c", "f", "d", "e"]
        );
        assert_eq!(
            decision.ranking.ranks,
            [Some(2), Some(1), Some(3), None, None, None]
        );
        assert_eq!(decision.baseline, Some(0));
    }

    #[test]
    fn the_baseline_is_the_first_cell_that_lived() {
        let record = fixture::record(vec![
            fixture::died("a", 1, FailureClass::KvCacheTooSmall),
            fixture::failed("b", 1, FailureClass::EngineDied),
            fixture::measured("c", 1, Numbers::new(900.0, 90.0)),
        ]);
        assert_eq!(Decision::of(&record).baseline, Some(2));
    }

    #[test]
    fn a_cell_without_an_objective_is_undecided_and_still_ranked_in_a_use_case_that_it_has() {
        let mut record = fixture::record(vec![
            fixture::measured("a", 1, Numbers::new(900.0, 90.0).without("ttft_repeat_ms")),
            fixture::measured("b", 1, Numbers::new(900.0, 90.0).speed(30.0)),
        ]);
        record.manifest.experiment.use_cases = vec![fixture::use_case_by_speed()];
        let decision = Decision::of(&record);
        assert_eq!(
            decision.cells[0].standing,
            Standing::Undecided {
                because: "kv-cache.ttft_repeat_ms.p50 was not measured in start 1: kv-cache did \
                          not yield it"
                    .to_owned()
            }
        );
        assert_eq!(names(&decision, &decision.ranking.order), ["b"]);
        assert_eq!(names(&decision, &decision.use_cases[0].order), ["a", "b"]);
    }

    #[test]
    fn a_skipped_cell_stands_with_its_witness_and_is_ranked_by_nothing() {
        let mut record = fixture::full();
        record.settled.retain(|one| one.cell_name != "e");
        record.skipped = vec![fixture::skip("e", "d")];
        let decision = Decision::of(&record);
        let Standing::Skipped { witness } = &decision.cells[4].standing else {
            panic!("{:?}", decision.cells[4].standing);
        };
        assert_eq!(witness.cell_name, "d");
        assert_eq!(decision.cells[4].tally, Tally::default());
        assert_eq!(decision.ranking.ranks[4], None);
        assert_eq!(
            names(&decision, &decision.order),
            ["b", "a", "c", "f", "d", "e"]
        );
    }

    #[test]
    fn a_disturbed_start_is_left_out_and_its_repeat_counts() {
        let disturbed = |number: u32| {
            let numbers = Numbers::new(900.0, 200.0).invalid("a stranger");
            fixture::measured("a", number, numbers)
        };
        let mut record = fixture::record(vec![
            disturbed(1),
            fixture::measured("a", 2, Numbers::new(900.0, 90.0)),
        ]);
        let decision = Decision::of(&record);
        assert_eq!(decision.cells[0].standing, Standing::Ranked);
        let score = decision.ranking.score(0).unwrap();
        assert_eq!(score.starts.len(), 1);
        assert_eq!(score.starts[0].attempt.0, 2);

        record.settled = vec![disturbed(1), disturbed(2)];
        let decision = Decision::of(&record);
        assert_eq!(
            decision.cells[0].standing,
            Standing::Undecided {
                because: "kv-cache.ttft_repeat_ms.p50 was not measured in start 1: kv-cache is \
                          invalid: a stranger"
                    .to_owned()
            }
        );
        assert_eq!(decision.ranking.ranks[0], None);
    }

    #[test]
    fn equal_scores_share_a_rank() {
        let record = fixture::record(vec![
            fixture::measured("a", 1, Numbers::new(900.0, 90.0)),
            fixture::measured("b", 1, Numbers::new(900.0, 90.0)),
            fixture::measured("c", 1, Numbers::new(900.0, 80.0)),
        ]);
        let decision = Decision::of(&record);
        assert_eq!(decision.ranking.ranks[..3], [Some(2), Some(2), Some(1)]);
    }
}
