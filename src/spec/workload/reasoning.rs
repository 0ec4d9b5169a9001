//! Settings of a `reasoning` workload.

use serde::{Deserialize, Serialize};

use crate::measure::metric::MetricDef;
use crate::measure::rubric::Task;

/// `kind = "reasoning"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReasoningSpec {
    /// The built-in tasks that are wanted, then the file's own, each with its rubric; at least
    /// one.
    pub tasks: Vec<Task>,
    /// How often each task is asked. Default 1: at temperature 0 with a seed a second answer is
    /// hardly another one.
    pub iterations: u32,
    /// Where an answer is cut off. Default 2048, reasoning included.
    pub max_tokens: u32,
    /// Given to the chat template as `enable_thinking`; `None` leaves it to the model.
    pub thinking: Option<bool>,
    /// Who scores what no rule can; needed where a task has a `judge` check.
    pub judge: Option<JudgeSpec>,
    /// What it yields: a quality of each category that has tasks.
    pub metrics: Vec<MetricDef>,
}

/// `[workload.judge]`: a model that scores answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JudgeSpec {
    /// Of an OpenAI-compatible server, up to and without `/v1`.
    pub url: String,
    pub model: String,
    /// The variable of gridrun's environment that holds its key; `None` for none.
    pub api_key_env: Option<String>,
}
