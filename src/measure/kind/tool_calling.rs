//! What a `tool-calling` node yields.

pub mod format;

use serde::{Deserialize, Serialize};

use crate::measure::metric::MetricDef;

pub const METRICS: &[MetricDef] = &[MetricDef::SUCCESS_RATE];

/// What it yields beyond its metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Detail {}
