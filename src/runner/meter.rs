//! What is read beside a node on every beat, as traits: the cards, the host, the engine's
//! container, the engine's own gauges.
//!
//! All of them may be asked from any task, at any time; one that has nothing to say says nothing,
//! and never fails. When to ask is `sampler`'s business.

use futures_util::future::BoxFuture;

use crate::measure::sample::{ContainerReading, EngineGauges, GpuCard, GpuReading, HostReading};

/// Watches the GPUs. Its calls block, for milliseconds as a rule and for seconds when a driver is
/// in trouble.
pub trait Gpu: Send + Sync {
    /// Names of the machine's cards and their driver, for the record; empty where none can be
    /// seen.
    fn describe(&self) -> Vec<String>;

    /// The cards that an engine under test may use.
    fn cards(&self) -> Vec<GpuCard>;

    /// Why there are none.
    fn absence(&self) -> Option<String>;

    /// One reading of each card, in the order of [`Gpu::cards`]; a card that does not answer is
    /// `None`. Whose the processes are is not known here.
    fn read(&self) -> Vec<Option<GpuReading>>;
}

/// Watches the machine. Its call must not block for long.
pub trait Host: Send + Sync {
    fn read(&self) -> HostReading;
}

/// Watches what one engine uses.
pub trait EngineMeter: Send + Sync {
    /// `None` when it is gone, or nobody can know.
    fn read(&self) -> BoxFuture<'_, Option<ContainerReading>>;

    /// Whether a process of this machine belongs to the engine; `None` when nobody can tell.
    fn owns(&self, pid: u32) -> BoxFuture<'_, Option<bool>>;
}

/// Reads the gauges of one ready engine.
pub trait GaugeMeter: Send + Sync {
    /// `None` when the engine did not answer.
    fn read(&self) -> BoxFuture<'_, Option<EngineGauges>>;
}
