//! What racing made of a run, for its report.

use serde::Serialize;

use crate::id::CellId;
use crate::manifest::RunRecord;
use crate::outcome::{Decided, Dropped};
use crate::spec::experiment::Strategy;

/// The race of a run.
#[derive(Debug, Clone, Serialize)]
pub struct RaceView {
    /// In the order in which they were dropped.
    pub dropped: Vec<Dropped>,
    /// `None` where it went on to the last block, or is not at its end.
    pub decided: Option<Decided>,
    pub repeats: u32,
}

/// `None` where the experiment does not race.
pub fn view(record: &RunRecord) -> Option<RaceView> {
    let run = &record.manifest.experiment.run;
    match run.strategy {
        Strategy::Exhaustive => None,
        Strategy::Race => Some(RaceView {
            dropped: record.race.dropped.clone(),
            decided: record.race.decided.clone(),
            repeats: run.repeats,
        }),
    }
}

/// The block after which a cell was started no more.
pub fn dropped_after(record: &RunRecord, cell: &CellId) -> Option<u32> {
    let mut dropped = record.race.dropped.iter();
    dropped
        .find(|dropped| dropped.cell == *cell)
        .map(|dropped| dropped.after_block)
}
