//! What one workload node leaves: its metrics, its requests, and how it ended.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::measure::client::ClientHealth;
use crate::measure::kind;
use crate::measure::metric::{MetricRef, Stat, WorkloadKind};
use crate::measure::summary::Summary;

/// The number or numbers that a node yields under one metric's name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum MetricValue {
    Distribution(Summary),
    Scalar(f64),
}

/// How a node ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum NodeStatus {
    Completed,
    /// It gives no metrics that could be ranked.
    Failed {
        because: String,
    },
    /// It ran, and what it measured was not the engine: its metrics count for nothing.
    Invalid {
        because: String,
    },
    /// It did not run.
    Skipped {
        because: String,
    },
}

/// One node of one attempt, without its requests (those are stored apart).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeReport {
    pub node: String,
    pub kind: WorkloadKind,
    pub status: NodeStatus,
    /// In the engine's time; `None` for a node that did not run.
    pub took_ms: Option<f64>,
    /// Metrics that could be measured; one that could not is absent.
    pub metrics: BTreeMap<String, MetricValue>,
    /// Requests sent (warm-up not counted), and how many of them failed.
    pub n_requests: u32,
    pub n_failed: u32,
    /// What a reader must know: quarantined samples, failed requests with their reasons.
    pub notes: Vec<String>,
    /// How the client did; `None` where it did not stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientHealth>,
    /// What the report shows beyond the metrics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<NodeDetail>,
}

/// What a node yields beyond its metrics, by kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum NodeDetail {
    KvCache(kind::kv_cache::Detail),
    Conversation(kind::conversation::Detail),
    Reasoning(kind::reasoning::Detail),
    ToolCalling(kind::tool_calling::Detail),
    Stability(kind::stability::Detail),
    Load(kind::load::Detail),
    Command(kind::command::Detail),
}

impl NodeReport {
    /// The number that a reference names; `None` when it was not measured.
    pub fn value(&self, metric: &MetricRef) -> Option<f64> {
        if metric.node != self.node {
            return None;
        }
        match (self.metrics.get(&metric.metric)?, metric.stat) {
            (MetricValue::Scalar(value), _) => Some(*value),
            (MetricValue::Distribution(summary), stat) => summary.stat(stat.unwrap_or(Stat::P50)),
        }
    }
}
