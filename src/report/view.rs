//! The one model of a report, which every format renders: facts and sentences, no layout.
//!
//! It is also what `report.json` holds; a change of meaning or of a name raises [`FORMAT`].

use serde::{Serialize, Serializer};

use crate::decide::draws::Chance;
use crate::decide::score::Spread;
use crate::decide::standing::{GateResult, Tally};
use crate::decide::verdict::Basis;
use crate::decide::wanted::Role;
use crate::diagnose::{FailureClass, Phase, Stage};
use crate::guard::stay::Stay;
use crate::id::{CellId, RunId};
use crate::manifest::imported::Imported;
use crate::manifest::{HostFacts, RunEnding, SourceCopy};
use crate::measure::client::ClientHealth;
use crate::measure::metric::{MetricDef, WorkloadKind};
use crate::measure::node::NodeDetail;
use crate::measure::slo::Slo;
use crate::outcome::{RuntimeFacts, Standing};
use crate::report::advice::{Item, Portrait, Recommendation};
use crate::report::atlas::Atlas;
use crate::report::course::Course;
use crate::report::history::HistoryView;
use crate::report::ledger::Ledger;
use crate::report::machine::MachineView;
use crate::report::mattered::MatteredView;
use crate::report::measures::MeasureView;
use crate::report::misfit::MisfitView;
use crate::report::night::NightView;
use crate::report::race::RaceView;
use crate::report::stamp::Stamp;
use crate::report::sway::SwayView;
use crate::report::text::Prose;
use crate::report::tradeoff::TradeOff;
use crate::spec::experiment::{Goal, Strategy};
use crate::spec::flag::FlagValue;
use crate::time_scale::TimeScale;

/// Version of `report.json`.
pub const FORMAT: u32 = 1;

/// Everything that a report says.
#[derive(Debug, Clone, Serialize)]
pub struct View {
    pub format: u32,
    pub gridrun: String,
    pub experiment: String,
    pub run: RunId,
    pub started_at: jiff::Timestamp,
    /// True when no real model answered: no number says anything about a model or a GPU.
    pub stand_in: bool,
    /// How fast the time of the stand-ins ran; all durations and rates are in it. `None` for real
    /// engines.
    pub speed: Option<TimeScale>,
    /// How the report marks that.
    #[serde(skip)]
    pub stamp: Option<Stamp>,
    /// What became of production; `None` where none was looked after.
    pub production: Option<Stay>,
    pub progress: Progress,
    pub verdict: VerdictView,
    pub objectives: Vec<ObjectiveView>,
    /// Names of the axes; a row has its values in this order.
    pub axes: Vec<AxisView>,
    /// The first cell of the file that lived.
    pub baseline: Option<String>,
    /// Closer than this fraction is the same to the user.
    pub equivalence: f64,
    /// Every cell, in the order of the table.
    pub cells: Vec<Row>,
    /// The metrics that decide something, cell by cell.
    #[serde(serialize_with = "deciding")]
    pub measures: Vec<MeasureView>,
    /// What would change the winner; `None` where nobody is ranked.
    pub sway: Option<SwayView>,
    pub use_cases: Vec<UseCaseView>,
    /// Every two of the metrics that objectives name.
    pub trade_offs: Vec<TradeOff>,
    /// What the axes did to each objective.
    pub mattered: Vec<MatteredView>,
    /// What racing made of the run; `None` where every living cell was started in every block.
    pub race: Option<RaceView>,
    /// As the file writes them.
    pub gates: Vec<String>,
    /// What their numbers are; `None` for those of another version.
    #[serde(skip)]
    pub gate_metrics: Vec<Option<MetricDef>>,
    pub workloads: Vec<WorkloadView>,
    /// Attempts that died of their cell's own making.
    pub deaths: Vec<DeathView>,
    /// Where configurations die; `None` where none did.
    pub atlas: Option<Atlas>,
    /// Attempts that failed by the machine's, the profile's or gridrun's fault.
    pub failures: Vec<DeathView>,
    /// What the cards, the host and the engines' containers did beside the nodes; `None` where
    /// nothing was sampled.
    pub machine: Option<MachineView>,
    /// What does not fit the model that intervals and probabilities rest on.
    pub misfits: MisfitView,
    /// Every start by the clock; `None` where this run made none. The journal holds it for machines.
    #[serde(skip)]
    pub night: Option<NightView>,
    /// What was watched over the run; `None` where no samples are stored.
    #[serde(skip)]
    pub course: Option<Course>,
    /// The nights up to this run; `None` where the experiment has none.
    pub history: Option<HistoryView>,
    /// Attempts that were not, or not wholly, measurements of their cells.
    pub validity: Ledger,
    pub attestation: Vec<FlagView>,
    pub warnings: Vec<Remark>,
    pub method: Method,
    pub deploy: Option<Deploy>,
    pub advice: Advice,
    /// What was brought from elsewhere: never ranked.
    pub imported: Vec<Imported>,
    /// The run's folder, as gridrun lays it out.
    pub folder: String,
    /// Where a reader of a part finds all of it.
    #[serde(skip)]
    pub whole: Whole,
}

