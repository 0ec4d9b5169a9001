//! JSON in a model's text, and the schemas that it must meet.

use std::sync::Arc;

use boon::{Compiler, Draft, SchemaIndex, Schemas, UrlLoader};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::measure::rubric::code::fences;
use crate::measure::rubric::evidence::Verdict;

/// So many values of one answer are tried: an answer holds one, and perhaps its drafts.
const TRIED: usize = 100;

/// A schema that compiles; it refers to nothing outside of itself.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct JsonSchema {
    source: Value,
    compiled: Arc<(Schemas, SchemaIndex)>,
}

/// Refuses: a schema that was read from elsewhere would not be the one that the run has stored.
struct NothingOutside;

impl UrlLoader for NothingOutside {
    fn load(&self, url: &str) -> Result<Value, Box<dyn std::error::Error>> {
        Err(format!("{url} is outside of the schema").into())
    }
}

impl JsonSchema {
    /// # Errors
    /// Why the value is no schema.
    pub fn new(source: Value) -> Result<Self, String> {
        const HERE: &str = "rubric:///schema.json";
        let mut schemas = Schemas::new();
        let mut compiler = Compiler::new();
        compiler.use_loader(Box::new(NothingOutside));
        compiler.set_default_draft(Draft::V2020_12);
        let wrong = |error: boon::CompileError| one_line(&format!("{error:#}"));
        compiler.add_resource(HERE, source.clone()).map_err(wrong)?;
        let compiled = compiler.compile(HERE, &mut schemas).map_err(wrong)?;
        let compiled = Arc::new((schemas, compiled));
        Ok(Self { source, compiled })
    }

    /// # Errors
    /// What the schema has against the value, in one line.
    pub fn accepts(&self, value: &Value) -> Result<(), String> {
        let (schemas, index) = &*self.compiled;
        schemas
            .validate(value, *index)
            .map_err(|error| one_line(&error.to_string()))
    }

    pub fn source(&self) -> &Value {
        &self.source
    }
}

/// The validator's message names the schema first, then one mistake a line.
fn one_line(message: &str) -> String {
    let lines: Vec<&str> = message.lines().map(str::trim).collect();
    let said = match lines.as_slice() {
        [one] => one.to_string(),
        [_, rest @ ..] => rest.join("; "),
        [] => String::new(),
    };
    said.chars().take(300).collect()
}

impl std::fmt::Debug for JsonSchema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("JsonSchema").field(&self.source).finish()
    }
}

impl PartialEq for JsonSchema {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl TryFrom<Value> for JsonSchema {
    type Error = String;

    fn try_from(source: Value) -> Result<Self, String> {
        Self::new(source)
    }
}

impl From<JsonSchema> for Value {
    fn from(schema: JsonSchema) -> Self {
        schema.source
    }
}

/// The JSON values of a text: the whole, those in fences, and those that begin anywhere with a
/// bracket, outermost first.
pub fn found(text: &str) -> Vec<Value> {
    let mut values = Vec::new();
    let whole = std::iter::once(text.trim());
    for candidate in whole.chain(fences(text).into_iter().map(|fence| fence.body)) {
        values.extend(serde_json::from_str::<Value>(candidate.trim()).ok());
    }
    let mut from = 0;
    let mut tried = 0;
    while tried < TRIED
        && let Some(at) = text[from..].find(['{', '['])
    {
        tried += 1;
        let start = from + at;
        let mut stream = serde_json::Deserializer::from_str(&text[start..]).into_iter::<Value>();
        match stream.next() {
            Some(Ok(value)) => {
                from = start + stream.byte_offset();
                values.push(value);
            }
            Some(Err(_)) | None => from = start + 1,
        }
    }
    values
}

/// Judges an answer by the JSON in it.
pub fn judge(schema: &JsonSchema, text: &str) -> Verdict {
    let values = found(text);
    let mut last = None;
    for value in &values {
        match schema.accepts(value) {
            Ok(()) => return Verdict::Passed,
            // Of several, the longest is the likeliest to be the answer.
            Err(why) => {
                let length = value.to_string().len();
                if last.as_ref().is_none_or(|(known, _)| length >= *known) {
                    last = Some((length, why));
                }
            }
        }
    }
    match last {
        Some((_, why)) => Verdict::lost(format!("the JSON does not meet the schema: {why}")),
        None => Verdict::lost("no JSON in the answer"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema() -> JsonSchema {
        JsonSchema::new(json!({
            "type": "object",
            "properties": { "total": { "const": 14 }, "items": { "type": "array" } },
            "required": ["total", "items"],
        }))
        .unwrap()
    }

    #[test]
    fn json_is_found_wherever_it_stands() {
        let right = r#"{"items": ["a", {"b": "}"}], "total": 14}"#;
        for text in [
            right.to_owned(),
            format!("```json\n{right}\n```"),
            format!("Here it is:\n\n```\n{right}\n```\nAs {{you}} see."),
            format!("Sure! {right} Hope that helps [1]."),
            format!("Draft: {{\"total\": 13, \"items\": []}}\nFinal: {right}"),
            format!("The set {{1, 2}} gives {right}"),
        ] {
            assert_eq!(judge(&schema(), &text), Verdict::Passed, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let because = |text: &str| judge(&schema(), text).because().unwrap().to_owned();
        assert_eq!(because("none"), "no JSON in the answer");
        assert_eq!(because("{'total': 14}"), "no JSON in the answer");
        let why = because(r#"{"total": 13, "items": []}"#);
        assert!(why.contains("/total") && why.contains("14"), "{why}");
        let why = because(r#"{"items": []}"#);
        assert!(why.contains("total"), "{why}");
    }

    #[test]
    fn a_schema_must_be_one_and_refers_to_nothing_outside() {
        for source in [
            json!({ "type": "nothing" }),
            json!(3),
            json!({ "$ref": "file:///etc/hostname" }),
            json!({ "$ref": "http://127.0.0.1/schema.json" }),
            json!({ "$ref": "other.json" }),
        ] {
            let error = JsonSchema::new(source.clone()).unwrap_err();
            assert!(!error.is_empty(), "{source}");
        }
    }

    #[test]
    fn hostile_texts_are_read_without_harm() {
        for text in [
            "[".repeat(100_000),
            "{\"a\":".repeat(20_000),
            "[\"".repeat(50_000),
        ] {
            assert_ne!(judge(&schema(), &text), Verdict::Passed);
        }
    }
}
