//! The workload DAG against one ready engine: node after node, skipping the descendants of a
//! failed node or of a missed stopping gate, and noticing when the engine dies under a node.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::measure::node::{NodeRecord, NodeReport, NodeStatus};
use crate::measure::prompt::PromptBook;
use crate::measure::request::Request;
use crate::runner::cancel::Cancel;
use crate::runner::ports::{Engine, Load, Probe, ReadyServer, RuntimeError};
use crate::spec::experiment::{Experiment, OnMiss, Workload};

/// An engine whose worker died answers errors for a while before it exits by itself: 8 s were
/// measured with vLLM 0.32 on a quiet machine.
const DEATH_TAKES_AT_MOST: Duration = Duration::from_secs(30);

/// How long a node may go on after its engine has exited, to find that out and hand over the
/// requests that it has.
const LAST_REQUESTS: Duration = Duration::from_secs(15);

/// What became of the nodes.
#[derive(Debug)]
pub struct NodesRun {
    pub reports: Vec<NodeReport>,
    pub requests: Vec<Request>,
    pub ending: NodesEnding,
}

#[derive(Debug)]
pub enum NodesEnding {
    /// Every node ran, failed or was skipped, and the engine still serves.
    Finished,
    /// The engine exited while the node ran.
    EngineExited {
        node: String,
    },
    /// The engine lives and no longer answers.
    Unresponsive {
        node: String,
        because: String,
    },
    Cancelled,
}

/// Is told of each node as it starts and ends.
pub trait NodeWatcher {
    type Error;
    fn started(&mut self, node: &str) -> Result<(), Self::Error>;
    fn finished(&mut self, report: &NodeReport) -> Result<(), Self::Error>;
}

/// Runs the nodes in `order`.
///
/// # Errors
/// When the runtime can no longer say whether the engine lives, or the watcher fails.
pub async fn run_nodes<E, L, W, Err>(
    engine: &mut E,
    load: &L,
    server: &ReadyServer,
    experiment: &Experiment,
    order: &[String],
    book: &PromptBook,
    cancel: &Cancel,
    watcher: &mut W,
) -> Result<NodesRun, Err>
where
    E: Engine,
    L: Load,
    W: NodeWatcher<Error = Err>,
    Err: From<RuntimeError>,
{
    let mut run = NodesRun {
        reports: Vec::new(),
        requests: Vec::new(),
        ending: NodesEnding::Finished,
    };
    let mut closed: BTreeMap<&str, String> = BTreeMap::new();
    for workload in in_order(experiment, order) {
        if let Some(because) = blocked_by(workload, &closed) {
            closed.insert(&workload.name, because.clone());
            let report = skipped(workload, because);
            watcher.finished(&report)?;
            run.reports.push(report);
            continue;
        }
        watcher.started(&workload.name)?;
        let record = match one_node(engine, load, server, workload, book, cancel).await? {
            NodeEnd::Ended(record) => record,
            NodeEnd::EngineExited(record) => {
                run.take(record, watcher)?;
                run.ending = NodesEnding::EngineExited {
                    node: workload.name.clone(),
                };
                return Ok(run);
            }
            NodeEnd::Unresponsive(record, because) => {
                run.take(record, watcher)?;
                run.ending = NodesEnding::Unresponsive {
                    node: workload.name.clone(),
                    because,
                };
                return Ok(run);
            }
            NodeEnd::Cancelled => {
                run.ending = NodesEnding::Cancelled;
                return Ok(run);
            }
        };
        if let Some(because) = closes(experiment, &record.report) {
            closed.insert(&workload.name, because);
        }
        run.take(Some(record), watcher)?;
    }
    Ok(run)
}

impl NodesRun {
    fn take<W: NodeWatcher>(
        &mut self,
        record: Option<NodeRecord>,
        watcher: &mut W,
    ) -> Result<(), W::Error> {
        let Some(record) = record else { return Ok(()) };
        watcher.finished(&record.report)?;
        self.reports.push(record.report);
        self.requests.extend(record.requests);
        Ok(())
    }
}

enum NodeEnd {
    Ended(NodeRecord),
    EngineExited(Option<NodeRecord>),
    Unresponsive(Option<NodeRecord>, String),
    Cancelled,
}

async fn one_node<E: Engine, L: Load>(
    engine: &mut E,
    load: &L,
    server: &ReadyServer,
    workload: &Workload,
    book: &PromptBook,
    cancel: &Cancel,
) -> Result<NodeEnd, RuntimeError> {
    let measuring = load.run(server, workload, book);
    tokio::pin!(measuring);
    let record = tokio::select! {
        biased;
        () = cancel.asked() => return Ok(NodeEnd::Cancelled),
        record = &mut measuring => record,
        exited = engine.exited() => {
            exited?;
            let partial = tokio::time::timeout(LAST_REQUESTS, measuring).await.ok();
            return Ok(NodeEnd::EngineExited(partial));
        }
    };
    if record.report.n_failed == 0 {
        return Ok(NodeEnd::Ended(record));
    }
    // Failed requests may be the first sign of a death that the process itself shows later.
    match load.probe(server.target()).await {
        Probe::Ready => Ok(NodeEnd::Ended(record)),
        Probe::NotYet { because } | Probe::HealthyOnly { because } => {
            tokio::select! {
                biased;
                () = cancel.asked() => Ok(NodeEnd::Cancelled),
                exited = engine.exited() => exited.map(|()| NodeEnd::EngineExited(Some(record))),
                () = tokio::time::sleep(DEATH_TAKES_AT_MOST) => Ok(NodeEnd::Unresponsive(Some(record), because)),
            }
        }
    }
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
        took_ms: 0.0,
        metrics: BTreeMap::new(),
        n_requests: 0,
        n_failed: 0,
        notes: Vec::new(),
    }
}

/// Why the descendants of this node must not run; `None` when they may.
fn closes(experiment: &Experiment, report: &NodeReport) -> Option<String> {
    if let NodeStatus::Failed { because } = &report.status {
        return Some(because.clone());
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
