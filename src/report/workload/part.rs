//! What the report shows of a workload beyond its metrics, by kind: blocks without a format.

use crate::measure::metric::WorkloadKind;
use crate::report::table::Table;
use crate::report::view::WorkloadView;
use crate::report::workload::{
    command, conversation, kv_cache, load, reasoning, stability, tool_calling,
};

/// A piece of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    Paragraph(String),
    Table(Table),
    /// Finished Markdown lines: who makes them escapes what is foreign in them.
    Bullets(Vec<String>),
    /// Foreign text, line by line, shown as it is.
    Quotation(Vec<String>),
}

/// The part of a workload's kind; empty where there is nothing to add.
pub fn of(workload: &WorkloadView) -> Vec<Block> {
    match workload.kind {
        WorkloadKind::KvCache => kv_cache::part(workload),
        WorkloadKind::Conversation => conversation::part(workload),
        WorkloadKind::ToolCalling => tool_calling::part(workload),
        WorkloadKind::Reasoning => reasoning::part(workload),
        WorkloadKind::Stability | WorkloadKind::Age => stability::part(workload),
        WorkloadKind::Load => load::part(workload),
        WorkloadKind::Command => command::part(workload),
    }
}
