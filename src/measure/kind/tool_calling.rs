//! What a `tool-calling` node yields: its metrics, and per scenario and way of asking which
//! checks held, with the answers that failed.

pub mod advice;
pub mod format;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::measure::kind::tool_calling::format::CallFormat;
use crate::measure::metric::MetricDef;
use crate::spec::workload::tool_calling::ScenarioClass;

pub const METRICS: &[MetricDef] = &[
    MetricDef::share(
        "parsed",
        "answers with a structured call over requests that need one, of requests asked alone; a failed request has none",
    ),
    MetricDef::share(
        "right_function",
        "answers that call exactly the functions that are needed over answers with a structured call that need one",
    ),
    MetricDef::share(
        "valid_arguments",
        "calls whose arguments are a JSON object that keeps to the tool's schema over calls of declared tools",
    ),
    MetricDef::share(
        "right_arguments",
        "answers whose arguments are all as expected over answers that call the right functions",
    ),
    MetricDef::share(
        "chain_completed",
        "chains whose every step called the right functions and that ended in an answer over chains asked",
    ),
    MetricDef::share(
        "none_called",
        "answers without a call, also none as text, over answers where no tool is needed",
    ),
    MetricDef::share(
        "stream_agreement",
        "requests whose streamed and whole answers make the same calls over requests answered both ways",
    ),
    MetricDef::share(
        "leaked",
        "answers whose text holds a call that was not parsed over answers",
    ),
    MetricDef::share(
        "swallowed",
        "empty answers of more than 2 tokens over answers: a parser took the text and made no call of it",
    ),
    MetricDef::share(
        "solved",
        "scenarios in which everything was right over scenarios asked, each counted streamed and whole",
    ),
    MetricDef::share("parsed_concurrent", "parsed, of requests under concurrency"),
    MetricDef::share("leaked_concurrent", "leaked, of answers under concurrency"),
    MetricDef::share(
        "solved_concurrent",
        "solved, of scenarios under concurrency",
    ),
    MetricDef::milliseconds(
        "ttft_ms",
        "time to the first delta with text or a piece of a call, of streamed requests asked alone",
    ),
    MetricDef::milliseconds(
        "ttft_concurrent_ms",
        "the same of streamed requests under concurrency",
    ),
    MetricDef::SUCCESS_RATE,
];

/// In which way a scenario was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// Alone, as a stream.
    Streamed,
    /// Alone, as one body.
    Whole,
    /// As a stream, beside other users.
    Concurrent,
}

impl Way {
    pub const ALL: [Self; 3] = [Self::Streamed, Self::Whole, Self::Concurrent];

    pub fn name(self) -> &'static str {
        match self {
            Self::Streamed => "streamed",
            Self::Whole => "whole",
            Self::Concurrent => "concurrent",
        }
    }
}

/// What is asked of an answer, a call or a scenario; each is a share of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    Parsed,
    RightFunction,
    ValidArguments,
    RightArguments,
    ChainCompleted,
    NoneCalled,
    StreamAgreement,
    Leaked,
    Swallowed,
    Solved,
}

impl Check {
    pub const ALL: [Self; 10] = [
        Self::Parsed,
        Self::RightFunction,
        Self::ValidArguments,
        Self::RightArguments,
        Self::ChainCompleted,
        Self::NoneCalled,
        Self::StreamAgreement,
        Self::Leaked,
        Self::Swallowed,
        Self::Solved,
    ];

    /// The metric of what was asked alone.
    pub fn metric(self) -> &'static str {
        match self {
            Self::Parsed => "parsed",
            Self::RightFunction => "right_function",
            Self::ValidArguments => "valid_arguments",
            Self::RightArguments => "right_arguments",
            Self::ChainCompleted => "chain_completed",
            Self::NoneCalled => "none_called",
            Self::StreamAgreement => "stream_agreement",
            Self::Leaked => "leaked",
            Self::Swallowed => "swallowed",
            Self::Solved => "solved",
        }
    }

    /// The metric of what was asked under concurrency, where there is one.
    pub fn concurrent_metric(self) -> Option<&'static str> {
        match self {
            Self::Parsed => Some("parsed_concurrent"),
            Self::Leaked => Some("leaked_concurrent"),
            Self::Solved => Some("solved_concurrent"),
            Self::RightFunction
            | Self::ValidArguments
            | Self::RightArguments
            | Self::ChainCompleted
            | Self::NoneCalled
            | Self::StreamAgreement
            | Self::Swallowed => None,
        }
    }
}

/// How often something held, of how often it was asked; of 0 it was not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    pub n: u32,
    pub of: u32,
}

impl Share {
    /// One more was asked.
    pub fn count(&mut self, held: bool) {
        self.n = self.n.saturating_add(u32::from(held));
        self.of = self.of.saturating_add(1);
    }

