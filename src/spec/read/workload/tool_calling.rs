//! Reads the settings of a `tool-calling` workload: its own keys, its tools and scenarios from
//! the experiment, from a file beside it, or as gridrun brings them.

mod argument;
mod scenario;

use toml::Spanned;
use toml::de::DeTable;

use crate::spec::diagnostic::{Diagnostic, FileRole, Span};
use crate::spec::keys::workload::tool_calling as keys;
use crate::spec::near::suggestion;
use crate::spec::read::experiment::each;
use crate::spec::read::walk::{Fields, Reader, with_help};
use crate::spec::read::workload::tool_calling::argument::json;
use crate::spec::read::workload::tool_calling::scenario::{Draft, draft};
use crate::spec::workload::tool_calling::argument_schema::ArgumentSchema;
use crate::spec::workload::tool_calling::{Example, Scenario, Tool, ToolCallingSpec};

/// The scenarios that gridrun brings.
const BUILT_IN: &str = include_str!("../../workload/tool_calling/built_in.toml");

pub fn read(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<ToolCallingSpec> {
    let mut set = Set::default();
    set.take(reader, fields, "[[workload.tool]]", "[[workload.scenario]]");
    let mut sound = true;
    if fields.get("tools").is_some() {
        match reader.data_file(fields, "tools") {
            Some(file) => {
                let (mut inner, tree): (_, Spanned<DeTable<'_>>) =
                    Reader::open(file.role, &file.source.text);
                set.take_file(&mut inner, tree.get_ref(), file.role);
                reader.diagnostics.append(&mut inner.diagnostics);
            }
            None => sound = false,
        }
    }
    let is_empty = set.scenarios.is_empty() && set.tools.is_empty() && sound;
    let brings = match fields.text("built-in")?.as_str() {
        "beside" => true,
        "alone" => is_empty,
        _ => false,
    };
    if brings {
        let (mut inner, tree) = Reader::open(FileRole::Experiment, BUILT_IN);
        let mut brought = Set::default();
        brought.take_file(&mut inner, tree.get_ref(), FileRole::Experiment);
        // They have no place in the user's file but the key that asks for them.
        let at = fields.get("built-in").map(|field| field.at);
        set.add(brought, at);
        debug_assert!(inner.diagnostics.is_empty(), "{:?}", inner.diagnostics);
    }
    let tools = unique_tools(reader, set.tools);
    let scenarios = scenarios(reader, fields, set.scenarios, &tools);
    let (rounds, concurrency) = (fields.count("rounds")?, fields.count("concurrency")?);
    let max_tokens = fields.count("max-tokens")?;
    let examples = each(reader, fields, "example", |reader, table, at| {
        let fields = reader.walk(table, "[[workload.example]]", at, &[keys::EXAMPLE]);
        Some(Example {
            user: fields.text("user")?,
            assistant: fields.text("assistant")?,
        })
    });
    Some(ToolCallingSpec {
        tools,
        scenarios: scenarios?,
        rounds,
        concurrency,
        max_tokens,
        system: fields.text("system"),
        examples,
    })
}

/// A tool with the place of its name.
struct Placed<T> {
    value: T,
    at: Option<Span>,
}

/// What one or several files say.
#[derive(Default)]
struct Set {
    tools: Vec<Placed<Tool>>,
    scenarios: Vec<Draft>,
}

impl Set {
    /// Takes what another one has, all of it at one place.
    fn add(&mut self, other: Self, at: Option<Span>) {
        self.tools
            .extend(other.tools.into_iter().map(|tool| Placed { at, ..tool }));
        self.scenarios
            .extend(other.scenarios.into_iter().map(|mut draft| {
                draft.at = at.unwrap_or_default();
                draft
            }));
    }

    fn take_file(&mut self, reader: &mut Reader<'_>, table: &DeTable<'_>, role: FileRole) {
        let fields = reader.walk(table, "the file", role, &[keys::FILE]);
        self.take(reader, &fields, "[[tool]]", "[[scenario]]");
    }

    fn take(&mut self, reader: &mut Reader<'_>, fields: &Fields<'_>, tool_is: &str, is: &str) {
        let tools = each(reader, fields, "tool", |reader, table, at| {
            tool(reader, table, at, tool_is)
        });
        self.tools.extend(tools);
        let scenarios = each(reader, fields, "scenario", |reader, table, at| {
            draft(reader, table, at, is)
        });
        self.scenarios.extend(scenarios);
    }
}

fn tool(
    reader: &mut Reader<'_>,
    table: &DeTable<'_>,
    at: Span,
    what: &str,
) -> Option<Placed<Tool>> {
    let fields = reader.walk(table, what, at, &[keys::TOOL]);
    let name = fields.text("name").filter(|name| {
        let fits = name.len() <= 64
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
        if !fits && let Some(field) = fields.get("name") {
            let found = reader.mismatch("name", field.node, "up to 64 of A-Z a-z 0-9 _ . -");
            reader.report(found);
        }
        fits
    });
    let parameters = fields.get("parameters").and_then(|field| {
        let schema = json(reader, field.node)?;
        let at = reader.span(field.node.span());
        if !schema.is_object() {
            let found = reader.mismatch("parameters", field.node, "a table: a JSON Schema");
            reader.report(found);
            return None;
        }
        match ArgumentSchema::compile(&schema) {
            Ok(_) => Some(schema),
            Err(why) => {
                let message = format!("`parameters` is no JSON Schema: {why}");
                reader.report(Diagnostic::error(at, message));
                None
            }
        }
    });
    let at = fields
        .get("name")
        .map(|field| reader.span(field.node.span()));
    Some(Placed {
        value: Tool {
            name: name?,
            description: fields.text("description")?,
            parameters: parameters?,
        },
        at,
    })
}

fn unique_tools(reader: &mut Reader<'_>, tools: Vec<Placed<Tool>>) -> Vec<Tool> {
    let mut unique: Vec<Tool> = Vec::new();
    for tool in tools {
        let name = &tool.value.name;
        if unique.iter().any(|known| known.name == *name) {
            let message = format!("two tools have the name `{name}`");
            reader.report(Diagnostic::error(tool.at, message));
        } else {
            unique.push(tool.value);
        }
    }
    unique
}

/// The drafts with every name resolved, those that `only` names.
fn scenarios(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    drafts: Vec<Draft>,
    tools: &[Tool],
) -> Option<Vec<Scenario>> {
    let mut all: Vec<Scenario> = Vec::new();
    let n_drafts = drafts.len();
    for draft in drafts {
        if all.iter().any(|known| known.name == draft.name) {
            let message = format!("two scenarios have the name `{}`", draft.name);
            reader.report(Diagnostic::error(draft.at, message));
            continue;
        }
        all.extend(draft.resolve(reader, tools));
    }
    if n_drafts == 0 {
        let at = fields.get("kind").map(|field| field.at);
        reader.report_absence(Diagnostic::error(at, "the workload has no scenario").help(
            "add\n[[workload.scenario]]\nname = \"weather\"\nask = \"...\"\n\
                 call = [{ tool = \"...\", arguments = {} }]",
        ));
        return None;
    }
    if let Some(field) = fields.get("only") {
        let wanted = reader.texts(field);
        for (name, node) in &wanted {
            if !all.iter().any(|scenario| scenario.name == *name) {
                let at = reader.span(node.span());
                let names = all.iter().map(|scenario| scenario.name.as_str());
                let help = suggestion(name, names, "scenarios");
                let found = Diagnostic::error(at, format!("no scenario has the name `{name}`"));
                reader.report(with_help(found, help));
            }
        }
        all.retain(|scenario| wanted.iter().any(|(name, _)| *name == scenario.name));
    }
    (!all.is_empty()).then_some(all)
}

#[cfg(test)]
mod tests;
