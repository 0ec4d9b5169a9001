//! From the text of an experiment file and its profile to [`Experiment`], with every mistake
//! reported.
//!
//! [`Experiment`]: crate::spec::experiment::Experiment

mod experiment;
mod knob;
mod load;
mod metric;
mod profile;
mod scalar;
mod walk;

#[cfg(test)]
mod tests;

pub use load::{Loaded, load};
