//! From graded answers to the node's report. Pure.

use std::collections::BTreeMap;

use crate::load::reason::{reason, tally};
use crate::measure::kind::reasoning::{AnswerDetail, CATEGORIES, Detail, KEPT_ANSWERS, KEPT_CHARS};
use crate::measure::metric::WorkloadKind;
use crate::measure::node::{MetricValue, NodeDetail, NodeReport, NodeStatus};
use crate::measure::request::Request;
use crate::measure::rubric::{Task, TaskGrade, Verdict, excerpt, proper};
use crate::measure::summary::Summary;
use crate::time_scale::TimeScale;

/// One task as it was asked once.
#[derive(Debug)]
pub struct Asked<'a> {
    pub task: &'a Task,
    pub iteration: u32,
    pub request: Request,
    /// What the model said, without the reasoning that the server told apart.
    pub content: String,
    /// `None` where the request failed.
    pub grade: Option<TaskGrade>,
}

/// What a node did.
#[derive(Debug)]
pub struct Run<'a> {
    pub node: &'a str,
    pub asked: &'a [Asked<'a>],
    /// Why it ended before its last task.
    pub early: Option<String>,
    pub scale: TimeScale,
    /// Without the time that grading took.
    pub took_ms: f64,
}

/// The report of a node.
pub fn summarise(run: &Run<'_>) -> NodeReport {
    let n_requests = run.asked.len();
    let n_failed = run
        .asked
        .iter()
        .filter(|asked| asked.request.failure.is_some())
        .count();
    let status = status(run, n_requests, n_failed);
    let mut metrics = BTreeMap::new();
    if n_requests > 0 {
        let share = (n_requests - n_failed) as f64 / n_requests as f64;
        metrics.insert("success_rate".to_owned(), MetricValue::Scalar(share));
    }
    if status == NodeStatus::Completed {
        add_metrics(run, &mut metrics);
    }
    NodeReport {
        node: run.node.to_owned(),
        kind: WorkloadKind::Reasoning,
        status,
        took_ms: Some(run.took_ms),
        metrics,
        n_requests: n_requests as u32,
        n_failed: n_failed as u32,
        notes: notes(run),
        client: None,
        detail: Some(NodeDetail::Reasoning(Detail {
            answers: details(run),
        })),
    }
}

fn status(run: &Run<'_>, n_requests: usize, n_failed: usize) -> NodeStatus {
    let failures = || tally(failures(run));
    let because = match &run.early {
        Some(because) => because.clone(),
        None if n_failed == n_requests => format!("no request succeeded: {}", failures()),
        None if 2 * n_failed > n_requests => {
            format!("{n_failed} of {n_requests} requests failed: {}", failures())
        }
        None => return NodeStatus::Completed,
    };
    NodeStatus::Failed { because }
}

fn failures<'a>(run: &'a Run<'_>) -> impl Iterator<Item = String> + 'a {
    run.asked
        .iter()
        .filter_map(|asked| asked.request.failure.as_ref().map(reason))
}

