//! Is this machine fit for a run, and for the one at hand? Facts in, findings out.
//!
//! Every topic has a file with the facts that it needs and what it makes of them. Nothing is
//! gathered here, and nothing changed.

pub mod docker;
pub mod errand;
pub mod examination;
pub mod finding;
pub mod folder;
pub mod gpu;
pub mod host;
pub mod lock;
pub mod model;
pub mod profile;
pub mod text;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;
