//! What one request left.

use crate::load::stream::answer::Answer;
use crate::measure::request::{Instants, RequestFailure, Usage};

/// What one request left. With a `failure` it is no measurement, whatever else is there.
#[derive(Debug, Clone, PartialEq)]
pub struct Exchange {
    /// They count from the origin of the streamer.
    pub instants: Instants,
    /// `None` where the server did not say.
    pub usage: Option<Usage>,
    pub finish_reason: Option<String>,
    pub failure: Option<RequestFailure>,
    /// As far as it came; `None` where it was not to be kept.
    pub answer: Option<Answer>,
}
