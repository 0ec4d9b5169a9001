//! What is written down about a production that was stopped: before the stop, and after its
//! return.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The promise: written and synced before the stop, forgotten when production has been proved
/// healthy again. Whoever finds it without a living owner keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Taken {
    /// Version of the record.
    pub format: u32,
    pub at: jiff::Timestamp,
    /// The container's id: a container made anew under its name is another one.
    pub container: String,
    pub name: String,
    /// Where it serves.
    pub url: String,
    /// The variable with its key; never the key.
    pub api_key_env: Option<String>,
    /// The model that it served before the stop.
    pub model: String,
    /// How long a start may take until it counts as failed.
    pub patience: Duration,
    /// The run that needed its GPUs.
    pub run: String,
}

impl Taken {
    pub const FORMAT: u32 = 1;
}

/// What became of production in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stay {
    pub name: String,
    /// `None` where it did not run at the start, and stayed stopped.
    pub stopped_at: Option<jiff::Timestamp>,
    #[serde(flatten)]
    pub outcome: Return,
    /// When it served again, stayed stopped or was given up.
    pub settled_at: jiff::Timestamp,
}

/// How it came back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "return", rename_all = "kebab-case")]
pub enum Return {
    /// Started by us and proved healthy: health, model, one completion.
    Healthy { took_ms: f64 },
    /// It ran before we started it: somebody else's doing. Healthy as well.
    ByOtherHands,
    /// It did not run when the run began, so it was not started.
    LeftStopped,
    /// It does not serve.
    Down { because: String },
}

impl Stay {
    /// The sentence about it.
    pub fn told(&self) -> String {
        let name = &self.name;
        match &self.outcome {
            Return::Healthy { took_ms } => format!(
                "production {name} serves again, healthy {:.0} s after its start",
                took_ms / 1e3
            ),
            Return::ByOtherHands => {
                format!("production {name} was started by other hands, and serves")
            }
            Return::LeftStopped => {
                format!("production {name} was stopped before the run, and stays stopped")
            }
            Return::Down { because } => format!(
                "PRODUCTION {name} IS DOWN: {because}. It was stopped for this run; `gridrun restore` tries again"
            ),
        }
    }

    pub fn is_down(&self) -> bool {
        match self.outcome {
            Return::Down { .. } => true,
            Return::Healthy { .. } | Return::ByOtherHands | Return::LeftStopped => false,
        }
    }
}
