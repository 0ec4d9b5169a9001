//! Reads tasks with their rubrics, from an experiment or from a file of their own.

use toml::de::DeTable;

use crate::measure::rubric::{
    Check, ChoiceRule, CodeRule, ContainRule, JsonSchema, JudgeRule, NumberRule, Pattern, Rule,
    Take, Task, Unit,
};
use crate::spec::diagnostic::{Diagnostic, Span};
use crate::spec::keys::workload::reasoning::{CHECK, TASK};
use crate::spec::near::suggestion;
use crate::spec::read::scalar::number;
use crate::spec::read::walk::{Field, Fields, Reader, with_help};

/// A task and where it stands.
pub struct Placed {
    pub task: Task,
    pub at: Span,
}

/// The tasks under the key `task`; `None` when something is wrong with one of them, which is
/// reported.
pub fn read_all(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Vec<Placed>> {
    let Some(field) = fields.get("task") else {
        return Some(Vec::new());
    };
    let is_list = field.node.get_ref().as_array().is_some();
    let tables = reader.tables(field);
    let n_tables = tables.len();
    let tasks: Vec<Placed> = tables
        .into_iter()
        .filter_map(|(table, at)| {
            let task = task(reader, table, at)?;
            Some(Placed { task, at })
        })
        .collect();
    (is_list && tasks.len() == n_tables).then_some(tasks)
}

fn task(reader: &mut Reader<'_>, table: &DeTable<'_>, at: Span) -> Option<Task> {
    let fields = reader.walk(table, "a task", at, &[TASK]);
    let checks = checks(reader, &fields);
    Some(Task {
        name: fields.text("name")?,
        category: fields.text("category")?,
        system: fields.text("system"),
        prompt: fields.text("prompt")?,
        weight: fields.number("weight")?,
        checks: checks?,
    })
}

fn checks(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Vec<Check>> {
    let field = fields.get("check")?;
    let tables = reader.tables(field);
    let n_tables = tables.len();
    if field
        .node
        .get_ref()
        .as_array()
        .is_some_and(|items| items.is_empty())
    {
        let at = reader.span(field.node.span());
        reader.report(
            Diagnostic::error(at, "a task without a check cannot be graded")
                .label("expected at least one { kind = ... }"),
        );
    }
    let checks: Vec<Check> = tables
        .into_iter()
        .filter_map(|(table, at)| check(reader, table, at))
        .collect();
    (n_tables > 0 && checks.len() == n_tables).then_some(checks)
}

fn check(reader: &mut Reader<'_>, table: &DeTable<'_>, at: Span) -> Option<Check> {
    let fields = reader.walk(table, "a check", at, &[CHECK]);
    let kind = fields.text("kind")?;
    let weight = fields.number("weight");
    let (needed, allowed) = keys_of(&kind);
    let mut sound = true;
    for key in CHECK {
        let name = key.name;
        let given = fields.get(name);
        if let Some(field) = given
            && !matches!(name, "kind" | "weight")
            && !needed.contains(&name)
            && !allowed.contains(&name)
        {
            let own: Vec<String> = needed
                .iter()
                .chain(allowed)
                .map(|own| format!("`{own}`"))
                .collect();
            reader.report(
                Diagnostic::error(
                    field.at,
                    format!("`{name}` means nothing for a {kind} check"),
                )
                .help(format!("its keys are {}", own.join(", "))),
            );
            sound = false;
        }
        if given.is_none() && needed.contains(&name) {
            reader.report_absence(
                Diagnostic::error(at, format!("a {kind} check has no `{name}`"))
                    .help(format!("add `{name}`: {}", key.help)),
            );
            sound = false;
        }
    }
    let rule = match kind.as_str() {
        _ if !sound => None,
        "number" => number_rule(reader, &fields).map(Rule::Number),
        "choice" => choice_rule(reader, &fields).map(Rule::Choice),
        "contains-all" => contain_rule(reader, &fields).map(Rule::ContainsAll),
        "contains-any" => contain_rule(reader, &fields).map(Rule::ContainsAny),
        "regex" => pattern(reader, &fields).map(|pattern| Rule::Regex { pattern }),
        "json-schema" => schema(reader, &fields).map(|schema| Rule::JsonSchema { schema }),
        "code" => code_rule(reader, &fields).map(Rule::Code),
        "judge" => fields.text("ask").map(|ask| Rule::Judge(JudgeRule { ask })),
        other => unreachable!("the key table has no kind of check `{other}`"),
    };
    Some(Check {
        weight: weight?,
        rule: rule?,
    })
}

/// The keys that a kind of check needs, and those that it may have.
fn keys_of(kind: &str) -> (&'static [&'static str], &'static [&'static str]) {
    match kind {
        "number" => (
            &["equals"],
            &["tolerance", "relative-tolerance", "unit", "take", "marker"],
        ),
        "choice" => (&["equals", "options"], &["marker"]),
        "contains-all" | "contains-any" => (&["texts"], &["match-case"]),
        "regex" => (&["pattern"], &[]),
        "json-schema" => (&["schema"], &[]),
        "code" => (&["defines", "tests"], &[]),
        _ => (&["ask"], &[]),
    }
}

