use std::time::Duration;

use super::*;
use crate::load::workload::stability::course::Gauges;
use crate::measure::forecast::Forecast;
use crate::measure::request::{Instants, Request, RequestFailure, RequestRole, Usage};
use crate::measure::summary::Summary;
use crate::time_scale::TimeScale;

const MS: u64 = 1_000_000;
const ORIGIN_MS: u64 = 500;

/// A request of five tokens that was due at `due` ms of the node and had its first token after
/// `ttft` ms, the others every `gap` ms.
fn request(role: RequestRole, due: u64, ttft: u64, gap: u64) -> Request {
    let due = (ORIGIN_MS + due) * MS;
    let mut instants = Instants::due_at(due);
    let first = due + ttft * MS;
    for number in 0..5 {
        instants.tokens.push(first + number * gap * MS);
    }
    instants.first_token = Some(first);
    instants.last_token = Some(first + 4 * gap * MS);
    instants.end = first + 4 * gap * MS;
    Request {
        node: "soak".to_owned(),
        index: 0,
        role,
        prompt: None,
        user: 0,
        turn: None,
        label: None,
        instants,
        usage: Some(Usage {
            prompt: 100,
            output: 5,
            cached: None,
        }),
        counters: None,
        finish_reason: None,
        failure: None,
        proof: None,
    }
}

fn failed(mut request: Request, failure: RequestFailure) -> Request {
    request.failure = Some(failure);
    request
}

fn status(status: u16) -> RequestFailure {
    RequestFailure::Status {
        status,
        body: String::new(),
    }
}

fn course(scale: TimeScale) -> Course {
    Course::new(ORIGIN_MS * MS, scale, Duration::from_secs(600))
}

fn report(course: &Course, ending: Ending) -> NodeReport {
    summarise(&Run {
        node: "soak",
        kind: WorkloadKind::Stability,
        course,
        ending,
        took_ms: 9_000.0,
    })
}

fn scalar(report: &NodeReport, name: &str) -> f64 {
    match report.metrics.get(name) {
        Some(MetricValue::Scalar(value)) => *value,
        other => panic!("{name}: {other:?}"),
    }
}

fn distribution(report: &NodeReport, name: &str) -> Summary {
    match report.metrics.get(name) {
        Some(MetricValue::Distribution(summary)) => *summary,
        other => panic!("{name}: {other:?}"),
    }
}

fn detail(report: &NodeReport) -> &Detail {
    match &report.detail {
        Some(NodeDetail::Stability(detail)) => detail,
        other => panic!("{other:?}"),
    }
}

/// Six short requests of 140 ms and six long ones of 1400 ms, whose last two each take a fifth
/// more; one failure of each kind.
fn log(course: &mut Course) {
    use RequestRole::{Measured, WarmUp};
    course.take(0, &request(WarmUp, 0, 5000, 1000));
    course.take(1, &failed(request(WarmUp, 0, 1, 1), status(500)));
    for number in 0..6 {
        let slow = if number >= 4 { 12 } else { 10 };
        let due = 1000 * number;
        course.take(0, &request(Measured, due, 10 * slow, slow));
        course.take(1, &request(Measured, due, 100 * slow, 10 * slow));
    }
    course.take(
        0,
        &failed(
            request(Measured, 3000, 1, 1),
            RequestFailure::Stalled { after_ms: 9 },
        ),
    );
    course.take(0, &failed(request(Measured, 2000, 1, 1), status(429)));
    course.take(0, &failed(request(Measured, 4000, 1, 1), status(503)));
    course.take(0, &failed(request(Measured, 4000, 1, 1), status(500)));
}

#[test]
fn every_metric_is_the_one_that_a_hand_computes() {
    let mut course = course(TimeScale::ONE);
    log(&mut course);
    let report = report(&course, Ending::Whole);
    assert_eq!(report.status, NodeStatus::Completed);
    assert_eq!((report.n_requests, report.n_failed), (16, 4));
    assert_eq!(scalar(&report, "success_rate"), 12.0 / 16.0);
    assert_eq!(scalar(&report, "timeout_rate"), 1.0 / 16.0);
    assert_eq!(scalar(&report, "http_4xx_rate"), 1.0 / 16.0);
    assert_eq!(scalar(&report, "http_5xx_rate"), 2.0 / 16.0);

    // 4 x 100 and 2 x 120 ms short, ten times that long.
    let ttft = distribution(&report, "ttft_ms");
    assert_eq!((ttft.n, ttft.min, ttft.max), (12, 100.0, 1200.0));
    assert!((ttft.mean - 6400.0 / 12.0 * 1.1).abs() < 1e-9, "{ttft:?}");
    // Four gaps each of 10 or 12 ms, and of 100 or 120 ms.
    let itl = distribution(&report, "itl_ms");
    assert_eq!((itl.n, itl.min, itl.max), (48, 10.0, 120.0));
    // First token and four gaps: 140 or 168 ms, 1400 or 1680 ms.
    let e2e = distribution(&report, "e2e_ms");
    assert_eq!((e2e.n, e2e.min, e2e.max), (12, 140.0, 1680.0));
    let speed = distribution(&report, "tokens_per_second");
    assert_eq!((speed.n, speed.max), (12, 100.0));
    // 12 x 5 tokens from 0 to the last answer at 5000 + 1200 + 480 ms.
    let in_all = scalar(&report, "output_tokens_per_second");
    assert!((in_all - 60.0 / 6.68).abs() < 1e-9, "{in_all}");
    // Of both lengths the last third takes 1.2 times the first.
    let degradation = scalar(&report, "degradation_pct");
    assert!((degradation - 20.0).abs() < 1e-9, "{degradation}");
    // The request that was due at 2000 ms ended first of those that failed.
    assert_eq!(scalar(&report, "failure_free_ms"), 2005.0);
    assert_eq!(detail(&report).first_failure_ms, Some(2005.0));
    assert_eq!(
        report.notes,
        [
            "warm-up requests failed: 1",
            "failed requests: 1 x HTTP 429, 1 x HTTP 500, 1 x HTTP 503, 1 x nothing arrived"
        ]
    );
    assert_eq!(report.metrics.len(), 13);
}

