//! This edge against a fake vLLM: every way in which an answer can be no measurement, the
//! probe, the prompts, and whole runs of the workload.

use std::collections::HashSet;

use tokio::net::TcpListener;

use crate::load::bench::{
    LIMITS, NodeRecord, count, failure_of, run_node, run_with, scalar, server,
};
use crate::load::fake_vllm::{BLOCK, FakeVllm, MODEL, Reply, count_tokens, target_at};
use crate::load::http_load::HttpLoad;
use crate::measure::metric::WorkloadKind;
use crate::measure::node::NodeStatus;
use crate::measure::prompt::PromptBook;
use crate::measure::request::{CacheProof, RequestFailure, RequestRole};
use crate::outcome::EngineFacts;
use crate::runner::ports::{Load, Probe};
use crate::spec::experiment::{Workload, WorkloadSpec};
use crate::spec::workload::kv_cache::KvCacheSpec;
use crate::time_scale::TimeScale;

fn node(iterations: u32) -> Workload {
    Workload {
        name: "kv".to_owned(),
        after: Vec::new(),
        spec: WorkloadSpec::KvCache(KvCacheSpec {
            iterations,
            prompt_tokens: 200,
            max_tokens: 4,
        }),
        at: Default::default(),
    }
}

async fn run(fake: &FakeVllm, iterations: u32) -> NodeRecord {
    run_node(fake, &node(iterations)).await
}

#[tokio::test]
async fn a_key_that_is_not_accepted_proves_health_only() {
    let mut fake = FakeVllm::start().await;
    fake.target.api_key = "wrong".to_owned();
    let load = HttpLoad::with_limits(LIMITS).unwrap();
    let because = "/v1/models: HTTP 401: Unauthorized".to_owned();
    assert_eq!(
        load.probe(&fake.target).await,
        Probe::HealthyOnly { because }
    );
}

#[tokio::test]
async fn only_health_and_models_and_a_completion_together_are_ready() {
    let fake = FakeVllm::start().await;
    let load = HttpLoad::with_limits(LIMITS).unwrap();
    assert_eq!(load.probe(&fake.target).await, Probe::Ready);

    fake.engine().completion = 500;
    let because = "/v1/chat/completions: HTTP 500: EngineCore encountered an issue.".to_owned();
    assert_eq!(
        load.probe(&fake.target).await,
        Probe::HealthyOnly { because }
    );

    fake.engine().models = vec!["other"];
    let because = "/v1/models: `fake` is not listed; listed are: other".to_owned();
    assert_eq!(
        load.probe(&fake.target).await,
        Probe::HealthyOnly { because }
    );

    fake.engine().health = 503;
    let because = "/health: HTTP 503: ".to_owned();
    assert_eq!(load.probe(&fake.target).await, Probe::NotYet { because });
}

#[tokio::test]
async fn a_connection_proves_nothing() {
    let load = HttpLoad::with_limits(LIMITS).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = target_at(listener.local_addr().unwrap().port());
    let accepting = tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    assert!(matches!(load.probe(&target).await, Probe::NotYet { .. }));
    accepting.abort();
    assert!(accepting.await.unwrap_err().is_cancelled());
    assert!(matches!(load.probe(&target).await, Probe::NotYet { .. }));
}

#[tokio::test]
async fn facts_are_what_the_engine_says() {
    let fake = FakeVllm::start().await;
    let load = HttpLoad::with_limits(LIMITS).unwrap();
    let server = server(fake.target.clone());
    let observed = load.facts(&server).await.unwrap();
    let facts = EngineFacts {
        version: Some("0.11.0".to_owned()),
        max_model_len: Some(4096),
        kv_cache_tokens: Some(1600),
        block_size: Some(BLOCK),
        warnings: Vec::new(),
    };
    assert_eq!(observed.facts, facts);
    assert!(
        observed
            .metrics_text
            .contains("enable_prefix_caching=\"True\"")
    );

    fake.engine().has_metrics = false;
    let observed = load.facts(&server).await.unwrap();
    assert_eq!(
        (observed.facts.block_size, observed.metrics_text.as_str()),
        (None, "")
    );
    fake.engine().models.clear();
    assert!(load.facts(&server).await.is_err());
}

