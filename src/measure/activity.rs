//! What an engine is doing for us at this moment, by our own requests: how many wait for their
//! first token, how many stream.
//!
//! The streaming client keeps it; who samples the machine reads it.

use std::sync::atomic::{AtomicU32, Ordering};

use serde::{Deserialize, Serialize};

/// Requests in flight, by how far they have come.
#[derive(Debug, Default)]
pub struct Activity {
    waiting: AtomicU32,
    streaming: AtomicU32,
}

/// What the requests in flight mean for the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineState {
    /// No request is in flight.
    Idle,
    /// All of them wait for their first token.
    Prefill,
    /// All of them stream.
    Decode,
    /// Some wait and some stream.
    Mixed,
}

/// One request in flight. It counts until it is dropped.
#[derive(Debug)]
pub struct InFlight<'a> {
    activity: &'a Activity,
    streams: bool,
}

impl Activity {
    /// A request is sent.
    pub fn sent(&self) -> InFlight<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        InFlight {
            activity: self,
            streams: false,
        }
    }

    pub fn n_waiting(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed)
    }

    pub fn n_streaming(&self) -> u32 {
        self.streaming.load(Ordering::Relaxed)
    }

    pub fn state(&self) -> EngineState {
        EngineState::of(self.n_waiting(), self.n_streaming())
    }
}

impl EngineState {
    /// The state with so many requests that wait for their first token, and so many that have it.
    pub fn of(n_waiting: u32, n_streaming: u32) -> Self {
        match (n_waiting, n_streaming) {
            (0, 0) => Self::Idle,
            (_, 0) => Self::Prefill,
            (0, _) => Self::Decode,
            (_, _) => Self::Mixed,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Prefill => "prefill",
            Self::Decode => "decode",
            Self::Mixed => "mixed",
        }
    }

    /// Whether a request is in flight.
    pub fn is_working(self) -> bool {
        self != Self::Idle
    }
}

impl InFlight<'_> {
    /// Its first token is there.
    pub fn has_begun(&mut self) {
        if !self.streams {
            self.streams = true;
            // Up before down: in between the engine is seen as busier, never as idle.
            self.activity.streaming.fetch_add(1, Ordering::Relaxed);
            self.activity.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        let counter = if self.streams {
            &self.activity.streaming
        } else {
            &self.activity.waiting
        };
        counter.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_follows_from_the_requests_in_flight() {
        let activity = Activity::default();
        assert_eq!(activity.state(), EngineState::Idle);
        let mut first = activity.sent();
        assert_eq!(activity.state(), EngineState::Prefill);
        first.has_begun();
        first.has_begun();
        assert_eq!(activity.state(), EngineState::Decode);
        let second = activity.sent();
        assert_eq!(activity.state(), EngineState::Mixed);
        assert_eq!((activity.n_waiting(), activity.n_streaming()), (1, 1));
        drop(first);
        assert_eq!(activity.state(), EngineState::Prefill);
        drop(second);
        assert_eq!(activity.state(), EngineState::Idle);
    }
}
