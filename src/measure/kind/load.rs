//! What a `load` node yields.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::measure::climb::Proved;
use crate::measure::metric::MetricDef;
use crate::measure::saturation::Saturated;
use crate::measure::slo::Broken;
use crate::measure::summary::Summary;

/// Of every form of it.
pub const METRICS: &[MetricDef] = &[
    MetricDef::ratio(
        MAX_CONCURRENCY,
        "users at once of the judged rung; only with `slo` and levels of concurrency",
    ),
    MetricDef::requests_per_second(
        MAX_RATE,
        "requests per second asked for in the judged rung; only with `slo` and levels of rate",
    ),
    MetricDef::requests_per_second(
        GOODPUT,
        "requests per second of the judged rung that kept every bound of `slo` alone; only with `slo`",
    ),
    MetricDef::requests_per_second(
        "achieved_rps",
        "requests per second of the judged rung that ended as they should within its steady window",
    ),
    MetricDef::tokens_per_second_in_all(
        "output_tokens_per_second",
        "output tokens of all requests together in the steady window of the judged rung, per second",
    ),
    MetricDef::milliseconds("ttft_ms", "due to first token, in the judged rung"),
    MetricDef::milliseconds(
        "itl_ms",
        "from one delta with a token to the next of the same answer, in the judged rung",
    ),
    MetricDef::milliseconds(
        "tpot_ms",
        "(last token - first token) / (output tokens - 1) of each request of the judged rung",
    ),
    MetricDef::milliseconds("e2e_ms", "due to last byte, in the judged rung"),
    MetricDef::milliseconds(
        PROBE_TTFT,
        "due to first token of the requests of one token beside the judged rung; only with `probes`",
    ),
    MetricDef::share(
        "success_rate",
        "requests that ended as they should over requests sent, in all rungs",
    ),
];

const MAX_CONCURRENCY: &str = "max_concurrency";
const MAX_RATE: &str = "max_rate_rps";
const GOODPUT: &str = "goodput_rps";
const PROBE_TTFT: &str = "probe_ttft_ms";

/// What one form of it yields: with levels of concurrency or of rate, with bounds or without,
/// with probes or without.
pub fn metrics_of(concurrency: bool, bounds: bool, probes: bool) -> &'static [MetricDef] {
    static FORMS: LazyLock<Vec<Vec<MetricDef>>> = LazyLock::new(|| {
        let bit = |number: usize, at: usize| number >> at & 1 == 1;
        let forms = (0..8).map(|form| {
            let has = |metric: &&MetricDef| match metric.name.as_ref() {
                MAX_CONCURRENCY => bit(form, 0) && bit(form, 1),
                MAX_RATE => !bit(form, 0) && bit(form, 1),
                GOODPUT => bit(form, 1),
                PROBE_TTFT => bit(form, 2),
                _ => true,
            };
            METRICS.iter().filter(has).cloned().collect()
        });
        forms.collect()
    });
    let form = usize::from(concurrency) | usize::from(bounds) << 1 | usize::from(probes) << 2;
    &FORMS[form]
}

/// What it yields beyond its metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Detail {
    pub demand: DemandKind,
    /// In the order in which they were tried.
    pub rungs: Vec<Rung>,
    /// Which of them the metrics are of; `None` where no rung qualifies.
    pub judged: Option<usize>,
    /// What a search or a ladder with bounds proved; `None` without bounds.
    pub proved: Option<Proved>,
    /// Probes before the first rung, on an engine at rest.
    pub idle_probe_ttft_ms: Option<Summary>,
    /// The level that a former node found, where the first one came from it.
    pub started_from: Option<f64>,
}

/// What a level counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DemandKind {
    /// Users at once.
    Concurrency,
    /// Requests per second.
    Rate,
}

/// One level of load, measured. Times are of every measured request; rates of the steady window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rung {
    pub level: f64,
    /// Measured, warm-up and probes not counted.
    pub n_requests: u32,
    pub n_failed: u32,
    /// Length of the steady window in milliseconds; `None` where there was none.
    pub steady_ms: Option<f64>,
    /// Requests per second asked for; `None` for a closed loop, which asks as fast as it is
    /// answered.
    pub asked_rps: Option<f64>,
    pub achieved_rps: Option<f64>,
    /// `None` without bounds.
    pub goodput_rps: Option<f64>,
    pub output_tokens_per_second: Option<f64>,
    pub ttft_ms: Option<Summary>,
    pub itl_ms: Option<Summary>,
    pub tpot_ms: Option<Summary>,
    pub e2e_ms: Option<Summary>,
    /// Of each request.
    pub tokens_per_second: Option<Summary>,
    pub probe_ttft_ms: Option<Summary>,
    /// Due to sent, in this machine's time: how late the client was itself.
    pub schedule_delay_ms: Option<Summary>,
    /// Mean time that requests waited inside the engine before it took them up, by its own
    /// histogram.
    pub queue_mean_ms: Option<f64>,
    /// Requests in flight in the steady window.
    pub mean_in_flight: Option<f64>,
    /// Bounds that it did not keep.
    pub broken: Vec<Broken>,
    /// The engine fell ever further behind; the rung was ended early for it.
    pub saturated: Option<Saturated>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_yields_what_it_can_have() {
        let names = |concurrency, bounds, probes| -> Vec<&str> {
            let metrics = metrics_of(concurrency, bounds, probes).iter();
            metrics.map(|metric| metric.name.as_ref()).collect()
        };
        let all = METRICS.len();
        for (form, missing) in [
            ((true, true, true), &[MAX_RATE][..]),
            ((false, true, true), &[MAX_CONCURRENCY]),
            ((true, false, true), &[MAX_CONCURRENCY, MAX_RATE, GOODPUT]),
            (
                (false, false, false),
                &[MAX_CONCURRENCY, MAX_RATE, GOODPUT, PROBE_TTFT],
            ),
        ] {
            let found = names(form.0, form.1, form.2);
            assert_eq!(found.len(), all - missing.len(), "{form:?}");
            assert!(missing.iter().all(|name| !found.contains(name)), "{form:?}");
        }
    }
}
