//! What a task asks and which checks its answers must pass.

use serde::{Deserialize, Serialize};

use crate::measure::rubric::json::JsonSchema;
use crate::measure::rubric::pattern::Pattern;
use crate::measure::rubric::unit::Unit;

/// One question with its rubric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Unique among the tasks of a workload.
    pub name: String,
    /// Tasks of one category are also summed up by themselves.
    pub category: String,
    pub system: Option<String>,
    pub prompt: String,
    /// Its share of the quality, against the other tasks.
    pub weight: f64,
    /// At least one.
    pub checks: Vec<Check>,
}

/// One condition, and how much of the task it is worth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Points; above 0.
    pub weight: f64,
    #[serde(flatten)]
    pub rule: Rule,
}

/// What an answer must hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "check", rename_all = "kebab-case")]
pub enum Rule {
    /// A number within a tolerance.
    Number(NumberRule),
    /// One of several options.
    Choice(ChoiceRule),
    /// All of the texts.
    ContainsAll(ContainRule),
    /// At least one of the texts.
    ContainsAny(ContainRule),
    /// A match of a regular expression.
    Regex { pattern: Pattern },
    /// A JSON value that a schema accepts.
    JsonSchema { schema: JsonSchema },
    /// Code that passes tests in a sandbox; points by the share of tests that pass.
    Code(CodeRule),
    /// What a judge model says; points by its score.
    Judge(JudgeRule),
}

/// A number within a tolerance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NumberRule {
    pub equals: f64,
    /// Absolute, at least 0.
    pub tolerance: f64,
    /// As a share of `equals`, at least 0; adds to `tolerance`.
    pub relative: f64,
    /// What `equals` counts: an answer in another unit of the same kind is converted. A number
    /// without a unit counts as it is.
    pub unit: Option<Unit>,
    pub take: Take,
    /// The words before the answer; `None`: those that answers usually stand behind.
    pub marker: Option<String>,
}

/// Which of the numbers of an answer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Take {
    /// The one behind the marker, else the last.
    Answer,
    First,
    Last,
    /// Any of them.
    Any,
}

impl Take {
    pub const NAMES: &'static [&'static str] = &["answer", "first", "last", "any"];

    /// The value of this name; `None` for a name that is none.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "answer" => Self::Answer,
            "first" => Self::First,
            "last" => Self::Last,
            "any" => Self::Any,
            _ => return None,
        })
    }
}

/// One of several options.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChoiceRule {
    /// Letters or words, at least two.
    pub options: Vec<String>,
    /// One of them.
    pub equals: String,
    /// As in [`NumberRule::marker`].
    pub marker: Option<String>,
}

/// Texts that an answer must contain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContainRule {
    pub texts: Vec<String>,
    /// Whether `Rome` and `rome` differ.
    pub match_case: bool,
}

/// Code that must pass tests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CodeRule {
    /// The function or class that the tests use: tells the answer's code from its examples.
    pub defines: String,
    /// Python statements, each run by itself behind the answer's code; it passes when it
    /// raises nothing.
    pub tests: Vec<String>,
}

/// A question to a judge model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JudgeRule {
    /// What the judge is to score.
    pub ask: String,
}

impl Rule {
    /// In a few words, for the report.
    pub fn shown(&self) -> String {
        match self {
            Self::Number(rule) => rule.shown(),
            Self::Choice(rule) => format!("the choice `{}`", rule.equals),
            Self::ContainsAll(rule) => format!("contains {}", quoted(&rule.texts, " and ")),
            Self::ContainsAny(rule) => format!("contains {}", quoted(&rule.texts, " or ")),
            Self::Regex { pattern } => format!("matches `{}`", pattern.text()),
            Self::JsonSchema { .. } => "JSON of the asked schema".to_owned(),
            Self::Code(rule) => {
                format!("code: `{}` passes {} tests", rule.defines, rule.tests.len())
            }
            Self::Judge(rule) => format!("a judge: {}", rule.ask),
        }
    }
}

impl NumberRule {
    fn shown(&self) -> String {
        let mut text = format!("the number {}", self.equals);
        if let Some(unit) = self.unit {
            text = format!("{text} {}", unit.name());
        }
        let allowed = self.allowed();
        if allowed > 0.0 {
            text = format!("{text} ± {allowed}");
        }
        text
    }

    /// The greatest difference that still counts as equal.
    pub fn allowed(&self) -> f64 {
        self.tolerance + self.relative * self.equals.abs()
    }
}

fn quoted(texts: &[String], between: &str) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| format!("`{text}`")).collect();
    quoted.join(between)
}
