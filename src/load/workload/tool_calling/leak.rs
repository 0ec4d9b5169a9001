//! Tool calls that stand in the text of an answer, where no parser has found them: in which
//! format they are.
//!
//! Pure. A text counts when it carries the marks of a format with what belongs behind them, or
//! when it names a tool that was declared in the form of a call: prose, and code that merely
//! shows JSON, do not.

use serde_json::{Deserializer, Value};

use crate::measure::kind::tool_calling::format::CallFormat;

/// Most of a text that is looked at, in bytes: calls stand at the front of an answer or behind a
/// few sentences.
const SEARCHED_BYTES: usize = 1 << 16;

/// Most places of a text at which a bare call is looked for.
const PLACES: usize = 64;

/// A call that stands in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leak {
    pub format: CallFormat,
    /// The functions that it names, as far as they can be read.
    pub names: Vec<String>,
}

/// Finds the call in the text of an answer, if there is one. `tools` are the names of those
/// that were declared.
pub fn find(text: &str, tools: &[&str]) -> Option<Leak> {
    let text = front(text);
    marked(text).or_else(|| bare(text, tools))
}

fn front(text: &str) -> &str {
    let mut end = text.len().min(SEARCHED_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

// ---------------------------------------------------------------- marked

/// What opens a call, and what must stand behind it.
type Mark = (&'static str, fn(&str) -> Option<Leak>);

/// In order: where one mark is part of another text, the longer one comes first.
const MARKS: &[Mark] = &[
    ("<seed:tool_call>", |rest| {
        rest.starts_with("<function=")
            .then(|| leak(CallFormat::SeedOss, tag_names(rest, "<function=", '>')))
    }),
    ("<minimax:tool_call>", |rest| {
        rest.starts_with("<invoke ").then(|| {
            leak(
                CallFormat::MinimaxM2,
                tag_names(rest, "<invoke name=\"", '"'),
            )
        })
    }),
    ("<longcat_tool_call>", |rest| {
        json_behind(CallFormat::Longcat, rest)
    }),
    ("<tool_calls>", |rest| {
        json_behind(CallFormat::TaggedList, rest)
    }),
    ("<tool_call>", |rest| {
        if rest.starts_with("<function=") {
            return Some(leak(
                CallFormat::QwenXml,
                tag_names(rest, "<function=", '>'),
            ));
        }
        match rest.chars().next()? {
            '{' => json_behind(CallFormat::Hermes, rest),
            '[' => json_behind(CallFormat::Granite, rest),
            _ => glm(rest),
        }
    }),
    ("[TOOL_CALLS]", |rest| {
        json_behind(CallFormat::Mistral, rest).or_else(|| mistral_named(rest))
    }),
    ("<｜tool▁call▁begin｜>", |rest| {
        let (before, behind) = rest.split_once("<｜tool▁sep｜>")?;
        Some(match before {
            "function" => leak(CallFormat::DeepseekV3, [identifier(behind)]),
            name => leak(CallFormat::DeepseekV31, [identifier(name)]),
        })
    }),
    ("<|tool_calls_section_begin|>", |rest| {
        let name = rest.strip_prefix("<|tool_call_begin|>")?.trim_start();
        let name = name.strip_prefix("functions.").unwrap_or(name);
        Some(leak(CallFormat::KimiK2, [identifier(name)]))
    }),
    ("<|tool_call_start|>", |rest| {
        let names = python_calls(rest)?.names;
        Some(leak(CallFormat::Lfm2, names.iter().map(String::as_str)))
    }),
    ("<|tool_call|>", |rest| {
        json_behind(CallFormat::Granite, rest)
    }),
    ("<|action_start|>", |rest| {
        json_behind(
            CallFormat::Internlm,
            rest.strip_prefix("<|plugin|>")?.trim_start(),
        )
    }),
    ("functools", |rest| {
        json_behind(CallFormat::Phi4Mini, rest).filter(|_| rest.starts_with('['))
    }),
    // A parser that takes `<tool_call>` for its own may leave the rest of Qwen's form.
    ("<function=", |rest| {
        let (name, body) = rest.split_once('>')?;
        let (body, name) = (body.trim_start(), identifier(name));
        let is_qwen = body.starts_with("<parameter=") || body.starts_with("</function>");
        if is_qwen {
            return Some(leak(CallFormat::QwenXml, [name]));
        }
        // Llama writes this where its prompt shows it, and no parser reads it.
        body.starts_with('{')
            .then(|| leak(CallFormat::Other, [name]))
    }),
];

/// The first mark that stands where its call does.
fn marked(text: &str) -> Option<Leak> {
    MARKS.iter().find_map(|(mark, behind)| {
        text.match_indices(mark)
            .take(PLACES)
            .find_map(|(at, _)| behind(text[at + mark.len()..].trim_start()))
    })
}

fn leak<'a>(format: CallFormat, names: impl IntoIterator<Item = &'a str>) -> Leak {
    let mut leak = Leak {
        format,
        names: Vec::new(),
    };
    for name in names {
        if !name.is_empty() && !leak.names.iter().any(|known| known == name) {
            leak.names.push(name.to_owned());
        }
    }
    leak
}

/// A call as JSON, whole or cut: behind a mark its beginning is enough.
fn json_behind(format: CallFormat, text: &str) -> Option<Leak> {
    if let Some(calls) = json_calls(text) {
        return Some(leak(format, calls.names.iter().map(String::as_str)));
    }
    let object = text.strip_prefix('[').unwrap_or(text).trim_start();
    let inside = object.strip_prefix('{')?.trim_start();
    [
        "\"name\"",
        "\"arguments\"",
        "\"parameters\"",
        "\"type\"",
        "name",
        "'name'",
    ]
    .iter()
    .any(|key| inside.starts_with(key))
    .then(|| leak(format, name_of_cut(inside)))
}

/// The name in an object that is not whole.
fn name_of_cut(inside: &str) -> Option<&str> {
    let (_, behind) = inside.split_once("\"name\"")?;
    let behind = behind.trim_start().strip_prefix(':')?.trim_start();
    Some(identifier(behind.strip_prefix('"')?))
}

/// `[TOOL_CALLS]NAME{..}` and `[TOOL_CALLS]NAME[ARGS]{..}`, as newer models write it.
fn mistral_named(text: &str) -> Option<Leak> {
    let name = identifier(text);
    let behind = text[name.len()..].trim_start();
    let behind = behind.strip_prefix("[ARGS]").unwrap_or(behind);
    (!name.is_empty() && behind.trim_start().starts_with('{'))
        .then(|| leak(CallFormat::Mistral, [name]))
}

fn glm(text: &str) -> Option<Leak> {
    let name = identifier(text);
    let behind = text[name.len()..].trim_start();
    let is_call = behind.starts_with("<arg_key>") || behind.starts_with("</tool_call>");
    (!name.is_empty() && is_call).then(|| leak(CallFormat::Glm, [name]))
}

/// What stands behind each opening up to its end.
fn tag_names<'a>(text: &'a str, open: &'static str, close: char) -> impl Iterator<Item = &'a str> {
    text.match_indices(open).take(PLACES).map(move |(at, _)| {
        let behind = &text[at + open.len()..];
        identifier(behind.split(close).next().unwrap_or(behind))
    })
}

/// The name at the front of a text; empty when there is none.
fn identifier(text: &str) -> &str {
    let end = text
        .find(|letter: char| !(letter.is_alphanumeric() || "_-.".contains(letter)))
        .unwrap_or(text.len());
    &text[..end]
}

// ---------------------------------------------------------------- bare

/// Calls at the front of a text.
struct Calls {
    names: Vec<String>,
    format: CallFormat,
    /// Bytes that they take.
    length: usize,
}

impl Calls {
    /// As a leak, if every function that they name was declared.
    fn declared(self, tools: &[&str]) -> Option<Leak> {
        let all = self.names.iter().all(|name| tools.contains(&name.as_str()));
        (all && !self.names.is_empty())
            .then(|| leak(self.format, self.names.iter().map(String::as_str)))
    }
}

/// A call without marks: it begins a line, or ends the text.
fn bare(text: &str, tools: &[&str]) -> Option<Leak> {
    let mut behind = 0;
    for (at, _) in text.match_indices(['{', '[']).take(PLACES) {
        if at < behind {
            continue;
        }
        let rest = &text[at..];
        let Some(calls) = json_calls(rest).or_else(|| python_calls(rest)) else {
            if let Some(leak) = cut_call(&text[..at], rest, tools) {
                return Some(leak);
            }
            continue;
        };
        behind = at + calls.length;
        let rest = text[behind..].trim_start();
        if !(begins_line(&text[..at]) || rest.is_empty()) {
            continue;
        }
        if let Some(mut leak) = calls.declared(tools) {
            // A parser may have taken the opening tag for its own.
            if rest.starts_with("</tool_call>") {
                leak.format = CallFormat::Hermes;
            }
            return Some(leak);
        }
    }
    let whole = text.trim();
    let name = identifier(whole);
    let is_call = whole[name.len()..].starts_with('(') && whole.ends_with(')');
    (is_call && tools.contains(&name)).then(|| leak(CallFormat::Other, [name]))
}

fn begins_line(before: &str) -> bool {
    let line = before.rsplit('\n').next().unwrap_or(before).trim();
    line.is_empty() || line == "<|python_tag|>"
}

/// A bare call that `max_tokens` has cut.
fn cut_call(before: &str, rest: &str, tools: &[&str]) -> Option<Leak> {
    let inside = rest.strip_prefix('{')?.trim_start();
    if !begins_line(before) || !inside.starts_with("\"name\"") {
        return None;
    }
    let name = name_of_cut(inside)?;
    let has_arguments = inside.contains("\"parameters\"") || inside.contains("\"arguments\"");
    (has_arguments && tools.contains(&name)).then(|| leak(CallFormat::LlamaJson, [name]))
}

/// Reads calls that are written as JSON: one object, several with semicolons between them, or a
/// list.
fn json_calls(text: &str) -> Option<Calls> {
    let mut values = Deserializer::from_str(text).into_iter::<Value>();
    let first = values.next()?.ok()?;
    let length = values.byte_offset();
    let (name, format) = match &first {
        Value::Array(items) => {
            let names: Option<Vec<String>> = items
                .iter()
                .map(|item| call_name(item).map(|(name, _)| name.to_owned()))
                .collect();
            let names = names.filter(|names| !names.is_empty())?;
            let format = CallFormat::JsonList;
            return Some(Calls {
                names,
                format,
                length,
            });
        }
        value => call_name(value)?,
    };
    let mut calls = Calls {
        names: vec![name.to_owned()],
        format,
        length,
    };
    let behind = text[length..].trim_start();
    if let Some(next) = behind.strip_prefix(';')
        && let Some(more) = json_calls(next.trim_start())
        && more.format == format
    {
        calls.length = text.len() - next.trim_start().len() + more.length;
        calls.names.extend(more.names);
    }
    Some(calls)
}

/// The function that an object calls.
fn call_name(value: &Value) -> Option<(&str, CallFormat)> {
    let has_arguments = |object: &Value| {
        let arguments = object.get("arguments").or_else(|| object.get("parameters"));
        arguments.is_some_and(|arguments| arguments.is_object() || arguments.is_string())
    };
    if let Some(name) = value.get("name").and_then(Value::as_str) {
        return has_arguments(value).then_some((name, CallFormat::LlamaJson));
    }
    // As the API writes calls, which models have seen as well; no parser reads it.
    let function = value.get("function")?;
    let name = function.get("name")?.as_str()?;
    has_arguments(function).then_some((name, CallFormat::Other))
}

/// Reads `[NAME(KEY=VALUE), ..]`, whole or cut.
fn python_calls(text: &str) -> Option<Calls> {
    let mut rest = text.strip_prefix('[')?;
    let mut names = Vec::new();
    loop {
        rest = rest.trim_start();
        let name = identifier(rest);
        let arguments = rest[name.len()..].strip_prefix('(')?;
        if name.is_empty() || !looks_like_arguments(arguments) {
            return None;
        }
        names.push(name.to_owned());
        let Some(end) = end_of_parentheses(arguments) else {
            rest = "";
            break;
        };
        rest = arguments[end..].trim_start();
        if let Some(next) = rest.strip_prefix(',') {
            rest = next;
        } else if let Some(next) = rest.strip_prefix(']') {
            rest = next;
            break;
        } else if rest.is_empty() {
            break;
        } else {
            return None;
        }
    }
    Some(Calls {
        names,
        format: CallFormat::Pythonic,
        length: text.len() - rest.len(),
    })
}

/// Nothing, or `KEY=` in front of a value.
fn looks_like_arguments(text: &str) -> bool {
    let text = text.trim_start();
    let key = identifier(text);
    let behind = text[key.len()..].trim_start();
    text.is_empty()
        || text.starts_with(')')
        || (!key.is_empty() && behind.starts_with('=') && !behind.starts_with("=="))
}

/// Where the parenthesis closes that is open at the front; texts in quotes count for nothing.
fn end_of_parentheses(text: &str) -> Option<usize> {
    let (mut depth, mut quote, mut escaped) = (1_usize, None, false);
    for (at, letter) in text.char_indices() {
        match (quote, letter) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), letter) if letter == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(letter),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + letter.len_utf8());
                }
            }
            (None, _) => {}
        }
    }
    None
}

#[cfg(test)]
mod tests;