/// What follows from all that, by the rules of docs/REPORT.md.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Advice {
    /// For the experiment's own objectives, then for each use case.
    pub recommendations: Vec<Recommendation>,
    /// What each living cell is good and bad at.
    pub portraits: Vec<Portrait>,
    /// What is left to do before the first-placed cell serves.
    pub checklist: Vec<Item>,
}

/// Where all of a report is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Whole {
    #[default]
    Stored,
    /// Nothing of it is stored: it is printed when asked for.
    Printed,
}

impl Whole {
    /// Behind "4 more".
    pub fn place(self) -> &'static str {
        match self {
            Self::Stored => "in report.md",
            Self::Printed => "with --format json",
        }
    }
}

/// `report.json` has those that something asks for; the others are under the workloads.
fn deciding<S: Serializer>(measures: &[MeasureView], serializer: S) -> Result<S::Ok, S::Error> {
    let asked_for = measures
        .iter()
        .filter(|measure| measure.role != Role::Other);
    serializer.collect_seq(asked_for)
}

/// How far the run came.
#[derive(Debug, Clone, Serialize)]
pub struct Progress {
    #[serde(flatten)]
    pub ending: RunEnding,
    pub n_cells: usize,
    /// Cells that were proved to die and not started.
    pub n_skipped: u32,
    /// Starts that the experiment asks for: cells times repeats.
    pub n_planned: u32,
    pub n_settled: u32,
    /// Of these, made by earlier runs.
    pub n_reused: u32,
    /// What is missing of a run that is not complete; empty for a complete one.
    pub missing: Vec<Prose>,
}

#[derive(Debug, Clone, Serialize)]
pub struct VerdictView {
    pub kind: VerdictKind,
    /// Name of the first-placed cell.
    pub cell: Option<String>,
    pub headline: Prose,
    /// What it rests on, who follows, what else must be known before acting on it.
    pub sentences: Vec<Sentence>,
}

impl VerdictView {
    pub fn texts(&self) -> impl Iterator<Item = &Prose> {
        self.sentences.iter().map(|sentence| &sentence.text)
    }

    /// The `limit` most deciding sentences, in their order.
    pub fn most_deciding(&self, limit: usize) -> Vec<&Prose> {
        let mut kept: Vec<(usize, &Sentence)> = self.sentences.iter().enumerate().collect();
        kept.sort_by_key(|&(position, sentence)| (sentence.about, position));
        kept.truncate(limit);
        kept.sort_by_key(|&(position, _)| position);
        kept.into_iter()
            .map(|(_, sentence)| &sentence.text)
            .collect()
    }
}

/// A sentence of a verdict; `report.json` has its text.
#[derive(Debug, Clone)]
pub struct Sentence {
    pub about: About,
    pub text: Prose,
}

impl Serialize for Sentence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.text.serialize(serializer)
    }
}

/// What a sentence of a verdict is about. The order is that of weight, the most deciding first:
/// where there is no room for all, the last ones are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    /// Why nothing is ranked.
    Refusal,
    /// What the first-placed configuration is.
    Configuration,
    /// Who follows, and how closely.
    RunnerUp,
    /// How sure the first place is.
    Sureness,
    /// How much starts of one configuration differ.
    Spread,
    /// Flags that the engine's own state does not confirm.
    Unconfirmed,
    Survival,
    Baseline,
    /// How the starts ended, or how the cells stand.
    Counts,
    /// Others that are as close, which the table marks too.
    Same,
    /// That every flag is as it was asked.
    Confirmed,
    /// Numbers of the objectives, which the table has too.
    Numbers,
}

