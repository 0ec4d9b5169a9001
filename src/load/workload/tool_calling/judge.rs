//! Judges answers: is a structured call there, of the right function, with arguments that are
//! valid and right? One check at a time, and one that cannot be asked is not answered.
//!
//! Pure: from a scenario and what came to verdicts. How answers were got is not known here.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::load::stream::ToolCall;
use crate::load::workload::tool_calling::leak::{Leak, find};
use crate::measure::kind::tool_calling::Share;
use crate::spec::workload::tool_calling::argument_schema::ArgumentSchema;
use crate::spec::workload::tool_calling::expectation::Presence;
use crate::spec::workload::tool_calling::{ExpectedCall, Scenario, Tool, ToolCallingSpec};

/// An empty answer of so many tokens was not empty when the model wrote it: the end mark is one
/// token, and some templates make two of it.
const NOTHING_TOKENS: u64 = 2;

/// One answer as it came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Given {
    pub content: String,
    pub reasoning: String,
    pub calls: Vec<ToolCall>,
    pub prompt_tokens: Option<u64>,
    pub output_tokens: Option<u64>,
    pub finish_reason: Option<String>,
}

impl Given {
    /// Nothing came of what the model wrote.
    pub fn is_swallowed(&self) -> bool {
        self.is_silent()
            && self.reasoning.trim().is_empty()
            && self
                .output_tokens
                .is_some_and(|tokens| tokens > NOTHING_TOKENS)
    }

    /// Neither text nor call.
    pub fn is_silent(&self) -> bool {
        self.calls.is_empty() && self.content.trim().is_empty()
    }

    /// Whether two answers do the same: the same calls, and text where the other has text.
    pub fn agrees_with(&self, other: &Self) -> bool {
        let calls = |given: &Self| -> Vec<(String, Value)> {
            given
                .calls
                .iter()
                .map(|call| {
                    let arguments = serde_json::from_str(&call.arguments);
                    let as_text = |_| Value::String(call.arguments.clone());
                    (call.name.clone(), arguments.unwrap_or_else(as_text))
                })
                .collect()
        };
        calls(self) == calls(other) && self.is_silent() == other.is_silent()
    }
}

/// What a step's answer is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepVerdict {
    /// A structured call is there.
    pub parsed: bool,
    /// The calls are of exactly the functions that are needed; `None` without a call.
    pub right_function: Option<bool>,
    /// Calls that keep to their tool's schema, of those that name a tool that was offered.
    pub valid_arguments: Share,
    /// All arguments are as expected; `None` unless the functions are.
    pub right_arguments: Option<bool>,
    pub leak: Option<Leak>,
    pub swallowed: bool,
    /// For each call the expected one that it stands for.
    pub stands_for: Vec<Option<usize>>,
    /// What is wrong, in words.
    pub faults: Vec<String>,
}

impl StepVerdict {
    pub fn is_right(&self) -> bool {
        self.right_arguments == Some(true)
            && self.valid_arguments.n == self.valid_arguments.of
            && self.leak.is_none()
    }
}

/// What an answer in words is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordsVerdict {
    /// No call, not even as text.
    pub none_called: bool,
    /// It says something, and has the words that it must have.
    pub answered: bool,
    pub leak: Option<Leak>,
    pub swallowed: bool,
    pub faults: Vec<String>,
}

impl WordsVerdict {
    pub fn is_right(&self) -> bool {
        self.none_called && self.answered
    }
}

/// The tools of a workload, ready to judge by.
#[derive(Debug)]
pub struct Judge<'s> {
    tools: BTreeMap<&'s str, (&'s Tool, ArgumentSchema)>,
}

impl<'s> Judge<'s> {
    /// # Errors
    /// A clause, when a tool's schema is none: reading it has refused that.
    pub fn new(spec: &'s ToolCallingSpec) -> Result<Self, String> {
        let tools = spec.tools.iter().map(|tool| {
            let schema = ArgumentSchema::compile(&tool.parameters)
                .map_err(|why| format!("the schema of `{}` is none: {why}", tool.name))?;
            Ok((tool.name.as_str(), (tool, schema)))
        });
        Ok(Self {
            tools: tools.collect::<Result<_, String>>()?,
        })
    }

