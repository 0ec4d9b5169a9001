//! Settings of a `stability` workload.

use serde::{Deserialize, Serialize};

use crate::spec::workload::LongestRequest;
use crate::spec::workload::arrival::Arrival;
use crate::spec::workload::load::Extent;

/// `kind = "stability"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StabilitySpec {
    pub extent: Extent,
    pub source: Source,
    pub short: Task,
    pub long: Task,
    /// Share of the long requests, from 0 to below 1. Default one half.
    pub long_share: f64,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// So many users, each with one request in flight.
    Users(u32),
    /// So many requests per second, whatever is still in flight.
    Rate { per_second: f64, arrival: Arrival },
}

/// What one kind of request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Length of the prompt in tokens, as the engine's tokenizer counts the rendered chat.
    pub prompt_tokens: u32,
    /// Tokens that it generates.
    pub max_tokens: u32,
}

impl StabilitySpec {
    pub fn longest_request(&self) -> LongestRequest {
        let [short, long] = [self.short, self.long]
            .map(|task| (u64::from(task.prompt_tokens), u64::from(task.max_tokens)));
        let longest = if short.0 + short.1 > long.0 + long.1 {
            short
        } else {
            long
        };
        LongestRequest {
            prompt_tokens: longest.0,
            max_tokens: longest.1,
        }
    }
}
