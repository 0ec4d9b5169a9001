//! The part of a schema that is about flags of vLLM and environment variables.

use serde_json::{Map, Value, json};

use crate::spec::flag::{DEFAULT_MARK, FlagName};
use crate::spec::keys::{self, Each};
use crate::spec::schema::object;
use crate::spec::secret;
use crate::spec::vllm_flags::{self, FlagKind, KnownFlag};

/// The name of an environment variable.
pub(super) const VARIABLE: &str = "^[A-Za-z_][A-Za-z0-9_]*$";

/// Where the schema of a table of flags is; with `env`, variables may stand among them.
pub(super) fn reference(each: Each, env: bool) -> String {
    format!("#/$defs/{}", table_name(each, env))
}

fn table_name(each: Each, env: bool) -> &'static str {
    match (each, env) {
        (Each::Axis, _) => "axes",
        (Each::AnyOf, _) => "terms",
        (Each::One, true) => "settings",
        (Each::One, false) => "base-flags",
    }
}

/// The tables of flags that a kind of file has, each with `env` where `with_env` says so, and
/// what they refer to.
pub(super) fn definitions(tables: &[(Each, bool)]) -> Map<String, Value> {
    let mut definitions = Map::new();
    for (each, env) in tables {
        definitions.insert(table_name(*each, *env).to_owned(), table(*each, *env));
    }
    definitions.insert("other-flag".to_owned(), other_flag());
    if tables.iter().any(|(_, env)| *env) {
        let varied = json!({ "allOf": [variable_name(), { "not": { "pattern": secret::VARIABLE_PATTERN } }] });
        definitions.insert("varied-variable-name".to_owned(), varied);
        definitions.insert(
            "variable".to_owned(),
            json!({ "type": ["string", "integer"] }),
        );
    }
    for flag in settable() {
        let mut value = object(json!({ "description": flag.help }));
        value.extend(of_kind(flag.kind));
        definitions.insert(format!("flag-{}", flag.name), Value::Object(value));
    }
    definitions
}

fn settable() -> impl Iterator<Item = &'static KnownFlag> {
    vllm_flags::all().filter(|flag| vllm_flags::reserved(&FlagName(flag.name.to_owned())).is_none())
}

/// One table of flags. A name in another spelling (`max_num_seqs`) is let through as one that
/// nobody knows: an editor that shows its user every pattern would drown him in them.
fn table(each: Each, env: bool) -> Value {
    let mut properties = Map::new();
    if env {
        properties.insert(
            "env".to_owned(),
            json!({
                "description": "Environment variables of the engine.",
                "type": "object",
                "propertyNames": { "$ref": "#/$defs/varied-variable-name" },
                "additionalProperties": values(each, None, "#/$defs/variable"),
            }),
        );
    }
    for flag in settable() {
        let one = format!("#/$defs/flag-{}", flag.name);
        for name in std::iter::once(&flag.name).chain(flag.aliases) {
            let said = if *name == flag.name {
                flag.help.to_owned()
            } else {
                format!("{}: {}", flag.name, flag.help)
            };
            properties.insert((*name).to_owned(), values(each, Some(&said), &one));
        }
    }
    let mut table = object(json!({ "type": "object" }));
    // A `where` or a `set` of nothing is a mistake, and so is a matrix without an axis.
    if env {
        table.insert("minProperties".to_owned(), json!(1));
    }
    table.insert("properties".to_owned(), Value::Object(properties));
    table.insert(
        "patternProperties".to_owned(),
        Value::Object(refused_names().collect()),
    );
    table.insert(
        "additionalProperties".to_owned(),
        values(each, None, "#/$defs/other-flag"),
    );
    Value::Object(table)
}

/// What stands behind a flag or a variable, of which `one` is a value.
fn values(each: Each, description: Option<&str>, one: &str) -> Value {
    let one = json!({ "$ref": one });
    match each {
        Each::One => one,
        Each::AnyOf => {
            json!({ "anyOf": [one.clone(), { "type": "array", "minItems": 1, "items": one }] })
        }
        Each::Axis => {
            let mut list = Map::new();
            if let Some(description) = description {
                list.insert("description".to_owned(), json!(description));
            }
            list.extend(object(
                json!({ "type": "array", "minItems": 1, "uniqueItems": true, "items": one }),
            ));
            Value::Object(list)
        }
    }
}

