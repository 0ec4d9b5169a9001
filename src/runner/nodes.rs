//! The workload DAG against one ready engine: node after node, skipping the descendants of a
//! failed node or of a missed stopping gate, and noticing when the engine dies under a node.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::measure::node::{NodeDetail, NodeReport, NodeStatus};
use crate::measure::profiling::Flaw;
use crate::measure::prompt::PromptBook;
use crate::report::span;
use crate::runner::cancel::Cancel;
use crate::runner::ports::{Engine, Load, NodeRun, Probe, ReadyServer, RequestSink, RuntimeError};
use crate::runner::ready::{Looked, look};
use crate::runner::sampler::Sampler;
use crate::spec::experiment::{Experiment, OnMiss, Workload};

/// An engine whose worker died answers errors for a while before it exits by itself: 8 s were
/// measured with vLLM 0.32 on a quiet machine. In the time of the engine.
const DYING_TAKES_AT_MOST: Duration = Duration::from_secs(30);

/// How long an engine that no longer answers gets to exit by itself, in its time: never longer
/// than one that is told to.
pub fn dying_takes_at_most(experiment: &Experiment) -> Duration {
    DYING_TAKES_AT_MOST.min(experiment.profile.engine.stop_timeout)
}

/// How long a node may go on after its engine has exited, to find that out and hand over the
/// requests that it has.
const LAST_REQUESTS: Duration = Duration::from_secs(15);

/// What became of the nodes.
#[derive(Debug)]
pub struct NodesRun {
    pub reports: Vec<NodeReport>,
    pub ending: NodesEnding,
}

#[derive(Debug)]
pub enum NodesEnding {
    /// Every node ran, failed or was skipped, and the engine still serves.
    Finished,
    /// The engine exited while the node ran.
    EngineExited {
        node: String,
        /// From the start of the node, in the engine's time.
        after: Duration,
    },
    /// The engine lives and no longer answers.
    Unresponsive {
        node: String,
        after: Duration,
        because: String,
    },
    Cancelled,
}

/// Is told of each node as it starts and ends, and keeps its requests.
pub trait NodeWatcher {
    type Error;
    /// So many requests are there that they should be stored now.
    fn keep(&mut self, requests: &RequestSink) -> Result<(), Self::Error>;
    /// The same of samples.
    fn keep_samples(&mut self, sampler: &Sampler) -> Result<(), Self::Error>;
    fn started(&mut self, node: &str) -> Result<(), Self::Error>;
    fn finished(&mut self, report: &NodeReport) -> Result<(), Self::Error>;
}

/// The DAG of an experiment against one ready engine.
pub struct Nodes<'a, L> {
    pub load: &'a L,
    pub server: &'a ReadyServer,
    pub experiment: &'a Experiment,
    /// Names of the nodes, each after its predecessors.
    pub order: &'a [String],
    pub book: &'a PromptBook,
    /// Where the requests of all nodes go.
    pub requests: &'a RequestSink,
    /// Watches the machine beside every node.
    pub sampler: &'a Sampler,
    pub cancel: &'a Cancel,
}

