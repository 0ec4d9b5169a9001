//! Flags, environment variables and their values as a file names them: the small vocabulary
//! that `spec`, `matrix` and the runtimes share.
//!
//! Which flags vLLM knows, and in which forms, is `vllm_flags`' business.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A `vllm serve` flag by its long name, without dashes in front and with `-` inside
/// (`max-num-seqs`). Aliases and short names are resolved before one is made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FlagName(pub String);

impl FlagName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FlagName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The value of a flag or of an environment variable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Plain", into = "Plain")]
pub enum FlagValue {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    /// Several words after one flag (`--served-model-name a b`).
    List(Vec<String>),
    /// `"(default)"`: the flag is not passed at all.
    Default,
}

/// How a file asks for a flag to be left away.
pub const DEFAULT_MARK: &str = "(default)";

/// The value as JSON and TOML write it.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Plain {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<String>),
}

impl From<Plain> for FlagValue {
    fn from(plain: Plain) -> Self {
        match plain {
            Plain::Bool(value) => Self::Bool(value),
            Plain::Int(value) => Self::Int(value),
            Plain::Float(value) => Self::Float(value),
            Plain::Text(value) if value == DEFAULT_MARK => Self::Default,
            Plain::Text(value) => Self::Text(value),
            Plain::List(values) => Self::List(values),
        }
    }
}

impl From<FlagValue> for Plain {
    fn from(value: FlagValue) -> Self {
        match value {
            FlagValue::Bool(value) => Self::Bool(value),
            FlagValue::Int(value) => Self::Int(value),
            FlagValue::Float(value) => Self::Float(value),
            FlagValue::Text(value) => Self::Text(value),
            FlagValue::List(values) => Self::List(values),
            FlagValue::Default => Self::Text(DEFAULT_MARK.to_owned()),
        }
    }
}

impl fmt::Display for FlagValue {
    /// The shortest form: `0.9`, `true`, `32`, `fp8`, `(default)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value}"),
            Self::Text(value) => f.write_str(value),
            Self::List(values) => f.write_str(&values.join(" ")),
            Self::Default => f.write_str(DEFAULT_MARK),
        }
    }
}

/// What an axis, a `where` or a `set` speaks of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Knob {
    Flag(FlagName),
    Env(String),
}

impl fmt::Display for Knob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => name.fmt(f),
            Self::Env(name) => write!(f, "env.{name}"),
        }
    }
}