/// The names that a file must not give, whatever stands behind them: flags that gridrun sets
/// itself, secrets, and what cannot be the name of a flag. (Of negative forms there are too many
/// for an editor that shows its user every pattern.)
fn refused_names() -> impl Iterator<Item = (String, Value)> {
    let reserved: Vec<String> = vllm_flags::all()
        .filter(|flag| vllm_flags::reserved(&FlagName(flag.name.to_owned())).is_some())
        .flat_map(|flag| std::iter::once(flag.name).chain(flag.aliases.iter().copied()))
        .map(|name| name.replace('-', "[-_]"))
        .collect();
    [
        format!("^(?:{})$", reserved.join("|")),
        secret::FLAG_PATTERN.to_owned(),
        "^[-_]|[^A-Za-z0-9._-]|^$".to_owned(),
    ]
    .into_iter()
    .map(|pattern| (pattern, json!(false)))
}

/// A value of a flag that the table does not have: anything that can be an argument.
fn other_flag() -> Value {
    json!({ "anyOf": [
        { "type": ["boolean", "number", "string", "object"] },
        { "type": "array", "items": { "type": ["boolean", "number", "string"] } },
    ] })
}

/// A value of a flag. Every flag also takes the mark that leaves it away.
fn of_kind(kind: FlagKind) -> Map<String, Value> {
    let or_default = |value: Value| object(json!({ "anyOf": [value, { "const": DEFAULT_MARK }] }));
    match kind {
        FlagKind::Switch { .. } => object(json!({ "enum": [true, false, DEFAULT_MARK] })),
        FlagKind::Int { min } => {
            let mut whole = object(json!({ "type": "integer" }));
            if let Some(min) = min {
                whole.insert("minimum".to_owned(), json!(min));
            }
            or_default(Value::Object(whole))
        }
        FlagKind::Size { min, auto } => {
            let word = "^[+-]?[0-9]+$|^[0-9]+[KMGT]$|^[0-9]+(?:[.][0-9]+)?[kmgt]$";
            let mut forms = vec![
                json!({ "type": "integer", "minimum": min }),
                json!({ "type": "string", "pattern": word, "examples": ["8k", "8K"] }),
                json!({ "const": DEFAULT_MARK }),
            ];
            if auto {
                forms.push(json!({ "const": -1 }));
                forms.push(json!({ "type": "string", "pattern": "^[Aa][Uu][Tt][Oo]$", "examples": ["auto"] }));
            }
            object(json!({ "anyOf": forms }))
        }
        FlagKind::Float {
            min,
            max,
            min_exclusive,
        } => {
            let mut number = object(json!({ "type": "number" }));
            let bound = if min_exclusive {
                "exclusiveMinimum"
            } else {
                "minimum"
            };
            number.extend(min.map(|min| (bound.to_owned(), json!(min))));
            number.extend(max.map(|max| ("maximum".to_owned(), json!(max))));
            or_default(Value::Object(number))
        }
        // The words are offered, and others let through: another vLLM may know them.
        FlagKind::Choice(words) => object(json!({ "anyOf": [
            { "enum": words.iter().chain([&DEFAULT_MARK]).collect::<Vec<_>>() },
            { "type": ["string", "integer", "object"] },
        ] })),
        FlagKind::Text => object(json!({ "type": ["string", "number", "object"] })),
        FlagKind::List => object(json!({ "anyOf": [
            { "type": ["string", "integer", "object"] },
            { "type": "array", "minItems": 1, "items": { "type": ["boolean", "number", "string"] } },
        ] })),
    }
}

/// `[engine.env]`: variables, those with a secret's name only from the environment.
pub(super) fn environment(from_env: Value) -> Map<String, Value> {
    let literal = json!({ "type": "string", "not": { "pattern": r"^\$[A-Za-z_][A-Za-z0-9_]*$" } });
    object(json!({
        "type": "object",
        "propertyNames": variable_name(),
        "patternProperties": { secret::VARIABLE_PATTERN: from_env.clone() },
        "additionalProperties": { "anyOf": [literal, { "type": "integer" }, from_env] },
    }))
}

fn variable_name() -> Value {
    let reserved: Vec<&str> = keys::RESERVED_VARIABLES
        .iter()
        .map(|(name, _)| *name)
        .collect();
    json!({ "pattern": VARIABLE, "not": { "enum": reserved } })
}