impl About {
    /// A sentence about this.
    pub fn says(self, text: Prose) -> Sentence {
        Sentence { about: self, text }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum VerdictKind {
    /// First of single starts: no confidence can be stated.
    LeaderOfSingleStarts,
    /// First by its mean over several starts; too few to say how sure.
    LeaderByMean,
    /// First by its mean; the probabilities do not suffice for a champion.
    NoClearChampion,
    Champion,
    NothingRanked,
}

impl From<Basis> for VerdictKind {
    fn from(basis: Basis) -> Self {
        match basis {
            Basis::SingleStart => Self::LeaderOfSingleStarts,
            Basis::Mean { .. } => Self::LeaderByMean,
            Basis::Open { .. } => Self::NoClearChampion,
            Basis::Champion { .. } => Self::Champion,
        }
    }
}

#[derive(Debug, Clone, Serialize)]
pub struct ObjectiveView {
    pub metric: String,
    /// Empty where there is none to write.
    pub unit: &'static str,
    pub goal: Goal,
    /// Scaled so that all weights sum to 1.
    pub weight: f64,
    #[serde(skip)]
    pub definition: Option<MetricDef>,
}

#[derive(Debug, Clone, Serialize)]
pub struct AxisView {
    pub name: String,
    /// The name that a person reads fastest.
    pub short_name: String,
    /// The value, where all cells have the same one.
    pub everywhere: Option<FlagValue>,
}

/// One cell.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    pub rank: Option<u32>,
    pub cell: String,
    pub cell_id: CellId,
    pub axes: Vec<Option<FlagValue>>,
    #[serde(flatten)]
    pub standing: Standing,
    #[serde(flatten)]
    pub tally: Tally,
    /// Over the attempts that measured it, in the order of the objectives.
    pub objectives: Vec<Option<Spread>>,
    /// Mean and spread of the score; the difference of two is the logarithm of a ratio.
    pub score: Option<Spread>,
    /// By which fraction the score is worse than the first-placed cell's.
    pub behind_first: Option<f64>,
    /// Its 95 % interval; `None` where no noise is known.
    pub behind_interval: Option<(f64, f64)>,
    /// `None` where the noise is not known well enough.
    pub chance: Option<Chance>,
    /// How many times as good as the baseline, above 1 is better.
    pub against_baseline: Option<f64>,
    /// Inside the equivalence margin of the first-placed cell, and not that cell.
    pub same_as_first: bool,
    /// Racing started it no more after this block.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropped_after_block: Option<u32>,
    pub is_champion: bool,
    /// What its rank means; `None` for a cell that has none.
    #[serde(skip)]
    pub place: Option<Place>,
    /// In the order of the gates; empty where nothing was measured.
    pub gate_results: Vec<GateResult>,
    /// How it died, for an infeasible cell; how it failed, for one that was never measured.
    pub death: Option<DeathBrief>,
}

/// What the rank of a cell means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Champion,
    /// The best mean, and nobody is the champion.
    Leader,
    /// The best mean, although another one is the champion.
    BestMean,
    /// Inside the equivalence margin of the first.
    SameAsFirst,
    Ranked,
}

#[derive(Debug, Clone, Serialize)]
pub struct DeathBrief {
    pub class: FailureClass,
    pub phase: Phase,
    pub stage: Option<Stage>,
    pub cause: Option<String>,
    /// What happened, in our words: it is there when the engine left none of its own.
    #[serde(skip)]
    pub explanation: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct UseCaseView {
    pub name: String,
    pub objectives: Vec<ObjectiveView>,
    pub verdict: VerdictView,
    /// The ranked cells, best first.
    pub cells: Vec<UseCaseRow>,
    /// Cells that lived and lack one of its metrics, and why.
    pub unranked: Vec<Prose>,
    /// What would change its winner.
    pub sway: Option<SwayView>,
}

#[derive(Debug, Clone, Serialize)]
pub struct UseCaseRow {
    pub rank: Option<u32>,
    pub cell: String,
    pub objectives: Vec<Option<Spread>>,
    pub behind_first: Option<f64>,
    /// As in a [`Row`].
    pub behind_interval: Option<(f64, f64)>,
    pub chance: Option<Chance>,
    pub same_as_first: bool,
    pub is_champion: bool,
    /// What its rank means; `None` for a cell that has none.
    #[serde(skip)]
    pub place: Option<Place>,
}

/// One node of the DAG over all cells that ran it.
#[derive(Debug, Clone, Serialize)]
pub struct WorkloadView {
    pub node: String,
    pub kind: WorkloadKind,
    pub metrics: Vec<MetricView>,
    pub cells: Vec<WorkloadCell>,
    pub starts: Vec<WorkloadStart>,
    /// Quarantined samples, failed requests, failed nodes.
    pub notes: Vec<Remark>,
    /// Bounds that a load must keep.
    #[serde(skip)]
    pub slo: Vec<Slo>,
}

#[derive(Debug, Clone, Serialize)]
pub struct MetricView {
    pub name: String,
    pub unit: &'static str,
    pub meaning: String,
    #[serde(skip)]
    pub definition: MetricDef,
}

/// A cell's metrics over its attempts; of a distribution, its medians.
#[derive(Debug, Clone, Serialize)]
pub struct WorkloadCell {
    pub cell: String,
    pub values: Vec<Option<Spread>>,
    pub n_requests: u32,
    pub n_failed: u32,
    /// The parser of tool calls that its engines are given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_parser: Option<String>,
    /// What to try, in the words of the workload's kind.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub advice: Vec<String>,
    /// Lines of an experiment that try it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paste: Option<String>,
}

/// One attempt's metrics.
#[derive(Debug, Clone, Serialize)]
pub struct WorkloadStart {
    pub cell: String,
    pub start: u32,
    pub block: u32,
    pub values: Vec<Option<StartValue>>,
    pub n_requests: u32,
    pub n_failed: u32,
    /// How the client that measured did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientHealth>,
    /// What the kind shows beyond its metrics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<NodeDetail>,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub struct StartValue {
    /// The number, or the median of a distribution.
    pub value: f64,
    /// How many samples the median is of; `None` for a single number.
    pub n: Option<u32>,
}

/// The same words from one or more attempts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remark {
    pub text: String,
    pub starts: Vec<StartName>,
}

