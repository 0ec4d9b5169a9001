//! Questions good and bad.

use serde_json::json;

use super::*;
use crate::stand_in::command::arguments::Arguments;

fn reader() -> Reader {
    let words = ["m", "--served-model-name", "smollm2"].map(str::to_owned);
    Reader::new(
        &Settings::resolve(&Arguments::parse(&words).unwrap(), None).unwrap(),
        8192,
    )
}

fn chat(extra: Value) -> Result<Question, ApiError> {
    let mut body =
        json!({"model": "smollm2", "messages": [{"role": "user", "content": "What is it?"}]});
    for (name, value) in extra.as_object().unwrap() {
        body[name] = value.clone();
    }
    reader().chat(body.to_string().as_bytes())
}

#[test]
fn a_question_has_prompt_answer_and_delivery() {
    let question = chat(json!({"max_tokens": 5, "temperature": 0, "ignore_eos": true})).unwrap();
    assert_eq!(question.asks[0].answer.tokens.len(), 5);
    assert_eq!(question.delivery, Delivery::Whole);
    let streamed =
        chat(json!({"stream": true, "stream_options": {"include_usage": true}})).unwrap();
    let with_usage = Delivery::Streamed {
        usage: true,
        continuous: false,
    };
    assert_eq!(streamed.delivery, with_usage);
    let endless = chat(json!({"ignore_eos": true})).unwrap();
    let n = endless.asks[0].answer.tokens.len();
    assert_eq!(n + endless.prompts[0].len(), 8192);
}

#[test]
fn equal_questions_have_equal_answers_at_temperature_zero_or_with_a_seed() {
    let reader = reader();
    let ask = |extra: &str| {
        let body = format!(
            r#"{{"messages": [{{"role": "user", "content": "x"}}], "max_tokens": 20 {extra}}}"#
        );
        reader.chat(body.as_bytes()).unwrap().asks
    };
    assert_eq!(ask(r#", "temperature": 0"#), ask(r#", "temperature": 0"#));
    assert_eq!(ask(r#", "seed": 5"#), ask(r#", "seed": 5"#));
    assert_ne!(ask(r#", "seed": 5"#), ask(r#", "seed": 6"#));
    assert_ne!(ask(""), ask(""));
}

#[test]
fn bad_questions_get_the_answers_of_vllm() {
    let long = "word ".repeat(9000);
    let tool = json!([{"type": "function", "function": {"name": "f"}}]);
    for (extra, status, message, kind, param) in [
        (
            json!({"model": "nope"}),
            404,
            "The model `nope` does not exist. Valid aliases: smollm2.",
            "NotFoundError",
            json!("model"),
        ),
        (
            json!({"max_tokens": 10000}),
            400,
            "max_tokens=10000 cannot be greater than max_model_len=8192. Please request fewer \
             output tokens. (parameter=max_tokens, value=10000)",
            "BadRequestError",
            json!("max_tokens"),
        ),
        (
            json!({"max_tokens": 0}),
            400,
            "max_tokens must be at least 1, got 0. (parameter=max_tokens, value=0)",
            "BadRequestError",
            json!("max_tokens"),
        ),
        (
            json!({"messages": [{"role": "user", "content": long}]}),
            400,
            "This model's maximum context length is 8192 tokens. However, your prompt contains at \
             least 8193 input tokens, which exceeds this limit even without any output tokens. \
             Please reduce the length of the input prompt. (parameter=input_tokens, value=8193)",
            "BadRequestError",
            json!("input_tokens"),
        ),
        (
            json!({"tools": tool}),
            400,
            "\"auto\" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set",
            "BadRequestError",
            json!(null),
        ),
    ] {
        let error = chat(extra).unwrap_err();
        assert_eq!(error.status, status);
        let body =
            json!({"error": {"message": message, "type": kind, "param": param, "code": status}});
        assert_eq!(error.body(), body);
    }
}

#[test]
fn bad_json_is_answered_as_by_vllm() {
    let body = r#"{"error":{"message":"1 validation error:\n  {'type': 'json_invalid', 'loc': 'body.1', 'msg': 'JSON decode error', 'input': '<dict of 0 items>', 'ctx': {'error': 'Expecting property name enclosed in double quotes'}}","type":"Bad Request","param":"body.1","code":400}}"#;
    assert_eq!(
        reader().chat(b"{bad json").unwrap_err().body().to_string(),
        body
    );
    for broken in [
        "",
        "[1]",
        "{}",
        r#"{"messages": 3}"#,
        r#"{"messages": [], "max_tokens": "many"}"#,
    ] {
        assert_eq!(
            reader().chat(broken.as_bytes()).unwrap_err().status,
            400,
            "{broken}"
        );
    }
}

#[test]
fn conversation_and_its_tokens_have_the_same_length() {
    let body = json!({"messages": [{"role": "user", "content": "one two three"}]}).to_string();
    let (ids, _) = reader().tokenize(body.as_bytes()).unwrap();
    assert_eq!(ids, reader().chat(body.as_bytes()).unwrap().prompts[0]);
    let (ids, _) = reader()
        .tokenize(br#"{"prompt": "one two three"}"#)
        .unwrap();
    assert_eq!(ids, encode("one two three"));
}