#[tokio::test]
async fn prompts_have_their_exact_length_and_begin_unlike_each_other() {
    let fake = FakeVllm::start().await;
    let load = HttpLoad::with_limits(LIMITS).unwrap();
    let server = server(fake.target.clone());
    let second = Workload {
        name: "second".to_owned(),
        ..node(2)
    };
    let workloads = [node(3), second];
    let book = load.compose(&server, &workloads, 1).await.unwrap();
    assert_eq!(
        (book.version, book.model.as_str(), book.seed),
        (PromptBook::VERSION, MODEL, 1)
    );
    let prompts: Vec<_> = book
        .nodes
        .iter()
        .flat_map(|node| node.warm_up.iter().chain(&node.prompts))
        .collect();
    assert_eq!(prompts.len(), 7);
    for prompt in &prompts {
        assert_eq!((prompt.tokens, count_tokens(&prompt.text)), (200, 200));
    }
    let firsts: HashSet<_> = prompts
        .iter()
        .map(|prompt| prompt.text.split(' ').next())
        .collect();
    assert_eq!(firsts.len(), 7);
    assert_eq!(load.compose(&server, &workloads, 1).await.unwrap(), book);
    assert_ne!(load.compose(&server, &workloads, 2).await.unwrap(), book);
}

#[tokio::test]
async fn hits_and_misses_are_proved_by_the_counters_or_by_usage() {
    for prompt_details in [false, true] {
        let fake = FakeVllm::start().await;
        fake.engine().prompt_details = prompt_details;
        let record = run(&fake, 3).await;
        assert_eq!(record.report.status, NodeStatus::Completed);
        assert_eq!((record.report.n_requests, record.report.n_failed), (6, 0));
        assert_eq!(record.report.notes, Vec::<String>::new());
        let roles: Vec<RequestRole> = record.requests.iter().map(|request| request.role).collect();
        let pair = [RequestRole::First, RequestRole::Repeat];
        assert_eq!(
            roles,
            [&[RequestRole::WarmUp][..], &pair, &pair, &pair].concat()
        );
        // 200 tokens in blocks of 16: 192 are eligible.
        let hit = CacheProof::Hit {
            cached: 192,
            eligible: 192,
        };
        assert_eq!(record.requests[2].proof, Some(hit));
        assert_eq!(
            record.requests[1].proof,
            Some(CacheProof::Miss { cached: 0 })
        );
        for name in [
            "ttft_first_ms",
            "ttft_repeat_ms",
            "ttft_miss_ms",
            "ttft_hit_ms",
        ] {
            assert_eq!(count(&record, name), Some(3), "{name}");
        }
        assert_eq!(count(&record, "tokens_per_second"), Some(6));
        assert_eq!(scalar(&record, "hit_rate"), Some(0.96));
        assert_eq!(scalar(&record, "success_rate"), Some(1.0));
        assert!(scalar(&record, "acceleration").is_some());
        let yielded: HashSet<&str> = WorkloadKind::KvCache
            .metrics()
            .iter()
            .map(|metric| metric.name.as_ref())
            .collect();
        assert!(
            record
                .report
                .metrics
                .keys()
                .all(|name| yielded.contains(name.as_str()))
        );
    }
}

#[tokio::test]
async fn without_prefix_caching_every_request_is_a_proved_miss() {
    let fake = FakeVllm::start().await;
    fake.engine().prefix_caching = false;
    let record = run(&fake, 2).await;
    let measured = &record.requests[1..];
    assert!(
        measured
            .iter()
            .all(|r| r.proof == Some(CacheProof::Miss { cached: 0 }))
    );
    assert_eq!(count(&record, "ttft_miss_ms"), Some(2));
    assert_eq!(count(&record, "ttft_hit_ms"), None);
    assert_eq!(scalar(&record, "hit_rate"), Some(0.0));
    assert_eq!(record.report.notes, ["2 of 2 repeats are proved misses"]);
}

#[tokio::test]
async fn without_a_proof_there_is_no_hit_no_miss_and_no_rate() {
    let fake = FakeVllm::start().await;
    fake.engine().foreign_tokens = 500;
    let foreign = run(&fake, 1).await;
    let other = FakeVllm::start().await;
    other.engine().has_metrics = false;
    let silent = run(&other, 1).await;
    for (record, because) in [
        (foreign, "moved by 700 queried"),
        (silent, "neither cached tokens"),
    ] {
        assert_eq!(record.report.status, NodeStatus::Completed);
        assert_eq!(count(&record, "ttft_first_ms"), Some(1));
        for name in ["ttft_miss_ms", "ttft_hit_ms", "hit_rate"] {
            assert!(!record.report.metrics.contains_key(name), "{name}");
        }
        let [first, repeat, rate] = record.report.notes.as_slice() else {
            panic!("{:?}", record.report.notes);
        };
        assert!(
            first.starts_with("1 of 1 first requests are neither"),
            "{first}"
        );
        assert!(
            repeat.contains("not in ttft_hit_ms") && repeat.contains(because),
            "{repeat}"
        );
        assert_eq!(rate, "cached tokens are known for 0 of 1 repeats");
    }
}

