//! Where the messages of the tables stand in a log, and which of them wins.

use crate::diagnose::class::{FailureClass, Phase};
use crate::diagnose::extract::number_after;
use crate::diagnose::line::{Level, Line};
use crate::diagnose::rule::{Names, Rule, Tier, Weight};
use crate::diagnose::rules::{fault, secondary};
use crate::diagnose::story::Story;
use crate::diagnose::vocabulary::Group;

/// A device that is full is /dev/shm when shared memory was made at most this many lines before.
const TRACEBACK_LINES: usize = 30;

/// A message of the tables, found in a log.
#[derive(Debug, Clone, Copy)]
pub struct Message {
    /// Index of its line.
    pub at: usize,
    pub tier: Tier,
    pub class: FailureClass,
    pub phase: Phase,
    pub rule: &'static Rule,
}

/// Every message of this weight in a story, each taken for one of a start; [`settle`] gives it
/// the phase in which it really stands.
pub fn messages(story: &Story, weight: Weight) -> Vec<Message> {
    let mut found: Vec<Message> = story
        .hits
        .iter()
        .filter_map(|hit| {
            let line = &story.lines[hit.at];
            if !may_name_a_cause(line) {
                return None;
            }
            // A warning announces at most.
            let is_warning = line.level == Level::Warning;
            let worth = |rule: &Rule| {
                if is_warning {
                    Weight::Faint
                } else {
                    rule.weight
                }
            };
            let said = without_input(&line.text);
            let rule = hit
                .rules()
                .filter(|rule| worth(rule) == weight && rule.matches(said))
                .min_by_key(|rule| rule.tier)?;
            let found = message(hit.at, rule, said);
            let is_farewell =
                found.class == FailureClass::NcclFailure && is_torn_down(&story.lines[..hit.at]);
            (!is_farewell).then_some(found)
        })
        .collect();
    if weight == Weight::Strong {
        found.extend(full_disks(story));
    }
    found
}

/// Does the traceback at the end of these lines go through the end of a process group? What
/// collectives say there follows from a shutdown.
fn is_torn_down(before: &[Line]) -> bool {
    before
        .iter()
        .rev()
        .take(TRACEBACK_LINES)
        .take_while(|line| line.is_indented())
        .any(|line| {
            fault::TEARDOWN
                .iter()
                .any(|words| line.text.contains(words))
        })
}

/// What stands before the input that a check repeats: the input is a user's, or the whole
/// configuration. A line that begins inside it says nothing.
fn without_input(text: &str) -> &str {
    let input = ["input_value=", "'input': ", "\"input\": "]
        .iter()
        .filter_map(|marker| text.find(marker))
        .min();
    match input {
        Some(at) => &text[..at],
        None if text.contains(", input_type=") => "",
        None => text,
    }
}

fn message(at: usize, rule: &'static Rule, text: &str) -> Message {
    let phase = Phase::Starting;
    Message {
        at,
        tier: rule.tier,
        class: class_of(rule, text, phase),
        phase,
        rule,
    }
}

/// A device without space is /dev/shm when shared memory was being made, else a full disk.
fn full_disks(story: &Story) -> impl Iterator<Item = Message> {
    static SHARED_MEMORY: Rule =
        Rule::new(Tier::SharedMemory, FailureClass::HostOom, secondary::FULL);
    static DISK: Rule = Rule::new(Tier::HostMemory, FailureClass::Runtime, secondary::FULL);
    let lines = story.lines;
    story
        .hits
        .iter()
        .filter(|hit| hit.holds(Group::Full))
        .map(|hit| hit.at)
        .filter(|&at| {
            let line = &lines[at];
            may_name_a_cause(line)
                && line.level != Level::Warning
                && !line.text.contains("/dev/shm")
                && !line.text.contains("psm_")
        })
        .map(|at| {
            let sharing = lines[at.saturating_sub(TRACEBACK_LINES)..at]
                .iter()
                .any(|line| {
                    ["shared_memory.py", "shm_broadcast.py", "SharedMemory("]
                        .iter()
                        .any(|words| line.text.contains(words))
                });
            let rule = if sharing { &SHARED_MEMORY } else { &DISK };
            message(at, rule, "")
        })
}

/// Code in a traceback, dumps of arguments and what is logged for information only quote the
/// words of a cause.
fn may_name_a_cause(line: &Line) -> bool {
    // pydantic indents what is wrong, and C++ what it threw.
    let is_said = [
        "what():",
        "Value error,",
        "Input should be",
        "Assertion failed,",
        "Extra inputs",
    ]
    .iter()
    .any(|words| line.text.trim_start().starts_with(words));
    !matches!(line.level, Level::Info | Level::Debug)
        && !line.text.is_empty()
        && (!line.is_indented() || is_said)
        && !secondary::DECOYS
            .iter()
            .chain(secondary::QUOTING)
            .any(|words| line.text.contains(words))
}

/// The one that wins: by tier, then by place.
pub fn best(messages: &[Message]) -> Option<Message> {
    messages
        .iter()
        .copied()
        .min_by_key(|message| (message.tier, message.at))
}

fn class_of(rule: &Rule, text: &str, phase: Phase) -> FailureClass {
    match rule.names {
        Names::Class(class) => class,
        Names::GpuOom => match phase {
            Phase::Starting => FailureClass::GpuOomStartup,
            Phase::Serving => FailureClass::GpuOomServing,
        },
        Names::HungWorker => FailureClass::EngineDied,
        Names::CpuKvCache => match number_after(text, "requested memory for kv (") {
            Some(asked) if asked > 0.0 => FailureClass::HostOom,
            _ => FailureClass::KvCacheTooSmall,
        },
    }
}

/// The class in a phase, and the phase that the class allows: some deaths are always of a start.
///
/// A worker that hangs where several nodes work together hangs in a collective.
pub fn settle(message: &Message, phase: Phase, across_nodes: bool) -> (FailureClass, Phase) {
    let class = match message.rule.names {
        Names::GpuOom => class_of(message.rule, "", phase),
        Names::HungWorker if across_nodes => FailureClass::NcclFailure,
        Names::Class(_) | Names::CpuKvCache | Names::HungWorker => message.class,
    };
    let phase = match class {
        FailureClass::GpuOomStartup
        | FailureClass::KvCacheTooSmall
        | FailureClass::GpuMemoryTaken
        | FailureClass::BadArgument
        | FailureClass::ModelNotFound
        | FailureClass::PortInUse => Phase::Starting,
        _ if message.rule.names == Names::CpuKvCache => Phase::Starting,
        _ => phase,
    };
    (class, phase)
}
