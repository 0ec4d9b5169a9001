use std::collections::HashSet;

use tokio_util::sync::CancellationToken;

use crate::load::bench::{LIMITS, NodeRecord, failure_of, run_calmly, run_node, server};
use crate::load::fake_vllm::{FakeVllm, Reply};
use crate::load::http_load::HttpLoad;
use crate::measure::kind::load::Detail;
use crate::measure::metric::Stat;
use crate::measure::node::{MetricValue, NodeDetail, NodeReport, NodeStatus};
use crate::measure::request::RequestRole;
use crate::measure::slo::{Slo, SloMetric};
use crate::runner::ports::{Load, NodeRun, NothingBeside, RequestSink};
use crate::spec::diagnostic::{FileRole, Span};
use crate::spec::experiment::{Comparison, Workload};
use crate::spec::workload::WorkloadSpec;
use crate::spec::workload::arrival::Arrival;
use crate::spec::workload::load::{Demand, Extent, Levels, LoadSpec};

fn spec(levels: Levels) -> LoadSpec {
    LoadSpec {
        demand: Demand::Concurrency,
        levels,
        rung: Extent::Requests(6),
        slo: Vec::new(),
        prompt_tokens: 40,
        max_tokens: 4,
        probes: false,
        start_from: None,
    }
}

fn node(name: &str, spec: LoadSpec) -> Workload {
    Workload {
        name: name.to_owned(),
        after: Vec::new(),
        spec: WorkloadSpec::Load(spec),
        at: Span::new(FileRole::Experiment, 0..0),
    }
}

/// The median time to first token.
fn ttft_below(ms: f64) -> Slo {
    Slo {
        metric: SloMetric::Ttft,
        stat: Some(Stat::P50),
        comparison: Comparison::Less,
        bound: ms,
        text: format!("ttft.p50 < {ms} ms"),
    }
}

fn detail(report: &NodeReport) -> &Detail {
    match &report.detail {
        Some(NodeDetail::Load(detail)) => detail,
        other => panic!("{other:?}"),
    }
}

fn levels(report: &NodeReport) -> Vec<f64> {
    detail(report).rungs.iter().map(|rung| rung.level).collect()
}

fn n_of(record: &NodeRecord, role: RequestRole) -> usize {
    let of_role = record
        .requests
        .iter()
        .filter(|request| request.role == role);
    of_role.count()
}

#[tokio::test]
async fn a_ladder_measures_each_level_with_prompts_of_their_own() {
    let fake = FakeVllm::start().await;
    let mut spec = spec(Levels::Ladder(vec![1.0, 3.0]));
    spec.probes = true;
    let record = run_node(&fake, &node("load", spec)).await;
    let report = &record.report;
    assert_eq!(report.status, NodeStatus::Completed, "{:?}", report.notes);
    assert_eq!((report.n_requests, report.n_failed), (12, 0));
    assert_eq!(levels(report), [1.0, 3.0]);
    assert_eq!(detail(report).judged, Some(1));
    // One for each user of each rung, and the first probe.
    assert_eq!(n_of(&record, RequestRole::WarmUp), 1 + 3 + 1);
    assert_eq!(n_of(&record, RequestRole::Measured), 12);
    let idle = detail(report).idle_probe_ttft_ms.unwrap();
    assert_eq!(idle.n, 5);
    for rung in &detail(report).rungs {
        assert_eq!(rung.ttft_ms.unwrap().n, 6);
        assert!(
            rung.mean_in_flight.unwrap() <= rung.level + 1e-9,
            "{rung:?}"
        );
    }
    let users: HashSet<u32> = record
        .requests
        .iter()
        .filter(|request| request.label.as_deref() == Some("concurrency 3"))
        .map(|request| request.user)
        .collect();
    assert_eq!(users, HashSet::from([0, 1, 2]));
    let engine = fake.engine();
    let prompts: Vec<&str> = engine
        .streamed
        .iter()
        .filter(|body| body["max_tokens"] == 4)
        .map(|body| body["messages"][0]["content"].as_str().unwrap())
        .collect();
    assert_eq!(prompts.len(), 12 + 4);
    assert_eq!(prompts.iter().collect::<HashSet<_>>().len(), prompts.len());
    let names: HashSet<String> = report.metrics.keys().cloned().collect();
    for metric in [
        "ttft_ms",
        "itl_ms",
        "tpot_ms",
        "e2e_ms",
        "achieved_rps",
        "output_tokens_per_second",
    ] {
        assert!(names.contains(metric), "{metric}: {names:?}");
    }
}

