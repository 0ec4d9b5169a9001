//! The one streaming client under all workloads: requests go out, and what comes back becomes
//! instants, counts and, when it is no measurement, the reason.

mod answer;
mod connection;
mod endpoint;
mod exchange;
mod limits;
mod loop_watch;
mod patience;
mod reader;
mod request;
mod stamped;
mod streamer;
mod waker;
mod whole;

#[cfg(test)]
mod tests;

pub use answer::{Answer, ToolCall};
pub use endpoint::{Endpoint, EndpointError};
pub use exchange::Exchange;
pub use limits::RequestLimits;
pub use loop_watch::LoopWatch;
pub use request::{ChatRequest, Keep, SpeedRequest};
pub use streamer::Streamer;
