//! Fake ports, and a bench on which a run with all of them is carried out.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::id::{CellId, RunId};
use crate::manifest::{Engines, HostFacts, Manifest};
use crate::matrix::cell::{Cell, SetBy, Setting};
use crate::measure::metric::WorkloadKind;
use crate::measure::node::{MetricValue, NodeReport, NodeStatus};
use crate::measure::prompt::PromptBook;
use crate::measure::request::{Instants, Request, RequestRole, Usage};
use crate::measure::sample::GpuProcess;
use crate::outcome::{EndState, Race, RuntimeFacts, Settled, Skip};
use crate::plan::ageing::planned;
use crate::runner::cancel::Cancel;
use crate::runner::dispatcher::{Dispatcher, Finished};
use crate::runner::meter::{EngineMeter, GaugeMeter};
use crate::runner::ports::{
    Engine, Launch, Load, LoadError, NodeRun, Observed, Probe, ReadyServer, Runtime, RuntimeError,
    StopMode, Stopped, Target,
};
use crate::runner::recorder::Recorder;
use crate::spec::experiment::{
    Experiment, Predecessor, Pruning, RunSettings, Strategy, Workload, WorkloadSpec,
};
use crate::spec::flag::{FlagName, FlagValue};
use crate::spec::profile::{EngineProfile, Gpus, Network, Profile, RuntimeChoice};
use crate::spec::workload::kv_cache::KvCacheSpec;
use crate::time_scale::TimeScale;

mod ageing;
mod journal;
mod short;
mod watched;

pub use journal::MemoryJournal;
use journal::StoppedClock;
use watched::{FakeGpu, FakeHost, FakeMeter};

/// What one start of the fake engine does.
#[derive(Debug, Clone)]
pub enum Script {
    /// Ready after some looks, serves, measures.
    Serves,
    /// Ends by itself before it is ready.
    Dies {
        log: &'static str,
        exit_code: i64,
        oom_killed: bool,
    },
    /// `/health` never turns green.
    NeverReady,
    /// `/health` is green and completions are refused.
    HealthyOnly,
    /// `/health` is green and completions stay open.
    NeverAnswers,
    /// Serves until the node runs, then requests fail and the process exits a while later.
    DiesUnderLoad,
    /// Serves, and exits when it has served for three hours.
    DiesAgeing,
    /// As `Serves`; the engine says of a request that its prompt came from the cache.
    HitsItsCache,
    /// As `Serves`, and the client lags in the second node.
    IsAskedLate,
    /// Every request of the node fails and the engine serves on.
    FailsRequests,
    /// One request of the node fails, and so do some looks at the engine after it.
    RefusesForAWhile,
    /// The connection to the runtime breaks while it starts.
    RuntimeVanishes,
    Refused(&'static str),
    /// Serves, and the runtime fails to stop it.
    CannotBeStopped,
}

type Trace = Arc<Mutex<Vec<String>>>;

struct FakeRuntime {
    scripts: Mutex<VecDeque<Script>>,
    trace: Trace,
    /// Looks until the runtime answers again.
    absent_for: Mutex<u32>,
    engine_runs: Arc<AtomicBool>,
}

struct FakeEngine {
    script: Script,
    trace: Trace,
    url: String,
    runs: Arc<AtomicBool>,
    born: tokio::time::Instant,
}

impl Runtime for FakeRuntime {
    type Engine = FakeEngine;

    async fn prepare(&self) -> Result<RuntimeFacts, RuntimeError> {
        Ok(RuntimeFacts::default())
    }

    async fn start(&self, launch: &Launch) -> Result<FakeEngine, RuntimeError> {
        let script = self
            .scripts
            .lock()
            .unwrap()
            .pop_front()
            .expect("no script is left for this start");
        self.trace
            .lock()
            .unwrap()
            .push(format!("start {}", launch.cell_name));
        match script {
            Script::Refused(words) => Err(RuntimeError::Refused {
                words: words.to_owned(),
            }),
            script => {
                let url = serialise(&script);
                self.engine_runs.store(true, Ordering::Relaxed);
                Ok(FakeEngine {
                    script,
                    trace: Arc::clone(&self.trace),
                    url,
                    runs: Arc::clone(&self.engine_runs),
                    born: tokio::time::Instant::now(),
                })
            }
        }
    }

    async fn sweep(&self) -> Result<Vec<String>, RuntimeError> {
        self.trace.lock().unwrap().push("sweep".to_owned());
        Ok(Vec::new())
    }

