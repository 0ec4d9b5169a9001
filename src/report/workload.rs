//! The workload part of a report: each node's metrics per cell and per attempt, and what must
//! be known of its samples.

mod command;
mod conversation;
mod kv_cache;
mod load;
pub mod part;
mod reasoning;
mod stability;
pub mod tool_calling;

use crate::decide::decision::{CellResult, Decision};
use crate::decide::hint::{Hint, hint, tool_parser};
use crate::decide::reading::Start;
use crate::decide::score::Spread;
use crate::manifest::Manifest;
use crate::measure::metric::{MetricDef, MetricRef, Shape, Stat};
use crate::measure::node::{MetricValue, NodeReport, NodeStatus};
use crate::report::view::{
    MetricView, Remark, StartName, StartValue, WorkloadCell, WorkloadStart, WorkloadView,
};
use crate::spec::experiment::Workload;
use crate::spec::workload::WorkloadSpec;

/// Every node, in the order in which nodes run.
pub fn views(manifest: &Manifest, decision: &Decision<'_>) -> Vec<WorkloadView> {
    let workloads = &manifest.experiment.workloads;
    let in_order = manifest
        .node_order
        .iter()
        .filter_map(|node| workloads.iter().find(|workload| workload.name == *node));
    in_order.map(|workload| view(workload, decision)).collect()
}

fn view(workload: &Workload, decision: &Decision<'_>) -> WorkloadView {
    let metrics = workload.metrics();
    let mut view = WorkloadView {
        node: workload.name.clone(),
        kind: workload.kind(),
        metrics: metrics
            .iter()
            .map(|metric| MetricView {
                name: metric.name.to_string(),
                unit: metric.unit.symbol(),
                meaning: metric.meaning.to_string(),
                definition: metric.clone(),
            })
            .collect(),
        cells: Vec::new(),
        starts: Vec::new(),
        notes: Vec::new(),
        slo: match &workload.spec {
            WorkloadSpec::Load(load) => load.slo.clone(),
            WorkloadSpec::KvCache(_)
            | WorkloadSpec::Conversation(_)
            | WorkloadSpec::Reasoning(_)
            | WorkloadSpec::ToolCalling(_)
            | WorkloadSpec::Stability(_)
            | WorkloadSpec::Age(_)
            | WorkloadSpec::Command(_) => Vec::new(),
        },
    };
    for &index in &decision.order {
        let cell = &decision.cells[index];
        let ran: Vec<(&Start<'_>, &NodeReport)> = cell
            .starts
            .iter()
            .filter_map(|start| {
                let reports = &start.measured.nodes;
                let report = reports.iter().find(|report| report.node == workload.name)?;
                Some((start, report))
            })
            .collect();
        if ran.is_empty() {
            continue;
        }
        let Hint { advice, paste } = hint(&workload.name, cell.cell, &cell.starts);
        view.cells.push(WorkloadCell {
            cell: cell.cell.name.clone(),
            values: metrics
                .iter()
                .map(|metric| over_starts(workload, metric, cell))
                .collect(),
            n_requests: ran.iter().map(|(_, report)| report.n_requests).sum(),
            n_failed: ran.iter().map(|(_, report)| report.n_failed).sum(),
            tool_parser: tool_parser(cell.cell),
            advice,
            paste,
        });
        for (start, report) in ran {
            add_notes(&mut view.notes, cell, start, report);
            view.starts.push(WorkloadStart {
                cell: cell.cell.name.clone(),
                start: start.number(),
                block: start.settled.block,
                values: metrics
                    .iter()
                    .map(|metric| in_start(metric, start, report))
                    .collect(),
                n_requests: report.n_requests,
                n_failed: report.n_failed,
                client: report.client,
                detail: report.detail.clone(),
            });
        }
    }
    view
}

/// The metric's own number, or the median of its samples.
fn over_starts(workload: &Workload, metric: &MetricDef, cell: &CellResult<'_>) -> Option<Spread> {
    let reference = MetricRef {
        node: workload.name.clone(),
        metric: metric.name.to_string(),
        stat: match metric.shape {
            Shape::Scalar => None,
            Shape::Distribution => Some(Stat::P50),
        },
    };
    Spread::over(&reference, &cell.starts)
}

/// What a failed node measured is no result, nor are times of another task.
fn in_start(metric: &MetricDef, start: &Start<'_>, report: &NodeReport) -> Option<StartValue> {
    if start.incomparable(&report.node).is_some() {
        return None;
    }
    match report.status {
        NodeStatus::Completed => {}
        NodeStatus::Failed { .. } | NodeStatus::Invalid { .. } | NodeStatus::Skipped { .. } => {
            return None;
        }
    }
    Some(match report.metrics.get(metric.name.as_ref())? {
        MetricValue::Scalar(value) => StartValue {
            value: *value,
            n: None,
        },
        MetricValue::Distribution(summary) => StartValue {
            value: summary.p50,
            n: Some(summary.n),
        },
    })
}

fn add_notes(
    notes: &mut Vec<Remark>,
    cell: &CellResult<'_>,
    start: &Start<'_>,
    report: &NodeReport,
) {
    match &report.status {
        NodeStatus::Completed => {}
        NodeStatus::Failed { because } => {
            remark(notes, &format!("the node failed: {because}"), cell, start);
        }
        NodeStatus::Invalid { because } => {
            remark(
                notes,
                &format!("the node is invalid: {because}"),
                cell,
                start,
            );
        }
        NodeStatus::Skipped { because } => {
            remark(
                notes,
                &format!("the node was skipped: {because}"),
                cell,
                start,
            );
        }
    }
    if let Some(because) = start.incomparable(&report.node) {
        remark(notes, &format!("the node is {because}"), cell, start);
    }
    for note in &report.notes {
        remark(notes, note, cell, start);
    }
}

/// Adds an attempt to those of which the same is said.
pub fn remark(remarks: &mut Vec<Remark>, text: &str, cell: &CellResult<'_>, start: &Start<'_>) {
    let name = StartName {
        cell: cell.cell.name.clone(),
        start: start.number(),
    };
    match remarks.iter_mut().find(|remark| remark.text == text) {
        Some(remark) => remark.starts.push(name),
        None => remarks.push(Remark {
            text: text.to_owned(),
            starts: vec![name],
        }),
    }
}

#[cfg(test)]
pub(in crate::report) mod fixture;
