//! What the report shows of a `conversation` workload: how times grow from turn to turn.

use crate::decide::number;
use crate::measure::kind::conversation::{Detail, Turn};
use crate::measure::node::NodeDetail;
use crate::measure::trend::{Change, Slope};
use crate::report::table::{Kind, MISSING, Table};
use crate::report::view::{WorkloadStart, WorkloadView};
use crate::report::workload::part::Block;

pub fn part(workload: &WorkloadView) -> Vec<Block> {
    let details: Vec<(&WorkloadStart, &Detail)> = workload
        .starts
        .iter()
        .filter_map(|start| match start.detail.as_ref()? {
            NodeDetail::Conversation(detail) if !detail.turns.is_empty() => Some((start, detail)),
            _ => None,
        })
        .collect();
    if details.is_empty() {
        return Vec::new();
    }
    vec![
        Block::Paragraph(
            "Degradation: mean time to the last byte of the last third of the turns over the \
             first third, with the 95 % interval over the conversations; and per 1000 tokens of \
             prompt, the Theil-Sen slope over all turns with its interval."
                .to_owned(),
        ),
        Block::Table(degradation(&details)),
        Block::Paragraph(
            "Turn by turn, medians over the conversations: time to first token in milliseconds, \
             tokens of the prompt, and of these cached."
                .to_owned(),
        ),
        Block::Table(turns(&details)),
    ]
}

fn degradation(details: &[(&WorkloadStart, &Detail)]) -> Table {
    let mut table = Table::default();
    table.column("configuration", Kind::Name);
    table.column("start", Kind::Number);
    table.column("degradation (%)", Kind::Number);
    table.column("95 % interval", Kind::Number);
    table.column("conversations", Kind::Number);
    table.column("ms per 1000 tokens", Kind::Number);
    table.column("95 % interval", Kind::Number);
    for (start, detail) in details {
        let change = detail.degradation;
        let growth = detail.growth;
        table.rows.push(vec![
            start.cell.clone(),
            start.start.to_string(),
            change.map_or_else(missing, |change| number::significant(change.percent())),
            change
                .and_then(|change| change_interval(&change))
                .unwrap_or_else(missing),
            change.map_or_else(missing, |change| change.n.to_string()),
            growth.map_or_else(missing, |growth| number::significant(growth.slope * 1000.0)),
            growth
                .and_then(|growth| slope_interval(&growth))
                .unwrap_or_else(missing),
        ]);
    }
    table
}

fn missing() -> String {
    MISSING.to_owned()
}

fn change_interval(change: &Change) -> Option<String> {
    let (low, high) = change.interval?;
    let percent = |ratio: f64| number::significant((ratio - 1.0) * 100.0);
    Some(format!("{} to {}", percent(low), percent(high)))
}

fn slope_interval(growth: &Slope) -> Option<String> {
    let (low, high) = growth.interval?;
    let shown = |slope: f64| number::significant(slope * 1000.0);
    Some(format!("{} to {}", shown(low), shown(high)))
}

/// Some turns of each start: the first, the last, and what lies between them evenly.
fn turns(details: &[(&WorkloadStart, &Detail)]) -> Table {
    const MOST: usize = 5;
    let longest = details
        .iter()
        .map(|(_, detail)| detail.turns.len())
        .max()
        .unwrap_or(0);
    let mut shown: Vec<usize> = (0..MOST)
        .map(|place| place * longest.saturating_sub(1) / (MOST - 1))
        .collect();
    shown.dedup();
    let mut table = Table::default();
    table.column("configuration", Kind::Name);
    table.column("start", Kind::Number);
    for turn in &shown {
        table.column_of_lines(
            vec![
                format!("turn {}", turn + 1),
                "ms; tokens; cached".to_owned(),
            ],
            Kind::Number,
        );
    }
    for (start, detail) in details {
        let mut row = vec![start.cell.clone(), start.start.to_string()];
        let cells = shown
            .iter()
            .map(|turn| detail.turns.get(*turn).map_or_else(missing, cell));
        row.extend(cells);
        table.rows.push(row);
    }
    table
}

fn cell(turn: &Turn) -> String {
    let cached = turn
        .cached_tokens
        .map_or_else(missing, |cached| format!("{cached:.0}"));
    format!(
        "{}; {:.0}; {cached}",
        number::significant(turn.ttft_ms),
        turn.prompt_tokens
    )
}
