use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::load::bench::{
    LIMITS, NodeRecord, count, failure_of, run_calmly, run_node, scalar, server,
};
use crate::load::fake_vllm::{FakeVllm, Reply};
use crate::load::http_load::HttpLoad;
use crate::measure::kind::stability::Detail;
use crate::measure::metric::{Scale, WorkloadKind};
use crate::measure::node::{NodeDetail, NodeStatus};
use crate::measure::request::RequestRole;
use crate::runner::ports::{Load, NodeRun, NothingBeside, RequestSink};
use crate::spec::diagnostic::{FileRole, Span};
use crate::spec::experiment::Workload;
use crate::spec::workload::WorkloadSpec;
use crate::spec::workload::arrival::Arrival;
use crate::spec::workload::load::Extent;
use crate::spec::workload::stability::{Source, StabilitySpec, Task};

fn node(extent: Extent, source: Source) -> Workload {
    let task = |prompt_tokens, max_tokens| Task {
        prompt_tokens,
        max_tokens,
    };
    let spec = StabilitySpec {
        extent,
        source,
        short: task(40, 2),
        long: task(80, 6),
        long_share: 0.25,
    };
    Workload {
        name: "soak".to_owned(),
        after: Vec::new(),
        spec: WorkloadSpec::Stability(spec),
        at: Span::new(FileRole::Experiment, 0..0),
    }
}

fn detail(record: &NodeRecord) -> &Detail {
    match &record.report.detail {
        Some(NodeDetail::Stability(detail)) => detail,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn short_and_long_requests_are_mixed_as_asked() {
    let fake = FakeVllm::start().await;
    let record = run_node(&fake, &node(Extent::Requests(16), Source::Users(2))).await;
    assert_eq!(
        record.report.status,
        NodeStatus::Completed,
        "{:?}",
        record.report.notes
    );
    assert_eq!((record.report.n_requests, record.report.n_failed), (16, 0));
    let n_of = |label: &str, output: u64| {
        let of = record.requests.iter().filter(|request| {
            request.role == RequestRole::Measured
                && request.label.as_deref() == Some(label)
                && request.usage.is_some_and(|usage| usage.output == output)
        });
        of.count()
    };
    assert_eq!((n_of("short", 2), n_of("long", 6)), (12, 4));
    assert_eq!(scalar(&record, "success_rate"), Some(1.0));
    assert_eq!(count(&record, "ttft_ms"), Some(16));
    assert!(scalar(&record, "degradation_pct").is_some());
    assert_eq!(detail(&record).first_failure_ms, None);
    assert_eq!(detail(&record).parts.len(), 10);
}

#[tokio::test]
async fn a_soak_by_time_ends_with_its_time() {
    let fake = FakeVllm::start().await;
    let arrival = Arrival::Constant;
    let source = Source::Rate {
        per_second: 50.0,
        arrival,
    };
    let extent = Extent::Lasting(Duration::from_millis(200));
    let record = run_node(&fake, &node(extent, source)).await;
    assert_eq!(
        record.report.status,
        NodeStatus::Completed,
        "{:?}",
        record.report.notes
    );
    // Due every 20 ms until 220 ms, of which the first 20 ms warm up: one at 20 ms is measured.
    assert_eq!(record.report.n_requests, 11);
}

#[tokio::test]
async fn failures_are_counted_by_what_they_met() {
    let fake = FakeVllm::start().await;
    // The two warm-ups come first.
    fake.reply_with([
        Reply::Proper,
        Reply::Status(503, String::new()),
        Reply::Status(429, String::new()),
        Reply::Cut(1),
    ]);
    let record = run_node(&fake, &node(Extent::Requests(8), Source::Users(1))).await;
    assert_eq!(record.report.status, NodeStatus::Completed);
    assert_eq!(record.report.n_failed, 3);
    assert_eq!(scalar(&record, "http_5xx_rate"), Some(1.0 / 8.0));
    assert_eq!(scalar(&record, "http_4xx_rate"), Some(1.0 / 8.0));
    assert_eq!(scalar(&record, "timeout_rate"), Some(0.0));
    let first = detail(&record).first_failure_ms.unwrap();
    assert_eq!(scalar(&record, "failure_free_ms"), Some(first));
}

#[tokio::test]
async fn an_engine_that_stopped_answering_ends_it() {
    let fake = FakeVllm::start().await;
    fake.reply_with(std::iter::repeat_n(Reply::Proper, 3));
    fake.reply_with(std::iter::repeat_n(Reply::Reset, 100));
    let record = run_node(&fake, &node(Extent::Requests(50), Source::Users(2))).await;
    assert!(failure_of(&record).starts_with("the engine stopped answering"));
    assert!(record.requests.len() < 20, "{}", record.requests.len());
    assert!(detail(&record).first_failure_ms.is_some());
}

#[tokio::test]
async fn ageing_yields_no_objective_and_ends_when_it_is_told() {
    let fake = FakeVllm::start().await;
    let extent = Extent::Lasting(Duration::from_millis(300));
    let mut ageing = node(extent, Source::Users(1));
    if let WorkloadSpec::Stability(spec) = ageing.spec.clone() {
        ageing.spec = WorkloadSpec::Age(spec);
    }
    let record = run_node(&fake, &ageing).await;
    assert_eq!(
        record.report.status,
        NodeStatus::Completed,
        "{:?}",
        record.report.notes
    );
    assert_eq!(record.report.kind, WorkloadKind::Age);
    assert_eq!(scalar(&record, "success_rate"), Some(1.0));
    assert!(record.report.metrics.keys().all(|name| {
        let metrics = WorkloadKind::Age.metrics();
        metrics
            .iter()
            .any(|metric| metric.name == *name && metric.scale != Scale::Ratio)
    }));

    if let WorkloadSpec::Age(spec) = &mut ageing.spec {
        spec.extent = Extent::Lasting(Duration::from_secs(12 * 3600));
    }
    let load = HttpLoad::with_limits(LIMITS).unwrap();
    let server = server(fake.target.clone());
    let nodes = std::slice::from_ref(&ageing);
    let book = load.compose(&server, nodes, 1).await.unwrap();
    let (requests, over) = (RequestSink::default(), CancellationToken::new());
    let run = NodeRun {
        workload: &ageing,
        book: &book,
        upstream: &[],
        requests: &requests,
        beside: &NothingBeside,
        over: &over,
    };
    let enough = async {
        while requests.n_answered() < 5 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        over.cancel();
    };
    let (report, ()) = tokio::join!(run_calmly(&load, &server, run), enough);
    assert!(matches!(&report.status, NodeStatus::Failed { because }
        if because == "it was ended before its time"));
    assert!(report.n_requests >= 4, "{report:?}");
    assert!(report.detail.is_some());
}
