//! From what came of every scenario to the node's report.
//!
//! Pure: the same runs give the same report.

use std::collections::BTreeMap;

use crate::load::reason::{reason, tally};
use crate::load::workload::tool_calling::judge::{Given, StepVerdict, WordsVerdict};
use crate::measure::kind::tool_calling::advice::{InForce, advice};
use crate::measure::kind::tool_calling::format::CallFormat;
use crate::measure::kind::tool_calling::{
    Check, Checks, Detail, FailedAnswer, LeakCount, Probe, Refusal, ScenarioResult, Way,
};
use crate::measure::metric::WorkloadKind;
use crate::measure::node::{MetricValue, NodeDetail, NodeReport, NodeStatus};
use crate::measure::request::RequestFailure;
use crate::measure::summary::Summary;
use crate::spec::workload::tool_calling::{Scenario, ScenarioClass, ToolCallingSpec};

/// Most different refusals that are kept.
const REFUSALS: usize = 5;

/// One scenario, asked once.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Its place among the scenarios.
    pub scenario: usize,
    pub way: Way,
    /// Which time it was asked in this way, from 0.
    pub round: u32,
    /// What came of each request, in their order.
    pub turns: Vec<Turn>,
}

/// One request of a scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    pub came: Came,
    /// To the first delta; `None` for a failed and for a whole answer.
    pub ttft_ms: Option<f64>,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Came {
    /// The answer to a step that needs calls.
    Calls { given: Given, verdict: StepVerdict },
    /// An answer in words.
    Words { given: Given, verdict: WordsVerdict },
    /// No answer; whether one with a call was needed.
    Nothing {
        failure: RequestFailure,
        needs_call: bool,
    },
}

/// What the summary is made of.
#[derive(Debug)]
pub struct Whole<'a> {
    pub node: &'a str,
    pub spec: &'a ToolCallingSpec,
    pub probe: Probe,
    pub runs: &'a [Run],
    /// Why it ended before all scenarios were asked.
    pub ended_early: Option<String>,
    pub took_ms: f64,
}

/// Sums up.
pub fn summarise(whole: &Whole<'_>) -> NodeReport {
    let detail = detail(whole);
    let mut n_requests = 0_u32;
    let mut failures: Vec<&RequestFailure> = Vec::new();
    for turn in whole.runs.iter().flat_map(|run| &run.turns) {
        n_requests += 1;
        if let Came::Nothing { failure, .. } = &turn.came {
            failures.push(failure);
        }
    }
    let n_failed = u32::try_from(failures.len()).unwrap_or(u32::MAX);
    let mut metrics = metrics(whole, &detail);
    if n_requests > 0 {
        let rate = f64::from(n_requests - n_failed) / f64::from(n_requests);
        metrics.insert("success_rate".to_owned(), MetricValue::Scalar(rate));
    }
    let mut notes = Vec::new();
    if n_failed > 0 {
        let told = tally(failures.iter().map(|failure| reason(failure)));
        notes.push(format!(
            "{n_failed} of {n_requests} requests failed: {told}"
        ));
    }
    if detail.probe.template_ignores_tools() {
        notes.extend(advice(
            &Detail {
                probe: detail.probe,
                ..Detail::default()
            },
            InForce::Unknown,
        ));
    }
    let status = match &whole.ended_early {
        Some(because) => NodeStatus::Failed {
            because: because.clone(),
        },
        None => NodeStatus::Completed,
    };
    NodeReport {
        node: whole.node.to_owned(),
        kind: WorkloadKind::ToolCalling,
        status,
        took_ms: Some(whole.took_ms),
        metrics,
        n_requests,
        n_failed,
        notes,
        // Whoever runs the node adds how its client did.
        client: None,
        detail: Some(NodeDetail::ToolCalling(detail)),
    }
}

