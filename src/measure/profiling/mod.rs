//! What many samples say: means, extremes, deviation and energy per node and engine state, the
//! alerts of a bound that was passed, and the reasons for which a node measured something else
//! than its configuration.
//!
//! Pure, and in a memory that does not grow with the number of samples: a soak over hours is
//! summed up as it goes.

mod alert;
mod brief;
mod builder;
mod flaw;
mod moments;
mod state;
mod summary;

pub use alert::{Alert, AlertBounds, AlertKind};
pub use brief::{GpuBrief, Level, NodeBrief, ProfilingBrief, Watched};
pub use builder::ProfilingBuilder;
pub use flaw::{Flaw, SLOWED_DOWN_AT_MOST};
pub use moments::{Moments, Running};
pub use summary::{Energy, EnergySource, GpuSummary, NodeProfiling, Profiling, StateProfiling};

#[cfg(test)]
mod tests;
