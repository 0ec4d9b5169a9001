//! From the rungs of a `load` node to its report. Pure.

use std::collections::BTreeMap;

use crate::load::reason::tally;
use crate::measure::climb::Proved;
use crate::measure::kind::load::{DemandKind, Detail, Rung};
use crate::measure::metric::WorkloadKind;
use crate::measure::node::{MetricValue, NodeDetail, NodeReport, NodeStatus};
use crate::measure::summary::Summary;
use crate::spec::workload::load::{Demand, LoadSpec};

/// How the sending ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    Whole,
    /// A rung of a ladder fell ever further behind; those above it were not tried.
    Saturated,
    Early {
        because: String,
    },
}

/// What a run of the workload left.
#[derive(Debug, Clone)]
pub struct Run<'a> {
    pub node: &'a str,
    pub spec: &'a LoadSpec,
    pub rungs: Vec<Rung>,
    pub idle_probe_ttft_ms: Option<Summary>,
    pub started_from: Option<f64>,
    pub ending: Ending,
    /// In words.
    pub failures: Vec<String>,
    /// In the engine's time.
    pub took_ms: f64,
}

/// The node's report.
pub fn summarise(run: Run) -> NodeReport {
    let n_requests: u32 = run.rungs.iter().map(|rung| rung.n_requests).sum();
    let n_failed: u32 = run.rungs.iter().map(|rung| rung.n_failed).sum();
    let proved = (!run.spec.slo.is_empty()).then(|| proved(&run.rungs));
    let judged = judged(&run.rungs, proved);
    let status = match &run.ending {
        Ending::Early { because } => NodeStatus::Failed {
            because: because.clone(),
        },
        Ending::Whole | Ending::Saturated if n_failed == n_requests => NodeStatus::Failed {
            because: format!("none of {n_requests} requests succeeded{}", reasons(&run)),
        },
        Ending::Whole | Ending::Saturated => NodeStatus::Completed,
    };
    let mut metrics = match (&status, judged) {
        (NodeStatus::Completed, Some(at)) => metrics(run.spec, &run.rungs[at]),
        _ => BTreeMap::new(),
    };
    if n_requests > 0 {
        let rate = f64::from(n_requests - n_failed) / f64::from(n_requests);
        metrics.insert("success_rate".to_owned(), MetricValue::Scalar(rate));
    }
    NodeReport {
        node: run.node.to_owned(),
        kind: WorkloadKind::Load,
        status,
        took_ms: Some(run.took_ms),
        metrics,
        n_requests,
        n_failed,
        notes: notes(&run, judged, n_failed),
        client: None,
        detail: Some(NodeDetail::Load(Detail {
            demand: match run.spec.demand {
                Demand::Concurrency => DemandKind::Concurrency,
                Demand::Rate { .. } => DemandKind::Rate,
            },
            rungs: run.rungs,
            judged,
            proved,
            idle_probe_ttft_ms: run.idle_probe_ttft_ms,
            started_from: run.started_from,
        })),
    }
}

fn kept(rung: &Rung) -> bool {
    rung.broken.is_empty() && rung.saturated.is_none()
}

/// The lowest level that broke the bounds, and the highest below it that kept them.
fn proved(rungs: &[Rung]) -> Proved {
    let levels = |wanted: bool| {
        let of = rungs.iter().filter(move |rung| kept(rung) == wanted);
        of.map(|rung| rung.level)
    };
    let broke = levels(false).min_by(f64::total_cmp);
    let below = |level: &f64| broke.is_none_or(|broke| *level < broke);
    Proved {
        kept: levels(true).filter(below).max_by(f64::total_cmp),
        broke,
    }
}

/// The rung that the metrics are of. With bounds, the highest level that kept them below the
/// lowest that did not; without, the highest that did not fall ever further behind.
fn judged(rungs: &[Rung], proved: Option<Proved>) -> Option<usize> {
    let of_level = |level: f64| rungs.iter().position(|rung| rung.level == level);
    match proved {
        Some(proved) => of_level(proved.kept?),
        None => {
            let steady = rungs.iter().filter(|rung| rung.saturated.is_none());
            of_level(steady.map(|rung| rung.level).max_by(f64::total_cmp)?)
        }
    }
}

fn metrics(spec: &LoadSpec, rung: &Rung) -> BTreeMap<String, MetricValue> {
    let bounds = !spec.slo.is_empty();
    let (users, rate) = match spec.demand {
        Demand::Concurrency => (Some(rung.level), None),
        Demand::Rate { .. } => (None, Some(rung.level)),
    };
    let scalars = [
        ("max_concurrency", users.filter(|_| bounds)),
        ("max_rate_rps", rate.filter(|_| bounds)),
        ("goodput_rps", rung.goodput_rps),
        ("achieved_rps", rung.achieved_rps),
        ("output_tokens_per_second", rung.output_tokens_per_second),
    ];
    let distributions = [
        ("ttft_ms", rung.ttft_ms),
        ("itl_ms", rung.itl_ms),
        ("tpot_ms", rung.tpot_ms),
        ("e2e_ms", rung.e2e_ms),
        ("probe_ttft_ms", rung.probe_ttft_ms),
    ];
    let scalars = scalars
        .into_iter()
        // A rate of zero is no ratio: nothing ended within the window.
        .filter_map(|(name, value)| {
            Some((
                name,
                MetricValue::Scalar(value.filter(|value| *value > 0.0)?),
            ))
        });
    let distributions = distributions
        .into_iter()
        .filter_map(|(name, value)| Some((name, MetricValue::Distribution(value?))));
    scalars
        .chain(distributions)
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn reasons(run: &Run) -> String {
    match run.failures.is_empty() {
        true => String::new(),
        false => format!(": {}", tally(run.failures.iter().cloned())),
    }
}

/// What a reader must know of the node.
fn notes(run: &Run, judged: Option<usize>, n_failed: u32) -> Vec<String> {
    let mut notes = Vec::new();
    if n_failed > 0 {
        notes.push(format!(
            "{n_failed} requests failed, first in their rungs{}",
            reasons(run)
        ));
    }
    if run.ending == Ending::Saturated
        && let Some(last) = run.rungs.last()
    {
        notes.push(format!(
            "the engine fell ever further behind at {}: levels above were not tried",
            level(run.spec, last.level)
        ));
    }
    if let (Some(from), None) = (&run.spec.start_from, run.started_from) {
        notes.push(format!(
            "`{from}` found no level to start from; the first one of the file was"
        ));
    }
    if judged.is_none() && !run.rungs.is_empty() {
        let lowest = run.rungs.iter().min_by(|a, b| a.level.total_cmp(&b.level));
        let lowest = lowest.map_or(0.0, |rung| rung.level);
        notes.push(match run.spec.slo.is_empty() {
            true => format!(
                "no rung was steady, down to {}: there is none to judge",
                level(run.spec, lowest)
            ),
            false => format!(
                "the bounds were broken down to {}: there is no rung to judge",
                level(run.spec, lowest)
            ),
        });
    }
    notes
}

fn level(spec: &LoadSpec, level: f64) -> String {
    match spec.demand {
        Demand::Concurrency => format!("concurrency {level}"),
        Demand::Rate { .. } => format!("{level} requests per second"),
    }
}

#[cfg(test)]
mod tests;
