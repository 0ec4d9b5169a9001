//! The workloads, one file a kind, and what all of them share.

pub mod context;
mod conversation;
mod dispatch;
mod kv_cache;
mod speed;
mod tool_calling;

pub use dispatch::{needs, run};
