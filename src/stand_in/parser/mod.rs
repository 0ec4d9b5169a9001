//! How vLLM reads what a model writes: reasoning and tool calls out of text, piece by piece.

pub mod delta;
pub mod guided;
pub mod json_calls;
pub mod json_scanner;
pub mod marked;
pub mod message;
pub mod parameters;
pub mod pythonic;
pub mod reasoning;
pub mod registry;
#[cfg(test)]
mod tests;
