//! Where the messages of the tables stand in a log, and which of them wins.

use crate::diagnose::class::{FailureClass, Phase};
use crate::diagnose::extract::number_after;
use crate::diagnose::line::{Level, Line};
use crate::diagnose::rule::{Names, Rule, Tier, Weight};
use crate::diagnose::rules::{argument, fault, machine, memory, secondary};

const TABLES: [&[Rule]; 4] = [memory::RULES, machine::RULES, argument::RULES, fault::RULES];

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

/// Every message of this weight in the lines, each taken for one of a start; [`settle`] gives it
/// the phase in which it really stands.
pub fn messages(lines: &[Line], weight: Weight) -> Vec<Message> {
    let mut found: Vec<Message> = lines
        .iter()
        .enumerate()
        .filter(|(_, line)| may_name_a_cause(line))
        .filter_map(|(at, line)| {
            // A warning announces at most.
            let is_warning = line.level == Level::Warning;
            let worth = |rule: &Rule| {
                if is_warning {
                    Weight::Faint
                } else {
                    rule.weight
                }
            };
            let rule = TABLES
                .into_iter()
                .flatten()
                .filter(|rule| worth(rule) == weight && rule.matches(&line.text))
                .min_by_key(|rule| rule.tier)?;
            Some(message(at, rule, &line.text))
        })
        .collect();
    if weight == Weight::Strong {
        found.extend(full_disks(lines));
    }
    found
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
fn full_disks(lines: &[Line]) -> impl Iterator<Item = Message> {
    static SHARED_MEMORY: Rule = Rule::new(
        Tier::SharedMemory,
        FailureClass::HostOom,
        &["No space left on device"],
    );
    static DISK: Rule = Rule::new(
        Tier::HostMemory,
        FailureClass::Runtime,
        &["No space left on device"],
    );
    lines
        .iter()
        .enumerate()
        .filter(|(_, line)| {
            may_name_a_cause(line)
                && line.level != Level::Warning
                && line.text.contains("No space left on device")
                && !line.text.contains("/dev/shm")
                && !line.text.contains("psm_")
        })
        .map(|(at, _)| {
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
    let pydantic = [
        "Value error,",
        "Input should be",
        "Assertion failed,",
        "Extra inputs",
    ]
    .iter()
    .any(|words| line.text.trim_start().starts_with(words));
    !matches!(line.level, Level::Info | Level::Debug)
        && !line.text.is_empty()
        && (!line.is_indented() || pydantic)
        && !secondary::DECOYS
            .iter()
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
        Names::CpuKvCache => match number_after(text, "requested memory for kv (") {
            Some(asked) if asked > 0.0 => FailureClass::HostOom,
            _ => FailureClass::KvCacheTooSmall,
        },
    }
}

/// The class in a phase, and the phase that the class allows: some deaths are always of a start.
pub fn settle(message: &Message, phase: Phase) -> (FailureClass, Phase) {
    let class = match message.rule.names {
        Names::GpuOom => class_of(message.rule, "", phase),
        Names::Class(_) | Names::CpuKvCache => message.class,
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
