//! What clients get: answers in exactly the shapes of vLLM's, whole and streamed.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::stand_in::command::settings::{PromptTokenDetails, Settings};
use crate::stand_in::engine::cache::PrefixCaching;
use crate::stand_in::engine::clock::Said;
use crate::stand_in::engine::metrics::Parsing;
use crate::stand_in::http::calling::Calling;
use crate::stand_in::http::choice::Choice;
use crate::stand_in::http::request::{Delivery, Question};
use crate::stand_in::version::VllmVersion;

/// Which endpoint answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Chat,
    Completion,
}

/// How usage is accounted for.
#[derive(Debug, Clone, Copy)]
pub struct Accounting {
    version: VllmVersion,
    details: PromptTokenDetails,
    caching: PrefixCaching,
    block_size: usize,
}

impl Accounting {
    pub fn new(settings: &Settings) -> Self {
        Self {
            version: settings.numbers.vllm_version,
            details: settings.details,
            caching: settings.caching,
            block_size: settings.block_size,
        }
    }

    /// Says in every answer that no model gave it.
    fn fingerprint(&self) -> String {
        format!("vllm-{}-stand-in", self.version.name())
    }

    /// Prompt tokens that were computed and left in the cache for others.
    fn created(&self, prompt: usize, cached: usize) -> usize {
        match self.caching {
            PrefixCaching::On => {
                (prompt / self.block_size * self.block_size).saturating_sub(cached)
            }
            PrefixCaching::Off => 0,
        }
    }
}

/// The answers to one question on their way to a client.
pub struct Writer {
    shape: Shape,
    accounting: Accounting,
    id: String,
    created: i64,
    model: String,
    /// Of all prompts.
    prompt_tokens: usize,
    /// For each choice, the tokens of its prompt.
    prompts: Vec<usize>,
    choices: Vec<Choice>,
    delivery: Delivery,
    counts_reasoning: bool,
    began: bool,
    cached_tokens: usize,
}

impl Writer {
    /// `number` makes the answer's id; `created` is in seconds since 1970.
    pub fn new(
        shape: Shape,
        accounting: Accounting,
        number: u64,
        created: i64,
        model: String,
        question: &Question,
    ) -> Self {
        let field = accounting.version.reasoning_field();
        let calling = question.calling.as_ref();
        let writer = Self {
            shape,
            accounting,
            id: String::new(),
            created,
            model,
            prompt_tokens: question.prompts.iter().map(Vec::len).sum(),
            prompts: question
                .asks
                .iter()
                .map(|ask| question.prompts[ask.prompt].len())
                .collect(),
            choices: (0..question.asks.len())
                .map(|index| Choice::new(question, index, shape, field))
                .collect(),
            delivery: question.delivery,
            counts_reasoning: calling.is_some_and(Calling::counts_reasoning),
            began: false,
            cached_tokens: 0,
        };
        writer.named(&format!("{number:016x}"))
    }

    /// Counts what its parsers of tool calls are given.
    pub fn counted(mut self, parsing: &Arc<Parsing>) -> Self {
        for choice in &mut self.choices {
            choice.count_in(Arc::clone(parsing));
        }
        self
    }

    /// Makes the answer's id of a name that the client chose.
    pub fn named(mut self, name: &str) -> Self {
        let prefix = match self.shape {
            Shape::Chat => "chatcmpl",
            Shape::Completion => "cmpl",
        };
        self.id = format!("{prefix}-{name}");
        self
    }

    /// The events of the next token of one choice, which may be none; with the first of a chat
    /// come the roles in front.
    pub fn piece(&mut self, index: usize, said: Said) -> String {
        let mut events = String::new();
        if !self.began {
            self.began = true;
            self.cached_tokens = said.cached_tokens;
            if self.shape == Shape::Chat {
                for choice in &self.choices {
                    events.push_str(&event(&self.opening(choice)));
                }
            }
        }
        let Some(choice) = self.choices[index].piece(said) else {
            return events;
        };
        let mut chunk = self.head("chat.completion.chunk");
        chunk["choices"] = json!([choice]);
        if self.is_continuous() {
            let choice = &self.choices[index];
            chunk["usage"] = self.running_usage(
                self.prompts[index],
                choice.said(),
                choice.reasoning_tokens(),
            );
        }
        // Where the usage follows, that is the last event.
        if said.finish.is_some() && !self.shows_usage() {
            chunk["system_fingerprint"] = json!(self.accounting.fingerprint());
        }
        events.push_str(&event(&chunk));
        events
    }

    /// Whether an event with the usage follows the last piece.
    pub fn shows_usage(&self) -> bool {
        matches!(self.delivery, Delivery::Streamed { usage: true, .. })
    }

    fn is_continuous(&self) -> bool {
        matches!(
            self.delivery,
            Delivery::Streamed {
                continuous: true,
                ..
            }
        )
    }

