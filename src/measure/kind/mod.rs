//! What each kind of workload yields: its metrics, and what the report shows beyond them.

pub mod age;
pub mod command;
pub mod conversation;
pub mod kv_cache;
pub mod load;
pub mod reasoning;
pub mod stability;
pub mod tool_calling;
