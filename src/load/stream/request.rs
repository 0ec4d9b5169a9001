//! What is asked: bodies of chat completions, when they are due, and what is kept of the answers.

use bytes::Bytes;
use serde_json::json;
use tokio::time::Instant;

/// What is kept of an answer's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keep {
    /// Instants, counts and the reason of its end.
    #[default]
    Nothing,
    /// Its content, reasoning and tool calls as well.
    Answer,
}

/// One chat completion to send.
#[derive(Debug, Clone)]
pub struct ChatRequest {
    /// JSON; it must say `"stream": true` where it is streamed, and ask for usage.
    pub body: Bytes,
    /// When it should go out; `None` for the instant at which it is handed to the client.
    /// The client sends at once: to wait until then is the caller's business.
    pub due: Option<Instant>,
    pub keep: Keep,
}

impl ChatRequest {
    /// A request that goes out when it is handed over, of whose text nothing is kept.
    pub fn new(body: impl Into<Bytes>) -> Self {
        Self {
            body: body.into(),
            due: None,
            keep: Keep::Nothing,
        }
    }

    /// The same, due at an instant of the schedule.
    #[must_use]
    pub fn due_at(self, due: Instant) -> Self {
        Self {
            due: Some(due),
            ..self
        }
    }

    /// The same, and its answer is kept.
    #[must_use]
    pub fn keeping_answer(self) -> Self {
        Self {
            keep: Keep::Answer,
            ..self
        }
    }
}

/// A speed request: a fixed number of output tokens at temperature 0, streamed, with usage.
#[derive(Debug, Clone, Copy)]
pub struct SpeedRequest<'a> {
    /// The one user message.
    pub content: &'a str,
    pub max_tokens: u32,
    pub seed: u64,
}

impl SpeedRequest<'_> {
    /// The JSON body.
    pub fn body(&self, model: &str) -> Bytes {
        // vLLM takes seeds as signed 64-bit integers.
        let seed = self.seed & i64::MAX as u64;
        let body = json!({
            "model": model,
            "messages": [{ "role": "user", "content": self.content }],
            "max_tokens": self.max_tokens,
            "temperature": 0,
            "seed": seed,
            "ignore_eos": true,
            "stream": true,
            "stream_options": { "include_usage": true },
        });
        Bytes::from(body.to_string())
    }
}
