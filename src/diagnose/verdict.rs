//! The one function from evidence to a named failure: which message of the log is the cause,
//! and what stands for a cause where no message does.

use crate::diagnose::advice::{self, Subject};
use crate::diagnose::class::{Blame, FailureClass, Phase};
use crate::diagnose::evidence::Evidence;
use crate::diagnose::exception::{self, Exception, Origin};
use crate::diagnose::extract::{names_flag, number_after};
use crate::diagnose::failure::{Failure, log_tail};
use crate::diagnose::line::{self, Level, Line};
use crate::diagnose::rule::{Names, Rule, Tier, Weight};
use crate::diagnose::rules::{argument, fault, machine, memory, secondary};
use crate::diagnose::story::Story;

const TABLES: [&[Rule]; 4] = [memory::RULES, machine::RULES, argument::RULES, fault::RULES];

/// Words of a failed download that is tried again stand at most this far behind its message,
/// which can have several lines.
const RETRY_NOTICE_WITHIN: usize = 3;

/// Lines of a pydantic error that are looked through for the fields it names.
const VALIDATION_ERROR_LINES: usize = 40;

/// Exit codes of a process that a crash signal ended: SIGILL, SIGABRT, SIGFPE, SIGSEGV.
const CRASH_EXITS: [i64; 4] = [132, 134, 136, 139];

/// Names what happened to an engine. Pure; takes any text as a log.
///
/// A [`FailureClass::Healthy`] or [`FailureClass::Stopped`] comes back in the same form: the
/// caller decides what it means that nothing failed.
pub fn diagnose(evidence: &Evidence) -> Failure {
    if let Some(words) = evidence.runtime_error.filter(|words| !words.trim().is_empty()) {
        let lines = line::read(words);
        let known = best(&messages(&lines, evidence, Weight::Strong)).map(|found| Finding {
            phase: Phase::Starting,
            ..Finding::of_message(&found, &lines)
        });
        let log_is_empty = evidence.log.trim().is_empty();
        if let Some(finding) = known {
            return finding.into_failure(evidence);
        }
        if log_is_empty {
            let finding = Finding {
                class: FailureClass::Runtime,
                phase: Phase::Starting,
                cause: Some(words.trim().to_owned()),
                about: Vec::new(),
                context: String::new(),
            };
            return finding.into_failure(evidence);
        }
    }
    let lines = line::read(evidence.log);
    let last = Story::last_start(&lines);
    let mut finding = of_story(&Story::of(last), evidence);
    if finding.class == FailureClass::Unknown && last.len() < lines.len() {
        // The last start broke off without a word; the ones before may have died the same way.
        finding = of_story(&Story::of(&lines), evidence);
    }
    if finding.class == FailureClass::Unknown
        && let Some(words) = evidence.runtime_error.filter(|words| !words.trim().is_empty())
    {
        finding.class = FailureClass::Runtime;
        finding.cause = Some(words.trim().to_owned());
    }
    finding.into_failure(evidence)
}

/// What was found, before it is put into words.
#[derive(Debug)]
struct Finding {
    class: FailureClass,
    phase: Phase,
    cause: Option<String>,
    /// Flags that the message is about without naming them.
    about: Vec<&'static str>,
    /// The text in which named flags are looked for; the cause itself when empty.
    context: String,
}

impl Finding {
    fn bare(class: FailureClass, phase: Phase, cause: Option<&Line>) -> Self {
        let cause = cause.map(|line| line.text.trim().to_owned());
        Self { class, phase, cause, about: Vec::new(), context: String::new() }
    }

    fn of_message(found: &Message, lines: &[Line]) -> Self {
        let (cause, context) = cause_text(lines, found.at);
        Self {
            class: found.class,
            phase: found.phase,
            cause: Some(cause),
            about: about(lines, found),
            context,
        }
    }

