//! From evidence (log, exit code, Docker's state, phase) to a named failure, by one pure
//! function; and what each class means for the attempt, by one table.

mod advice;
pub mod citation;
pub mod class;
mod clock;
pub mod evidence;
mod exception;
mod extract;
mod facts;
pub mod failure;
mod finding;
mod head;
pub mod line;
mod message;
mod occupancy;
mod prefix;
mod quotation;
mod remedy;
mod rule;
mod rules;
pub mod stage;
mod story;
mod unfold;
mod verdict;
mod vocabulary;

pub use citation::{Cited, Says};
pub use class::{Blame, Consequence, FailureClass, Phase, Prune, Retry, Row, Side};
pub use evidence::{Evidence, Service};
pub use failure::Failure;
pub use stage::{Stage, when};
pub use verdict::{Diagnosis, diagnose, examine};

#[cfg(test)]
mod tests;
