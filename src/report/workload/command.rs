//! The part of a `command` workload: what was run, and the end of what it said.

use crate::measure::node::NodeDetail;
use crate::report::text::code;
use crate::report::view::WorkloadView;
use crate::report::workload::part::Block;

/// Lines of a command's output that are shown, from its end; `report.json` has more.
const SHOWN_LINES: usize = 40;

/// The first start of each cell: its others say the same with other numbers.
pub fn part(workload: &WorkloadView) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut shown: Vec<&str> = Vec::new();
    for start in &workload.starts {
        let Some(NodeDetail::Command(detail)) = &start.detail else {
            continue;
        };
        if shown.contains(&start.cell.as_str()) {
            continue;
        }
        shown.push(&start.cell);
        let command = shell_words::join(&detail.command);
        let end = match detail.exit_code {
            Some(status) => format!("ended with {status}"),
            None => "did not end by itself".to_owned(),
        };
        blocks.push(Block::Bullets(vec![format!(
            "{}, start {}: {} {end}",
            code(&start.cell),
            start.start,
            code(&command)
        )]));
        let lines: Vec<String> = detail.said.lines().map(str::to_owned).collect();
        let from = lines.len().saturating_sub(SHOWN_LINES);
        if !lines.is_empty() {
            blocks.push(Block::Quotation(lines[from..].to_vec()));
        }
    }
    blocks
}
