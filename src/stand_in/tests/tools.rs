//! Tool calls and thoughts, asked over HTTP: what a client of a model with tools sees, whole and
//! streamed.

use serde_json::{Value, json};

use super::{Running, events, question};

/// Tools of an assistant that knows places.
fn tools() -> Value {
    let tool = |name: &str, description: &str, properties: Value, required: &[&str]| {
        json!({"type": "function", "function": {
            "name": name, "description": description,
            "parameters": {"type": "object", "properties": properties, "required": required},
        }})
    };
    json!([
        tool(
            "get_weather",
            "Get the weather for a city",
            json!({"city": {"type": "string"}, "days": {"type": "integer"}}),
            &["city"],
        ),
        tool(
            "send_message",
            "Send a message to somebody",
            json!({"recipient": {"type": "string"}, "text": {"type": "string"}}),
            &["recipient", "text"],
        ),
    ])
}

const FLAGS: &str = "--enable-auto-tool-choice --tool-call-parser";

fn ask(text: &str, extra: &Value) -> Value {
    let mut body = question(text, extra);
    body["tools"] = tools();
    body
}

/// Name and arguments of each call of a message.
fn calls(message: &Value) -> Vec<(String, Value)> {
    let calls = message.get("tool_calls").and_then(Value::as_array);
    calls
        .into_iter()
        .flatten()
        .map(|call| {
            let id = call["id"].as_str().unwrap();
            assert!(!id.is_empty() && call["type"] == "function", "{call}");
            let arguments = call["function"]["arguments"].as_str().unwrap();
            let name = call["function"]["name"].as_str().unwrap();
            (name.to_owned(), serde_json::from_str(arguments).unwrap())
        })
        .collect()
}

/// A stream put together as a client does: the message, and why it ended.
async fn streamed(engine: &Running, body: &Value) -> (Value, Value) {
    let mut body = body.clone();
    body["stream"] = json!(true);
    let response = engine.post("/v1/chat/completions", &body).await;
    let (events, done) = events(&response.text().await.unwrap());
    assert!(done);
    let mut message = json!({"content": "", "reasoning": "", "tool_calls": []});
    let mut reason = Value::Null;
    for event in &events {
        let choice = &event["choices"][0];
        for field in ["content", "reasoning"] {
            let text = choice["delta"][field].as_str().unwrap_or_default();
            message[field] = json!(message[field].as_str().unwrap().to_owned() + text);
        }
        let deltas = choice["delta"].get("tool_calls").and_then(Value::as_array);
        for delta in deltas.into_iter().flatten() {
            let list = message["tool_calls"].as_array_mut().unwrap();
            let place = usize::try_from(delta["index"].as_u64().unwrap()).unwrap();
            let function = &delta["function"];
            if place == list.len() {
                list.push(json!({
                    "id": delta["id"], "type": delta["type"],
                    "function": {"name": function["name"], "arguments": ""},
                }));
            }
            let arguments = &mut list[place]["function"]["arguments"];
            let more = function["arguments"].as_str().unwrap_or_default();
            *arguments = json!(arguments.as_str().unwrap().to_owned() + more);
        }
        if !choice["finish_reason"].is_null() {
            reason = choice["finish_reason"].clone();
        }
    }
    (message, reason)
}

async fn whole(engine: &Running, body: &Value) -> (Value, Value) {
    let mut answer = engine.chat(body).await;
    let choice = &mut answer["choices"][0];
    (choice["message"].take(), choice["finish_reason"].take())
}

#[tokio::test]
async fn a_model_whose_parser_fits_calls_tools() {
    for format in [
        "hermes",
        "qwen3_xml",
        "qwen3_coder",
        "llama3_json",
        "mistral",
        "pythonic",
        "deepseek_v3",
        "deepseek_v31",
        "granite",
        "xlam",
    ] {
        let engine =
            Running::start(&format!("{FLAGS} {format} --stand-in-tool-calls {format}")).await;
        let body = ask("What is the weather in Paris and in New York?", &json!({}));
        let expected = [
            ("get_weather".to_owned(), json!({"city": "Paris"})),
            ("get_weather".to_owned(), json!({"city": "New York"})),
        ];
        for (message, reason) in [whole(&engine, &body).await, streamed(&engine, &body).await] {
            assert_eq!(calls(&message), expected, "{format}");
            assert_eq!(reason, "tool_calls", "{format}");
            assert_eq!(
                message["content"].as_str().unwrap_or_default(),
                "",
                "{format}"
            );
        }
        let words = ask("Who wrote Faust?", &json!({}));
        for (message, reason) in [
            whole(&engine, &words).await,
            streamed(&engine, &words).await,
        ] {
            assert_eq!(
                (calls(&message), reason),
                (Vec::new(), json!("stop")),
                "{format}"
            );
            assert!(!message["content"].as_str().unwrap().is_empty());
        }
    }
}

