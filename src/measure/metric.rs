//! The metrics that workloads yield: name, unit, scale, and whether every cell can have them.
//!
//! One table for all: the checker of files, the workloads that fill them, the frame and the
//! report read it here.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A kind of measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorkloadKind {
    KvCache,
}

impl WorkloadKind {
    pub const ALL: [Self; 1] = [Self::KvCache];

    /// As files and reports write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::KvCache => "kv-cache",
        }
    }

    /// What this kind yields.
    pub fn metrics(self) -> &'static [MetricDef] {
        match self {
            Self::KvCache => KV_CACHE,
        }
    }
}

/// What a metric's numbers count. Gates must name it where it has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    Milliseconds,
    TokensPerSecond,
    Percent,
    /// A ratio or a share of 1: no unit to write.
    One,
}

impl Unit {
    /// As a gate and a table header write it; empty for [`Unit::One`].
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::TokensPerSecond => "tok/s",
            Self::Percent => "%",
            Self::One => "",
        }
    }
}

/// What may be done with a metric's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scale {
    /// Above zero; its logarithm means something, so it may be an objective.
    Ratio,
    /// Within 0 and 1 (or 0 and 100 %): gates and display only.
    Proportion,
    /// Of either sign: gates and display only.
    Signed,
}

/// One number for a node, or one for each of its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shape {
    Scalar,
    /// Summarised; a reference to it may name a [`Stat`].
    Distribution,
}

/// Which cells can have the metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Availability {
    EveryCell,
    /// Only where a cache hit or miss was proved: display and gates, never an objective.
    ProvedOnly,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricDef {
    pub name: &'static str,
    pub unit: Unit,
    pub scale: Scale,
    pub shape: Shape,
    pub availability: Availability,
    /// One sentence: what is measured, from which instant to which.
    pub meaning: &'static str,
}

/// A number that summarises a distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stat {
    Mean,
    /// Sample standard deviation (n - 1).
    Sd,
    Min,
    P50,
    P95,
    P99,
    Max,
}

impl Stat {
    pub const ALL: [Self; 7] = [
        Self::Mean,
        Self::Sd,
        Self::Min,
        Self::P50,
        Self::P95,
        Self::P99,
        Self::Max,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Sd => "sd",
            Self::Min => "min",
            Self::P50 => "p50",
            Self::P95 => "p95",
            Self::P99 => "p99",
            Self::Max => "max",
        }
    }
}

impl FromStr for Stat {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL
            .into_iter()
            .find(|stat| stat.name() == text)
            .ok_or(())
    }
}

/// `NODE.METRIC[.STAT]`, resolved: the node exists, its kind yields the metric, and the
/// statistic is given exactly where the metric is a distribution (its median when the text
/// names none).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MetricRef {
    pub node: String,
    pub metric: String,
    pub stat: Option<Stat>,
}

impl fmt::Display for MetricRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.node, self.metric)?;
        match self.stat {
            Some(stat) => write!(f, ".{}", stat.name()),
            None => Ok(()),
        }
    }
}

const fn milliseconds(
    name: &'static str,
    availability: Availability,
    meaning: &'static str,
) -> MetricDef {
    MetricDef {
        name,
        unit: Unit::Milliseconds,
        scale: Scale::Ratio,
        shape: Shape::Distribution,
        availability,
        meaning,
    }
}

const KV_CACHE: &[MetricDef] = &[
    milliseconds(
        "ttft_first_ms",
        Availability::EveryCell,
        "time to first token of each prompt's first request",
    ),
    milliseconds(
        "ttft_repeat_ms",
        Availability::EveryCell,
        "time to first token when the same prompt is sent again",
    ),
    milliseconds(
        "ttft_miss_ms",
        Availability::ProvedOnly,
        "time to first token of the first requests that the engine's counters prove to be misses",
    ),
    milliseconds(
        "ttft_hit_ms",
        Availability::ProvedOnly,
        "time to first token of the repeated requests that the engine's counters prove to be hits",
    ),
    MetricDef {
        name: "acceleration",
        unit: Unit::One,
        scale: Scale::Ratio,
        shape: Shape::Scalar,
        availability: Availability::EveryCell,
        meaning: "median ttft_first_ms divided by median ttft_repeat_ms of the attempt",
    },
    MetricDef {
        name: "tokens_per_second",
        unit: Unit::TokensPerSecond,
        scale: Scale::Ratio,
        shape: Shape::Distribution,
        availability: Availability::EveryCell,
        meaning: "(output tokens - 1) / (last token - first token) of each request",
    },
    MetricDef {
        name: "hit_rate",
        unit: Unit::One,
        scale: Scale::Proportion,
        shape: Shape::Scalar,
        availability: Availability::EveryCell,
        meaning: "cached prompt tokens over prompt tokens of the repeated requests, by the engine's counters",
    },
    MetricDef {
        name: "success_rate",
        unit: Unit::One,
        scale: Scale::Proportion,
        shape: Shape::Scalar,
        availability: Availability::EveryCell,
        meaning: "requests that ended as they should over requests sent",
    },
];
