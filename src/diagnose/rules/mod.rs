//! The root-cause messages of vLLM and of what it stands on, as tables.

pub mod argument;
pub mod fault;
pub mod machine;
pub mod memory;
pub mod progress;
pub mod secondary;