    fn into_failure(self, evidence: &Evidence) -> Failure {
        let text = self.cause.as_deref().unwrap_or("");
        let context = if self.context.is_empty() { text } else { &self.context };
        let varied: Vec<&str> = evidence
            .varied_flags
            .iter()
            .copied()
            .filter(|flag| self.about.contains(flag) || names_flag(without_choices(context), flag))
            .collect();
        let blame = match self.class {
            FailureClass::GpuMemoryTaken => {
                let own_limit = text.contains(memory::CPU_TAKEN);
                let varies = evidence.varied_flags.contains(&"gpu-memory-utilization");
                if own_limit && varies { Blame::Cell } else { Blame::Profile }
            }
            _ if varied.is_empty() => Blame::Profile,
            _ => Blame::Cell,
        };
        let subject = Subject { class: self.class, phase: self.phase, cause: text, evidence };
        Failure {
            class: self.class,
            phase: self.phase,
            consequence: self.class.consequence(blame),
            explanation: advice::explanation(&subject, &varied),
            suggestion: advice::suggestion(&subject),
            cause: self.cause,
            node: None,
            exit_code: evidence.exit_code,
            oom_killed: evidence.oom_killed,
            log_tail: log_tail(evidence.log),
        }
    }
}

/// A message of the tables, found in a log.
#[derive(Debug, Clone, Copy)]
struct Message {
    at: usize,
    tier: Tier,
    class: FailureClass,
    phase: Phase,
    rule: &'static Rule,
}

fn of_story(story: &Story, evidence: &Evidence) -> Finding {
    let phase = evidence.phase.unwrap_or_else(|| story.phase_at_end());
    let died = story.announced.is_some_and(|_| evidence.exit_code.is_some() || !outlived(story));
    let strong = causes(story, evidence, died, Weight::Strong);
    let oom_killed = evidence.oom_killed == Some(true);

    // Somebody stopped it, and what broke afterwards broke because of that.
    let stopped_first = story.stopping.is_some_and(|stop| {
        strong.iter().all(|message| message.at > stop)
            && story.announced.is_none_or(|at| at > stop)
    });
    if stopped_first && !oom_killed && is_stop_exit(story, evidence) {
        return Finding::bare(FailureClass::Stopped, phase, None);
    }

    if let Some(found) = best(&strong)
        && found.tier < Tier::Aftermath
        && !(oom_killed && found.class == FailureClass::EngineDied)
    {
        return Finding::of_message(&found, story.lines);
    }

    let child = story.child_death();
    let raised = fatal_exception(story, evidence, phase, died);

    if oom_killed {
        let cause = child.map(|death| &story.lines[death.at]);
        return Finding::bare(FailureClass::HostOom, phase, cause);
    }
    if let Some(death) = child
        && raised.is_none_or(|raised| raised.at >= death.at)
    {
        let line = &story.lines[death.at];
        // SIGBUS comes from a full /dev/shm. SIGKILL is the kernel's unless Docker's state,
        // which would know, says that it was not.
        let out_of_memory =
            death.signal == 7 || (death.signal == 9 && evidence.oom_killed.is_none());
        let class =
            if out_of_memory { FailureClass::HostOom } else { FailureClass::EngineDied };
        return Finding::bare(class, phase, Some(line));
    }
    if let Some(found) = best(&strong) {
        return Finding::of_message(&found, story.lines);
    }
    if evidence.exit_code == Some(135) {
        return Finding::bare(FailureClass::HostOom, phase, None);
    }
    let silent_kill = evidence.exit_code == Some(137)
        || (evidence.exit_code.is_none() && story.says_killed());
    if silent_kill && !died && raised.is_none() {
        let class = match evidence.oom_killed {
            Some(false) => FailureClass::EngineDied,
            _ => FailureClass::HostOom,
        };
        return Finding::bare(class, phase, None);
    }
    if let Some(raised) = raised {
        let class = match raised.origin {
            Origin::Configuration if phase == Phase::Starting => FailureClass::BadArgument,
            Origin::Hub if phase == Phase::Starting => FailureClass::ModelNotFound,
            _ => FailureClass::EngineDied,
        };
        return Finding::bare(class, phase, Some(&story.lines[raised.at]));
    }
    without_a_word(story, evidence, phase, died)
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
            None => phase == Phase::Starting,
        };
    fatal.then_some(raised)
}

