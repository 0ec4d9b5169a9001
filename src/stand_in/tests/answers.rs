//! Several answers, where they stop, and what is shown beside their text.

use serde_json::{Value, json};

use super::{Running, events, question};

async fn completion(engine: &Running, body: &Value) -> Value {
    let response = engine.post("/v1/completions", body).await;
    assert_eq!(response.status(), 200);
    response.json().await.unwrap()
}

#[tokio::test]
async fn several_answers_differ_and_are_counted_together() {
    let engine = Running::start("").await;
    let extra = json!({"n": 3, "temperature": 0.7, "seed": 5, "max_tokens": 9, "ignore_eos": true});
    let answer = engine.chat(&question("hello", &extra)).await;
    let choices = answer["choices"].as_array().unwrap();
    let places: Vec<u64> = choices
        .iter()
        .map(|choice| choice["index"].as_u64().unwrap())
        .collect();
    assert_eq!(places, [0, 1, 2]);
    let texts: std::collections::HashSet<String> = choices
        .iter()
        .map(|choice| choice["message"]["content"].to_string())
        .collect();
    assert_eq!(texts.len(), 3);
    assert_eq!(answer["usage"]["completion_tokens"], 27);
    let mut alone = extra.clone();
    alone["n"] = json!(1);
    let single = engine.chat(&question("hello", &alone)).await;
    assert_eq!(single["choices"][0], choices[0]);
    assert_eq!(
        single["usage"]["prompt_tokens"],
        answer["usage"]["prompt_tokens"]
    );
}

#[tokio::test]
async fn several_answers_are_streamed_side_by_side() {
    let engine = Running::start("").await;
    let extra = json!({
        "n": 2, "seed": 5, "temperature": 1, "max_tokens": 4, "ignore_eos": true, "stream": true,
        "stream_options": {"include_usage": true, "continuous_usage_stats": true},
    });
    let response = engine
        .post("/v1/chat/completions", &question("hello", &extra))
        .await;
    let (events, done) = events(&response.text().await.unwrap());
    assert!(done);
    let n = events[0]["usage"]["prompt_tokens"].as_u64().unwrap();
    // Both roles come first, then tokens of both in turn.
    let places: Vec<u64> = events[..10]
        .iter()
        .map(|event| event["choices"][0]["index"].as_u64().unwrap())
        .collect();
    assert_eq!(places[..2], [0, 1]);
    assert!(
        places[2..6].contains(&0) && places[2..6].contains(&1),
        "{places:?}"
    );
    let last = events
        .iter()
        .rfind(|event| event["choices"][0]["index"] == 1)
        .unwrap();
    assert_eq!(last["choices"][0]["finish_reason"], "length");
    assert_eq!(
        last["usage"].to_string(),
        format!(
            "{{\"prompt_tokens\":{n},\"total_tokens\":{},\"completion_tokens\":4,\"completion_tokens_details\":null}}",
            n + 4
        )
    );
    assert_eq!(events.len(), 11);
    assert_eq!(events[10]["choices"], json!([]));
    assert_eq!(events[10]["usage"]["completion_tokens"], 8);
}

#[tokio::test]
async fn an_answer_stops_where_it_is_told_to() {
    let engine = Running::start("").await;
    let plain = engine.chat(&question("hello", &json!({}))).await;
    let text = plain["choices"][0]["message"]["content"].as_str().unwrap();
    let third = text.split(' ').nth(2).unwrap();
    let stop = format!(" {third}");
    let front = &text[..text.find(&stop).unwrap()];
    let stopped = engine
        .chat(&question("hello", &json!({"stop": stop})))
        .await;
    let choice = &stopped["choices"][0];
    assert_eq!(choice["message"]["content"], front);
    assert_eq!(
        (&choice["finish_reason"], &choice["stop_reason"]),
        (&json!("stop"), &json!(stop))
    );
    // The tokens that were said are counted, that of the stop included.
    let counted = front.split(' ').count() + 1;
    assert_eq!(stopped["usage"]["completion_tokens"], counted);
    let extra = json!({"stop": [stop], "stream": true});
    let response = engine
        .post("/v1/chat/completions", &question("hello", &extra))
        .await;
    let (pieces, _) = events(&response.text().await.unwrap());
    let streamed: String = pieces
        .iter()
        .map(|event| event["choices"][0]["delta"]["content"].as_str().unwrap())
        .collect();
    assert_eq!(streamed, front);
    let last = pieces.last().unwrap();
    assert_eq!(last["choices"][0]["stop_reason"], stop);
    assert_eq!(last["system_fingerprint"], "vllm-0.32.0-stand-in");
}

