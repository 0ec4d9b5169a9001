//! One attempt: start, wait for ready, attest, measure, stop, collect.
//!
//! Whatever happens on the way, a started engine is stopped here. Settling the result is the
//! dispatcher's business, and what the end means is `conclusion`'s.

use std::future::Future;
use std::sync::Arc;

use tokio::time::Instant;

use crate::attest::{self, Attestation};
use crate::diagnose::{Failure, Phase, Service};
use crate::event::{AttemptPhase, EventKind};
use crate::id::AttemptId;
use crate::matrix::cell::Cell;
use crate::measure::node::NodeReport;
use crate::measure::profiling::{ProfilingBrief, ProfilingBuilder};
use crate::measure::prompt::PromptBook;
use crate::outcome::{EndState, EngineFacts, Outcome};
use crate::runner::cancel::Cancel;
use crate::runner::conclusion::{Seen, Served, Story, cached_against_orders, conclude, refused};
use crate::runner::meter::{Gpu, Host};
use crate::runner::nodes::{NodeWatcher, Nodes, NodesEnding, dying_takes_at_most};
use crate::runner::ports::{
    Engine, Journal, Launch, Load, LoadError, Probe, ReadyServer, RequestSink, Runtime,
    RuntimeError, StopMode, Stopped, StoreError, Target,
};
use crate::runner::ready::{Readiness, ready};
use crate::runner::recorder::Recorder;
use crate::runner::sampler::{Sampler, Watched};
use crate::spec::experiment::Experiment;
use crate::time_scale::TimeScale;

/// What an attempt needs.
pub struct Attempt<'a, R, L, J> {
    pub runtime: &'a R,
    pub load: &'a L,
    pub recorder: &'a mut Recorder<J>,
    pub cancel: &'a Cancel,
    pub experiment: &'a Experiment,
    /// Names of the nodes, each after its predecessors.
    pub node_order: &'a [String],
    pub cell: &'a Cell,
    /// How fast the engine's time runs.
    pub scale: TimeScale,
    pub launch: Launch,
    /// What is watched beside it.
    pub gpu: &'a Arc<dyn Gpu>,
    pub host: &'a Arc<dyn Host>,
    /// Its samples are summed up here.
    pub profiling: ProfilingBuilder,
    /// As `/v1/models` must list it.
    pub model: String,
}

/// How an attempt went.
#[derive(Debug)]
pub struct Ended {
    pub outcome: Outcome,
    /// `None` when no engine was started, or its end could not be seen.
    pub end: Option<EndState>,
    /// `None` when no engine was started.
    pub profiling: Option<Box<ProfilingBrief>>,
    pub aftermath: Aftermath,
}

/// What the runner must do before the next attempt.
#[derive(Debug)]
pub enum Aftermath {
    GoOn,
    /// Wait for the runtime. `left` names the engine that could not be stopped.
    AwaitRuntime {
        left: Option<String>,
    },
    /// Give up: this attempt is settled, and no further one can be made.
    Stop(RuntimeError),
}

/// Why the run itself cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum AttemptError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
}

/// What became of work that the engine's end or the user may cut short.
enum Cut<T> {
    Done(T),
    Exited,
    Cancelled,
}

/// How far an engine has come.
#[derive(Debug, Default)]
struct Way {
    /// `None` until it was proved ready.
    ready_since: Option<Instant>,
    /// Requests of workloads that it answered in full.
    n_answered: u64,
}

impl Way {
    fn phase(&self) -> Phase {
        match self.ready_since {
            Some(_) => Phase::Serving,
            None => Phase::Starting,
        }
    }

    /// What was seen of its service until now.
    fn service(&self, scale: TimeScale) -> Option<Service> {
        Some(Service {
            lasted: scale.told(self.ready_since?.elapsed()),
            n_answered: self.n_answered,
        })
    }
}

