//! How the client that measured did itself: whether it was ever what was measured.

use serde::{Deserialize, Serialize};

use crate::measure::summary::Summary;

/// How late the client was during a node, in milliseconds of this machine's clock: an engine
/// whose time runs faster has no faster client.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ClientHealth {
    /// From the instant when a request was due to the one when it was sent.
    pub schedule_delay_ms: Summary,
    /// How much later than asked a timer of the client woke up.
    pub loop_lag_ms: Summary,
}
