//! How an attempt ends, and how a cell stands.
//!
//! Only [`Measured`] holds numbers. Why something died is `diagnose`'s to say; what that means
//! for the attempt is read off [`FailureClass::consequence`].

use serde::{Deserialize, Serialize};

use crate::attest::Attestation;
use crate::diagnose::{Failure, FailureClass};
use crate::id::{AttemptId, CellId, RunId, sha256_hex};
use crate::measure::memory::MemorySample;
use crate::measure::node::NodeReport;
use crate::measure::profiling::ProfilingBrief;

/// How one start of an engine ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// The engine served and at least one node was measured.
    Measured(Measured),
    /// The engine died of its own configuration: a finding.
    Infeasible(Failure),
    /// The machine's, the profile's or our fault; says nothing about the cell.
    Failed(Failure),
    /// The user stopped the run.
    Cancelled,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// From the order to start the container or process to ready, in milliseconds of the
    /// engine's time.
    pub ready_after_ms: f64,
    /// In the order in which they ran.
    pub nodes: Vec<NodeReport>,
    pub attestation: Vec<Attestation>,
    pub engine: EngineFacts,
}

/// What a ready engine says of itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EngineFacts {
    pub version: Option<String>,
    /// As `/v1/models` lists it.
    pub max_model_len: Option<u64>,
    /// Tokens that fit into the KV cache.
    pub kv_cache_tokens: Option<u64>,
    /// Tokens of one cache block: prefix hits come in multiples of it.
    pub block_size: Option<u64>,
    /// Warnings of the start, each once.
    pub warnings: Vec<String>,
}

/// What is known of the machine and the runtime; part of how a run was measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RuntimeFacts {
    /// `docker 20.10.24, API 1.41` or `process`.
    pub runtime: String,
    /// `repository@sha256:..` or the image's id when it has no digest.
    pub image_digest: Option<String>,
    /// True when no real model answers.
    pub stand_in: bool,
    /// What a reader must know of the measured path (`bridge network: a port proxy is in the path`).
    pub notes: Vec<String>,
}

/// How an engine ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EndState {
    /// True when it had ended before it was asked to stop.
    pub by_itself: bool,
    pub exit_code: Option<i64>,
    pub oom_killed: Option<bool>,
    /// The runtime's own words about the end.
    pub error: Option<String>,
    /// Highest memory use seen, in bytes, where the runtime knows it.
    pub peak_memory: Option<u64>,
    /// Readings of its memory from start to end; the last one is what it used at its death.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub memory: Vec<MemorySample>,
}

/// One settled attempt: what the journal keeps of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settled {
    pub attempt: AttemptId,
    pub cell_name: String,
    /// Which randomised block it belongs to, from 1.
    pub block: u32,
    pub started_at: jiff::Timestamp,
    /// In the engine's time.
    pub took_ms: f64,
    #[serde(flatten)]
    pub outcome: Outcome,
    /// `None` when no engine was started.
    pub end: Option<EndState>,
    /// What the samples beside its nodes say; `None` when no engine was started, and in runs of
    /// older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profiling: Option<Box<ProfilingBrief>>,
    /// Where it was made, if this run did not make it itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

/// The run that made an attempt which another one counts too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    pub run: RunId,
    /// As that run names it.
    pub attempt: AttemptId,
    /// Its block there.
    pub block: u32,
}

impl Settled {
    /// Attempts with the same key were made in one block of one run, so that whatever drifts
    /// hit them alike. Keys of other runs' blocks lie above those of this run's.
    pub fn block_key(&self) -> u32 {
        const OTHERS: u32 = 1 << 31;
        match &self.origin {
            None => self.block,
            Some(Origin { run, block, .. }) => {
                let hash = sha256_hex(format!("{run} {block}").as_bytes());
                OTHERS | u32::from_str_radix(&hash[..7], 16).unwrap_or(0)
            }
        }
    }
}

/// How a cell stands after the attempts so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "standing", rename_all = "kebab-case")]
pub enum Standing {
    /// Lived, passed every gate, and has all objectives.
    Ranked,
    /// Lived and missed a gate.
    Rejected { gates: Vec<String> },
    /// At least one attempt died of its own making.
    Infeasible { died: u32, of: u32 },
    /// It was not started: another one's death proves that it would die too.
    Skipped { witness: Witness },
    /// Nothing valid was measured yet, and nothing died of its own making.
    Undecided { because: String },
}

/// A death that proves the death of a cell that was not started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Witness {
    pub attempt: AttemptId,
    /// Of the cell that died.
    pub cell_name: String,
    pub class: FailureClass,
    /// What makes it a proof, in words: `max-num-seqs 64 >= 32, all else is equal`.
    pub rule: String,
}

/// What racing made of a run: who is started no more, and whether all is decided.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Race {
    /// In the order in which they were dropped.
    pub dropped: Vec<Dropped>,
    /// Nothing is started after it.
    pub decided: Option<Decided>,
}

/// A cell that lives and is started no more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dropped {
    pub cell: CellId,
    pub cell_name: String,
    /// At the end of this block, from 1.
    pub after_block: u32,
    #[serde(flatten)]
    pub cause: DropCause,
}

/// Why a cell is started no more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "dropped_for", rename_all = "kebab-case")]
pub enum DropCause {
    /// In no ranking is it likely enough to be within the margin of the best.
    Behind {
        /// The highest of its probabilities.
        probability: f64,
        /// Below this it was dropped.
        bound: f64,
    },
    /// It missed a gate that every start must hold.
    Gate { gate: String, finding: String },
}

/// Every ranking has its champion before the last block.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decided {
    /// At the end of this block, from 1.
    pub after_block: u32,
    /// One per ranking that has objectives, the experiment's own first.
    pub winners: Vec<Winner>,
}

/// The likeliest cell of a ranking.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Winner {
    /// The use case's name; `None` for the experiment's own objectives.
    pub use_case: Option<String>,
    pub cell: CellId,
    pub cell_name: String,
    /// That it is within the margin of the best.
    pub probability: f64,
}

/// What is ahead of a run that has a deadline.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    pub deadline: jiff::Timestamp,
    /// When every cell will have been started; `None` where every one was.
    pub all_once: Option<jiff::Timestamp>,
    pub ripeness: Ripeness,
    /// When the block that `ripeness` names will have ended.
    pub ripe_at: Option<jiff::Timestamp>,
    /// When nothing will be left to start.
    pub complete: jiff::Timestamp,
    /// Starts that are left, and how many of them end before the deadline.
    pub n_left: u32,
    pub n_within: u32,
}

/// How far a ranking is from being decided, the nearest first: a cell within the margin of the
/// best with enough probability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Ripeness {
    /// It is.
    Decided,
    /// Likely at the end of this block, if the means stay where they are.
    Block { block: u32 },
    /// Too few degrees of freedom for probabilities; there are enough after this block.
    StatedFrom { block: u32 },
    /// Likely with so many blocks beyond those that are planned.
    Beyond { more: u32 },
    /// There are enough degrees of freedom with so many blocks beyond those that are planned.
    StatedBeyond { more: u32 },
    /// The best differ by about the margin.
    Never,
    /// Nothing is ranked, or a single cell.
    Unknown,
}

/// A cell that is not started, for the death of another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Skip {
    pub cell: CellId,
    pub cell_name: String,
    pub witness: Witness,
}
