//! gridrun's own fake engine: answers, logs, counts and dies like `vllm serve`, from numbers
//! that it is given. It is a stand-in, not a predictor, and knows nothing of the runner.

mod command;
mod engine;
mod http;
mod log;
mod model;
mod parser;
mod scenario;
mod serve;
#[cfg(test)]
mod tests;
mod version;
#[cfg(test)]
mod version_tests;

pub use command::numbers::{EXIT_WITH_STDIN, defaults, options};
pub use serve::serve;
