//! What a ranking comes to, as data: a champion where the data carry one, else who leads and who
//! is still in the race; who follows, and how closely. The report words it.

use serde::Serialize;

use crate::decide::confidence::{ENOUGH, IN_THE_RACE};
use crate::decide::decision::{CellResult, Ranking};
use crate::matrix::cell::Cell;
use crate::outcome::Standing;
use crate::spec::flag::FlagValue;

/// What a ranking comes to. Cells are named by their position in the experiment.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    Leader(Lead),
    NothingRanked { because: String },
}

/// The champion, or the cell with the best score.
#[derive(Debug, Clone, PartialEq)]
pub struct Lead {
    pub cell: usize,
    pub basis: Basis,
    /// The best of the others; `None` when no other cell is ranked.
    pub runner_up: Option<RunnerUp>,
    /// Every other cell inside the equivalence margin of it, by their means, best first.
    pub same: Vec<usize>,
}

/// What the leader's place rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "basis", rename_all = "kebab-case")]
pub enum Basis {
    /// No probability, no interval: nothing tells how much starts differ.
    SingleStart,
    /// Too few degrees of freedom for probabilities.
    Mean { n_starts: u32 },
    /// Probabilities are known, and none suffices: no clear champion.
    Open {
        n_starts: u32,
        /// Further blocks that would likely settle it, if the means stay where they are.
        more_blocks: Option<u32>,
    },
    /// Within the margin of the best with enough probability, and the simplest of those.
    Champion { n_starts: u32 },
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RunnerUp {
    pub cell: usize,
    /// Ratio of the scores; below 1 it has the better mean.
    pub behind: f64,
    /// Closer than the equivalence margin.
    pub same: bool,
}

/// Reads the verdict off a ranking. `equivalence` is the fraction below which a difference is
/// the same to the user.
pub fn reach(ranking: &Ranking<'_>, cells: &[CellResult<'_>], equivalence: f64) -> Verdict {
    let Some(&leader) = ranking.order.first() else {
        return Verdict::NothingRanked {
            because: nothing_ranked(ranking, cells),
        };
    };
    let champion = champion(ranking, cells);
    let first = champion.unwrap_or(leader);
    let others = || ranking.order.iter().copied().filter(|&cell| cell != first);
    let behind = |cell: usize| ranking.behind(cell, first);
    let same =
        |cell: usize| behind(cell).is_some_and(|ratio| ratio.max(1.0 / ratio) - 1.0 < equivalence);
    let runner_up = others().next().and_then(|cell| {
        Some(RunnerUp {
            cell,
            behind: behind(cell)?,
            same: same(cell),
        })
    });
    let confidence = &ranking.confidence;
    let basis = match cells[first].tally.n_measured {
        n_starts if champion.is_some() => Basis::Champion { n_starts },
        1 => Basis::SingleStart,
        n_starts if confidence.states_chances() => Basis::Open {
            n_starts,
            more_blocks: confidence.blocks_to_settle(),
        },
        n_starts => Basis::Mean { n_starts },
    };
    Verdict::Leader(Lead {
        cell: first,
        basis,
        runner_up,
        same: others().filter(|&cell| same(cell)).collect(),
    })
}

/// Cells that are still in the race, best first.
pub fn contenders(ranking: &Ranking<'_>) -> Vec<usize> {
    let is_in = |cell: usize| {
        let chance = ranking.confidence.chance(cell);
        chance.is_some_and(|chance| chance.equivalent >= IN_THE_RACE)
    };
    let order = ranking.order.iter().copied();
    order.filter(|&cell| is_in(cell)).collect()
}

/// Of the cells that are within the margin of the best with enough probability, the simplest;
/// of equally simple ones the one that takes least memory; then the best.
fn champion(ranking: &Ranking<'_>, cells: &[CellResult<'_>]) -> Option<usize> {
    let enough = |cell: usize| {
        let chance = ranking.confidence.chance(cell);
        chance.is_some_and(|chance| chance.equivalent >= ENOUGH)
    };
    let order = ranking.order.iter().copied();
    // The first of equal ones stays.
    order.filter(|&cell| enough(cell)).min_by(|&a, &b| {
        let (a, b) = (cells[a].cell, cells[b].cell);
        let by_memory = || memory_share(a).total_cmp(&memory_share(b));
        features_on(a).cmp(&features_on(b)).then_with(by_memory)
    })
}

/// Flags that the experiment varies and this cell switches on.
fn features_on(cell: &Cell) -> usize {
    cell.varied()
        .filter(|(_, value)| matches!(value, FlagValue::Bool(true)))
        .count()
}

/// The share of the card's memory that it asks for; vLLM's own default where it says nothing.
fn memory_share(cell: &Cell) -> f64 {
    const VLLM_DEFAULT: f64 = 0.92;
    let name = "gpu-memory-utilization";
    let set = cell.flags.iter().find(|(flag, _)| flag.as_str() == name);
    match set.map(|(_, setting)| &setting.value) {
        Some(FlagValue::Float(share)) => *share,
        Some(FlagValue::Int(share)) => *share as f64,
        _ => VLLM_DEFAULT,
    }
}

