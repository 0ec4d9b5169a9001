//! The `command` workload: an outside tool measures the engine, and a declared mapping takes its
//! numbers out of its JSON. The tool runs where the runtime lets it; what it says is kept with
//! secrets replaced.

use std::collections::BTreeMap;

use serde_json::Value;
use tokio::time::Instant;

use crate::load::workload::context::NodeContext;
use crate::measure::kind::command::{Detail, KEPT_CHARS};
use crate::measure::metric::{MetricDef, Scale, Unit, WorkloadKind};
use crate::measure::node::{MetricValue, NodeDetail, NodeReport, NodeStatus};
use crate::measure::rubric::json_in;
use crate::runner::ports::{CommandPlace, OutsideCommand, ProgramEnd, Target};
use crate::spec::workload::command::{CommandSpec, Output, Place};
use crate::time_scale::TimeScale;

/// Lines of what a failed command said last, for the reason.
const LAST_LINES: usize = 3;

/// Runs it.
pub async fn run(context: &NodeContext<'_>, spec: &CommandSpec) -> NodeReport {
    let mut passed = Vec::new();
    for name in &spec.pass_env {
        match std::env::var(name) {
            Ok(value) => passed.push((name.clone(), value)),
            Err(_) => return context.failed(format!("the variable {name} is not set")),
        }
    }
    let target = context.server.target();
    let seen = context
        .beside
        .engine_url()
        .filter(|_| spec.place == Place::Engine);
    let url = seen.unwrap_or_else(|| target.base_url.clone());
    let out = match spec.place {
        Place::Engine => format!("/tmp/gridrun-{}.json", context.node),
        Place::Host => {
            let name = format!("gridrun-{}-{}.json", std::process::id(), context.node);
            std::env::temp_dir().join(name).display().to_string()
        }
    };
    let arguments = filled(&spec.run, &url, &target.model, &out);
    let command = outside(spec, target, arguments.clone(), passed, &out);
    let started = Instant::now();
    let ended = context.beside.command(&command).await;
    let took_ms = started.elapsed().as_secs_f64() * 1000.0;
    let end = match ended {
        Ok(end) => end,
        Err(error) => {
            let mut report = context.failed(format!("the command was not run: {error}"));
            report.detail = Some(NodeDetail::Command(Detail {
                command: arguments,
                exit_code: None,
                said: String::new(),
            }));
            return report;
        }
    };
    let mut report = summarise(context.node, spec, &end, took_ms);
    if context.server.scale() != TimeScale::ONE {
        report.notes.push(
            "the tool's numbers are by this machine's clock, whatever the speed of the stand-in"
                .to_owned(),
        );
    }
    report.detail = Some(NodeDetail::Command(Detail {
        command: arguments,
        exit_code: end.exit_code,
        said: said(&end),
    }));
    report
}

/// The arguments with the values of the attempt. The key is never one of them: other users of a
/// host see arguments.
fn filled(run: &[String], url: &str, model: &str, out: &str) -> Vec<String> {
    let address = url.split("://").last().unwrap_or(url);
    let (host, port) = address.rsplit_once(':').unwrap_or((address, "80"));
    run.iter()
        .map(|argument| {
            argument
                .replace("{url}", url)
                .replace("{host}", host)
                .replace("{port}", port)
                .replace("{model}", model)
                .replace("{out}", out)
        })
        .collect()
}

fn outside(
    spec: &CommandSpec,
    target: &Target,
    arguments: Vec<String>,
    passed: Vec<(String, String)>,
    out: &str,
) -> OutsideCommand {
    let mut secrets = vec![target.api_key.clone()];
    secrets.extend(passed.iter().map(|(_, value)| value.clone()));
    // The name under which tools that speak OpenAI's API look for their key.
    let mut env = vec![("OPENAI_API_KEY".to_owned(), target.api_key.clone())];
    env.extend(passed);
    OutsideCommand {
        arguments,
        place: match spec.place {
            Place::Host => CommandPlace::Host,
            Place::Engine => CommandPlace::Engine,
        },
        env,
        timeout: spec.timeout,
        output: (spec.output == Output::File).then(|| out.to_owned()),
        secrets,
    }
}

