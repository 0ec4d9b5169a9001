//! What the report shows of a `stability` workload, and of `age`: how it went over its course, and where that
//! leads.

use crate::decide::number;
use crate::measure::kind::stability::Detail;
use crate::measure::node::NodeDetail;
use crate::report::table::{Kind, MISSING, Table};
use crate::report::text::{code, inline};
use crate::report::view::{WorkloadStart, WorkloadView};
use crate::report::wording::span;
use crate::report::workload::part::Block;

pub fn part(workload: &WorkloadView) -> Vec<Block> {
    let details: Vec<(&WorkloadStart, &Detail)> = workload
        .starts
        .iter()
        .filter_map(|start| match start.detail.as_ref()? {
            NodeDetail::Stability(detail) => Some((start, detail)),
            _ => None,
        })
        .collect();
    if details.is_empty() {
        return Vec::new();
    }
    let mut blocks = vec![Block::Bullets(
        details
            .iter()
            .map(|(start, detail)| sentence(start, detail))
            .collect(),
    )];
    if details.iter().any(|(_, detail)| !detail.slopes.is_empty()) {
        blocks.push(Block::Paragraph(
            "What changed in its course: the Theil-Sen slope per hour with its 95 % interval, \
             and where it leads if it goes on."
                .to_owned(),
        ));
        blocks.push(Block::Table(slopes(&details)));
    }
    if details.iter().any(|(_, detail)| !detail.parts.is_empty()) {
        blocks.push(Block::Paragraph(
            "Its course in ten equal parts; times are medians in milliseconds.".to_owned(),
        ));
        blocks.push(Block::Table(parts(&details)));
    }
    blocks
}

fn sentence(start: &WorkloadStart, detail: &Detail) -> String {
    let mut said = vec![format!("it lasted {}", span(detail.lasted_h))];
    match detail.first_failure_ms {
        Some(ms) => {
            let kinds = detail.failures.iter();
            let kinds: Vec<String> = kinds
                .map(|failure| format!("{} x {}", failure.n, failure.what))
                .collect();
            said.push(format!(
                "the first request failed after {} ({})",
                span(ms / 3.6e6),
                kinds.join(", ")
            ));
        }
        None => said.push("no request failed".to_owned()),
    }
    if let Some(death) = &detail.death {
        said.push(format!(
            "the engine died after {}: {}",
            span(death.after_ms / 3.6e6),
            death.explanation
        ));
    }
    if let Some(resolution) = detail.resolution {
        said.push(format!(
            "percentiles are within {} of their value",
            number::chosen_percent(resolution)
        ));
    }
    format!(
        "{} start {}: {}.",
        code(&start.cell),
        start.start,
        inline(&said.join("; "))
    )
}

fn slopes(details: &[(&WorkloadStart, &Detail)]) -> Table {
    let mut table = Table::default();
    table.column("configuration", Kind::Name);
    table.column("start", Kind::Number);
    table.column("of", Kind::Words);
    for header in ["at the end", "per hour", "95 % interval", "values"] {
        table.column(header, Kind::Number);
    }
    table.column("forecast", Kind::Words);
    for (start, detail) in details {
        for drift in &detail.slopes {
            table.rows.push(vec![
                start.cell.clone(),
                start.start.to_string(),
                format!("{} ({})", drift.of.name(), drift.of.unit()),
                number::significant(drift.last),
                signed(drift.per_hour),
                format!("{} to {}", signed(drift.low), signed(drift.high)),
                drift.n.to_string(),
                drift.course(),
            ]);
        }
    }
    table
}

fn signed(value: f64) -> String {
    match value > 0.0 {
        true => format!("+{}", number::significant(value)),
        false => number::significant(value),
    }
}

fn parts(details: &[(&WorkloadStart, &Detail)]) -> Table {
    let mut table = Table::default();
    table.column("configuration", Kind::Name);
    table.column("start", Kind::Number);
    table.column("from", Kind::Number);
    for header in [
        "failed requests",
        "ttft",
        "e2e",
        "tok/s of a request",
        "KV cache (%)",
        "preemptions",
        "server memory (MiB)",
    ] {
        table.column(header, Kind::Number);
    }
    let plain = |value: Option<f64>| value.map_or_else(|| MISSING.to_owned(), number::significant);
    for (start, detail) in details {
        for part in &detail.parts {
            table.rows.push(vec![
                start.cell.clone(),
                start.start.to_string(),
                span(part.from_h),
                format!("{} of {}", part.n_failed, part.n_requests),
                plain(part.ttft_ms),
                plain(part.e2e_ms),
                plain(part.tokens_per_second),
                plain(part.kv_cache_pct),
                part.preemptions
                    .map_or_else(|| MISSING.to_owned(), |n| format!("{n:.0}")),
                plain(part.server_memory_mib),
            ]);
        }
    }
    table
}