/// Nothing in the log names a cause.
fn without_a_word(story: &Story, evidence: &Evidence, phase: Phase, died: bool) -> Finding {
    let failed_exit = evidence.exit_code.is_some_and(|code| code != 0 && !is_signal_stop(code));
    if (died || failed_exit)
        && let Some(found) = best(&causes(story, evidence, died, Weight::Faint))
    {
        return Finding::of_message(&found, story.lines);
    }
    if died {
        let cause = story.announced.map(|at| &story.lines[at]);
        return Finding::bare(FailureClass::EngineDied, phase, cause);
    }
    let class = match evidence.exit_code {
        Some(code) if CRASH_EXITS.contains(&code) => FailureClass::EngineDied,
        Some(2) if phase == Phase::Starting => FailureClass::BadArgument,
        Some(code) if is_signal_stop(code) => FailureClass::Stopped,
        Some(0) if phase == Phase::Serving => FailureClass::Stopped,
        None if story.stopping.is_some() => FailureClass::Stopped,
        None if phase == Phase::Serving => FailureClass::Healthy,
        None if story.says_usage() => FailureClass::BadArgument,
        Some(_) | None => FailureClass::Unknown,
    };
    Finding::bare(class, phase, None)
}

/// Did the engine go on after the last line that announces a death?
fn outlived(story: &Story) -> bool {
    let last = story
        .lines
        .iter()
        .rposition(|line| secondary::DEAD.iter().any(|words| line.text.contains(words)));
    last.is_some_and(|at| story.lived_after(at))
}

/// Can an engine that somebody stopped have ended with this code?
fn is_stop_exit(story: &Story, evidence: &Evidence) -> bool {
    let interrupted =
        story.stopping.is_some_and(|at| story.lines[at].text.starts_with("KeyboardInterrupt"));
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
    let mut found = messages(story.lines, evidence, weight);
    found.retain(|message| is_possible(message, story, evidence, died));
    for message in &mut found {
        let phase = evidence.phase.unwrap_or_else(|| story.phase_at(message.at));
        (message.class, message.phase) = settle(message, phase);
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
        Tier::MemoryTaken | Tier::KvCache | Tier::Model | Tier::Argument => !serving,
        // Old front ends bind after their start is complete; one that has answered has bound.
        Tier::Command | Tier::Port => !story.has_answered(),
        Tier::SharedMemory
        | Tier::GpuMemory
        | Tier::HostMemory
        | Tier::NoGpu
        | Tier::Fault
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
    lines[at..].iter().take(1 + RETRY_NOTICE_WITHIN).any(|line| {
        ["Retrying in", "retrying 1 of", "retrying 2 of", "Trying to resume download"]
            .iter()
            .any(|words| line.text.contains(words))
    })
}

/// Every message of this weight in the lines.
fn messages(lines: &[Line], evidence: &Evidence, weight: Weight) -> Vec<Message> {
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        if !may_name_a_cause(line) {
            continue;
        }
        for rule in TABLES.into_iter().flatten() {
            // A warning announces at most.
            let worth =
                if line.level == Level::Warning { Weight::Faint } else { rule.weight };
            if worth == weight && rule.matches(&line.text) {
                let mut message = Message {
                    at,
                    tier: rule.tier,
                    class: FailureClass::Unknown,
                    phase: Phase::Starting,
                    rule,
                };
                let phase = evidence.phase.unwrap_or(Phase::Starting);
                message.class = class_of(rule, &line.text, phase);
                found.push(message);
                break;
            }
        }
    }
    if weight == Weight::Strong {
        found.extend(full_disks(lines));
    }
    found
}

