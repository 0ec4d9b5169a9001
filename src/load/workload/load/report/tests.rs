use super::*;
use crate::measure::metric::Stat;
use crate::measure::saturation::Saturated;
use crate::measure::slo::{Broken, Slo, SloMetric};
use crate::spec::experiment::Comparison;
use crate::spec::workload::load::{Extent, Levels};

fn spec(bounds: bool) -> LoadSpec {
    let bound = Slo {
        metric: SloMetric::Ttft,
        stat: Some(Stat::P95),
        comparison: Comparison::Less,
        bound: 1500.0,
        text: "ttft.p95 < 1500 ms".to_owned(),
    };
    LoadSpec {
        demand: Demand::Concurrency,
        levels: Levels::Ladder(vec![1.0]),
        rung: Extent::Requests(4),
        slo: if bounds { vec![bound] } else { Vec::new() },
        prompt_tokens: 100,
        max_tokens: 3,
        probes: false,
        start_from: None,
    }
}

fn rung(level: f64, broke: bool) -> Rung {
    let broken = Broken {
        text: "ttft.p95 < 1500 ms".to_owned(),
        found: Some(2100.0),
    };
    Rung {
        level,
        n_requests: 4,
        n_failed: 0,
        steady_ms: Some(1000.0),
        asked_rps: None,
        achieved_rps: Some(level * 2.0),
        goodput_rps: None,
        output_tokens_per_second: Some(level * 10.0),
        ttft_ms: Summary::of(&[100.0 * level]),
        itl_ms: None,
        tpot_ms: None,
        e2e_ms: None,
        tokens_per_second: None,
        probe_ttft_ms: None,
        schedule_delay_ms: None,
        queue_mean_ms: None,
        mean_in_flight: None,
        broken: if broke { vec![broken] } else { Vec::new() },
        saturated: None,
    }
}

fn saturated(level: f64) -> Rung {
    Rung {
        saturated: Some(Saturated {
            in_flight_per_s: 1.0,
            ttft_ms_per_s: 100.0,
        }),
        ..rung(level, false)
    }
}

fn report(spec: &LoadSpec, rungs: Vec<Rung>, ending: Ending) -> NodeReport {
    summarise(Run {
        node: "load",
        spec,
        rungs,
        idle_probe_ttft_ms: None,
        started_from: None,
        ending,
        failures: Vec::new(),
        took_ms: 1.0,
    })
}

fn detail(report: &NodeReport) -> &Detail {
    match &report.detail {
        Some(NodeDetail::Load(detail)) => detail,
        other => panic!("{other:?}"),
    }
}

fn judged_level(report: &NodeReport) -> Option<f64> {
    let detail = detail(report);
    detail.judged.map(|at| detail.rungs[at].level)
}

#[test]
fn the_judged_rung_is_the_highest_that_kept_the_bounds_below_the_lowest_that_did_not() {
    let with = spec(true);
    for (rungs, judged, proved) in [
        (
            vec![rung(1.0, false), rung(2.0, false)],
            Some(2.0),
            (Some(2.0), None),
        ),
        (
            vec![rung(1.0, false), rung(2.0, true)],
            Some(1.0),
            (Some(1.0), Some(2.0)),
        ),
        // A search: the order is not that of the levels.
        (
            vec![
                rung(4.0, false),
                rung(8.0, true),
                rung(6.0, false),
                rung(7.0, true),
            ],
            Some(6.0),
            (Some(6.0), Some(7.0)),
        ),
        // What kept them above one that did not proves nothing.
        (
            vec![rung(1.0, false), rung(2.0, true), rung(4.0, false)],
            Some(1.0),
            (Some(1.0), Some(2.0)),
        ),
        // A rung that fell behind kept nothing, whatever its numbers were.
        (
            vec![rung(1.0, false), saturated(2.0)],
            Some(1.0),
            (Some(1.0), Some(2.0)),
        ),
        (vec![rung(1.0, true)], None, (None, Some(1.0))),
    ] {
        let report = report(&with, rungs, Ending::Whole);
        assert_eq!(report.status, NodeStatus::Completed);
        assert_eq!(judged_level(&report), judged);
        let found = detail(&report).proved.unwrap();
        assert_eq!((found.kept, found.broke), proved);
        let highest = report.metrics.get("max_concurrency");
        assert_eq!(highest, judged.map(MetricValue::Scalar).as_ref());
    }
}

#[test]
fn without_bounds_it_is_the_highest_that_did_not_fall_behind() {
    let without = spec(false);
    let whole = report(
        &without,
        vec![rung(1.0, false), rung(2.0, false)],
        Ending::Whole,
    );
    assert_eq!(judged_level(&whole), Some(2.0));
    assert_eq!(
        (detail(&whole).proved, whole.metrics.get("max_concurrency")),
        (None, None)
    );
    assert_eq!(whole.metrics["achieved_rps"], MetricValue::Scalar(4.0));

    let stopped = report(
        &without,
        vec![rung(1.0, false), saturated(2.0)],
        Ending::Saturated,
    );
    assert_eq!(judged_level(&stopped), Some(1.0));
    assert_eq!(
        stopped.notes,
        ["the engine fell ever further behind at concurrency 2: levels above were not tried"]
    );
}

#[test]
fn without_a_rung_to_judge_there_is_the_success_rate_and_a_word() {
    let report = report(&spec(true), vec![rung(1.0, true)], Ending::Whole);
    assert_eq!(report.metrics.keys().collect::<Vec<_>>(), ["success_rate"]);
    assert_eq!(
        report.notes,
        ["the bounds were broken down to concurrency 1: there is no rung to judge"]
    );
}

#[test]
fn what_ended_early_or_never_succeeded_has_failed() {
    let because = "the engine stopped answering".to_owned();
    let ending = Ending::Early {
        because: because.clone(),
    };
    let early = report(&spec(false), vec![rung(1.0, false)], ending);
    assert_eq!(early.status, NodeStatus::Failed { because });
    assert_eq!(early.metrics.keys().collect::<Vec<_>>(), ["success_rate"]);

    let mut bad = rung(1.0, true);
    bad.n_failed = 4;
    let none = report(&spec(false), vec![bad], Ending::Whole);
    let because = "none of 4 requests succeeded".to_owned();
    assert_eq!(none.status, NodeStatus::Failed { because });
    assert_eq!(none.metrics["success_rate"], MetricValue::Scalar(0.0));
}
