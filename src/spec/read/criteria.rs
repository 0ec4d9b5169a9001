//! Objectives and gates that are given by hand, as arguments, against the workloads of an
//! experiment that was already read.

use crate::measure::metric::MetricDef;
use crate::spec::diagnostic::{Diagnostic, FileRole, Span};
use crate::spec::experiment::{Gate, Goal, Objective, OnMiss, Workload};
use crate::spec::read::metric::NodeName;
use crate::spec::read::walk::{Node, Reader};

/// Reads `METRIC:min[:WEIGHT]` or `METRIC:max[:WEIGHT]`, METRIC being `NODE.METRIC[.STAT]`.
///
/// # Errors
/// What is wrong with it and what would do, as one sentence.
pub fn objective(text: &str, workloads: &[Workload]) -> Result<Objective, String> {
    let usage = "expected METRIC:min or METRIC:max, with a weight behind it where there are several: \
                 chat.ttft_ms.p95:min:2";
    let mut parts = text.split(':');
    let metric = parts.next().unwrap_or_default();
    let goal = match parts.next() {
        Some("min") => Goal::Min,
        Some("max") => Goal::Max,
        Some(other) => return Err(format!("`{other}` is no goal: {usage}")),
        None => return Err(format!("it has no goal: {usage}")),
    };
    let weight = match parts.next() {
        None => 1.0,
        Some(weight) => weight
            .parse()
            .ok()
            .filter(|weight: &f64| weight.is_finite() && *weight > 0.0)
            .ok_or_else(|| format!("the weight `{weight}` is no number above 0"))?,
    };
    if parts.next().is_some() {
        return Err(format!("there is something behind the weight: {usage}"));
    }
    let metric = with_text(metric, |reader, node| {
        let resolved = reader.metric(node, &names(workloads))?;
        let may = reader.is_objective(node, &resolved);
        may.then_some(resolved.metric)
    })?;
    Ok(Objective {
        metric,
        goal,
        weight,
        at: Span::default(),
    })
}

/// Reads `NODE.METRIC[.STAT] OP NUMBER UNIT`.
///
/// # Errors
/// What is wrong with it and what would do, as one sentence.
pub fn gate(text: &str, workloads: &[Workload]) -> Result<Gate, String> {
    let condition = with_text(text, |reader, node| {
        reader.condition(node, &names(workloads))
    })?;
    Ok(Gate {
        text: text.trim().to_owned(),
        metric: condition.metric,
        comparison: condition.comparison,
        bound: condition.bound,
        on_miss: OnMiss::Continue,
        at: Span::default(),
    })
}

fn names(workloads: &[Workload]) -> Vec<NodeName> {
    let names = workloads.iter().map(|workload| NodeName {
        name: workload.name.clone(),
        kind: Some(workload.kind()),
        metrics: workload.metrics().iter().map(MetricDef::clone).collect(),
    });
    names.collect()
}

/// Reads a text as if it were a value of a file.
fn with_text<T>(
    text: &str,
    read: impl FnOnce(&mut Reader<'_>, &Node<'_>) -> Option<T>,
) -> Result<T, String> {
    let file = format!("text = {}", toml::Value::from(text));
    let (mut reader, tree) = Reader::open(FileRole::Experiment, &file);
    let node = tree.get_ref().get("text");
    let found = node.and_then(|node| read(&mut reader, node));
    match found {
        Some(found) if reader.diagnostics.is_empty() => Ok(found),
        _ => {
            let said: Vec<String> = reader.diagnostics.iter().map(sentence).collect();
            Err(said.join("; "))
        }
    }
}

fn sentence(diagnostic: &Diagnostic) -> String {
    let mut sentence = diagnostic.message.clone();
    for more in [&diagnostic.label, &diagnostic.help].into_iter().flatten() {
        sentence += &format!(" ({more})");
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture;

    fn workloads() -> Vec<Workload> {
        fixture::experiment().workloads
    }

    #[test]
    fn an_objective_has_a_metric_a_goal_and_a_weight() {
        let read = objective("kv-cache.ttft_repeat_ms:min:2.5", &workloads()).unwrap();
        assert_eq!(read.metric.to_string(), "kv-cache.ttft_repeat_ms.p50");
        assert_eq!((read.goal, read.weight), (Goal::Min, 2.5));
        let read = objective("kv-cache.tokens_per_second.p95:max", &workloads()).unwrap();
        assert_eq!((read.goal, read.weight), (Goal::Max, 1.0));
    }

    #[test]
    fn what_is_wrong_with_an_argument_is_said_as_of_a_file() {
        let wrong = |text: &str| objective(text, &workloads()).unwrap_err();
        insta::assert_snapshot!(wrong("kv-cache.ttft_repeat_ms"), @r#"it has no goal: expected METRIC:min or METRIC:max, with a weight behind it where there are several: chat.ttft_ms.p95:min:2"#);
        insta::assert_snapshot!(wrong("kv-cache.ttft_repeat:min"), @r#"a kv-cache workload yields no metric `ttft_repeat` (did you mean `ttft_repeat_ms`?)"#);
        insta::assert_snapshot!(wrong("kv.ttft_repeat_ms:min"), @r#"no workload has the name `kv` (workloads: `kv-cache`)"#);
        insta::assert_snapshot!(wrong("kv-cache.success_rate:max"), @r#"`kv-cache.success_rate` cannot be an objective: it may be 0, and a ranking works with ratios (use it in a gate, or optimise one of `ttft_first_ms`, `ttft_repeat_ms`, `acceleration`, `tokens_per_second`)"#);
        insta::assert_snapshot!(wrong("kv-cache.ttft_repeat_ms:min:0"), @r#"the weight `0` is no number above 0"#);
        let wrong = |text: &str| gate(text, &workloads()).unwrap_err();
        insta::assert_snapshot!(wrong("kv-cache.ttft_repeat_ms < 5 s x"), @r#"`s x` is not the unit of `ttft_repeat_ms` (expected ms or s) (write 5 ms or 5 s)"#);
        insta::assert_snapshot!(wrong("kv-cache.ttft_repeat_ms"), @r#"this gate compares nothing (expected NODE.METRIC[.STAT] OP NUMBER UNIT, with OP one of < <= > >=)"#);
        assert!(gate("kv-cache.success_rate >= 0.9", &workloads()).is_ok());
    }
}
