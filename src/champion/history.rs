//! The nights of an experiment as rows, one per start, and back: what is stored of a night is
//! what later nights need to judge by it.

use crate::decide::conditions::Conditions;
use crate::decide::decision::Decision;
use crate::decide::night::{Call, Candidacy, Candidate, CellNight, Night};
use crate::id::CellId;
use crate::manifest::RunRecord;
use crate::matrix::cell::Cell;
use crate::outcome::{Outcome, Standing};
use crate::report::nightly::age::Aged;

/// One start of a night; a cell that was not started has one row in block 0.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryRow {
    /// The night's run.
    pub night: String,
    pub at: jiff::Timestamp,
    /// Id of the champion of that night.
    pub champion: String,
    pub cell: String,
    pub cell_name: String,
    pub block: u32,
    /// `measured`, `died`, `failed`, `cancelled`, `skipped` (proved to die), `unstarted`.
    pub outcome: String,
    /// The score of the start; `None` where it has none.
    pub score: Option<f64>,
    /// Why its cell may not reign: a gate that it missed.
    pub rejected: Option<String>,
    /// Hours for which it aged, in the engine's time; `None` where it did not.
    pub aged_h: Option<f64>,
    /// What says that it ages; `None` where nothing does.
    pub ages: Option<String>,
    /// [`Conditions`] as JSON.
    pub conditions: String,
    pub verdict: Call,
    /// What the verdict is about, for telling a change of state.
    pub state: String,
}

/// A night as it was, from its rows.
#[derive(Debug, Clone, PartialEq)]
pub struct PastNight {
    pub run: String,
    pub at: jiff::Timestamp,
    pub champion: CellId,
    pub conditions: Option<Conditions>,
    pub verdict: Call,
    pub state: String,
    pub cells: Vec<CellNight>,
    pub aged: Vec<PastAge>,
}

/// That a cell aged in a night.
#[derive(Debug, Clone, PartialEq)]
pub struct PastAge {
    pub cell: CellId,
    /// What says that it ages; `None` where nothing does.
    pub finding: Option<String>,
}

/// The cells of a run as a night sees them, in the order of its manifest.
pub fn cells_of(record: &RunRecord, decision: &Decision<'_>) -> Vec<CellNight> {
    let of = |(index, result): (usize, &crate::decide::CellResult<'_>)| CellNight {
        cell: result.cell.id.clone(),
        name: result.cell.name.clone(),
        scores: decision
            .ranking
            .score(index)
            .map_or_else(Vec::new, |score| {
                score
                    .starts
                    .iter()
                    .map(|start| (start.block, start.y))
                    .collect()
            }),
        n_died: result.tally.n_died
            + u32::from(
                record
                    .skipped
                    .iter()
                    .any(|skip| skip.cell == result.cell.id),
            ),
        rejected: match &result.standing {
            Standing::Rejected { gates } => Some(gates.join("; ")),
            Standing::Ranked
            | Standing::Infeasible { .. }
            | Standing::Skipped { .. }
            | Standing::Undecided { .. } => None,
        },
    };
    decision.cells.iter().enumerate().map(of).collect()
}