impl<R: Runtime, L: Load, J: Journal> Attempt<'_, R, L, J> {
    /// Carries the attempt out. A broken connection to the runtime ends the attempt as the
    /// machine's failure, never the cell's.
    ///
    /// # Errors
    /// When results cannot be stored, or the runtime cannot serve any cell.
    pub async fn run(mut self) -> Result<Ended, AttemptError> {
        self.phase(AttemptPhase::Starting)?;
        let ordered = Instant::now();
        let started = tokio::select! {
            biased;
            started = self.runtime.start(&self.launch) => started,
            () = self.cancel.asked_twice() => {
                // What was half made goes as a leftover does.
                self.runtime.sweep().await?;
                return Ok(Ended::without_engine(Outcome::Cancelled));
            }
        };
        let mut engine = match started {
            Ok(engine) => engine,
            Err(RuntimeError::Refused { words }) => {
                return Ok(Ended::without_engine(refused(self.cell, &words)));
            }
            Err(RuntimeError::Unreachable { what, .. }) => {
                let failure = Failure::runtime_lost(Phase::Starting, &what, "");
                return Ok(Ended {
                    aftermath: Aftermath::AwaitRuntime { left: None },
                    ..Ended::without_engine(Outcome::Failed(failure))
                });
            }
            Err(error) => return Err(error.into()),
        };
        let mut way = Way::default();
        let sampler = self.sampler(&engine, ordered);
        let story = self.story(&mut engine, &sampler, ordered, &mut way).await;
        sampler.stop();
        let seen = Seen {
            cell: self.cell,
            service: way.service(self.scale),
            gpu_memory: sampler.with_profiling(ProfilingBuilder::card_memory),
        };
        let noted = self
            .phase(AttemptPhase::Stopping)
            .and_then(|()| self.note_cancellation());
        let log = engine.log();
        let reference = engine.reference().to_owned();
        // Before any error is looked at: whatever went wrong, the engine must not outlive it.
        let stopped = self.stop(engine).await;
        noted?;
        let profiling = self.keep_profiling(&sampler)?;
        let story = match story {
            Err(AttemptError::Runtime(RuntimeError::Unreachable { what, .. })) => {
                Story::RuntimeLost(Failure::runtime_lost(way.phase(), &what, &log))
            }
            story => story?,
        };
        let lost = matches!(story, Story::RuntimeLost(_));
        match stopped {
            Ok(Stopped { end, log: whole }) => Ok(Ended {
                outcome: conclude(story, &seen, &end, &log, &whole),
                end: Some(end),
                profiling: Some(profiling),
                aftermath: if lost {
                    Aftermath::AwaitRuntime { left: None }
                } else {
                    Aftermath::GoOn
                },
            }),
            Err(error) => Ok(Ended {
                profiling: Some(profiling),
                ..self.unstopped(story, &seen, error, &log, reference).await
            }),
        }
    }

    /// Begins to watch what the engine does to the machine.
    fn sampler(&mut self, engine: &R::Engine, ordered: Instant) -> Sampler {
        let watched = Watched {
            gpu: Arc::clone(self.gpu),
            host: Arc::clone(self.host),
            engine: engine.meter(),
        };
        let sampling = self.experiment.profile.sampling;
        Sampler::start(watched, self.profiling.clone(), sampling.beat, ordered)
    }

    /// Keeps the last samples, and what all of them say.
    fn keep_profiling(&mut self, sampler: &Sampler) -> Result<Box<ProfilingBrief>, StoreError> {
        let attempt = &self.launch.attempt;
        let journal = self.recorder.journal();
        journal.keep_samples(attempt, &sampler.drain())?;
        journal.keep_profiling(
            attempt,
            &sampler.with_profiling(ProfilingBuilder::profiling),
        )?;
        Ok(Box::new(sampler.with_profiling(ProfilingBuilder::brief)))
    }

    async fn story(
        &mut self,
        engine: &mut R::Engine,
        sampler: &Sampler,
        ordered: Instant,
        way: &mut Way,
    ) -> Result<Story, AttemptError> {
        let target = Target {
            base_url: engine.base_url().to_owned(),
            model: self.model.clone(),
            api_key: self.launch.api_key.clone(),
        };
        let timeout = self.experiment.profile.engine.ready_timeout;
        let scale = self.scale;
        let server = match ready(engine, self.load, target, timeout, scale, self.cancel).await? {
            Readiness::Ready(server) => server,
            Readiness::Exited => return Ok(Story::exited(Phase::Starting)),
            Readiness::Cancelled => return Ok(Story::Cancelled),
            Readiness::Deadline { because, healthy } => {
                let log = engine.log();
                return Ok(Story::Verdict(if healthy {
                    Failure::unresponsive(Phase::Starting, &because, &log)
                } else {
                    Failure::not_ready(scale.told(scale.patience(timeout)), &because, &log)
                }));
            }
        };
        let ready_after_ms = scale.told_ms(ordered.elapsed());
        let gauges = self.load.gauges(server.target());
        sampler.serving(server.origin(), Arc::clone(server.activity()), gauges);
        way.ready_since = Some(Instant::now());
        self.phase(AttemptPhase::Attesting)?;
        let observed = match self.while_serving(engine, self.load.facts(&server)).await? {
            Cut::Done(Ok(observed)) => observed,
            Cut::Done(Err(error)) => return self.no_answer(engine, &server, &error).await,
            Cut::Exited => return Ok(Story::exited(Phase::Serving)),
            Cut::Cancelled => return Ok(Story::Cancelled),
        };
        let log = engine.log();
        let attestation = attest::attest(self.cell.varied(), &log, &observed.metrics_text);
        let contradictions: Vec<String> = attestation
            .iter()
            .filter_map(Attestation::contradiction)
            .collect();
        if !contradictions.is_empty() {
            return Ok(Story::Verdict(Failure::not_as_configured(
                &contradictions,
                &log,
            )));
        }
        let facts = EngineFacts {
            warnings: attest::warnings(&log),
            ..observed.facts
        };
        let server = server.with_facts(facts.clone());
        let book = match self.prompts(engine, &server).await? {
            Cut::Done(Ok(book)) => book,
            Cut::Done(Err(error)) => return self.no_answer(engine, &server, &error).await,
            Cut::Exited => return Ok(Story::exited(Phase::Serving)),
            Cut::Cancelled => return Ok(Story::Cancelled),
        };
        self.phase(AttemptPhase::Measuring)?;
        let requests = RequestSink::new(self.experiment.run.token_times);
        let mut watcher = Watcher {
            recorder: self.recorder,
            attempt: &self.launch.attempt,
            n_parts: 0,
        };
        let nodes = Nodes {
            load: self.load,
            server: &server,
            experiment: self.experiment,
            order: self.node_order,
            book: &book,
            requests: &requests,
            sampler,
            cancel: self.cancel,
        }
        .run(engine, &mut watcher)
        .await?;
        // Those of a node that was cut short.
        watcher.keep(&requests)?;
        way.n_answered = requests.n_answered();
        let served = Served {
            ready_after_ms,
            nodes: nodes.reports,
            attestation,
            facts,
        };
        match nodes.ending {
            NodesEnding::Finished => {
                if let Some(found) = cached_against_orders(self.cell, requests.n_cached()) {
                    let failure = Failure::not_as_configured(&[found], &engine.log());
                    return Ok(Story::Verdict(Failure {
                        phase: Phase::Serving,
                        ..failure
                    }));
                }
                if let Cut::Done(Ok(observed)) =
                    self.while_serving(engine, self.load.facts(&server)).await?
                {
                    self.recorder
                        .journal()
                        .keep_metrics(&self.launch.attempt, &observed.metrics_text)?;
                }
                Ok(Story::Served(served))
            }
            NodesEnding::EngineExited { node, after } if self.experiment.is_ageing(&node) => {
                Ok(Story::DiedAgeing {
                    served,
                    node,
                    after,
                    verdict: None,
                })
            }
            NodesEnding::EngineExited { node, after } => Ok(Story::Exited {
                phase: Phase::Serving,
                node: Some((node, after)),
            }),
            NodesEnding::Unresponsive {
                node,
                after,
                because,
            } => {
                let failure = Failure::unresponsive(Phase::Serving, &because, &engine.log());
                Ok(match self.experiment.is_ageing(&node) {
                    true => Story::DiedAgeing {
                        served,
                        node,
                        after,
                        verdict: Some(failure),
                    },
                    false => Story::Verdict(failure.during(&node, after)),
                })
            }
            NodesEnding::Cancelled => Ok(Story::Cancelled),
        }
    }

    /// The prompts of the run: read back, or cut now by this first ready engine and stored
    /// before anything is measured with them.
    async fn prompts(
        &mut self,
        engine: &mut R::Engine,
        server: &ReadyServer,
    ) -> Result<Cut<Result<PromptBook, LoadError>>, AttemptError> {
        if let Some(book) = self.recorder.journal().prompts()? {
            return Ok(Cut::Done(Ok(book)));
        }
        let (workloads, seed) = (&self.experiment.workloads, self.experiment.run.seed);
        let composed = self
            .while_serving(engine, self.load.compose(server, workloads, seed))
            .await?;
        if let Cut::Done(Ok(book)) = &composed {
            self.recorder.journal().keep_prompts(book)?;
        }
        Ok(composed)
    }

    /// Does some work with a ready engine, unless the engine ends or the user asks to stop.
    async fn while_serving<T>(
        &self,
        engine: &mut R::Engine,
        work: impl Future<Output = T>,
    ) -> Result<Cut<T>, RuntimeError> {
        tokio::select! {
            biased;
            () = self.cancel.asked() => Ok(Cut::Cancelled),
            done = work => Ok(Cut::Done(done)),
            exited = engine.exited() => exited.map(|()| Cut::Exited),
        }
    }

    /// A control request to a ready engine failed: it dies, it hangs, or it serves and cannot
    /// do this one thing.
    async fn no_answer(
        &self,
        engine: &mut R::Engine,
        server: &ReadyServer,
        error: &LoadError,
    ) -> Result<Story, AttemptError> {
        let dying = dying_takes_at_most(self.experiment);
        let dying = tokio::time::sleep(self.scale.patience(dying));
        match self.while_serving(engine, dying).await? {
            Cut::Exited => return Ok(Story::exited(Phase::Serving)),
            Cut::Cancelled => return Ok(Story::Cancelled),
            Cut::Done(()) => {}
        }
        let probe = self.load.probe(server.target());
        Ok(match self.while_serving(engine, probe).await? {
            Cut::Exited => Story::exited(Phase::Serving),
            Cut::Cancelled => Story::Cancelled,
            Cut::Done(Probe::Ready) => {
                Story::Verdict(Failure::nothing_measured(&error.to_string(), &engine.log()))
            }
            Cut::Done(Probe::NotYet { because } | Probe::HealthyOnly { because }) => {
                Story::Verdict(Failure::unresponsive(
                    Phase::Serving,
                    &because,
                    &engine.log(),
                ))
            }
        })
    }

    /// Stops the engine; a second wish to stop cuts the grace short.
    async fn stop(&self, engine: R::Engine) -> Result<Stopped, RuntimeError> {
        let mode = if self.cancel.is_asked_twice() {
            StopMode::Kill
        } else {
            StopMode::Gracefully(self.experiment.profile.engine.stop_timeout)
        };
        let log = engine.log();
        let reference = engine.reference().to_owned();
        tokio::select! {
            stopped = engine.stop(mode) => stopped,
            () = self.cancel.asked_twice(), if mode != StopMode::Kill => {
                // The half-stopped engine is removed as a leftover is.
                self.runtime.sweep().await?;
                let end = EndState {
                    error: Some(format!("{reference} was removed at once")),
                    ..EndState::default()
                };
                Ok(Stopped { end, log })
            }
        }
    }

    /// The engine could not be stopped as it should: one more try by a sweep. What was measured
    /// before stays measured.
    async fn unstopped(
        &self,
        story: Story,
        seen: &Seen<'_>,
        error: RuntimeError,
        log: &str,
        reference: String,
    ) -> Ended {
        let gone = matches!(error, RuntimeError::Unreachable { .. });
        let left = match self.runtime.sweep().await {
            Ok(_) => None,
            Err(_) => Some(reference),
        };
        let outcome = match story {
            Story::Served(_) | Story::Cancelled | Story::RuntimeLost(_) => {
                conclude(story, seen, &EndState::default(), log, log)
            }
            Story::Exited { .. } | Story::Verdict(_) | Story::DiedAgeing { .. } => {
                let lost = Failure::runtime_lost(seen.phase(), &error.to_string(), log);
                conclude(
                    Story::RuntimeLost(lost),
                    seen,
                    &EndState::default(),
                    log,
                    log,
                )
            }
        };
        let aftermath = if gone {
            Aftermath::AwaitRuntime { left }
        } else {
            Aftermath::Stop(error)
        };
        Ended {
            outcome,
            end: None,
            profiling: None,
            aftermath,
        }
    }

    /// Says that the wish to stop was heard: an engine that is loading may need its whole grace.
    fn note_cancellation(&mut self) -> Result<(), StoreError> {
        if !self.cancel.is_asked() || self.cancel.is_asked_twice() {
            return Ok(());
        }
        let grace = self.experiment.profile.engine.stop_timeout.as_secs();
        let text =
            format!("stopping: the engine has up to {grace} s to end; ask again to end it at once");
        self.recorder.record(EventKind::Notice { text })
    }

    fn phase(&mut self, phase: AttemptPhase) -> Result<(), StoreError> {
        let attempt = self.launch.attempt.clone();
        self.recorder
            .record(EventKind::AttemptPhase { attempt, phase })
    }
}

