//! Settings of a `command` workload.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::measure::metric::MetricDef;

/// `kind = "command"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommandSpec {
    /// The program and its arguments, with [`PLACEHOLDERS`] in them; no shell reads them.
    pub run: Vec<String>,
    pub place: Place,
    /// It is killed then. Default 30 minutes.
    pub timeout: Duration,
    pub output: Output,
    /// Variables of gridrun's own environment that it gets; their values are hidden in what it
    /// says.
    pub pass_env: Vec<String>,
    /// Where its numbers stand.
    pub mapping: Vec<Mapped>,
    /// What it yields, in the order of the mapping.
    pub metrics: Vec<MetricDef>,
}

/// Where it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    Host,
    /// With the engine: inside its container, where it has one.
    Engine,
}

/// Where its JSON is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Output {
    /// The last JSON value of its standard output.
    Stdout,
    /// In the file `{out}`.
    File,
}

/// A number of the JSON that becomes a metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mapped {
    pub name: String,
    /// A JSON pointer (RFC 6901).
    pub pointer: String,
    /// What the number is multiplied with to be in the metric's unit.
    pub factor: f64,
}

/// What stands for values of the attempt in an argument.
pub const PLACEHOLDERS: [&str; 5] = ["{url}", "{host}", "{port}", "{model}", "{out}"];
