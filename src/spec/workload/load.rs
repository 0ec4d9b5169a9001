//! Settings of a `load` workload.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::measure::metric::MetricDef;
use crate::measure::slo::Slo;
use crate::spec::workload::LongestRequest;
use crate::spec::workload::arrival::Arrival;

/// `kind = "load"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadSpec {
    /// What a level counts.
    pub demand: Demand,
    pub levels: Levels,
    /// How long each rung lasts.
    pub rung: Extent,
    /// Bounds that a rung must keep; empty where the file states none. A search has at least one.
    pub slo: Vec<Slo>,
    /// Length of each prompt in tokens, as the engine's tokenizer counts the rendered chat.
    /// Default 512.
    pub prompt_tokens: u32,
    /// Tokens that each request generates. Default 128.
    pub max_tokens: u32,
    /// Whether requests of one token are sent beside the load. Default true.
    pub probes: bool,
    /// The former node whose judged level is the first one here.
    pub start_from: Option<String>,
}

/// What a level of load counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Demand {
    /// Users that are there at once, each with one request in flight (a closed loop).
    Concurrency,
    /// Requests per second, whatever is still in flight (an open loop).
    Rate { arrival: Arrival },
}

/// Which levels are tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Levels {
    /// Each once, upwards.
    Ladder(Vec<f64>),
    /// The highest that keeps the bounds, within these ends.
    Search { from: f64, to: f64 },
}

/// How much of something there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Extent {
    Requests(u32),
    /// In the time of the engine.
    Lasting(Duration),
}

impl LoadSpec {
    pub fn longest_request(&self) -> LongestRequest {
        LongestRequest {
            prompt_tokens: u64::from(self.prompt_tokens),
            max_tokens: u64::from(self.max_tokens),
        }
    }

    /// What it yields: without bounds there is no highest level that keeps them, and no goodput.
    pub fn metrics(&self) -> &'static [MetricDef] {
        crate::measure::kind::load::metrics_of(
            matches!(self.demand, Demand::Concurrency),
            !self.slo.is_empty(),
            self.probes,
        )
    }
}
