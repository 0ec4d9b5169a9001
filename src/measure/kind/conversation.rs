//! What a `conversation` node yields.

use serde::{Deserialize, Serialize};

use crate::measure::metric::{MetricDef, Unit};
use crate::measure::trend::{Change, Slope};

pub const METRICS: &[MetricDef] = &[
    MetricDef::milliseconds(
        "ttft_first_turn_ms",
        "time to first token of each conversation's first turn",
    ),
    MetricDef::milliseconds(
        "ttft_later_ms",
        "time to first token of all turns after the first",
    ),
    MetricDef::milliseconds("ttft_ms", "time to first token of all turns"),
    MetricDef::milliseconds("e2e_ms", "from due to the last byte of each turn's answer"),
    MetricDef::tokens_per_second(
        "tokens_per_second",
        "(output tokens - 1) / (last token - first token) of each turn",
    ),
    MetricDef::share(
        "cached_fraction",
        "cached prompt tokens over prompt tokens of all turns, as the engine counts them",
    ),
    MetricDef::share(
        "eligible_cached_fraction",
        "cached prompt tokens over those that could have been cached: whole blocks of the previous turn's prompt and answer",
    ),
    MetricDef::ratio(
        "degradation_ratio",
        "mean e2e_ms of a conversation's last third of turns over its first third; the geometric mean over the conversations",
    ),
    MetricDef::signed_percent(
        "degradation_pct",
        "degradation_ratio as a difference in percent: 20 is a fifth slower",
    ),
    MetricDef::signed(
        "degradation_ms_per_1000_tokens",
        Unit::Milliseconds,
        "how much e2e_ms grows per 1000 tokens of prompt: Theil-Sen slope over all turns",
    ),
    MetricDef::SUCCESS_RATE,
];

/// What it yields beyond its metrics.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Detail {
    /// From the first turn to the last.
    pub turns: Vec<Turn>,
    /// Last third over first third, with its interval over the conversations.
    pub degradation: Option<Change>,
    /// Milliseconds of e2e per token of prompt.
    pub growth: Option<Slope>,
}

/// One turn over all conversations that came to it: medians of those that succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    /// From 1.
    pub turn: u32,
    pub n: u32,
    pub ttft_ms: f64,
    pub e2e_ms: f64,
    pub prompt_tokens: f64,
    /// `None` where the engine does not say.
    pub cached_tokens: Option<f64>,
}
