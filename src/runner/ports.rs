//! What the runner needs of the outside world, as traits. The edges (`runtime`, `load`, `gpu`,
//! `store`) implement them; tests implement them with fakes.

use std::fmt;
use std::future::{Future, ready};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::event::RunEvent;
use crate::id::{AttemptId, RunId};
use crate::measure::activity::Activity;
use crate::measure::node::NodeReport;
use crate::measure::profiling::Profiling;
use crate::measure::prompt::PromptBook;
use crate::measure::request::Request;
use crate::measure::sample::SamplePart;
use crate::measure::token_instants::{TokenInstants, TokenTimes};
use crate::outcome::{EndState, EngineFacts, RuntimeFacts};
use crate::runner::meter::{EngineMeter, GaugeMeter};
use crate::spec::experiment::Workload;
use crate::time_scale::TimeScale;

// ---------------------------------------------------------------- runtime

/// Starts and stops engines.
pub trait Runtime: Send + Sync {
    type Engine: Engine;

    /// Proves, before the first start, that starts can succeed: daemon reachable, image found
    /// or pulled, volumes and GPUs there. Finds nothing wrong with any cell.
    fn prepare(&self) -> impl Future<Output = Result<RuntimeFacts, RuntimeError>> + Send;

    /// Starts an engine. Its log goes to `launch.log_path` from the first byte.
    fn start(
        &self,
        launch: &Launch,
    ) -> impl Future<Output = Result<Self::Engine, RuntimeError>> + Send;

    /// Removes what dead runs (and earlier attempts of this one) left on this host; says what.
    fn sweep(&self) -> impl Future<Output = Result<Vec<String>, RuntimeError>> + Send;

    /// Is the runtime there at all?
    fn reachable(&self) -> impl Future<Output = bool> + Send;
}

/// A started engine. It must be stopped by [`Engine::stop`]; dropping it only warns.
pub trait Engine: Send {
    /// `http://127.0.0.1:PORT`.
    fn base_url(&self) -> &str;

    /// Container or process id, for messages.
    fn reference(&self) -> &str;

    /// Returns when the engine has ended by itself. May be dropped and called again.
    fn exited(&mut self) -> impl Future<Output = Result<(), RuntimeError>> + Send;

    /// Watches what it uses, from any task and for as long as it lives.
    fn meter(&self) -> Arc<dyn EngineMeter>;

    /// The log so far (its beginning and its end, if it is huge), secrets replaced.
    fn log(&self) -> String;

    /// What may run beside it. By default nothing: a runtime that offers more says so.
    fn beside(&self) -> Arc<dyn Beside> {
        Arc::new(NothingBeside)
    }

    /// Stops it if it still runs, collects how it ended and its whole log, removes every trace
    /// of it. Removing is tried also when something before it failed.
    fn stop(self, how: StopMode) -> impl Future<Output = Result<Stopped, RuntimeError>> + Send;
}

/// What is left of an engine.
#[derive(Debug, Clone, PartialEq)]
pub struct Stopped {
    pub end: EndState,
    /// As [`Engine::log`], to its last line.
    pub log: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopMode {
    /// SIGTERM, then SIGKILL after the time given.
    Gracefully(Duration),
    Kill,
}

/// What one start of an engine needs.
#[derive(Debug, Clone)]
pub struct Launch {
    pub run: RunId,
    pub attempt: AttemptId,
    pub cell_name: String,
    /// Arguments of `vllm serve` after the model, without host, port and key.
    pub args: Vec<String>,
    /// Varied environment variables; the runtime adds the profile's own. `None` leaves a
    /// variable away, also where the profile sets it.
    pub env: Vec<(String, Option<String>)>,
    /// Memory limit in bytes: the cell's, else the profile's.
    pub memory: Option<u64>,
    /// Throw-away key of this attempt, handed over as `VLLM_API_KEY`.
    pub api_key: String,
    pub log_path: PathBuf,
}

/// The runtime failed; never a cell's fault by itself.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The daemon is not there, or the connection to it broke: wait for it, then go on.
    #[error("{what}")]
    Unreachable {
        what: String,
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// Known before the first start; nothing was started. `hint` says what to do.
    #[error("{what}; {hint}")]
    NotPrepared { what: String, hint: String },
    /// The daemon answered that it will not start this engine, in its own words.
    #[error("the engine could not be started: {words}")]
    Refused { words: String },
    /// Anything else that failed on this host (disk, processes).
    #[error("{what}")]
    Host {
        what: String,
        #[source]
        source: std::io::Error,
    },
}

// ---------------------------------------------------------------- beside an engine

/// Runs programs that are no engines, beside one: a model's code in a sandbox, and the commands
/// of `command` workloads. Nothing of them is left when a call has returned or was dropped.
pub trait Beside: Send + Sync + fmt::Debug {
    /// Runs Python of a foreign hand where it can harm nothing: no network, no files, no
    /// privileges, and limits on memory, processes and time.
    fn sandbox<'a>(
        &'a self,
        program: &'a SandboxProgram,
    ) -> BoxFuture<'a, Result<ProgramEnd, BesideError>>;

