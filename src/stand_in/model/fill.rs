//! Arguments for a tool: values for its JSON schema out of the texts that were said. Knows
//! nothing of formats, nor why the tool was picked.

use serde_json::{Map, Number, Value};

use crate::stand_in::model::words::{Found, Kind, as_number, significant, things};

/// How deep schemas are followed.
const DEPTH: usize = 8;

/// What arguments are taken from: the part of the request that names the tool, then everything
/// else that was said, the nearest first.
pub struct Sources {
    /// Each with what stands in it.
    texts: Vec<(String, Vec<Thing>)>,
    /// Choices that some parameter has.
    chosen: Vec<String>,
}

struct Thing {
    found: Found,
    used: bool,
}

/// Values for all properties of an object's schema that are required or that the texts name.
pub fn fill(schema: &Value, texts: &[&str]) -> Map<String, Value> {
    let mut sources = Sources::new(texts);
    object(schema, schema, &mut sources, DEPTH)
}

impl Sources {
    fn new(texts: &[&str]) -> Self {
        let texts = texts
            .iter()
            .map(|text| {
                let mut found = Vec::new();
                match serde_json::from_str::<Value>(text) {
                    Ok(value) if value.is_object() || value.is_array() => {
                        members(&value, "", &mut found);
                    }
                    _ => found = things(text),
                }
                let things = found.into_iter().map(|found| Thing { found, used: false });
                ((*text).to_owned(), things.collect())
            })
            .collect();
        let chosen = Vec::new();
        Self { texts, chosen }
    }

    /// Which of its choices a parameter has: the one that its name announces ("to JPY"), else
    /// the first named one that no other parameter has, else the first named one.
    fn choose(&mut self, name: &str, choices: &[Value]) -> Option<Value> {
        let mut named: Vec<(usize, &Value, String)> = Vec::new();
        for (text, _) in &self.texts {
            let words: Vec<String> = text
                .split_whitespace()
                .map(|word| {
                    word.trim_matches(|c: char| !c.is_alphanumeric())
                        .to_lowercase()
                })
                .collect();
            for choice in choices {
                let value = plain(choice).to_lowercase();
                let announced = words
                    .windows(2)
                    .any(|pair| pair[0] == name && pair[1] == value);
                if announced {
                    self.chosen.push(value);
                    return Some(choice.clone());
                }
                if let Some(place) = words.iter().position(|word| *word == value) {
                    named.push((place, choice, value));
                }
            }
            if !named.is_empty() {
                break;
            }
        }
        named.sort_by_key(|(place, ..)| *place);
        let free = named
            .iter()
            .find(|(.., value)| !self.chosen.contains(value));
        let (_, choice, value) = free.or_else(|| named.first())?.clone();
        self.chosen.push(value);
        Some(choice.clone())
    }

    /// The part of the request that names the tool.
    fn nearest(&self) -> &str {
        self.texts.first().map_or("", |(text, _)| text)
    }

    /// Takes the first unused thing that fits, from the nearest text that has one.
    fn take(&mut self, fits: impl Fn(&Found) -> bool) -> Option<String> {
        let thing = self
            .texts
            .iter_mut()
            .flat_map(|(_, things)| things)
            .find(|thing| !thing.used && fits(&thing.found))?;
        thing.used = true;
        Some(thing.found.text.clone())
    }

    /// Takes all unused things of the nearest text that fit.
    fn take_all(&mut self, fits: impl Fn(&Found) -> bool) -> Vec<String> {
        self.texts
            .first_mut()
            .into_iter()
            .flat_map(|(_, things)| things)
            .filter(|thing| !thing.used && fits(&thing.found))
            .map(|thing| {
                thing.used = true;
                thing.found.text.clone()
            })
            .collect()
    }

    /// Whether a value is named in any text, as a word or words of its own.
    fn names(&self, value: &str) -> bool {
        let wanted = significant(value);
        !wanted.is_empty()
            && self.texts.iter().any(|(text, _)| {
                let words = significant(text);
                words.windows(wanted.len()).any(|window| window == wanted)
            })
    }
}

fn object(schema: &Value, root: &Value, sources: &mut Sources, depth: usize) -> Map<String, Value> {
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let properties = schema["properties"].as_object();
    let mut filled: Map<String, Value> = Map::new();
    // Required ones choose first; what comes out keeps the schema's order.
    for must in [true, false] {
        for (name, property) in properties.into_iter().flatten() {
            if required.contains(&name.as_str()) == must {
                let need = if must { Need::Required } else { Need::Optional };
                let property = resolved(property, root);
                if let Some(value) = value(name, property, root, need, sources, depth) {
                    filled.insert(name.clone(), value);
                }
            }
        }
    }
    properties
        .into_iter()
        .flatten()
        .filter_map(|(name, _)| filled.remove(name).map(|value| (name.clone(), value)))
        .collect()
}

