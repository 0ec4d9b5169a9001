//! A strategy played against attempts that were recorded: what a run would have started, what it
//! would have decided, and what that would have cost. The same code as a run's, with recorded
//! attempts in the place of engines.

use std::collections::{HashMap, VecDeque};

use crate::decide::decision::Decision;
use crate::decide::race;
use crate::id::CellId;
use crate::manifest::{Manifest, RunRecord};
use crate::outcome::{Outcome, Settled};
use crate::plan::ageing::planned;
use crate::plan::blocks::remaining;
use crate::plan::pace;
use crate::plan::proof;
use crate::plan::redo::Redo;

mod ask;
mod recording;
pub mod scaffold;
mod told;

pub use ask::{Asked, GateAsk, ObjectiveAsk};
pub use recording::{RawTable, Recording, Settings, of_run, of_table};
pub use told::Told;

/// A game that was played to its end.
#[derive(Debug)]
pub struct Played {
    pub record: RunRecord,
    /// The deadline would have stopped it.
    pub is_cut: bool,
    /// Names of cells that lack recorded attempts for places that the plan has.
    pub short_of_attempts: Vec<String>,
}

/// Plays the experiment's strategy. Attempts of a cell come in recorded order, whatever block
/// they were recorded in; the blocks and their order follow from the experiment's seed.
/// `deadline` is in seconds of engines.
pub fn play(manifest: &Manifest, recorded: &[Settled], deadline: Option<f64>) -> Played {
    let planned = planned(manifest);
    let redo = Redo::of(&manifest.experiment, planned.len());
    let mut left: HashMap<&CellId, VecDeque<&Settled>> = HashMap::new();
    for attempt in recorded {
        left.entry(&attempt.attempt.cell)
            .or_default()
            .push_back(attempt);
    }
    let mut record = RunRecord::open(manifest.clone(), Vec::new());
    let mut short: Vec<String> = Vec::new();
    let mut judged = 0;
    let mut is_cut = false;
    loop {
        for skip in proof::skips(manifest, &record.settled) {
            if !record.skipped.iter().any(|known| known.cell == skip.cell) {
                record.skipped.push(skip);
            }
        }
        let next = |record: &RunRecord, left: &HashMap<&CellId, VecDeque<&Settled>>| {
            let places = remaining(
                &planned,
                &record.settled,
                &record.skipped,
                &record.race,
                &redo,
            );
            let has_one = |cell: &CellId| left.get(cell).is_some_and(|queue| !queue.is_empty());
            places.into_iter().find(|place| has_one(&place.cell))
        };
        let ended = next(&record, &left).map_or(0, |place| place.block - 1);
        if ended > judged {
            judged = ended;
            let call = race::judge(manifest, &record.settled, &record.race, ended);
            record.race.dropped.extend(call.dropped);
            record.race.decided = call.decided;
        }
        let Some(place) = next(&record, &left) else {
            break;
        };
        if let (Some(deadline), Some(expected)) =
            (deadline, pace::expected_ms(&place.cell, &record.settled))
            && spent(&record.settled) + expected / 1e3 > deadline
        {
            is_cut = true;
            break;
        }
        let queue = left.get_mut(&place.cell).expect("it has an attempt left");
        let attempt = queue.pop_front().expect("it has an attempt left");
        record.settled.push(Settled {
            block: place.block,
            ..attempt.clone()
        });
    }
    let missing = remaining(
        &planned,
        &record.settled,
        &record.skipped,
        &record.race,
        &redo,
    );
    if !is_cut {
        for place in missing {
            let cell = manifest.cells.iter().find(|cell| cell.id == place.cell);
            let name = cell.map_or_else(String::new, |cell| cell.name.clone());
            if !short.contains(&name) {
                short.push(name);
            }
        }
    }
    Played {
        record,
        is_cut,
        short_of_attempts: short,
    }
}

/// Seconds of engines.
fn spent(settled: &[Settled]) -> f64 {
    settled.iter().map(|one| one.took_ms).sum::<f64>() / 1e3
}

impl Played {
    pub fn seconds(&self) -> f64 {
        spent(&self.record.settled)
    }

    /// Of cells that were measured and did not die.
    pub fn seconds_living(&self) -> f64 {
        let decision = Decision::of(&self.record);
        let living = decision.cells.iter().filter(|cell| cell.tally.lived());
        let settled = living.flat_map(|cell| cell.settled.iter());
        settled.map(|one| one.took_ms).sum::<f64>() / 1e3
    }

    pub fn n_measured(&self) -> usize {
        let settled = self.record.settled.iter();
        settled
            .filter(|one| matches!(one.outcome, Outcome::Measured(_)))
            .count()
    }
}

#[cfg(test)]
mod tests;