    /// The event with the usage, after the last piece.
    pub fn usage_event(&self) -> String {
        let mut chunk = self.head("chat.completion.chunk");
        chunk["choices"] = json!([]);
        let mut usage = self.counts();
        if self.accounting.details == PromptTokenDetails::Shown {
            usage["prompt_tokens_details"] = match self.shape {
                Shape::Chat => json!({
                    "cached_tokens": self.cached_tokens,
                    "created_cache_tokens": self.accounting.created(self.prompt_tokens, self.cached_tokens),
                }),
                Shape::Completion => json!({"cached_tokens": self.cached_tokens}),
            };
        }
        if self.counts_reasoning {
            usage["completion_tokens_details"] = self.reasoning_usage();
        }
        chunk["usage"] = usage;
        chunk["system_fingerprint"] = json!(self.accounting.fingerprint());
        event(&chunk)
    }

    /// The whole answer from all pieces of all choices.
    pub fn whole(mut self, pieces: &[Vec<Said>]) -> Value {
        // Of several prompts the last one's is told.
        let first = match self.shape {
            Shape::Chat => pieces.first(),
            Shape::Completion => pieces.last(),
        };
        self.cached_tokens = first
            .and_then(|pieces| pieces.first())
            .map_or(0, |said| said.cached_tokens);
        let choices: Vec<Value> = self
            .choices
            .iter_mut()
            .zip(pieces)
            .map(|(choice, pieces)| choice.whole(pieces))
            .collect();
        let mut body = self.head("chat.completion");
        body["choices"] = Value::Array(choices);
        body["service_tier"] = Value::Null;
        body["system_fingerprint"] = json!(self.accounting.fingerprint());
        let mut usage = self.counts();
        usage["prompt_tokens_details"] = match (self.accounting.details, self.shape) {
            (PromptTokenDetails::Hidden, _) => Value::Null,
            (PromptTokenDetails::Shown, shape) => json!({
                "cached_tokens": self.cached_tokens,
                "created_cache_tokens": match shape {
                    Shape::Chat => {
                        Some(self.accounting.created(self.prompt_tokens, self.cached_tokens))
                    }
                    Shape::Completion => None,
                },
                "multimodal_tokens": null,
            }),
        };
        usage["completion_tokens_details"] = if self.counts_reasoning {
            self.reasoning_usage()
        } else {
            Value::Null
        };
        body["usage"] = usage;
        if self.shape == Shape::Chat {
            body["prompt_logprobs"] = Value::Null;
            body["prompt_token_ids"] = json!(self.choices[0].shown_prompt());
            body["prompt_text"] = Value::Null;
        }
        for name in ["kv_transfer_params", "ec_transfer_params", "metrics"] {
            body[name] = Value::Null;
        }
        body
    }

    fn counts(&self) -> Value {
        let said: usize = self.choices.iter().map(Choice::said).sum();
        json!({
            "prompt_tokens": self.prompt_tokens,
            "total_tokens": self.prompt_tokens + said,
            "completion_tokens": said,
        })
    }

    fn reasoning_usage(&self) -> Value {
        let tokens: usize = self.choices.iter().map(Choice::reasoning_tokens).sum();
        json!({"reasoning_tokens": tokens})
    }

    /// The usage of one choice so far.
    fn running_usage(&self, prompt: usize, said: usize, reasoning: usize) -> Value {
        let mut usage = json!({
            "prompt_tokens": prompt,
            "total_tokens": prompt + said,
            "completion_tokens": said,
        });
        if self.shape == Shape::Chat {
            usage["completion_tokens_details"] = if self.counts_reasoning {
                json!({"reasoning_tokens": reasoning})
            } else {
                Value::Null
            };
        }
        usage
    }

    fn head(&self, chat_object: &str) -> Value {
        let object = match self.shape {
            Shape::Chat => chat_object,
            Shape::Completion => "text_completion",
        };
        json!({"id": self.id, "object": object, "created": self.created, "model": self.model})
    }

    fn opening(&self, choice: &Choice) -> Value {
        let mut chunk = self.head("chat.completion.chunk");
        chunk["choices"] = json!([choice.opening()]);
        if self.is_continuous() {
            chunk["usage"] = self.running_usage(self.prompt_tokens, 0, 0);
        }
        chunk["prompt_token_ids"] = json!(choice.shown_prompt());
        chunk["prompt_text"] = Value::Null;
        chunk
    }
}

/// The last event of every stream.
pub const DONE: &str = "data: [DONE]\n\n";

fn event(chunk: &Value) -> String {
    format!("data: {chunk}\n\n")
}

/// The body of `/v1/models`: one entry for each served name.
pub fn models(settings: &Settings, max_model_len: usize, created: i64) -> Value {
    let entries: Vec<Value> = settings
        .served_names
        .iter()
        .enumerate()
        .map(|(place, name)| {
            json!({
                "id": name,
                "object": "model",
                "created": created,
                "owned_by": "vllm",
                "root": settings.model,
                "parent": null,
                "max_model_len": max_model_len,
                "permission": [{
                    "id": format!("modelperm-{place:016x}"),
                    "object": "model_permission",
                    "created": created,
                    "allow_create_engine": false,
                    "allow_sampling": true,
                    "allow_logprobs": true,
                    "allow_search_indices": false,
                    "allow_view": true,
                    "allow_fine_tuning": false,
                    "organization": "*",
                    "group": null,
                    "is_blocking": false,
                }],
            })
        })
        .collect();
    json!({"object": "list", "data": entries})
}

#[cfg(test)]
#[path = "response_tests.rs"]
mod tests;
