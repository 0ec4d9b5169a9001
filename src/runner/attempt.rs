//! One attempt: start, wait for ready, attest, measure, stop, collect.
//!
//! Whatever happens on the way, a started engine is stopped here. Settling the result is the
//! dispatcher's business.

use std::time::Duration;

use crate::attest;
use crate::diagnose::{Consequence, Evidence, Failure, Phase, diagnose};
use crate::event::{AttemptPhase, EventKind};
use crate::matrix::cell::Cell;
use crate::measure::node::{NodeReport, NodeStatus};
use crate::measure::prompt::PromptBook;
use crate::outcome::{EndState, Measured, Outcome};
use crate::runner::cancel::Cancel;
use crate::runner::nodes::{NodeWatcher, Nodes, NodesEnding, NodesRun};
use crate::runner::ports::{
    Engine, Journal, Launch, Load, LoadError, ReadyServer, Runtime, RuntimeError, StopMode,
    StoreError, Target,
};
use crate::runner::ready::{Readiness, ready};
use crate::runner::recorder::Recorder;
use crate::spec::experiment::Experiment;

/// What an attempt needs beside its launch.
pub struct Attempt<'a, R, L, J> {
    pub runtime: &'a R,
    pub load: &'a L,
    pub recorder: &'a mut Recorder<J>,
    pub cancel: &'a Cancel,
    pub experiment: &'a Experiment,
    pub node_order: &'a [String],
    pub cell: &'a Cell,
    pub launch: Launch,
    /// As `/v1/models` must list it.
    pub model: String,
}

/// How the attempt went; the runtime's loss is told apart because the runner must wait then.
#[derive(Debug)]
pub struct Ended {
    pub outcome: Outcome,
    pub end: Option<EndState>,
    pub runtime_lost: bool,
}

/// Why the run itself cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum AttemptError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
}

/// What happened between start and stop.
enum Story {
    Measured {
        ready_after_ms: f64,
        nodes: NodesRun,
        facts: Facts,
    },
    /// The engine ended by itself; the log and the end state say why.
    Exited {
        phase: Phase,
        node: Option<String>,
    },
    /// It lives and is of no use.
    Verdict(Failure),
    Cancelled,
}

struct Facts {
    attestation: Vec<attest::Attestation>,
    engine: crate::outcome::EngineFacts,
}

