//! From what happened between start and stop, and from the end that was collected, to the
//! outcome of an attempt. Pure: the one place of the runner that asks for a diagnosis.

use std::time::Duration;

use crate::attest::Attestation;
use crate::diagnose::{
    Consequence, Evidence, Failure, FailureClass, Phase, Service, diagnose, stage,
};
use crate::matrix::cell::Cell;
use crate::measure::kind::stability::Death;
use crate::measure::node::{NodeDetail, NodeReport, NodeStatus};
use crate::measure::sample::CardMemory;
use crate::outcome::{EndState, EngineFacts, Measured, Outcome};
use crate::report::span;
use crate::spec::flag::FlagValue;

/// What happened between start and stop.
#[derive(Debug)]
pub enum Story {
    /// The workload DAG came to its end.
    Served(Served),
    /// The engine ended, or was of no use any more, while it aged: a finding about its age, beside
    /// whatever was measured before.
    DiedAgeing {
        served: Served,
        node: String,
        /// From the start of the node, in the engine's time.
        after: Duration,
        /// `None` where it ended by itself.
        verdict: Option<Failure>,
    },
    /// The engine ended by itself; the log and the end state say why.
    Exited {
        phase: Phase,
        /// The node that ran, with how far into it the engine came.
        node: Option<(String, Duration)>,
    },
    /// It lives and is of no use.
    Verdict(Failure),
    /// The connection to the runtime broke.
    RuntimeLost(Failure),
    Cancelled,
}

/// What an engine that served left.
#[derive(Debug)]
pub struct Served {
    pub ready_after_ms: f64,
    pub nodes: Vec<NodeReport>,
    pub attestation: Vec<Attestation>,
    pub facts: EngineFacts,
}

/// What the runner knows of an engine beside its end.
#[derive(Debug)]
pub struct Seen<'a> {
    pub cell: &'a Cell,
    /// `None` for one that never was ready.
    pub service: Option<Service>,
    /// The memory of its cards by the last sample of its life.
    pub gpu_memory: Vec<CardMemory>,
}

impl Seen<'_> {
    pub fn phase(&self) -> Phase {
        match self.service {
            Some(_) => Phase::Serving,
            None => Phase::Starting,
        }
    }

    /// Adds how far a useless or lost engine had come, where more is known than its log tells.
    fn placed(&self, mut failure: Failure) -> Failure {
        let could_serve = matches!(
            failure.class,
            FailureClass::Unresponsive | FailureClass::RuntimeLost
        );
        if let Some(service) = self.service.filter(|_| could_serve) {
            failure.stage = Some(stage::of_service(service));
        }
        failure
    }
}

impl Story {
    /// The engine ended by itself while no node ran.
    pub fn exited(phase: Phase) -> Self {
        Self::Exited { phase, node: None }
    }
}

/// The outcome of an attempt whose engine was stopped. `log` is the engine's log as it was
/// before gridrun asked it to stop, `whole` as it was at the end.
pub fn conclude(story: Story, seen: &Seen, end: &EndState, log: &str, whole: &str) -> Outcome {
    match story {
        Story::Cancelled => Outcome::Cancelled,
        Story::RuntimeLost(failure) => Outcome::Failed(seen.placed(failure)),
        Story::Verdict(failure) => of_failure(explained(failure, seen, end, log)),
        Story::Exited { phase, node } => {
            let mut failure = diagnosed(seen, end, whole, phase);
            if let Some((node, after)) = node {
                failure = failure.during(&node, after);
            }
            of_failure(failure)
        }
        // It ended between its last request and the wish to stop it.
        Story::Served(_) if end.by_itself => {
            of_failure(diagnosed(seen, end, whole, Phase::Serving))
        }
        Story::Served(served) => {
            let reasons = reasons(&served.nodes);
            let disturbed = served.nodes.iter().any(is_invalid);
            served.measured().unwrap_or_else(|| {
                of_failure(match disturbed {
                    true => Failure::disturbed(&reasons, log),
                    false => Failure::nothing_measured(&reasons, log),
                })
            })
        }
        Story::DiedAgeing {
            mut served,
            node,
            after,
            verdict,
        } => {
            let failure = match verdict {
                Some(verdict) => explained(verdict, seen, end, log),
                None => diagnosed(seen, end, whole, Phase::Serving),
            };
            note_death(&mut served.nodes, &node, after, &failure);
            let failure = failure.during(&node, after);
            served.measured().unwrap_or_else(|| of_failure(failure))
        }
    }
}

impl Served {
    /// `None` where no node was completed.
    fn measured(self) -> Option<Outcome> {
        let completed = |report: &NodeReport| report.status == NodeStatus::Completed;
        self.nodes.iter().any(completed).then_some({
            Outcome::Measured(Measured {
                ready_after_ms: self.ready_after_ms,
                nodes: self.nodes,
                attestation: self.attestation,
                engine: self.facts,
            })
        })
    }
}

