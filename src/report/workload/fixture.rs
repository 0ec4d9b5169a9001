//! A workload in a report for the tests of the parts: who ran it, and what it left there.

use crate::measure::metric::WorkloadKind;
use crate::measure::node::NodeDetail;
use crate::report::view::{WorkloadStart, WorkloadView};

/// A node without metrics: a start for each cell, number and detail.
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
    WorkloadView {
        node: "node".to_owned(),
        kind,
        metrics: Vec::new(),
        cells: Vec::new(),
        starts: starts.into_iter().map(start).collect(),
        notes: Vec::new(),
        slo: Vec::new(),
    }
}