fn metrics(whole: &Whole<'_>, detail: &Detail) -> BTreeMap<String, MetricValue> {
    let mut alone = Checks::default();
    let mut concurrent = Checks::default();
    for result in &detail.scenarios {
        match result.way {
            Way::Streamed | Way::Whole => alone.add(&result.checks),
            Way::Concurrent => concurrent.add(&result.checks),
        }
    }
    let mut metrics = BTreeMap::new();
    for check in Check::ALL {
        let concurrent_name = check.concurrent_metric();
        for (name, checks) in [
            (Some(check.metric()), &alone),
            (concurrent_name, &concurrent),
        ] {
            if let (Some(name), Some(value)) = (name, checks.get(check).value()) {
                metrics.insert(name.to_owned(), MetricValue::Scalar(value));
            }
        }
    }
    for (name, way) in [
        ("ttft_ms", Way::Streamed),
        ("ttft_concurrent_ms", Way::Concurrent),
    ] {
        let times: Vec<f64> = whole
            .runs
            .iter()
            .filter(|run| run.way == way)
            .flat_map(|run| run.turns.iter().filter_map(|turn| turn.ttft_ms))
            .collect();
        if let Some(summary) = Summary::of(&times) {
            metrics.insert(name.to_owned(), MetricValue::Distribution(summary));
        }
    }
    metrics
}

fn detail(whole: &Whole<'_>) -> Detail {
    let mut detail = Detail {
        probe: whole.probe,
        ..Detail::default()
    };
    let mut results: BTreeMap<(usize, Way), Checks> = BTreeMap::new();
    let mut leaks: BTreeMap<CallFormat, u32> = BTreeMap::new();
    for run in whole.runs {
        let scenario = &whole.spec.scenarios[run.scenario];
        results
            .entry((run.scenario, run.way))
            .or_default()
            .add(&checks(scenario, run));
        for (place, turn) in run.turns.iter().enumerate() {
            let (leak, swallowed) = match &turn.came {
                Came::Calls { verdict, .. } => (&verdict.leak, verdict.swallowed),
                Came::Words { verdict, .. } => (&verdict.leak, verdict.swallowed),
                Came::Nothing { failure, .. } => {
                    refuse(&mut detail.refusals, failure);
                    continue;
                }
            };
            detail.n_answers += 1;
            detail.n_swallowed += u32::from(swallowed);
            if let Some(leak) = leak {
                *leaks.entry(leak.format).or_default() += 1;
            }
            keep_failure(&mut detail, scenario, run.way, place, &turn.came);
        }
    }
    for (place, share) in agreements(whole.runs) {
        let checks = results.entry((place, Way::Streamed)).or_default();
        for held in share {
            checks.count(Check::StreamAgreement, held);
        }
    }
    detail.scenarios = results
        .into_iter()
        .map(|((place, way), checks)| ScenarioResult {
            scenario: whole.spec.scenarios[place].name.clone(),
            class: whole.spec.scenarios[place].class(),
            way,
            checks,
        })
        .collect();
    detail.leaks = leaks
        .into_iter()
        .map(|(format, n)| LeakCount { format, n })
        .collect();
    detail.leaks.sort_by_key(|leak| std::cmp::Reverse(leak.n));
    detail
}

