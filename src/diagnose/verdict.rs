//! The one function from evidence to a named failure: which message of the log is the cause,
//! and what stands for a cause where no message does.

use crate::diagnose::citation::{Cited, Says, cite};
use crate::diagnose::class::{FailureClass, Phase};
use crate::diagnose::evidence::Evidence;
use crate::diagnose::exception::{self, Exception, Origin, tells_of_a_flaw};
use crate::diagnose::facts::Facts;
use crate::diagnose::failure::Failure;
use crate::diagnose::finding::Finding;
use crate::diagnose::line::{self, Line};
use crate::diagnose::message::{Message, best, messages, settle};
use crate::diagnose::rule::{Tier, Weight};
use crate::diagnose::stage::{self, Death};
use crate::diagnose::story::Story;

/// Words of a failed download that is tried again stand at most this far behind its message,
/// which can have several lines.
const RETRY_NOTICE_WITHIN: usize = 3;

/// Exit codes of a process that a crash signal ended: SIGILL, SIGABRT, SIGFPE, SIGSEGV.
const CRASH_EXITS: [i64; 4] = [132, 134, 136, 139];

/// What happened to an engine, and the lines of its log that say so.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnosis {
    pub failure: Failure,
    /// In the order of the log; empty where the log says nothing.
    pub cited: Vec<Cited>,
}

/// Names what happened to an engine. Pure; takes any text as a log.
///
/// A [`FailureClass::Healthy`] or [`FailureClass::Stopped`] comes back in the same form: the
/// caller decides what it means that nothing failed.
pub fn diagnose(evidence: &Evidence) -> Failure {
    examine(evidence).failure
}

/// As [`diagnose`], with the lines that decided.
pub fn examine(evidence: &Evidence) -> Diagnosis {
    let evidence = &Evidence {
        exit_code: evidence.exit_code.map(as_a_shell_tells_it),
        ..*evidence
    };
    let words = evidence
        .runtime_error
        .map(str::trim)
        .filter(|words| !words.is_empty());
    if let Some(mut finding) = words.and_then(known_to_the_runtime) {
        finding.stage = words.and_then(stage::of_refusal);
        finding.facts = Facts::of(&[], evidence);
        return Diagnosis {
            failure: finding.into_failure(evidence),
            cited: Vec::new(),
        };
    }
    let (finding, cited) = of_log(evidence);
    let finding = match words {
        // The log is silent, and the runtime says something that no table knows.
        Some(words) if finding.class == FailureClass::Unknown => {
            Finding::said_by_the_runtime(finding.phase, words)
        }
        _ => finding,
    };
    Diagnosis {
        failure: finding.into_failure(evidence),
        cited,
    }
}

/// Python and `docker events` tell a death by signal N as -N, shells and Docker's state as
/// 128 + N.
fn as_a_shell_tells_it(code: i64) -> i64 {
    match code {
        -64..=-1 => 128 - code,
        _ => code,
    }
}

fn known_to_the_runtime(words: &str) -> Option<Finding> {
    let lines = line::read(words);
    let found = best(&messages(&Story::of(&lines), Weight::Strong))?;
    Some(Finding::of_message(&found, &lines))
}

fn of_log(evidence: &Evidence) -> (Finding, Vec<Cited>) {
    let lines = line::read(evidence.log);
    let last = Story::last_start(&lines);
    let story = Story::of(last);
    let finding = of_story(&story, evidence);
    if finding.class == FailureClass::Unknown && last.len() < lines.len() {
        // The last start broke off without a word; the ones before may have died the same way.
        let story = Story::of(&lines);
        let finding = of_story(&story, evidence);
        return placed(finding, &story, evidence);
    }
    placed(finding, &story, evidence)
}

/// Adds to a finding how far the engine had come, and the lines that decided.
fn placed(mut finding: Finding, story: &Story, evidence: &Evidence) -> (Finding, Vec<Cited>) {
    let raw = line::as_written(evidence.log, story.lines);
    let death = Death {
        class: finding.class,
        phase: finding.phase,
        cause: finding.cause.as_deref().unwrap_or(""),
        at: [finding.at, story.announced]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(story.lines.len()),
    };
    finding.stage = stage::of_death(story, &raw, death, evidence);
    let before = &story.lines[..story.lines.len().min(death.at + 1)];
    finding.facts = Facts::of(before, evidence);
    let cited = citations(story, &finding);
    (finding, cited)
}

