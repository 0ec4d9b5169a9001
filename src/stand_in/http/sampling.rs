//! How an answer is to be sampled, as requests of both kinds say it: read in the order of vLLM's
//! fields and refused where vLLM refuses it. Which of it the stand-in obeys is decided elsewhere.

use serde_json::{Value, json};

use crate::stand_in::http::error::{ApiError, python};
use crate::stand_in::http::fields::Fields;
use crate::stand_in::model::tokens::N_TOKENS;

/// Most alternatives that may be asked for; vLLM's default.
const MOST_LOGPROBS: i64 = 20;

/// The sampling parameters of a request; what was not said is `None` or empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sampling {
    pub n: Option<i64>,
    pub seed: Option<i64>,
    pub stop: Vec<String>,
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    pub top_k: Option<i64>,
    pub min_p: Option<f64>,
    pub frequency_penalty: Option<f64>,
    pub presence_penalty: Option<f64>,
    pub repetition_penalty: Option<f64>,
    pub min_tokens: Option<i64>,
    /// Keys of `logit_bias` that are no tokens.
    pub biased_words: Vec<String>,
    pub stop_token_ids: Vec<u64>,
    /// Whether what stops an answer is part of its text.
    pub includes_stop: bool,
    pub ignore_eos: bool,
}

impl Sampling {
    /// Reads all fields; what is of a wrong type is left to `fields`.
    pub fn read(fields: &mut Fields) -> Self {
        Self {
            frequency_penalty: fields.number("frequency_penalty"),
            biased_words: biased_words(fields),
            n: fields.integer("n"),
            presence_penalty: fields.number("presence_penalty"),
            seed: fields.integer("seed"),
            stop: stop(fields),
            temperature: fields.number("temperature"),
            top_p: fields.number("top_p"),
            top_k: fields.integer("top_k"),
            min_p: fields.number("min_p"),
            repetition_penalty: fields.number("repetition_penalty"),
            stop_token_ids: fields.naturals("stop_token_ids").unwrap_or_default(),
            includes_stop: fields.flag("include_stop_str_in_output").unwrap_or(false),
            ignore_eos: fields.flag("ignore_eos").unwrap_or(false),
            min_tokens: fields.integer("min_tokens"),
        }
    }

    /// Refuses what vLLM refuses, in its order. `max_tokens` is what is granted, no longer what
    /// was asked for.
    pub fn verify(&self, max_tokens: i64) -> Result<(), ApiError> {
        if !self.biased_words.is_empty() {
            let words = python(&json!(self.biased_words));
            let message = format!(
                "logit_bias contains key(s) that cannot be converted to integer token IDs: {words}"
            );
            return Err(ApiError::of_value("logit_bias", words, &message));
        }
        if let Some(n) = self.n.filter(|n| *n < 1) {
            let message = format!("n must be at least 1, got {n}.");
            return Err(ApiError::bad(message, None));
        }
        for (name, penalty) in [
            ("presence_penalty", self.presence_penalty),
            ("frequency_penalty", self.frequency_penalty),
        ] {
            if let Some(penalty) = penalty.filter(|penalty| !(-2.0..=2.0).contains(penalty)) {
                let message = format!("{name} must be in [-2, 2], got {penalty:?}.");
                return Err(ApiError::bad(message, None));
            }
        }
        if let Some(penalty) = self.repetition_penalty.filter(|penalty| *penalty <= 0.0) {
            let message = format!("repetition_penalty must be greater than zero, got {penalty:?}.");
            return Err(ApiError::bad(message, None));
        }
        if let Some(heat) = self.temperature.filter(|heat| !(0.0..=2.0).contains(heat)) {
            let bound = if heat < 0.0 {
                "non-negative"
            } else {
                "in [0, 2]"
            };
            let (message, heat) = (
                format!("temperature must be {bound}, got {heat:?}."),
                format!("{heat:?}"),
            );
            return Err(ApiError::of_value("temperature", heat, &message));
        }
        if let Some(top_p) = self.top_p.filter(|top_p| *top_p <= 0.0 || *top_p > 1.0) {
            let message = format!("top_p must be in (0, 1], got {top_p:?}.");
            return Err(ApiError::of_value("top_p", format!("{top_p:?}"), &message));
        }
        if let Some(top_k) = self.top_k.filter(|top_k| *top_k < -1) {
            let message = format!("top_k must be 0 (disable), or at least 1, got {top_k}.");
            return Err(ApiError::bad(message, None));
        }
        if let Some(min_p) = self.min_p.filter(|min_p| !(0.0..=1.0).contains(min_p)) {
            let message = format!("min_p must be in [0, 1], got {min_p:?}.");
            return Err(ApiError::bad(message, None));
        }
        if max_tokens < 1 {
            let message = format!("max_tokens must be at least 1, got {max_tokens}.");
            return Err(ApiError::of_value("max_tokens", max_tokens, &message));
        }
        self.verify_ends(max_tokens)
    }

