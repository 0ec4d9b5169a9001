//! How a model writes the tools that it calls: every format as text. Which tools, and what
//! becomes of the text, is not known here.

use serde_json::{Map, Value};

use crate::spec::imagined::ToolFormat;

/// A tool that the model calls.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    pub name: String,
    pub arguments: Map<String, Value>,
}

/// The form of a text that holds calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A JSON object with `name` and `arguments` between two tags, one for each call.
    Tagged(&'static str, &'static str),
    /// XML-like tags around every parameter.
    Parameters,
    /// Bare JSON objects with `name` and `parameters`.
    Objects,
    /// A marker, then a JSON list of objects with `name` and `arguments`.
    List(&'static str),
    /// A list of Python calls.
    Pythonic,
    /// DeepSeek's markers; the arguments in a fence of their own or bare.
    DeepSeek { fenced: bool },
    /// InternLM's markers, with room for one call.
    Plugin,
    /// What guided decoding makes of `required` where a parser has no grammar of its own: a
    /// JSON list of objects with `name` and `parameters`.
    Guided,
    /// What guided decoding makes of a named function there: its arguments alone.
    Arguments,
}

impl Form {
    /// The form that a model of this format knows; `None` if it calls no tools.
    pub fn of(format: ToolFormat) -> Option<Self> {
        Some(match format {
            ToolFormat::None => return None,
            ToolFormat::Hermes => Self::Tagged("<tool_call>", "</tool_call>"),
            ToolFormat::Qwen3Xml | ToolFormat::Qwen3Coder => Self::Parameters,
            ToolFormat::Llama3Json => Self::Objects,
            ToolFormat::Mistral => Self::List("[TOOL_CALLS]"),
            ToolFormat::Pythonic => Self::Pythonic,
            ToolFormat::DeepseekV3 => Self::DeepSeek { fenced: true },
            ToolFormat::DeepseekV31 => Self::DeepSeek { fenced: false },
            ToolFormat::Granite => Self::List("<|tool_call|>"),
            ToolFormat::Internlm => Self::Plugin,
            ToolFormat::Xlam => Self::List(""),
        })
    }

    /// Writes the calls, of which there is at least one.
    pub fn write(self, calls: &[Call]) -> String {
        match self {
            Self::Tagged(open, close) => each(calls, "\n", |call| {
                format!("{open}\n{}\n{close}", object(call, "arguments"))
            }),
            Self::Parameters => each(calls, "\n", |call| {
                let parameters: String = call
                    .arguments
                    .iter()
                    .map(|(name, value)| {
                        let text = value.as_str().map_or_else(|| json(value), str::to_owned);
                        format!("<parameter={name}>\n{text}\n</parameter>\n")
                    })
                    .collect();
                let name = &call.name;
                format!("<tool_call>\n<function={name}>\n{parameters}</function>\n</tool_call>")
            }),
            Self::Objects => each(calls, "; ", |call| object(call, "parameters")),
            Self::List(marker) => {
                let items = each(calls, ", ", |call| object(call, "arguments"));
                format!("{marker}[{items}]")
            }
            Self::Pythonic => {
                let items = each(calls, ", ", |call| {
                    let arguments: Vec<String> = call
                        .arguments
                        .iter()
                        .map(|(name, value)| format!("{name}={}", python(value)))
                        .collect();
                    format!("{}({})", call.name, arguments.join(", "))
                });
                format!("[{items}]")
            }
            Self::DeepSeek { fenced } => {
                let items = each(calls, "", |call| {
                    let arguments = json_object(&call.arguments);
                    let body = if fenced {
                        format!(
                            "function<｜tool▁sep｜>{}\n```json\n{arguments}\n```",
                            call.name
                        )
                    } else {
                        format!("{}<｜tool▁sep｜>{arguments}", call.name)
                    };
                    format!("<｜tool▁call▁begin｜>{body}<｜tool▁call▁end｜>")
                });
                format!("<｜tool▁calls▁begin｜>{items}<｜tool▁calls▁end｜>")
            }
            Self::Plugin => each(&calls[..1], "", |call| {
                let body = object(call, "parameters");
                format!("<|action_start|><|plugin|>{body}<|action_end|>")
            }),
            Self::Guided => format!("[{}]", each(calls, ", ", |call| object(call, "parameters"))),
            Self::Arguments => json_object(&calls[0].arguments),
        }
    }
}

