//! From evidence (log, exit code, Docker's state, phase) to a named failure, by one pure
//! function; and what each class means for the attempt, by one table.

pub mod class;
pub mod evidence;
pub mod failure;

pub use class::{Consequence, FailureClass, Phase};
pub use evidence::Evidence;
pub use failure::Failure;
