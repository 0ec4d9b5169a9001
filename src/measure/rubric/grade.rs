//! From an answer to points, check by check.

use serde::{Deserialize, Serialize};

use crate::measure::rubric::check::{Check, CodeRule, Rule, Task};
use crate::measure::rubric::code::code_of;
use crate::measure::rubric::evidence::{Evidence, Need, Verdict};
use crate::measure::rubric::{choice, contain, json, number};

/// What came of one check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckGrade {
    /// The check, in a few words.
    pub check: String,
    /// Its points.
    pub of: f64,
    #[serde(flatten)]
    pub verdict: Verdict,
    /// A model said so, not a rule.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_judge: bool,
}

/// What came of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskGrade {
    pub checks: Vec<CheckGrade>,
}

impl TaskGrade {
    /// The share of all points, from 0 to 1; `None` when some check was not graded: a share of
    /// other points would not be the same quantity.
    pub fn share(&self) -> Option<f64> {
        let mut got = 0.0;
        let mut of = 0.0;
        for check in &self.checks {
            got += check.verdict.share()? * check.of;
            of += check.of;
        }
        (of > 0.0).then(|| got / of)
    }

    /// The checks that did not give all their points.
    pub fn lost(&self) -> impl Iterator<Item = &CheckGrade> {
        self.checks
            .iter()
            .filter(|check| check.verdict != Verdict::Passed)
    }
}

/// What each check of a task needs from outside, in the order of the checks; nothing where the
/// text is enough.
pub fn needs(task: &Task, answer: &str) -> Vec<Option<Need>> {
    task.checks
        .iter()
        .map(|check| need(check, answer))
        .collect()
}

fn need(check: &Check, answer: &str) -> Option<Need> {
    match &check.rule {
        Rule::Code(rule) => Some(Need::Sandbox {
            code: code_of(answer, &rule.defines)?,
            tests: rule.tests.clone(),
        }),
        // An empty answer has nothing that could be judged.
        Rule::Judge(rule) => (!answer.trim().is_empty()).then(|| Need::Judge {
            ask: rule.ask.clone(),
        }),
        Rule::Number(_)
        | Rule::Choice(_)
        | Rule::ContainsAll(_)
        | Rule::ContainsAny(_)
        | Rule::Regex { .. }
        | Rule::JsonSchema { .. } => None,
    }
}

/// Grades an answer. `evidence` has one entry a check, as [`needs`] asked for.
pub fn grade(task: &Task, answer: &str, evidence: &[Option<Evidence>]) -> TaskGrade {
    let checks = task
        .checks
        .iter()
        .enumerate()
        .map(|(at, check)| CheckGrade {
            check: check.rule.shown(),
            of: check.weight,
            verdict: verdict(check, answer, evidence.get(at).and_then(Option::as_ref)),
            by_judge: matches!(check.rule, Rule::Judge(_)),
        })
        .collect();
    TaskGrade { checks }
}

fn verdict(check: &Check, answer: &str, evidence: Option<&Evidence>) -> Verdict {
    if answer.trim().is_empty() {
        return Verdict::lost("there is no answer");
    }
    match &check.rule {
        Rule::Number(rule) => number::judge(rule, answer),
        Rule::Choice(rule) => choice::judge(rule, answer),
        Rule::ContainsAll(rule) => contain::judge_all(rule, answer),
        Rule::ContainsAny(rule) => contain::judge_any(rule, answer),
        Rule::Regex { pattern } if pattern.matches(answer) => Verdict::Passed,
        Rule::Regex { .. } => Verdict::lost("nothing in the answer matches"),
        Rule::JsonSchema { schema } => json::judge(schema, answer),
        Rule::Code(rule) => by_tests(rule, answer, evidence),
        Rule::Judge(_) => by_judge(evidence),
    }
}

fn by_tests(rule: &CodeRule, answer: &str, evidence: Option<&Evidence>) -> Verdict {
    if code_of(answer, &rule.defines).is_none() {
        return Verdict::lost("no code in the answer");
    }
    let results = match evidence {
        Some(Evidence::Tests(results)) if results.len() == rule.tests.len() => results,
        Some(Evidence::Unknown { because }) => {
            return Verdict::NotGraded {
                because: because.clone(),
            };
        }
        Some(Evidence::Tests(_) | Evidence::Score { .. }) | None => {
            return Verdict::NotGraded {
                because: "the code was not run".to_owned(),
            };
        }
    };
    let failed: Vec<String> = rule
        .tests
        .iter()
        .zip(results)
        .filter_map(|(test, result)| Some(format!("`{test}`: {}", result.as_ref()?)))
        .collect();
    let (n, n_failed) = (results.len(), failed.len());
    let because = format!("{n_failed} of {n} tests failed: {}", failed.join("; "));
    match n_failed {
        0 => Verdict::Passed,
        _ if n_failed == n => Verdict::Lost { because },
        _ => Verdict::Partly {
            share: (n - n_failed) as f64 / n as f64,
            because,
        },
    }
}

fn by_judge(evidence: Option<&Evidence>) -> Verdict {
    match evidence {
        Some(Evidence::Score { share, because }) => match *share {
            share if share >= 1.0 => Verdict::Passed,
            share if share > 0.0 => Verdict::Partly {
                share,
                because: because.clone(),
            },
            _ => Verdict::Lost {
                because: because.clone(),
            },
        },
        Some(Evidence::Unknown { because }) => Verdict::NotGraded {
            because: because.clone(),
        },
        Some(Evidence::Tests(_)) | None => Verdict::NotGraded {
            because: "no judge was asked".to_owned(),
        },
    }
}