    async fn reachable(&self) -> bool {
        let mut absent = self.absent_for.lock().unwrap();
        if *absent == 0 {
            return true;
        }
        *absent -= 1;
        false
    }
}

/// The fake load recognises the script by the address.
fn serialise(script: &Script) -> String {
    format!("{script:?}")
}

impl Engine for FakeEngine {
    fn base_url(&self) -> &str {
        &self.url
    }

    fn reference(&self) -> &str {
        "fake"
    }

    async fn exited(&mut self) -> Result<(), RuntimeError> {
        match self.script {
            Script::Dies { .. } => {
                tokio::time::sleep(Duration::from_secs(1)).await;
                Ok(())
            }
            Script::DiesUnderLoad => {
                tokio::time::sleep(Duration::from_secs(8)).await;
                Ok(())
            }
            Script::DiesAgeing => {
                tokio::time::sleep_until(self.born + Duration::from_secs(3 * 3600)).await;
                Ok(())
            }
            Script::RuntimeVanishes => {
                tokio::time::sleep(Duration::from_secs(1)).await;
                Err(RuntimeError::Unreachable {
                    what: "the daemon is gone".to_owned(),
                    source: None,
                })
            }
            _ => std::future::pending().await,
        }
    }

    fn meter(&self) -> Arc<dyn EngineMeter> {
        Arc::new(FakeMeter)
    }

    fn log(&self) -> String {
        match self.script {
            Script::Dies { log, .. } => log.to_owned(),
            Script::DiesUnderLoad | Script::DiesAgeing => {
                "INFO:     Application startup complete.\n(APIServer pid=1) ERROR 11-24 03:16:59 \
                 [async_llm.py:731] vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an \
                 issue. See stack trace (above) for the root cause.\n"
                    .to_owned()
            }
            _ => "INFO: Application startup complete.\n".to_owned(),
        }
    }

    async fn stop(self, how: StopMode) -> Result<Stopped, RuntimeError> {
        self.runs.store(false, Ordering::Relaxed);
        self.trace.lock().unwrap().push(format!(
            "stop {}",
            if how == StopMode::Kill {
                "at once"
            } else {
                "gracefully"
            }
        ));
        let ended = |by_itself: bool, exit_code: i64, oom_killed: bool| EndState {
            by_itself,
            exit_code: Some(exit_code),
            oom_killed: Some(oom_killed),
            ..EndState::default()
        };
        let end = match self.script {
            Script::Dies {
                exit_code,
                oom_killed,
                ..
            } => ended(true, exit_code, oom_killed),
            Script::DiesUnderLoad | Script::DiesAgeing => ended(true, 0, false),
            Script::RuntimeVanishes => {
                return Err(RuntimeError::Unreachable {
                    what: "the daemon is gone".to_owned(),
                    source: None,
                });
            }
            Script::CannotBeStopped => {
                return Err(RuntimeError::Host {
                    what: "the engine does not die".to_owned(),
                    source: std::io::ErrorKind::TimedOut.into(),
                });
            }
            _ => ended(false, 0, false),
        };
        let log = self.log();
        Ok(Stopped { end, log })
    }
}

struct FakeLoad {
    /// Asks the run to stop while a node runs.
    stop_during_node: Option<Cancel>,
    /// A node has run against the engine that dies under load.
    dying: AtomicBool,
    /// Looks that are still refused.
    refusals: AtomicU32,
}

impl FakeLoad {
    fn is_refused(&self) -> bool {
        let one_less = |left: u32| left.checked_sub(1);
        self.refusals
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
            .is_ok()
    }
}

impl Load for FakeLoad {
    async fn probe(&self, target: &Target) -> Probe {
        tokio::time::sleep(Duration::from_millis(10)).await;
        if target.base_url.starts_with("NeverAnswers") {
            std::future::pending::<()>().await;
        }
        match target.base_url.as_str() {
            url if url.starts_with("Dies {")
                || url.starts_with("Never")
                || url.starts_with("Runtime") =>
            {
                Probe::NotYet {
                    because: "connection refused".to_owned(),
                }
            }
            url if url.starts_with("HealthyOnly")
                || self.is_refused()
                || (url.starts_with("DiesUnderLoad") && self.dying.load(Ordering::Relaxed)) =>
            {
                Probe::HealthyOnly {
                    because: "no completion".to_owned(),
                }
            }
            _ => Probe::Ready,
        }
    }