    fn verify_ends(&self, max_tokens: i64) -> Result<(), ApiError> {
        if let Some(least) = self.min_tokens.filter(|least| *least < 0) {
            let message = format!("min_tokens must be greater than or equal to 0, got {least}.");
            return Err(ApiError::bad(message, None));
        }
        if let Some(least) = self.min_tokens.filter(|least| *least > max_tokens) {
            let message = format!(
                "min_tokens must be less than or equal to max_tokens={max_tokens}, got {least}."
            );
            return Err(ApiError::bad(message, None));
        }
        if self.stop.iter().any(String::is_empty) {
            return Err(ApiError::bad("stop cannot contain an empty string.", None));
        }
        if let Some(n) = self.n.filter(|n| *n > 1 && self.temperature == Some(0.0)) {
            let message = format!("n must be 1 when using greedy sampling, got {n}.");
            return Err(ApiError::bad(message, None));
        }
        Ok(())
    }
}

/// Where an answer is to end: a text or a list of them.
fn stop(fields: &mut Fields) -> Vec<String> {
    let Some(value) = fields.get("stop") else {
        return Vec::new();
    };
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(texts) => {
            let says = "Input should be a valid string";
            if !texts.iter().all(Value::is_string) {
                fields.complain("string_type", "stop", says, value);
            }
            for (place, text) in texts
                .iter()
                .enumerate()
                .filter(|(_, text)| !text.is_string())
            {
                fields.complain("string_type", &format!("stop.{place}"), says, text);
            }
            let texts = texts.iter().filter_map(Value::as_str);
            texts.map(str::to_owned).collect()
        }
        other => {
            fields.complain(
                "string_type",
                "stop",
                "Input should be a valid string",
                other,
            );
            fields.complain("list_type", "stop", "Input should be a valid list", other);
            Vec::new()
        }
    }
}

fn biased_words(fields: &mut Fields) -> Vec<String> {
    let biases = fields.get("logit_bias").and_then(Value::as_object);
    let read = fields.object("logit_bias", |inner| {
        for name in biases.into_iter().flatten().map(|(name, _)| name) {
            inner.number(name);
        }
    });
    let names = read.and(biases).into_iter().flatten().map(|(name, _)| name);
    names
        .filter(|name| name.trim().parse::<i64>().is_err())
        .cloned()
        .collect()
}

/// How many alternatives a request wants to see for each token; `None` where it wants no
/// logprobs.
pub fn verify_logprobs(wanted: Option<i64>) -> Result<(), ApiError> {
    // All that there are, which are as many as ids.
    let wanted = wanted.map(|wanted| {
        if wanted == -1 {
            i64::from(N_TOKENS)
        } else {
            wanted
        }
    });
    match wanted {
        Some(wanted) if wanted > MOST_LOGPROBS => {
            let message = format!(
                "Requested sample logprobs of {wanted}, which is greater than max allowed: \
                 {MOST_LOGPROBS}"
            );
            Err(ApiError::of_value("logprobs", wanted, &message))
        }
        _ => Ok(()),
    }
}