/// The lines that speak for a finding.
fn citations(story: &Story, finding: &Finding) -> Vec<Cited> {
    let lived = matches!(finding.class, FailureClass::Healthy | FailureClass::Stopped);
    let stopped = finding.class == FailureClass::Stopped;
    let serving = finding.phase == Phase::Serving;
    let marks = [
        (finding.at, Says::Cause),
        (story.announced.filter(|_| !lived), Says::Death),
        (story.stopping.filter(|_| stopped), Says::Stop),
        (story.started.filter(|_| serving), Says::Started),
    ];
    cite(story.lines, &marks)
}

fn of_story(story: &Story, evidence: &Evidence) -> Finding {
    let phase = evidence.phase.unwrap_or_else(|| story.phase_at_end());
    let died = story
        .announced
        .is_some_and(|_| evidence.exit_code.is_some() || !story.outlived_its_death());
    let strong = causes(story, evidence, died, Weight::Strong);
    let oom_killed = evidence.oom_killed == Some(true);

    // Somebody stopped it, and what broke afterwards broke because of that.
    let stopped_first = story.stopping.is_some_and(|stop| {
        strong.iter().all(|message| message.at > stop) && story.announced.is_none_or(|at| at > stop)
    });
    if stopped_first && !oom_killed && is_stop_exit(story, evidence) {
        return Finding::bare(FailureClass::Stopped, phase);
    }

    let child = story.child_death;
    let raised = fatal_exception(story, evidence, phase, died);
    let found = best(&strong).filter(|found| !is_dragged_along(found, raised, story, &strong));

    if let Some(found) = found
        && found.tier < Tier::Aftermath
        && !(oom_killed && found.tier == Tier::Crash)
    {
        return Finding::of_message(&found, story.lines);
    }

    let is_flaw = child.is_none()
        && raised.is_some_and(|raised| tells_of_a_flaw(&story.lines[raised.at].text));
    if oom_killed && !is_flaw {
        return match child {
            Some(death) => Finding::of_line(FailureClass::HostOom, phase, story.lines, death.at),
            None => Finding::bare(FailureClass::HostOom, phase),
        };
    }
    if let Some(death) = child
        && raised.is_none_or(|raised| raised.at >= death.at)
    {
        // SIGBUS comes from a full /dev/shm. SIGKILL is the kernel's unless Docker's state,
        // which would know, says that it was not.
        let out_of_memory =
            death.signal == 7 || (death.signal == 9 && evidence.oom_killed.is_none());
        let class = if out_of_memory {
            FailureClass::HostOom
        } else {
            FailureClass::EngineDied
        };
        return Finding::of_line(class, phase, story.lines, death.at);
    }
    if let Some(found) = found {
        return Finding::of_message(&found, story.lines);
    }
    if evidence.exit_code == Some(135) {
        return Finding::bare(FailureClass::HostOom, phase);
    }
    let silent_kill =
        evidence.exit_code == Some(137) || (evidence.exit_code.is_none() && story.says_killed);
    if silent_kill && !died && raised.is_none() {
        let class = match evidence.oom_killed {
            Some(false) => FailureClass::EngineDied,
            _ => FailureClass::HostOom,
        };
        return Finding::bare(class, phase);
    }
    if let Some(raised) = raised {
        let class = match raised.origin {
            Origin::Configuration if phase == Phase::Starting => FailureClass::BadArgument,
            Origin::Hub if phase == Phase::Starting => FailureClass::ModelNotFound,
            _ => FailureClass::EngineDied,
        };
        return Finding::of_line(class, phase, story.lines, raised.at);
    }
    without_a_word(story, evidence, phase, died)
}

/// Collectives complain when a process leaves them, and so do their peers: what an engine that
/// is already dying says of them does not tell why it dies.
fn is_dragged_along(
    found: &Message,
    raised: Option<Exception>,
    story: &Story,
    strong: &[Message],
) -> bool {
    found.class == FailureClass::NcclFailure
        && raised.is_some_and(|raised| {
            let dying = story.announced.is_some_and(|at| at <= raised.at);
            (dying || found.tier == Tier::Aftermath)
                && raised.at < found.at
                && strong.iter().all(|message| message.at != raised.at)
        })
}

/// The exception that ended the engine, where it is likely that one did: requests, plug-ins and
/// look-ups raise exceptions that an engine survives.
fn fatal_exception(
    story: &Story,
    evidence: &Evidence,
    phase: Phase,
    died: bool,
) -> Option<Exception> {
    let raised = exception::decisive(story.lines, story.announced.filter(|_| died))?;
    if story.started.is_some_and(|started| raised.at < started) {
        return None;
    }
    let fatal = died
        || match evidence.exit_code {
            Some(0) => false,
            Some(_) => !story.lived_after(raised.at),
            None => phase == Phase::Starting && !story.goes_on_after(raised.at),
        };
    fatal.then_some(raised)
}