    /// Judges the answer to a step that needs calls.
    pub fn step(
        &self,
        scenario: &Scenario,
        expected: &[ExpectedCall],
        given: &Given,
    ) -> StepVerdict {
        let mut faults = Vec::new();
        let calls: Vec<Read<'_>> = given
            .calls
            .iter()
            .map(|call| self.read(scenario, call, &mut faults))
            .collect();
        let mut valid_arguments = Share::default();
        for call in calls.iter().filter(|call| call.is_offered) {
            valid_arguments.count(call.is_valid);
        }
        let parsed = !calls.is_empty();
        let leak = leak_of(scenario, given);
        if !parsed {
            faults.push(no_call(given, leak.as_ref()));
        }
        let right_function = parsed.then(|| same_functions(expected, &given.calls));
        if right_function == Some(false) {
            let names = |names: Vec<&str>| names.join(", ");
            faults.push(format!(
                "called {} where {} was needed",
                names(given.calls.iter().map(|call| call.name.as_str()).collect()),
                names(expected.iter().map(|call| call.tool.as_str()).collect()),
            ));
        }
        let (stands_for, wrong) = self.assign(expected, &calls);
        let right_arguments = (right_function == Some(true)).then_some(wrong.is_empty());
        if right_arguments == Some(false) {
            faults.extend(wrong);
        }
        StepVerdict {
            parsed,
            right_function,
            valid_arguments,
            right_arguments,
            swallowed: given.is_swallowed(),
            leak,
            stands_for,
            faults,
        }
    }

    /// Judges an answer that needs no call; `words` are those that it must have.
    pub fn words(&self, scenario: &Scenario, words: &[String], given: &Given) -> WordsVerdict {
        let leak = leak_of(scenario, given);
        let none_called = given.calls.is_empty() && leak.is_none();
        let said = given.content.to_lowercase();
        let lacks: Vec<&str> = words
            .iter()
            .map(String::as_str)
            .filter(|word| !said.contains(&word.to_lowercase()))
            .collect();
        let mut faults = Vec::new();
        if let Some(call) = given.calls.first() {
            faults.push(format!("called {} where no call was needed", call.name));
        } else if let Some(leak) = &leak {
            faults.push(format!("has a call as text in {} form", leak.format.name()));
        } else if said.trim().is_empty() {
            faults.push(match given.finish_reason.as_deref() {
                Some("length") => "the answer was cut before it said anything".to_owned(),
                _ => "the answer is empty".to_owned(),
            });
        } else if !lacks.is_empty() {
            faults.push(format!("the answer does not say {}", lacks.join(", ")));
        }
        WordsVerdict {
            none_called,
            answered: !said.trim().is_empty() && lacks.is_empty(),
            swallowed: given.is_swallowed(),
            leak,
            faults,
        }
    }

