//! From a run to the champion that may be put in force, or why none may.

use crate::champion::text::{ALERT, Bound, Champion, Evidence, WARN, worse};
use crate::decide::conditions::Conditions;
use crate::decide::decision::{CellResult, Decision};
use crate::decide::reading;
use crate::decide::score::Spread;
use crate::decide::verdict::{Basis, Lead, Verdict};
use crate::manifest::RunRecord;

/// What is enough to be put in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// Only a champion that the run selected with confidence.
    Champion,
    /// Whoever is first.
    AcceptLeader,
}

/// Why a run yields no champion.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoChampion {
    #[error("the run ranked nothing: {because}")]
    NothingRanked { because: String },
    #[error("{cell} leads, and no confidence can be stated: {because}")]
    OnlyALeader { cell: String, because: String },
}

/// The champion of a run.
///
/// # Errors
/// When nothing is ranked, or nobody is first with confidence and that is asked.
pub fn select(record: &RunRecord, claim: Claim) -> Result<Champion, NoChampion> {
    let decision = Decision::of(record);
    let experiment = &record.manifest.experiment;
    let lead = match decision.verdict(experiment) {
        Verdict::Leader(lead) => lead,
        Verdict::NothingRanked { because } => {
            return Err(NoChampion::NothingRanked {
                because: because.clone(),
            });
        }
    };
    let cell = &decision.cells[lead.cell];
    let because = basis(record, &decision, lead);
    let accepted_leader = !matches!(lead.basis, Basis::Champion { .. });
    if accepted_leader && claim == Claim::Champion {
        return Err(NoChampion::OnlyALeader {
            cell: cell.cell.name.clone(),
            because,
        });
    }
    Ok(of_cell(
        record,
        &decision,
        lead.cell,
        because,
        accepted_leader,
    ))
}

/// One cell of a run as a champion, whatever its place.
pub fn of_cell(
    record: &RunRecord,
    decision: &Decision<'_>,
    index: usize,
    because: String,
    accepted_leader: bool,
) -> Champion {
    let manifest = &record.manifest;
    let cell = &decision.cells[index];
    let chance = decision.ranking.confidence.chance(index);
    let settings = cell.cell.flags.iter();
    let varied = cell.cell.env.iter();
    Champion {
        format: Champion::FORMAT,
        experiment: manifest.experiment.name.clone(),
        cell: cell.cell.name.clone(),
        cell_id: cell.cell.id.clone(),
        because,
        accepted_leader,
        memory: cell.cell.memory,
        flags: settings
            .map(|(name, setting)| (name.clone(), setting.value.clone()))
            .collect(),
        env: varied
            .map(|(name, setting)| (name.clone(), setting.value.clone()))
            .collect(),
        evidence: Evidence {
            run: manifest.run.clone(),
            started_at: manifest.started_at,
            gridrun: manifest.gridrun.clone(),
            starts: cell.tally.n_measured,
            probability: chance.map(|chance| chance.equivalent),
            score: decision
                .ranking
                .score(index)
                .map_or(f64::NAN, |score| score.spread.mean),
            conditions: Conditions::of(manifest),
        },
        guard: bounds(record, cell),
    }
}

/// What the objectives were, and where they become conspicuous.
fn bounds(record: &RunRecord, cell: &CellResult<'_>) -> Vec<Bound> {
    let experiment = &record.manifest.experiment;
    let total: f64 = experiment
        .objectives
        .iter()
        .map(|objective| objective.weight)
        .sum();
    experiment
        .objectives
        .iter()
        .filter_map(|objective| {
            let spread = Spread::over(&objective.metric, &cell.starts)?;
            let definition = reading::definition(experiment, &objective.metric);
            Some(Bound {
                metric: objective.metric.to_string(),
                unit: definition
                    .map_or("", |metric| metric.unit.symbol())
                    .to_owned(),
                goal: objective.goal,
                weight: objective.weight / total,
                mean: spread.mean,
                sd: spread.sd,
                warn: worse(spread.mean, objective.goal, WARN),
                alert: worse(spread.mean, objective.goal, ALERT),
            })
        })
        .collect()
}

fn basis(record: &RunRecord, decision: &Decision<'_>, lead: &Lead) -> String {
    let chance = decision.ranking.confidence.chance(lead.cell);
    let margin = record.manifest.experiment.run.equivalence * 100.0;
    let sure = chance.map(|chance| {
        format!(
            "within {margin} % of the best with a probability of {:.0} %",
            chance.equivalent * 100.0
        )
    });
    match (lead.basis, sure) {
        (Basis::Champion { n_starts } | Basis::Open { n_starts, .. }, Some(sure)) => {
            format!("{sure}, over {n_starts} starts")
        }
        (Basis::SingleStart, _) => "first of single starts".to_owned(),
        (
            Basis::Champion { n_starts } | Basis::Open { n_starts, .. } | Basis::Mean { n_starts },
            _,
        ) => format!("first by its mean over {n_starts} starts"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture::{self, Numbers};

    #[test]
    fn a_leader_of_single_starts_must_be_accepted() {
        let record = fixture::record(vec![
            fixture::measured("a", 1, Numbers::new(900.0, 90.0)),
            fixture::measured("b", 1, Numbers::new(900.0, 80.0)),
        ]);
        let error = select(&record, Claim::Champion).unwrap_err();
        assert_eq!(
            error.to_string(),
            "b leads, and no confidence can be stated: first of single starts"
        );
        let champion = select(&record, Claim::AcceptLeader).unwrap();
        assert_eq!(champion.cell, "b");
        assert!(champion.accepted_leader);
        assert_eq!(champion.guard[0].mean, 80.0);
        assert_eq!(champion.evidence.probability, None);
    }

    #[test]
    fn many_blocks_make_a_champion_without_being_asked() {
        let starts = (1..=4).flat_map(|block| {
            [("a", 90.0), ("b", 91.0), ("c", 120.0)].map(|(cell, ms)| {
                let ms = ms + f64::from(block % 2) * 0.1;
                fixture::measured(cell, block, Numbers::new(900.0, ms))
            })
        });
        let champion = select(&fixture::record(starts.collect()), Claim::Champion).unwrap();
        assert!(!champion.accepted_leader);
        assert_eq!(champion.evidence.starts, 4);
        assert!(
            champion.because.starts_with("within 2 % of the best"),
            "{}",
            champion.because
        );
    }

    #[test]
    fn a_run_that_ranked_nothing_yields_nobody() {
        let record = fixture::record(vec![]);
        let error = select(&record, Claim::AcceptLeader).unwrap_err();
        assert!(matches!(error, NoChampion::NothingRanked { .. }));
    }
}
