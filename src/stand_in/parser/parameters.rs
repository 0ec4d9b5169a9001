//! Qwen's parser: XML-like tags around a function and each of its parameters. The tags carry no
//! types, so the tools' schemas say what the values are.

use std::collections::HashMap;

use serde_json::{Number, Value};

use crate::stand_in::model::tool_call::json;
use crate::stand_in::parser::delta::{Delta, ToolReader, Whole, find_first, partial};

const CALL: &str = "<tool_call>";
const CALL_END: &str = "</tool_call>";
const FUNCTION: &str = "<function=";
const FUNCTION_END: &str = "</function>";
const THOUGHTS_END: &str = "</think>";
const PARAMETER: &str = "<parameter=";
const PARAMETER_END: &str = "</parameter>";

/// The types that a parameter may have; none known means that it is a string.
type Types = Vec<String>;

/// Reads calls between Qwen's tags.
pub struct ParameterCalls {
    /// For each function, the types of its parameters.
    schemas: HashMap<String, HashMap<String, Types>>,
    state: State,
    buffer: String,
    calls: usize,
    function: String,
    /// The function's name goes out with the text behind it.
    unnamed: bool,
    parameters: usize,
    key: String,
    value: String,
    /// How much of the value is out already.
    sent: Option<usize>,
    /// JSON that goes out with what follows it.
    unsent: String,
    /// Blanks in front of everything else, which are nothing if a call follows.
    blanks: Option<String>,
    thoughts: Thoughts,
}

/// Whether a reasoning parser reads as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thoughts {
    /// One of the same make does: an end of thoughts that it has left is dropped.
    Parsed,
    /// One of another make does: the same, and a whole text without calls stays as it was.
    ParsedElsewhere,
    /// Marks of thoughts are text.
    Text,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Text,
    /// Behind `<tool_call>`; what is no function here is dropped.
    Preamble,
    Name,
    Between,
    Key,
    Value,
    /// Behind a function.
    Behind,
}

impl ParameterCalls {
    /// `tools` as the request has them.
    pub fn new(tools: &[Value], thoughts: Thoughts) -> Self {
        let schemas = tools
            .iter()
            .filter_map(|tool| {
                let function = &tool["function"];
                let properties = function["parameters"]["properties"].as_object();
                let types = properties
                    .into_iter()
                    .flatten()
                    .map(|(name, schema)| (name.clone(), types_of(schema)))
                    .collect();
                Some((function["name"].as_str()?.to_owned(), types))
            })
            .collect();
        Self {
            schemas,
            state: State::Text,
            buffer: String::new(),
            calls: 0,
            function: String::new(),
            unnamed: false,
            parameters: 0,
            key: String::new(),
            value: String::new(),
            sent: None,
            unsent: String::new(),
            blanks: Some(String::new()),
            thoughts,
        }
    }