fn number_rule(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<NumberRule> {
    let field = fields.get("equals")?;
    let Some(equals) = number(field.node.get_ref()) else {
        let found = reader.mismatch("equals", field.node, "a number");
        reader.report(found);
        return None;
    };
    let unit = match fields.text("unit") {
        None => None,
        Some(name) => {
            let unit = Unit::named(&name);
            if unit.is_none() {
                let at = reader.span(fields.get("unit")?.node.span());
                let help = suggestion(&name, Unit::names(), "the units");
                reader.report(with_help(
                    Diagnostic::error(at, format!("`{name}` is no unit that can be converted")),
                    help,
                ));
                return None;
            }
            unit
        }
    };
    Some(NumberRule {
        equals,
        tolerance: fields.number("tolerance").unwrap_or(0.0),
        relative: fields.number("relative-tolerance").unwrap_or(0.0),
        unit,
        take: fields
            .text("take")
            .and_then(|name| Take::named(&name))
            .unwrap_or(Take::Answer),
        marker: marker(reader, fields)?,
    })
}

/// The marker, if there is one; `None` when it is wrong.
#[expect(clippy::option_option, reason = "wrong is not absent")]
fn marker(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Option<String>> {
    let Some(text) = fields.text("marker") else {
        return Some(None);
    };
    if text.chars().any(char::is_alphanumeric) {
        return Some(Some(text));
    }
    let found = reader.mismatch(
        "marker",
        fields.get("marker")?.node,
        "words, such as \"ANSWER:\"",
    );
    reader.report(found);
    None
}

fn choice_rule(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<ChoiceRule> {
    let options = own_texts(reader, fields.get("options")?)?;
    let field = fields.get("equals")?;
    let equals = field.node.get_ref().as_str().map(str::to_owned);
    let Some(equals) = equals.filter(|equals| options.contains(equals)) else {
        let found = reader.mismatch("equals", field.node, "one of the options");
        let help =
            field.node.get_ref().as_str().and_then(|text| {
                suggestion(text, options.iter().map(String::as_str), "the options")
            });
        reader.report(with_help(found, help));
        return None;
    };
    if options.len() < 2 {
        let found = reader.mismatch(
            "options",
            fields.get("options")?.node,
            "at least two options",
        );
        reader.report(found);
        return None;
    }
    Some(ChoiceRule {
        options,
        equals,
        marker: marker(reader, fields)?,
    })
}

fn contain_rule(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<ContainRule> {
    Some(ContainRule {
        texts: own_texts(reader, fields.get("texts")?)?,
        match_case: fields.bool("match-case").unwrap_or(false),
    })
}

fn pattern(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Pattern> {
    let text = fields.text("pattern")?;
    match Pattern::new(&text) {
        Ok(pattern) => Some(pattern),
        Err(why) => {
            let at = reader.span(fields.get("pattern")?.node.span());
            reader.report(
                Diagnostic::error(at, format!("`pattern` is no regular expression: {why}")).help(
                    "in single quotes TOML leaves backslashes alone: pattern = '(?i)\\bdone\\b'",
                ),
            );
            None
        }
    }
}

fn schema(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<JsonSchema> {
    let text = fields.text("schema")?;
    let schema = serde_json::from_str(&text)
        .map_err(|error| format!("it is not JSON: {error}"))
        .and_then(JsonSchema::new);
    match schema {
        Ok(schema) => Some(schema),
        Err(why) => {
            let at = reader.span(fields.get("schema")?.node.span());
            reader.report(Diagnostic::error(
                at,
                format!("`schema` is no JSON Schema: {why}"),
            ));
            None
        }
    }
}

fn code_rule(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<CodeRule> {
    let defines = fields.text("defines")?;
    let is_name = defines.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && defines
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !is_name {
        let found = reader.mismatch("defines", fields.get("defines")?.node, "a name of Python");
        reader.report(found);
        return None;
    }
    Some(CodeRule {
        defines,
        tests: own_texts(reader, fields.get("tests")?)?,
    })
}

/// Texts of which none is empty, and at least one.
fn own_texts(reader: &mut Reader<'_>, field: Field<'_>) -> Option<Vec<String>> {
    let texts = reader.texts(field);
    let items = field.node.get_ref().as_array()?;
    if items.is_empty() || texts.iter().any(|(text, _)| text.trim().is_empty()) {
        let found = reader.mismatch(field.key.name, field.node, "texts that are not empty");
        reader.report(found);
        return None;
    }
    (texts.len() == items.len())
        .then(|| texts.into_iter().map(|(text, _)| text.to_owned()).collect())
}
