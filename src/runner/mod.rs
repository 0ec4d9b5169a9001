//! Takes a plan and carries it out: engine after engine, node after node. Knows traits, not
//! vendors.

pub mod attempt;
pub mod cancel;
pub mod conclusion;
pub mod dispatcher;
pub mod guard;
pub mod meter;
pub mod nodes;
pub mod ports;
pub mod ready;
pub mod recorder;
pub mod sampler;

mod card_memory;
mod deadline;
mod source;

#[cfg(test)]
mod ageing_tests;
#[cfg(test)]
mod bench;
#[cfg(test)]
mod race_tests;
#[cfg(test)]
mod tests;