impl<L: Load> Nodes<'_, L> {
    /// Runs the nodes in order.
    ///
    /// # Errors
    /// When the runtime can no longer say whether the engine lives, or the watcher fails.
    pub async fn run<E, W, Err>(&self, engine: &mut E, watcher: &mut W) -> Result<NodesRun, Err>
    where
        E: Engine,
        W: NodeWatcher<Error = Err>,
        Err: From<RuntimeError>,
    {
        let mut run = NodesRun {
            reports: Vec::new(),
            ending: NodesEnding::Finished,
        };
        let mut closed: BTreeMap<&str, String> = BTreeMap::new();
        for workload in in_order(self.experiment, self.order) {
            let node = workload.name.clone();
            if let Some(because) = blocked_by(workload, &closed) {
                closed.insert(&workload.name, because.clone());
                let report = skipped(workload, because);
                watcher.finished(&report)?;
                run.reports.push(report);
                continue;
            }
            watcher.started(&node)?;
            self.sampler.node_begins(&node).await;
            let began = Instant::now();
            let end = self.one(engine, workload, &run.reports, watcher).await?;
            let after = self.server.scale().told(began.elapsed());
            let flaws = self.sampler.node_ends(&node).await;
            let (mut report, ending) = match end {
                NodeEnd::Ended(mut report) => {
                    invalidate(&mut report, &flaws);
                    self.add_memory(&mut report);
                    if let Some(because) = closes(self.experiment, &report) {
                        closed.insert(&workload.name, because);
                    }
                    run.take(Some(report), watcher)?;
                    continue;
                }
                NodeEnd::EngineExited(report) => {
                    let unheard = || workload.is_ageing().then(|| unheard(workload));
                    let ending = NodesEnding::EngineExited { node, after };
                    (report.or_else(unheard), ending)
                }
                NodeEnd::Unresponsive(report, because) => {
                    let ending = NodesEnding::Unresponsive {
                        node,
                        after,
                        because,
                    };
                    (Some(report), ending)
                }
                NodeEnd::Cancelled => (None, NodesEnding::Cancelled),
            };
            report.iter_mut().for_each(|report| self.add_memory(report));
            run.take(report, watcher)?;
            run.ending = ending;
            break;
        }
        Ok(run)
    }

    /// A node that looked for change over time is told of the memory beside it.
    fn add_memory(&self, report: &mut NodeReport) {
        if let Some(NodeDetail::Stability(detail)) = &mut report.detail {
            let drifts = self.sampler.memory_drifts(self.server.scale());
            detail.slopes.extend(drifts);
        }
    }

    async fn one<E, W, Err>(
        &self,
        engine: &mut E,
        workload: &Workload,
        upstream: &[NodeReport],
        watcher: &mut W,
    ) -> Result<NodeEnd, Err>
    where
        E: Engine,
        W: NodeWatcher<Error = Err>,
        Err: From<RuntimeError>,
    {
        let beside = engine.beside();
        let over = CancellationToken::new();
        let ages = workload.is_ageing();
        let mut cut: Option<String> = None;
        let measuring = self.load.run(
            self.server,
            NodeRun {
                workload,
                book: self.book,
                upstream,
                requests: self.requests,
                beside: beside.as_ref(),
                over: &over,
            },
        );
        tokio::pin!(measuring);
        let report = loop {
            tokio::select! {
                biased;
                () = self.cancel.asked_twice() => return Ok(NodeEnd::Cancelled),
                () = self.cancel.asked(), if cut.is_none() => {
                    if !ages {
                        return Ok(NodeEnd::Cancelled);
                    }
                    let because = self.cancel.because().unwrap_or("the user stopped the run");
                    cut = Some(because.to_owned());
                    over.cancel();
                }
                report = &mut measuring => break report,
                exited = engine.exited() => {
                    exited?;
                    over.cancel();
                    let partial = tokio::select! {
                        biased;
                        () = self.cancel.asked(), if !ages => None,
                        partial = tokio::time::timeout(LAST_REQUESTS, measuring) => partial.ok(),
                    };
                    return Ok(NodeEnd::EngineExited(partial));
                }
                () = self.requests.filled() => watcher.keep(self.requests)?,
                () = self.sampler.filled() => watcher.keep_samples(self.sampler)?,
            }
        };
        if let Some(because) = cut {
            return Ok(NodeEnd::Ended(cut_short(report, &because)));
        }
        if report.n_failed == 0 {
            return Ok(NodeEnd::Ended(report));
        }
        // Failed requests may be the first sign of a death that the process itself shows later,
        // or the last of a burst of refusals that is over in a moment.
        let target = self.server.target();
        let probe = tokio::select! {
            biased;
            () = self.cancel.asked() => return Ok(NodeEnd::Cancelled),
            probe = self.load.probe(target) => probe,
        };
        let found = match probe {
            Probe::Ready => return Ok(NodeEnd::Ended(report)),
            Probe::NotYet { because } | Probe::HealthyOnly { because } => because,
        };
        let (patience, scale) = (dying_takes_at_most(self.experiment), self.server.scale());
        let looked = look(engine, self.load, target, patience, scale, self.cancel).await?;
        Ok(match looked {
            Looked::Serves => NodeEnd::Ended(report),
            Looked::Exited => NodeEnd::EngineExited(Some(report)),
            Looked::Deadline { .. } => NodeEnd::Unresponsive(report, found),
            Looked::Cancelled => NodeEnd::Cancelled,
        })
    }
}