/// The checks of one scenario that was asked once.
fn checks(scenario: &Scenario, run: &Run) -> Checks {
    let mut checks = Checks::default();
    let (mut n_right, mut n_called) = (0, 0);
    let mut ended_in_words = false;
    for turn in &run.turns {
        match &turn.came {
            Came::Calls { verdict, .. } => {
                checks.count(Check::Parsed, verdict.parsed);
                checks.count_if_asked(Check::RightFunction, verdict.right_function);
                checks.count_if_asked(Check::RightArguments, verdict.right_arguments);
                let valid = checks.0.entry(Check::ValidArguments).or_default();
                valid.add(verdict.valid_arguments);
                checks.count(Check::Leaked, verdict.leak.is_some());
                checks.count(Check::Swallowed, verdict.swallowed);
                n_called += usize::from(verdict.right_function == Some(true));
                n_right += usize::from(verdict.is_right());
            }
            Came::Words { verdict, .. } => {
                // Of an answer that was swallowed nobody knows whether it was a call.
                if scenario.class() == ScenarioClass::NoTool && !verdict.swallowed {
                    checks.count(Check::NoneCalled, verdict.none_called);
                }
                checks.count(Check::Leaked, verdict.leak.is_some());
                checks.count(Check::Swallowed, verdict.swallowed);
                ended_in_words = verdict.is_right();
            }
            Came::Nothing {
                needs_call: true, ..
            } => checks.count(Check::Parsed, false),
            Came::Nothing {
                needs_call: false, ..
            } => {}
        }
    }
    let n_steps = scenario.steps.len();
    let solved = match scenario.class() {
        ScenarioClass::Simple | ScenarioClass::Parallel => n_right == n_steps,
        ScenarioClass::Chained => {
            checks.count(Check::ChainCompleted, n_called == n_steps && ended_in_words);
            n_right == n_steps && ended_in_words
        }
        ScenarioClass::NoTool => ended_in_words,
    };
    checks.count(Check::Solved, solved);
    checks.0.retain(|_, share| share.of > 0);
    checks
}

/// For each scenario whether its streamed and whole answers agree, request by request, as long
/// as what was said before was the same.
fn agreements(runs: &[Run]) -> BTreeMap<usize, Vec<bool>> {
    let mut agreements: BTreeMap<usize, Vec<bool>> = BTreeMap::new();
    for streamed in runs.iter().filter(|run| run.way == Way::Streamed) {
        let Some(whole) = runs.iter().find(|run| {
            run.way == Way::Whole
                && (run.scenario, run.round) == (streamed.scenario, streamed.round)
        }) else {
            continue;
        };
        for (one, other) in streamed.turns.iter().zip(&whole.turns) {
            let (Some(one), Some(other)) = (one.came.given(), other.came.given()) else {
                break;
            };
            let held = one.agrees_with(other);
            agreements.entry(streamed.scenario).or_default().push(held);
            if !held {
                break;
            }
        }
    }
    agreements
}

impl Came {
    /// The answer, if there was one.
    pub fn given(&self) -> Option<&Given> {
        match self {
            Self::Calls { given, .. } | Self::Words { given, .. } => Some(given),
            Self::Nothing { .. } => None,
        }
    }

    fn faults(&self) -> &[String] {
        match self {
            Self::Calls { verdict, .. } => &verdict.faults,
            Self::Words { verdict, .. } => &verdict.faults,
            Self::Nothing { .. } => &[],
        }
    }
}

/// What an engine said when it refused; other failures are counted with the requests.
fn refuse(refusals: &mut Vec<Refusal>, failure: &RequestFailure) {
    let RequestFailure::Status { status, .. } = failure else {
        return;
    };
    if !(400..500).contains(status) {
        return;
    }
    let words = reason(failure);
    match refusals.iter().position(|known| known.words == words) {
        Some(place) => refusals[place].n += 1,
        None if refusals.len() < REFUSALS => refusals.push(Refusal { words, n: 1 }),
        None => {}
    }
}

fn keep_failure(detail: &mut Detail, scenario: &Scenario, way: Way, place: usize, came: &Came) {
    let (Some(given), [_, ..]) = (came.given(), came.faults()) else {
        return;
    };
    if detail.failures.len() >= FailedAnswer::KEPT {
        detail.n_more_failures += 1;
        return;
    }
    let calls = given.calls.iter().map(|call| {
        let name = &call.name;
        shortened(&format!("{name}({})", call.arguments))
    });
    detail.failures.push(FailedAnswer {
        scenario: scenario.name.clone(),
        way,
        step: u32::try_from(place + 1).unwrap_or(u32::MAX),
        why: shortened(&came.faults().join("; ")),
        text: shortened(&given.content),
        calls: calls.take(4).collect(),
    });
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(FailedAnswer::KEPT_CHARS) {
        Some((end, _)) => format!("{}..", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
