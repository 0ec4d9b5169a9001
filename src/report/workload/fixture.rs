//! A workload in a report for the tests of the parts: who ran it, and what it left there.

use crate::measure::metric::WorkloadKind;
use crate::measure::node::NodeDetail;
use crate::report::view::{WorkloadCell, WorkloadStart, WorkloadView};

/// A node without metrics, with its cells: a start for each cell, number and detail.
pub fn workload(kind: WorkloadKind, starts: Vec<(&str, u32, Option<NodeDetail>)>) -> WorkloadView {
    let start = |(cell, start, detail): (&str, u32, Option<NodeDetail>)| WorkloadStart {
        cell: cell.to_owned(),
        start,
        block: start,
        values: Vec::new(),
        n_requests: 1,
        n_failed: 0,
        client: None,
        detail,
    };
    let starts: Vec<WorkloadStart> = starts.into_iter().map(start).collect();
    let mut cells: Vec<WorkloadCell> = Vec::new();
    for start in &starts {
        if cells.iter().all(|cell| cell.cell != start.cell) {
            cells.push(WorkloadCell {
                cell: start.cell.clone(),
                values: Vec::new(),
                n_requests: 1,
                n_failed: 0,
                tool_parser: None,
                advice: Vec::new(),
                paste: None,
            });
        }
    }
    WorkloadView {
        node: "node".to_owned(),
        kind,
        metrics: Vec::new(),
        cells,
        starts,
        notes: Vec::new(),
        slo: Vec::new(),
    }
}