/// A device without space is /dev/shm when shared memory was being made, else a full disk.
fn full_disks(lines: &[Line]) -> impl Iterator<Item = Message> {
    static SHARED_MEMORY: Rule =
        Rule::new(Tier::SharedMemory, FailureClass::HostOom, &["No space left on device"]);
    static DISK: Rule =
        Rule::new(Tier::HostMemory, FailureClass::Runtime, &["No space left on device"]);
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
            let sharing = lines[at.saturating_sub(30)..at].iter().any(|line| {
                ["shared_memory.py", "shm_broadcast.py", "SharedMemory("]
                    .iter()
                    .any(|words| line.text.contains(words))
            });
            let rule = if sharing { &SHARED_MEMORY } else { &DISK };
            let class = class_of(rule, "", Phase::Starting);
            Message { at, tier: rule.tier, class, phase: Phase::Starting, rule }
        })
}

/// Code in a traceback, dumps of arguments and what is logged for information only quote the
/// words of a cause.
fn may_name_a_cause(line: &Line) -> bool {
    let pydantic = ["Value error,", "Input should be", "Assertion failed,", "Extra inputs"]
        .iter()
        .any(|words| line.text.trim_start().starts_with(words));
    !matches!(line.level, Level::Info | Level::Debug)
        && !line.text.is_empty()
        && (!line.is_indented() || pydantic)
        && !secondary::DECOYS.iter().any(|words| line.text.contains(words))
}

fn best(messages: &[Message]) -> Option<Message> {
    messages.iter().copied().min_by_key(|message| (message.tier, message.at))
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
fn settle(message: &Message, phase: Phase) -> (FailureClass, Phase) {
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

/// The words of the cause, and the text in which flags are named.
///
/// pydantic writes a heading, then each field on a line of its own, then what is wrong with it.
fn cause_text(lines: &[Line], at: usize) -> (String, String) {
    let text = lines[at].text.trim();
    let heading = text.contains("alidation error") && text.contains(" for ");
    if !heading {
        return (quoted_by_the_core(text).to_owned(), String::new());
    }
    let body: Vec<&str> = lines[at + 1..]
        .iter()
        .take(VALIDATION_ERROR_LINES)
        .map(|line| line.text.as_str())
        .take_while(|text| !text.is_empty() && !text.starts_with("Traceback"))
        .collect();
    let wrong = body.iter().position(|text| {
        text.starts_with(' ') && !text.trim_start().starts_with("For further information")
    });
    let cause = match wrong {
        Some(index) => {
            let said = without_input(body[index].trim());
            match index.checked_sub(1).map(|before| body[before]) {
                Some(field) if !field.starts_with(' ') => format!("{field}: {said}"),
                _ => said.to_owned(),
            }
        }
        None => text.to_owned(),
    };
    let context = body
        .iter()
        .filter(|text| !text.trim_start().starts_with("For further information"))
        .map(|text| without_input(text))
        .collect::<Vec<_>>()
        .join("\n");
    (cause, context)
}

/// pydantic repeats the whole input behind its message.
fn without_input(text: &str) -> &str {
    text.split(" [type=").next().unwrap_or(text)
}

/// The values that argparse allows may be words of other flags.
fn without_choices(text: &str) -> &str {
    text.split(" (choose from").next().unwrap_or(text)
}

/// The core repeats a worker's error inside a sentence of its own.
fn quoted_by_the_core(text: &str) -> &str {
    let inner = text.split_once("Worker failed with error '").map(|(_, inner)| inner);
    inner.and_then(|inner| inner.split("', please check").next()).unwrap_or(text)
}

/// Flags that the message is about, by all the rules that match inside it.
fn about(lines: &[Line], found: &Message) -> Vec<&'static str> {
    let block = lines[found.at..].iter().take(VALIDATION_ERROR_LINES);
    let is_heading = found.rule.tier == Tier::Argument && found.rule.about.is_empty();
    let mut flags = found.rule.about.to_vec();
    if is_heading {
        for line in block.take_while(|line| !line.text.starts_with("Traceback")) {
            for rule in argument::RULES.iter().filter(|rule| rule.matches(&line.text)) {
                flags.extend_from_slice(rule.about);
            }
        }
    }
    flags
}
