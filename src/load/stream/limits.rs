//! How long a request may take.

use std::time::Duration;

use crate::measure::request::RequestFailure;
use crate::time_scale::TimeScale;

/// How long one request may take, in the time of the engine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RequestLimits {
    /// From the request to its last byte; also the longest wait for the first byte.
    pub total: Duration,
    /// Between two arrivals once the first byte is there.
    pub stall: Duration,
    /// How fast the engine's time runs.
    pub scale: TimeScale,
}

impl RequestLimits {
    /// The usual stall limit under a total one. Two minutes without a token is far beyond any
    /// preemption, and well below the default total.
    pub fn within(total: Duration) -> Self {
        Self {
            total,
            stall: total.min(Duration::from_secs(120)),
            scale: TimeScale::ONE,
        }
    }

    /// Both limits as a clock of this machine shows them: total, stall.
    pub(super) fn real(self) -> (Duration, Duration) {
        (
            self.scale.patience(self.total),
            self.scale.patience(self.stall),
        )
    }

    /// Nothing came for so long by this machine's clock.
    pub(super) fn stalled(self, after: Duration) -> RequestFailure {
        let told = self.scale.told(after).as_millis();
        RequestFailure::Stalled {
            after_ms: u64::try_from(told).unwrap_or(u64::MAX),
        }
    }

    /// Something came, and it was not whole after so long by this machine's clock.
    pub(super) fn given_up(self, after: Duration) -> RequestFailure {
        let told = self.scale.told(after).as_millis();
        RequestFailure::Cut {
            detail: format!("given up after {told} ms, unfinished"),
        }
    }

    /// The same for an engine of this speed.
    #[must_use]
    pub fn at(self, scale: TimeScale) -> Self {
        Self { scale, ..self }
    }
}
