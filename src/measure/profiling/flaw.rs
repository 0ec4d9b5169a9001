//! Why a node measured something else than its configuration.

use crate::measure::sample::{GpuProcess, Throttle};

/// Share of a node's samples in which a card may protect itself. Clocks that are halved, the
/// factor that `nvml.h` gives for a hardware slowdown, for 1 % of the time cost half a percent: a
/// quarter of the margin within which two configurations are the same by default. What is below
/// is a remark.
pub const SLOWED_DOWN_AT_MOST: f64 = 0.01;

/// A reason for which a node enters no ranking.
#[derive(Debug, Clone, PartialEq)]
pub enum Flaw {
    /// A process that is not the engine's used the card.
    Stranger { gpu: u32, process: GpuProcess },
    /// The card protected itself from heat or its power supply, in this share of the samples.
    SlowedDown {
        gpu: u32,
        reasons: Throttle,
        share: f64,
    },
    /// The card held more memory before the start than before the first start of the run.
    NotSettled { gpu: u32, more_bytes: u64 },
}

impl Flaw {
    /// A fragment that can stand behind `because`.
    pub fn text(&self) -> String {
        match self {
            Self::Stranger { gpu, process } => {
                format!("a foreign process used GPU {gpu}: {process}")
            }
            Self::SlowedDown {
                gpu,
                reasons,
                share,
            } => format!(
                "GPU {gpu} slowed its clocks down to protect itself in {:.0} % of the samples ({})",
                (100.0 * share).max(1.0),
                reasons.names().join(", ")
            ),
            Self::NotSettled { gpu, more_bytes } => format!(
                "GPU {gpu} held {} MiB more before the start than before the first start of the run",
                more_bytes >> 20
            ),
        }
    }
}