impl Ended {
    fn without_engine(outcome: Outcome) -> Self {
        Self {
            outcome,
            end: None,
            profiling: None,
            aftermath: Aftermath::GoOn,
        }
    }
}

/// Records what happens to the nodes of an attempt.
struct Watcher<'a, J> {
    recorder: &'a mut Recorder<J>,
    attempt: &'a AttemptId,
    /// Parts of the requests that are stored.
    n_parts: u32,
}

impl<J: Journal> NodeWatcher for Watcher<'_, J> {
    type Error = AttemptError;

    fn keep(&mut self, requests: &RequestSink) -> Result<(), AttemptError> {
        let part = requests.drain();
        if !part.is_empty() {
            let journal = self.recorder.journal();
            journal.keep_requests(self.attempt, self.n_parts, &part)?;
            self.n_parts += 1;
        }
        Ok(())
    }

    fn keep_samples(&mut self, sampler: &Sampler) -> Result<(), AttemptError> {
        let part = sampler.drain();
        Ok(self.recorder.journal().keep_samples(self.attempt, &part)?)
    }

    fn started(&mut self, node: &str) -> Result<(), AttemptError> {
        let kind = EventKind::NodeStarted {
            attempt: self.attempt.clone(),
            node: node.to_owned(),
        };
        Ok(self.recorder.record(kind)?)
    }

    fn finished(&mut self, report: &NodeReport) -> Result<(), AttemptError> {
        let kind = EventKind::NodeFinished {
            attempt: self.attempt.clone(),
            report: Box::new(report.clone()),
        };
        Ok(self.recorder.record(kind)?)
    }
}