#[tokio::test]
async fn several_prompts_have_one_answer_each() {
    let engine = Running::start("").await;
    let many = json!({
        "model": "m", "prompt": ["Hello there", "One two three"], "n": 2, "seed": 1, "max_tokens": 5,
    });
    let answer = completion(&engine, &many).await;
    let choices = answer["choices"].as_array().unwrap();
    assert_eq!(choices.len(), 4);
    assert_eq!(choices[3]["index"], 3);
    assert_ne!(choices[0]["text"], choices[2]["text"]);
    let second = json!({"model": "m", "prompt": "One two three", "seed": 1, "max_tokens": 5});
    let alone = completion(&engine, &second).await;
    assert_eq!(alone["choices"][0]["text"], choices[2]["text"]);
    let ids = json!({"model": "m", "prompt": [[1, 2, 3], [4, 5]], "max_tokens": 1});
    let usage = completion(&engine, &ids).await["usage"].take();
    assert_eq!(
        (&usage["prompt_tokens"], &usage["completion_tokens"]),
        (&json!(5), &json!(2))
    );
}

#[tokio::test]
async fn a_prompt_is_echoed_with_its_log_probabilities() {
    let engine = Running::start("").await;
    let body = json!({
        "model": "m", "prompt": "One two", "max_tokens": 2, "temperature": 0, "echo": true,
        "logprobs": 1, "ignore_eos": true,
    });
    let answer = completion(&engine, &body).await;
    let choice = &answer["choices"][0];
    let text = choice["text"].as_str().unwrap();
    assert!(
        text.starts_with("One twot") || text.starts_with("One two"),
        "{text}"
    );
    let logprobs = &choice["logprobs"];
    assert_eq!(logprobs["tokens"].as_array().unwrap().len(), 4);
    assert_eq!(logprobs["token_logprobs"][0], Value::Null);
    assert!(logprobs["token_logprobs"][3].as_f64().unwrap() < 0.0);
    let mut stream = body.clone();
    stream["stream"] = json!(true);
    let response = engine.post("/v1/completions", &stream).await;
    let (pieces, _) = events(&response.text().await.unwrap());
    let streamed: String = pieces
        .iter()
        .map(|event| event["choices"][0]["text"].as_str().unwrap())
        .collect();
    assert_eq!(streamed, text);
    let tokens: Vec<Value> = pieces
        .iter()
        .flat_map(|event| {
            event["choices"][0]["logprobs"]["tokens"]
                .as_array()
                .unwrap()
                .clone()
        })
        .collect();
    assert_eq!(json!(tokens), logprobs["tokens"]);
    let offsets: Vec<Value> = pieces
        .iter()
        .flat_map(|event| {
            event["choices"][0]["logprobs"]["text_offset"]
                .as_array()
                .unwrap()
                .clone()
        })
        .collect();
    assert_eq!(json!(offsets), logprobs["text_offset"]);
}

#[tokio::test]
async fn a_chat_shows_tokens_and_log_probabilities_where_that_is_asked_for() {
    let engine = Running::start("").await;
    let extra = json!({"max_tokens": 3, "ignore_eos": true, "logprobs": true, "top_logprobs": 2, "return_token_ids": true});
    let answer = engine.chat(&question("hello", &extra)).await;
    let choice = &answer["choices"][0];
    let content = choice["logprobs"]["content"].as_array().unwrap();
    assert_eq!(content.len(), 3);
    let text: String = content
        .iter()
        .map(|entry| entry["token"].as_str().unwrap())
        .collect();
    assert_eq!(choice["message"]["content"], text);
    assert_eq!(content[0]["top_logprobs"].as_array().unwrap().len(), 2);
    assert_eq!(choice["token_ids"].as_array().unwrap().len(), 3);
    let n = answer["prompt_token_ids"].as_array().unwrap().len();
    assert_eq!(answer["usage"]["prompt_tokens"], n);
}
