//! Measurements as data: raw requests, prompts, metrics and their summaries. Nothing here sends a
//! request or reads a clock.

pub mod activity;
pub mod client;
pub mod climb;
pub mod forecast;
pub mod histogram;
pub mod kind;
pub mod load_run;
pub mod memory;
pub mod memory_course;
pub mod metric;
pub mod node;
pub mod profiling;
pub mod prompt;
pub mod request;
pub mod rubric;
pub mod running;
pub mod sample;
pub mod saturation;
pub mod slo;
pub mod steady;
pub mod summary;
pub mod thinned;
pub mod token_instants;
pub mod trend;
