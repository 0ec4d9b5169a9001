//! Talks HTTP to engines: asks whether they serve and what they are, cuts prompts by their
//! tokenizers, and runs the workloads against them.

pub mod arrival;
pub mod chat;
pub mod client;
pub mod control;
pub mod gauges;
pub mod generator;
mod http_load;
pub mod metrics;
pub mod pacer;
mod production;
pub mod prompt;
pub mod prompt_source;
pub mod proof;
pub mod reason;
pub mod sse;
pub mod stream;
pub mod words;
pub mod workload;

#[cfg(test)]
mod bench;
#[cfg(test)]
mod fake_vllm;
#[cfg(test)]
mod tests;

pub use http_load::{HttpLoad, Lateness};
pub use production::HttpFront;
pub use stream::RequestLimits;