    /// Runs a command of the experiment, which is as trusted as the experiment itself. Secrets
    /// are replaced in what it says.
    fn command<'a>(
        &'a self,
        command: &'a OutsideCommand,
    ) -> BoxFuture<'a, Result<ProgramEnd, BesideError>>;

    /// Where a command that runs with the engine finds it; `None` where that is no other place
    /// than gridrun's own.
    fn engine_url(&self) -> Option<String> {
        None
    }
}

/// Python for a sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxProgram {
    pub source: String,
    /// Its one argument.
    pub argument: String,
    /// By this machine's clock; it is killed then.
    pub timeout: Duration,
}

/// A command of the experiment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutsideCommand {
    /// The program and its arguments; no shell reads them.
    pub arguments: Vec<String>,
    pub place: CommandPlace,
    /// Variables besides those of the place.
    pub env: Vec<(String, String)>,
    /// By this machine's clock; it is killed then, with all that it started.
    pub timeout: Duration,
    /// A file that it writes, read when it has ended, as its own place names it.
    pub output: Option<String>,
    /// Values that must not appear in what it says.
    pub secrets: Vec<String>,
}

/// Where a command runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandPlace {
    Host,
    /// With the engine: inside its container, where it has one.
    Engine,
}

/// How a program ended, and what it said. Long outputs keep their ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProgramEnd {
    /// `None` where it was killed.
    pub exit_code: Option<i64>,
    pub timed_out: bool,
    pub out_of_memory: bool,
    pub stdout: String,
    pub stderr: String,
    /// The file that it was to write; `None` where there is none.
    pub output: Option<String>,
}

/// A program could not be run: nothing is known of what it would have said.
#[derive(Debug, thiserror::Error)]
#[error("{because}")]
pub struct BesideError {
    pub because: String,
}

/// Where nothing can run beside an engine.
#[derive(Debug)]
pub struct NothingBeside;

impl Beside for NothingBeside {
    fn sandbox<'a>(
        &'a self,
        _: &'a SandboxProgram,
    ) -> BoxFuture<'a, Result<ProgramEnd, BesideError>> {
        let because = "this runtime has no sandbox: code is run in containers only".to_owned();
        Box::pin(ready(Err(BesideError { because })))
    }

    fn command<'a>(
        &'a self,
        _: &'a OutsideCommand,
    ) -> BoxFuture<'a, Result<ProgramEnd, BesideError>> {
        let because = "this runtime runs no commands".to_owned();
        Box::pin(ready(Err(BesideError { because })))
    }
}

// ---------------------------------------------------------------- load

/// Talks HTTP to engines.
pub trait Load: Send + Sync {
    /// One look whether the engine serves: `/health`, `/v1/models` names the model, a one-token
    /// completion comes back.
    fn probe(&self, target: &Target) -> impl Future<Output = Probe> + Send;

    /// Whether `/health` is green now.
    fn is_healthy(&self, target: &Target) -> impl Future<Output = bool> + Send;