fn add_metrics(run: &Run<'_>, metrics: &mut BTreeMap<String, MetricValue>) {
    let scale = run.scale;
    let of_requests = |value: &dyn Fn(&Asked<'_>) -> Option<f64>| -> Option<MetricValue> {
        let values: Vec<f64> = run.asked.iter().filter_map(value).collect();
        Summary::of(&values).map(MetricValue::Distribution)
    };
    let output = |asked: &Asked<'_>| {
        let succeeded = asked.request.failure.is_none();
        let usage = asked.request.usage.filter(|_| succeeded)?;
        (usage.output > 0).then_some(usage.output as f64)
    };
    // Where thoughts stand in the content, its first token is none of the answer.
    let first_answer = |asked: &Asked<'_>| {
        let told_apart = !proper(&asked.content).thought_inside;
        asked.request.ttfa_ms(scale).filter(|_| told_apart)
    };
    let distributions = [
        (
            "ttft_ms",
            of_requests(&|asked| asked.request.ttft_ms(scale)),
        ),
        ("ttfa_ms", of_requests(&first_answer)),
        ("e2e_ms", of_requests(&|asked| asked.request.e2e_ms(scale))),
        (
            "tokens_per_second",
            of_requests(&|asked| asked.request.tokens_per_second(scale)),
        ),
        ("output_tokens", of_requests(&output)),
    ];
    for (name, value) in distributions {
        metrics.extend(value.map(|value| (name.to_owned(), value)));
    }
    let mut add = |name: String, share: Option<f64>| {
        metrics.extend(share.map(|share| (name, MetricValue::Scalar(share))));
    };
    add("quality".to_owned(), quality(run, |_| true));
    for category in CATEGORIES {
        let share = quality(run, |task| task.category == *category);
        add(format!("quality_{category}"), share);
    }
    let answers = run.asked.iter().filter(|a| a.request.failure.is_none());
    let n_answers = answers.clone().count();
    if n_answers > 0 {
        let n_cut = answers.filter(|asked| is_cut(&asked.request)).count();
        add(
            "truncated".to_owned(),
            Some(n_cut as f64 / n_answers as f64),
        );
    }
}

fn is_cut(request: &Request) -> bool {
    request.finish_reason.as_deref() == Some("length")
}

/// Points over all points of the tasks. `None` when one of them has no grade: a quality over
/// fewer checks would be of another examination than that of the next cell.
fn quality(run: &Run<'_>, wanted: impl Fn(&Task) -> bool) -> Option<f64> {
    let (mut got, mut of) = (0.0, 0.0);
    for asked in run.asked.iter().filter(|asked| wanted(asked.task)) {
        got += asked.grade.as_ref()?.share()? * asked.task.weight;
        of += asked.task.weight;
    }
    (of > 0.0).then(|| got / of)
}

fn notes(run: &Run<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    let failed: Vec<String> = failures(run).collect();
    if !failed.is_empty() {
        notes.push(format!("failed requests: {}", tally(failed)));
    }
    let ungraded: Vec<String> = run
        .asked
        .iter()
        .filter_map(|asked| asked.grade.as_ref())
        .flat_map(|grade| &grade.checks)
        .filter_map(|check| match &check.verdict {
            Verdict::NotGraded { because } => Some(because.clone()),
            Verdict::Passed | Verdict::Partly { .. } | Verdict::Lost { .. } => None,
        })
        .collect();
    if !ungraded.is_empty() {
        notes.push(format!("checks that were not graded: {}", tally(ungraded)));
    }
    let n_inside = run
        .asked
        .iter()
        .filter(|asked| proper(&asked.content).thought_inside)
        .count();
    if n_inside > 0 {
        notes.push(format!(
            "{n_inside} answers hold their reasoning in the content: they have no ttfa_ms; set \
             `reasoning-parser` in the profile to have it told apart"
        ));
    }
    notes
}

fn details(run: &Run<'_>) -> Vec<AnswerDetail> {
    let mut n_kept = 0;
    run.asked
        .iter()
        .map(|asked| {
            let lost: Vec<_> = asked
                .grade
                .iter()
                .flat_map(TaskGrade::lost)
                .cloned()
                .collect();
            let keeps = !lost.is_empty() && n_kept < KEPT_ANSWERS;
            n_kept += usize::from(keeps);
            AnswerDetail {
                task: asked.task.name.clone(),
                category: asked.task.category.clone(),
                iteration: asked.iteration,
                share: asked.grade.as_ref().and_then(TaskGrade::share),
                output_tokens: asked.request.usage.map(|usage| usage.output),
                finish_reason: asked.request.finish_reason.clone(),
                failure: asked.request.failure.as_ref().map(reason),
                lost,
                answer: keeps.then(|| excerpt(proper(&asked.content).text, KEPT_CHARS)),
            }
        })
        .collect()
}