    /// Takes the buffer up to the first of some markers, or as much as is certainly none.
    fn take(&mut self, markers: &[&'static str]) -> (String, Option<&'static str>) {
        match find_first(&self.buffer, markers) {
            Some((at, marker)) => {
                let before = self.buffer[..at].to_owned();
                self.buffer.drain(..at + marker.len());
                (before, Some(marker))
            }
            None => {
                let end = self.buffer.len() - partial(&self.buffer, markers);
                (self.buffer.drain(..end).collect(), None)
            }
        }
    }

    fn say(&mut self, text: &str, delta: &mut Delta) {
        if text.is_empty() {
            return;
        }
        match &mut self.blanks {
            Some(blanks) if text.trim().is_empty() => {
                if self.calls == 0 {
                    blanks.push_str(text);
                }
            }
            Some(blanks) => {
                delta.say(&(std::mem::take(blanks) + text));
                self.blanks = None;
            }
            None => delta.say(text),
        }
    }

    /// One step; false when more text is needed.
    fn step(&mut self, delta: &mut Delta) -> bool {
        match self.state {
            State::Text => {
                let (text, marker) = match self.thoughts {
                    Thoughts::Parsed | Thoughts::ParsedElsewhere => {
                        self.take(&[CALL, FUNCTION, THOUGHTS_END])
                    }
                    Thoughts::Text => self.take(&[CALL, FUNCTION]),
                };
                self.say(&text, delta);
                match marker {
                    Some(THOUGHTS_END) => {}
                    Some(CALL) => self.state = State::Preamble,
                    Some(_) => self.begin(),
                    None => return false,
                }
                true
            }
            State::Preamble => match self.take(&[FUNCTION, CALL_END]).1 {
                Some(FUNCTION) => {
                    self.begin();
                    true
                }
                Some(_) => {
                    self.state = State::Text;
                    true
                }
                None => false,
            },
            State::Name => {
                let (name, marker) = self.take(&[">"]);
                self.function.push_str(&name);
                if marker.is_some() {
                    self.state = State::Between;
                    self.unnamed = true;
                }
                marker.is_some()
            }
            State::Between => {
                if self.buffer.is_empty() {
                    return false;
                }
                self.announce(delta);
                match self.take(&[PARAMETER, FUNCTION_END]).1 {
                    Some(PARAMETER) => {
                        self.key.clear();
                        self.state = State::Key;
                        true
                    }
                    Some(_) => {
                        self.finish(delta);
                        true
                    }
                    None => false,
                }
            }
            State::Key => {
                let (key, marker) = self.take(&[">"]);
                self.key.push_str(&key);
                if marker.is_some() {
                    self.open(delta);
                }
                marker.is_some()
            }
            State::Value => {
                let (text, marker) = self.take(&[PARAMETER_END, PARAMETER, FUNCTION_END]);
                self.value.push_str(&text);
                if marker.is_some() {
                    self.close(delta);
                } else {
                    self.stream(delta);
                }
                match marker {
                    Some(PARAMETER) => {
                        self.key.clear();
                        self.state = State::Key;
                    }
                    Some(FUNCTION_END) => self.finish(delta),
                    Some(_) => self.state = State::Between,
                    None => return false,
                }
                true
            }
            State::Behind => match self.take(&[CALL_END, CALL, FUNCTION]).1 {
                Some(CALL_END) => {
                    self.state = State::Text;
                    true
                }
                Some(CALL) => {
                    self.state = State::Preamble;
                    true
                }
                Some(_) => {
                    self.begin();
                    true
                }
                None => false,
            },
        }
    }

    fn begin(&mut self) {
        self.state = State::Name;
        self.function.clear();
        self.parameters = 0;
        self.unsent.clear();
    }

    fn announce(&mut self, delta: &mut Delta) {
        if std::mem::take(&mut self.unnamed) {
            delta.name(self.calls, &self.function);
        }
    }

    /// Begins a parameter.
    fn open(&mut self, delta: &mut Delta) {
        self.state = State::Value;
        self.value.clear();
        let start = if self.parameters == 0 { "{" } else { ", " };
        let key = Value::String(self.key.clone());
        self.unsent.push_str(&format!("{start}{key}: "));
        self.parameters += 1;
        self.sent = self.is_string().then_some(0);
        if self.sent.is_some() {
            self.unsent.push('"');
        }
        let unsent = std::mem::take(&mut self.unsent);
        delta.arguments(self.calls, &unsent);
    }

    /// The value can only be a string, and may go out as it comes.
    fn is_string(&self) -> bool {
        match self.schemas.get(&self.function) {
            None => true,
            Some(properties) if properties.is_empty() => true,
            Some(properties) => properties
                .get(&self.key)
                .is_some_and(|types| types.iter().all(|kind| kind == "string")),
        }
    }

    /// Sends what is certain of a string.
    fn stream(&mut self, delta: &mut Delta) {
        let Some(sent) = self.sent else { return };
        // One line break at either end belongs to the tags.
        let start = usize::from(self.value.starts_with('\n'));
        let end = self.value.strip_suffix('\n').unwrap_or(&self.value).len();
        let from = sent.max(start);
        if from < end {
            delta.arguments(self.calls, &inside(&self.value[from..end]));
            self.sent = Some(end);
        }
    }

    /// Ends a parameter.
    fn close(&mut self, delta: &mut Delta) {
        self.stream(delta);
        if self.sent.is_some() {
            self.unsent.push('"');
            return;
        }
        let text = self.value.strip_prefix('\n').unwrap_or(&self.value);
        let text = text.strip_suffix('\n').unwrap_or(text);
        let types = self
            .schemas
            .get(&self.function)
            .and_then(|properties| properties.get(&self.key));
        let value = types.map_or_else(
            || Value::String(text.to_owned()),
            |types| typed(text, types),
        );
        self.unsent.push_str(&json(&value));
    }

    /// Ends a function.
    fn finish(&mut self, delta: &mut Delta) {
        self.announce(delta);
        self.unsent
            .push_str(if self.parameters == 0 { "{}" } else { "}" });
        let unsent = std::mem::take(&mut self.unsent);
        delta.arguments(self.calls, &unsent);
        self.calls += 1;
        self.state = State::Behind;
    }
}

impl ToolReader for ParameterCalls {
    fn read(&mut self, text: &str, delta: &mut Delta) {
        self.buffer.push_str(text);
        while self.step(delta) {}
    }