/// Why no cell has a place: how the cells stand, in counts.
fn nothing_ranked(ranking: &Ranking<'_>, cells: &[CellResult<'_>]) -> String {
    if ranking.objectives.is_empty() {
        return "the experiment names no objective".to_owned();
    }
    if cells.iter().all(|cell| cell.settled.is_empty()) {
        return "no start of an engine has settled".to_owned();
    }
    let count =
        |matches: fn(&Standing) -> bool| cells.iter().filter(|c| matches(&c.standing)).count();
    let died = count(|standing| matches!(standing, Standing::Infeasible { .. }));
    let rejected = count(|standing| matches!(standing, Standing::Rejected { .. }));
    let skipped = count(|standing| matches!(standing, Standing::Skipped { .. }));
    let never_measured = cells
        .iter()
        .filter(|cell| cell.starts.is_empty() && cell.tally.n_died == 0)
        .count()
        - skipped;
    let rest = cells.len() - died - rejected - skipped - never_measured;
    let parts = [
        (died, "infeasible (died of its own making)"),
        (skipped, "skipped (proved to die)"),
        (rejected, "rejected by a gate"),
        (never_measured, "never measured"),
        (rest, "without an objective's metric"),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| format!("{n} {what}"))
        .collect();
    format!("of {} configurations, {}", cells.len(), parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::decision::Decision;
    use crate::decide::fixture::{self, Numbers};
    use crate::diagnose::FailureClass;
    use crate::manifest::RunRecord;

    fn lead(record: &RunRecord) -> Lead {
        match Decision::of(record).verdict(&record.manifest.experiment) {
            Verdict::Leader(lead) => lead.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn single_starts_have_a_leader_and_no_mean() {
        let record = fixture::record(vec![
            fixture::measured("a", 1, Numbers::new(900.0, 100.0)),
            fixture::measured("b", 1, Numbers::new(900.0, 90.0)),
        ]);
        let lead = lead(&record);
        assert_eq!((lead.cell, lead.basis), (1, Basis::SingleStart));
        let runner_up = lead.runner_up.unwrap();
        assert!((runner_up.behind - 100.0 / 90.0).abs() < 1e-12);
        assert!(!runner_up.same && lead.same.is_empty());
    }

    #[test]
    fn closer_than_the_margin_is_the_same() {
        let record = fixture::record(vec![
            fixture::measured("a", 1, Numbers::new(900.0, 100.0)),
            fixture::measured("a", 2, Numbers::new(900.0, 100.0)),
            fixture::measured("b", 1, Numbers::new(900.0, 101.9)),
            fixture::measured("b", 2, Numbers::new(900.0, 101.9)),
            fixture::measured("c", 1, Numbers::new(900.0, 102.1)),
        ]);
        let lead = lead(&record);
        assert_eq!((lead.cell, lead.basis), (0, Basis::Mean { n_starts: 2 }));
        assert!(lead.runner_up.unwrap().same);
        assert_eq!(lead.same, [1]);
    }

    /// Starts of cells with these times, in so many blocks that differ a little.
    fn blocks(cells: &[(&str, f64)], n: u32) -> RunRecord {
        let starts = (1..=n).flat_map(|block| {
            cells
                .iter()
                .zip([1.0, -1.0, 0.5])
                .map(move |(&(cell, ms), lean)| {
                    let wiggle = f64::from(block % 3) * 0.1 * lean;
                    fixture::measured(cell, block, Numbers::new(900.0, ms + wiggle))
                })
        });
        fixture::record(starts.collect())
    }

    #[test]
    fn the_champion_is_the_simplest_of_those_that_are_as_good_as_the_best() {
        // `a` and `b` differ by half a percent; see the fixture for what each switches on.
        let record = blocks(&[("a", 100.0), ("b", 100.5), ("c", 130.0)], 5);
        let decision = Decision::of(&record);
        let simplest = [0, 1]
            .into_iter()
            .min_by_key(|&cell| features_on(decision.cells[cell].cell))
            .unwrap();
        let lead = lead(&record);
        assert_eq!(
            (lead.cell, lead.basis),
            (simplest, Basis::Champion { n_starts: 5 })
        );
        assert!(lead.runner_up.unwrap().same);
        assert_eq!(contenders(&decision.ranking), [0, 1]);
    }

    #[test]
    fn without_enough_probability_there_is_no_champion_and_the_repeats_are_told() {
        let starts = (1..=5).flat_map(|block| {
            [("a", 100.0, 1.0), ("b", 101.0, -1.0), ("c", 102.0, 0.3)].map(|(cell, ms, lean)| {
                let wiggle = (f64::from(block) - 3.0) * 3.0 * lean;
                fixture::measured(cell, block, Numbers::new(900.0, ms + wiggle))
            })
        });
        let lead = lead(&fixture::record(starts.collect()));
        assert_eq!(lead.cell, 0);
        assert!(
            matches!(lead.basis, Basis::Open { n_starts: 5, .. }),
            "{lead:?}"
        );
    }

    #[test]
    fn nothing_ranked_says_why_in_counts() {
        let because = |settled| {
            let record = fixture::record(settled);
            match Decision::of(&record).verdict(&record.manifest.experiment) {
                Verdict::NothingRanked { because } => because.clone(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(because(vec![]), "no start of an engine has settled");
        assert_eq!(
            because(vec![
                fixture::died("a", 1, FailureClass::KvCacheTooSmall),
                fixture::measured("b", 1, Numbers::new(900.0, 90.0).failed("cut")),
            ]),
            "of 6 configurations, 1 infeasible (died of its own making), 4 never measured, 1 without \
             an objective's metric"
        );
    }
}
