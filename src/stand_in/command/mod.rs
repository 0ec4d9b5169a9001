//! What the engine is told: its command line, its own numbers, and what both mean together.

pub mod arguments;
pub mod numbers;
pub mod settings;