/// Nothing in the log names a cause.
fn without_a_word(story: &Story, evidence: &Evidence, phase: Phase, died: bool) -> Finding {
    let failed_exit = evidence
        .exit_code
        .is_some_and(|code| code != 0 && !is_signal_stop(code));
    if (died || failed_exit)
        && let Some(found) = best(&causes(story, evidence, died, Weight::Faint))
    {
        return Finding::of_message(&found, story.lines);
    }
    if died {
        return match story.announced {
            Some(at) => Finding::of_line(FailureClass::EngineDied, phase, story.lines, at),
            None => Finding::bare(FailureClass::EngineDied, phase),
        };
    }
    let class = match evidence.exit_code {
        Some(code) if CRASH_EXITS.contains(&code) => FailureClass::EngineDied,
        Some(2) if phase == Phase::Starting => FailureClass::BadArgument,
        Some(code) if is_signal_stop(code) => FailureClass::Stopped,
        Some(0) if phase == Phase::Serving => FailureClass::Stopped,
        None if story.stopping.is_some() => FailureClass::Stopped,
        Some(1) if story.stopping.is_some() && phase == Phase::Serving => FailureClass::Stopped,
        None if phase == Phase::Serving => FailureClass::Healthy,
        None if story.says_usage => FailureClass::BadArgument,
        Some(_) | None => FailureClass::Unknown,
    };
    Finding::bare(class, phase)
}

/// Can an engine that somebody stopped have ended with this code?
fn is_stop_exit(story: &Story, evidence: &Evidence) -> bool {
    let interrupted = story
        .stopping
        .is_some_and(|at| story.lines[at].text.starts_with("KeyboardInterrupt"));
    match evidence.exit_code {
        None | Some(0 | 137) => true,
        Some(code) => is_signal_stop(code) || interrupted,
    }
}

/// SIGINT and SIGTERM.
fn is_signal_stop(code: i64) -> bool {
    code == 130 || code == 143
}

/// The messages of this weight that may be the cause: not survived, and possible where they
/// stand.
fn causes(story: &Story, evidence: &Evidence, died: bool, weight: Weight) -> Vec<Message> {
    let mut found = messages(story, weight);
    found.retain(|message| is_possible(message, story, evidence, died));
    for message in &mut found {
        let phase = evidence.phase.unwrap_or_else(|| story.phase_at(message.at));
        (message.class, message.phase) = settle(message, phase, story.is_across_nodes);
    }
    found
}

fn is_possible(message: &Message, story: &Story, evidence: &Evidence, died: bool) -> bool {
    let at = message.at;
    if story.started.is_some_and(|started| at < started) {
        return false;
    }
    let is_hub = message.tier == Tier::Model;
    if is_hub && (story.loaded.is_some_and(|loaded| at < loaded) || is_retried(story.lines, at)) {
        return false;
    }
    let serving = story.phase_at(at) == Phase::Serving;
    let possible_now = match message.tier {
        Tier::MemoryTaken | Tier::KvCache | Tier::Model | Tier::Unsupported | Tier::Argument => {
            !serving
        }
        // Old front ends bind after their start is complete; one that has answered has bound.
        Tier::Command | Tier::Container | Tier::Port => !story.has_answered,
        Tier::SharedMemory
        | Tier::GpuMemory
        | Tier::HostMemory
        | Tier::NoGpu
        | Tier::Fault
        | Tier::Crash
        | Tier::Aftermath => true,
    };
    if !possible_now {
        return false;
    }
    // Ray guesses; Docker knows.
    if message.rule.weight == Weight::Faint
        && message.class == FailureClass::HostOom
        && evidence.oom_killed == Some(false)
    {
        return false;
    }
    // Requests fail for reasons that the engine survives.
    !(serving && !died && story.lived_after(at))
}

fn is_retried(lines: &[Line], at: usize) -> bool {
    lines[at..]
        .iter()
        .take(1 + RETRY_NOTICE_WITHIN)
        .any(|line| {
            [
                "Retrying in",
                "retrying 1 of",
                "retrying 2 of",
                "Trying to resume download",
            ]
            .iter()
            .any(|words| line.text.contains(words))
        })
}
