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
        match (self.n_waiting(), self.n_streaming()) {
            (0, 0) => EngineState::Idle,
            (_, 0) => EngineState::Prefill,
            (0, _) => EngineState::Decode,
            (_, _) => EngineState::Mixed,
        }
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
