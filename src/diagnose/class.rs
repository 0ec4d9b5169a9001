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
    /// A flag that the experiment varies, or a limit that the cell itself ran into.
    Cell,
    /// A flag or a setting of the profile, or none that is known.
    Profile,
}

/// How often a place of the plan is tried after such an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    Never,
    /// Once more, in the same block.
    Once,
    /// The attempt was lost with the runtime and does not count as a try, until a place lost
    /// three: an engine that takes the daemon with it every time must not be started for ever.
    NotCounted,
}

/// What such a death proves about other cells: which of them need not be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prune {
    /// Nothing.
    None,
    DeviceOom,
    KvCache,
    HostOom,
}

/// On which side of the dead cell's value another cell's must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Equal or larger.
    AtLeast,
    /// Equal or smaller.
    AtMost,
}

/// One line of the table of classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// As files and JSON write it.
    pub name: &'static str,
    /// Why the engine failed, in a sentence.
    pub meaning: &'static str,
    /// What follows when the cell is to blame, and when the profile or the machine is.
    pub blames_cell: Consequence,
    pub blames_profile: Consequence,
    /// What it proves where it is the cell's own making.
    pub prune: Prune,
}

impl Row {
    const fn new(name: &'static str, meaning: &'static str, always: Consequence) -> Self {
        Self {
            name,
            meaning,
            blames_cell: always,
            blames_profile: always,
            prune: Prune::None,
        }
    }

    /// The machine's or the profile's fault where the cell is not to blame.
    const fn by_blame(name: &'static str, meaning: &'static str) -> Self {
        Self {
            blames_profile: Consequence::Machine,
            ..Self::new(name, meaning, Consequence::Infeasible)
        }
    }

    const fn proves(mut self, prune: Prune) -> Self {
        self.prune = prune;
        self
    }
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

    /// The one table of what each class is and what follows from it.
    ///
    /// Blame matters to three classes. A bad argument is a finding about the cell when it is
    /// about a varied flag, and otherwise the profile's mistake, which every cell would repeat.
    /// Memory that is taken at the start is the machine's fault, since somebody else holds it;
    /// the exception is an engine on CPU: its limit is its own container's, where nobody else
    /// can be, so that a varied utilisation above what the container leaves free is the cell's
    /// own making (`diagnose` gives the blame to the cell in that case alone). Host memory that
    /// runs out is the cell's own making, but for `/dev/shm`: its size is the profile's to set,
    /// no flag asks for less of it, and every cell dies of it alike.
    ///
    /// `NotAsConfigured` is a finding about the cell: the same engine given the same flags would
    /// decide the same again, so it is never retried. `Stopped` and `Healthy` are no failures;
    /// an attempt that ended so for a reason that gridrun does not know is worth one more try.
    pub const fn row(self) -> Row {
        use Consequence::{Infeasible, Machine, Retry};
        match self {
            Self::GpuOomStartup => Row::new(
                "gpu_oom_startup",
                "GPU memory ran out while the engine started",
                Infeasible,
            )
            .proves(Prune::DeviceOom),
            Self::GpuOomServing => Row::new(
                "gpu_oom_serving",
                "GPU memory ran out while it served",
                Infeasible,
            )
            .proves(Prune::DeviceOom),
            Self::KvCacheTooSmall => Row::new(
                "kv_cache_too_small",
                "what is left for the KV cache does not hold one request of the full length",
                Infeasible,
            )
            .proves(Prune::KvCache),
            Self::GpuMemoryTaken => Row::by_blame(
                "gpu_memory_taken",
                "the share of memory that the engine was to use was not free when it started",
            ),
            Self::HostOom => Row::by_blame(
                "host_oom",
                "host memory, the container's limit or /dev/shm ran out",
            )
            .proves(Prune::HostOom),
            Self::BadArgument => Row::by_blame("bad_argument", "vLLM refuses its arguments"),
            Self::ModelNotFound => Row::new(
                "model_not_found",
                "the model, or a file of it, could not be found or fetched",
                Machine,
            ),
            Self::PortInUse => Row::new("port_in_use", "the port is in use", Machine),
            Self::GpuUnavailable => Row::new("gpu_unavailable", "no usable GPU was seen", Machine),
            Self::NcclFailure => Row::new(
                "nccl_failure",
                "the GPUs' collective communication failed",
                Retry,
            ),
            Self::EngineDied => Row::new(
                "engine_died",
                "the engine crashed or was killed, and nothing more specific is known",
                Retry,
            ),
            Self::NotReady => Row::new(
                "not_ready",
                "the deadline passed before the engine was ready",
                Retry,
            ),
            Self::Unresponsive => Row::new(
                "unresponsive",
                "`/health` is green and no completion comes back",
                Retry,
            ),
            Self::NotAsConfigured => Row::new(
                "not_as_configured",
                "the engine runs with other settings than it was given",
                Infeasible,
            ),
            Self::Runtime => Row::new(
                "runtime",
                "the container runtime or the host failed (image, disk, the daemon's own words)",
                Machine,
            ),
            Self::RuntimeLost => Row::new(
                "runtime_lost",
                "the Docker daemon went away under the engine",
                Machine,
            ),
            Self::Stopped => Row::new("stopped", "somebody stopped the engine in order", Retry),
            Self::Healthy => Row::new("healthy", "nothing is wrong", Retry),
            Self::Unknown => Row::new("unknown", "the evidence does not say", Retry),
        }
    }

