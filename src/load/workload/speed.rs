//! What every workload that measures speed asks of an answer: as many tokens as it was to have,
//! so that every cell does the same task.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::load::stream::Exchange;
use crate::measure::request::RequestFailure;

/// Why the exchange is no measurement of speed: every cell must see the same number of
/// tokens.
pub fn judge(exchange: &Exchange, max_tokens: u32) -> Option<RequestFailure> {
    let unexpected = |detail: String| Some(RequestFailure::Unexpected { detail });
    if exchange.failure.is_some() {
        return exchange.failure.clone();
    }
    let Some(usage) = exchange.usage else {
        return unexpected("the answer has no usage".to_owned());
    };
    if usage.output != u64::from(max_tokens) {
        return unexpected(format!(
            "{} output tokens instead of {max_tokens}",
            usage.output
        ));
    }
    match exchange.finish_reason.as_deref() {
        Some("length") => {}
        other => {
            let other = other.unwrap_or("none");
            return unexpected(format!("finish_reason `{other}` instead of `length`"));
        }
    }
    if exchange.instants.first_token.is_none() {
        return unexpected("no delta carried a token".to_owned());
    }
    None
}

/// Requests in a row, of all users, that found nobody.
#[derive(Debug, Default)]
pub struct Silence {
    in_a_row: AtomicU32,
}

impl Silence {
    /// Takes what came of a request; true when the engine has stopped answering: `most`
    /// requests in a row found nobody.
    pub fn is_final(&self, failure: Option<&RequestFailure>, most: u32) -> bool {
        if failure.is_some_and(RequestFailure::is_silence) {
            return self.in_a_row.fetch_add(1, Ordering::Relaxed) + 1 >= most;
        }
        self.in_a_row.store(0, Ordering::Relaxed);
        false
    }
}