    /// Reads the gauges of a ready engine, from any task.
    fn gauges(&self, target: &Target) -> Arc<dyn GaugeMeter>;

    /// What a ready engine says of itself.
    fn facts(
        &self,
        server: &ReadyServer,
    ) -> impl Future<Output = Result<Observed, LoadError>> + Send;

    /// Cuts the prompts of all nodes to their exact lengths by the engine's `/tokenize`.
    fn compose(
        &self,
        server: &ReadyServer,
        workloads: &[Workload],
        seed: u64,
    ) -> impl Future<Output = Result<PromptBook, LoadError>> + Send;

    /// Runs one workload node. Failed requests are counted in the report; it ends early when
    /// the engine stops answering.
    fn run(
        &self,
        server: &ReadyServer,
        node: NodeRun<'_>,
    ) -> impl Future<Output = NodeReport> + Send;
}

/// What the run of one node needs besides the engine.
#[derive(Debug, Clone, Copy)]
pub struct NodeRun<'a> {
    pub workload: &'a Workload,
    pub book: &'a PromptBook,
    /// The nodes that ran before it in this attempt, in their order.
    pub upstream: &'a [NodeReport],
    /// Where each of its requests goes when it has ended.
    pub requests: &'a RequestSink,
    /// What may run beside the engine.
    pub beside: &'a dyn Beside,
    /// Cancelled when the engine has exited, or an `age` node must end with the run: a node that
    /// may last for hours ends then, and hands over what it has.
    pub over: &'a CancellationToken,
}

/// Takes the requests of an attempt as they end, until they are stored: however long an
/// attempt lasts, no more than one part of them is in memory.
#[derive(Debug, Default)]
pub struct RequestSink {
    token_times: TokenTimes,
    held: Mutex<Held>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Held {
    requests: Vec<Request>,
    /// Instants of tokens among them: most of their size.
    n_instants: usize,
    n_answered: u64,
    /// Prompt tokens that came from the cache, by the engine's own account.
    n_cached: u64,
}

impl RequestSink {
    /// A part is full at so many requests, or so many instants of tokens (16 MB).
    const PART_REQUESTS: usize = 20_000;
    const PART_INSTANTS: usize = 2_000_000;

    pub fn new(token_times: TokenTimes) -> Self {
        Self {
            token_times,
            ..Self::default()
        }
    }

    /// Takes one that has ended and been measured: what is not to be stored is dropped here.
    pub fn push(&self, mut request: Request) {
        match self.token_times {
            TokenTimes::Kept => {}
            TokenTimes::Dropped => request.instants.tokens = TokenInstants::default(),
        }
        let mut held = self.held();
        held.n_answered += u64::from(request.failure.is_none());
        held.n_cached += request.cached_tokens().unwrap_or(0);
        held.n_instants += request.instants.tokens.len();
        held.requests.push(request);
        if held.is_full() {
            self.filled.notify_one();
        }
    }

    /// Comes when a part is full.
    pub async fn filled(&self) {
        while !self.held().is_full() {
            self.filled.notified().await;
        }
    }

    /// Hands over what is there, in the order in which it ended.
    pub fn drain(&self) -> Vec<Request> {
        let mut held = self.held();
        held.n_instants = 0;
        std::mem::take(&mut held.requests)
    }

    /// Requests that succeeded, the drained ones included.
    pub fn n_answered(&self) -> u64 {
        self.held().n_answered
    }

    /// Prompt tokens of all of them that came from the prefix cache, by the engine's own
    /// account.
    pub fn n_cached(&self) -> u64 {
        self.held().n_cached
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // A panic elsewhere leaves the list whole: nothing is half done under the lock.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn is_full(&self) -> bool {
        self.requests.len() >= RequestSink::PART_REQUESTS
            || self.n_instants >= RequestSink::PART_INSTANTS
    }
}

/// Where an engine answers.
#[derive(Debug, Clone)]
pub struct Target {
    pub base_url: String,
    /// As `/v1/models` must list it.
    pub model: String,
    pub api_key: String,
}

/// What one look at an engine found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// Nothing answers yet, or `/health` is not green.
    NotYet {
        because: String,
    },
    /// `/health` is green, yet models or completion are wrong.
    HealthyOnly {
        because: String,
    },
    Ready,
}