#[tokio::test]
async fn an_answer_of_another_kind_than_asked_is_unexpected() {
    let replies = [
        (Reply::NoUsage, "no usage"),
        (Reply::OutputTokens(3), "3 output tokens instead of 4"),
        (Reply::OutputTokens(0), "0 output tokens instead of 4"),
        (Reply::FinishReason("stop"), "finish_reason `stop`"),
    ];
    for (reply, detail) in replies {
        let fake = FakeVllm::start().await;
        fake.reply_with([Reply::Proper, reply.clone()]);
        let record = run(&fake, 2).await;
        let failure = record.requests[1].failure.as_ref();
        let expected = |failure: &RequestFailure| matches!(failure, RequestFailure::Unexpected { detail: found } if found.contains(detail));
        assert!(failure.is_some_and(expected), "{reply:?}: {failure:?}");
        assert_eq!(record.report.status, NodeStatus::Completed);
        // The failed pair has no repeat, and gives no number.
        assert_eq!((record.report.n_requests, record.report.n_failed), (3, 1));
        assert_eq!(count(&record, "ttft_first_ms"), Some(1));
        assert_eq!(count(&record, "tokens_per_second"), Some(2));
        assert!(
            record.report.notes[0].contains(detail),
            "{:?}",
            record.report.notes
        );
        assert!(record.report.notes[1].ends_with("first requests failed: 1"));
    }
}

#[tokio::test]
async fn a_500_is_a_failure_and_never_a_measurement() {
    let fake = FakeVllm::start().await;
    fake.reply_with(vec![Reply::Status(500, "dead".to_owned()); 4]);
    let record = run(&fake, 3).await;
    assert_eq!(
        failure_of(&record),
        "3 of 3 requests failed: 3 x HTTP 500 (dead)"
    );
    assert_eq!(
        record.report.metrics.keys().collect::<Vec<_>>(),
        ["success_rate"]
    );
    assert_eq!(scalar(&record, "success_rate"), Some(0.0));
    assert!(
        record
            .requests
            .iter()
            .all(|request| request.ttft_ms(TimeScale::ONE).is_none())
    );
}

#[tokio::test]
async fn a_node_whose_repeats_all_failed_has_failed() {
    let fake = FakeVllm::start().await;
    let pair = [Reply::Proper, Reply::ErrorEvent];
    fake.reply_with(std::iter::once(Reply::Proper).chain(pair.into_iter().cycle().take(4)));
    let record = run(&fake, 2).await;
    assert_eq!((record.report.n_requests, record.report.n_failed), (4, 2));
    assert!(failure_of(&record).starts_with("no repeated request succeeded: 2 x error event"));
}

#[tokio::test]
async fn it_ends_early_when_the_engine_stops_answering() {
    let fake = FakeVllm::start().await;
    fake.reply_with([Reply::Proper, Reply::Proper, Reply::Reset, Reply::Reset]);
    let record = run(&fake, 5).await;
    assert!(failure_of(&record).starts_with("the engine stopped answering: no connection"));
    assert_eq!((record.report.n_requests, record.report.n_failed), (3, 2));
    assert_eq!(fake.engine().streamed.len(), 4);
    assert_eq!(
        record.report.metrics.keys().collect::<Vec<_>>(),
        ["success_rate"]
    );
}

#[tokio::test]
async fn a_book_without_enough_prompts_fails_the_node_and_sends_nothing() {
    let fake = FakeVllm::start().await;
    let load = HttpLoad::with_limits(LIMITS).unwrap();
    let server = server(fake.target.clone());
    let book = load.compose(&server, &[node(1)], 1).await.unwrap();
    let short = run_with(&load, &server, &node(2), &book).await;
    assert_eq!(
        failure_of(&short),
        "the prompt book has 1 prompts for it, it needs 2"
    );
    let strange = Workload {
        name: "strange".to_owned(),
        ..node(1)
    };
    let missing = run_with(&load, &server, &strange, &book).await;
    assert_eq!(
        failure_of(&missing),
        "the prompt book has no prompts for it"
    );
    assert!(missing.report.metrics.is_empty());
    assert!(fake.engine().streamed.is_empty());
}

#[tokio::test]
async fn another_prompt_length_than_the_books_is_not_comparable() {
    let fake = FakeVllm::start().await;
    let load = HttpLoad::with_limits(LIMITS).unwrap();
    let server = server(fake.target.clone());
    let mut book = load.compose(&server, &[node(1)], 1).await.unwrap();
    book.nodes[0].prompts[0].tokens = 205;
    let record = run_with(&load, &server, &node(1), &book).await;
    let because = "not comparable: 2 requests had another prompt length than the prompt book says \
                (200 tokens instead of 205)";
    assert_eq!(failure_of(&record), because);
    assert!(!record.report.metrics.contains_key("ttft_first_ms"));
}
