//! What a `kv-cache` node yields.

use serde::{Deserialize, Serialize};

use crate::measure::metric::MetricDef;
use crate::measure::request::CacheProof;

pub const METRICS: &[MetricDef] = &[
    MetricDef::milliseconds(
        "ttft_first_ms",
        "time to first token of each prompt's first request",
    ),
    MetricDef::milliseconds(
        "ttft_repeat_ms",
        "time to first token when the same prompt is sent again",
    ),
    MetricDef::milliseconds(
        "ttft_miss_ms",
        "time to first token of the first requests that the engine's counters prove to be misses",
    )
    .proved_only(),
    MetricDef::milliseconds(
        "ttft_hit_ms",
        "time to first token of the repeated requests that the engine's counters prove to be hits",
    )
    .proved_only(),
    MetricDef::ratio(
        "acceleration",
        "median ttft_first_ms divided by median ttft_repeat_ms of the attempt",
    ),
    MetricDef::tokens_per_second(
        "tokens_per_second",
        "(output tokens - 1) / (last token - first token) of each request",
    ),
    MetricDef::share(
        "hit_rate",
        "cached prompt tokens over prompt tokens of the repeated requests, by the engine's counters",
    ),
    MetricDef::SUCCESS_RATE,
];

/// What it yields beyond its metrics.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Detail {
    /// The first pairs, at most [`Detail::MOST_PAIRS`].
    pub pairs: Vec<Pair>,
    /// Successful first requests and repeats that are neither proved hits nor proved misses.
    pub n_quarantined: u32,
}

impl Detail {
    /// More pairs than this are in `requests.parquet` alone.
    pub const MOST_PAIRS: usize = 100;
}

/// One prompt, sent twice.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    pub prompt: u32,
    /// Times to first token in milliseconds; `None` for a request that failed or was not sent.
    pub first_ms: Option<f64>,
    pub repeat_ms: Option<f64>,
    pub first_proof: Option<CacheProof>,
    pub repeat_proof: Option<CacheProof>,
}
