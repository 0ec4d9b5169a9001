//! JSON Schema (draft 2020-12) of the files that people write, for editors: made of the table
//! of keys and the table of flags, so that it names every key and flag that there is.
//!
//! It accepts whatever `read` accepts and refuses less: it sees one file, one value at a time,
//! and no line or name of another. Words and flags of another vLLM are suggestions, as they are
//! warnings there. Flags are in `schema/flags.rs`; how the text is laid out, in
//! `schema/layout.rs`.

use serde_json::{Map, Value, json};

use crate::measure::metric::{MetricDef, Scale, Shape as MetricShape, Stat, Unit, WorkloadKind};
use crate::spec::keys::{self, Each, Key, Presence, Shape};
use crate::spec::scenario::FaultKind;

mod flags;
mod layout;
#[cfg(test)]
mod tests;

/// A kind of file that has a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    Experiment,
    Profile,
    Scenario,
}

impl FileKind {
    pub const ALL: [Self; 3] = [Self::Experiment, Self::Profile, Self::Scenario];

    pub fn name(self) -> &'static str {
        match self {
            Self::Experiment => "experiment",
            Self::Profile => "profile",
            Self::Scenario => "scenario",
        }
    }

    fn keys(self) -> &'static [Key] {
        match self {
            Self::Experiment => keys::EXPERIMENT,
            Self::Profile => keys::PROFILE,
            Self::Scenario => keys::scenario::SCENARIO,
        }
    }

    /// The tables of flags that a file of this kind has, and whether variables stand among them.
    fn flag_tables(self) -> &'static [(Each, bool)] {
        match self {
            Self::Experiment => &[(Each::Axis, true), (Each::AnyOf, true), (Each::One, true)],
            Self::Profile => &[(Each::One, false)],
            Self::Scenario => &[(Each::AnyOf, true), (Each::One, false)],
        }
    }
}

/// The schema as text, one statement a line where that fits; ends in a line feed.
pub fn text(kind: FileKind) -> String {
    layout::lay_out(&schema(kind))
}

/// The schema of one kind of file.
pub fn schema(kind: FileKind) -> Value {
    let mut whole = Map::new();
    whole.insert(
        "$schema".to_owned(),
        json!("https://json-schema.org/draft/2020-12/schema"),
    );
    whole.insert(
        "title".to_owned(),
        json!(format!("gridrun {} file", kind.name())),
    );
    whole.extend(table(kind.keys()));
    whole.insert(
        "$defs".to_owned(),
        Value::Object(flags::definitions(kind.flag_tables())),
    );
    Value::Object(whole)
}

/// A table with these keys and no others, in every spelling.
fn table(keys: &[Key]) -> Map<String, Value> {
    let mut properties = Map::new();
    let mut spellings = Map::new();
    let mut required = Vec::new();
    let mut demands = rules_among(keys);
    for key in keys {
        let value = value(key);
        if let Some(other) = other_spellings(key.name) {
            spellings.insert(format!("^{other}$"), value.clone());
        }
        properties.insert(key.name.to_owned(), value);
        match key.presence {
            Presence::Required if key.name.contains('-') => demands.push(has(key.name)),
            Presence::Required => required.push(key.name),
            Presence::Optional | Presence::Default(_) => {}
        }
    }
    let mut table = object(json!({ "type": "object" }));
    if !required.is_empty() {
        table.insert("required".to_owned(), json!(required));
    }
    if !demands.is_empty() {
        table.insert("allOf".to_owned(), Value::Array(demands));
    }
    table.insert("properties".to_owned(), Value::Object(properties));
    if !spellings.is_empty() {
        table.insert("patternProperties".to_owned(), Value::Object(spellings));
    }
    table.insert("additionalProperties".to_owned(), json!(false));
    table
}

