//! What clients ask for: request bodies read into questions for the engine, and the errors that
//! vLLM answers to bad ones.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::stand_in::command::settings::{AutoToolChoice, Settings};
use crate::stand_in::model::tokens::{Answer, TokenId, answer, encode, render_chat};

/// An error answer. Its body is an object, as all of vLLM's are but the one to a missing key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    pub status: u16,
    message: String,
    kind: &'static str,
    param: Option<String>,
}

impl ApiError {
    fn bad(message: String, param: Option<&str>) -> Self {
        Self {
            status: 400,
            message,
            kind: "BadRequestError",
            param: param.map(str::to_owned),
        }
    }

    /// A body that is not of the right form, in the words of pydantic.
    fn invalid(kind: &str, at: &str, complaint: &str, input: &str) -> Self {
        let message = format!(
            "1 validation error:\n  {{'type': '{kind}', 'loc': '{at}', 'msg': '{complaint}', 'input': {input}}}"
        );
        Self {
            status: 400,
            message,
            kind: "Bad Request",
            param: Some(at.to_owned()),
        }
    }

    pub fn body(&self) -> Value {
        json!({"error": {
            "message": self.message,
            "type": self.kind,
            "param": self.param,
            "code": self.status,
        }})
    }
}

/// How the answer is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    Whole,
    /// Piece by piece, then perhaps the usage.
    Streamed {
        usage: bool,
    },
}

/// A question that the engine can answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    pub prompt: Vec<TokenId>,
    pub answer: Answer,
    pub delivery: Delivery,
}

/// Reads questions as one engine takes them.
#[derive(Debug)]
pub struct Reader {
    names: Vec<String>,
    tools: AutoToolChoice,
    max_model_len: usize,
    seed: u64,
    /// Tells answers apart that are sampled without a seed.
    unseeded: AtomicU64,
}

impl Reader {
    pub fn new(settings: &Settings, max_model_len: usize) -> Self {
        Self {
            names: settings.served_names.clone(),
            tools: settings.tools,
            max_model_len,
            seed: settings.seed.cast_unsigned(),
            unseeded: AtomicU64::new(0),
        }
    }

    /// Longest sequence that is taken, in tokens.
    pub fn max_model_len(&self) -> usize {
        self.max_model_len
    }

    /// Reads the body of `/v1/chat/completions`.
    pub fn chat(&self, bytes: &[u8]) -> Result<Question, ApiError> {
        let body = parse(bytes)?;
        self.check_model(&body)?;
        let messages = messages_of(&body)?;
        let tools = body
            .get("tools")
            .filter(|tools| tools.as_array().is_some_and(|list| !list.is_empty()));
        let choice = body
            .get("tool_choice")
            .and_then(Value::as_str)
            .unwrap_or("auto");
        if tools.is_some() && choice == "auto" && self.tools == AutoToolChoice::Disabled {
            let message = "\"auto\" tool choice requires --enable-auto-tool-choice and \
                           --tool-call-parser to be set";
            return Err(ApiError::bad(message.to_owned(), None));
        }
        let prompt = render_chat(messages, tools, true);
        let limit = match integer(&body, "max_completion_tokens")? {
            Some(limit) => Some(("max_completion_tokens", limit)),
            None => integer(&body, "max_tokens")?.map(|limit| ("max_tokens", limit)),
        };
        self.question(&body, prompt, limit)
    }

    /// Reads the body of `/v1/completions`.
    pub fn completion(&self, bytes: &[u8]) -> Result<Question, ApiError> {
        let body = parse(bytes)?;
        self.check_model(&body)?;
        let prompt = match body.get("prompt") {
            Some(Value::String(text)) => encode(text),
            Some(Value::Array(ids)) if !ids.is_empty() => token_ids(ids, "prompt")?,
            Some(other) => {
                return Err(ApiError::invalid(
                    "string_type",
                    "body.prompt",
                    "Input should be a valid string",
                    &other.to_string(),
                ));
            }
            None => return Err(missing("prompt")),
        };
        // vLLM's default for completions.
        let limit = integer(&body, "max_tokens")?.unwrap_or(16);
        self.question(&body, prompt, Some(("max_tokens", limit)))
    }

