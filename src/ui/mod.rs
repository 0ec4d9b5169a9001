//! What people and machines see while a run goes on: sinks of events, each independent of the
//! others. The only place, beside `main`, that prints.

pub mod describe;
pub mod exposition;
pub mod jsonl;
pub mod load_progress;
pub mod metrics;
pub mod plain;
pub mod progress;
pub mod pull;
pub mod tally;