/// The rows of a night.
pub fn rows(
    record: &RunRecord,
    cells: &[CellNight],
    aged: &[Aged],
    verdict: Call,
    state: &str,
) -> Vec<HistoryRow> {
    let manifest = &record.manifest;
    let conditions =
        serde_json::to_string(&Conditions::of(manifest)).expect("conditions are plain data");
    let champion = cells
        .first()
        .map_or_else(String::new, |cell| cell.cell.to_string());
    let mut rows = Vec::new();
    for cell in cells {
        let row = |block: u32, outcome: &str, score: Option<f64>| HistoryRow {
            night: manifest.run.to_string(),
            at: manifest.started_at,
            champion: champion.clone(),
            cell: cell.cell.to_string(),
            cell_name: cell.name.clone(),
            block,
            outcome: outcome.to_owned(),
            score,
            rejected: cell.rejected.clone(),
            aged_h: None,
            ages: None,
            conditions: conditions.clone(),
            verdict,
            state: state.to_owned(),
        };
        let is_proved_dead = record.skipped.iter().any(|skip| skip.cell == cell.cell);
        let n = rows.len();
        for settled in record
            .settled
            .iter()
            .filter(|settled| settled.attempt.cell == cell.cell)
        {
            let score = cell
                .scores
                .iter()
                .find(|(block, _)| *block == settled.block);
            rows.push(match &settled.outcome {
                Outcome::Measured(_) => row(settled.block, "measured", score.map(|(_, y)| *y)),
                Outcome::Infeasible(_) => row(settled.block, "died", None),
                Outcome::Failed(_) => row(settled.block, "failed", None),
                Outcome::Cancelled => row(settled.block, "cancelled", None),
            });
        }
        if rows.len() == n {
            rows.push(match is_proved_dead {
                true => row(0, "skipped", None),
                false => row(0, "unstarted", None),
            });
        }
        let of_cell = &mut rows[n..];
        for one in aged.iter().filter(|one| one.cell == cell.cell) {
            let row = of_cell.iter_mut().rev().find(|row| row.block == one.block);
            if let Some(row) = row {
                row.aged_h = Some(one.lasted_h);
                row.ages = one.finding();
            }
        }
    }
    // A disturbed start that was made again has the place's score only once.
    let mut seen = std::collections::HashSet::new();
    for row in rows.iter_mut().rev() {
        if row.score.is_some() && !seen.insert((row.cell.clone(), row.block)) {
            row.score = None;
        }
    }
    rows
}

/// The nights of a history, oldest first.
pub fn nights(rows: &[HistoryRow]) -> Vec<PastNight> {
    let mut nights: Vec<PastNight> = Vec::new();
    for row in rows {
        if nights.last().is_none_or(|night| night.run != row.night) {
            nights.push(PastNight {
                run: row.night.clone(),
                at: row.at,
                champion: CellId::stored(&row.champion),
                conditions: serde_json::from_str(&row.conditions).ok(),
                verdict: row.verdict,
                state: row.state.clone(),
                cells: Vec::new(),
                aged: Vec::new(),
            });
        }
        let Some(night) = nights.last_mut() else {
            continue;
        };
        let id = CellId::stored(&row.cell);
        night.aged.extend(row.aged_h.map(|_| PastAge {
            cell: id.clone(),
            finding: row.ages.clone(),
        }));
        let at = night.cells.iter().position(|cell| cell.cell == id);
        let cell = match at {
            Some(at) => &mut night.cells[at],
            None => {
                night.cells.push(CellNight {
                    cell: id,
                    name: row.cell_name.clone(),
                    scores: Vec::new(),
                    n_died: 0,
                    rejected: row.rejected.clone(),
                });
                let last = night.cells.len() - 1;
                &mut night.cells[last]
            }
        };
        cell.scores
            .extend(row.score.map(|score| (row.block, score)));
        cell.n_died += u32::from(row.outcome == "died" || row.outcome == "skipped");
    }
    nights
}

/// The nights of `champion` under `conditions`, to judge by.
pub fn comparable(nights: &[PastNight], champion: &CellId, conditions: &Conditions) -> Vec<Night> {
    let same = |night: &&PastNight| {
        night.champion == *champion
            && night
                .conditions
                .as_ref()
                .is_some_and(|before| conditions.breaks_since(before).is_empty())
    };
    nights
        .iter()
        .filter(same)
        .filter_map(|night| {
            let of_champion = |cell: &&CellNight| cell.cell == *champion;
            Some(Night {
                champion: night.cells.iter().find(of_champion)?.clone(),
                challengers: night
                    .cells
                    .iter()
                    .filter(|cell| !of_champion(cell))
                    .cloned()
                    .collect(),
                was_regression: night.verdict == Call::Regressed,
            })
        })
        .collect()
}

/// What is another one than in the last night of this champion; empty where nothing is, and
/// where there was none.
pub fn changes(nights: &[PastNight], champion: &CellId, conditions: &Conditions) -> Vec<String> {
    let last = nights
        .iter()
        .rev()
        .find(|night| night.champion == *champion);
    last.and_then(|night| night.conditions.as_ref())
        .map_or_else(Vec::new, |before| conditions.breaks_since(before))
}

/// The night said something of it; not where it ended before the first start of the cell.
fn was_tried(cell: &CellNight) -> bool {
    !cell.scores.is_empty() || cell.n_died > 0 || cell.rejected.is_some()
}

