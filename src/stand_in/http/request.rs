//! What clients ask for: request bodies read into questions for the engine, or refused as vLLM
//! refuses them.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use crate::stand_in::command::settings::{AutoToolChoice, Settings};
use crate::stand_in::http::conversation::{
    messages, tools, verify_tool_choice, verify_top_logprobs,
};
use crate::stand_in::http::error::ApiError;
use crate::stand_in::http::fields::Fields;
use crate::stand_in::http::json::parse;
use crate::stand_in::http::sampling::{Sampling, verify_logprobs, verify_stream_options};
use crate::stand_in::model::tokens::{Answer, TokenId, answer, encode, render_chat};

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
    /// How many tokens the answer might have had.
    pub max_tokens: usize,
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
        verify_tool_choice(&body)?;
        verify_top_logprobs(&body)?;
        verify_stream_options(&body)?;
        let mut fields = Fields::of(&body);
        let messages = messages(&mut fields);
        let model = fields.text("model");
        let logprobs = fields.flag("logprobs").unwrap_or(false);
        let top_logprobs = fields.integer("top_logprobs").unwrap_or(0);
        let max_tokens = fields.integer("max_tokens");
        let max_completion_tokens = fields.integer("max_completion_tokens");
        let sampling = Sampling::read(&mut fields);
        let delivery = delivery(&mut fields);
        let tools = tools(&mut fields);
        fields.text("user");
        fields.finish()?;
        self.check_model(model)?;
        let choice = body
            .get("tool_choice")
            .and_then(Value::as_str)
            .unwrap_or("auto");
        if tools.is_some() && choice == "auto" && self.tools == AutoToolChoice::Disabled {
            let message = "\"auto\" tool choice requires --enable-auto-tool-choice and \
                           --tool-call-parser to be set";
            return Err(ApiError::bad(message, None));
        }
        if messages.is_empty() {
            let message = "Cannot apply chat template to an empty conversation. Provide at least \
                           one message.";
            return Err(ApiError::bad(message, None));
        }
        let prompt = render_chat(messages, tools, true);
        let limit = match max_completion_tokens {
            Some(limit) => Some(("max_completion_tokens", limit)),
            None => max_tokens.map(|limit| ("max_tokens", limit)),
        };
        let logprobs = logprobs.then_some(top_logprobs);
        self.question(prompt, limit, &sampling, logprobs, delivery)
    }

    /// Reads the body of `/v1/completions`.
    pub fn completion(&self, bytes: &[u8]) -> Result<Question, ApiError> {
        let body = parse(bytes)?;
        verify_prompt(&body)?;
        verify_stream_options(&body)?;
        let mut fields = Fields::of(&body);
        let model = fields.text("model");
        let prompt = prompt(&mut fields);
        fields.flag("echo");
        let logprobs = fields.integer("logprobs");
        // vLLM's default for completions.
        let limit = fields.integer("max_tokens").unwrap_or(16);
        let sampling = Sampling::read(&mut fields);
        let delivery = delivery(&mut fields);
        let suffix = fields.text("suffix");
        fields.text("user");
        fields.finish()?;
        self.check_model(model)?;
        if suffix.is_some() {
            let message = "suffix is only supported for models with FIM completion rendering";
            return Err(ApiError::bad(message, Some("suffix")));
        }
        let limit = Some(("max_tokens", limit));
        self.question(prompt, limit, &sampling, logprobs, delivery)
    }

    /// Reads the body of `/tokenize`: a prompt or a conversation. With the tokens comes whether
    /// their texts are wanted too.
    pub fn tokenize(&self, bytes: &[u8]) -> Result<(Vec<TokenId>, bool), ApiError> {
        let body = parse(bytes)?;
        let mut fields = Fields::of(&body);
        let model = fields.text("model");
        let with_texts = fields.flag("return_token_strs").unwrap_or(false);
        let opened = fields.flag("add_generation_prompt").unwrap_or(true);
        let ids = if let Some(prompt) = body.get("prompt").and_then(Value::as_str) {
            encode(prompt)
        } else {
            if body
                .get("messages")
                .is_none_or(|messages| !messages.is_array())
            {
                fields.require("prompt");
                fields.text("prompt");
            }
            let messages = messages(&mut fields);
            let tools = tools(&mut fields);
            render_chat(messages, tools, opened)
        };
        fields.finish()?;
        self.check_model(model)?;
        Ok((ids, with_texts))
    }

    /// Reads the body of `/detokenize`.
    pub fn detokenize(&self, bytes: &[u8]) -> Result<Vec<TokenId>, ApiError> {
        let body = parse(bytes)?;
        let mut fields = Fields::of(&body);
        let model = fields.text("model");
        fields.require("tokens");
        let ids = fields.naturals("tokens").unwrap_or_default();
        fields.finish()?;
        self.check_model(model)?;
        Ok(ids.into_iter().map(token).collect())
    }

    fn check_model(&self, model: Option<&str>) -> Result<(), ApiError> {
        match model {
            Some(name) if !name.is_empty() && !self.names.iter().any(|known| known == name) => {
                Err(ApiError::no_such_model(name, &self.names))
            }
            _ => Ok(()),
        }
    }

    /// `limit` is how many tokens the answer may have, and the field that says so; `logprobs` how
    /// many alternatives are wanted for each.
    fn question(
        &self,
        prompt: Vec<TokenId>,
        limit: Option<(&str, i64)>,
        sampling: &Sampling,
        logprobs: Option<i64>,
        delivery: Delivery,
    ) -> Result<Question, ApiError> {
        let longest = self.max_model_len;
        if let Some((name, limit)) = limit
            && usize::try_from(limit).is_ok_and(|limit| limit > longest)
        {
            let message = format!(
                "{name}={limit} cannot be greater than max_model_len={longest}. Please request \
                 fewer output tokens."
            );
            return Err(ApiError::of_value(name, limit, &message));
        }
        if prompt.len() > longest {
            // The tokenizer stops at the first token too many.
            let seen = longest + 1;
            let message = format!(
                "This model's maximum context length is {longest} tokens. However, your prompt \
                 contains at least {seen} input tokens, which exceeds this limit even without any \
                 output tokens. Please reduce the length of the input prompt."
            );
            return Err(ApiError::of_value("input_tokens", seen, &message));
        }
        if prompt.is_empty() {
            return Err(ApiError::bad("The decoder prompt cannot be empty", None));
        }
        let room = i64::try_from(longest - prompt.len()).unwrap_or(i64::MAX);
        let granted = limit.map_or(room, |(_, limit)| limit.min(room));
        sampling.verify(granted)?;
        verify_logprobs(logprobs)?;
        if sampling.n.is_some_and(|n| n != 1) {
            let message = "the stand-in gives one answer to a question";
            return Err(ApiError::bad(message, Some("n")));
        }
        let max_tokens = usize::try_from(granted).expect("what is verified is at least 1");
        let answer = answer(
            &prompt,
            self.salt(sampling),
            max_tokens,
            sampling.ignore_eos,
        );
        Ok(Question {
            prompt,
            answer,
            max_tokens,
            delivery,
        })
    }

    /// Equal salts give equal answers to equal prompts: at temperature 0 always, above it with
    /// equal seeds.
    fn salt(&self, sampling: &Sampling) -> u64 {
        if sampling.temperature == Some(0.0) {
            return 0;
        }
        match sampling.seed {
            Some(seed) => seed.cast_unsigned().wrapping_add(1),
            None => {
                let count = self.unseeded.fetch_add(1, Ordering::Relaxed);
                self.seed
                    .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                    .wrapping_add(count)
            }
        }
    }
}