impl<R: Runtime, L: Load, J: Journal> Attempt<'_, R, L, J> {
    /// Carries the attempt out. A broken connection to the runtime ends the attempt as the
    /// machine's failure, never the cell's.
    ///
    /// # Errors
    /// When results cannot be stored, or the runtime cannot serve any cell.
    pub async fn run(mut self) -> Result<Ended, AttemptError> {
        self.phase(AttemptPhase::Starting)?;
        let mut engine = match self.runtime.start(&self.launch).await {
            Ok(engine) => engine,
            Err(RuntimeError::Refused { words }) => return Ok(self.refused(&words)),
            Err(RuntimeError::Unreachable { what, .. }) => return Ok(Ended::lost(&what)),
            Err(error) => return Err(error.into()),
        };
        let story = self.story(&mut engine).await;
        let noted = self.phase(AttemptPhase::Stopping);
        let log = engine.log();
        // Before any error is looked at: whatever went wrong, the engine must not outlive it.
        let end = self.stop(engine).await;
        noted?;
        let story = match story {
            Ok(story) => story,
            Err(AttemptError::Runtime(RuntimeError::Unreachable { what, .. })) => {
                return Ok(Ended::lost(&what));
            }
            Err(error) => return Err(error),
        };
        match end {
            Ok(end) => Ok(self.conclude(story, end, &log)),
            Err(RuntimeError::Unreachable { what, .. }) => Ok(Ended::lost(&what)),
            Err(error) => Err(error.into()),
        }
    }

    async fn story(&mut self, engine: &mut R::Engine) -> Result<Story, AttemptError> {
        let target = Target {
            base_url: engine.base_url().to_owned(),
            model: self.model.clone(),
            api_key: self.launch.api_key.clone(),
        };
        let started = tokio::time::Instant::now();
        let timeout = self.experiment.profile.engine.ready_timeout;
        let server = match ready(engine, self.load, target, timeout, self.cancel).await? {
            Readiness::Ready(server) => server,
            Readiness::Exited => {
                return Ok(Story::Exited {
                    phase: Phase::Starting,
                    node: None,
                });
            }
            Readiness::Cancelled => return Ok(Story::Cancelled),
            Readiness::Deadline { because, healthy } => {
                let failure = if healthy {
                    Failure::unresponsive(Phase::Starting, &because, &engine.log())
                } else {
                    Failure::not_ready(timeout, &because, &engine.log())
                };
                return Ok(Story::Verdict(failure));
            }
        };
        let ready_after_ms = started.elapsed().as_secs_f64() * 1e3;
        self.phase(AttemptPhase::Attesting)?;
        let observed = match self.load.facts(&server).await {
            Ok(observed) => observed,
            Err(error) => return self.unless_exited(engine, None, &error).await,
        };
        let log = engine.log();
        let attestation = attest::attest(self.cell.varied(), &log, &observed.metrics_text);
        let contradictions: Vec<String> = attestation
            .iter()
            .filter_map(attest::Attestation::contradiction)
            .collect();
        if !contradictions.is_empty() {
            return Ok(Story::Verdict(Failure::not_as_configured(
                &contradictions,
                &log,
            )));
        }
        let mut facts = observed.facts;
        facts.warnings = attest::warnings(&log);
        let server = server.with_facts(facts.clone());
        let book = match self.prompts(&server).await? {
            Ok(book) => book,
            Err(error) => return self.unless_exited(engine, None, &error).await,
        };
        self.phase(AttemptPhase::Measuring)?;
        let mut watcher = Watcher {
            recorder: self.recorder,
            attempt: &self.launch.attempt,
        };
        let nodes = Nodes {
            load: self.load,
            server: &server,
            experiment: self.experiment,
            order: self.node_order,
            book: &book,
            cancel: self.cancel,
        }
        .run(engine, &mut watcher)
        .await?;
        self.recorder
            .journal()
            .keep_requests(&self.launch.attempt, &nodes.requests)?;
        match &nodes.ending {
            NodesEnding::Finished => {
                if let Ok(observed) = self.load.facts(&server).await {
                    self.recorder
                        .journal()
                        .keep_metrics(&self.launch.attempt, &observed.metrics_text)?;
                }
                Ok(Story::Measured {
                    ready_after_ms,
                    nodes,
                    facts: Facts {
                        attestation,
                        engine: facts,
                    },
                })
            }
            NodesEnding::EngineExited { node } => Ok(Story::Exited {
                phase: Phase::Serving,
                node: Some(node.clone()),
            }),
            NodesEnding::Unresponsive { node, because } => {
                let failure = Failure::unresponsive(Phase::Serving, because, &engine.log());
                Ok(Story::Verdict(failure.during(node)))
            }
            NodesEnding::Cancelled => Ok(Story::Cancelled),
        }
    }

    /// The prompts of the run: read back, or cut now by this first ready engine and stored
    /// before anything is measured with them.
    async fn prompts(
        &mut self,
        server: &ReadyServer,
    ) -> Result<Result<PromptBook, LoadError>, AttemptError> {
        if let Some(book) = self.recorder.journal().prompts()? {
            return Ok(Ok(book));
        }
        let book = match self
            .load
            .compose(server, &self.experiment.workloads, self.experiment.run.seed)
            .await
        {
            Ok(book) => book,
            Err(error) => return Ok(Err(error)),
        };
        self.recorder.journal().keep_prompts(&book)?;
        Ok(Ok(book))
    }

    /// A control request to a ready engine failed: it died, or it does not answer.
    async fn unless_exited(
        &self,
        engine: &mut R::Engine,
        node: Option<String>,
        error: &LoadError,
    ) -> Result<Story, AttemptError> {
        /// Long enough for a dying engine to exit.
        const GRACE: Duration = Duration::from_secs(15);
        tokio::select! {
            biased;
            () = self.cancel.asked() => Ok(Story::Cancelled),
            exited = engine.exited() => {
                exited?;
                Ok(Story::Exited { phase: Phase::Serving, node })
            }
            () = tokio::time::sleep(GRACE) => {
                Ok(Story::Verdict(Failure::unresponsive(Phase::Serving, &error.to_string(), &engine.log())))
            }
        }
    }

    /// Stops the engine; a second wish to stop cuts the grace short.
    async fn stop(&self, engine: R::Engine) -> Result<EndState, RuntimeError> {
        let mode = if self.cancel.is_asked_twice() {
            StopMode::Kill
        } else {
            StopMode::Gracefully(self.experiment.profile.engine.stop_timeout)
        };
        let reference = engine.reference().to_owned();
        tokio::select! {
            end = engine.stop(mode) => end,
            () = self.cancel.asked_twice(), if mode != StopMode::Kill => {
                // The half-stopped engine is removed as a leftover is.
                self.runtime.sweep().await?;
                Ok(EndState { error: Some(format!("{reference} was removed at once")), ..EndState::default() })
            }
        }
    }

    fn conclude(&self, story: Story, end: EndState, log: &str) -> Ended {
        let outcome = match story {
            Story::Cancelled => Outcome::Cancelled,
            Story::Verdict(failure) => of_failure(with_end(failure, &end)),
            Story::Exited { phase, node } => {
                of_failure(self.diagnosed(&end, log, phase, node, None))
            }
            Story::Measured {
                ready_after_ms,
                nodes,
                facts,
            } => {
                if nodes
                    .reports
                    .iter()
                    .any(|report| report.status == NodeStatus::Completed)
                {
                    Outcome::Measured(Measured {
                        ready_after_ms,
                        nodes: nodes.reports,
                        attestation: facts.attestation,
                        engine: facts.engine,
                    })
                } else {
                    of_failure(with_end(
                        Failure::nothing_measured(&reasons(&nodes.reports), log),
                        &end,
                    ))
                }
            }
        };
        Ended {
            outcome,
            end: Some(end),
            runtime_lost: false,
        }
    }

    fn refused(&self, words: &str) -> Ended {
        let failure = self.diagnosed(&EndState::default(), "", Phase::Starting, None, Some(words));
        Ended {
            outcome: of_failure(failure),
            end: None,
            runtime_lost: false,
        }
    }

    fn diagnosed(
        &self,
        end: &EndState,
        log: &str,
        phase: Phase,
        node: Option<String>,
        runtime_error: Option<&str>,
    ) -> Failure {
        let varied: Vec<&str> = self.cell.varied().map(|(name, _)| name.as_str()).collect();
        let mut failure = diagnose(&Evidence {
            log,
            exit_code: end.exit_code,
            oom_killed: end.oom_killed,
            runtime_error,
            phase: Some(phase),
            varied_flags: &varied,
        });
        failure.node = node;
        failure
    }

    fn phase(&mut self, phase: AttemptPhase) -> Result<(), StoreError> {
        let attempt = self.launch.attempt.clone();
        self.recorder
            .record(EventKind::AttemptPhase { attempt, phase })
    }
}

