//! The part of a report that `tool-calling` adds: which checks held per configuration, which
//! scenarios were solved, what failed, to read, and what to try.

use crate::measure::kind::tool_calling::{Check, Checks, Detail, FailedAnswer, Share, Way};
use crate::measure::node::NodeDetail;
use crate::report::table::{Kind, MISSING, Table};
use crate::report::text::{code, inline};
use crate::report::view::{WorkloadCell, WorkloadView};
use crate::report::workload::part::Block;

/// Most configurations that are columns of a table.
const COLUMNS: usize = 6;

/// Most failed answers of one configuration that are shown; `report.json` has them all.
const SHOWN: usize = 3;

/// The checks in the order of the table, as its header names them.
pub const HEADERS: [(Check, &str); 10] = [
    (Check::Solved, "solved"),
    (Check::Parsed, "parsed"),
    (Check::RightFunction, "right function"),
    (Check::ValidArguments, "valid arguments"),
    (Check::RightArguments, "right arguments"),
    (Check::ChainCompleted, "chain completed"),
    (Check::NoneCalled, "none called"),
    (Check::StreamAgreement, "streamed = whole"),
    (Check::Leaked, "leaked"),
    (Check::Swallowed, "swallowed"),
];

pub fn part(workload: &WorkloadView) -> Vec<Block> {
    let cells: Vec<(&WorkloadCell, Vec<&Detail>)> = workload
        .cells
        .iter()
        .map(|cell| (cell, details(workload, &cell.cell)))
        .filter(|(_, details)| !details.is_empty())
        .collect();
    if cells.is_empty() {
        return Vec::new();
    }
    let mut blocks = vec![
        Block::Paragraph(
            "Checks over all starts: how often each held, of how often it was asked. `leaked` \
             and `swallowed` are better the fewer they are."
                .to_owned(),
        ),
        Block::Table(checks(&cells)),
    ];
    if cells.len() <= COLUMNS {
        blocks.push(Block::Paragraph("Scenarios solved:".to_owned()));
        blocks.push(Block::Table(scenarios(&cells)));
    }
    for (cell, details) in &cells {
        blocks.extend(advice(cell));
        blocks.extend(failures(&cell.cell, details));
    }
    blocks
}

fn details<'v>(workload: &'v WorkloadView, cell: &str) -> Vec<&'v Detail> {
    let starts = workload.starts.iter().filter(|start| start.cell == cell);
    starts
        .filter_map(|start| match &start.detail {
            Some(NodeDetail::ToolCalling(detail)) => Some(detail),
            Some(
                NodeDetail::KvCache(_)
                | NodeDetail::Conversation(_)
                | NodeDetail::Reasoning(_)
                | NodeDetail::Stability(_)
                | NodeDetail::Load(_)
                | NodeDetail::Command(_),
            )
            | None => None,
        })
        .collect()
}

/// A row for each configuration, and one more for what was asked under concurrency.
fn checks(cells: &[(&WorkloadCell, Vec<&Detail>)]) -> Table {
    let mut table = Table::default();
    table.column("configuration", Kind::Name);
    table.column("tool-call-parser", Kind::Words);
    table.column("asked", Kind::Words);
    for (_, header) in HEADERS {
        table.column(header, Kind::Number);
    }
    for (cell, details) in cells {
        for (asked, ways) in [
            ("alone", &[Way::Streamed, Way::Whole][..]),
            ("concurrent", &[Way::Concurrent][..]),
        ] {
            let mut sum = Checks::default();
            for result in details.iter().flat_map(|detail| &detail.scenarios) {
                if ways.contains(&result.way) {
                    sum.add(&result.checks);
                }
            }
            if sum.0.is_empty() {
                continue;
            }
            let parser = cell
                .tool_parser
                .clone()
                .unwrap_or_else(|| "none".to_owned());
            let mut row = vec![cell.cell.clone(), parser, asked.to_owned()];
            row.extend(HEADERS.map(|(check, _)| shown(sum.get(check))));
            table.rows.push(row);
        }
    }
    table
}

fn shown(share: Share) -> String {
    match share.of {
        0 => MISSING.to_owned(),
        of => format!("{}/{of}", share.n),
    }
}

/// A row for each scenario and way, a column for each configuration.
fn scenarios(cells: &[(&WorkloadCell, Vec<&Detail>)]) -> Table {
    let mut table = Table::default();
    table.column("scenario", Kind::Name);
    table.column("class", Kind::Words);
    table.column("asked", Kind::Words);
    for (cell, _) in cells {
        table.column(cell.cell.clone(), Kind::Number);
    }
    let mut rows: Vec<(&str, &'static str, Way)> = Vec::new();
    for result in cells
        .iter()
        .flat_map(|(_, details)| details.iter().flat_map(|d| &d.scenarios))
    {
        let row = (result.scenario.as_str(), result.class.name(), result.way);
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
    for (scenario, class, way) in rows {
        let mut row = vec![scenario.to_owned(), class.to_owned(), way.name().to_owned()];
        for (_, details) in cells {
            let mut solved = Share::default();
            for result in details.iter().flat_map(|detail| &detail.scenarios) {
                if result.scenario == scenario && result.way == way {
                    solved.add(result.checks.get(Check::Solved));
                }
            }
            row.push(shown(solved));
        }
        table.rows.push(row);
    }
    table
}

fn advice(cell: &WorkloadCell) -> Vec<Block> {
    if cell.advice.is_empty() {
        return Vec::new();
    }
    let mut blocks = vec![
        Block::Paragraph(format!("What to try for {}:", code(&cell.cell))),
        Block::Bullets(cell.advice.iter().map(|line| inline(line)).collect()),
    ];
    if let Some(lines) = &cell.paste {
        blocks.push(Block::Quotation(lines.lines().map(str::to_owned).collect()));
    }
    blocks
}

/// The first failed answers, those that fail for the same reason once.
fn failures(cell: &str, details: &[&Detail]) -> Vec<Block> {
    let mut shown: Vec<&FailedAnswer> = Vec::new();
    let all = details.iter().flat_map(|detail| &detail.failures);
    for failure in all {
        if shown.len() < SHOWN && !shown.iter().any(|known| known.why == failure.why) {
            shown.push(failure);
        }
    }
    if shown.is_empty() {
        return Vec::new();
    }
    let mut blocks = vec![Block::Paragraph(format!(
        "Failed answers of {}, to read:",
        code(cell)
    ))];
    for failure in shown {
        blocks.push(Block::Bullets(vec![format!(
            "{}, {}, answer {}: {}",
            code(&failure.scenario),
            failure.way.name(),
            failure.step,
            inline(&failure.why)
        )]));
        let mut lines: Vec<String> = failure.text.lines().map(str::to_owned).collect();
        lines.extend(failure.calls.iter().map(|call| format!("call: {call}")));
        if !lines.is_empty() {
            blocks.push(Block::Quotation(lines));
        }
    }
    blocks
}
