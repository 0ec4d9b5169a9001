//! What a load keeps of a request: a few numbers, whatever it said and however long it took.

use crate::measure::request::{Request, RequestRole};

/// A request in a few numbers. Instants are in nanoseconds since the attempt's origin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    pub role: RequestRole,
    pub user: u32,
    pub due: u64,
    pub sent: u64,
    pub first: Option<u64>,
    pub last: Option<u64>,
    pub end: u64,
    /// By the server's usage.
    pub output: u64,
    pub succeeded: bool,
    /// It kept every bound alone.
    pub good: bool,
}

impl Sample {
    pub fn of(request: &Request, good: bool) -> Self {
        let instants = &request.instants;
        Self {
            role: request.role,
            user: request.user,
            due: instants.due,
            sent: instants.sent,
            first: instants.first_token,
            last: instants.last_token,
            end: instants.end,
            output: request.usage.map_or(0, |usage| usage.output),
            succeeded: request.failure.is_none(),
            good,
        }
    }
}
