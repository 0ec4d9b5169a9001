//! Reads one scenario; its names are resolved when all tools are known.

use std::collections::BTreeMap;

use serde_json::Value;
use toml::de::{DeTable, DeValue};

use crate::spec::diagnostic::{Diagnostic, Span};
use crate::spec::keys::workload::tool_calling as keys;
use crate::spec::near::suggestion;
use crate::spec::read::experiment::each;
use crate::spec::read::walk::{Fields, Reader, in_file_order, with_help};
use crate::spec::read::workload::tool_calling::argument::{expectation, json};
use crate::spec::workload::tool_calling::argument_schema::ArgumentSchema;
use crate::spec::workload::tool_calling::expectation::{Expectation, Presence, Rule};
use crate::spec::workload::tool_calling::{ExpectedCall, Scenario, Tool};

/// A scenario whose tools are not resolved yet.
pub(super) struct Draft {
    pub name: String,
    pub at: Span,
    ask: String,
    /// `None` where all tools are offered.
    tools: Option<Vec<(String, Span)>>,
    steps: Vec<Vec<DraftCall>>,
    answer: Vec<String>,
}

struct DraftCall {
    call: ExpectedCall,
    tool_at: Span,
    /// Of each argument.
    at: BTreeMap<String, Span>,
}

pub(super) fn draft(
    reader: &mut Reader<'_>,
    table: &DeTable<'_>,
    at: Span,
    what: &str,
) -> Option<Draft> {
    let fields = reader.walk(table, what, at, &[keys::SCENARIO]);
    let tools = fields.get("tools").map(|field| {
        let texts = reader.texts(field);
        texts
            .into_iter()
            .map(|(text, node)| (text.to_owned(), reader.span(node.span())))
            .collect()
    });
    let steps = steps(reader, &fields, at);
    let answer = match fields.get("answer") {
        Some(field) => {
            let texts = reader.texts(field);
            texts.into_iter().map(|(text, _)| text.to_owned()).collect()
        }
        None => Vec::new(),
    };
    Some(Draft {
        name: fields.text("name")?,
        at: fields
            .get("name")
            .map_or(at, |field| reader.span(field.node.span())),
        ask: fields.text("ask")?,
        tools,
        steps: steps?,
        answer,
    })
}

fn steps(reader: &mut Reader<'_>, fields: &Fields<'_>, at: Span) -> Option<Vec<Vec<DraftCall>>> {
    match (fields.get("call"), fields.get("step")) {
        (Some(_), None) => {
            let calls = calls(reader, fields, false)?;
            Some(if calls.is_empty() {
                Vec::new()
            } else {
                vec![calls]
            })
        }
        (None, Some(_)) => {
            let mut sound = true;
            let steps: Vec<Vec<DraftCall>> = each(reader, fields, "step", |reader, table, at| {
                let fields = reader.walk(table, "[[step]]", at, &[keys::STEP]);
                let calls = calls(reader, &fields, true);
                if calls.as_ref().is_some_and(Vec::is_empty) && fields.get("call").is_some() {
                    let found = Diagnostic::error(at, "the step has no call");
                    reader.report(found.help("a chain ends in an answer by itself"));
                }
                let calls = calls.filter(|calls| !calls.is_empty());
                sound &= calls.is_some();
                calls
            });
            (sound && !steps.is_empty()).then_some(steps)
        }
        (Some(_), Some(step)) => {
            let found = Diagnostic::error(step.at, "the scenario has both `call` and `step`");
            reader.report(found.help("`call` is one step: write it as the first `step`"));
            None
        }
        (None, None) => {
            reader.report_absence(
                Diagnostic::error(at, "the scenario says nothing of calls").help(
                    "add\ncall = [{ tool = \"...\", arguments = {} }]    # or [] where no tool is needed",
                ),
            );
            None
        }
    }
}

/// `None` when one of them is wrong.
fn calls(reader: &mut Reader<'_>, fields: &Fields<'_>, chained: bool) -> Option<Vec<DraftCall>> {
    let field = fields.get("call")?;
    let n_written = field.node.get_ref().as_array()?.len();
    let calls = each(reader, fields, "call", |reader, table, at| {
        call(reader, table, at, chained)
    });
    (calls.len() == n_written).then_some(calls)
}