    async fn is_healthy(&self, target: &Target) -> bool {
        target.base_url.starts_with("NeverAnswers")
    }

    fn gauges(&self, _: &Target) -> Arc<dyn GaugeMeter> {
        Arc::new(FakeMeter)
    }

    async fn facts(&self, _server: &ReadyServer) -> Result<Observed, LoadError> {
        Ok(Observed::default())
    }

    async fn compose(
        &self,
        _: &ReadyServer,
        _: &[Workload],
        seed: u64,
    ) -> Result<PromptBook, LoadError> {
        Ok(PromptBook {
            version: 1,
            model: "m".to_owned(),
            seed,
            nodes: Vec::new(),
        })
    }

    async fn run(&self, server: &ReadyServer, node: NodeRun<'_>) -> NodeReport {
        if let Some(cancel) = &self.stop_during_node {
            cancel.ask();
            std::future::pending::<()>().await;
        }
        if node.workload.is_ageing() {
            return ageing::age(&node).await;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        let url = &server.target().base_url;
        self.dying
            .store(url.starts_with("DiesUnderLoad"), Ordering::Relaxed);
        let refuses = url.starts_with("RefusesForAWhile");
        self.refusals
            .store(3 * u32::from(refuses), Ordering::Relaxed);
        if url.starts_with("HitsItsCache") {
            node.requests.push(cached(&node.workload.name));
        }
        let fails = url.starts_with("DiesUnderLoad") || url.starts_with("FailsRequests");
        let status = if fails {
            NodeStatus::Failed {
                because: "HTTP 500".to_owned(),
            }
        } else if url.starts_with("IsAskedLate") && node.workload.name == "second" {
            let because = "the client lagged".to_owned();
            NodeStatus::Invalid { because }
        } else {
            NodeStatus::Completed
        };
        let rate = if refuses { 0.75 } else { 1.0 };
        let numbers = [("acceleration", 2.0), ("success_rate", rate)];
        let metrics = (numbers.into_iter().filter(|_| !fails))
            .map(|(name, value)| (name.to_owned(), MetricValue::Scalar(value)))
            .collect();
        NodeReport {
            node: node.workload.name.clone(),
            kind: WorkloadKind::KvCache,
            status,
            took_ms: Some(2000.0),
            metrics,
            n_requests: 4,
            n_failed: if fails { 4 } else { u32::from(refuses) },
            notes: Vec::new(),
            client: None,
            detail: None,
        }
    }
}

/// A request of which 96 tokens came from the cache, by the engine's own account.
fn cached(node: &str) -> Request {
    Request {
        node: node.to_owned(),
        index: 0,
        role: RequestRole::Measured,
        prompt: None,
        user: 0,
        turn: None,
        label: None,
        instants: Instants::due_at(0),
        usage: Some(Usage {
            prompt: 100,
            output: 4,
            cached: Some(96),
        }),
        counters: None,
        finish_reason: Some("length".to_owned()),
        failure: None,
        proof: None,
    }
}

pub fn cell(name: &str) -> Cell {
    let setting = Setting {
        value: FlagValue::Int(name.len() as i64),
        by: SetBy::Axis,
    };
    Cell {
        id: CellId::of(name),
        name: name.to_owned(),
        coordinates: Vec::new(),
        flags: BTreeMap::from([(FlagName("max-num-seqs".to_owned()), setting)]),
        env: BTreeMap::new(),
        memory: None,
    }
}

fn workload(name: &str, after: &[&str]) -> Workload {
    Workload {
        name: name.to_owned(),
        after: after
            .iter()
            .map(|node| Predecessor {
                node: (*node).to_owned(),
                at: Default::default(),
            })
            .collect(),
        spec: WorkloadSpec::KvCache(KvCacheSpec {
            iterations: 2,
            prompt_tokens: 100,
            max_tokens: 4,
        }),
        at: Default::default(),
    }
}

pub fn manifest(cells: &[&str], repeats: u32, deadline: Option<Duration>) -> Manifest {
    let engine = EngineProfile {
        runtime: RuntimeChoice::StandIn,
        image: None,
        model: "m".to_owned(),
        gpus: Gpus::None,
        shm: None,
        ipc_host: false,
        memory: None,
        ulimits: Vec::new(),
        network: Network::Host,
        volumes: Vec::new(),
        flags: Vec::new(),
        env: Vec::new(),
        ready_timeout: Duration::from_secs(60),
        stop_timeout: Duration::from_secs(30),
        request_timeout: Duration::from_secs(60),
    };
    Manifest {
        format: Manifest::FORMAT,
        gridrun: "0".to_owned(),
        run: RunId::new(jiff::Timestamp::UNIX_EPOCH, 1),
        started_at: jiff::Timestamp::UNIX_EPOCH,
        experiment: Experiment {
            name: "e".to_owned(),
            profile: Profile {
                name: "p".to_owned(),
                engine,
                stand_in: None,
                sampling: Default::default(),
                production: None,
            },
            axes: Vec::new(),
            whens: Vec::new(),
            named_cells: Vec::new(),
            excludes: Vec::new(),
            workloads: vec![workload("first", &[]), workload("second", &["first"])],
            gates: Vec::new(),
            objectives: Vec::new(),
            use_cases: Vec::new(),
            run: RunSettings {
                repeats,
                seed: 1,
                equivalence: 0.02,
                deadline,
                token_times: Default::default(),
                strategy: Strategy::Exhaustive,
                pruning: Pruning::Off,
                retries_invalid: 1,
                reuse: None,
            },
        },
        cells: cells.iter().map(|name| cell(name)).collect(),
        node_order: vec!["first".to_owned(), "second".to_owned()],
        sources: Vec::new(),
        engines: Engines::ProcessStandIn,
        speed: TimeScale::ONE,
        scenario: None,
        night: None,
        prior_noise: Vec::new(),
        consolidated: Vec::new(),
        runtime: RuntimeFacts::default(),
        host: HostFacts::default(),
    }
}

/// One run with everything fake.
pub struct Bench {
    pub manifest: Manifest,
    pub scripts: Vec<Script>,
    pub cancel: Cancel,
    pub stop_during_node: bool,
    pub absent_for: u32,
    pub journal: MemoryJournal,
    pub gpu: Vec<u64>,
    /// On the card while an engine runs.
    pub processes: Vec<GpuProcess>,
    pub settled: Vec<Settled>,
    pub skipped: Vec<Skip>,
    pub race: Race,
}

pub struct Ran {
    pub finished: Finished,
    /// Events in order, one word or two each.
    pub events: Vec<String>,
    /// What the runtime was asked to do, in order.
    pub trace: Vec<String>,
}

impl Bench {
    pub fn new(cells: &[&str], scripts: &[Script]) -> Self {
        Self {
            manifest: manifest(cells, 1, None),
            scripts: scripts.to_vec(),
            cancel: Cancel::new(),
            stop_during_node: false,
            absent_for: 0,
            journal: MemoryJournal::default(),
            gpu: vec![0],
            processes: Vec::new(),
            settled: Vec::new(),
            skipped: Vec::new(),
            race: Race::default(),
        }
    }

