//! What the journal keeps of an attempt's profile: as much as the report shows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::measure::profiling::alert::Alert;
use crate::measure::profiling::moments::Moments;
use crate::measure::profiling::state::StateSums;
use crate::measure::sample::GpuCard;

/// The profile of an attempt in short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProfilingBrief {
    /// The watched cards.
    pub cards: Vec<GpuCard>,
    /// Why there are none.
    pub without_gpus: Option<String>,
    /// By the clock.
    pub beat_ms: f64,
    pub n_samples: u64,
    pub n_missed: u64,
    /// In the order in which they ran.
    pub nodes: Vec<NodeBrief>,
    pub alerts: Vec<Alert>,
    pub notes: Vec<String>,
    /// Why the cards' memory was not the engine's alone, from before its start to its end; empty
    /// where it was, and in results of older versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_alone: Vec<String>,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeBrief {
    pub node: String,
    #[serde(flatten)]
    pub watched: Watched,
}

/// What was watched beside a node, in one start or over several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Watched {
    pub n_samples: u64,
    /// Of the node's time, by engine state.
    pub states: BTreeMap<String, f64>,
    /// In the order of the cards.
    pub gpus: Vec<GpuBrief>,
    pub host_cpu_pct: Option<Level>,
    pub host_memory_bytes: Option<Level>,
    /// 100 is one processor.
    pub engine_cpu_pct: Option<Level>,
    pub engine_memory_bytes: Option<Level>,
    pub requests_running: Option<Level>,
    pub requests_waiting: Option<Level>,
    pub kv_cache_pct: Option<Level>,
    pub preemptions: Option<f64>,
}

/// One card under one node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GpuBrief {
    pub index: u32,
    /// While requests were in flight.
    pub utilisation_pct: Option<Level>,
    pub memory_used_bytes: Option<Level>,
    pub temperature_c: Option<Level>,
    /// While requests were in flight.
    pub power_w: Option<Level>,
    pub sm_clock_mhz: Option<Level>,
    /// Of the whole node.
    pub energy_j: Option<f64>,
}

/// Mean and maximum.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Level {
    pub mean: f64,
    pub max: f64,
}

impl From<Moments> for Level {
    fn from(moments: Moments) -> Self {
        Self {
            mean: moments.mean,
            max: moments.max,
        }
    }
}

impl NodeBrief {
    pub(super) fn of(
        node: &str,
        states: BTreeMap<String, f64>,
        cards: &[GpuCard],
        working: &StateSums,
        all: &StateSums,
    ) -> Self {
        let level = |moments: Option<Moments>| moments.map(Level::from);
        let watched = Watched {
            n_samples: all.n_samples,
            states,
            gpus: cards
                .iter()
                .enumerate()
                .map(|(position, card)| GpuBrief {
                    index: card.index,
                    utilisation_pct: level(working.gpu(position, "utilisation_pct")),
                    memory_used_bytes: level(all.gpu(position, "memory_used_bytes")),
                    temperature_c: level(all.gpu(position, "temperature_c")),
                    power_w: level(working.gpu(position, "power_w")),
                    sm_clock_mhz: level(working.gpu(position, "sm_clock_mhz")),
                    energy_j: all.energy(position).map(|energy| energy.joules),
                })
                .collect(),
            host_cpu_pct: level(all.host("cpu_pct")),
            host_memory_bytes: level(all.host("memory_used_bytes")),
            engine_cpu_pct: level(all.engine("cpu_pct")),
            engine_memory_bytes: level(all.engine("memory_bytes")),
            requests_running: level(all.engine("requests_running")),
            requests_waiting: level(all.engine("requests_waiting")),
            kv_cache_pct: level(all.engine("kv_cache_pct")),
            preemptions: all.preemptions(),
        };
        Self {
            node: node.to_owned(),
            watched,
        }
    }
}