/// What must hold among the keys of one table; the table of keys has one key at a time.
fn rules_among(keys: &[Key]) -> Vec<Value> {
    let a_stand_in =
        json!({ "properties": { "runtime": { "const": "stand-in" } }, "required": ["runtime"] });
    if keys == keys::EXPERIMENT {
        vec![json!({ "anyOf": [has("matrix"), has("cell")] })]
    } else if keys == keys::ENGINE {
        vec![json!({ "if": { "not": a_stand_in }, "then": has("image") })]
    } else if keys == keys::PROFILE {
        let engine = json!({ "properties": { "engine": a_stand_in }, "required": ["engine"] });
        vec![json!({ "if": engine, "then": has("stand-in") })]
    } else {
        Vec::new()
    }
}

/// That a key is there, in one of its spellings.
fn has(name: &str) -> Value {
    match other_spellings(name) {
        None => json!({ "required": [name] }),
        Some(other) => {
            // "Not all names are unlike it": some name is.
            let spelt_otherwise = json!({ "not": { "propertyNames": { "not": { "pattern": format!("^{other}$") } } } });
            json!({ "anyOf": [{ "required": [name] }, spelt_otherwise] })
        }
    }
}

/// A pattern of the spellings of a name with `_` in the place of a `-`, if there are any. It
/// does not match the name itself, so that one mistake is not found twice.
fn other_spellings(name: &str) -> Option<String> {
    let parts: Vec<&str> = name.split('-').collect();
    // By the place of the first underscore.
    let forms: Vec<String> = (1..parts.len())
        .map(|at| format!("{}_{}", parts[..at].join("-"), parts[at..].join("[-_]")))
        .collect();
    match forms.as_slice() {
        [] => None,
        [form] => Some(form.clone()),
        forms => Some(format!("(?:{})", forms.join("|"))),
    }
}

/// What a key takes, with its help.
fn value(key: &Key) -> Value {
    let mut value = object(json!({ "description": key.help }));
    value.extend(of_shape(key.shape, key.presence));
    if let Presence::Default(written) = key.presence {
        let default = written
            .parse::<toml::Value>()
            .ok()
            .and_then(|default| serde_json::to_value(default).ok())
            .expect("defaults in the key table are TOML, and none is a date");
        value.insert("default".to_owned(), default);
    }
    Value::Object(value)
}

