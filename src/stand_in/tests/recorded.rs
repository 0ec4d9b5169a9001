//! What real vLLM answered to some two hundred requests, and the stand-in to the same: equal in
//! status, headers, names, order and types of fields, events of streams and whole error bodies.
//!
//! `docs/validation/compare_engines.py --record` wrote the answers, and compares two living
//! engines in the same way.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use reqwest::redirect::Policy;
use reqwest::{Client, Method};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{KEY, Running};

/// The flags with which the answers were recorded; the block size is that of vLLM on a CPU.
const FLAGS: &str = "--max-model-len 4096 --block-size 128 --enable-prompt-tokens-details \
                     --enable-auto-tool-choice --tool-call-parser hermes";

/// Fields whose values count, not only their types.
const TELLING: &[&str] = &[
    "object",
    "role",
    "finish_reason",
    "type",
    "owned_by",
    "model",
    "index",
    "code",
    "param",
    "message",
    "error",
    "detail",
    "server_load",
    "success",
    "max_model_len",
    "organization",
    "version",
    "name",
];

/// Cases that may differ, by their beginning.
const DIFFERENT: &[&str] = &[
    // Fewer words are made of all the forms that a message can miss.
    r#"400 messages [{"content": "x"}]"#,
    r#"400 messages [{"role": "user", "content": 3}]"#,
    // The number of tokens that there are is told.
    "400 completion logprobs -1",
];

/// One request, and what vLLM answered.
#[derive(Debug, Deserialize)]
struct Exchange {
    case: String,
    method: String,
    path: String,
    key: String,
    headers: BTreeMap<String, String>,
    request: Option<String>,
    status: u16,
    answer_headers: BTreeMap<String, String>,
    body: String,
}

fn exchanges() -> Vec<Exchange> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/vllm/http/exchanges.jsonl");
    fs::read_to_string(path)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

async fn repeat(engine: &Running, client: &Client, exchange: &Exchange) -> Exchange {
    let method: Method = exchange.method.parse().unwrap();
    let mut request = client.request(method, format!("{}{}", engine.url, exchange.path));
    for (name, value) in &exchange.headers {
        request = request.header(name, value);
    }
    request = match exchange.key.as_str() {
        "right" => request.bearer_auth(KEY),
        "small" => request.header("authorization", format!("bearer {KEY}")),
        "wrong" => request.bearer_auth(format!("{KEY}x")),
        "basic" => request.header("authorization", format!("Basic {KEY}")),
        "none" => request,
        other => panic!("no key is called {other}"),
    };
    if let Some(body) = &exchange.request {
        request = request.body(body.clone());
    }
    let response = request.send().await.unwrap();
    Exchange {
        case: exchange.case.clone(),
        method: String::new(),
        path: String::new(),
        key: String::new(),
        headers: BTreeMap::new(),
        request: None,
        status: response.status().as_u16(),
        answer_headers: response
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect(),
        body: response.text().await.unwrap(),
    }
}

/// What of an answer must be equal, as lines that can be compared and read.
fn shape(answer: &Exchange) -> Vec<String> {
    let mut lines = vec![format!("status {}", answer.status)];
    for (name, value) in &answer.answer_headers {
        lines.push(match name.as_str() {
            "date" | "content-length" => name.clone(),
            "location" => {
                let behind = value.splitn(4, '/').nth(3).unwrap_or_default();
                format!("{name}: {behind}")
            }
            _ => format!("{name}: {value}"),
        });
    }
    // The path is that of the request, and not known here: the answer tells what it is.
    let in_cache_case = answer.case.starts_with("cache");
    let streamed = answer
        .answer_headers
        .get("content-type")
        .is_some_and(|kind| kind.starts_with("text/event-stream"));
    if streamed {
        lines.extend(events(&answer.body, in_cache_case));
    } else if let Ok(body) = serde_json::from_str::<Value>(&answer.body) {
        lines.push(masked("", &body, in_cache_case).to_string());
    } else {
        lines.push(answer.body.clone());
    }
    lines
}

/// The events of each choice in their order, then those of no choice.
fn events(text: &str, in_cache_case: bool) -> Vec<String> {
    let mut found: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for event in text.split("\n\n").filter(|event| !event.is_empty()) {
        let data = event.strip_prefix("data: ").unwrap();
        let Ok(chunk) = serde_json::from_str::<Value>(data) else {
            found.entry(u64::MAX).or_default().push(data.to_owned());
            continue;
        };
        let place = chunk["choices"][0]["index"].as_u64().unwrap_or(u64::MAX);
        let shape = masked("", &chunk, in_cache_case).to_string();
        let events = found.entry(place).or_default();
        // What follows with the same shape counts as one: how long an answer is does not matter.
        if events.last() != Some(&shape) {
            events.push(shape);
        }
    }
    found.into_values().flatten().collect()
}

/// JSON without what a model says, ids, times and counts.
fn masked(name: &str, value: &Value, in_cache_case: bool) -> Value {
    match value {
        // The keys of these are tokens.
        Value::Object(tokens) if name == "top_logprobs" => json!({"<tokens>": tokens.len()}),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), masked(name, value, in_cache_case)))
            .collect(),
        Value::Array(items) => {
            let mut kept: Vec<Value> = Vec::new();
            for item in items {
                let shape = masked(name, item, in_cache_case);
                if kept.last().map(Value::to_string) != Some(shape.to_string()) {
                    kept.push(shape);
                }
            }
            Value::Array(kept)
        }
        Value::String(text) => json!(masked_text(name, text)),
        Value::Number(number) if name == "cached_tokens" && in_cache_case => {
            json!(if number.as_u64() == Some(0) {
                "none"
            } else {
                "some"
            })
        }
        Value::Number(_) if TELLING.contains(&name) => value.clone(),
        Value::Number(number) if number.is_f64() => json!("<float>"),
        Value::Number(_) => json!("<int>"),
        Value::Null | Value::Bool(_) => value.clone(),
    }
}

fn masked_text(name: &str, text: &str) -> String {
    for prefix in ["chatcmpl-tool-", "chatcmpl-", "cmpl-", "modelperm-"] {
        if let Some(rest) = text.strip_prefix(prefix)
            && rest.len() >= 8
            && rest.bytes().all(|byte| byte.is_ascii_hexdigit())
        {
            return format!("{prefix}<{} hex>", rest.len());
        }
    }
    if name == "id" || TELLING.contains(&name) {
        text.to_owned()
    } else {
        "<text>".to_owned()
    }
}

#[tokio::test]
async fn the_stand_in_answers_as_vllm_did() {
    let engine = Running::start(FLAGS).await;
    let client = Client::builder().redirect(Policy::none()).build().unwrap();
    let exchanges = exchanges();
    assert!(exchanges.len() > 100, "{} exchanges", exchanges.len());
    let mut wrong = Vec::new();
    for exchange in &exchanges {
        if DIFFERENT.iter().any(|case| exchange.case.starts_with(case)) {
            continue;
        }
        let answer = repeat(&engine, &client, exchange).await;
        let (ours, theirs) = (shape(&answer), shape(exchange));
        if ours != theirs {
            let (ours, theirs) = (ours.join("\n  "), theirs.join("\n  "));
            wrong.push(format!(
                "{}\nstand-in:\n  {ours}\nvLLM:\n  {theirs}",
                exchange.case
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} answers differ:\n{}",
        wrong.len(),
        exchanges.len(),
        wrong.join("\n\n")
    );
}