fn each(calls: &[Call], between: &str, write: impl Fn(&Call) -> String) -> String {
    calls.iter().map(write).collect::<Vec<_>>().join(between)
}

fn object(call: &Call, key: &str) -> String {
    let name = Value::String(call.name.clone());
    format!(
        "{{\"name\": {name}, \"{key}\": {}}}",
        json_object(&call.arguments)
    )
}

/// JSON as Python's `json.dumps` writes it, which is what models have read in training: a space
/// after every comma and colon.
pub fn json(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(json).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(members) => json_object(members),
        scalar => scalar.to_string(),
    }
}

/// [`json`] of an object.
pub fn json_object(members: &Map<String, Value>) -> String {
    let members: Vec<String> = members
        .iter()
        .map(|(name, value)| format!("{}: {}", Value::String(name.clone()), json(value)))
        .collect();
    format!("{{{}}}", members.join(", "))
}

/// A Python literal; JSON's strings and numbers are Python's as well.
fn python(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(python).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(members) => {
            let members: Vec<String> = members
                .iter()
                .map(|(name, value)| format!("{}: {}", Value::String(name.clone()), python(value)))
                .collect();
            format!("{{{}}}", members.join(", "))
        }
        scalar => scalar.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_format_is_written_as_its_models_do() {
        let call = |name: &str, arguments: Value| Call {
            name: name.to_owned(),
            arguments: arguments.as_object().unwrap().clone(),
        };
        let calls = [
            call("f", json!({"a": "x\"y", "b": [1, true]})),
            call("g", json!({})),
        ];
        for (format, text) in [
            (
                ToolFormat::Hermes,
                "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"x\\\"y\", \"b\": [1, true]}}\n\
                 </tool_call>\n<tool_call>\n{\"name\": \"g\", \"arguments\": {}}\n</tool_call>",
            ),
            (
                ToolFormat::Qwen3Xml,
                "<tool_call>\n<function=f>\n<parameter=a>\nx\"y\n</parameter>\n<parameter=b>\n[1, true]\n\
                 </parameter>\n</function>\n</tool_call>\n<tool_call>\n<function=g>\n</function>\n</tool_call>",
            ),
            (
                ToolFormat::Llama3Json,
                "{\"name\": \"f\", \"parameters\": {\"a\": \"x\\\"y\", \"b\": [1, true]}}; \
                 {\"name\": \"g\", \"parameters\": {}}",
            ),
            (
                ToolFormat::Mistral,
                "[TOOL_CALLS][{\"name\": \"f\", \"arguments\": {\"a\": \"x\\\"y\", \"b\": [1, true]}}, \
                 {\"name\": \"g\", \"arguments\": {}}]",
            ),
            (ToolFormat::Pythonic, "[f(a=\"x\\\"y\", b=[1, True]), g()]"),
            (
                ToolFormat::DeepseekV3,
                "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n\
                 {\"a\": \"x\\\"y\", \"b\": [1, true]}\n```<｜tool▁call▁end｜><｜tool▁call▁begin｜>function\
                 <｜tool▁sep｜>g\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
            ),
            (
                ToolFormat::Internlm,
                "<|action_start|><|plugin|>{\"name\": \"f\", \"parameters\": {\"a\": \"x\\\"y\", \"b\": \
                 [1, true]}}<|action_end|>",
            ),
        ] {
            assert_eq!(Form::of(format).unwrap().write(&calls), text);
        }
        assert_eq!(Form::of(ToolFormat::None), None);
    }
}
