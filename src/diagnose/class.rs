//! The closed set of ways in which an engine fails, and what follows from each.

use serde::{Deserialize, Serialize};

/// Why an engine failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    GpuOomStartup,
    GpuOomServing,
    KvCacheTooSmall,
    GpuMemoryTaken,
    HostOom,
    BadArgument,
    ModelNotFound,
    PortInUse,
    GpuUnavailable,
    NcclFailure,
    EngineDied,
    /// The deadline passed before the engine was ready.
    NotReady,
    /// `/health` is green and no completion comes back.
    Unresponsive,
    /// The engine does not run what it was asked to run.
    NotAsConfigured,
    /// The runtime itself (the Docker daemon, the image, the disk) failed.
    Runtime,
    /// Somebody stopped the engine in an orderly way.
    Stopped,
    /// Nothing is wrong with it.
    Healthy,
    Unknown,
}

/// What a class means for the attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consequence {
    /// The cell's own making: infeasible, never retried.
    Infeasible,
    /// The machine's or the profile's fault: retried once; two in a row stop the run.
    Machine,
    /// Nobody can say: retried once.
    Retry,
}

/// How far an engine had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    Starting,
    Serving,
}