    pub fn add(&mut self, other: Self) {
        self.n = self.n.saturating_add(other.n);
        self.of = self.of.saturating_add(other.of);
    }

    /// Within 0 and 1; `None` when it was never asked.
    pub fn value(self) -> Option<f64> {
        (self.of > 0).then(|| f64::from(self.n) / f64::from(self.of))
    }
}

/// All checks of a scenario, a way or a node; one that was never asked is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Checks(pub BTreeMap<Check, Share>);

impl Checks {
    pub fn count(&mut self, check: Check, held: bool) {
        self.0.entry(check).or_default().count(held);
    }

    /// The same for a check that may not have been asked.
    pub fn count_if_asked(&mut self, check: Check, held: Option<bool>) {
        if let Some(held) = held {
            self.count(check, held);
        }
    }

    pub fn add(&mut self, other: &Self) {
        for (check, share) in &other.0 {
            self.0.entry(*check).or_default().add(*share);
        }
    }

    pub fn get(&self, check: Check) -> Share {
        self.0.get(&check).copied().unwrap_or_default()
    }
}

/// What it yields beyond its metrics.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Detail {
    /// In the order of the file, and of the ways.
    pub scenarios: Vec<ScenarioResult>,
    /// Formats of the calls that stood in texts, with the number of answers, the most frequent
    /// first.
    pub leaks: Vec<LeakCount>,
    /// Answers that came, and of them the empty ones of some length.
    pub n_answers: u32,
    pub n_swallowed: u32,
    /// What the engine said to requests that it refused, with their number.
    pub refusals: Vec<Refusal>,
    /// What the engine was asked before, and showed.
    #[serde(default)]
    pub probe: Probe,
    /// The first answers that failed, in the order in which they were asked.
    pub failures: Vec<FailedAnswer>,
    /// Further ones that are not kept.
    pub n_more_failures: u32,
}

/// A scenario, asked in one way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScenarioResult {
    pub scenario: String,
    pub class: ScenarioClass,
    pub way: Way,
    pub checks: Checks,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeakCount {
    pub format: CallFormat,
    pub n: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    pub words: String,
    pub n: u32,
}

/// What short exchanges beside the scenarios have shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// Tokens of the same prompt with tools and without.
    pub prompt_tokens: Option<PromptTokens>,
    /// How the model writes a call when no parser reads it (`/v1/completions` with the same
    /// prompt).
    pub writes: Option<CallFormat>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptTokens {
    pub with_tools: u64,
    pub without_tools: u64,
}

impl Probe {
    /// The chat template shows the model no tools: they do not change the prompt's length.
    pub fn template_ignores_tools(&self) -> bool {
        self.prompt_tokens
            .is_some_and(|tokens| tokens.with_tools == tokens.without_tools)
    }
}

/// An answer that failed a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedAnswer {
    pub scenario: String,
    pub way: Way,
    /// From 1.
    pub step: u32,
    pub why: String,
    /// The beginning of the answer's text, as it came.
    pub text: String,
    /// The calls that came, `NAME(ARGUMENTS)`, their beginnings.
    pub calls: Vec<String>,
}

impl FailedAnswer {
    /// Most failed answers of a node that are kept.
    pub const KEPT: usize = 12;
    /// Most characters of a text or a call that are kept.
    pub const KEPT_CHARS: usize = 400;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_that_was_never_asked_has_no_value() {
        let mut checks = Checks::default();
        checks.count(Check::Parsed, true);
        checks.count(Check::Parsed, false);
        checks.count_if_asked(Check::RightFunction, None);
        checks.count_if_asked(Check::RightArguments, Some(false));
        assert_eq!(checks.get(Check::Parsed).value(), Some(0.5));
        assert_eq!(checks.get(Check::RightFunction).value(), None);
        assert_eq!(checks.get(Check::RightArguments).value(), Some(0.0));
        let mut sum = checks.clone();
        sum.add(&checks);
        assert_eq!(sum.get(Check::Parsed), Share { n: 2, of: 4 });
    }

    #[test]
    fn every_check_is_a_metric() {
        for check in Check::ALL {
            for name in [Some(check.metric()), check.concurrent_metric()]
                .into_iter()
                .flatten()
            {
                assert!(METRICS.iter().any(|metric| metric.name == name), "{name}");
            }
        }
    }

    #[test]
    fn a_template_without_tools_is_one_whose_prompt_does_not_grow() {
        let probe = |with_tools, without_tools| Probe {
            prompt_tokens: Some(PromptTokens {
                with_tools,
                without_tools,
            }),
            writes: None,
        };
        assert!(probe(37, 37).template_ignores_tools());
        assert!(!probe(337, 37).template_ignores_tools());
        assert!(!Probe::default().template_ignores_tools());
    }
}
