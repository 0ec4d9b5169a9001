//! What the engine writes: vLLM's lines from its first word to its last.

pub mod death;
pub mod start;
pub mod throughput;
pub mod writer;
