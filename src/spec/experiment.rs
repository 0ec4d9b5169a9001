//! The experiment as the rest of gridrun knows it: what a checked experiment file says, with
//! every name resolved and every value typed.
//!
//! How the text becomes this is `spec::read`'s business; which cells follow from it is
//! `matrix`'s.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::measure::metric::{MetricDef, MetricRef, WorkloadKind};
use crate::measure::token_instants::TokenTimes;
use crate::spec::diagnostic::Span;
use crate::spec::flag::{FlagValue, Knob};
use crate::spec::profile::Profile;
pub use crate::spec::workload::WorkloadSpec;

/// Everything that the experiment file and its profile say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Experiment {
    /// The file's name without its ending: names the folder under `results/`.
    pub name: String,
    pub profile: Profile,
    /// In file order; the product of all of them is the matrix.
    pub axes: Vec<Axis>,
    /// In file order; later ones see what earlier ones set.
    pub whens: Vec<When>,
    pub named_cells: Vec<NamedCell>,
    pub excludes: Vec<Exclude>,
    pub workloads: Vec<Workload>,
    pub gates: Vec<Gate>,
    pub objectives: Vec<Objective>,
    pub use_cases: Vec<UseCase>,
    pub run: RunSettings,
}

impl Experiment {
    /// Whether the node of this name is an `age` node.
    pub fn is_ageing(&self, node: &str) -> bool {
        let mut workloads = self.workloads.iter();
        workloads.any(|workload| workload.name == node && workload.is_ageing())
    }
}

/// One varied flag or variable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Axis {
    pub knob: Knob,
    pub values: Vec<FlagValue>,
    #[serde(skip)]
    pub at: Span,
}

/// `where`: every term holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    pub terms: Vec<Term>,
}

/// One knob of a `where`, and the values of which it must have one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Term {
    pub knob: Knob,
    pub any_of: Vec<FlagValue>,
    #[serde(skip)]
    pub at: Span,
}

/// `set`: knobs and the values they are given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    pub values: Vec<Assigned>,
}

/// One knob of a `set`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assigned {
    pub knob: Knob,
    pub value: FlagValue,
    #[serde(skip)]
    pub at: Span,
}

/// `[[when]]`: flags that follow from others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct When {
    pub condition: Condition,
    pub set: Assignment,
    #[serde(skip)]
    pub at: Span,
}

/// `[[cell]]`: a name for a cell of the matrix, or a cell outside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NamedCell {
    pub name: String,
    pub set: Assignment,
    /// Another memory limit than the profile's for this cell's container, in bytes.
    pub memory: Option<u64>,
    #[serde(skip)]
    pub at: Span,
}

/// `[[exclude]]`: cells of the matrix that are not wanted, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exclude {
    pub condition: Condition,
    pub reason: Option<String>,
    #[serde(skip)]
    pub at: Span,
}

/// `[[workload]]`: one node of the DAG.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Workload {
    pub name: String,
    /// Names of the nodes that come before, as the file lists them.
    pub after: Vec<Predecessor>,
    pub spec: WorkloadSpec,
    #[serde(skip)]
    pub at: Span,
}

/// A node that must have ended before another starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Predecessor {
    pub node: String,
    #[serde(skip)]
    pub at: Span,
}

impl Workload {
    pub fn kind(&self) -> WorkloadKind {
        self.spec.kind()
    }

    /// It runs in few of the starts, last of their nodes, and its end with the engine is no death
    /// of the start.
    pub fn is_ageing(&self) -> bool {
        self.kind() == WorkloadKind::Age
    }

    /// What it yields.
    pub fn metrics(&self) -> &[MetricDef] {
        self.spec.metrics()
    }

    /// Definition of one of its metrics.
    pub fn metric(&self, name: &str) -> Option<&MetricDef> {
        self.metrics().iter().find(|metric| metric.name == name)
    }
}

/// A comparison of a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Comparison {
    #[serde(rename = "<")]
    Less,
    #[serde(rename = "<=")]
    LessOrEqual,
    #[serde(rename = ">")]
    Greater,
    #[serde(rename = ">=")]
    GreaterOrEqual,
}

impl Comparison {
    /// Does `value OP bound` hold?
    pub fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Self::Less => value < bound,
            Self::LessOrEqual => value <= bound,
            Self::Greater => value > bound,
            Self::GreaterOrEqual => value >= bound,
        }
    }
}

/// `[[gate]]`: a condition on a node's result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// As the file writes it.
    pub text: String,
    pub metric: MetricRef,
    pub comparison: Comparison,
    /// In the metric's unit.
    pub bound: f64,
    /// What a miss does inside the attempt.
    pub on_miss: OnMiss,
    #[serde(skip)]
    pub at: Span,
}

/// What follows inside an attempt when a gate is missed; the cell is rejected either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnMiss {
    Continue,
    SkipDescendants,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Goal {
    Min,
    Max,
}

/// `[[objective]]`: what to optimise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Objective {
    pub metric: MetricRef,
    pub goal: Goal,
    /// As written, > 0; weights are scaled to sum to 1 where they are used.
    pub weight: f64,
    #[serde(skip)]
    pub at: Span,
}

/// `[[use-case]]`: a ranking of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UseCase {
    pub name: String,
    pub objectives: Vec<Objective>,
    #[serde(skip)]
    pub at: Span,
}

/// `[run]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunSettings {
    /// Engine starts per cell, in randomised blocks. Default 1.
    pub repeats: u32,
    /// Shuffles the blocks and makes the prompts. Default 1.
    pub seed: u64,
    /// Differences below this fraction are the same to the user. Default 0.02.
    pub equivalence: f64,
    /// The run starts no further attempt after this long. Default none.
    pub deadline: Option<Duration>,
    /// Whether `requests.parquet` has the instants of single tokens. Default kept; absent in
    /// older runs, which always kept them.
    #[serde(default)]
    pub token_times: TokenTimes,
    /// Default exhaustive, which runs of older versions were.
    #[serde(default)]
    pub strategy: Strategy,
    /// Default by proof. Runs of older versions started every cell.
    #[serde(default)]
    pub pruning: Pruning,
    /// How often a place of the plan is started again because something else than the engine
    /// was measured. Default 1; runs of older versions never did.
    #[serde(default)]
    pub retries_invalid: u32,
    /// Attempts of earlier runs count too if they are no older. Default none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reuse: Option<Duration>,
}

/// Which cells are started in every block.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Every one that lives.
    #[default]
    Exhaustive,
    /// Those that may still be as good as the best, until that is decided.
    Race,
}

impl Strategy {
    pub const ALL: [Self; 2] = [Self::Exhaustive, Self::Race];

    /// As files and reports write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exhaustive => "exhaustive",
            Self::Race => "race",
        }
    }
}

/// Which cells need not be started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pruning {
    /// Those of which the death of another proves that they die too.
    ByProof,
    /// None.
    #[default]
    Off,
}