/// How the engine ended while it aged. What the machine did to it says nothing of its age.
fn note_death(nodes: &mut [NodeReport], node: &str, after: Duration, failure: &Failure) {
    let Some(report) = nodes.iter_mut().find(|report| report.node == node) else {
        return;
    };
    let when = span(after.as_secs_f64() / 3600.0);
    let because = format!(
        "the engine died {when} into it: {}: {}",
        failure.class, failure.explanation
    );
    if failure.consequence == Consequence::Machine {
        report.status = NodeStatus::Invalid { because };
        return;
    }
    report.status = NodeStatus::Failed { because };
    if let Some(NodeDetail::Stability(detail)) = &mut report.detail {
        detail.death = Some(Death {
            after_ms: after.as_secs_f64() * 1e3,
            class: failure.class.to_string(),
            explanation: failure.explanation.clone(),
        });
    }
}

/// The outcome of an attempt whose engine the runtime would not start.
pub fn refused(cell: &Cell, words: &str) -> Outcome {
    let varied = varied(cell);
    of_failure(diagnose(&Evidence {
        runtime_error: Some(words),
        phase: Some(Phase::Starting),
        varied_flags: &varied,
        ..Evidence::of("")
    }))
}

/// A server that lives may hide a dead engine: the log, or the kernel, may know why it is of no
/// use. How gridrun itself ended it says nothing.
fn explained(failure: Failure, seen: &Seen, end: &EndState, log: &str) -> Failure {
    match failure.class {
        FailureClass::NotReady | FailureClass::Unresponsive => {}
        _ => return failure,
    }
    let before_us = EndState {
        exit_code: end.exit_code.filter(|_| end.by_itself),
        ..end.clone()
    };
    let better = Failure {
        node: failure.node.clone(),
        node_after_ms: failure.node_after_ms,
        ..diagnosed(seen, &before_us, log, failure.phase)
    };
    match better.class {
        FailureClass::Unknown
        | FailureClass::Healthy
        | FailureClass::Stopped
        | FailureClass::Runtime => seen.placed(failure),
        _ => better,
    }
}

fn diagnosed(seen: &Seen, end: &EndState, log: &str, phase: Phase) -> Failure {
    let varied = varied(seen.cell);
    let flags = flags(seen.cell);
    diagnose(&Evidence {
        exit_code: end.exit_code,
        oom_killed: end.oom_killed,
        phase: Some(phase),
        service: seen.service.filter(|_| phase == Phase::Serving),
        memory: &end.memory,
        gpu_memory: &seen.gpu_memory,
        varied_flags: &varied,
        flags: &flags,
        ..Evidence::of(log)
    })
}

/// What the cell's engine was given; a flag that was left away has no value to speak of.
fn flags(cell: &Cell) -> Vec<(&str, &FlagValue)> {
    let flags = cell.flags.iter();
    flags
        .map(|(name, setting)| (name.as_str(), &setting.value))
        .filter(|(_, value)| **value != FlagValue::Default)
        .collect()
}

fn varied(cell: &Cell) -> Vec<&str> {
    cell.varied().map(|(name, _)| name.as_str()).collect()
}

/// An end that is the cell's own making is infeasible, every other is a failure.
fn of_failure(failure: Failure) -> Outcome {
    match failure.consequence {
        Consequence::Infeasible => Outcome::Infeasible(failure),
        Consequence::Machine | Consequence::Retry => Outcome::Failed(failure),
    }
}

fn reasons(reports: &[NodeReport]) -> String {
    let reasons: Vec<String> = reports
        .iter()
        .filter_map(|report| match &report.status {
            NodeStatus::Failed { because } | NodeStatus::Invalid { because } => {
                Some(format!("{}: {because}", report.node))
            }
            NodeStatus::Completed | NodeStatus::Skipped { .. } => None,
        })
        .collect();
    reasons.join("; ")
}

fn is_invalid(report: &NodeReport) -> bool {
    matches!(report.status, NodeStatus::Invalid { .. })
}

