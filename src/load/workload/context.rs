//! What a workload is given to run with.

use std::collections::BTreeMap;

use tokio_util::sync::CancellationToken;

use crate::load::stream::{RequestLimits, Streamer};
use crate::measure::metric::WorkloadKind;
use crate::measure::node::{NodeReport, NodeStatus};
use crate::measure::prompt::{NodePrompts, PromptBook};
use crate::runner::ports::{Beside, ReadyServer, RequestSink};

/// One node's run against one engine: everything but its settings.
#[derive(Debug, Clone, Copy)]
pub struct NodeContext<'a> {
    /// For every request that is measured. Cheap to clone; a clone may be moved into a task of
    /// its own.
    pub streamer: &'a Streamer,
    /// For what is no measurement: counters, token counts.
    pub client: &'a reqwest::Client,
    pub server: &'a ReadyServer,
    pub limits: RequestLimits,
    pub node: &'a str,
    pub kind: WorkloadKind,
    /// The prompts and the seed of the run.
    pub book: &'a PromptBook,
    /// Each request goes here when it has ended; a workload keeps only what its summary needs.
    pub requests: &'a RequestSink,
    /// The nodes that ran before it in this attempt, in their order.
    pub upstream: &'a [NodeReport],
    /// What may run beside the engine.
    pub beside: &'a dyn Beside,
    /// Cancelled when the node is to end and hand over what it has.
    pub over: &'a CancellationToken,
}

impl<'a> NodeContext<'a> {
    /// The prompts that were cut for this node.
    pub fn prompts(&self) -> Option<&'a NodePrompts> {
        self.book.node(self.node)
    }

    /// What a former node of this attempt found.
    pub fn found_by(&self, node: &str) -> Option<&'a NodeReport> {
        self.upstream.iter().find(|report| report.node == node)
    }

    /// The report of a node that could not do its work.
    pub fn failed(&self, because: String) -> NodeReport {
        failed(self.node, self.kind, because)
    }
}

/// The report of a node that could not do its work.
pub fn failed(node: &str, kind: WorkloadKind, because: String) -> NodeReport {
    NodeReport {
        node: node.to_owned(),
        kind,
        status: NodeStatus::Failed { because },
        took_ms: None,
        metrics: BTreeMap::new(),
        n_requests: 0,
        n_failed: 0,
        notes: Vec::new(),
        client: None,
        detail: None,
    }
}

/// The prompts that a node needs, by their lengths in tokens of the rendered chat.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PromptNeeds {
    pub warm_up: Option<u32>,
    pub prompts: Vec<u32>,
}
