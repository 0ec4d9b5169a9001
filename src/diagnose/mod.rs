//! From evidence (log, exit code, Docker's state, phase) to a named failure, by one pure
//! function; and what each class means for the attempt, by one table.

pub mod advice;
pub mod class;
pub mod evidence;
pub mod exception;
pub mod extract;
pub mod failure;
pub mod line;
pub mod rule;
pub mod rules;
pub mod story;
pub mod verdict;

pub use class::{Blame, Consequence, FailureClass, Phase};
pub use evidence::Evidence;
pub use failure::Failure;
pub use verdict::diagnose;

#[cfg(test)]
mod tests;