    fn end(&mut self, delta: &mut Delta) {
        match self.state {
            State::Text => {
                let rest = std::mem::take(&mut self.buffer);
                self.say(&rest, delta);
                if let Some(blanks) = self.blanks.take()
                    && self.calls == 0
                {
                    delta.say_some(&blanks);
                }
            }
            // A call that is cut off ends here.
            State::Value => {
                let rest = std::mem::take(&mut self.buffer);
                self.value.push_str(&rest);
                self.close(delta);
                self.finish(delta);
            }
            State::Between | State::Key => self.finish(delta),
            State::Preamble | State::Name | State::Behind => {}
        }
    }

    fn whole(&mut self, text: &str) -> Whole {
        let mut all = Delta::default();
        self.read(text, &mut all);
        self.end(&mut all);
        let calls: Vec<(String, String)> = all
            .calls
            .into_iter()
            .filter_map(|call| Some((call.name?, call.arguments.unwrap_or_default())))
            .collect();
        if calls.is_empty() && self.thoughts == Thoughts::ParsedElsewhere {
            return Whole::untouched(text);
        }
        let content = all.content.map(|content| {
            if calls.is_empty() {
                content
            } else {
                content.trim().to_owned()
            }
        });
        Whole {
            content: content.filter(|content| !content.is_empty()),
            calls,
        }
    }
}

/// A text as it stands inside a JSON string.
pub fn inside(text: &str) -> String {
    let quoted = Value::String(text.to_owned()).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

fn types_of(schema: &Value) -> Types {
    let mut types: Types = match &schema["type"] {
        Value::String(kind) => vec![kind.clone()],
        Value::Array(kinds) => kinds
            .iter()
            .filter_map(|kind| kind.as_str().map(str::to_owned))
            .collect(),
        _ => Vec::new(),
    };
    for value in schema["enum"].as_array().into_iter().flatten() {
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        types.push(kind.to_owned());
    }
    for key in ["anyOf", "oneOf", "allOf"] {
        for choice in schema[key].as_array().into_iter().flatten() {
            types.extend(types_of(choice));
        }
    }
    if types.is_empty() {
        types.push("string".to_owned());
    }
    types
}

/// What a text is, as the first of its types that it fits; else a string.
fn typed(text: &str, types: &[String]) -> Value {
    let may_be = |kind: &str| types.iter().any(|known| known == kind);
    let lower = text.trim().to_lowercase();
    if may_be("null") && text.to_lowercase() == "null" {
        return Value::Null;
    }
    if may_be("integer")
        && let Ok(number) = text.trim().parse::<i64>()
    {
        return Value::from(number);
    }
    if may_be("number")
        && let Some(number) = text
            .trim()
            .parse::<f64>()
            .ok()
            .filter(|number| number.is_finite())
    {
        let whole = format!("{number:.0}").parse::<i64>().ok();
        return match whole.filter(|_| number.fract() == 0.0) {
            Some(whole) => Value::from(whole),
            None => Number::from_f64(number).map_or(Value::Null, Value::Number),
        };
    }
    if may_be("boolean") && matches!(lower.as_str(), "true" | "1" | "false" | "0") {
        return Value::Bool(matches!(lower.as_str(), "true" | "1"));
    }
    if (may_be("object") || may_be("array"))
        && let Ok(value) = serde_json::from_str::<Value>(text)
    {
        return value;
    }
    Value::String(text.to_owned())
}
