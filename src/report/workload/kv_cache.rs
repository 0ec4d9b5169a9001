//! What the report shows of a `kv-cache` workload: first and repeated requests and proved hits
//! and misses side by side.

use crate::decide::number;
use crate::measure::kind::kv_cache::Detail;
use crate::measure::metric::MetricDef;
use crate::measure::node::NodeDetail;
use crate::report::table::{Kind, MISSING, Table};
use crate::report::view::{WorkloadStart, WorkloadView};
use crate::report::workload::part::Block;

/// The columns after the names, with what they are of.
const COLUMNS: [(&str, &str); 5] = [
    ("first (ms)", "ttft_first_ms"),
    ("repeat (ms)", "ttft_repeat_ms"),
    ("proved miss (ms)", "ttft_miss_ms"),
    ("proved hit (ms)", "ttft_hit_ms"),
    ("acceleration", "acceleration"),
];

pub fn part(workload: &WorkloadView) -> Vec<Block> {
    let details: Vec<(&WorkloadStart, &Detail)> = workload
        .starts
        .iter()
        .filter_map(|start| match start.detail.as_ref()? {
            NodeDetail::KvCache(detail) => Some((start, detail)),
            _ => None,
        })
        .collect();
    if details.is_empty() {
        return Vec::new();
    }
    let mut table = Table::default();
    table.column("configuration", Kind::Name);
    table.column("start", Kind::Number);
    for (header, _) in COLUMNS {
        table.column(header, Kind::Number);
    }
    table.column("quarantined", Kind::Number);
    for (start, detail) in &details {
        let mut row = vec![start.cell.clone(), start.start.to_string()];
        row.extend(COLUMNS.map(|(_, metric)| value(workload, start, metric)));
        row.push(detail.n_quarantined.to_string());
        table.rows.push(row);
    }
    vec![
        Block::Paragraph(
            "Each prompt was sent twice. Medians of the times to first token, by what was sent \
             and by what the engine's counters prove; acceleration is first over repeat. A sample \
             that is neither a proved hit nor a proved miss is quarantined: it is in first and \
             repeat, and in no proof."
                .to_owned(),
        ),
        Block::Table(table),
    ]
}

fn value(workload: &WorkloadView, start: &WorkloadStart, name: &str) -> String {
    let found = workload
        .metrics
        .iter()
        .zip(&start.values)
        .find(|(metric, _)| metric.name == name);
    let Some((metric, Some(value))) = found else {
        return MISSING.to_owned();
    };
    let definition: &MetricDef = &metric.definition;
    let number = number::of_metric(value.value, Some(definition));
    match value.n {
        Some(n) => format!("{number} (n {n})"),
        None => format!("x{number}"),
    }
}
