//! Texts of every format through every parser, against what the parsers of vLLM 0.32 made of
//! them, token by token and whole.

use super::*;
use crate::stand_in::command::arguments::Arguments;
use crate::stand_in::command::settings::Settings;
use crate::stand_in::http::request::Reader;
use crate::stand_in::model::tokens::{MESSAGE_END, encode};

const REAL: &str = include_str!("../../../tests/data/vllm/tool-parsers.json");

fn tools() -> Value {
    json!([
        {"type": "function", "function": {"name": "get_weather", "description": "d", "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "days": {"type": "integer"},
                "tags": {"type": "array", "items": {"type": "string"}},
                "deep": {"type": "object", "properties": {"a": {"type": "number"}}},
                "on": {"type": "boolean"},
            },
            "required": ["city"],
        }}},
        {"type": "function", "function": {
            "name": "now", "description": "d", "parameters": {"type": "object", "properties": {}},
        }},
    ])
}

/// A question to an engine with these flags, whose answer is this text.
fn question(flags: &str, extra: &Value, text: &str, ends: bool) -> Question {
    let words: Vec<String> = format!("m {flags}")
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    let settings = Settings::resolve(&Arguments::parse(&words).unwrap(), None).unwrap();
    let mut body = json!({"messages": [{"role": "user", "content": "x"}], "tools": tools()});
    for (name, value) in extra.as_object().unwrap() {
        body[name] = value.clone();
    }
    let reader = Reader::new(&settings, 8192);
    let mut question = reader.chat(body.to_string().as_bytes()).unwrap();
    let mut tokens = encode(text);
    if ends {
        tokens.push(MESSAGE_END);
    }
    question.asks[0].answer.tokens = tokens;
    question
}

fn pieces(question: &Question) -> Vec<Said> {
    let answer = &question.asks[0].answer;
    let ends = answer.tokens.last() == Some(&MESSAGE_END);
    let last = answer.tokens.len() - 1;
    answer
        .tokens
        .iter()
        .enumerate()
        .map(|(place, token)| Said {
            token: *token,
            cached_tokens: 0,
            finish: (place == last).then_some(if ends { Finish::Stop } else { Finish::Length }),
        })
        .collect()
}

fn choice(question: &Question) -> Choice {
    Choice::new(question, 0, Shape::Chat, Some("reasoning"))
}

/// The deltas of all tokens, with ids that can be compared; null where nothing is sent.
fn streamed(question: &Question) -> Vec<Value> {
    let mut choice = choice(question);
    pieces(question)
        .into_iter()
        .map(|said| {
            let mut delta = choice
                .piece(said)
                .map_or(Value::Null, |mut piece| piece["delta"].take());
            let calls = delta.get_mut("tool_calls").and_then(Value::as_array_mut);
            for call in calls.into_iter().flatten() {
                if call.get("id").is_some_and(Value::is_string) {
                    call["id"] = json!("ID");
                }
            }
            delta
        })
        .collect()
}

/// What a stream says in all: its content, and name and arguments of each call.
fn summed_up(deltas: &[Value]) -> (String, Vec<(String, String)>) {
    let mut content = String::new();
    let mut calls: Vec<(String, String)> = Vec::new();
    for delta in deltas {
        content.push_str(delta["content"].as_str().unwrap_or_default());
        for call in delta["tool_calls"].as_array().into_iter().flatten() {
            let place = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
            calls.resize(calls.len().max(place + 1), Default::default());
            let function = &call["function"];
            calls[place]
                .0
                .push_str(function["name"].as_str().unwrap_or_default());
            calls[place]
                .1
                .push_str(function["arguments"].as_str().unwrap_or_default());
        }
    }
    (content, calls)
}

/// The flags that set a row's parsers.
fn flags_of(row: &Value) -> String {
    let mut flags = String::new();
    if let Some(parser) = row["parser"].as_str() {
        flags.push_str(&format!(
            "--enable-auto-tool-choice --tool-call-parser {parser} "
        ));
    }
    if let Some(parser) = row["reasoning_parser"].as_str() {
        flags.push_str(&format!("--reasoning-parser {parser}"));
    }
    flags
}

#[test]
fn every_parser_makes_of_a_text_what_vllm_makes_of_it() {
    let rows: Vec<Value> = serde_json::from_str(REAL).unwrap();
    let mut wrong = Vec::new();
    for row in &rows {
        let mut extra = json!({"chat_template_kwargs": row["kwargs"]});
        if row["parser"].is_null() {
            extra["tools"] = Value::Null;
        }
        let text = row["text"].as_str().unwrap();
        let question = question(&flags_of(row), &extra, text, row["ends"].as_bool().unwrap());
        let mut whole = choice(&question);
        let message = whole.whole(&pieces(&question))["message"].take();
        let calls = message.get("tool_calls").and_then(Value::as_array);
        let calls: Vec<Value> = calls
            .into_iter()
            .flatten()
            .map(|call| json!([call["function"]["name"], call["function"]["arguments"]]))
            .collect();
        let deltas = streamed(&question);
        let (content, streamed_calls) = summed_up(&deltas);
        let reasoning: String = deltas
            .iter()
            .filter_map(|delta| delta["reasoning"].as_str())
            .collect();
        let mut got = json!({
            "content": message["content"],
            "calls": calls,
            "streamed_content": content,
            "streamed_calls": streamed_calls,
        });
        if row["reasoning_parser"].is_string() {
            got["reasoning"] = message["reasoning"].clone();
            got["reasoning_tokens"] = json!(whole.reasoning_tokens());
            got["streamed_reasoning"] = json!(reasoning);
        }
        if let Some(mut wanted) = row["deltas"].as_array().cloned() {
            // The end is told even where nothing is said.
            if let Some(last) = wanted.last_mut().filter(|last| last.is_null()) {
                *last = json!({});
            }
            let differs = wanted
                .iter()
                .zip(&deltas)
                .position(|(want, got)| want != got);
            if let Some(place) = differs {
                let (want, got) = (&wanted[place], &deltas[place]);
                wrong.push(format!("{} {place}: {got}, not {want}", row["case"]));
            }
        }
        for (name, value) in got.as_object().unwrap() {
            if *value != row[name] {
                wrong.push(format!(
                    "{} {name}: {value}, not {}",
                    row["case"], row[name]
                ));
            }
        }
        if let Some(last) = wrong.last_mut().filter(|last| !last.contains(" through ")) {
            last.push_str(&format!(
                " through {} {}",
                row["parser"], row["reasoning_parser"]
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