#[tokio::test]
async fn a_model_whose_parser_does_not_fit_never_calls() {
    let body = ask("What is the weather in Paris?", &json!({}));
    let leaked = "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Paris\"}}\n</tool_call>";
    // Qwen's parser takes the tags for its own and what is inside for nothing.
    for (parser, content) in [("qwen3_xml", ""), ("mistral", leaked), ("kimi_k2", leaked)] {
        let engine = Running::start(&format!("{FLAGS} {parser}")).await;
        for (message, reason) in [whole(&engine, &body).await, streamed(&engine, &body).await] {
            assert_eq!(calls(&message), [], "{parser}");
            assert_eq!(reason, "stop", "{parser}");
            assert_eq!(
                message["content"].as_str().unwrap_or_default(),
                content,
                "{parser}"
            );
        }
    }
    let never = Running::start(&format!("{FLAGS} hermes --stand-in-tool-calls none")).await;
    let (message, reason) = whole(&never, &body).await;
    assert_eq!((calls(&message), reason), (Vec::new(), json!("stop")));
}

#[tokio::test]
async fn a_choice_of_tools_is_obeyed() {
    let text = "What is the weather in Paris and in Rome?";
    let named = json!({"tool_choice": {"type": "function", "function": {"name": "send_message"}}});
    // With a grammar of the parser's own, and by way of a JSON list.
    for flags in ["hermes", "pythonic", "qwen3_xml", "granite", "llama3_json"] {
        let engine = Running::start(&format!("{FLAGS} {flags}")).await;
        let required = ask(text, &json!({"tool_choice": "required"}));
        for (message, reason) in [
            whole(&engine, &required).await,
            streamed(&engine, &required).await,
        ] {
            let names: Vec<String> = calls(&message).into_iter().map(|(name, _)| name).collect();
            assert_eq!(names, ["get_weather", "get_weather"], "{flags}");
            assert_eq!(reason, "tool_calls");
        }
        let single = ask(
            text,
            &json!({"tool_choice": "required", "parallel_tool_calls": false}),
        );
        for (message, _) in [
            whole(&engine, &single).await,
            streamed(&engine, &single).await,
        ] {
            assert_eq!(calls(&message).len(), 1, "{flags}");
        }
        // A named function ends as words do.
        let body = ask("Hello Ada", &named);
        for (message, reason) in [whole(&engine, &body).await, streamed(&engine, &body).await] {
            let expected = json!({"recipient": "Ada", "text": "Hello Ada"});
            assert_eq!(
                calls(&message),
                [("send_message".to_owned(), expected)],
                "{flags}"
            );
            assert_eq!(reason, "stop");
        }
        let none = ask(text, &json!({"tool_choice": "none"}));
        let (message, reason) = whole(&engine, &none).await;
        assert_eq!((calls(&message), reason), (Vec::new(), json!("stop")));
    }
}

/// The prompt of a chat as tokens, completed: what the model writes, as no parser has seen it.
#[tokio::test]
async fn a_completion_behind_the_prompt_of_a_chat_shows_how_the_model_writes_calls() {
    for (format, begins) in [("hermes", "<tool_call>\n{"), ("mistral", "[TOOL_CALLS][{")] {
        let flags = format!("{FLAGS} qwen3_xml --stand-in-tool-calls {format}");
        let engine = Running::start(&flags).await;
        let body = ask("What is the weather in Oslo?", &json!({}));
        let said: Value = engine.post("/tokenize", &body).await.json().await.unwrap();
        let bare = question("What is the weather in Oslo?", &json!({}));
        let alone: Value = engine.post("/tokenize", &bare).await.json().await.unwrap();
        assert!(said["count"].as_u64() > alone["count"].as_u64());
        let complete = async |tokens: &Value| {
            let body = json!({"model": "m", "prompt": tokens, "max_tokens": 200, "temperature": 0});
            let answer: Value = engine
                .post("/v1/completions", &body)
                .await
                .json()
                .await
                .unwrap();
            answer["choices"][0]["text"].as_str().unwrap().to_owned()
        };
        let text = complete(&said["tokens"]).await;
        assert!(text.starts_with(begins) && text.contains("Oslo"), "{text}");
        let words = complete(&alone["tokens"]).await;
        assert!(!words.contains("tool") && !words.contains('{'), "{words}");
    }
}

#[tokio::test]
async fn tools_without_a_parser_are_refused() {
    let engine = Running::start("").await;
    for (choice, says) in [
        (
            json!("required"),
            "tool_choice=\"required\" requires --tool-call-parser to be set",
        ),
        (
            json!({"type": "function", "function": {"name": "get_weather"}}),
            "tool_choice=function \"get_weather\" requires --tool-call-parser to be set",
        ),
    ] {
        let body = ask("x", &json!({"tool_choice": choice}));
        let response = engine.post("/v1/chat/completions", &body).await;
        assert_eq!(response.status(), 400);
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer["error"]["message"], says);
    }
}