fn delivery(fields: &mut Fields) -> Delivery {
    let streamed = fields.flag("stream").unwrap_or(false);
    let usage = fields
        .object("stream_options", |options| options.flag("include_usage"))
        .flatten()
        .unwrap_or(false);
    if streamed {
        Delivery::Streamed { usage }
    } else {
        Delivery::Whole
    }
}

/// The prompt of a completion: a text or tokens.
fn prompt(fields: &mut Fields) -> Vec<TokenId> {
    match fields.get("prompt") {
        Some(Value::String(text)) => encode(text),
        Some(Value::Array(_)) => {
            let ids = fields.naturals("prompt").unwrap_or_default();
            ids.into_iter().map(token).collect()
        }
        Some(other) => {
            // One for each form that a prompt can have.
            let (list, text) = (
                "Input should be a valid list",
                "Input should be a valid string",
            );
            fields.complain("list_type", "prompt", list, other);
            fields.complain("list_type", "prompt", list, other);
            fields.complain("string_type", "prompt", text, other);
            fields.complain("list_type", "prompt", list, other);
            Vec::new()
        }
        None => Vec::new(),
    }
}

fn verify_prompt(body: &Value) -> Result<(), ApiError> {
    match body.get("prompt") {
        None | Some(Value::Null) => {}
        Some(Value::String(text)) if text.is_empty() => {}
        Some(Value::Array(prompts)) if prompts.is_empty() => {
            return Err(ApiError::bad("You must pass at least one prompt", None));
        }
        Some(_) => return Ok(()),
    }
    let message = "Either prompt or prompt_embeds must be provided and non-empty.";
    Err(ApiError::of("prompt", message))
}

/// An id that is no token of the stand-in decodes to nothing, so that the largest may stand for
/// all that are too large.
fn token(id: u64) -> TokenId {
    TokenId::try_from(id).unwrap_or(TokenId::MAX)
}

#[cfg(test)]
mod tests {
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
