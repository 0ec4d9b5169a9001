//! One HTTP exchange with an engine: raw instants and token counts. Everything else is
//! derived from them, in the time of the engine.

use serde::{Deserialize, Serialize};

use crate::measure::token_instants::TokenInstants;
use crate::time_scale::TimeScale;

/// Why a request is no measurement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum RequestFailure {
    /// No connection, or it broke before the response began.
    Connect { detail: String },
    /// Not a 2xx.
    Status { status: u16, body: String },
    /// An error event inside a 200.
    ErrorEvent { message: String },
    /// The stream ended without a `finish_reason`.
    Cut { detail: String },
    /// Nothing arrived within the request's time.
    Stalled { after_ms: u64 },
    /// Bytes that are not what an OpenAI-compatible stream holds.
    Garbled { detail: String },
    /// The answer ended in another way than the workload needs (other token count, no usage).
    Unexpected { detail: String },
}

impl RequestFailure {
    /// True when nobody answered at all.
    pub fn is_silence(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Stalled { .. } => true,
            Self::Status { .. }
            | Self::ErrorEvent { .. }
            | Self::Cut { .. }
            | Self::Garbled { .. }
            | Self::Unexpected { .. } => false,
        }
    }
}

/// Instants of one request, in nanoseconds since the attempt's monotonic origin, as this
/// machine's clock showed them: whatever the speed of the engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Instants {
    /// When it should be sent (open loop) or was handed to the client (closed loop).
    pub due: u64,
    /// When the client began to write it.
    pub sent: u64,
    /// First delta with content, reasoning or a tool call.
    pub first_token: Option<u64>,
    /// First delta with content or a tool call: the answer proper, after any reasoning.
    pub first_answer: Option<u64>,
    /// Last delta with content, reasoning or a tool call.
    pub last_token: Option<u64>,
    /// Last byte.
    pub end: u64,
    /// Every such delta, in order; empty when not kept.
    pub tokens: TokenInstants,
}

impl Instants {
    /// Those of a request of which nothing else is known yet.
    pub fn due_at(due: u64) -> Self {
        Self {
            due,
            sent: due,
            first_token: None,
            first_answer: None,
            last_token: None,
            end: due,
            tokens: TokenInstants::default(),
        }
    }
}

/// Token counts as the server's `usage` gives them; never counted from events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    pub prompt: u64,
    pub output: u64,
    /// `prompt_tokens_details.cached_tokens`; `None` when the engine does not say.
    pub cached: Option<u64>,
}

/// Differences of the engine's prefix cache counters around one request, in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheCounters {
    pub queries: u64,
    pub hits: u64,
}

/// What a request is for inside its workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RequestRole {
    /// Not measured.
    WarmUp,
    /// A prompt's first request.
    First,
    /// The same prompt again.
    Repeat,
    /// A request of a workload that knows no pairs.
    Measured,
    /// A short request beside the load, to see what the load does to others.
    Probe,
}

/// What the engine's counters say of a request's prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "proof", rename_all = "kebab-case")]
pub enum CacheProof {
    Hit {
        cached: u64,
        eligible: u64,
    },
    Miss {
        cached: u64,
    },
    /// Neither: the sample is kept out of hits and misses.
    Unproved {
        because: String,
    },
}

/// One request as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    pub node: String,
    /// Position within the node, from 0.
    pub index: u32,
    pub role: RequestRole,
    /// Which prompt of the prompt book, where it is one of them.
    pub prompt: Option<u32>,
    /// Which of the users that are there at once, from 0.
    pub user: u32,
    /// Which turn of a conversation or step of a chain, from 0.
    pub turn: Option<u32>,
    /// What it belongs to inside its node: a task, a scenario, a rung.
    pub label: Option<String>,
    pub instants: Instants,
    pub usage: Option<Usage>,
    pub counters: Option<CacheCounters>,
    pub finish_reason: Option<String>,
    pub failure: Option<RequestFailure>,
    pub proof: Option<CacheProof>,
}

impl Request {
    /// Due to first token, in milliseconds; `None` for a failed request.
    pub fn ttft_ms(&self, scale: TimeScale) -> Option<f64> {
        if self.failure.is_some() {
            return None;
        }
        self.instants
            .first_token
            .map(|first| scale.nanos_told_ms(first.saturating_sub(self.instants.due)))
    }

    /// Due to the first token of the answer proper, in milliseconds; `None` for a failed request
    /// and for one that never came to its answer.
    pub fn ttfa_ms(&self, scale: TimeScale) -> Option<f64> {
        if self.failure.is_some() {
            return None;
        }
        self.instants
            .first_answer
            .map(|first| scale.nanos_told_ms(first.saturating_sub(self.instants.due)))
    }

    /// Due to sent, in milliseconds.
    pub fn queue_ms(&self, scale: TimeScale) -> f64 {
        scale.nanos_told_ms(self.instants.sent.saturating_sub(self.instants.due))
    }

    /// (last token - first token) / (output tokens - 1), in milliseconds; `None` for a failed
    /// request and for fewer than two tokens.
    pub fn tpot_ms(&self, scale: TimeScale) -> Option<f64> {
        let (tokens, span) = self.after_first_token()?;
        Some(scale.nanos_told_ms(span) / tokens as f64)
    }

    /// The gaps between consecutive deltas that carry tokens, in milliseconds; none for a failed
    /// request and where the instants were not kept.
    pub fn itl_ms(&self, scale: TimeScale) -> impl Iterator<Item = f64> + '_ {
        let gaps = self.failure.is_none().then(|| self.instants.tokens.gaps());
        gaps.into_iter()
            .flatten()
            .map(move |gap| scale.nanos_told_ms(gap))
    }

    /// Prompt tokens that the engine says it had cached: in the answer itself, else by its
    /// counters around this request.
    pub fn cached_tokens(&self) -> Option<u64> {
        let told = self.usage.and_then(|usage| usage.cached);
        told.or_else(|| self.counters.map(|counters| counters.hits))
    }

    /// Due to last byte, in milliseconds; `None` for a failed request.
    pub fn e2e_ms(&self, scale: TimeScale) -> Option<f64> {
        self.failure
            .is_none()
            .then(|| scale.nanos_told_ms(self.instants.end.saturating_sub(self.instants.due)))
    }

    /// (output tokens - 1) / (last token - first token), per second; `None` for a failed
    /// request and for fewer than two tokens.
    pub fn tokens_per_second(&self, scale: TimeScale) -> Option<f64> {
        let (tokens, span) = self.after_first_token()?;
        (span > 0).then(|| scale.per_second(tokens as f64, span))
    }

    /// The output tokens after the first, and the nanoseconds from the first to the last;
    /// `None` for a failed request and for fewer than two tokens.
    fn after_first_token(&self) -> Option<(u64, u64)> {
        if self.failure.is_some() {
            return None;
        }
        let instants = &self.instants;
        let span = instants.last_token?.checked_sub(instants.first_token?)?;
        let tokens = self.usage?.output.checked_sub(1)?;
        (tokens > 0).then_some((tokens, span))
    }
}