/// The report of a command that was run, without its detail. Pure.
fn summarise(node: &str, spec: &CommandSpec, end: &ProgramEnd, took_ms: f64) -> NodeReport {
    let mut report = NodeReport {
        node: node.to_owned(),
        kind: WorkloadKind::Command,
        status: NodeStatus::Completed,
        took_ms: Some(took_ms),
        metrics: BTreeMap::new(),
        n_requests: 0,
        n_failed: 0,
        notes: Vec::new(),
        client: None,
        detail: None,
    };
    let failed = |because: String| NodeStatus::Failed { because };
    if end.timed_out {
        report.status = failed(format!(
            "the command did not end within {} s",
            spec.timeout.as_secs()
        ));
        return report;
    }
    if end.exit_code != Some(0) {
        let code = end
            .exit_code
            .map_or_else(|| "a signal".to_owned(), |code| code.to_string());
        report.status = failed(format!(
            "the command ended with {code}: {}",
            last_words(end)
        ));
        return report;
    }
    let Some(json) = json_of(spec, end) else {
        let place = match spec.output {
            Output::Stdout => "its standard output",
            Output::File => "the file that it was to write",
        };
        report.status = failed(format!("{place} holds no JSON: {}", last_words(end)));
        return report;
    };
    let mut missing = Vec::new();
    for mapped in &spec.mapping {
        let number = json.pointer(&mapped.pointer).and_then(Value::as_f64);
        let def = spec
            .metrics
            .iter()
            .find(|metric| metric.name == mapped.name);
        match (number.map(|number| number * mapped.factor), def) {
            (Some(value), Some(def)) if fits(value, def) => {
                let value = MetricValue::Scalar(value);
                report.metrics.insert(mapped.name.clone(), value);
            }
            (Some(value), _) => missing.push(format!("{} is {value}", mapped.name)),
            (None, _) => missing.push(format!("{} is not there", mapped.name)),
        }
    }
    add_success_rate(spec, &mut report);
    if report.metrics.is_empty() {
        report.status = failed(format!("none of its numbers: {}", missing.join(", ")));
    } else if !missing.is_empty() {
        report
            .notes
            .push(format!("numbers that are missing: {}", missing.join(", ")));
    }
    report
}

/// Requests of the tool, where its JSON tells them.
fn add_success_rate(spec: &CommandSpec, report: &mut NodeReport) {
    let wanted = spec
        .metrics
        .iter()
        .any(|metric| metric.name == "success_rate");
    let number = |name: &str| match report.metrics.get(name) {
        Some(MetricValue::Scalar(value)) => Some(*value),
        _ => None,
    };
    if !wanted || report.metrics.contains_key("success_rate") {
        return;
    }
    let (Some(completed), Some(failed)) = (number("completed"), number("failed")) else {
        return;
    };
    let all = completed + failed;
    if completed >= 0.0 && failed >= 0.0 && all > 0.0 {
        // Casts of floats saturate, and no tool sends so many requests.
        report.n_requests = all as u32;
        report.n_failed = failed as u32;
        let share = MetricValue::Scalar(completed / all);
        report.metrics.insert("success_rate".to_owned(), share);
    }
}

/// Whether a number can be one of its metric.
fn fits(value: f64, def: &MetricDef) -> bool {
    value.is_finite()
        && match (def.scale, def.unit) {
            (Scale::Ratio, _) => value > 0.0,
            (Scale::Proportion, Unit::Percent) => (0.0..=100.0).contains(&value),
            (Scale::Proportion, _) => (0.0..=1.0).contains(&value),
            (Scale::Signed, _) => true,
        }
}

fn json_of(spec: &CommandSpec, end: &ProgramEnd) -> Option<Value> {
    match spec.output {
        Output::File => serde_json::from_str(end.output.as_deref()?).ok(),
        // Tools say other things before; the numbers are the last that they say.
        Output::Stdout => json_in(&end.stdout)
            .into_iter()
            .rev()
            .find(|value| value.is_object() || value.is_array()),
    }
}

fn last_words(end: &ProgramEnd) -> String {
    let text = match end.stderr.trim() {
        "" => end.stdout.trim(),
        text => text,
    };
    let lines: Vec<&str> = text.lines().rev().take(LAST_LINES).collect();
    match lines.is_empty() {
        true => "it said nothing".to_owned(),
        false => lines.into_iter().rev().collect::<Vec<_>>().join(" | "),
    }
}

fn said(end: &ProgramEnd) -> String {
    let all = format!("{}\n{}", end.stdout.trim_end(), end.stderr.trim_end());
    let all = all.trim();
    let n = all.chars().count();
    all.chars().skip(n.saturating_sub(KEPT_CHARS)).collect()
}

#[cfg(test)]
mod tests;
