//! What racing made of a run, for its report.

use serde::Serialize;

use crate::decide::race::{cause, decided};
use crate::id::CellId;
use crate::manifest::RunRecord;
use crate::outcome::{Decided, Dropped};
use crate::report::text::Prose;
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

/// What racing is, who was dropped when and why, and whether all was decided.
pub const MEANING: &str = "A configuration that is surely worse than the margin is started no \
                           more, and when every ranking is decided nothing is (`strategy = \
                           \"race\"`). The fewer starts of who was dropped are by design: nothing \
                           failed.";

/// One sentence for each that was dropped, and one for the end.
pub fn sentences(race: &RaceView) -> Vec<Prose> {
    let dropped = race.dropped.iter().map(|dropped| {
        Prose::name_first(&dropped.cell_name).words(format!(
            ": dropped after block {} of {}: {}.",
            dropped.after_block,
            race.repeats,
            cause(&dropped.cause)
        ))
    });
    let mut told: Vec<Prose> = dropped.collect();
    if told.is_empty() {
        told.push(Prose::new("Nobody was dropped."));
    }
    told.push(Prose::new(match &race.decided {
        Some(all) => format!(
            "The race was {}; nothing was started after it.",
            decided(all)
        ),
        None => "It was not decided before the last block that was begun.".to_owned(),
    }));
    told
}

/// The block after which a cell was started no more.
pub fn dropped_after(record: &RunRecord, cell: &CellId) -> Option<u32> {
    let mut dropped = record.race.dropped.iter();
    dropped
        .find(|dropped| dropped.cell == *cell)
        .map(|dropped| dropped.after_block)
}