    /// Reads the body of `/tokenize`: a prompt or a conversation.
    pub fn tokenize(&self, bytes: &[u8]) -> Result<(Vec<TokenId>, Value), ApiError> {
        let body = parse(bytes)?;
        self.check_model(&body)?;
        let ids = match body.get("prompt") {
            Some(Value::String(text)) => encode(text),
            _ => {
                let opened = body
                    .get("add_generation_prompt")
                    .and_then(Value::as_bool)
                    .unwrap_or(true);
                render_chat(messages_of(&body)?, body.get("tools"), opened)
            }
        };
        Ok((ids, body))
    }

    /// Reads the body of `/detokenize`.
    pub fn detokenize(&self, bytes: &[u8]) -> Result<Vec<TokenId>, ApiError> {
        let body = parse(bytes)?;
        self.check_model(&body)?;
        match body.get("tokens") {
            Some(Value::Array(ids)) => token_ids(ids, "tokens"),
            _ => Err(missing("tokens")),
        }
    }

    fn check_model(&self, body: &Value) -> Result<(), ApiError> {
        match body.get("model").and_then(Value::as_str) {
            Some(name) if !name.is_empty() && !self.names.iter().any(|known| known == name) => {
                Err(ApiError {
                    status: 404,
                    message: format!(
                        "The model `{name}` does not exist. Valid aliases: {}.",
                        self.names.join(", ")
                    ),
                    kind: "NotFoundError",
                    param: Some("model".to_owned()),
                })
            }
            _ => Ok(()),
        }
    }

    fn question(
        &self,
        body: &Value,
        prompt: Vec<TokenId>,
        limit: Option<(&str, i64)>,
    ) -> Result<Question, ApiError> {
        let longest = self.max_model_len;
        if let Some((name, limit)) = limit {
            if limit < 1 {
                return Err(ApiError::bad(
                    format!("max_tokens must be at least 1, got {limit}."),
                    Some("max_tokens"),
                ));
            }
            if usize::try_from(limit).is_ok_and(|limit| limit > longest) {
                let message = format!(
                    "{name}={limit} cannot be greater than max_model_len={longest}. Please request \
                     fewer output tokens. (parameter={name}, value={limit})"
                );
                return Err(ApiError::bad(message, Some(name)));
            }
        }
        if prompt.len() > longest {
            // The tokenizer stops at the first token too many.
            let seen = longest + 1;
            let message = format!(
                "This model's maximum context length is {longest} tokens. However, your prompt \
                 contains at least {seen} input tokens, which exceeds this limit even without any \
                 output tokens. Please reduce the length of the input prompt. \
                 (parameter=input_tokens, value={seen})"
            );
            return Err(ApiError::bad(message, Some("input_tokens")));
        }
        if prompt.is_empty() {
            return Err(ApiError::bad(
                "The decoder prompt cannot be empty".to_owned(),
                None,
            ));
        }
        let room = longest - prompt.len();
        if room == 0 {
            return Err(ApiError::bad(
                "max_tokens must be at least 1, got 0.".to_owned(),
                Some("max_tokens"),
            ));
        }
        if integer(body, "n")?.is_some_and(|n| n != 1) {
            return Err(ApiError::bad(
                "the stand-in gives one answer to a question".to_owned(),
                Some("n"),
            ));
        }
        let max_tokens = limit
            .and_then(|(_, limit)| usize::try_from(limit).ok())
            .map_or(room, |limit| limit.min(room));
        let ignore_eos = body
            .get("ignore_eos")
            .and_then(Value::as_bool)
            .unwrap_or(false);
        let answer = answer(&prompt, self.salt(body)?, max_tokens, ignore_eos);
        Ok(Question {
            prompt,
            answer,
            delivery: delivery(body),
        })
    }

    /// Equal salts give equal answers to equal prompts: at temperature 0 always, above it with
    /// equal seeds.
    fn salt(&self, body: &Value) -> Result<u64, ApiError> {
        let temperature = body
            .get("temperature")
            .and_then(Value::as_f64)
            .unwrap_or(1.0);
        if temperature == 0.0 {
            return Ok(0);
        }
        Ok(match integer(body, "seed")? {
            Some(seed) => seed.cast_unsigned().wrapping_add(1),
            None => {
                let count = self.unseeded.fetch_add(1, Ordering::Relaxed);
                self.seed
                    .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                    .wrapping_add(count)
            }
        })
    }
}

