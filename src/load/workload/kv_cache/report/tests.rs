//! Reports against numbers worked out by hand.

use super::*;
use crate::measure::prompt::Prompt;
use crate::measure::request::{CacheCounters, Instants, RequestFailure, Usage};

const MS: u64 = 1_000_000;

/// A request of a prompt of 200 tokens that was due at `due` ms, had its first token
/// `ttft` ms later and 4 more tokens at 10 ms each.
fn request(role: RequestRole, prompt: u32, due: u64, ttft: u64, proof: CacheProof) -> Request {
    let first = (due + ttft) * MS;
    let cached = match proof {
        CacheProof::Hit { cached, .. } | CacheProof::Miss { cached } => cached,
        CacheProof::Unproved { .. } => 100,
    };
    Request {
        node: "kv".to_owned(),
        index: 0,
        role,
        prompt: Some(prompt),
        user: 0,
        turn: None,
        label: None,
        instants: Instants {
            due: due * MS,
            sent: due * MS + 5,
            first_token: Some(first),
            first_answer: Some(first),
            last_token: Some(first + 40 * MS),
            end: first + 41 * MS,
            tokens: (0..5).map(|number| first + number * 10 * MS).collect(),
        },
        usage: Some(Usage {
            prompt: 200,
            output: 5,
            cached: None,
        }),
        counters: Some(CacheCounters {
            queries: 200,
            hits: cached,
        }),
        finish_reason: Some("length".to_owned()),
        failure: None,
        proof: Some(proof),
    }
}

fn failed(mut request: Request) -> Request {
    request.failure = Some(RequestFailure::Stalled { after_ms: 9 });
    (request.usage, request.counters, request.proof) = (None, None, None);
    request
}

fn hit() -> CacheProof {
    CacheProof::Hit {
        cached: 192,
        eligible: 192,
    }
}

fn miss() -> CacheProof {
    CacheProof::Miss { cached: 0 }
}

fn partial() -> CacheProof {
    CacheProof::Unproved {
        because: "100 of 192 eligible tokens came from the cache".to_owned(),
    }
}

fn report(requests: &[Request], ending: Ending) -> NodeReport {
    report_at(TimeScale::ONE, requests, ending)
}

fn report_at(scale: TimeScale, requests: &[Request], ending: Ending) -> NodeReport {
    let prompt = Prompt {
        text: String::new(),
        tokens: 200,
    };
    let prompts = NodePrompts {
        node: "kv".to_owned(),
        warm_up: Some(prompt.clone()),
        prompts: vec![prompt; 3],
    };
    summarise(&Run {
        node: "kv",
        prompts: Some(&prompts),
        block_size: Some(16),
        requests,
        ending,
        scale,
        took_ms: 1234.0,
    })
}

fn distribution(report: &NodeReport, name: &str) -> Summary {
    match report.metrics.get(name) {
        Some(MetricValue::Distribution(summary)) => *summary,
        other => panic!("{name}: {other:?}"),
    }
}