impl Ended {
    fn lost(what: &str) -> Self {
        Self {
            outcome: Outcome::Failed(Failure::runtime(Phase::Starting, what, "")),
            end: None,
            runtime_lost: true,
        }
    }
}

/// An end that is the cell's own making is infeasible, every other is a failure.
fn of_failure(failure: Failure) -> Outcome {
    match failure.consequence {
        Consequence::Infeasible => Outcome::Infeasible(failure),
        Consequence::Machine | Consequence::Retry => Outcome::Failed(failure),
    }
}

/// Adds what is known of the engine's end to a failure that was seen while it lived.
fn with_end(mut failure: Failure, end: &EndState) -> Failure {
    failure.exit_code = end.exit_code;
    failure.oom_killed = end.oom_killed;
    failure
}

fn reasons(reports: &[NodeReport]) -> String {
    let reasons: Vec<String> = reports
        .iter()
        .filter_map(|report| match &report.status {
            NodeStatus::Failed { because } => Some(format!("{}: {because}", report.node)),
            NodeStatus::Completed | NodeStatus::Skipped { .. } => None,
        })
        .collect();
    reasons.join("; ")
}

struct Watcher<'a, J> {
    recorder: &'a mut Recorder<J>,
    attempt: &'a crate::id::AttemptId,
}

impl<J: Journal> NodeWatcher for Watcher<'_, J> {
    type Error = AttemptError;

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
            report: report.clone(),
        };
        Ok(self.recorder.record(kind)?)
    }
}