    pub async fn run(self) -> Ran {
        let trace = Trace::default();
        let runtime = FakeRuntime {
            scripts: Mutex::new(self.scripts.into()),
            trace: Arc::clone(&trace),
            absent_for: Mutex::new(self.absent_for),
            engine_runs: Arc::default(),
        };
        let load = FakeLoad {
            stop_during_node: self.stop_during_node.then(|| self.cancel.clone()),
            dying: AtomicBool::new(false),
            refusals: AtomicU32::new(0),
        };
        let planned = planned(&self.manifest);
        let (watchers, _events) = mpsc::unbounded_channel();
        let events = Arc::clone(&self.journal.events);
        let finished = Dispatcher {
            runtime: &runtime,
            load: &load,
            gpu: Arc::new(FakeGpu {
                levels: Mutex::new(self.gpu.into()),
                processes: self.processes,
                engine_runs: Arc::clone(&runtime.engine_runs),
            }),
            host: Arc::new(FakeHost),
            recorder: Recorder::new(self.journal, Box::new(StoppedClock), watchers),
            cancel: &self.cancel,
            manifest: &self.manifest,
            plan: &planned,
            settled: self.settled,
            reused: Vec::new(),
            skipped: self.skipped,
            race: self.race,
            new_key: &|| "key".to_owned(),
            level: None,
        }
        .run()
        .await;
        let events = events.lock().unwrap().iter().map(short::short).collect();
        let trace = trace.lock().unwrap().clone();
        Ran {
            finished,
            events,
            trace,
        }
    }
}
