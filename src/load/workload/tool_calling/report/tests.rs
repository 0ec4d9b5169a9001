//! Tests of the summary: which denominators count what.

use super::{Came, Run, Turn, Whole, summarise};
use crate::load::stream::ToolCall;
use crate::load::workload::tool_calling::fixture;
use crate::load::workload::tool_calling::judge::{Given, Judge};
use crate::measure::kind::tool_calling::format::CallFormat;
use crate::measure::kind::tool_calling::{
    Check, Detail, FailedAnswer, LeakCount, Probe, PromptTokens, Way,
};
use crate::measure::node::{MetricValue, NodeDetail, NodeReport, NodeStatus};
use crate::measure::request::RequestFailure;
use crate::spec::workload::tool_calling::ToolCallingSpec;

/// What a request of a test brings.
#[derive(Debug, Clone)]
enum Bring {
    Call(&'static str, &'static str),
    Text(&'static str),
    Refused,
}

use Bring::{Call, Refused, Text};

const ADA: Bring = Call("find", r#"{"name": "Ada"}"#);
const PAY: Bring = Call("pay", r#"{"id": 7}"#);
const LEAK: Bring = Text("<tool_call>\n{\"name\": \"find\", \"arguments\": {}}\n</tool_call>");

fn run(spec: &ToolCallingSpec, scenario: usize, way: Way, brings: &[Bring]) -> Run {
    let judge = Judge::new(spec).unwrap();
    let asked = &spec.scenarios[scenario];
    let turns = brings.iter().enumerate().map(|(place, bring)| {
        let step = asked.steps.get(place);
        let given = match bring {
            Call(name, arguments) => Given {
                calls: vec![ToolCall {
                    id: None,
                    name: (*name).to_owned(),
                    arguments: (*arguments).to_owned(),
                }],
                output_tokens: Some(9),
                ..Given::default()
            },
            Text(text) => Given {
                content: (*text).to_owned(),
                output_tokens: Some(9),
                ..Given::default()
            },
            Refused => {
                let failure = RequestFailure::Status {
                    status: 400,
                    body: "\"auto\" tool choice requires --tool-call-parser".to_owned(),
                };
                let needs_call = step.is_some();
                let came = Came::Nothing {
                    failure,
                    needs_call,
                };
                return Turn {
                    came,
                    ttft_ms: None,
                };
            }
        };
        let came = match step {
            Some(expected) => {
                let verdict = judge.step(asked, expected, &given);
                Came::Calls { given, verdict }
            }
            None => {
                let verdict = judge.words(asked, &asked.answer, &given);
                Came::Words { given, verdict }
            }
        };
        let ttft_ms = (way != Way::Whole).then_some(20.0);
        Turn { came, ttft_ms }
    });
    Run {
        scenario,
        way,
        round: 0,
        turns: turns.collect(),
    }
}

fn report(runs: &[(usize, Way, &[Bring])]) -> NodeReport {
    let spec = fixture::spec();
    let runs: Vec<Run> = runs
        .iter()
        .map(|(scenario, way, brings)| run(&spec, *scenario, *way, brings))
        .collect();
    summarise(&Whole {
        node: "tools",
        spec: &spec,
        probe: Probe::default(),
        runs: &runs,
        ended_early: None,
        took_ms: 5.0,
    })
}

fn metric(report: &NodeReport, name: &str) -> Option<f64> {
    match report.metrics.get(name)? {
        MetricValue::Scalar(value) => Some(*value),
        MetricValue::Distribution(summary) => Some(f64::from(summary.n)),
    }
}

fn detail(report: &NodeReport) -> &Detail {
    match &report.detail {
        Some(NodeDetail::ToolCalling(detail)) => detail,
        other => panic!("{other:?}"),
    }
}

#[test]
fn all_right_is_one_everywhere_and_what_was_not_asked_is_missing() {
    let both = |scenario, brings: &'static [Bring]| {
        [Way::Streamed, Way::Whole].map(|way| (scenario, way, brings))
    };
    const DONE: Bring = Text("Paid, receipt R9.");
    let runs = [
        both(0, &[ADA]),
        both(1, &[ADA, PAY, DONE]),
        both(2, &[Text("Hello!")]),
    ];
    let report = report(&runs.concat());
    for name in [
        "parsed",
        "right_function",
        "valid_arguments",
        "right_arguments",
        "chain_completed",
        "none_called",
        "stream_agreement",
        "solved",
        "success_rate",
    ] {
        assert_eq!(metric(&report, name), Some(1.0), "{name}");
    }
    for name in ["leaked", "swallowed"] {
        assert_eq!(metric(&report, name), Some(0.0), "{name}");
    }
    for name in [
        "parsed_concurrent",
        "leaked_concurrent",
        "solved_concurrent",
        "ttft_concurrent_ms",
    ] {
        assert_eq!(metric(&report, name), None, "{name}");
    }
    // Streamed requests alone: 1 + 3 + 1.
    assert_eq!(metric(&report, "ttft_ms"), Some(5.0));
    assert_eq!((report.n_requests, report.n_failed), (10, 0));
    assert_eq!(detail(&report).n_answers, 10);
    assert!(detail(&report).failures.is_empty() && report.notes.is_empty());
}

/// A server that answers every request and parses no call must not look like one that works.
#[test]
fn a_server_that_leaks_every_call_succeeds_and_scores_nothing() {
    let report = report(&[
        (0, Way::Streamed, &[LEAK]),
        (0, Way::Whole, &[LEAK]),
        (1, Way::Streamed, &[LEAK]),
        (2, Way::Streamed, &[Text("Hello!")]),
        (0, Way::Concurrent, &[LEAK]),
    ]);
    assert_eq!(metric(&report, "success_rate"), Some(1.0));
    assert_eq!(metric(&report, "parsed"), Some(0.0));
    assert_eq!(metric(&report, "leaked"), Some(0.75));
    assert_eq!(metric(&report, "solved"), Some(0.25));
    assert_eq!(metric(&report, "chain_completed"), Some(0.0));
    assert_eq!(metric(&report, "parsed_concurrent"), Some(0.0));
    assert_eq!(metric(&report, "solved_concurrent"), Some(0.0));
    assert_eq!(metric(&report, "leaked_concurrent"), Some(1.0));
    for name in ["right_function", "valid_arguments", "right_arguments"] {
        assert_eq!(metric(&report, name), None, "{name} could not be asked");
    }
    let leaks = [LeakCount {
        format: CallFormat::Hermes,
        n: 4,
    }];
    assert_eq!(detail(&report).leaks, leaks);
    assert_eq!(detail(&report).failures.len(), 4);
    assert!(
        detail(&report).failures[0]
            .why
            .contains("as text in Hermes form")
    );
}

#[test]
fn a_refused_request_brings_no_call_and_its_words_are_kept() {
    let report = report(&[
        (0, Way::Streamed, &[Refused]),
        (0, Way::Whole, &[Refused]),
        (2, Way::Streamed, &[Refused]),
    ]);
    assert_eq!(report.status, NodeStatus::Completed);
    assert_eq!(metric(&report, "parsed"), Some(0.0));
    assert_eq!(metric(&report, "success_rate"), Some(0.0));
    assert_eq!(metric(&report, "none_called"), None);
    assert_eq!(metric(&report, "leaked"), None);
    assert_eq!(metric(&report, "stream_agreement"), None);
    assert_eq!((report.n_requests, report.n_failed), (3, 3));
    assert!(report.notes[0].starts_with("3 of 3 requests failed: 3 x HTTP 400 (\"auto\""));
    let refusals = &detail(&report).refusals;
    assert_eq!((refusals.len(), refusals[0].n), (1, 3));
}

#[test]
fn an_answer_that_was_swallowed_does_not_show_that_nothing_was_called() {
    let report = report(&[
        (2, Way::Streamed, &[Text("")]),
        (2, Way::Whole, &[Text("")]),
    ]);
    assert_eq!(metric(&report, "swallowed"), Some(1.0));
    assert_eq!(metric(&report, "none_called"), None);
    assert_eq!(metric(&report, "solved"), Some(0.0));
}

#[test]
fn streamed_and_whole_are_compared_until_they_part() {
    let report = report(&[
        (1, Way::Streamed, &[ADA, PAY, Text("R9")]),
        (
            1,
            Way::Whole,
            &[ADA, Call("pay", r#"{"id": 8}"#), Text("R9")],
        ),
        (0, Way::Streamed, &[ADA]),
        (0, Way::Whole, &[LEAK]),
        (2, Way::Streamed, &[Text("Hello!")]),
        (2, Way::Whole, &[Refused]),
    ]);
    // The chain agrees once and parts; the simple one parts; nothing can be said of the last.
    let agreement = metric(&report, "stream_agreement").unwrap();
    assert!((agreement - 1.0 / 3.0).abs() < 1e-12, "{agreement}");
    let chain = detail(&report)
        .scenarios
        .iter()
        .find(|result| result.scenario == "chain" && result.way == Way::Streamed)
        .unwrap();
    let share = chain.checks.get(Check::StreamAgreement);
    assert_eq!((share.n, share.of), (1, 2));
}

#[test]
fn a_chain_is_completed_by_the_right_functions_and_solved_by_the_right_arguments() {
    let wrong = Call("find", r#"{"name": "Bo"}"#);
    let report = report(&[(1, Way::Streamed, &[wrong, PAY, Text("R9")])]);
    assert_eq!(metric(&report, "chain_completed"), Some(1.0));
    assert_eq!(metric(&report, "right_arguments"), Some(0.5));
    assert_eq!(metric(&report, "solved"), Some(0.0));
    let report = self::report(&[(1, Way::Streamed, &[ADA, PAY, Text("no word of it")])]);
    assert_eq!(metric(&report, "chain_completed"), Some(0.0));
}

#[test]
fn what_is_kept_to_read_is_bounded() {
    let spec = fixture::spec();
    let long: &'static str = Box::leak("é".repeat(5000).into_boxed_str());
    let runs: Vec<Run> = (0..40)
        .map(|round| Run {
            round,
            ..run(&spec, 0, Way::Concurrent, &[Text(long)])
        })
        .collect();
    let report = summarise(&Whole {
        node: "tools",
        spec: &spec,
        probe: Probe {
            prompt_tokens: Some(PromptTokens {
                with_tools: 8,
                without_tools: 8,
            }),
            writes: None,
        },
        runs: &runs,
        ended_early: Some("the engine stopped answering".to_owned()),
        took_ms: 5.0,
    });
    let detail = detail(&report);
    assert_eq!(detail.failures.len(), FailedAnswer::KEPT);
    assert_eq!(detail.n_more_failures, 40 - FailedAnswer::KEPT as u32);
    let kept = detail.failures[0].text.chars().count();
    assert!(kept <= FailedAnswer::KEPT_CHARS + 2, "{kept}");
    assert!(report.notes[0].starts_with("the chat template ignores the tools"));
    assert!(matches!(report.status, NodeStatus::Failed { .. }));
}