    /// What it means for the attempt.
    pub fn consequence(self, blame: Blame) -> Consequence {
        match blame {
            Blame::Cell => self.row().blames_cell,
            Blame::Profile => self.row().blames_profile,
        }
    }

    /// False for the two ends that are none.
    pub fn is_failure(self) -> bool {
        !matches!(self, Self::Stopped | Self::Healthy)
    }

    /// The name as files and JSON write it.
    pub fn name(self) -> &'static str {
        self.row().name
    }
}

impl Consequence {
    /// How often the place is tried again.
    pub fn retry(self, class: FailureClass) -> Retry {
        match (self, class) {
            (Self::Infeasible, _) => Retry::Never,
            (Self::Machine | Self::Retry, FailureClass::RuntimeLost) => Retry::NotCounted,
            (Self::Machine | Self::Retry, _) => Retry::Once,
        }
    }

    /// What it proves about other cells: only a death of the cell's own making proves anything.
    pub fn prune(self, class: FailureClass) -> Prune {
        match self {
            Self::Infeasible => class.row().prune,
            Self::Machine | Self::Retry => Prune::None,
        }
    }

    /// What becomes of the attempt, in words.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Infeasible => "infeasible, the configuration's own making; never retried",
            Self::Machine => {
                "failed, the machine's or the profile's fault; retried once, two in a row stop a run"
            }
            Self::Retry => "failed, nobody can say whose fault; retried once",
        }
    }
}

impl Prune {
    pub const ALL: [Self; 4] = [Self::None, Self::DeviceOom, Self::KvCache, Self::HostOom];