/// The cells that aged, the latest first.
pub fn aged_lately(nights: &[PastNight]) -> Vec<CellId> {
    let latest_first = nights
        .iter()
        .rev()
        .flat_map(|night| night.aged.iter().rev());
    latest_first.map(|age| age.cell.clone()).collect()
}

/// What says that the champion ages, by the last of its starts that did, tonight or before under
/// the same conditions.
pub fn champion_ages(
    tonight: &[Aged],
    nights: &[PastNight],
    champion: &CellId,
    conditions: &Conditions,
) -> Option<String> {
    if let Some(now) = tonight.iter().rev().find(|aged| aged.cell == *champion) {
        return now.finding();
    }
    let same = |night: &&PastNight| {
        let before = night.conditions.as_ref();
        before.is_some_and(|before| conditions.breaks_since(before).is_empty())
    };
    let mut before = nights
        .iter()
        .rev()
        .filter(same)
        .flat_map(|night| &night.aged);
    before.find(|age| age.cell == *champion)?.finding.clone()
}

/// All cells of the matrix but the champion, as candidates.
pub fn candidates(
    cells: &[Cell],
    nights: &[PastNight],
    champion: &CellId,
    conditions: &Conditions,
    margin: f64,
) -> Vec<Candidate> {
    let judged = comparable(nights, champion, conditions);
    cells
        .iter()
        .filter(|cell| cell.id != *champion)
        .map(|cell| Candidate {
            cell: cell.id.clone(),
            last_ran: nights
                .iter()
                .rev()
                .position(|night| {
                    let mut ran = night.cells.iter().filter(|one| was_tried(one));
                    ran.any(|one| one.cell == cell.id)
                })
                .map(|back| back + 1),
            standing: Candidacy::of(&cell.id, &judged, margin),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture::{self, Numbers};
    use crate::diagnose::FailureClass;

    fn record() -> RunRecord {
        fixture::record(vec![
            fixture::measured("a", 1, Numbers::new(900.0, 90.0)),
            fixture::measured("b", 1, Numbers::new(900.0, 80.0)),
            fixture::died("d", 1, FailureClass::KvCacheTooSmall),
        ])
    }

    #[test]
    fn a_night_is_read_back_from_its_rows() {
        let record = record();
        let decision = Decision::of(&record);
        let cells = cells_of(&record, &decision);
        let rows = rows(&record, &cells, &[], Call::Holds, "holds");
        let night = nights(&rows).remove(0);
        assert_eq!(night.run, record.manifest.run.to_string());
        assert_eq!(night.verdict, Call::Holds);
        let measured = |name: &str| {
            night
                .cells
                .iter()
                .find(|cell| cell.name == name)
                .unwrap()
                .clone()
        };
        assert_eq!(measured("a"), cells[0]);
        assert_eq!(measured("b").scores.len(), 1);
        assert_eq!(measured("d").n_died, 1);
        assert!((measured("a").score().unwrap() - 90.0_f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn only_nights_of_this_champion_under_these_conditions_count() {
        let record = record();
        let decision = Decision::of(&record);
        let cells = cells_of(&record, &decision);
        let rows = rows(&record, &cells, &[], Call::Regressed, "x");
        let past = nights(&rows);
        let mut now = Conditions::of(&record.manifest);
        let champion = &cells[0].cell;
        assert_eq!(comparable(&past, champion, &now).len(), 1);
        assert!(comparable(&past, champion, &now)[0].was_regression);
        assert!(comparable(&past, &cells[1].cell, &now).is_empty());
        assert!(changes(&past, champion, &now).is_empty());
        now.model = "another".to_owned();
        assert!(comparable(&past, champion, &now).is_empty());
        assert_eq!(changes(&past, champion, &now).len(), 1);
    }

    #[test]
    fn every_other_cell_is_a_candidate_with_when_it_ran_last() {
        let record = record();
        let decision = Decision::of(&record);
        let cells = cells_of(&record, &decision);
        // Cells that the night did not choose are not in it.
        let chosen = [cells[0].clone(), cells[1].clone()];
        let past = nights(&rows(&record, &chosen, &[], Call::Holds, "holds"));
        let now = Conditions::of(&record.manifest);
        let found = candidates(&record.manifest.cells, &past, &cells[0].cell, &now, 0.02);
        assert_eq!(found.len(), record.manifest.cells.len() - 1);
        assert_eq!(found[0].last_ran, Some(1));
        assert_eq!(found[1].last_ran, None);
    }
}