fn scalar(report: &NodeReport, name: &str) -> f64 {
    match report.metrics.get(name) {
        Some(MetricValue::Scalar(value)) => *value,
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn the_metrics_are_those_that_a_hand_computes() {
    let requests = [
        // The warm-up is slow, failed or not, and counts nowhere.
        failed(request(RequestRole::WarmUp, 0, 0, 9000, miss())),
        request(RequestRole::First, 0, 100, 300, miss()),
        request(RequestRole::Repeat, 0, 500, 100, hit()),
        request(RequestRole::First, 1, 1000, 340, partial()),
        request(RequestRole::Repeat, 1, 1500, 110, partial()),
        request(RequestRole::First, 2, 2000, 320, miss()),
        request(RequestRole::Repeat, 2, 2500, 150, hit()),
    ];
    let report = report(&requests, Ending::Whole);
    assert_eq!(report.status, NodeStatus::Completed);
    assert_eq!(
        (report.n_requests, report.n_failed, report.took_ms.unwrap()),
        (6, 0, 1234.0)
    );

    let first = distribution(&report, "ttft_first_ms");
    assert_eq!(
        (first.n, first.mean, first.p50, first.sd),
        (3, 320.0, 320.0, Some(20.0))
    );
    let repeat = distribution(&report, "ttft_repeat_ms");
    assert_eq!((repeat.n, repeat.mean, repeat.p50), (3, 120.0, 110.0));
    let miss = distribution(&report, "ttft_miss_ms");
    assert_eq!((miss.n, miss.p50), (2, 310.0));
    let hit = distribution(&report, "ttft_hit_ms");
    assert_eq!((hit.n, hit.p50), (2, 125.0));
    // 4 further tokens in 40 ms.
    let speed = distribution(&report, "tokens_per_second");
    assert_eq!((speed.n, speed.min, speed.max), (6, 100.0, 100.0));
    assert_eq!(scalar(&report, "acceleration"), 320.0 / 110.0);
    // 192 + 100 + 192 of 3 x 200.
    assert_eq!(scalar(&report, "hit_rate"), 484.0 / 600.0);
    assert_eq!(scalar(&report, "success_rate"), 1.0);
    assert_eq!(report.metrics.len(), 8);

    let because = "1 x 100 of 192 eligible tokens came from the cache";
    let quarantined = |name: &str, metric: &str| {
        format!(
            "1 of 3 {name} are neither proved hits nor proved misses and not in {metric}: \
             {because}"
        )
    };
    let notes = [
        "the warm-up request failed: 1 x nothing arrived for 9 ms".to_owned(),
        quarantined("first requests", "ttft_miss_ms"),
        quarantined("repeats", "ttft_hit_ms"),
    ];
    assert_eq!(report.notes, notes);
}

#[test]
fn times_and_rates_are_told_in_the_time_of_the_engine() {
    let requests = [
        request(RequestRole::First, 0, 100, 300, miss()),
        request(RequestRole::Repeat, 0, 500, 100, hit()),
    ];
    let twenty = TimeScale::new(20.0).unwrap();
    let fast = report_at(twenty, &requests, Ending::Whole);
    assert_eq!(distribution(&fast, "ttft_first_ms").p50, 20.0 * 300.0);
    assert_eq!(distribution(&fast, "ttft_miss_ms").p50, 20.0 * 300.0);
    assert_eq!(distribution(&fast, "ttft_hit_ms").p50, 20.0 * 100.0);
    // 4 further tokens in 800 ms of its time.
    assert_eq!(distribution(&fast, "tokens_per_second").p50, 5.0);
    assert_eq!(requests[0].e2e_ms(twenty), Some(20.0 * 341.0));
    // What has no time in it is the same at every speed.
    let plain = report(&requests, Ending::Whole);
    for metric in ["acceleration", "hit_rate", "success_rate"] {
        assert_eq!(scalar(&fast, metric), scalar(&plain, metric), "{metric}");
    }
}

#[test]
fn a_failed_request_is_in_no_distribution() {
    let requests = [
        request(RequestRole::First, 0, 100, 300, miss()),
        request(RequestRole::Repeat, 0, 500, 100, hit()),
        request(RequestRole::First, 1, 1000, 310, miss()),
        failed(request(RequestRole::Repeat, 1, 1500, 1, hit())),
    ];
    let report = report(&requests, Ending::Whole);
    assert_eq!(
        (report.status.clone(), report.n_failed),
        (NodeStatus::Completed, 1)
    );
    assert_eq!(distribution(&report, "ttft_repeat_ms").n, 1);
    assert_eq!(distribution(&report, "tokens_per_second").n, 3);
    assert_eq!(scalar(&report, "success_rate"), 0.75);
    assert_eq!(scalar(&report, "hit_rate"), 0.96);
    assert_eq!(
        report.notes,
        ["failed requests: 1 x nothing arrived for 9 ms"]
    );
}

#[test]
fn half_of_the_requests_may_fail_and_no_more() {
    let good = [
        request(RequestRole::First, 0, 100, 300, miss()),
        request(RequestRole::Repeat, 0, 500, 100, hit()),
    ];
    let bad = failed(request(RequestRole::First, 1, 1000, 310, miss()));
    let half = [&good[..], &[bad.clone(), bad.clone()]].concat();
    assert_eq!(report(&half, Ending::Whole).status, NodeStatus::Completed);
    let more = [&half[..], &[bad]].concat();
    let because = "3 of 5 requests failed: 3 x nothing arrived for 9 ms".to_owned();
    assert_eq!(
        report(&more, Ending::Whole).status,
        NodeStatus::Failed { because }
    );
}

#[test]
fn what_ended_early_has_failed_however_good_it_was() {
    let requests = [
        request(RequestRole::First, 0, 100, 300, miss()),
        request(RequestRole::Repeat, 0, 500, 100, hit()),
    ];
    let because = "the engine stopped answering".to_owned();
    let early = report(
        &requests,
        Ending::Early {
            because: because.clone(),
        },
    );
    assert_eq!(early.status, NodeStatus::Failed { because });
    assert_eq!(early.metrics.keys().collect::<Vec<_>>(), ["success_rate"]);
}

#[test]
fn nothing_sent_is_no_success_rate() {
    let none = report(&[], Ending::Whole);
    let because = "no first request succeeded".to_owned();
    assert_eq!(
        (none.status, none.metrics.len()),
        (NodeStatus::Failed { because }, 0)
    );
}

#[test]
fn cached_prompts_that_should_be_new_are_named() {
    let requests = [
        request(RequestRole::First, 0, 100, 90, hit()),
        request(RequestRole::Repeat, 0, 500, 90, miss()),
    ];
    let report = report(&requests, Ending::Whole);
    let notes = [
        "1 of 1 first requests are proved hits",
        "1 of 1 repeats are proved misses",
    ];
    assert_eq!(report.notes, notes);
    assert!(!report.metrics.contains_key("ttft_miss_ms"));
    assert!(!report.metrics.contains_key("ttft_hit_ms"));
}