#[tokio::test]
async fn an_open_loop_keeps_its_schedule() {
    let fake = FakeVllm::start().await;
    let arrival = Arrival::Constant;
    let spec = LoadSpec {
        demand: Demand::Rate { arrival },
        rung: Extent::Requests(10),
        ..spec(Levels::Ladder(vec![100.0]))
    };
    let record = run_node(&fake, &node("load", spec)).await;
    assert_eq!(
        record.report.status,
        NodeStatus::Completed,
        "{:?}",
        record.report.notes
    );
    assert_eq!(n_of(&record, RequestRole::WarmUp), 1);
    let mut due: Vec<u64> = record
        .requests
        .iter()
        .map(|request| request.instants.due)
        .collect();
    due.sort_unstable();
    assert_eq!(due.len(), 11);
    // Ten milliseconds apart, whenever they were sent.
    for pair in due.windows(2) {
        assert!((pair[1] - pair[0]).abs_diff(10_000_000) < 1_000, "{due:?}");
    }
    let rung = &detail(&record.report).rungs[0];
    assert_eq!(
        (rung.asked_rps, rung.steady_ms.map(f64::round)),
        (Some(100.0), Some(90.0))
    );
}

#[tokio::test]
async fn a_search_goes_up_to_the_end_of_its_range_where_nothing_breaks() {
    let fake = FakeVllm::start().await;
    let mut spec = spec(Levels::Search { from: 1.0, to: 3.0 });
    spec.slo = vec![ttft_below(60_000.0)];
    let record = run_node(&fake, &node("load", spec)).await;
    let report = &record.report;
    assert_eq!(levels(report), [1.0, 2.0, 3.0]);
    assert_eq!(report.metrics["max_concurrency"], MetricValue::Scalar(3.0));
    assert!(report.metrics.contains_key("goodput_rps"));
    let proved = detail(report).proved.unwrap();
    assert_eq!((proved.kept, proved.broke), (Some(3.0), None));
}

#[tokio::test]
async fn where_even_the_lowest_level_breaks_there_is_no_highest() {
    let fake = FakeVllm::start().await;
    let mut spec = spec(Levels::Search { from: 1.0, to: 3.0 });
    spec.slo = vec![ttft_below(1.0)];
    let record = run_node(&fake, &node("load", spec)).await;
    let report = &record.report;
    assert_eq!(report.status, NodeStatus::Completed);
    assert_eq!(levels(report), [1.0]);
    assert_eq!(report.metrics.keys().collect::<Vec<_>>(), ["success_rate"]);
    assert_eq!(detail(report).rungs[0].goodput_rps, Some(0.0));
}

#[tokio::test]
async fn a_node_starts_at_the_level_that_a_former_one_found() {
    let fake = FakeVllm::start().await;
    let first = node("first", spec(Levels::Ladder(vec![1.0, 2.0])));
    let mut spec = spec(Levels::Ladder(vec![1.0, 2.0, 4.0]));
    spec.start_from = Some("first".to_owned());
    let second = node("second", spec);
    let load = HttpLoad::with_limits(LIMITS).unwrap();
    let server = server(fake.target.clone());
    let both = [first, second];
    let book = load.compose(&server, &both, 1).await.unwrap();
    let requests = RequestSink::default();
    let mut upstream: Vec<NodeReport> = Vec::new();
    for workload in &both {
        let run = NodeRun {
            workload,
            book: &book,
            upstream: &upstream,
            requests: &requests,
            beside: &NothingBeside,
            over: &CancellationToken::new(),
        };
        let report = run_calmly(&load, &server, run).await;
        upstream.push(report);
    }
    assert_eq!(levels(&upstream[1]), [2.0, 4.0]);
    assert_eq!(detail(&upstream[1]).started_from, Some(2.0));

    // Where the former one found nothing, the file's first level is the first one.
    let run = NodeRun {
        workload: &both[1],
        book: &book,
        upstream: &[],
        requests: &requests,
        beside: &NothingBeside,
        over: &CancellationToken::new(),
    };
    let alone = run_calmly(&load, &server, run).await;
    assert_eq!(levels(&alone), [1.0, 2.0, 4.0]);
    assert_eq!(
        alone.notes,
        ["`first` found no level to start from; the first one of the file was"]
    );
}

#[tokio::test(start_paused = false)]
async fn an_engine_that_stopped_answering_ends_it() {
    let fake = FakeVllm::start().await;
    fake.reply_with(std::iter::repeat_n(Reply::Reset, 100));
    let record = run_node(&fake, &node("load", spec(Levels::Ladder(vec![2.0, 4.0])))).await;
    assert!(failure_of(&record).starts_with("the engine stopped answering"));
    assert!(record.requests.len() < 20, "{}", record.requests.len());
}

#[tokio::test]
async fn refusals_are_counted_and_told() {
    let fake = FakeVllm::start().await;
    // The first is the warm-up.
    fake.reply_with([Reply::Proper, Reply::Status(503, "busy".to_owned())]);
    let record = run_node(&fake, &node("load", spec(Levels::Ladder(vec![1.0])))).await;
    let report = &record.report;
    assert_eq!(
        (report.status.clone(), report.n_failed),
        (NodeStatus::Completed, 1)
    );
    assert_eq!(
        report.notes,
        ["1 requests failed, first in their rungs: 1 x HTTP 503 (busy)"]
    );
    assert_eq!(
        report.metrics["success_rate"],
        MetricValue::Scalar(5.0 / 6.0)
    );
}
