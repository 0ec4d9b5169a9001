//! The profile of an attempt as it is stored: `gpu_profiling.json`, whose fields `docs/RESULTS.md`
//! lists.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::measure::profiling::alert::{Alert, AlertBounds};
use crate::measure::profiling::moments::Moments;
use crate::measure::sample::GpuCard;

/// Everything that the samples of one attempt say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profiling {
    pub format: u32,
    /// True when no real model answers: no number says anything about a model or a GPU.
    pub stand_in: bool,
    /// Between two samples, by the clock.
    pub beat_ms: f64,
    pub n_samples: u64,
    /// Beats at which no sample was taken, because the machine was too busy or suspended.
    pub n_missed: u64,
    /// From the order to start the engine until it was ready, by the clock; `None` when it never
    /// was.
    pub ready_after_ms: Option<f64>,
    /// Over all samples; empty where no card could be watched.
    pub gpus: Vec<Card>,
    /// Why no card was watched.
    pub without_gpus: Option<String>,
    pub nodes: BTreeMap<String, NodeProfiling>,
    pub alerts: Vec<Alert>,
    pub bounds: AlertBounds,
    /// What else a reader must know.
    pub notes: Vec<String>,
}

/// A card, and what it did over the whole attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Card {
    pub name: Option<String>,
    pub uuid: Option<String>,
    pub memory_total_bytes: Option<u64>,
    pub power_limit_w: Option<f64>,
    #[serde(flatten)]
    pub over_all: GpuSummary,
}

/// One card in some of the samples. A quantity that the card did not tell is absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GpuSummary {
    pub index: u32,
    pub summary: BTreeMap<String, Moments>,
    /// `None` where it could not be known.
    pub energy: Option<Energy>,
    /// In which share of the samples it protected itself from heat or its power supply.
    pub slowed_down_pct: Option<f64>,
    pub slowed_down_by: Vec<String>,
    /// In which share it ran into its power limit.
    pub power_capped_pct: Option<f64>,
}

/// What a card used.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Energy {
    pub joules: f64,
    /// The time that it is the energy of, by the clock.
    pub over_ms: f64,
    pub by: EnergySource,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EnergySource {
    /// The card's own counter.
    Counter,
    /// The trapezoid under the power readings, for some of the time at least.
    Power,
}

impl EnergySource {
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Counter, Self::Counter) => Self::Counter,
            (Self::Power, _) | (_, Self::Power) => Self::Power,
        }
    }
}

/// One node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeProfiling {
    /// Over all its samples.
    pub all: StateProfiling,
    /// By engine state; a state without samples is absent.
    pub states: BTreeMap<String, StateProfiling>,
    /// Why it measured something else than its configuration; empty for a valid node.
    pub flaws: Vec<String>,
}

/// The samples of one state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StateProfiling {
    pub n_samples: u64,
    /// In the engine's time: each sample stands for the time since the one before.
    pub time_ms: f64,
    /// Of the node's time, from 0 to 1.
    pub share: Option<f64>,
    pub gpus: Vec<GpuSummary>,
    pub host: BTreeMap<String, Moments>,
    pub engine: BTreeMap<String, Moments>,
    /// By how much counters grew.
    pub growth: BTreeMap<String, f64>,
}

impl Profiling {
    pub const FORMAT: u32 = 1;
}

impl Card {
    pub(super) fn of(card: &GpuCard, over_all: GpuSummary) -> Self {
        Self {
            name: card.name.clone(),
            uuid: card.uuid.clone(),
            memory_total_bytes: card.memory_total_bytes,
            power_limit_w: card.power_limit_w,
            over_all,
        }
    }
}
