//! The stand-in as a child process: no container, no limits, nothing installed.

mod engine;
mod memory;
mod meter;
mod runtime;
mod sweep;

pub use engine::ProcessEngine;
pub use runtime::{ProcessRuntime, Program};
pub use sweep::leftovers;
pub(in crate::runtime) use sweep::sweep;

#[cfg(test)]
mod tests;