/// What vLLM refuses before it looks at the types of fields, in chats and completions alike.
pub fn verify_stream_options(body: &Value) -> Result<(), ApiError> {
    let options = body.get("stream_options").filter(|given| !given.is_null());
    // What is taken for true is known to Python: `stream` is not yet of a type.
    let streamed = body.get("stream").is_some_and(|stream| {
        !matches!(
            python(stream).as_str(),
            "None" | "False" | "0" | "''" | "[]" | "{}"
        )
    });
    if options.is_some() && !streamed {
        let message = "Stream options can only be defined when `stream=True`.";
        return Err(ApiError::of("stream_options", message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(body: &Value) -> String {
        let mut fields = Fields::of(body);
        let sampling = Sampling::read(&mut fields);
        let checked = fields
            .finish()
            .and_then(|()| sampling.verify(body["max_tokens"].as_i64().unwrap_or(8)));
        match checked {
            Ok(()) => String::new(),
            Err(error) => error.body()["error"]["message"]
                .as_str()
                .unwrap()
                .to_owned(),
        }
    }

    #[test]
    fn what_vllm_refuses_is_refused_in_its_words() {
        for (body, says) in [
            (json!({"n": 0}), "n must be at least 1, got 0."),
            (
                json!({"presence_penalty": -3}),
                "presence_penalty must be in [-2, 2], got -3.0.",
            ),
            (
                json!({"frequency_penalty": 2.5}),
                "frequency_penalty must be in [-2, 2], got 2.5.",
            ),
            (
                json!({"repetition_penalty": 0}),
                "repetition_penalty must be greater than zero, got 0.0.",
            ),
            (
                json!({"temperature": -1}),
                "temperature must be non-negative, got -1.0. (parameter=temperature, value=-1.0)",
            ),
            (
                json!({"temperature": 3}),
                "temperature must be in [0, 2], got 3.0. (parameter=temperature, value=3.0)",
            ),
            (
                json!({"top_p": 0}),
                "top_p must be in (0, 1], got 0.0. (parameter=top_p, value=0.0)",
            ),
            (
                json!({"top_k": -2}),
                "top_k must be 0 (disable), or at least 1, got -2.",
            ),
            (json!({"min_p": 2}), "min_p must be in [0, 1], got 2.0."),
            (
                json!({"max_tokens": -5}),
                "max_tokens must be at least 1, got -5. (parameter=max_tokens, value=-5)",
            ),
            (
                json!({"min_tokens": 20}),
                "min_tokens must be less than or equal to max_tokens=8, got 20.",
            ),
            (
                json!({"min_tokens": -1}),
                "min_tokens must be greater than or equal to 0, got -1.",
            ),
            (
                json!({"stop": ["x", ""]}),
                "stop cannot contain an empty string.",
            ),
            (
                json!({"n": 2, "temperature": 0}),
                "n must be 1 when using greedy sampling, got 2.",
            ),
        ] {
            assert_eq!(message(&body), says, "{body}");
        }
    }

    #[test]
    fn what_vllm_takes_is_taken() {
        for body in [
            json!({}),
            json!({"n": 2, "temperature": 1, "top_k": -1, "top_p": 1, "min_p": 0, "stop": "x", "seed": 3}),
            json!({"temperature": 0, "min_tokens": 8, "presence_penalty": 2, "stop": null, "n": null}),
        ] {
            assert_eq!(message(&body), "", "{body}");
        }
    }

    #[test]
    fn a_stop_of_another_type_is_neither_text_nor_list() {
        let told = message(&json!({"stop": 3}));
        assert_eq!(
            told,
            "2 validation errors:\n  {'type': 'string_type', 'loc': 'body.stop', 'msg': 'Input should be a valid string', 'input': '3'}\n  {'type': 'list_type', 'loc': 'body.stop', 'msg': 'Input should be a valid list', 'input': '3'}"
        );
    }

    #[test]
    fn options_of_a_stream_need_a_stream() {
        let options = json!({"include_usage": true});
        for (stream, taken) in [
            (json!(true), true),
            (json!(false), false),
            (json!(null), false),
        ] {
            let body = json!({"stream": stream, "stream_options": options});
            assert_eq!(verify_stream_options(&body).is_ok(), taken, "{body}");
        }
        assert!(verify_stream_options(&json!({"stream_options": null})).is_ok());
        assert!(verify_logprobs(Some(20)).is_ok());
        assert!(verify_logprobs(Some(21)).is_err());
        assert!(verify_logprobs(Some(-1)).is_err());
    }
}
