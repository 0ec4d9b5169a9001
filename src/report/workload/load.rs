//! What the report shows of a `load` workload: its rungs, and what they prove.

use crate::decide::number;
use crate::measure::kind::load::{DemandKind, Detail, Rung};
use crate::measure::node::NodeDetail;
use crate::measure::summary::Summary;
use crate::report::table::{Kind, MISSING, Table};
use crate::report::text::{code, inline};
use crate::report::view::{WorkloadStart, WorkloadView};
use crate::report::workload::part::Block;

pub fn part(workload: &WorkloadView) -> Vec<Block> {
    let details: Vec<(&WorkloadStart, &Detail)> = workload
        .starts
        .iter()
        .filter_map(|start| match start.detail.as_ref()? {
            NodeDetail::Load(detail) if !detail.rungs.is_empty() => Some((start, detail)),
            _ => None,
        })
        .collect();
    let Some((_, first)) = details.first() else {
        return Vec::new();
    };
    let what = match first.demand {
        DemandKind::Concurrency => "users at once",
        DemandKind::Rate => "requests per second asked for",
    };
    vec![
        Block::Paragraph(format!(
            "Rung by rung, in the order in which they were tried; a level counts {what}. Times \
             are medians with the 95th percentile, in milliseconds; rates are of the steady \
             window. The metrics above are those of the rung marked as judged."
        )),
        Block::Table(rungs(&details, first.demand)),
        Block::Bullets(
            details
                .iter()
                .map(|(start, detail)| sentence(start, detail))
                .collect(),
        ),
    ]
}

fn rungs(details: &[(&WorkloadStart, &Detail)], demand: DemandKind) -> Table {
    let mut table = Table::default();
    table.column("configuration", Kind::Name);
    table.column("start", Kind::Number);
    table.column(
        match demand {
            DemandKind::Concurrency => "concurrency",
            DemandKind::Rate => "rate (req/s)",
        },
        Kind::Number,
    );
    let with = |of: fn(&Rung) -> bool| details.iter().any(|(_, d)| d.rungs.iter().any(of));
    let goodput = with(|rung| rung.goodput_rps.is_some());
    let probes = with(|rung| rung.probe_ttft_ms.is_some());
    let queue = with(|rung| rung.queue_mean_ms.is_some());
    for header in ["achieved (req/s)", "in flight"] {
        table.column(header, Kind::Number);
    }
    if goodput {
        table.column("goodput (req/s)", Kind::Number);
    }
    for header in ["output (tok/s)", "ttft", "itl", "tpot", "e2e"] {
        table.column(header, Kind::Number);
    }
    if queue {
        table.column("queue, mean", Kind::Number);
    }
    if probes {
        table.column("probe ttft", Kind::Number);
    }
    table.column("failed requests", Kind::Number);
    table.column("outcome", Kind::Words);
    for (start, detail) in details {
        for (at, rung) in detail.rungs.iter().enumerate() {
            let mut cells = vec![
                start.cell.clone(),
                start.start.to_string(),
                rung.level.to_string(),
                plain(rung.achieved_rps),
                plain(rung.mean_in_flight),
            ];
            if goodput {
                cells.push(plain(rung.goodput_rps));
            }
            cells.push(plain(rung.output_tokens_per_second));
            cells.extend([rung.ttft_ms, rung.itl_ms, rung.tpot_ms, rung.e2e_ms].map(times));
            if queue {
                cells.push(plain(rung.queue_mean_ms));
            }
            if probes {
                cells.push(times(rung.probe_ttft_ms));
            }
            cells.push(format!("{} of {}", rung.n_failed, rung.n_requests));
            cells.push(outcome(rung, detail.judged == Some(at)));
            table.rows.push(cells);
        }
    }
    table
}

fn plain(value: Option<f64>) -> String {
    value.map_or_else(|| MISSING.to_owned(), number::significant)
}

/// `120 (p95 340)`.
fn times(summary: Option<Summary>) -> String {
    summary.map_or_else(
        || MISSING.to_owned(),
        |summary| {
            format!(
                "{} (p95 {})",
                number::significant(summary.p50),
                number::significant(summary.p95)
            )
        },
    )
}

fn outcome(rung: &Rung, judged: bool) -> String {
    let mut parts = Vec::new();
    if judged {
        parts.push("judged".to_owned());
    }
    if let Some(saturated) = rung.saturated {
        parts.push(format!(
            "over-saturated, ended early: requests in flight grew by {} a second",
            number::significant(saturated.in_flight_per_s)
        ));
    }
    for broken in &rung.broken {
        let found = broken
            .found
            .map_or_else(|| "not measured".to_owned(), number::significant);
        parts.push(format!("broke {} ({found})", broken.text));
    }
    match parts.is_empty() {
        true => "kept".to_owned(),
        false => parts.join("; "),
    }
}

/// What a start proved.
fn sentence(start: &WorkloadStart, detail: &Detail) -> String {
    let unit = match detail.demand {
        DemandKind::Concurrency => "concurrency",
        DemandKind::Rate => "rate",
    };
    let front = format!("{} start {}: ", code(&start.cell), start.start);
    let mut said = Vec::new();
    if let Some(from) = detail.started_from {
        said.push(format!(
            "started from {unit} {from}, which a former node found"
        ));
    }
    if let Some(proved) = detail.proved {
        said.push(match (proved.kept, proved.broke) {
            (Some(kept), Some(broke)) => {
                format!("the bounds held at {unit} {kept} and broke at {broke}; between them nothing was tried")
            }
            (Some(kept), None) => {
                format!("the bounds held up to {unit} {kept}, the highest that was tried")
            }
            (None, Some(broke)) => {
                format!("the bounds broke at {unit} {broke} and held at none below it")
            }
            (None, None) => "the bounds were never judged".to_owned(),
        });
    }
    if let Some(idle) = detail.idle_probe_ttft_ms {
        said.push(format!(
            "a probe of the engine at rest had its token after {} ms (median of {})",
            number::significant(idle.p50),
            idle.n
        ));
    }
    if said.is_empty() {
        said.push(match detail.judged {
            Some(at) => format!("judged at {unit} {}", detail.rungs[at].level),
            None => "no rung to judge".to_owned(),
        });
    }
    front + &inline(&said.join("; ")) + "."
}
