//! The metrics that workloads yield: name, unit, scale, and whether every cell can have them.
//!
//! One table for all: the checker of files, the workloads that fill them, the frame and the
//! report read it here.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::measure::kind;

/// A kind of measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorkloadKind {
    KvCache,
    Conversation,
    Reasoning,
    ToolCalling,
    Stability,
    Age,
    Load,
    Command,
}

impl WorkloadKind {
    pub const ALL: [Self; 8] = [
        Self::KvCache,
        Self::Conversation,
        Self::Reasoning,
        Self::ToolCalling,
        Self::Stability,
        Self::Age,
        Self::Load,
        Self::Command,
    ];

    /// As files and reports write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::KvCache => "kv-cache",
            Self::Conversation => "conversation",
            Self::Reasoning => "reasoning",
            Self::ToolCalling => "tool-calling",
            Self::Stability => "stability",
            Self::Age => "age",
            Self::Load => "load",
            Self::Command => "command",
        }
    }

    /// What every workload of this kind yields. What one workload yields, with the metrics that
    /// a file declares, is [`Workload::metrics`](crate::spec::experiment::Workload::metrics).
    pub fn metrics(self) -> &'static [MetricDef] {
        match self {
            Self::KvCache => kind::kv_cache::METRICS,
            Self::Conversation => kind::conversation::METRICS,
            Self::Reasoning => kind::reasoning::METRICS,
            Self::ToolCalling => kind::tool_calling::METRICS,
            Self::Stability => kind::stability::METRICS,
            Self::Age => kind::age::METRICS,
            Self::Load => kind::load::METRICS,
            Self::Command => kind::command::METRICS,
        }
    }
}

/// What a metric's numbers count. Gates must name it where it has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    Milliseconds,
    TokensPerSecond,
    Tokens,
    Percent,
    PercentPerHour,
    RequestsPerSecond,
    /// A ratio or a share of 1: no unit to write.
    One,
}

impl Unit {
    /// As a gate and a table header write it; empty for [`Unit::One`].
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::TokensPerSecond => "tok/s",
            Self::Tokens => "tok",
            Self::Percent => "%",
            Self::PercentPerHour => "%/h",
            Self::RequestsPerSecond => "req/s",
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
    /// Of either sign, or of which zero is a value like others: gates and display only.
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

/// One metric.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetricDef {
    /// Owned where a file declares the metric.
    pub name: Cow<'static, str>,
    pub unit: Unit,
    pub scale: Scale,
    pub shape: Shape,
    pub availability: Availability,
    /// One sentence: what is measured, from which instant to which.
    pub meaning: Cow<'static, str>,
}

impl MetricDef {
    const fn of_every_cell(
        name: &'static str,
        unit: Unit,
        scale: Scale,
        shape: Shape,
        meaning: &'static str,
    ) -> Self {
        Self {
            name: Cow::Borrowed(name),
            unit,
            scale,
            shape,
            availability: Availability::EveryCell,
            meaning: Cow::Borrowed(meaning),
        }
    }

    /// A time of each request, in milliseconds; above zero.
    pub const fn milliseconds(name: &'static str, meaning: &'static str) -> Self {
        let (unit, scale) = (Unit::Milliseconds, Scale::Ratio);
        Self::of_every_cell(name, unit, scale, Shape::Distribution, meaning)
    }

    /// A speed of each request, in tokens per second; above zero.
    pub const fn tokens_per_second(name: &'static str, meaning: &'static str) -> Self {
        let (unit, scale) = (Unit::TokensPerSecond, Scale::Ratio);
        Self::of_every_cell(name, unit, scale, Shape::Distribution, meaning)
    }

    /// A speed of all requests together, in tokens per second: one number above zero.
    pub const fn tokens_per_second_in_all(name: &'static str, meaning: &'static str) -> Self {
        let (unit, scale) = (Unit::TokensPerSecond, Scale::Ratio);
        Self::of_every_cell(name, unit, scale, Shape::Scalar, meaning)
    }

    /// One number above zero.
    pub const fn requests_per_second(name: &'static str, meaning: &'static str) -> Self {
        let (unit, scale) = (Unit::RequestsPerSecond, Scale::Ratio);
        Self::of_every_cell(name, unit, scale, Shape::Scalar, meaning)
    }

    /// A change in per cent: one number of either sign.
    pub const fn signed_percent(name: &'static str, meaning: &'static str) -> Self {
        Self::signed(name, Unit::Percent, meaning)
    }

    /// One number of either sign.
    pub const fn signed(name: &'static str, unit: Unit, meaning: &'static str) -> Self {
        Self::of_every_cell(name, unit, Scale::Signed, Shape::Scalar, meaning)
    }

    /// A change over time: one number of either sign.
    pub const fn percent_per_hour(name: &'static str, meaning: &'static str) -> Self {
        Self::signed(name, Unit::PercentPerHour, meaning)
    }

    /// A time that may be zero, in milliseconds: one number.
    pub const fn elapsed(name: &'static str, meaning: &'static str) -> Self {
        Self::signed(name, Unit::Milliseconds, meaning)
    }

    /// A number of each request, of any unit and scale.
    pub const fn distribution(
        name: &'static str,
        unit: Unit,
        scale: Scale,
        meaning: &'static str,
    ) -> Self {
        Self::of_every_cell(name, unit, scale, Shape::Distribution, meaning)
    }

    /// How many times as much: one number above zero, without a unit.
    pub const fn ratio(name: &'static str, meaning: &'static str) -> Self {
        Self::of_every_cell(name, Unit::One, Scale::Ratio, Shape::Scalar, meaning)
    }

    /// A share of 1: one number.
    pub const fn share(name: &'static str, meaning: &'static str) -> Self {
        Self::of_every_cell(name, Unit::One, Scale::Proportion, Shape::Scalar, meaning)
    }

    /// The share that every kind yields.
    pub const SUCCESS_RATE: Self = Self::share(
        "success_rate",
        "requests that ended as they should over requests sent",
    );

    /// The same, only where it was proved.
    #[must_use]
    pub const fn proved_only(mut self) -> Self {
        self.availability = Availability::ProvedOnly;
        self
    }
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