/// One attempt, as a reader finds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StartName {
    pub cell: String,
    pub start: u32,
}

/// Attempts of one cell that ended in the same way.
#[derive(Debug, Clone, Serialize)]
pub struct DeathView {
    pub cell: String,
    pub cell_id: CellId,
    /// Which of its starts.
    pub starts: Vec<u32>,
    /// The attempts' own names, as the run's folder has them.
    pub attempts: Vec<String>,
    pub class: FailureClass,
    pub phase: Phase,
    pub stage: Option<Stage>,
    /// The node that ran.
    pub node: Option<String>,
    /// How far into it each of these attempts came, in milliseconds.
    pub node_after_ms: Vec<f64>,
    pub explanation: String,
    pub suggestion: Option<String>,
    pub cause: Option<String>,
    pub exit_code: Option<i64>,
    pub oom_killed: Option<bool>,
    /// Of the last of these attempts.
    pub log_tail: Vec<String>,
}

/// How well it is known that one varied flag took effect, over all measured attempts.
#[derive(Debug, Clone, Serialize)]
pub struct FlagView {
    pub flag: String,
    pub confirmed: Vec<StartName>,
    pub accepted: Vec<StartName>,
    pub contradicted: Vec<Contradiction>,
    pub unattested: Vec<StartName>,
    /// What the engine said, for one attempt of the best-attested kind.
    pub evidence: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Contradiction {
    pub start: StartName,
    pub asked: FlagValue,
    pub found: String,
    pub by: String,
}

/// How it was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Method {
    /// Versions that the engines named; more than one is worth a doubt.
    pub engine_versions: Vec<String>,
    pub model: String,
    pub image: Option<String>,
    #[serde(flatten)]
    pub runtime: RuntimeFacts,
    pub host: HostFacts,
    pub seed: u64,
    pub repeats: u32,
    pub strategy: Strategy,
    pub profile: String,
    pub base_flags: Vec<(String, FlagValue)>,
    /// The cells of each block in the order in which they settled.
    pub blocks: Vec<BlockView>,
    pub engines: Vec<EngineView>,
    /// Starts that earlier runs made.
    pub reused: Vec<ReusedView>,
    pub sources: Vec<SourceCopy>,
}

/// A start of a cell that another run made.
#[derive(Debug, Clone, Serialize)]
pub struct ReusedView {
    pub cell: String,
    pub start: u32,
    pub run: RunId,
    /// As that run names it.
    pub attempt: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct BlockView {
    pub block: u32,
    pub cells: Vec<String>,
}

/// What the engines of one cell said of themselves.
#[derive(Debug, Clone, Serialize)]
pub struct EngineView {
    pub cell: String,
    /// Start to ready, in milliseconds.
    pub ready_after_ms: Option<Spread>,
    /// Tokens that fit into the KV cache; several values where starts differ.
    pub kv_cache_tokens: Vec<u64>,
    pub max_model_len: Vec<u64>,
    pub block_size: Vec<u64>,
}

/// How to run the first-placed cell.
#[derive(Debug, Clone, Serialize)]
pub struct Deploy {
    pub cell: String,
    /// One command, lines joined by backslashes.
    pub command: String,
    /// What must be known before it is pasted.
    pub notes: Vec<Prose>,
}
