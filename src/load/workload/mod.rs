//! The workloads, one file a kind, and what all of them share.

mod command;
pub mod context;
mod conversation;
mod dispatch;
mod kv_cache;
mod load;
mod reasoning;
mod speed;
mod stability;
mod tool_calling;
mod traffic;

pub use dispatch::{needs, run};
