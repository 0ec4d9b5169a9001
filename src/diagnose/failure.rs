//! A named failure, as it is stored and shown; and the failures that no log tells of.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::diagnose::class::{Blame, Consequence, FailureClass, Phase};
use crate::diagnose::line::Line;
use crate::diagnose::stage::{self, Stage};

/// How many lines of a log are kept with a failure.
const TAIL_LINES: usize = 20;

/// A kept line is cut to this many characters: dumps of a configuration have thousands.
const TAIL_LINE_CHARS: usize = 1_000;

/// A failure with its cause, its evidence and what to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    pub class: FailureClass,
    pub phase: Phase,
    /// How far it had come when it died; `None` where nobody can know. Older results lack it.
    #[serde(default)]
    pub stage: Option<Stage>,
    pub consequence: Consequence,
    /// The root-cause line as the engine wrote it, decorations stripped.
    pub cause: Option<String>,
    /// What happened, for a person.
    pub explanation: String,
    /// What to change.
    pub suggestion: Option<String>,
    /// The node that ran when the engine died.
    pub node: Option<String>,
    /// How far into that node, in milliseconds of the engine's time. Older results lack it.
    #[serde(default)]
    pub node_after_ms: Option<f64>,
    pub exit_code: Option<i64>,
    pub oom_killed: Option<bool>,
    /// Last lines of the log.
    pub log_tail: Vec<String>,
    /// It served, and everything that was measured was something else than the engine alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disturbed: bool,
}

impl Failure {
    /// The deadline passed and the engine was not ready; `because` is what the last look at it
    /// found. For a log that names a cause, `diagnose` says more.
    pub fn not_ready(waited: Duration, because: &str, log: &str) -> Self {
        Self::told(
            FailureClass::NotReady,
            Phase::Starting,
            because,
            format!(
                "The engine was not ready after {}.",
                humantime::format_duration(whole_seconds(waited))
            ),
            &format!(
                "See in the log what it was doing; if it was still loading, allow twice the time: \
                 `ready-timeout = \"{}\"` in `[engine]` of the profile.",
                humantime::format_duration(whole_seconds(waited) * 2)
            ),
            log,
        )
    }

    /// `/health` is green and no completion comes back; `because` is what a request met.
    pub fn unresponsive(phase: Phase, because: &str, log: &str) -> Self {
        Self::told(
            FailureClass::Unresponsive,
            phase,
            because,
            "The server says that it is healthy, and no completion comes back from it.".to_owned(),
            "See in the log whether a worker hangs; a server stays green when only its engine \
             is dead or stuck.",
            log,
        )
    }

    /// The engine runs, with other settings than it was given; one sentence per setting.
    pub fn not_as_configured(contradictions: &[String], log: &str) -> Self {
        Self::told(
            FailureClass::NotAsConfigured,
            Phase::Starting,
            &contradictions.join("; "),
            "The engine runs with other settings than it was asked for, so that its numbers would \
             stand under the wrong configuration."
                .to_owned(),
            "This version of vLLM, or this model, does not take the setting: leave it out, or set \
             what the engine really does.",
            log,
        )
    }

    /// The runtime could not do its part, in its own words.
    pub fn runtime(phase: Phase, words: &str, log: &str) -> Self {
        Self::told(
            FailureClass::Runtime,
            phase,
            words,
            "The container runtime or the host failed; this says nothing about the configuration."
                .to_owned(),
            "Put right what the runtime reports and resume the run.",
            log,
        )
    }

    /// The engine served to the end and no node could be measured; `reasons` is what the
    /// requests met.
    pub fn nothing_measured(reasons: &str, log: &str) -> Self {
        Self::told(
            FailureClass::Unknown,
            Phase::Serving,
            reasons,
            "The engine served, and none of the workloads could be measured.".to_owned(),
            "See why the requests failed; the engine's log has its side of it.",
            log,
        )
    }

