//! What one workload node leaves: its metrics, its requests, and how it ended.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::measure::metric::{MetricRef, Stat, WorkloadKind};
use crate::measure::request::Request;
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

/// A node's report with the requests behind it.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeRecord {
    pub report: NodeReport,
    pub requests: Vec<Request>,
}