fn call(
    reader: &mut Reader<'_>,
    table: &DeTable<'_>,
    at: Span,
    chained: bool,
) -> Option<DraftCall> {
    let fields = reader.walk(table, "a call", at, &[keys::CALL]);
    let mut arguments = BTreeMap::new();
    let mut places = BTreeMap::new();
    let mut sound = true;
    if let Some(field) = fields.get("arguments") {
        match field.node.get_ref() {
            DeValue::Table(table) => {
                for (key, node) in in_file_order(table) {
                    let name = key.get_ref().to_string();
                    match expectation(reader, node) {
                        Some(expected) => {
                            arguments.insert(name.clone(), expected);
                        }
                        None => sound = false,
                    }
                    places.insert(name, reader.span(node.span()));
                }
            }
            _ => {
                let found = reader.mismatch("arguments", field.node, "a table");
                reader.report(found);
                sound = false;
            }
        }
    }
    let result = match fields.get("result") {
        Some(field) => Some(json(reader, field.node)?),
        None => None,
    };
    if chained && result.is_none() {
        let found = Diagnostic::error(at, "a call of a chain has no `result`");
        reader.report_absence(
            found.help("add what the tool answers:\nresult = { status = \"done\" }"),
        );
        sound = false;
    }
    let tool = fields.text("tool")?;
    let tool_at = fields
        .get("tool")
        .map_or(at, |field| reader.span(field.node.span()));
    sound.then_some(DraftCall {
        call: ExpectedCall {
            tool,
            arguments,
            result,
        },
        tool_at,
        at: places,
    })
}

impl Draft {
    /// The scenario, once all tools are known; `None` when it names one that there is not.
    pub fn resolve(self, reader: &mut Reader<'_>, all: &[Tool]) -> Option<Scenario> {
        let names = || all.iter().map(|tool| tool.name.as_str());
        let mut sound = true;
        let offered: Vec<String> = match &self.tools {
            Some(tools) => tools
                .iter()
                .map(|(name, at)| {
                    sound &= is_known(reader, name, *at, names());
                    name.clone()
                })
                .collect(),
            None => names().map(str::to_owned).collect(),
        };
        if offered.is_empty() {
            let found = Diagnostic::error(self.at, "the scenario offers no tool");
            reader
                .report(found.help("whether a model keeps from calling shows only where it could"));
            sound = false;
        }
        for draft in self.steps.iter().flatten() {
            let name = &draft.call.tool;
            let known = is_known(reader, name, draft.tool_at, names());
            if known && !offered.contains(name) {
                let message = format!("`{name}` is called and not offered");
                let found = Diagnostic::error(draft.tool_at, message);
                reader.report(found.help(format!("add \"{name}\" to the scenario's `tools`")));
                sound = false;
            }
            let tool = all.iter().find(|tool| tool.name == *name);
            sound &= known && tool.is_some_and(|tool| draft.fits(reader, tool));
        }
        sound.then(|| Scenario {
            name: self.name,
            ask: self.ask,
            tools: offered,
            steps: self
                .steps
                .into_iter()
                .map(|calls| calls.into_iter().map(|draft| draft.call).collect())
                .collect(),
            answer: self.answer,
        })
    }
}

impl DraftCall {
    /// Whether the arguments can be right and valid at once: each has a place in the schema, and
    /// those that are given as values keep to it.
    fn fits(&self, reader: &mut Reader<'_>, tool: &Tool) -> bool {
        let mut sound = true;
        let properties = tool.parameters.get("properties").and_then(Value::as_object);
        for (name, expected) in &self.call.arguments {
            let at = self.at.get(name).copied().unwrap_or(self.tool_at);
            let Some(properties) = properties else {
                continue;
            };
            let Some(schema) = properties.get(name) else {
                let known = properties.keys().map(String::as_str);
                let help = suggestion(name, known, "its arguments");
                let message = format!("`{}` has no argument `{name}`", tool.name);
                reader.report(with_help(Diagnostic::error(at, message), help));
                sound = false;
                continue;
            };
            sound &= values(expected).all(|value| {
                // A part of a schema may refer to the whole, which is not at hand here.
                let fault = ArgumentSchema::compile(schema)
                    .ok()
                    .and_then(|s| s.faults(value));
                if let Some(fault) = &fault {
                    let message = format!("{value} is against the schema of `{name}`: {fault}");
                    reader.report(Diagnostic::error(at, message));
                }
                fault.is_none()
            });
        }
        let required = tool.parameters.get("required").and_then(Value::as_array);
        for name in required.into_iter().flatten().filter_map(Value::as_str) {
            let expected = self.call.arguments.get(name);
            if expected.is_none_or(|expected| expected.presence == Presence::Optional) {
                let message = format!("`{}` needs the argument `{name}`", tool.name);
                let found = Diagnostic::error(self.tool_at, message);
                reader.report(found.help(format!(
                    "say what it must be, or {name} = {{ anything = true }}"
                )));
                sound = false;
            }
        }
        sound
    }
}

/// The values that an expectation names.
fn values(expected: &Expectation) -> impl Iterator<Item = &Value> {
    match &expected.rule {
        Rule::Equals(value) => std::slice::from_ref(value),
        Rule::AnyOf(values) => values.as_slice(),
        Rule::Near { .. } | Rule::Contains(_) | Rule::Anything => &[],
    }
    .iter()
}

fn is_known<'n>(
    reader: &mut Reader<'_>,
    name: &str,
    at: Span,
    mut names: impl Iterator<Item = &'n str> + Clone,
) -> bool {
    let all = names.clone();
    if names.any(|known| known == name) {
        return true;
    }
    let help = suggestion(name, all, "tools");
    let found = Diagnostic::error(at, format!("no tool has the name `{name}`"));
    reader.report(with_help(found, help));
    false
}