fn of_shape(shape: Shape, presence: Presence) -> Map<String, Value> {
    let list = |items: Value| {
        let mut list = object(json!({ "type": "array", "items": items }));
        if presence == Presence::Required {
            list.insert("minItems".to_owned(), json!(1));
        }
        list
    };
    match shape {
        Shape::Text | Shape::File => object(json!({ "type": "string", "pattern": r"\S" })),
        Shape::Anything => Map::new(),
        Shape::Name { dots } => object(json!({ "type": "string", "pattern": name_pattern(dots) })),
        Shape::Bool => object(json!({ "type": "boolean" })),
        Shape::Whole { min, max } => {
            let mut whole = object(json!({ "type": "integer", "minimum": min }));
            // Beyond 2^53 the readers of schemas differ, and no file comes near.
            if max < i64::MAX {
                whole.insert("maximum".to_owned(), json!(max));
            }
            whole
        }
        Shape::Positive => object(json!({ "type": "number", "exclusiveMinimum": 0 })),
        Shape::Bytes { zero } => object(json!({
            "type": "string",
            "pattern": bytes_pattern(zero),
            "examples": ["24GiB", "512MiB"],
        })),
        Shape::Duration => object(json!({
            "type": "string",
            "pattern": DURATION,
            "examples": ["90s", "20m", "8h"],
        })),
        Shape::Percent => object(json!({ "type": "string", "pattern": PERCENT })),
        Shape::Choice(words) => object(json!({ "enum": words })),
        Shape::EnvName => object(json!({ "type": "string", "pattern": flags::VARIABLE })),
        Shape::Texts => object(json!({ "type": "array", "items": { "type": "string" } })),
        Shape::Numbers { whole } => object(json!({
            "type": "array",
            "minItems": 1,
            "items": if whole {
                json!({ "type": "integer", "minimum": 1, "maximum": u32::MAX })
            } else {
                json!({ "type": "number", "exclusiveMinimum": 0 })
            },
        })),
        Shape::Kind => object(json!({ "enum": WorkloadKind::ALL.map(WorkloadKind::name) })),
        Shape::FaultKind => object(json!({ "enum": FaultKind::ALL.map(FaultKind::name) })),
        Shape::Starts => object(json!({ "anyOf": [
            { "enum": ["every", "first"] },
            {
                "type": "array",
                "minItems": 1,
                "items": { "type": "integer", "minimum": 1, "maximum": u32::MAX },
            },
        ] })),
        Shape::Metric => object(json!({
            "type": "string",
            "pattern": format!(r"^\s*{NODE}\.(?:{}|{DECLARED})\s*$", any(&metrics(|_| true))),
        })),
        Shape::Condition => {
            let [known, declared, name] = condition_patterns();
            object(json!({
                "type": "string",
                "anyOf": [
                    { "pattern": known },
                    { "pattern": declared, "not": { "pattern": name } },
                ],
            }))
        }
        Shape::Table(keys) => table(keys),
        Shape::Tables(keys) => list(Value::Object(table(keys))),
        Shape::Workloads(keys) => {
            let kinds = WorkloadKind::ALL.map(|kind| (kind.name(), keys::workload::of_kind(kind)));
            list(by_kind(keys, &kinds))
        }
        Shape::Faults(keys) => {
            let kinds = FaultKind::ALL.map(|kind| (kind.name(), keys::scenario::of_kind(kind)));
            list(by_kind(keys, &kinds))
        }
        Shape::Knobs { each, env } => {
            let mut knobs = object(json!({ "$ref": flags::reference(each, env) }));
            if presence == Presence::Required {
                knobs.insert("minProperties".to_owned(), json!(1));
            }
            knobs
        }
        Shape::Env => flags::environment(Value::Object(table(keys::FROM_ENV))),
        Shape::Gpus => object(json!({ "anyOf": [
            { "enum": ["all", "none"] },
            { "type": "integer", "minimum": 0, "maximum": u32::MAX },
            {
                "type": "array",
                "minItems": 1,
                "uniqueItems": true,
                "items": { "anyOf": [
                    { "type": "string", "pattern": r"\S" },
                    { "type": "integer", "minimum": 0 },
                ] },
            },
        ] })),
        Shape::Ulimits => {
            let both = Value::Object(table(keys::ULIMIT));
            let limit = json!({ "anyOf": [{ "type": "integer", "minimum": -1 }, both] });
            let limits = keys::LIMITS
                .iter()
                .map(|name| ((*name).to_owned(), limit.clone()));
            object(json!({
                "type": "object",
                "properties": limits.collect::<Map<_, _>>(),
                "additionalProperties": false,
            }))
        }
    }
}

/// A table for each kind, so that an editor offers the keys of the kind that stands there.
fn by_kind(keys: &[Key], kinds: &[(&str, &[Key])]) -> Value {
    let of_kind = |(name, own): &(&str, &[Key])| {
        let all: Vec<Key> = keys.iter().chain(*own).copied().collect();
        let mut table = table(&all);
        if let Some(Value::Object(properties)) = table.get_mut("properties")
            && let Some(kind) = properties.get_mut("kind")
        {
            *kind = json!({ "description": kind["description"], "const": name });
        }
        Value::Object(table)
    };
    match kinds {
        [one] => of_kind(one),
        several => json!({ "oneOf": several.iter().map(of_kind).collect::<Vec<_>>() }),
    }
}

