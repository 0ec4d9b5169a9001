//! What a `reasoning` node yields.

use serde::{Deserialize, Serialize};

use crate::measure::metric::{MetricDef, Scale, Unit};
use crate::measure::rubric::CheckGrade;

/// The categories of tasks. A file's own tasks are in the last one, unless they say otherwise.
pub const CATEGORIES: &[&str] = &["planning", "logic", "code", "own"];

/// Those of which there are built-in tasks.
pub const BUILT_IN: &[&str] = &["planning", "logic", "code"];

pub const METRICS: &[MetricDef] = &[
    MetricDef::milliseconds(
        "ttft_ms",
        "time to first token of each request, reasoning included",
    ),
    MetricDef::milliseconds(
        "ttfa_ms",
        "time to the first token of the answer proper, after any reasoning",
    ),
    MetricDef::milliseconds("e2e_ms", "from due to the last byte of each request"),
    MetricDef::tokens_per_second(
        "tokens_per_second",
        "(output tokens - 1) / (last token - first token) of each request",
    ),
    MetricDef::distribution(
        "output_tokens",
        Unit::Tokens,
        Scale::Ratio,
        "tokens that each request generated, reasoning included, by the engine's count",
    ),
    MetricDef::share(
        "quality",
        "points over all points of the tasks, weighted; only where every check was graded",
    ),
    MetricDef::share("quality_planning", "the same of the planning tasks"),
    MetricDef::share("quality_logic", "the same of the logic tasks"),
    MetricDef::share("quality_code", "the same of the code tasks"),
    MetricDef::share("quality_own", "the same of the file's own tasks"),
    MetricDef::share(
        "truncated",
        "answers that were cut off at max-tokens over answers",
    ),
    MetricDef::SUCCESS_RATE,
];

/// The metrics of a workload whose tasks are of these categories.
pub fn metrics_of(categories: &[&str]) -> Vec<MetricDef> {
    METRICS
        .iter()
        .filter(|metric| {
            metric
                .name
                .strip_prefix("quality_")
                .is_none_or(|category| categories.contains(&category))
        })
        .cloned()
        .collect()
}

/// Answers that lost points and are kept; an attempt's report stays below a megabyte with them.
pub const KEPT_ANSWERS: usize = 200;

/// Characters of an answer that are kept, from its head and its tail.
pub const KEPT_CHARS: usize = 2000;

/// What it yields beyond its metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Detail {
    /// In the order in which they were asked.
    pub answers: Vec<AnswerDetail>,
}

/// One answer and what was made of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnswerDetail {
    pub task: String,
    pub category: String,
    /// Which time the task was asked, from 0.
    pub iteration: u32,
    /// From 0 to 1; `None` where the request failed or a check was not graded.
    pub share: Option<f64>,
    pub output_tokens: Option<u64>,
    pub finish_reason: Option<String>,
    /// Why there is no answer.
    pub failure: Option<String>,
    /// The checks that did not give all their points.
    pub lost: Vec<CheckGrade>,
    /// What the model said, shortened; only where points were lost or not graded.
    pub answer: Option<String>,
}