/// The contradiction in a cache that is off and was used all the same, by the engine's own
/// account of the requests.
pub fn cached_against_orders(cell: &Cell, n_cached: u64) -> Option<String> {
    let (name, setting) = cell
        .flags
        .iter()
        .find(|(name, _)| name.as_str() == "enable-prefix-caching")?;
    let is_off = setting.value == FlagValue::Bool(false);
    (is_off && n_cached > 0).then(|| {
        format!("{name} = false, yet {n_cached} prompt tokens of its requests came from the prefix cache")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::Stage;
    use crate::matrix::cell::{SetBy, Setting};
    use crate::measure::metric::WorkloadKind;
    use crate::runner::bench::cell;
    use crate::spec::flag::FlagName;

    const OOM: &str = "(EngineCore pid=7) ERROR 11-24 03:17:00 [core.py:1512] torch.OutOfMemoryError: CUDA out \
                       of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 24.00 GiB of which \
                       1.00 GiB is free.\n";

    fn seen(cell: &Cell) -> Seen<'_> {
        Seen {
            cell,
            service: Some(Service {
                lasted: Duration::from_secs(60),
                n_answered: 3,
            }),
            gpu_memory: Vec::new(),
        }
    }

    #[test]
    fn a_green_server_over_a_dead_engine_is_named_by_its_log() {
        let verdict = || Story::Verdict(Failure::unresponsive(Phase::Serving, "HTTP 500", ""));
        let killed_by_us = EndState {
            exit_code: Some(137),
            oom_killed: Some(false),
            ..EndState::default()
        };
        let outcome = conclude(verdict(), &seen(&cell("a")), &killed_by_us, OOM, OOM);
        let Outcome::Infeasible(failure) = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(failure.class, FailureClass::GpuOomServing);
        assert_eq!(failure.exit_code, None, "gridrun's own kill is no evidence");
        assert_eq!(failure.stage, Some(Stage::UnderLoad));

        let outcome = conclude(verdict(), &seen(&cell("a")), &killed_by_us, "", "");
        assert!(
            matches!(&outcome, Outcome::Failed(failure) if failure.class == FailureClass::Unresponsive
                && failure.stage == Some(Stage::UnderLoad)),
            "{outcome:?}"
        );
    }

    #[test]
    fn what_the_machine_did_says_nothing_of_age_and_alone_a_death_is_the_outcome() {
        let report = |node: &str, status: NodeStatus| NodeReport {
            node: node.to_owned(),
            kind: WorkloadKind::Age,
            status,
            took_ms: None,
            metrics: Default::default(),
            n_requests: 0,
            n_failed: 0,
            notes: Vec::new(),
            client: None,
            detail: None,
        };
        let story = |nodes: Vec<NodeReport>, verdict: Option<Failure>| Story::DiedAgeing {
            served: Served {
                ready_after_ms: 1.0,
                nodes,
                attestation: Vec::new(),
                facts: EngineFacts::default(),
            },
            node: "grow".to_owned(),
            after: Duration::from_secs(3600),
            verdict,
        };
        let ended = || NodeStatus::Failed {
            because: "ended".to_owned(),
        };
        let end = EndState {
            by_itself: true,
            exit_code: Some(1),
            ..EndState::default()
        };
        let alone = story(vec![report("grow", ended())], None);
        let outcome = conclude(alone, &seen(&cell("a")), &end, OOM, OOM);
        assert!(
            matches!(&outcome, Outcome::Infeasible(failure)
                if failure.class == FailureClass::GpuOomServing && failure.node.as_deref() == Some("grow")),
            "{outcome:?}"
        );
        let both = || {
            vec![
                report("before", NodeStatus::Completed),
                report("grow", ended()),
            ]
        };
        let host = Failure::runtime(Phase::Serving, "no space left on device", "");
        let outcome = conclude(story(both(), Some(host)), &seen(&cell("a")), &end, "", "");
        assert!(
            matches!(&outcome, Outcome::Measured(measured) if is_invalid(&measured.nodes[1])),
            "{outcome:?}"
        );
    }

    #[test]
    fn an_engine_that_ended_by_itself_after_its_last_request_is_not_measured() {
        let served = Story::Served(Served {
            ready_after_ms: 1.0,
            nodes: Vec::new(),
            attestation: Vec::new(),
            facts: EngineFacts::default(),
        });
        let end = EndState {
            by_itself: true,
            exit_code: Some(1),
            oom_killed: Some(true),
            ..EndState::default()
        };
        let outcome = conclude(served, &seen(&cell("a")), &end, "", "");
        assert!(
            matches!(&outcome, Outcome::Infeasible(failure) if failure.class == FailureClass::HostOom),
            "{outcome:?}"
        );
    }

    #[test]
    fn a_limit_too_small_for_the_runtime_itself_is_the_cells_own() {
        let words = "OCI runtime create failed: container init was OOM-killed (memory limit too low?): unknown";
        let outcome = refused(&cell("a"), words);
        assert!(
            matches!(&outcome, Outcome::Infeasible(failure) if failure.class == FailureClass::HostOom),
            "{outcome:?}"
        );
    }

    #[test]
    fn hits_of_a_cache_that_is_off_are_a_contradiction() {
        let with = |value: FlagValue| {
            let mut cell = cell("a");
            let by = SetBy::Base;
            let name = FlagName("enable-prefix-caching".to_owned());
            cell.flags.insert(name, Setting { value, by });
            cell
        };
        let off = with(FlagValue::Bool(false));
        assert_eq!(
            cached_against_orders(&off, 288).unwrap(),
            "enable-prefix-caching = false, yet 288 prompt tokens of its requests came from the prefix cache"
        );
        assert_eq!(cached_against_orders(&off, 0), None);
        assert_eq!(
            cached_against_orders(&with(FlagValue::Bool(true)), 288),
            None
        );
        // vLLM caches by itself where nobody says anything.
        assert_eq!(cached_against_orders(&with(FlagValue::Default), 288), None);
        assert_eq!(cached_against_orders(&cell("a"), 288), None);
    }
}