fn delivery(body: &Value) -> Delivery {
    if !body.get("stream").and_then(Value::as_bool).unwrap_or(false) {
        return Delivery::Whole;
    }
    let usage = body
        .get("stream_options")
        .and_then(|options| options.get("include_usage"))
        .and_then(Value::as_bool)
        .unwrap_or(false);
    Delivery::Streamed { usage }
}

fn parse(bytes: &[u8]) -> Result<Value, ApiError> {
    let error = match serde_json::from_slice::<Value>(bytes) {
        Ok(body) if body.is_object() => return Ok(body),
        Ok(other) => {
            return Err(ApiError::invalid(
                "model_attributes_type",
                "body",
                "Input should be a valid dictionary or object to extract fields from",
                &other.to_string(),
            ));
        }
        Err(error) => error,
    };
    let before: usize = bytes
        .split_inclusive(|byte| *byte == b'\n')
        .take(error.line().saturating_sub(1))
        .map(<[u8]>::len)
        .sum();
    let at = format!("body.{}", before + error.column().saturating_sub(1));
    let expected = if error.to_string().starts_with("key must be a string") {
        "Expecting property name enclosed in double quotes"
    } else {
        "Expecting value"
    };
    let input = format!("'<dict of 0 items>', 'ctx': {{'error': '{expected}'}}");
    Err(ApiError::invalid(
        "json_invalid",
        &at,
        "JSON decode error",
        &input,
    ))
}

fn missing(field: &str) -> ApiError {
    ApiError::invalid(
        "missing",
        &format!("body.{field}"),
        "Field required",
        "'<dict>'",
    )
}

fn messages_of(body: &Value) -> Result<&[Value], ApiError> {
    match body.get("messages") {
        Some(Value::Array(messages)) => Ok(messages),
        Some(other) => Err(ApiError::invalid(
            "list_type",
            "body.messages",
            "Input should be a valid list",
            &other.to_string(),
        )),
        None => Err(missing("messages")),
    }
}

fn integer(body: &Value, field: &str) -> Result<Option<i64>, ApiError> {
    match body.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_i64().map(Some).ok_or_else(|| {
            let at = format!("body.{field}");
            ApiError::invalid(
                "int_type",
                &at,
                "Input should be a valid integer",
                &value.to_string(),
            )
        }),
    }
}

fn token_ids(ids: &[Value], field: &str) -> Result<Vec<TokenId>, ApiError> {
    ids.iter()
        .map(|id| {
            id.as_u64()
                .and_then(|id| TokenId::try_from(id).ok())
                .ok_or_else(|| {
                    let at = format!("body.{field}");
                    ApiError::invalid(
                        "int_type",
                        &at,
                        "Input should be a valid integer",
                        &id.to_string(),
                    )
                })
        })
        .collect()
}

#[cfg(test)]
mod tests {
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
        let question =
            chat(json!({"max_tokens": 5, "temperature": 0, "ignore_eos": true})).unwrap();
        assert_eq!(question.answer.tokens.len(), 5);
        assert_eq!(question.delivery, Delivery::Whole);
        let streamed =
            chat(json!({"stream": true, "stream_options": {"include_usage": true}})).unwrap();
        assert_eq!(streamed.delivery, Delivery::Streamed { usage: true });
        let endless = chat(json!({"ignore_eos": true})).unwrap();
        assert_eq!(endless.answer.tokens.len() + endless.prompt.len(), 8192);
    }

    #[test]
    fn equal_questions_have_equal_answers_at_temperature_zero_or_with_a_seed() {
        let reader = reader();
        let ask = |extra: &str| {
            let body = format!(
                r#"{{"messages": [{{"role": "user", "content": "x"}}], "max_tokens": 20 {extra}}}"#
            );
            reader.chat(body.as_bytes()).unwrap().answer
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
                "max_tokens must be at least 1, got 0.",
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
            let body = json!({"error": {"message": message, "type": kind, "param": param, "code": status}});
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
        assert_eq!(ids, reader().chat(body.as_bytes()).unwrap().prompt);
        let (ids, _) = reader()
            .tokenize(br#"{"prompt": "one two three"}"#)
            .unwrap();
        assert_eq!(ids, encode("one two three"));
    }
}