/// The name of a metric that a file declares, which no schema can know.
const DECLARED: &str = "[a-z0-9][a-z0-9_]*";
const NODE: &str = "[a-z0-9][a-z0-9_-]*";
const NUMBER: &str = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?";
const PERCENT: &str = r"^\s*\+?0*[0-9]{0,2}(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?\s*%\s*$";
const DURATION: &str = r"^\s*(?:[0-9][0-9.\s]*(?:nanos|nsec|ns|usec|us|µs|millis|msec|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d|weeks?|wks?|w|months?|M|years?|yrs?|y)\s*)+$";

fn name_pattern(dots: bool) -> &'static str {
    if dots {
        "^[a-z0-9][a-z0-9_.-]{0,63}$"
    } else {
        "^[a-z0-9][a-z0-9_-]{0,63}$"
    }
}

fn bytes_pattern(zero: bool) -> String {
    let number = if zero {
        "[0-9.]*[0-9][0-9.]*"
    } else {
        "[0-9.]*[1-9][0-9.]*"
    };
    format!(r"^\s*{number}\s*(?:[KkMmGgTtPpEe](?:[Ii]|[Ii]?[Bb])|[Bb])\s*$")
}

/// The metrics that are wanted, with the statistics that each may name.
fn metrics(wanted: impl Fn(&MetricDef) -> bool) -> Vec<String> {
    let of_shape = |shape: MetricShape| -> Vec<String> {
        let mut names: Vec<String> = WorkloadKind::ALL
            .iter()
            .flat_map(|kind| kind.metrics())
            .filter(|metric| metric.shape == shape && wanted(metric))
            .map(|metric| metric.name.to_string())
            .collect();
        names.sort();
        names.dedup();
        names
    };
    let stats: Vec<String> = Stat::ALL.map(|stat| stat.name().to_owned()).to_vec();
    let distributions = of_shape(MetricShape::Distribution);
    let mut forms = of_shape(MetricShape::Scalar);
    if !distributions.is_empty() {
        forms.push(format!(r"{}(?:\.{})?", any(&distributions), any(&stats)));
    }
    forms
}

/// A gate: each metric with the units that its bound may have; a metric that a file declares,
/// with any unit; and what has the name of a metric that is not declared.
fn condition_patterns() -> [String; 3] {
    let forms: Vec<String> = ["(?:ms|s)", "tok/s", "tok", "req/s", "%/h", "%", "%?", ""]
        .into_iter()
        .map(|unit| (metrics(|metric| unit_of_bound(metric) == unit), unit))
        .filter(|(metrics, _)| !metrics.is_empty())
        .map(|(metrics, unit)| format!(r"{}\s*[<>]=?\s*{NUMBER}\s*{unit}", any(&metrics)))
        .collect();
    let units = "(?:ms|s|tok/s|tok|req/s|%/h|%)?";
    [
        format!(r"^\s*{NODE}\.{}\s*$", any(&forms)),
        format!(r"^\s*{NODE}\.{DECLARED}\s*[<>]=?\s*{NUMBER}\s*{units}\s*$"),
        format!(r"^\s*{NODE}\.{}\s*[<>]", any(&metrics(|_| true))),
    ]
}

fn unit_of_bound(metric: &MetricDef) -> &'static str {
    match (metric.unit, metric.scale) {
        (Unit::Milliseconds, _) => "(?:ms|s)",
        (Unit::TokensPerSecond, _) => "tok/s",
        (Unit::Tokens, _) => "tok",
        (Unit::Percent, _) => "%",
        (Unit::PercentPerHour, _) => "%/h",
        (Unit::RequestsPerSecond, _) => "req/s",
        (Unit::One, Scale::Proportion) => "%?",
        (Unit::One, Scale::Ratio | Scale::Signed) => "",
    }
}

/// One of these patterns.
fn any(patterns: &[String]) -> String {
    match patterns {
        [one] => one.clone(),
        several => format!("(?:{})", several.join("|")),
    }
}

/// The members of an object that was written out as one.
fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        other => unreachable!("{other} is no object"),
    }
}
