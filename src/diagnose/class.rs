//! The closed set of ways in which an engine fails, and what follows from each.

use std::fmt;

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
    /// The runtime itself (the image, the disk, the daemon's own words) failed.
    Runtime,
    /// The Docker daemon went away.
    RuntimeLost,
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

/// Whose setting the evidence speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// A flag that the experiment varies.
    Cell,
    /// A flag of the profile, or none that is known.
    Profile,
}

/// How far an engine had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    Starting,
    Serving,
}

impl FailureClass {
    /// Every class, in the order of the documentation.
    pub const ALL: [Self; 19] = [
        Self::GpuOomStartup,
        Self::GpuOomServing,
        Self::KvCacheTooSmall,
        Self::GpuMemoryTaken,
        Self::HostOom,
        Self::BadArgument,
        Self::ModelNotFound,
        Self::PortInUse,
        Self::GpuUnavailable,
        Self::NcclFailure,
        Self::EngineDied,
        Self::NotReady,
        Self::Unresponsive,
        Self::NotAsConfigured,
        Self::Runtime,
        Self::RuntimeLost,
        Self::Stopped,
        Self::Healthy,
        Self::Unknown,
    ];

    /// The table of what each class means for an attempt.
    ///
    /// `blame` matters to two classes only. A bad argument is a finding about the cell when it is
    /// about a varied flag, and otherwise the profile's mistake, which every cell would repeat.
    /// Memory that is taken at the start is the machine's fault, since somebody else holds it;
    /// the exception is an engine on CPU: its limit is its own container's, where nobody else
    /// can be, so that a varied utilisation above what the container leaves free is the cell's
    /// own making (`diagnose` gives the blame to the cell in that case alone).
    ///
    /// `NotAsConfigured` is a finding about the cell: the same engine given the same flags would
    /// decide the same again, so it is never retried. `Stopped` and `Healthy` are no failures;
    /// an attempt that ended so for a reason that gridrun does not know is worth one more try.
    pub fn consequence(self, blame: Blame) -> Consequence {
        match self {
            Self::GpuOomStartup
            | Self::GpuOomServing
            | Self::KvCacheTooSmall
            | Self::HostOom
            | Self::NotAsConfigured => Consequence::Infeasible,
            Self::BadArgument | Self::GpuMemoryTaken => match blame {
                Blame::Cell => Consequence::Infeasible,
                Blame::Profile => Consequence::Machine,
            },
            Self::ModelNotFound
            | Self::PortInUse
            | Self::GpuUnavailable
            | Self::Runtime
            | Self::RuntimeLost => Consequence::Machine,
            Self::NcclFailure
            | Self::EngineDied
            | Self::NotReady
            | Self::Unresponsive
            | Self::Stopped
            | Self::Healthy
            | Self::Unknown => Consequence::Retry,
        }
    }

    /// The name as files and JSON write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::GpuOomStartup => "gpu_oom_startup",
            Self::GpuOomServing => "gpu_oom_serving",
            Self::KvCacheTooSmall => "kv_cache_too_small",
            Self::GpuMemoryTaken => "gpu_memory_taken",
            Self::HostOom => "host_oom",
            Self::BadArgument => "bad_argument",
            Self::ModelNotFound => "model_not_found",
            Self::PortInUse => "port_in_use",
            Self::GpuUnavailable => "gpu_unavailable",
            Self::NcclFailure => "nccl_failure",
            Self::EngineDied => "engine_died",
            Self::NotReady => "not_ready",
            Self::Unresponsive => "unresponsive",
            Self::NotAsConfigured => "not_as_configured",
            Self::Runtime => "runtime",
            Self::RuntimeLost => "runtime_lost",
            Self::Stopped => "stopped",
            Self::Healthy => "healthy",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for FailureClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Starting => "starting",
            Self::Serving => "serving",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_serde_writes() {
        for class in FailureClass::ALL {
            let json = serde_json::to_string(&class).unwrap();
            assert_eq!(json, format!("\"{class}\""));
            assert_eq!(serde_json::from_str::<FailureClass>(&json).unwrap(), class);
        }
        for phase in [Phase::Starting, Phase::Serving] {
            assert_eq!(
                serde_json::to_string(&phase).unwrap(),
                format!("\"{phase}\"")
            );
        }
    }

    #[test]
    fn blame_decides_for_two_classes_only() {
        for class in FailureClass::ALL {
            let differs = class.consequence(Blame::Cell) != class.consequence(Blame::Profile);
            let expected = matches!(
                class,
                FailureClass::BadArgument | FailureClass::GpuMemoryTaken
            );
            assert_eq!(differs, expected, "{class}");
        }
    }

    #[test]
    fn the_table_reads_as_documented() {
        let row = |class: FailureClass| class.consequence(Blame::Profile);
        for class in [
            FailureClass::GpuOomStartup,
            FailureClass::GpuOomServing,
            FailureClass::KvCacheTooSmall,
            FailureClass::HostOom,
            FailureClass::NotAsConfigured,
        ] {
            assert_eq!(row(class), Consequence::Infeasible, "{class}");
        }
        for class in [
            FailureClass::BadArgument,
            FailureClass::GpuMemoryTaken,
            FailureClass::ModelNotFound,
            FailureClass::PortInUse,
            FailureClass::GpuUnavailable,
            FailureClass::Runtime,
        ] {
            assert_eq!(row(class), Consequence::Machine, "{class}");
        }
        for class in [
            FailureClass::NcclFailure,
            FailureClass::EngineDied,
            FailureClass::NotReady,
            FailureClass::Unresponsive,
            FailureClass::Unknown,
            FailureClass::Stopped,
            FailureClass::Healthy,
        ] {
            assert_eq!(row(class), Consequence::Retry, "{class}");
        }
        assert_eq!(
            FailureClass::BadArgument.consequence(Blame::Cell),
            Consequence::Infeasible
        );
    }
}
