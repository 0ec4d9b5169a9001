//! What a `stability` node yields.

use serde::{Deserialize, Serialize};

use crate::measure::forecast::{Forecast, Limit};
use crate::measure::metric::MetricDef;
use crate::measure::summary::Summary;
use crate::measure::trend::Slope;

pub const METRICS: &[MetricDef] = &[
    MetricDef::SUCCESS_RATE,
    TIMEOUT_RATE,
    HTTP_4XX_RATE,
    HTTP_5XX_RATE,
    MetricDef::milliseconds("ttft_ms", "due to first token"),
    MetricDef::milliseconds(
        "itl_ms",
        "from one delta with a token to the next of the same answer",
    ),
    MetricDef::milliseconds("e2e_ms", "due to last byte"),
    MetricDef::tokens_per_second(
        "tokens_per_second",
        "(output tokens - 1) / (last token - first token) of each request",
    ),
    MetricDef::tokens_per_second_in_all(
        "output_tokens_per_second",
        "output tokens of all requests together over the time from the first request to the last answer",
    ),
    DEGRADATION_PCT,
    TTFT_DRIFT,
    TOKENS_PER_SECOND_DRIFT,
    FAILURE_FREE_MS,
];

pub const TIMEOUT_RATE: MetricDef = MetricDef::share(
    "timeout_rate",
    "requests without an answer within the request timeout or the stall limit, over requests sent",
);
pub const HTTP_4XX_RATE: MetricDef = MetricDef::share(
    "http_4xx_rate",
    "requests answered with a status from 400 to 499, over requests sent",
);
pub const HTTP_5XX_RATE: MetricDef = MetricDef::share(
    "http_5xx_rate",
    "requests answered with a status of 500 or more, over requests sent",
);
pub const DEGRADATION_PCT: MetricDef = MetricDef::signed_percent(
    "degradation_pct",
    "by how much response times of the last third of the requests are above those of the first third, each taken relative to the mean of its length",
);
pub const TTFT_DRIFT: MetricDef = MetricDef::percent_per_hour(
    "ttft_drift_pct_per_h",
    "slope of time to first token, relative to the median of its length, over the node (Theil and Sen)",
);
pub const TOKENS_PER_SECOND_DRIFT: MetricDef = MetricDef::percent_per_hour(
    "tokens_per_second_drift_pct_per_h",
    "slope of tokens per second, relative to the median of its length, over the node (Theil and Sen)",
);
pub const FAILURE_FREE_MS: MetricDef = MetricDef::elapsed(
    "failure_free_ms",
    "from the start of the node to its first failed request; where none failed, to its end",
);

/// What it yields beyond its metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Detail {
    /// From its first request to its last answer, in hours.
    pub lasted_h: f64,
    /// From its start to the end of the first failed request, in milliseconds; `None` where none
    /// failed.
    pub first_failure_ms: Option<f64>,
    /// What failed requests met, by kind, with their counts.
    pub failures: Vec<FailureCount>,
    /// What changed in its course.
    pub slopes: Vec<Drift>,
    /// Its course in equal parts.
    pub parts: Vec<Part>,
    /// By which share of themselves percentiles may be off; `None` while they are exact.
    pub resolution: Option<f64>,
    /// How the engine ended, where it did so while it aged. Elsewhere such a death is the outcome
    /// of the attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub death: Option<Death>,
}

/// The end of an engine under an `age` node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Death {
    /// From the start of the node, in the engine's time.
    pub after_ms: f64,
    /// The class of its failure, as docs/DIAGNOSIS.md lists it.
    pub class: String,
    pub explanation: String,
}

/// Failed requests of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureCount {
    pub what: String,
    pub n: u32,
}

/// The slope of one thing, with its interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    pub of: Watched,
    /// Values that the slope is of.
    pub n: u32,
    /// In the unit of what is watched.
    pub median: f64,
    pub last: f64,
    /// In the same unit per hour, and the ends of its 95 % interval.
    pub per_hour: f64,
    pub low: f64,
    pub high: f64,
    /// `None` for what cannot be full.
    pub forecast: Option<Forecast>,
}

impl Drift {
    /// Of points (hours, value) in their order; `None` where they are too few for an interval.
    pub fn of(of: Watched, points: &[(f64, f64)], limit: Limit) -> Option<Self> {
        let slope = Slope::of(points)?;
        let (low, high) = slope.interval?;
        let (from_h, to_h) = (points.first()?.0, points.last()?.0);
        let last = slope.at(to_h);
        let forecast = |limit| Forecast::of(last, limit, (low, high), to_h - from_h);
        let values: Vec<f64> = points.iter().map(|point| point.1).collect();
        Some(Self {
            of,
            n: slope.n,
            median: Summary::of(&values)?.p50,
            last,
            per_hour: slope.slope,
            low,
            high,
            forecast: match limit {
                Limit::Never => None,
                Limit::Unknown => Some(forecast(None)),
                Limit::At(limit) => Some(forecast(Some(limit))),
            },
        })
    }
}

impl Drift {
    /// Where it leads, in words.
    pub fn course(&self) -> String {
        match self.forecast {
            Some(forecast) => forecast.to_string(),
            None if self.low > 0.0 => "grows".to_owned(),
            None if self.high < 0.0 => "shrinks".to_owned(),
            None => "no change that can be told from noise".to_owned(),
        }
    }
}

/// What is watched over a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Watched {
    /// Time to first token over the median of its length, in per cent.
    Ttft,
    /// Tokens per second over the median of its length, in per cent.
    TokensPerSecond,
    /// In MiB, as the driver counts, of all cards of the run.
    GpuMemory,
    /// In MiB, of the engine's container or processes.
    EngineMemory,
    /// Of the server process of the engine alone, in MiB, as it says itself.
    ServerMemory,
    /// In per cent of the KV cache.
    KvCache,
    /// Preemptions per hour of the engine.
    Preemptions,
}

impl Watched {
    pub fn name(self) -> &'static str {
        match self {
            Self::Ttft => "time to first token",
            Self::TokensPerSecond => "tokens per second",
            Self::GpuMemory => "GPU memory",
            Self::EngineMemory => "memory of the engine",
            Self::ServerMemory => "memory of the server process",
            Self::KvCache => "KV cache in use",
            Self::Preemptions => "preemptions",
        }
    }

    pub fn unit(self) -> &'static str {
        match self {
            Self::Ttft | Self::TokensPerSecond => "% of the median",
            Self::GpuMemory | Self::EngineMemory | Self::ServerMemory => "MiB",
            Self::KvCache => "%",
            Self::Preemptions => "per hour",
        }
    }
}

/// One of equal parts of a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// From the start of the node, in hours.
    pub from_h: f64,
    pub to_h: f64,
    /// Requests that ended in it.
    pub n_requests: u32,
    pub n_failed: u32,
    /// Medians over them.
    pub ttft_ms: Option<f64>,
    pub e2e_ms: Option<f64>,
    pub tokens_per_second: Option<f64>,
    /// Largest of the readings.
    pub kv_cache_pct: Option<f64>,
    /// Counted in it.
    pub preemptions: Option<f64>,
    /// Last of the readings.
    pub server_memory_mib: Option<f64>,
}
