//! TOML values as JSON, and what a table of arguments expects of each.

use serde_json::{Map, Number, Value};
use toml::de::DeValue;

use crate::spec::diagnostic::Diagnostic;
use crate::spec::keys::workload::tool_calling as keys;
use crate::spec::read::scalar::{integer, number};
use crate::spec::read::walk::{Fields, Node, Reader, in_file_order};
use crate::spec::workload::tool_calling::expectation::{Expectation, Letters, Presence, Rule};

/// A value as JSON. Dates are texts; a number that JSON cannot hold is reported.
pub(super) fn json(reader: &mut Reader<'_>, node: &Node<'_>) -> Option<Value> {
    Some(match node.get_ref() {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Datetime(at) => Value::String(at.to_string()),
        DeValue::Integer(_) | DeValue::Float(_) => {
            let whole = integer(node.get_ref()).map(Number::from);
            match whole.or_else(|| number(node.get_ref()).and_then(Number::from_f64)) {
                Some(number) => Value::Number(number),
                None => {
                    let at = reader.span(node.span());
                    let found = Diagnostic::error(at, "JSON has no such number");
                    reader.report(found.label("expected a finite number of at most 64 bits"));
                    return None;
                }
            }
        }
        DeValue::Array(items) => {
            let items: Vec<Option<Value>> = items.iter().map(|item| json(reader, item)).collect();
            Value::Array(items.into_iter().collect::<Option<_>>()?)
        }
        DeValue::Table(table) => {
            let mut members = Map::new();
            let mut sound = true;
            for (key, node) in in_file_order(table) {
                match json(reader, node) {
                    Some(value) => {
                        members.insert(key.get_ref().to_string(), value);
                    }
                    None => sound = false,
                }
            }
            return sound.then_some(Value::Object(members));
        }
    })
}

/// What an argument must be: a value, or a table whose keys are those of an expectation.
pub(super) fn expectation(reader: &mut Reader<'_>, node: &Node<'_>) -> Option<Expectation> {
    let table = match node.get_ref() {
        DeValue::Table(table) if !table.is_empty() => table,
        _ => return json(reader, node).map(Expectation::equals),
    };
    let is_expectation = table.keys().all(|key| {
        let key = key.get_ref().replace('_', "-");
        keys::EXPECTATION.iter().any(|known| known.name == key)
    });
    if !is_expectation {
        return json(reader, node).map(Expectation::equals);
    }
    let at = reader.span(node.span());
    let fields = reader.walk(table, "an argument", at, &[keys::EXPECTATION]);
    let rules: Vec<Rule> = rules(reader, &fields)?;
    let [rule] = <[Rule; 1]>::try_from(rules).ok().or_else(|| {
        let found = Diagnostic::error(at, "it is not clear what the argument must be");
        reader.report(
            found
                .label("expected one of `equals`, `any-of`, `near`, `contains`, `anything`")
                .help("a table that is the value itself is written { equals = { .. } }"),
        );
        None
    })?;
    Some(Expectation {
        rule,
        letters: match fields.text("letters")?.as_str() {
            "any-case" => Letters::AnyCase,
            _ => Letters::Exact,
        },
        presence: match fields.bool("optional")? {
            true => Presence::Optional,
            false => Presence::Required,
        },
    })
}

/// Every rule that the table has; there should be one.
fn rules(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Vec<Rule>> {
    let mut rules = Vec::new();
    if let Some(field) = fields.get("equals") {
        rules.push(Rule::Equals(json(reader, field.node)?));
    }
    if let Some(field) = fields.get("any-of") {
        match json(reader, field.node)? {
            Value::Array(values) if !values.is_empty() => rules.push(Rule::AnyOf(values)),
            _ => {
                let found = reader.mismatch("any-of", field.node, "a list of values");
                reader.report(found);
                return None;
            }
        }
    }
    if let Some(field) = fields.get("near") {
        let Some(number) = number(field.node.get_ref()) else {
            let found = reader.mismatch("near", field.node, "a number");
            reader.report(found);
            return None;
        };
        let Some(within) = fields.number("within") else {
            let at = reader.span(field.node.span());
            let found = Diagnostic::error(at, "`near` needs `within`");
            reader.report(found.help(format!("write {{ near = {number}, within = 0.1 }}")));
            return None;
        };
        rules.push(Rule::Near { number, within });
    }
    rules.extend(fields.text("contains").map(Rule::Contains));
    rules.extend((fields.bool("anything") == Some(true)).then_some(Rule::Anything));
    Some(rules)
}
