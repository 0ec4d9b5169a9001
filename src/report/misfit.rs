//! Starts and cells that do not fit what the intervals rest on.

use serde::Serialize;

use crate::decide::decision::{Decision, Ranking};
use crate::decide::doubt::{FAR, UNRULY};
use crate::decide::number;
use crate::report::text::Prose;

/// Of the experiment's own ranking; both lists are empty where all fits.
#[derive(Debug, Clone, Serialize)]
pub struct MisfitView {
    /// Starts further than four standard deviations from the fit.
    pub starts: Vec<FarView>,
    /// Cells whose own variance is more than four times the pooled one.
    pub cells: Vec<UnrulyView>,
}

#[derive(Debug, Clone, Serialize)]
pub struct FarView {
    pub cell: String,
    pub start: u32,
    pub block: u32,
    /// How many times as bad as cell and block make one expect.
    pub ratio: f64,
    pub sds: f64,
}

#[derive(Debug, Clone, Serialize)]
pub struct UnrulyView {
    pub cell: String,
    pub times: f64,
    /// Starts that it rests on.
    pub n: u32,
}

pub fn view(decision: &Decision<'_>, ranking: &Ranking<'_>) -> MisfitView {
    let name = |cell: usize| decision.cells[cell].cell.name.clone();
    let far = ranking.confidence.far_starts().into_iter();
    let far = far.filter_map(|far| {
        let mut starts = decision.cells[far.cell].starts.iter();
        let start = starts.find(|start| start.settled.block_key() == far.block)?;
        Some(FarView {
            cell: name(far.cell),
            start: start.number(),
            block: start.settled.block,
            ratio: far.ratio,
            sds: far.sds,
        })
    });
    MisfitView {
        starts: far.collect(),
        cells: ranking
            .confidence
            .unruly_cells()
            .into_iter()
            .map(|unruly| UnrulyView {
                cell: name(unruly.cell),
                times: unruly.times,
                n: unruly.n,
            })
            .collect(),
    }
}

/// A sentence for each, and what to make of them.
pub fn sentences(view: &MisfitView) -> Vec<Prose> {
    let starts = view.starts.iter().map(|far| {
        let (distance, side) = match far.ratio >= 1.0 {
            true => (far.ratio - 1.0, "worse"),
            false => (1.0 / far.ratio - 1.0, "better"),
        };
        Prose::new(format!("Start {} of ", far.start))
            .name(&far.cell)
            .words(format!(
                " (block {}) is {} {side} than its configuration and its block make one expect, \
                 {:.1} standard deviations (more than {FAR:.0} are told).",
                far.block,
                number::percent(distance),
                far.sds.abs()
            ))
    });
    let cells = view.cells.iter().map(|unruly| {
        Prose::new("Starts of ").name(&unruly.cell).words(format!(
            " vary {} times as much as those of all together (variance of {} starts; more than \
             {UNRULY:.0} times is told): its intervals are too narrow.",
            number::significant(unruly.times),
            unruly.n
        ))
    });
    starts.chain(cells).collect()
}
