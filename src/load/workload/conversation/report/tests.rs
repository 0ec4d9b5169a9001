//! Reports of conversations against numbers worked out by hand.

use super::*;

/// Two conversations of three turns: prompts of 100, 250 and 400 tokens, answers of 50.
fn talk(cached: Option<[u64; 3]>) -> Vec<Sent> {
    let times = [[100.0, 110.0, 120.0], [200.0, 210.0, 242.0]];
    let mut sent = Vec::new();
    for (conversation, e2e) in (0..).zip(times) {
        for (turn, prompt) in (0..).zip([100, 250, 400]) {
            let place = turn as usize;
            sent.push(Sent {
                conversation,
                turn,
                measured: Ok(Measured {
                    ttft_ms: e2e[place] / 10.0,
                    e2e_ms: e2e[place],
                    tokens_per_second: Some(40.0),
                    usage: Usage {
                        prompt,
                        output: 50,
                        cached: cached.map(|cached| cached[place]),
                    },
                }),
            });
        }
    }
    sent
}

fn run(sent: &[Sent]) -> Run<'_> {
    Run {
        node: "talk",
        turns: 3,
        block_size: Some(16),
        sent,
        counters: None,
        ended_early: None,
        took_ms: 1.0,
    }
}

fn scalar(report: &NodeReport, name: &str) -> Option<f64> {
    match report.metrics.get(name)? {
        MetricValue::Scalar(value) => Some(*value),
        MetricValue::Distribution(_) => panic!("{name} is a distribution"),
    }
}

fn p50(report: &NodeReport, name: &str) -> f64 {
    match &report.metrics[name] {
        MetricValue::Distribution(summary) => summary.p50,
        MetricValue::Scalar(_) => panic!("{name} is one number"),
    }
}

fn counters(queries: f64, hits: f64) -> PrefixCounters {
    PrefixCounters {
        queries: Some(queries),
        hits: Some(hits),
        prompt_tokens: None,
    }
}

#[test]
fn every_metric_is_what_a_hand_computes() {
    let sent = talk(Some([0, 144, 288]));
    let report = summarise(&run(&sent));
    assert_eq!(report.status, NodeStatus::Completed);
    assert_eq!((report.n_requests, report.n_failed), (6, 0));
    assert_eq!(p50(&report, "ttft_first_turn_ms"), 15.0);
    assert_eq!(p50(&report, "ttft_later_ms"), (12.0 + 21.0) / 2.0);
    assert_eq!(p50(&report, "e2e_ms"), 160.0);
    assert_eq!(p50(&report, "tokens_per_second"), 40.0);
    // Per conversation 432 of 750 tokens. Seen before: 150 and 300, of which 144 and 288 are
    // whole blocks.
    assert_eq!(scalar(&report, "cached_fraction"), Some(432.0 / 750.0));
    assert_eq!(scalar(&report, "eligible_cached_fraction"), Some(1.0));
    // 120/100 and 242/200, their geometric mean.
    let ratio = (1.2_f64 * 1.21).sqrt();
    assert!((scalar(&report, "degradation_ratio").unwrap() - ratio).abs() < 1e-12);
    let percent = scalar(&report, "degradation_pct").unwrap();
    assert!((percent - (ratio - 1.0) * 100.0).abs() < 1e-9);
    assert_eq!(scalar(&report, "success_rate"), Some(1.0));
    assert!(report.notes.is_empty(), "{:?}", report.notes);
    let Some(NodeDetail::Conversation(detail)) = &report.detail else {
        panic!("no detail")
    };
    assert_eq!(
        detail.turns[1],
        Turn {
            turn: 2,
            n: 2,
            ttft_ms: 16.0,
            e2e_ms: 160.0,
            prompt_tokens: 250.0,
            cached_tokens: Some(144.0),
        }
    );
    assert_eq!(detail.degradation.unwrap().n, 2);
    // Slopes of all pairs with different prompts, of both conversations.
    let mut slopes: Vec<f64> = Vec::new();
    for (x1, y1) in [(100.0, 100.0), (100.0, 200.0)] {
        for (x2, y2) in [
            (250.0, 110.0),
            (250.0, 210.0),
            (400.0, 120.0),
            (400.0, 242.0),
        ] {
            slopes.push((y2 - y1) / (x2 - x1));
        }
    }
    for y1 in [110.0, 210.0] {
        for y2 in [120.0, 242.0] {
            slopes.push((y2 - y1) / 150.0);
        }
    }
    slopes.sort_by(f64::total_cmp);
    let median = (slopes[5] + slopes[6]) / 2.0;
    let growth = scalar(&report, "degradation_ms_per_1000_tokens").unwrap();
    assert!((growth - median * 1000.0).abs() < 1e-9);
}

#[test]
fn a_cached_system_prompt_does_not_make_up_for_lost_history() {
    let share = |cached| {
        let sent = talk(Some(cached));
        scalar(&summarise(&run(&sent)), "eligible_cached_fraction").unwrap()
    };
    // First turns find 48 tokens; half of the 432 eligible ones are gone.
    assert_eq!(share([48, 72, 144]), 0.5);
    // More than what the conversation itself had left is no more than all of it.
    assert_eq!(share([48, 208, 144]), (144.0 + 144.0) / 432.0);
}

#[test]
fn without_cached_tokens_of_each_request_the_counters_of_the_engine_tell() {
    let sent = talk(None);
    let told = |before, after| {
        let report = summarise(&Run {
            counters: Some((before, after)),
            ..run(&sent)
        });
        scalar(&report, "cached_fraction")
    };
    let start = counters(1000.0, 10.0);
    assert_eq!(told(start, counters(2500.0, 760.0)), Some(0.5));
    // Somebody else asked, or a failed turn was counted: nothing is proved.
    assert_eq!(told(start, counters(2501.0, 760.0)), None);
    let nothing = summarise(&run(&sent));
    assert_eq!(scalar(&nothing, "eligible_cached_fraction"), None);
    assert!(nothing.notes[0].contains("enable-prompt-tokens-details"));
}

#[test]
fn a_failed_turn_ends_its_conversation_and_half_of_them_may_fail() {
    let mut sent = talk(None);
    sent.truncate(5);
    sent[4].measured = Err("cut (x)".to_owned());
    let report = summarise(&run(&sent));
    assert_eq!(report.status, NodeStatus::Completed);
    assert_eq!(scalar(&report, "success_rate"), Some(0.8));
    // Only the whole one is compared.
    assert!((scalar(&report, "degradation_ratio").unwrap() - 1.2).abs() < 1e-12);
    assert!(
        report.notes[0].contains("1 x cut (x)"),
        "{:?}",
        report.notes
    );

    sent.truncate(1);
    sent[0].measured = Err("HTTP 500 (x)".to_owned());
    let failed = summarise(&run(&sent));
    let because = "1 of 1 conversations failed: 1 x HTTP 500 (x)".to_owned();
    assert_eq!(failed.status, NodeStatus::Failed { because });
    assert_eq!(failed.metrics.keys().collect::<Vec<_>>(), ["success_rate"]);
}

#[test]
fn what_ended_early_has_failed() {
    let sent = talk(None);
    let because = "the engine stopped answering: x".to_owned();
    let report = summarise(&Run {
        ended_early: Some(because.clone()),
        ..run(&sent)
    });
    assert_eq!(report.status, NodeStatus::Failed { because });
    let none = summarise(&run(&[]));
    assert!(matches!(none.status, NodeStatus::Failed { .. }));
    assert!(none.metrics.is_empty());
}