#[tokio::test]
async fn a_chain_of_calls_comes_to_its_end() {
    let engine = Running::start(&format!("{FLAGS} hermes --enable-prompt-tokens-details")).await;
    let mut body = ask(
        "Get the weather in Paris and then send a message to Ada",
        &json!({}),
    );
    let mut seen = Vec::new();
    let last = loop {
        let (message, reason) = whole(&engine, &body).await;
        if reason != "tool_calls" {
            break message;
        }
        assert!(seen.len() < 3, "{seen:?}");
        seen.extend(calls(&message));
        let messages = body["messages"].as_array_mut().unwrap();
        let id = message["tool_calls"][0]["id"].clone();
        messages.push(message);
        messages.push(json!({"role": "tool", "tool_call_id": id, "content": "sunny, 21 degrees"}));
    };
    let names: Vec<&str> = seen.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["get_weather", "send_message"]);
    assert_eq!(seen[1].1["recipient"], "Ada");
    assert!(
        last["content"]
            .as_str()
            .unwrap()
            .contains("sunny, 21 degrees")
    );
    // What the model has called is in the cache as it wrote it.
    let answer = engine.chat(&body).await;
    let usage = &answer["usage"];
    let cached = usage["prompt_tokens_details"]["cached_tokens"]
        .as_u64()
        .unwrap();
    assert_eq!(
        cached,
        (usage["prompt_tokens"].as_u64().unwrap() - 1) / 16 * 16
    );
}

#[tokio::test]
async fn thoughts_are_told_from_answers_where_the_parser_fits() {
    for (model, parser) in [
        ("qwen3", "qwen3"),
        ("deepseek_r1", "deepseek_r1"),
        ("qwen3", "deepseek_r1"),
    ] {
        let flags =
            format!("{FLAGS} hermes --reasoning-parser {parser} --stand-in-reasoning {model}");
        let engine = Running::start(&flags).await;
        for text in ["Who wrote Faust?", "What is the weather in Paris?"] {
            let body = ask(text, &json!({}));
            let (message, reason) = whole(&engine, &body).await;
            let (pieces, end) = streamed(&engine, &body).await;
            assert_eq!(reason, end);
            for message in [&message, &pieces] {
                let thoughts = message["reasoning"].as_str().unwrap();
                assert!(
                    thoughts.len() > 20 && !thoughts.contains("think>"),
                    "{thoughts}"
                );
                let content = message["content"].as_str().unwrap_or_default();
                assert!(!content.contains("think>"), "{content}");
                assert_eq!(calls(message).is_empty(), text.starts_with("Who"));
            }
            assert_eq!(message["reasoning"], pieces["reasoning"]);
        }
    }
}

#[tokio::test]
async fn thoughts_that_nobody_parses_are_part_of_the_answer() {
    let engine = Running::start("--stand-in-reasoning qwen3").await;
    let body = question("Who wrote Faust?", &json!({}));
    for (message, _) in [whole(&engine, &body).await, streamed(&engine, &body).await] {
        let content = message["content"].as_str().unwrap();
        assert!(
            content.starts_with("<think>\n") && content.contains("\n</think>\n\n"),
            "{content}"
        );
    }
    let off = json!({"chat_template_kwargs": {"enable_thinking": false}});
    let (message, _) = whole(&engine, &question("Who wrote Faust?", &off)).await;
    assert!(!message["content"].as_str().unwrap().contains("think>"));
    // A model that does not think seems to do nothing else to a parser that expects it.
    let engine = Running::start("--reasoning-parser qwen3").await;
    let (message, _) = whole(&engine, &body).await;
    assert!(message["content"].is_null() && message["reasoning"].is_string());
    let (message, _) = whole(&engine, &question("Who wrote Faust?", &off)).await;
    assert!(message["content"].is_string() && message["reasoning"].is_null());
}

#[tokio::test]
async fn older_ages_call_thoughts_otherwise_and_usage_counts_them() {
    for (version, field) in [("0.11.0", "reasoning_content"), ("0.32.0", "reasoning")] {
        let flags = format!(
            "--reasoning-parser qwen3 --stand-in-reasoning qwen3 --stand-in-version {version}"
        );
        let engine = Running::start(&flags).await;
        let answer = engine.chat(&question("Who wrote Faust?", &json!({}))).await;
        assert!(
            answer["choices"][0]["message"][field].is_string(),
            "{answer}"
        );
        let details = &answer["usage"]["completion_tokens_details"];
        let thoughts = details["reasoning_tokens"].as_u64().unwrap();
        // Line breaks around the words included, the marks not.
        assert!((14..=45).contains(&thoughts), "{thoughts}");
        let hidden = question("Who wrote Faust?", &json!({"include_reasoning": false}));
        let answer = engine.chat(&hidden).await;
        assert!(answer["choices"][0]["message"][field].is_null());
    }
}
