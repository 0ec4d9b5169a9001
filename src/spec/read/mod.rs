//! From the text of an experiment file and its profile to [`Experiment`], and from that of a
//! scenario file to [`Scenario`], with every mistake reported.
//!
//! [`Experiment`]: crate::spec::experiment::Experiment
//! [`Scenario`]: crate::spec::scenario::Scenario

pub mod criteria;
mod experiment;
mod knob;
mod load;
mod metric;
mod numbers;
mod profile;
mod scalar;
mod scenario;
mod slo;
mod walk;
mod workload;

#[cfg(test)]
mod scenario_tests;
#[cfg(test)]
mod tests;

pub use load::{Find, Loaded, load, load_with};
pub use scenario::{LoadedScenario, load_scenario};
