//! Requests of many users or of a rate, for the workloads that need more than one at a time.

mod crew;
mod office;
mod sample;
mod texts;

pub use crew::{Crew, Done, Orders, Pace};
pub use sample::Sample;
pub use texts::{Task, Texts};
