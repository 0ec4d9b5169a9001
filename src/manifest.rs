//! What a run is: everything that is needed to repeat it and to read its results. Written as
//! `run.json` before the first start and never changed afterwards.

use serde::{Deserialize, Serialize};

pub mod imported;

use crate::guard::stay::Stay;
use crate::id::{CellId, RunId};
use crate::manifest::imported::Imported;
use crate::matrix::cell::Cell;
use crate::outcome::{Race, RuntimeFacts, Settled, Skip};
use crate::spec::experiment::Experiment;
use crate::spec::scenario::Scenario;
use crate::time_scale::TimeScale;

/// `run.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the results format.
    pub format: u32,
    pub gridrun: String,
    pub run: RunId,
    pub started_at: jiff::Timestamp,
    /// The experiment with its profile, as checked.
    pub experiment: Experiment,
    /// In the order of the file.
    pub cells: Vec<Cell>,
    /// Nodes in the order in which they run.
    pub node_order: Vec<String>,
    /// The files as they were read; copies lie beside `run.json`.
    pub sources: Vec<SourceCopy>,
    pub engines: Engines,
    /// How fast the time of the engines runs: what is derived from raw instants is told in that
    /// time. Runs before there were speeds had none.
    #[serde(default)]
    pub speed: TimeScale,
    /// How the stand-ins of a rehearsal are to fail, where the user asked for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenario: Option<Scenario>,
    pub runtime: RuntimeFacts,
    pub host: HostFacts,
    /// What makes it a night; `None` for any other run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub night: Option<NightOrders>,
    /// How much starts differed in earlier runs of the experiment on the same ground, per
    /// ranking; empty where there was none, and in runs of older versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prior_noise: Vec<PriorNoise>,
    /// The runs that it was put together from; empty for one that was made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consolidated: Vec<RunId>,
}

/// What a night was told when it began: whoever brings it to its end judges it by this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NightOrders {
    /// The champion in force when it began.
    pub champion: CellId,
    /// The cell whose last start carries the `age` nodes; `None` where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ages: Option<CellId>,
    /// Whoever dethrones the champion reigns.
    pub promote: bool,
    /// Who is told; `None` for nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<Notify>,
}

/// Where the message of a night goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notify {
    /// The environment variable that holds the URL; the URL itself may be a secret.
    pub variable: String,
    /// `json`, `slack` or `ntfy`.
    pub form: String,
}

/// What earlier runs tell of the noise in one ranking. It is kept with the run, so that its
/// report says the same whatever becomes of those runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PriorNoise {
    /// The use case's name; `None` for the experiment's own objectives.
    pub use_case: Option<String>,
    /// Variance of one start's score.
    pub variance: f64,
    /// Degrees of freedom that it rests on, of all the runs.
    pub degrees: f64,
    /// The latest first.
    pub runs: Vec<RunId>,
}

/// Which engines a run starts, and by what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Engines {
    /// The profile's image, in containers.
    Docker,
    /// Stand-ins in containers: a rehearsal.
    DockerStandIn,
    /// Stand-ins as child processes.
    ProcessStandIn,
}

impl Manifest {
    pub const FORMAT: u32 = 1;

    /// True when no real model answers. Either source is enough: a stamp too many harms less
    /// than one too few.
    pub fn is_stand_in(&self) -> bool {
        self.runtime.stand_in
            || match self.engines {
                Engines::Docker => false,
                Engines::DockerStandIn | Engines::ProcessStandIn => true,
            }
    }

    /// How fast the time of the stand-ins runs; `None` for real engines.
    pub fn stand_in_speed(&self) -> Option<TimeScale> {
        self.is_stand_in().then_some(self.speed)
    }
}

/// One of the user's files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceCopy {
    pub path: String,
    pub sha256: String,
    /// Name of the copy in the run directory.
    pub copy: String,
}

/// The machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HostFacts {
    pub hostname: String,
    pub os: String,
    pub kernel: String,
    pub cpu: Option<String>,
    pub n_cpus: usize,
    pub memory_bytes: Option<u64>,
    /// Name and driver of each GPU; empty where none can be seen.
    pub gpus: Vec<String>,
}

/// A run as its stored data tell it: all that a report is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRecord {
    pub manifest: Manifest,
    /// In the order in which they settled.
    pub settled: Vec<Settled>,
    /// Cells that were not started because they were proved to die, in the order in which that
    /// was found.
    pub skipped: Vec<Skip>,
    /// What racing made of it; nothing where every cell was started in every block.
    pub race: Race,
    pub ending: RunEnding,
    /// What became of production; `None` where none was looked after, or while it is.
    pub production: Option<Stay>,
    /// What was brought from elsewhere: shown beside it, and never ranked.
    pub imported: Vec<Imported>,
}

impl RunRecord {
    /// A run that is at work, with what it has settled so far.
    pub fn open(manifest: Manifest, settled: Vec<Settled>) -> Self {
        Self {
            manifest,
            settled,
            skipped: Vec::new(),
            race: Race::default(),
            ending: RunEnding::Open,
            production: None,
            imported: Vec::new(),
        }
    }
}

/// How far a run came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "kebab-case")]
pub enum RunEnding {
    /// Nothing is left to start.
    Complete { at: jiff::Timestamp },
    /// It stopped before; `resume` goes on from here.
    Stopped {
        at: jiff::Timestamp,
        because: String,
    },
    /// Nothing says how it ended: it runs, or was killed.
    Open,
}