/// An engine that was proved to serve. Only `runner::ready` makes one.
#[derive(Debug, Clone)]
pub struct ReadyServer {
    target: Target,
    facts: EngineFacts,
    /// When it was proved; the instants of all requests of the attempt count from here.
    origin: tokio::time::Instant,
    /// How fast its time runs.
    scale: TimeScale,
    /// What our requests make it do now.
    activity: Arc<Activity>,
}

impl ReadyServer {
    pub(in crate::runner) fn new(target: Target, scale: TimeScale) -> Self {
        Self {
            target,
            facts: EngineFacts::default(),
            origin: tokio::time::Instant::now(),
            scale,
            activity: Arc::default(),
        }
    }

    pub(in crate::runner) fn with_facts(mut self, facts: EngineFacts) -> Self {
        self.facts = facts;
        self
    }

    /// For the tests of the edges, which have no runner.
    #[cfg(test)]
    pub(crate) fn for_test(target: Target, facts: EngineFacts) -> Self {
        Self {
            target,
            facts,
            origin: tokio::time::Instant::now(),
            scale: TimeScale::ONE,
            activity: Arc::default(),
        }
    }

    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The attempt's monotonic origin.
    pub fn origin(&self) -> tokio::time::Instant {
        self.origin
    }

    /// How fast its time runs: what is derived from its instants is told in that time.
    pub fn scale(&self) -> TimeScale {
        self.scale
    }

    /// What our requests make it do now.
    pub fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// Block size and the like; known once the engine was asked.
    pub fn facts(&self) -> &EngineFacts {
        &self.facts
    }
}

/// What was read from a ready engine over HTTP.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Observed {
    pub facts: EngineFacts,
    /// `/metrics`, whole.
    pub metrics_text: String,
}

/// Talking to a ready engine failed.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct LoadError {
    pub what: String,
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

// ---------------------------------------------------------------- journal

/// Keeps what a run leaves. Everything is durable when a call returns.
pub trait Journal: Send {
    /// Appends one event.
    fn append(&mut self, event: &RunEvent) -> Result<(), StoreError>;

    /// Where an attempt's engine log goes; its folder exists afterwards.
    fn log_path(&mut self, attempt: &AttemptId) -> Result<PathBuf, StoreError>;

    /// Keeps a part of an attempt's requests, from 0; the last one before the attempt's
    /// settlement is appended.
    fn keep_requests(
        &mut self,
        attempt: &AttemptId,
        part: u32,
        requests: &[Request],
    ) -> Result<(), StoreError>;

    /// Keeps a part of an attempt's samples, from 0; the last one before the attempt's
    /// settlement is appended.
    fn keep_samples(&mut self, attempt: &AttemptId, part: &SamplePart) -> Result<(), StoreError>;

    /// Keeps what an attempt's samples say; before its settlement is appended.
    fn keep_profiling(
        &mut self,
        attempt: &AttemptId,
        profile: &Profiling,
    ) -> Result<(), StoreError>;

    /// Keeps the engine's `/metrics` as read at the end of an attempt.
    fn keep_metrics(&mut self, attempt: &AttemptId, text: &str) -> Result<(), StoreError>;

    /// The run's prompts, if they were cut already; fails when they are not what was written.
    fn prompts(&mut self) -> Result<Option<PromptBook>, StoreError>;

    /// Keeps the run's prompts.
    fn keep_prompts(&mut self, book: &PromptBook) -> Result<(), StoreError>;
}

/// The results folder could not be written or read. The run cannot go on.
#[derive(Debug, thiserror::Error)]
#[error("{what} {}", path.display())]
pub struct StoreError {
    /// `cannot write`, `cannot read`: the path follows.
    pub what: String,
    pub path: PathBuf,
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

// ---------------------------------------------------------------- clock

/// The wall clock; durations come from tokio's monotonic one.
pub trait Clock: Send + Sync {
    fn now(&self) -> jiff::Timestamp;
}