    fn read<'c>(
        &self,
        scenario: &Scenario,
        call: &'c ToolCall,
        faults: &mut Vec<String>,
    ) -> Read<'c> {
        let tool = self
            .tools
            .get(call.name.as_str())
            .filter(|_| scenario.tools.contains(&call.name));
        let arguments = match serde_json::from_str(&call.arguments) {
            Ok(Value::Object(arguments)) => Some(arguments),
            Ok(_) => {
                faults.push(format!("the arguments of {} are no JSON object", call.name));
                None
            }
            // Some parsers give nothing where a function has no arguments.
            Err(_) if call.arguments.trim().is_empty() => Some(Map::new()),
            Err(error) => {
                faults.push(format!(
                    "the arguments of {} are no JSON: {error}",
                    call.name
                ));
                None
            }
        };
        let fault = match (tool, &arguments) {
            (Some((_, schema)), Some(arguments)) => {
                schema.faults(&Value::Object(arguments.clone()))
            }
            (Some(_) | None, None) | (None, Some(_)) => None,
        };
        if tool.is_none() {
            faults.push(format!("{} was not offered", call.name));
        }
        if let Some(fault) = &fault {
            faults.push(format!(
                "the arguments of {} are against its schema: {fault}",
                call.name
            ));
        }
        Read {
            name: &call.name,
            is_offered: tool.is_some(),
            is_valid: arguments.is_some() && fault.is_none(),
            arguments,
        }
    }

    /// Finds for each call the expected one that it stands for (of equals the one whose
    /// arguments fit); the texts say which expected ones have no fitting call.
    fn assign(
        &self,
        expected: &[ExpectedCall],
        calls: &[Read<'_>],
    ) -> (Vec<Option<usize>>, Vec<String>) {
        let mut stands_for = vec![None; calls.len()];
        let mut open: Vec<usize> = Vec::new();
        for (place, wanted) in expected.iter().enumerate() {
            let fitting = calls.iter().enumerate().position(|(at, call)| {
                stands_for[at].is_none()
                    && call.name == wanted.tool
                    && self.fault(wanted, call).is_none()
            });
            match fitting {
                Some(at) => stands_for[at] = Some(place),
                None => open.push(place),
            }
        }
        let mut wrong = Vec::new();
        for place in open {
            let wanted = &expected[place];
            let near = calls
                .iter()
                .enumerate()
                .position(|(at, call)| stands_for[at].is_none() && call.name == wanted.tool);
            match near {
                Some(at) => {
                    stands_for[at] = Some(place);
                    wrong.extend(self.fault(wanted, &calls[at]));
                }
                None => wrong.push(format!("no call of {}", wanted.tool)),
            }
        }
        (stands_for, wrong)
    }

    /// Why the arguments of a call are not those of an expected one.
    fn fault(&self, wanted: &ExpectedCall, call: &Read<'_>) -> Option<String> {
        let name = &wanted.tool;
        let Some(arguments) = &call.arguments else {
            return Some(format!("the arguments of {name} cannot be read"));
        };
        for (key, expected) in &wanted.arguments {
            match arguments.get(key) {
                Some(value) if expected.accepts(value) => {}
                Some(value) => {
                    return Some(format!(
                        "{name}: {key} is {value} instead of {}",
                        expected.describe()
                    ));
                }
                None if expected.presence == Presence::Optional => {}
                None => return Some(format!("{name}: {key} is missing")),
            }
        }
        // What nobody asked for is right where it says what would be without it.
        let schema = self
            .tools
            .get(name.as_str())
            .map(|(tool, _)| &tool.parameters);
        let extra = arguments.iter().find(|(key, value)| {
            let default = schema
                .and_then(|schema| schema.get("properties")?.get(key.as_str())?.get("default"));
            !wanted.arguments.contains_key(*key) && default != Some(*value)
        });
        extra.map(|(key, value)| format!("{name}: {key} = {value} was not asked for"))
    }
}

/// A call whose arguments were read.
struct Read<'c> {
    name: &'c str,
    arguments: Option<Map<String, Value>>,
    is_offered: bool,
    is_valid: bool,
}

fn leak_of(scenario: &Scenario, given: &Given) -> Option<Leak> {
    // Beside a structured call a text may show what it was made of.
    if !given.calls.is_empty() {
        return None;
    }
    let names: Vec<&str> = scenario.tools.iter().map(String::as_str).collect();
    find(&given.content, &names)
}

fn no_call(given: &Given, leak: Option<&Leak>) -> String {
    match leak {
        Some(leak) => format!("the call came as text in {} form", leak.format.name()),
        None if given.is_swallowed() => {
            "the answer is empty though the model wrote something".to_owned()
        }
        None if given.finish_reason.as_deref() == Some("length") => {
            "no call came before the answer was cut".to_owned()
        }
        None => "no call came".to_owned(),
    }
}

fn same_functions(expected: &[ExpectedCall], calls: &[ToolCall]) -> bool {
    let mut wanted: Vec<&str> = expected.iter().map(|call| call.tool.as_str()).collect();
    let mut came: Vec<&str> = calls.iter().map(|call| call.name.as_str()).collect();
    wanted.sort_unstable();
    came.sort_unstable();
    wanted == came
}

#[cfg(test)]
mod tests;