impl NodesRun {
    fn take<W: NodeWatcher>(
        &mut self,
        report: Option<NodeReport>,
        watcher: &mut W,
    ) -> Result<(), W::Error> {
        let Some(report) = report else { return Ok(()) };
        watcher.finished(&report)?;
        self.reports.push(report);
        Ok(())
    }
}

enum NodeEnd {
    Ended(NodeReport),
    /// With what was measured before, if it could be had.
    EngineExited(Option<NodeReport>),
    Unresponsive(NodeReport, String),
    Cancelled,
}

fn in_order<'a>(
    experiment: &'a Experiment,
    order: &'a [String],
) -> impl Iterator<Item = &'a Workload> {
    order.iter().filter_map(|name| {
        experiment
            .workloads
            .iter()
            .find(|workload| workload.name == *name)
    })
}

fn blocked_by(workload: &Workload, closed: &BTreeMap<&str, String>) -> Option<String> {
    workload.after.iter().find_map(|predecessor| {
        closed
            .get(predecessor.node.as_str())
            .map(|_| format!("`{}` before it did not pass", predecessor.node))
    })
}

fn skipped(workload: &Workload, because: String) -> NodeReport {
    NodeReport {
        node: workload.name.clone(),
        kind: workload.kind(),
        status: NodeStatus::Skipped { because },
        took_ms: None,
        metrics: BTreeMap::new(),
        n_requests: 0,
        n_failed: 0,
        notes: Vec::new(),
        client: None,
        detail: None,
    }
}

/// A node that could not say any more what it saw.
fn unheard(workload: &Workload) -> NodeReport {
    let because = "it ended with the engine".to_owned();
    NodeReport {
        status: NodeStatus::Failed { because },
        ..skipped(workload, String::new())
    }
}

/// An `age` node that ended with the run: what it saw until then is told, and judged by nobody.
fn cut_short(report: NodeReport, because: &str) -> NodeReport {
    let after = report.took_ms.map_or(0.0, |took| took / 3.6e6);
    let because = format!("cut short after {}: {because}", span(after));
    NodeReport {
        status: NodeStatus::Invalid { because },
        ..report
    }
}

/// A node that measured something else than its configuration enters no ranking. One that failed
/// anyway has failed.
fn invalidate(report: &mut NodeReport, flaws: &[Flaw]) {
    if flaws.is_empty() {
        return;
    }
    let because: Vec<String> = flaws.iter().map(Flaw::text).collect();
    let because = because.join("; ");
    match &mut report.status {
        NodeStatus::Completed => report.status = NodeStatus::Invalid { because },
        NodeStatus::Invalid { because: earlier } => {
            *earlier = format!("{earlier}; {because}");
        }
        NodeStatus::Failed { .. } | NodeStatus::Skipped { .. } => report.notes.push(because),
    }
}

/// Why the descendants of this node must not run; `None` when they may.
fn closes(experiment: &Experiment, report: &NodeReport) -> Option<String> {
    match &report.status {
        NodeStatus::Failed { because } => return Some(because.clone()),
        // Its numbers are not the engine's: they decide nothing, for or against.
        NodeStatus::Invalid { .. } => return None,
        NodeStatus::Completed | NodeStatus::Skipped { .. } => {}
    }
    experiment
        .gates
        .iter()
        .filter(|gate| gate.on_miss == OnMiss::SkipDescendants && gate.metric.node == report.node)
        .find(|gate| {
            !report
                .value(&gate.metric)
                .is_some_and(|value| gate.comparison.holds(value, gate.bound))
        })
        .map(|gate| format!("gate `{}` was missed", gate.text))
}
