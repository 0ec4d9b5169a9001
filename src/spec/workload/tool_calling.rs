//! Settings of a `tool-calling` workload: its tools, and what is asked of the model with them.

pub mod argument_schema;
pub mod expectation;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::spec::workload::tool_calling::expectation::Expectation;

/// `kind = "tool-calling"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCallingSpec {
    /// The tools that its scenarios offer.
    pub tools: Vec<Tool>,
    pub scenarios: Vec<Scenario>,
    /// How often each scenario is asked alone, in each of the two ways (streamed, whole).
    /// Default 1.
    pub rounds: u32,
    /// Users that are there at once in the second part, each of whom asks every scenario once;
    /// 1 leaves that part away. Default 4.
    pub concurrency: u32,
    /// Most tokens that an answer may have. Default 512.
    pub max_tokens: u32,
    /// A system message in front of every scenario.
    pub system: Option<String>,
    /// Exchanges in front of every scenario, for a model that has to be shown how to call.
    pub examples: Vec<Example>,
}

/// A tool as a request declares it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    pub name: String,
    pub description: String,
    /// The JSON Schema of its arguments.
    pub parameters: Value,
}

/// An exchange that is shown to the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Example {
    pub user: String,
    pub assistant: String,
}

/// One question with the calls that answer it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scenario {
    pub name: String,
    /// What the user says.
    pub ask: String,
    /// Names of the tools that are offered; at least one.
    pub tools: Vec<String>,
    /// The calls of each step, in the order of the steps; none where no tool is needed. The
    /// results of one step are fed back before the next.
    pub steps: Vec<Vec<ExpectedCall>>,
    /// Words that the answer behind the last step of a chain must have, in any case of letters.
    pub answer: Vec<String>,
}

/// A call that a step needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExpectedCall {
    pub tool: String,
    pub arguments: BTreeMap<String, Expectation>,
    /// What the tool is made to say; `None` where nothing follows the call.
    pub result: Option<Value>,
}

/// What a scenario is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScenarioClass {
    /// One call.
    Simple,
    /// Several calls in one answer.
    Parallel,
    /// Several steps, the results of one fed back before the next, and an answer in words.
    Chained,
    /// No call.
    NoTool,
}

impl ScenarioClass {
    pub const ALL: [Self; 4] = [Self::Simple, Self::Parallel, Self::Chained, Self::NoTool];

    pub fn name(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::Parallel => "parallel",
            Self::Chained => "chained",
            Self::NoTool => "no tool",
        }
    }
}

impl Scenario {
    /// Follows from its steps.
    pub fn class(&self) -> ScenarioClass {
        match self.steps.as_slice() {
            [] => ScenarioClass::NoTool,
            [calls] if calls.len() == 1 => ScenarioClass::Simple,
            [_] => ScenarioClass::Parallel,
            [_, ..] => ScenarioClass::Chained,
        }
    }

    /// Requests that it needs when all goes right: one a step, and one for the answer in words
    /// behind a chain or where no tool is needed.
    pub fn n_requests(&self) -> u32 {
        let n_steps = u32::try_from(self.steps.len()).unwrap_or(u32::MAX);
        match self.class() {
            ScenarioClass::Simple | ScenarioClass::Parallel => n_steps,
            ScenarioClass::Chained | ScenarioClass::NoTool => n_steps.saturating_add(1),
        }
    }
}

impl ToolCallingSpec {
    /// The tools that a scenario offers.
    pub fn offered<'s>(&'s self, scenario: &'s Scenario) -> impl Iterator<Item = &'s Tool> {
        let names = &scenario.tools;
        self.tools.iter().filter(|tool| names.contains(&tool.name))
    }

    pub fn tool(&self, name: &str) -> Option<&Tool> {
        self.tools.iter().find(|tool| tool.name == name)
    }

    /// Whether any scenario asks for this.
    pub fn has(&self, class: ScenarioClass) -> bool {
        self.scenarios
            .iter()
            .any(|scenario| scenario.class() == class)
    }
}
