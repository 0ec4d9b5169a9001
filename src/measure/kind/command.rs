//! What a `command` node yields.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::measure::metric::{Availability, MetricDef, Scale, Shape, Unit};

/// What every such node yields beside the metrics that its file declares: nothing is known of
/// the tool's own requests. The ready mapping for `vllm bench serve` knows this much of them.
pub const METRICS: &[MetricDef] = &[MetricDef::SUCCESS_RATE];

/// One number of a ready mapping.
#[derive(Debug, Clone, Copy)]
pub struct Ready {
    pub name: &'static str,
    /// Member of the tool's JSON object.
    pub member: &'static str,
    pub unit: Unit,
    pub scale: Scale,
    pub meaning: &'static str,
}

const fn ready(name: &'static str, unit: Unit, scale: Scale, meaning: &'static str) -> Ready {
    Ready {
        name,
        member: name,
        unit,
        scale,
        meaning,
    }
}

const MS: Unit = Unit::Milliseconds;

/// The numbers of `vllm bench serve --save-result`, as vLLM 0.32 writes them
/// (`vllm/benchmarks/serve.py`); those of `e2el` are there with `--percentile-metrics
/// ttft,tpot,itl,e2el`.
pub const VLLM_BENCH_SERVE: &[Ready] = &[
    ready(
        "completed",
        Unit::One,
        Scale::Signed,
        "requests that succeeded",
    ),
    ready("failed", Unit::One, Scale::Signed, "requests that failed"),
    ready(
        "request_throughput",
        Unit::RequestsPerSecond,
        Scale::Ratio,
        "requests per second",
    ),
    ready(
        "output_throughput",
        Unit::TokensPerSecond,
        Scale::Ratio,
        "output tokens per second of all requests together",
    ),
    ready(
        "total_token_throughput",
        Unit::TokensPerSecond,
        Scale::Ratio,
        "input and output tokens per second of all requests together",
    ),
    ready("mean_ttft_ms", MS, Scale::Ratio, "mean time to first token"),
    ready(
        "median_ttft_ms",
        MS,
        Scale::Ratio,
        "median time to first token",
    ),
    ready(
        "p99_ttft_ms",
        MS,
        Scale::Ratio,
        "99th percentile of the time to first token",
    ),
    ready(
        "mean_tpot_ms",
        MS,
        Scale::Ratio,
        "mean time per output token after the first",
    ),
    ready(
        "median_tpot_ms",
        MS,
        Scale::Ratio,
        "median time per output token after the first",
    ),
    ready(
        "p99_tpot_ms",
        MS,
        Scale::Ratio,
        "99th percentile of the time per output token",
    ),
    ready("mean_itl_ms", MS, Scale::Ratio, "mean gap between tokens"),
    ready(
        "median_itl_ms",
        MS,
        Scale::Ratio,
        "median gap between tokens",
    ),
    ready(
        "p99_itl_ms",
        MS,
        Scale::Ratio,
        "99th percentile of the gap between tokens",
    ),
    ready(
        "mean_e2el_ms",
        MS,
        Scale::Ratio,
        "mean time to the last byte",
    ),
    ready(
        "median_e2el_ms",
        MS,
        Scale::Ratio,
        "median time to the last byte",
    ),
    ready(
        "p99_e2el_ms",
        MS,
        Scale::Ratio,
        "99th percentile of the time to the last byte",
    ),
];

/// A metric that a file declares, or a ready mapping has.
pub fn metric(name: &str, unit: Unit, scale: Scale, meaning: &str) -> MetricDef {
    MetricDef {
        name: Cow::Owned(name.to_owned()),
        unit,
        scale,
        shape: Shape::Scalar,
        availability: Availability::EveryCell,
        meaning: Cow::Owned(meaning.to_owned()),
    }
}

/// Characters of a command's output that are kept, from its end.
pub const KEPT_CHARS: usize = 4000;

/// What it yields beyond its metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Detail {
    /// As it was run; values of the attempt filled in, none of them secret.
    pub command: Vec<String>,
    /// `None` where it was killed or could not be started.
    pub exit_code: Option<i64>,
    /// The end of what it said, secrets replaced.
    pub said: String,
}
