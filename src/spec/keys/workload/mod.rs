//! The keys that each kind of workload adds to those that all have.

pub mod age;
pub mod command;
pub mod conversation;
pub mod kv_cache;
pub mod load;
mod of_kind;
pub mod reasoning;
pub mod stability;
pub mod tool_calling;

pub use of_kind::of_kind;