/// The texts and numbers of a JSON value, each behind its key.
fn members(value: &Value, key: &str, found: &mut Vec<Found>) {
    let mut push = |kind, text: String| {
        found.push(Found {
            kind,
            text,
            before: key.to_owned(),
            joined: None,
        });
    };
    match value {
        Value::String(text) => push(Kind::Name, text.clone()),
        Value::Number(number) => push(Kind::Number, number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| members(item, key, found)),
        Value::Object(fields) => {
            for (key, value) in fields {
                members(value, key, found);
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Required,
    Optional,
}

/// Follows a reference within the schema, and takes the first alternative that is not null.
fn resolved<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    let mut schema = schema;
    for _ in 0..DEPTH {
        let target = schema["$ref"]
            .as_str()
            .and_then(|path| path.strip_prefix('#'));
        let choice = ["anyOf", "oneOf", "allOf"]
            .iter()
            .find_map(|key| schema[*key].as_array())
            .and_then(|choices| choices.iter().find(|choice| choice["type"] != "null"));
        schema = match (target, choice) {
            (Some(path), _) => root.pointer(path).unwrap_or(&Value::Null),
            (None, Some(choice)) => choice,
            (None, None) => break,
        };
    }
    schema
}

fn type_of(schema: &Value) -> &str {
    let listed = schema["type"].as_array().and_then(|types| {
        types
            .iter()
            .filter_map(Value::as_str)
            .find(|t| *t != "null")
    });
    match schema["type"].as_str().or(listed) {
        Some(known) => known,
        None if schema["properties"].is_object() => "object",
        None if schema["items"].is_object() => "array",
        None => "string",
    }
}

fn value(
    name: &str,
    schema: &Value,
    root: &Value,
    need: Need,
    sources: &mut Sources,
    depth: usize,
) -> Option<Value> {
    if depth == 0 {
        return None;
    }
    if let Some(constant) = schema.get("const") {
        return (need == Need::Required).then(|| constant.clone());
    }
    let found = match (schema["enum"].as_array(), type_of(schema)) {
        // Choices of several words, and words in other forms, are known by their stems.
        (Some(choices), _) => sources.choose(name, choices).or_else(|| {
            let mut named = choices
                .iter()
                .filter(|choice| sources.names(&plain(choice)));
            named.next().cloned()
        }),
        (None, "integer" | "number") => number(name, schema, need, sources),
        (None, "boolean") => boolean(name, sources),
        (None, "array") => array(name, schema, root, need, sources, depth),
        (None, "object") if need == Need::Required => {
            Some(Value::Object(object(schema, root, sources, depth - 1)))
        }
        (None, "object") => None,
        (None, _) => string(name, schema, need, sources).map(Value::String),
    };
    match (found, need) {
        (Some(value), _) => Some(value),
        (None, Need::Optional) => None,
        (None, Need::Required) => Some(
            schema
                .get("default")
                .or_else(|| {
                    schema["enum"]
                        .as_array()
                        .and_then(|choices| choices.first())
                })
                .cloned()
                .unwrap_or_else(|| fallback(schema, sources)),
        ),
    }
}

/// What is said when no text says anything.
fn fallback(schema: &Value, sources: &Sources) -> Value {
    match type_of(schema) {
        "integer" | "number" => schema.get("minimum").cloned().unwrap_or(Value::from(1)),
        "boolean" => Value::Bool(true),
        "array" => Value::Array(Vec::new()),
        _ => {
            let text = bounded(tail(sources.nearest()), schema);
            Value::String(if text.is_empty() {
                "unknown".to_owned()
            } else {
                text
            })
        }
    }
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Whether a thing stands right behind a word of the parameter's name, or behind all of them
/// where there are several.
fn is_announced(found: &Found, words: &[String]) -> bool {
    let before = significant(&found.before);
    if before.len() > 1 {
        return before.iter().all(|word| words.contains(word));
    }
    before.iter().any(|word| words.contains(word))
}

fn number(name: &str, schema: &Value, need: Need, sources: &mut Sources) -> Option<Value> {
    let words = significant(name);
    // "3 days" names its parameter as well as "days: 3" does.
    let followed: Option<String> = sources.texts.iter().find_map(|(text, _)| {
        let parts: Vec<&str> = text.split_whitespace().collect();
        parts.windows(2).find_map(|pair| {
            let thing = things(&format!("x {}", pair[0])).pop()?;
            let is_number = thing.kind == Kind::Number;
            (is_number
                && significant(pair[1])
                    .first()
                    .is_some_and(|word| words.contains(word)))
            .then_some(thing.text)
        })
    });
    let text = match followed {
        Some(text) => sources
            .take(|found| found.kind == Kind::Number && found.text == text)
            .or(Some(text)),
        None => sources
            .take(|found| found.kind == Kind::Number && is_announced(found, &words))
            .or_else(|| {
                (need == Need::Required)
                    .then(|| sources.take(|found| found.kind == Kind::Number))
                    .flatten()
            }),
    };
    let number = as_number(&text?)?;
    let low = schema["minimum"].as_f64().unwrap_or(f64::MIN);
    let high = schema["maximum"].as_f64().unwrap_or(f64::MAX);
    let number = number.max(low).min(high);
    // A whole number is written without a point, as a model would.
    if type_of(schema) == "integer" || number.fract() == 0.0 {
        let whole: i64 = format!("{:.0}", number.trunc()).parse().ok()?;
        return Some(Value::from(whole));
    }
    Number::from_f64(number).map(Value::Number)
}

fn boolean(name: &str, sources: &Sources) -> Option<Value> {
    const NEGATIONS: [&str; 7] = ["not", "no", "without", "don't", "never", "disable", "off"];
    let words = significant(name);
    sources.texts.iter().find_map(|(text, _)| {
        let lower = text.to_lowercase();
        let parts: Vec<&str> = lower.split_whitespace().collect();
        let place = parts
            .iter()
            .position(|part| significant(part).iter().any(|word| words.contains(word)))?;
        let around = &parts[place.saturating_sub(2)..parts.len().min(place + 2)];
        let denied = around.iter().any(|part| {
            NEGATIONS.contains(&part.trim_matches(|letter: char| !letter.is_alphanumeric()))
                || *part == "false"
        });
        Some(Value::Bool(!denied))
    })
}

fn array(
    name: &str,
    schema: &Value,
    root: &Value,
    need: Need,
    sources: &mut Sources,
    depth: usize,
) -> Option<Value> {
    let items = resolved(&schema["items"], root);
    let listed: Vec<Value> = if let Some(choices) = items["enum"].as_array() {
        choices
            .iter()
            .filter(|choice| sources.names(&plain(choice)))
            .cloned()
            .collect()
    } else {
        match type_of(items) {
            "integer" | "number" => sources
                .take_all(|found| found.kind == Kind::Number)
                .iter()
                .filter_map(|text| as_number(text))
                .filter_map(|number| {
                    if number.fract() == 0.0 {
                        format!("{number:.0}").parse::<i64>().ok().map(Value::from)
                    } else {
                        Number::from_f64(number).map(Value::Number)
                    }
                })
                .collect(),
            "string" if need == Need::Required => {
                let quoted = sources.take_all(|found| found.kind == Kind::Quotation);
                let named = if quoted.is_empty() {
                    sources.take_all(|found| found.kind == Kind::Name)
                } else {
                    quoted
                };
                named.into_iter().map(Value::String).collect()
            }
            "string" => {
                let cues = cues_of(&names_of(name));
                let fits = |found: &Found| {
                    found.kind == Kind::Name && cues.contains(&found.before.as_str())
                };
                let named = sources.take_all(fits);
                named.into_iter().map(Value::String).collect()
            }
            "object" if need == Need::Required => {
                vec![Value::Object(object(items, root, sources, depth - 1))]
            }
            _ => Vec::new(),
        }
    };
    if listed.is_empty() && need == Need::Required {
        let item = value(name, items, root, need, sources, depth - 1)?;
        return Some(Value::Array(vec![item]));
    }
    (!listed.is_empty()).then_some(Value::Array(listed))
}

/// The words in front of a thing that say which parameter it is for.
const CUES: &[(&[&str], &[&str])] = &[
    (
        &["from"],
        &["from", "origin", "sourc", "start", "departur", "sender"],
    ),
    (
        &["to", "into"],
        &[
            "to",
            "destination",
            "target",
            "recipient",
            "end",
            "receiver",
        ],
    ),
    (
        &["in", "at", "near"],
        &[
            "city", "cit", "location", "plac", "country", "countr", "region", "address",
        ],
    ),
    (&["on", "by"], &["dat", "day", "da", "when", "deadlin"]),
    (&["called", "named"], &["nam", "titl"]),
    (&["with"], &["participant", "attende", "guest", "person"]),
];

/// Parameters that take what somebody wrote rather than a name.
const FREE_TEXT: &[&str] = &[
    "query",
    "quer",
    "text",
    "messag",
    "content",
    "question",
    "body",
    "bod",
    "prompt",
    "not",
    "description",
    "input",
    "term",
    "keyword",
    "search",
    "topic",
    "subject",
    "comment",
];

/// The words of a parameter's name, stemmed and as they are: `to` and `from` are empty words
/// elsewhere.
fn names_of(name: &str) -> Vec<String> {
    let lower = name.to_lowercase();
    let mut words = significant(name);
    words.extend(lower.split(['_', '-', ' ']).map(str::to_owned));
    words
}

/// The words in front of what a parameter of these words takes.
fn cues_of(words: &[String]) -> Vec<&'static str> {
    CUES.iter()
        .filter(|(_, names)| words.iter().any(|word| names.contains(&word.as_str())))
        .flat_map(|(cues, _)| cues.iter().copied())
        .collect()
}

fn string(name: &str, schema: &Value, need: Need, sources: &mut Sources) -> Option<String> {
    let words = names_of(name);
    let has = |known: &[&str]| words.iter().any(|word| known.contains(&word.as_str()));
    let format = schema["format"].as_str().unwrap_or_default();
    let shaped: Option<fn(&Found) -> bool> = if format.starts_with("date") || has(&["dat", "date"])
    {
        Some(is_date)
    } else if format == "email" || has(&["email"]) {
        Some(|found| found.text.contains('@'))
    } else if format.starts_with("uri") || has(&["url", "link", "uri"]) {
        Some(|found| found.text.contains("://"))
    } else {
        None
    };
    let cues = cues_of(&words);
    let found = shaped
        .and_then(|fits| sources.take(fits))
        .or_else(|| sources.take(|found| found.kind != Kind::Number && is_announced(found, &words)))
        .or_else(|| {
            sources.take(|found| found.kind == Kind::Name && cues.contains(&found.before.as_str()))
        })
        .or_else(|| {
            (need == Need::Required)
                .then(|| sources.take(|found| found.kind == Kind::Quotation))
                .flatten()
        });
    let found = match (found, need) {
        (Some(text), _) => text,
        (None, Need::Optional) => return None,
        (None, Need::Required) if has(&["expression", "formula", "equation"]) => {
            arithmetic(sources.nearest())?
        }
        (None, Need::Required) if has(FREE_TEXT) => {
            let text = sources.nearest();
            text.trim().trim_end_matches(['.', '?', '!']).to_owned()
        }
        (None, Need::Required) => sources.take(|found| found.kind == Kind::Name)?,
    };
    Some(bounded(&found, schema))
}

fn is_date(found: &Found) -> bool {
    let digits = found.text.chars().filter(char::is_ascii_digit).count();
    let parts = found.text.split(['-', '/', '.']).count();
    const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let lower = found.text.to_lowercase();
    (digits >= 4 && parts == 3)
        || (lower.ends_with("day") && DAYS.iter().any(|day| lower.starts_with(day)))
}

/// The longest part of a text that looks like arithmetic.
fn arithmetic(text: &str) -> Option<String> {
    let is_part = |letter: char| letter.is_ascii_digit() || " +-*/^().%".contains(letter);
    text.split(|letter: char| !is_part(letter))
        .map(|part| part.trim().trim_end_matches('.'))
        .filter(|part| part.contains(|letter: char| letter.is_ascii_digit()))
        .max_by_key(|part| part.len())
        .map(str::to_owned)
}

/// What stands behind the last preposition of a text; the whole text without one.
fn tail(text: &str) -> &str {
    let text = text.trim().trim_end_matches(['.', '?', '!']);
    [
        " in ", " of ", " for ", " about ", " to ", " from ", " on ", " at ",
    ]
    .iter()
    .filter_map(|word| text.rfind(word).map(|at| &text[at + word.len()..]))
    .min_by_key(|rest| rest.len())
    .unwrap_or(text)
}

/// Cuts a text to the length that its schema allows.
fn bounded(text: &str, schema: &Value) -> String {
    let longest = schema["maxLength"]
        .as_u64()
        .and_then(|longest| usize::try_from(longest).ok())
        .unwrap_or(usize::MAX);
    text.chars().take(longest).collect()
}

#[cfg(test)]
#[path = "fill_tests.rs"]
mod tests;
