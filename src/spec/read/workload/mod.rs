//! From the fields of a `[[workload]]` to its settings, by kind.

mod age;
mod command;
mod conversation;
mod demand;
mod dialogue;
mod kv_cache;
mod load;
mod of_kind;
mod reasoning;
mod stability;
mod task;
mod tool_calling;

pub use of_kind::settings;