    /// The flags in which another cell may differ from the dead one, and to which side. Every
    /// other flag, variable, the memory limit and the image must be the same.
    pub fn monotone(self) -> &'static [(&'static str, Side)] {
        match self {
            Self::None => &[],
            Self::DeviceOom => &[
                ("gpu-memory-utilization", Side::AtLeast),
                ("max-num-batched-tokens", Side::AtLeast),
                ("max-num-seqs", Side::AtLeast),
            ],
            Self::KvCache => &[
                ("gpu-memory-utilization", Side::AtMost),
                ("max-model-len", Side::AtLeast),
                ("max-num-batched-tokens", Side::AtLeast),
                ("max-num-seqs", Side::AtLeast),
            ],
            Self::HostOom => &[
                ("kv-cache-memory-bytes", Side::AtLeast),
                ("cpu-offload-gb", Side::AtLeast),
                ("kv-offloading-size", Side::AtLeast),
                ("swap-space", Side::AtLeast),
            ],
        }
    }

    /// As JSON writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::DeviceOom => "device_oom",
            Self::KvCache => "kv_cache",
            Self::HostOom => "host_oom",
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
    fn blame_decides_for_three_classes_only() {
        for class in FailureClass::ALL {
            let differs = class.consequence(Blame::Cell) != class.consequence(Blame::Profile);
            let expected = matches!(
                class,
                FailureClass::BadArgument | FailureClass::GpuMemoryTaken | FailureClass::HostOom
            );
            assert_eq!(differs, expected, "{class}");
        }
    }

    #[test]
    fn the_table_reads_as_documented() {
        use Consequence::{Infeasible, Machine, Retry};
        let expected = [
            (FailureClass::GpuOomStartup, Infeasible, Infeasible),
            (FailureClass::GpuOomServing, Infeasible, Infeasible),
            (FailureClass::KvCacheTooSmall, Infeasible, Infeasible),
            (FailureClass::GpuMemoryTaken, Infeasible, Machine),
            (FailureClass::HostOom, Infeasible, Machine),
            (FailureClass::BadArgument, Infeasible, Machine),
            (FailureClass::ModelNotFound, Machine, Machine),
            (FailureClass::PortInUse, Machine, Machine),
            (FailureClass::GpuUnavailable, Machine, Machine),
            (FailureClass::NcclFailure, Retry, Retry),
            (FailureClass::EngineDied, Retry, Retry),
            (FailureClass::NotReady, Retry, Retry),
            (FailureClass::Unresponsive, Retry, Retry),
            (FailureClass::NotAsConfigured, Infeasible, Infeasible),
            (FailureClass::Runtime, Machine, Machine),
            (FailureClass::RuntimeLost, Machine, Machine),
            (FailureClass::Stopped, Retry, Retry),
            (FailureClass::Healthy, Retry, Retry),
            (FailureClass::Unknown, Retry, Retry),
        ];
        assert_eq!(expected.map(|(class, ..)| class), FailureClass::ALL);
        for (class, of_the_cell, of_the_profile) in expected {
            assert_eq!(class.consequence(Blame::Cell), of_the_cell, "{class}");
            assert_eq!(class.consequence(Blame::Profile), of_the_profile, "{class}");
        }
    }

    #[test]
    fn only_memory_that_the_cell_itself_exhausted_proves_anything() {
        for class in FailureClass::ALL {
            let proves = Consequence::Infeasible.prune(class) != Prune::None;
            let is_memory = matches!(
                class,
                FailureClass::GpuOomStartup
                    | FailureClass::GpuOomServing
                    | FailureClass::KvCacheTooSmall
                    | FailureClass::HostOom
            );
            assert_eq!(proves, is_memory, "{class}");
            assert_eq!(Consequence::Machine.prune(class), Prune::None);
            assert_eq!(Consequence::Retry.prune(class), Prune::None);
        }
    }

    #[test]
    fn the_flags_of_the_proofs_are_flags_of_vllm() {
        for prune in Prune::ALL {
            let json = serde_json::to_string(&prune).unwrap();
            assert_eq!(json, format!("\"{}\"", prune.name()));
            assert_eq!(prune.monotone().is_empty(), prune == Prune::None);
            for (flag, _) in prune.monotone() {
                // Newer versions have no swap space any more.
                let known = crate::spec::vllm_flags::lookup(flag).map(|known| known.name);
                assert_eq!(known.unwrap_or("swap-space"), *flag);
            }
        }
    }

    #[test]
    fn only_an_infeasible_end_is_never_retried() {
        for class in FailureClass::ALL {
            assert_eq!(Consequence::Infeasible.retry(class), Retry::Never);
            let expected = match class {
                FailureClass::RuntimeLost => Retry::NotCounted,
                _ => Retry::Once,
            };
            assert_eq!(Consequence::Machine.retry(class), expected, "{class}");
        }
    }
}
