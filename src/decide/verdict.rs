//! What a ranking comes to, as data: who is first, on how many starts that rests, who follows
//! and how closely. No confidence is claimed: the numbers of starts and their spread stand
//! beside every statement, and the report words it.

use serde::Serialize;

use crate::decide::decision::{CellResult, Ranking};
use crate::outcome::Standing;

/// What a ranking comes to. Cells are named by their position in the experiment.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    Leader(Lead),
    NothingRanked { because: String },
}

/// The cell with the best score.
#[derive(Debug, Clone, PartialEq)]
pub struct Lead {
    pub cell: usize,
    pub basis: Basis,
    /// The second best; `None` when no other cell is ranked.
    pub runner_up: Option<RunnerUp>,
    /// Every other cell inside the equivalence margin of the leader, best first.
    pub same: Vec<usize>,
}

/// What the leader's place rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "basis", rename_all = "kebab-case")]
pub enum Basis {
    SingleStart,
    Mean { n_starts: u32 },
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RunnerUp {
    pub cell: usize,
    /// Ratio of the scores, at least 1.
    pub behind: f64,
    /// Closer than the equivalence margin.
    pub same: bool,
}

/// Reads the verdict off a ranking. `equivalence` is the fraction below which a difference is
/// the same to the user.
pub fn reach(ranking: &Ranking<'_>, cells: &[CellResult<'_>], equivalence: f64) -> Verdict {
    let Some((&first, others)) = ranking.order.split_first() else {
        return Verdict::NothingRanked {
            because: nothing_ranked(ranking, cells),
        };
    };
    let behind = |cell: usize| ranking.behind(cell, first);
    let same = |cell: usize| behind(cell).is_some_and(|ratio| ratio - 1.0 < equivalence);
    let runner_up = others.first().and_then(|&cell| {
        Some(RunnerUp {
            cell,
            behind: behind(cell)?,
            same: same(cell),
        })
    });
    let basis = match cells[first].tally.n_measured {
        1 => Basis::SingleStart,
        n_starts => Basis::Mean { n_starts },
    };
    Verdict::Leader(Lead {
        cell: first,
        basis,
        runner_up,
        same: others.iter().copied().filter(|&cell| same(cell)).collect(),
    })
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
    let never_measured = cells
        .iter()
        .filter(|cell| cell.starts.is_empty() && cell.tally.n_died == 0)
        .count();
    let rest = cells.len() - died - rejected - never_measured;
    let parts = [
        (died, "infeasible (died of its own making)"),
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
            Verdict::Leader(lead) => lead,
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

    #[test]
    fn nothing_ranked_says_why_in_counts() {
        let because = |settled| {
            let record = fixture::record(settled);
            match Decision::of(&record).verdict(&record.manifest.experiment) {
                Verdict::NothingRanked { because } => because,
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
