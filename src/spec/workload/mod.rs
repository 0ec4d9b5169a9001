//! What a `[[workload]]` says, by kind.

pub mod arrival;
mod choice;
pub mod command;
pub mod conversation;
pub mod kv_cache;
pub mod load;
pub mod reasoning;
pub mod stability;
pub mod tool_calling;

pub use choice::{LongestRequest, WorkloadSpec};