    /// The engine served, and no node measured the engine alone; `reasons` says why.
    pub fn disturbed(reasons: &str, log: &str) -> Self {
        let failure = Self::told(
            FailureClass::Unknown,
            Phase::Serving,
            reasons,
            "The engine served, and what was measured was not the engine alone.".to_owned(),
            "Remove what disturbed it (a foreign process on the GPU, heat, a client that was too \
             slow); the attempt is made again.",
            log,
        );
        Self {
            disturbed: true,
            ..failure
        }
    }

    /// The connection to the runtime broke while the engine was in `phase`.
    pub fn runtime_lost(phase: Phase, words: &str, log: &str) -> Self {
        Self::told(
            FailureClass::RuntimeLost,
            phase,
            words,
            "The container runtime went away under the engine; this says nothing about the \
             configuration."
                .to_owned(),
            "Nothing, if it came back: the attempt is made again. Otherwise see why the daemon \
             stopped, and resume the run.",
            log,
        )
    }

    /// Adds the node that ran, and for how long it had.
    pub fn during(mut self, node: &str, after: Duration) -> Self {
        self.node = Some(node.to_owned());
        self.node_after_ms = Some(after.as_secs_f64() * 1e3);
        self
    }

    fn told(
        class: FailureClass,
        phase: Phase,
        cause: &str,
        explanation: String,
        suggestion: &str,
        log: &str,
    ) -> Self {
        Self {
            class,
            phase,
            stage: stage::of_log(log, class, phase),
            consequence: class.consequence(Blame::Profile),
            cause: Some(cause.trim().to_owned()).filter(|cause| !cause.is_empty()),
            explanation,
            suggestion: Some(suggestion.to_owned()),
            node: None,
            node_after_ms: None,
            exit_code: None,
            oom_killed: None,
            log_tail: log_tail(log),
            disturbed: false,
        }
    }
}

fn whole_seconds(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs_f64().round() as u64)
}

/// The last lines of a log that say something, colours taken off, each cut to a bearable length.
pub fn log_tail(log: &str) -> Vec<String> {
    let mut tail: Vec<String> = log
        .lines()
        .rev()
        .filter(|line| !line.trim().is_empty())
        .take(TAIL_LINES)
        .map(|line| {
            Line::uncoloured(line)
                .chars()
                .take(TAIL_LINE_CHARS)
                .collect()
        })
        .collect();
    tail.reverse();
    tail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_without_a_text_carry_their_consequence() {
        let late = Failure::not_ready(
            Duration::from_millis(90_400),
            "connection refused",
            "a\nb\n",
        );
        assert_eq!(late.explanation, "The engine was not ready after 1m 30s.");
        assert_eq!(late.cause.as_deref(), Some("connection refused"));
        assert_eq!(
            late.suggestion.as_deref(),
            Some(
                "See in the log what it was doing; if it was still loading, allow twice the time: \
                 `ready-timeout = \"3m\"` in `[engine]` of the profile."
            )
        );
        assert_eq!(late.consequence, Consequence::Retry);
        assert_eq!(late.log_tail, ["a", "b"]);

        let other = Failure::not_as_configured(&["a: asked 1, runs 2".to_owned()], "");
        assert_eq!(other.consequence, Consequence::Infeasible);

        let dead = Failure::unresponsive(Phase::Serving, " ", "")
            .during("kv-cache", Duration::from_millis(1500));
        assert_eq!(dead.cause, None);
        assert_eq!(dead.node.as_deref(), Some("kv-cache"));
        assert_eq!(dead.node_after_ms, Some(1500.0));

        let host = Failure::runtime(Phase::Starting, "no space left on device", "");
        assert_eq!(host.consequence, Consequence::Machine);
    }

    #[test]
    fn the_tail_is_short_in_both_directions() {
        let log = format!("{}\n\n{}", "x\n".repeat(50), "\u{e9}".repeat(5_000));
        let tail = log_tail(&log);
        assert_eq!(tail.len(), TAIL_LINES);
        assert_eq!(tail[TAIL_LINES - 1].chars().count(), TAIL_LINE_CHARS);
    }
}
