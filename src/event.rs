//! What happens in a run, as facts: the journal keeps these, and the user interface shows
//! them. Events carry no display settings.

use serde::{Deserialize, Serialize};

use crate::id::{AttemptId, RunId};
use crate::manifest::RunEnding;
use crate::measure::node::NodeReport;
use crate::outcome::Settled;

/// One fact, with its instant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunEvent {
    /// Wall clock, for people.
    pub at: jiff::Timestamp,
    /// Milliseconds since this process began the run (monotonic), for durations.
    pub elapsed_ms: f64,
    #[serde(flatten)]
    pub kind: EventKind,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum EventKind {
    /// A process begins the run or goes on with it.
    RunStarted {
        run: RunId,
        experiment: String,
        n_cells: usize,
        /// Attempts that the plan asks for, the settled ones included.
        n_planned: usize,
        n_settled: usize,
        stand_in: bool,
    },
    /// Leftovers of dead runs or attempts were removed.
    Swept {
        what: Vec<String>,
    },
    AttemptStarted {
        attempt: AttemptId,
        cell_name: String,
        block: u32,
    },
    AttemptPhase {
        attempt: AttemptId,
        phase: AttemptPhase,
    },
    NodeStarted {
        attempt: AttemptId,
        node: String,
    },
    NodeFinished {
        attempt: AttemptId,
        report: NodeReport,
    },
    /// The attempt has come to its end. What is not in the journal as this did not happen.
    AttemptSettled {
        #[serde(flatten)]
        settled: Box<Settled>,
    },
    /// Something outside is awaited.
    Waiting {
        what: String,
    },
    /// Something that a reader should know.
    Notice {
        text: String,
    },
    RunEnded {
        #[serde(flatten)]
        ending: RunEnding,
    },
}

/// The way of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttemptPhase {
    /// From the engine's start until it is ready.
    Starting,
    /// Ready; its state is read and compared with what was asked.
    Attesting,
    /// The workload DAG runs.
    Measuring,
    /// The engine is stopped, its end collected, its traces removed.
    Stopping,
}

impl AttemptPhase {
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Attesting => "attesting",
            Self::Measuring => "measuring",
            Self::Stopping => "stopping",
        }
    }
}
