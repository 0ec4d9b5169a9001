//! Tests of the asking, against the fake vLLM: its model knows words only, so that no call ever
//! comes.

use crate::load::bench::{NodeRecord, failure_of, run_node, scalar};
use crate::load::fake_vllm::{FakeVllm, Reply};
use crate::load::workload::tool_calling::fixture;
use crate::measure::kind::tool_calling::Detail;
use crate::measure::node::{NodeDetail, NodeStatus};
use crate::spec::experiment::{Workload, WorkloadSpec};
use crate::spec::workload::tool_calling::ToolCallingSpec;

fn node(change: impl FnOnce(&mut ToolCallingSpec)) -> Workload {
    let mut spec = fixture::spec();
    spec.max_tokens = 3;
    change(&mut spec);
    Workload {
        name: "tools".to_owned(),
        after: Vec::new(),
        spec: WorkloadSpec::ToolCalling(spec),
        at: Default::default(),
    }
}

fn detail(record: &NodeRecord) -> &Detail {
    match &record.report.detail {
        Some(NodeDetail::ToolCalling(detail)) => detail,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_scenario_is_asked_streamed_and_whole_and_by_every_user() {
    let fake = FakeVllm::start().await;
    let record = run_node(&fake, &node(|spec| spec.concurrency = 2)).await;
    assert_eq!(record.report.status, NodeStatus::Completed);
    // One request a scenario: no call came, so no chain goes on.
    let labels: Vec<&str> = record
        .requests
        .iter()
        .filter_map(|r| r.label.as_deref())
        .collect();
    assert_eq!(
        labels[..6],
        [
            "one streamed",
            "one whole",
            "chain streamed",
            "chain whole",
            "none streamed",
            "none whole"
        ]
    );
    let mut together: Vec<(u32, &str)> = record.requests[6..]
        .iter()
        .map(|request| (request.user, request.label.as_deref().unwrap()))
        .collect();
    together.sort_unstable();
    let asked = ["chain concurrent", "none concurrent", "one concurrent"];
    let by = |user| asked.map(|label| (user, label)).to_vec();
    assert_eq!(together, [by(0), by(1)].concat());
    let mut indices: Vec<u32> = record
        .requests
        .iter()
        .map(|request| request.index)
        .collect();
    indices.sort_unstable();
    assert_eq!(indices, (0..12).collect::<Vec<u32>>());
    let bodies = fake.engine().streamed.clone();
    assert_eq!(bodies.len(), 9);
    for body in &bodies {
        assert_eq!(
            (&body["temperature"], &body["tool_choice"]),
            (&0.into(), &"auto".into())
        );
        assert_eq!(body["tools"].as_array().unwrap().len(), 2);
    }
    assert_eq!(scalar(&record, "parsed"), Some(0.0));
    assert_eq!(scalar(&record, "parsed_concurrent"), Some(0.0));
    assert_eq!(scalar(&record, "none_called"), Some(1.0));
    assert_eq!(scalar(&record, "solved"), Some(1.0 / 3.0));
    assert_eq!(scalar(&record, "success_rate"), Some(1.0));
    // The fake's `/tokenize` tells a count and no tokens: what is not known is not claimed.
    assert_eq!(detail(&record).probe.prompt_tokens, None);
}

#[tokio::test]
async fn a_refusal_is_a_finding_and_silence_is_the_end() {
    let fake = FakeVllm::start().await;
    let refusal = r#"{"error":{"message":"\"auto\" tool choice requires a parser"}}"#;
    fake.reply_with(vec![Reply::Status(400, refusal.to_owned()); 3]);
    let record = run_node(&fake, &node(|_| {})).await;
    assert_eq!(record.report.status, NodeStatus::Completed);
    assert_eq!((record.report.n_requests, record.report.n_failed), (6, 3));
    assert!(
        detail(&record).refusals[0]
            .words
            .contains("requires a parser")
    );

    let fake = FakeVllm::start().await;
    let only = node(|spec| {
        spec.scenarios.truncate(1);
        spec.concurrency = 3;
    });
    fake.reply_with(vec![Reply::Reset; 40]);
    fake.engine().completion = 500;
    let record = run_node(&fake, &only).await;
    assert!(failure_of(&record).starts_with("the engine stopped answering: no connection"));
}