#[test]
fn all_of_it_is_told_in_the_time_of_the_engine() {
    let mut course = course(TimeScale::new(20.0).unwrap());
    log(&mut course);
    let report = report(&course, Ending::Whole);
    assert_eq!(distribution(&report, "ttft_ms").min, 2000.0);
    assert_eq!(distribution(&report, "tokens_per_second").max, 5.0);
    assert_eq!(scalar(&report, "failure_free_ms"), 40_100.0);
    assert!((scalar(&report, "output_tokens_per_second") - 60.0 / 133.6).abs() < 1e-9);
    assert!((detail(&report).lasted_h - 133.6 / 3600.0).abs() < 1e-12);
}

#[test]
fn where_none_failed_the_whole_node_was_free_of_failures() {
    let mut course = course(TimeScale::ONE);
    course.take(0, &request(RequestRole::Measured, 0, 100, 10));
    let report = report(&course, Ending::Whole);
    assert_eq!(scalar(&report, "failure_free_ms"), 9_000.0);
    assert_eq!(detail(&report).first_failure_ms, None);
    // One request has no thirds and no slope.
    assert!(!report.metrics.contains_key("degradation_pct"));
    assert!(!report.metrics.contains_key("ttft_drift_pct_per_h"));
}

#[test]
fn growth_has_a_slope_with_its_interval_and_a_forecast() {
    let mut course = course(TimeScale::ONE);
    for minute in 0..60_u32 {
        let at = Duration::from_secs(u64::from(minute) * 60);
        let wobble = f64::from(minute % 3);
        course.read(
            at,
            Gauges {
                // From 40 % by 20 % an hour.
                kv_cache_pct: Some(40.0 + f64::from(minute) / 3.0 + wobble),
                preemptions: Some(f64::from(minute / 10)),
                server_memory_mib: Some(1000.0 + wobble),
            },
        );
        let due = u64::from(minute) * 60_000;
        // Times to first token grow by 30 % of the median an hour; speeds stay.
        let ttft = 100 + u64::from(minute) / 2 + u64::from(minute % 2);
        course.take(0, &request(RequestRole::Measured, due, ttft, 10));
    }
    let report = report(&course, Ending::Whole);
    let slopes = &detail(&report).slopes;
    let of = |watched| slopes.iter().find(|drift| drift.of == watched).unwrap();

    let kv = of(Watched::KvCache);
    assert!(
        (kv.per_hour - 20.0).abs() < 0.5 && kv.low > 19.0 && kv.high < 21.0,
        "{kv:?}"
    );
    // About 60 % after an hour: 40 % are left, which take two hours.
    let Some(Forecast::Full {
        soonest_h,
        latest_h: Some(latest_h),
    }) = kv.forecast
    else {
        panic!("{kv:?}");
    };
    assert!(
        (1.8..2.0).contains(&soonest_h) && (1.9..2.2).contains(&latest_h),
        "{kv:?}"
    );
    assert_eq!(of(Watched::ServerMemory).forecast, Some(Forecast::NoGrowth));
    assert_eq!(of(Watched::Preemptions).n, 59);
    let ttft = scalar(&report, "ttft_drift_pct_per_h");
    assert!((ttft - 26.0).abs() < 2.0, "{ttft}");
    assert_eq!(scalar(&report, "tokens_per_second_drift_pct_per_h"), 0.0);

    let parts = &detail(&report).parts;
    assert_eq!(parts.len(), 10);
    assert_eq!(parts.iter().map(|part| part.n_requests).sum::<u32>(), 60);
    assert!(parts[9].ttft_ms > parts[0].ttft_ms);
    assert!(
        parts
            .windows(2)
            .all(|pair| pair[1].kv_cache_pct > pair[0].kv_cache_pct)
    );
}

#[test]
fn an_early_end_keeps_what_it_saw() {
    let mut course = course(TimeScale::ONE);
    log(&mut course);
    let because = "the engine stopped answering".to_owned();
    let report = report(
        &course,
        Ending::Early {
            because: because.clone(),
        },
    );
    assert_eq!(report.status, NodeStatus::Failed { because });
    assert_eq!(
        report.metrics.keys().collect::<Vec<_>>(),
        [
            "http_4xx_rate",
            "http_5xx_rate",
            "success_rate",
            "timeout_rate"
        ]
    );
    assert_eq!(detail(&report).first_failure_ms, Some(2005.0));

    let none = summarise(&Run {
        node: "soak",
        kind: WorkloadKind::Stability,
        course: &super::tests::course(TimeScale::ONE),
        ending: Ending::Whole,
        took_ms: 1.0,
    });
    let because = "no request was measured".to_owned();
    assert_eq!(
        (none.status, none.metrics.len()),
        (NodeStatus::Failed { because }, 0)
    );
}
