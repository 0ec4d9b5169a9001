//! Measurements as data: raw requests, prompts, metrics and their summaries. Nothing here sends a
//! request or reads a clock.

pub mod activity;
pub mod client;
pub mod histogram;
pub mod kind;
pub mod load_run;
pub mod memory;
pub mod metric;
pub mod node;
pub mod profiling;
pub mod prompt;
pub mod request;
pub mod rubric;
pub mod sample;
pub mod summary;
pub mod token_instants;
pub mod trend;
