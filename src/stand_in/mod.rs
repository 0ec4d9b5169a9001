//! gridrun's own fake engine: answers, logs, counts and dies like `vllm serve`, from numbers
//! that it is given. It is a stand-in, not a predictor, and knows nothing of the runner.

mod arguments;
mod cache;
mod death;
mod engine;
mod log;
mod memory;
mod metrics;
mod numbers;
mod request;
mod response;
mod scheduler;
mod serve;
mod server;
mod settings;
mod start_log;
#[cfg(test)]
mod tests;
mod throughput;
mod tokens;

pub use numbers::{EXIT_WITH_STDIN, options};
pub use response::VLLM_VERSION;
pub use serve::serve;
