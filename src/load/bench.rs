//! A bench on which workloads run against the fake vLLM, for the tests of this edge.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::load::fake_vllm::{BLOCK, FakeVllm};
use crate::load::http_load::HttpLoad;
use crate::load::stream::RequestLimits;
use crate::measure::node::{MetricValue, NodeReport, NodeStatus};
use crate::measure::prompt::PromptBook;
use crate::measure::request::Request;
use crate::outcome::EngineFacts;
use crate::runner::ports::{Load, NodeRun, NothingBeside, ReadyServer, RequestSink, Target};
use crate::spec::experiment::Workload;
use crate::time_scale::TimeScale;

pub const LIMITS: RequestLimits = RequestLimits {
    total: Duration::from_secs(20),
    stall: Duration::from_secs(10),
    scale: TimeScale::ONE,
};

pub fn server(target: Target) -> ReadyServer {
    let facts = EngineFacts {
        block_size: Some(BLOCK),
        ..EngineFacts::default()
    };
    ReadyServer::for_test(target, facts)
}

/// What a node left.
pub struct NodeRecord {
    pub report: NodeReport,
    pub requests: Vec<Request>,
}

pub async fn run_with(
    load: &HttpLoad,
    server: &ReadyServer,
    node: &Workload,
    book: &PromptBook,
) -> NodeRecord {
    let requests = RequestSink::default();
    let node = NodeRun {
        workload: node,
        book,
        upstream: &[],
        requests: &requests,
        beside: &NothingBeside,
        over: &CancellationToken::new(),
    };
    let report = run_calmly(load, server, node).await;
    NodeRecord {
        report,
        requests: requests.drain(),
    }
}

/// Runs a node and forgets whether the client was late: beside other tests it may be.
pub async fn run_calmly(load: &HttpLoad, server: &ReadyServer, node: NodeRun<'_>) -> NodeReport {
    let mut report = load.run(server, node).await;
    let is_lateness = |note: &String| note.starts_with("the client was the bottleneck");
    report.notes.retain(|note| !is_lateness(note));
    report
}

/// Cuts the prompts of a node and runs it.
pub async fn run_node(fake: &FakeVllm, node: &Workload) -> NodeRecord {
    let load = HttpLoad::with_limits(LIMITS).unwrap();
    let server = server(fake.target.clone());
    let book = load
        .compose(&server, std::slice::from_ref(node), 1)
        .await
        .unwrap();
    run_with(&load, &server, node, &book).await
}

pub fn scalar(record: &NodeRecord, name: &str) -> Option<f64> {
    match record.report.metrics.get(name)? {
        MetricValue::Scalar(value) => Some(*value),
        MetricValue::Distribution(summary) => panic!("{name} is {summary:?}"),
    }
}

pub fn count(record: &NodeRecord, name: &str) -> Option<u32> {
    match record.report.metrics.get(name)? {
        MetricValue::Distribution(summary) => Some(summary.n),
        MetricValue::Scalar(value) => panic!("{name} is {value}"),
    }
}

pub fn failure_of(record: &NodeRecord) -> &str {
    match &record.report.status {
        NodeStatus::Failed { because } => because,
        other => panic!("{other:?}"),
    }
}
