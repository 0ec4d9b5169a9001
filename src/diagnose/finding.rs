//! What was found, and how it becomes a [`Failure`]: the words of the cause, the flags that it
//! is about, whose fault that makes it.

use crate::diagnose::advice::{self, Subject};
use crate::diagnose::class::{Blame, FailureClass, Phase};
use crate::diagnose::evidence::Evidence;
use crate::diagnose::extract::names_flag;
use crate::diagnose::facts::Facts;
use crate::diagnose::failure::{Failure, log_tail};
use crate::diagnose::line::Line;
use crate::diagnose::message::Message;
use crate::diagnose::occupancy;
use crate::diagnose::remedy;
use crate::diagnose::rules::{argument, memory};
use crate::diagnose::stage::Stage;

/// Lines of a pydantic error that are looked through for the fields it names.
const VALIDATION_ERROR_LINES: usize = 40;

/// What was found, before it is put into words.
#[derive(Debug)]
pub struct Finding {
    pub class: FailureClass,
    pub phase: Phase,
    pub cause: Option<String>,
    /// The line that holds the cause; `None` where no line of the log does.
    pub at: Option<usize>,
    pub stage: Option<Stage>,
    /// What the log tells beside the death.
    pub facts: Facts,
    /// Flags that the message is about without naming them.
    about: Vec<&'static str>,
    /// The text in which named flags are looked for; the cause itself when empty.
    context: String,
}

impl Finding {
    /// One of which no line tells.
    pub fn bare(class: FailureClass, phase: Phase) -> Self {
        Self {
            class,
            phase,
            cause: None,
            at: None,
            stage: None,
            facts: Facts::default(),
            about: Vec::new(),
            context: String::new(),
        }
    }

    /// One of which a line tells that no table knows.
    pub fn of_line(class: FailureClass, phase: Phase, lines: &[Line], at: usize) -> Self {
        Self {
            cause: Some(lines[at].text.trim().to_owned()),
            at: Some(at),
            ..Self::bare(class, phase)
        }
    }

    /// One of which only the runtime tells, in words that no table knows.
    pub fn said_by_the_runtime(phase: Phase, words: &str) -> Self {
        Self {
            cause: Some(words.to_owned()),
            ..Self::bare(FailureClass::Runtime, phase)
        }
    }

    pub fn of_message(found: &Message, lines: &[Line]) -> Self {
        let (cause, context, at) = cause_text(lines, found.at);
        Self {
            class: found.class,
            phase: found.phase,
            cause: Some(cause),
            at: Some(at),
            stage: None,
            facts: Facts::default(),
            about: about(lines, found),
            context,
        }
    }

    /// Puts it into words.
    pub fn into_failure(self, evidence: &Evidence) -> Failure {
        let text = self.cause.as_deref().unwrap_or("");
        let context = if self.context.is_empty() {
            text
        } else {
            &self.context
        };
        let varied: Vec<&str> = evidence
            .varied_flags
            .iter()
            .copied()
            .filter(|flag| self.about.contains(flag) || names_flag(without_choices(context), flag))
            .collect();
        let blame = match self.class {
            FailureClass::GpuMemoryTaken => {
                let own_limit = text.contains(memory::CPU_TAKEN) || advice::nearly_all_free(text);
                let varies = evidence.varied_flags.contains(&"gpu-memory-utilization");
                if own_limit && varies {
                    Blame::Cell
                } else {
                    Blame::Profile
                }
            }
            // Its size is the profile's, and whatever else exhausts host memory is the cell's.
            FailureClass::HostOom => {
                if advice::is_shared_memory(text, evidence) {
                    Blame::Profile
                } else {
                    Blame::Cell
                }
            }
            _ if varied.is_empty() => Blame::Profile,
            _ => Blame::Cell,
        };
        let subject = Subject {
            class: self.class,
            phase: self.phase,
            stage: self.stage,
            cause: text,
            evidence,
            facts: &self.facts,
        };
        let mut explanation = advice::explanation(&subject, &varied);
        if let Some(remark) = occupancy::remark(self.class, self.phase, evidence.memory) {
            explanation = format!("{explanation} {remark}");
        }
        if let Some(remark) = occupancy::cards(self.class, evidence.gpu_memory) {
            explanation = format!("{explanation} {remark}");
        }
        Failure {
            class: self.class,
            phase: self.phase,
            stage: self.stage,
            consequence: self.class.consequence(blame),
            explanation,
            suggestion: remedy::suggestion(&subject),
            cause: self.cause,
            node: None,
            node_after_ms: None,
            exit_code: evidence.exit_code,
            oom_killed: evidence.oom_killed,
            log_tail: log_tail(evidence.log),
            disturbed: false,
        }
    }
}

/// The words of the cause, the text in which flags are named, and the line of the words.
///
/// pydantic writes a heading, then each field on a line of its own, then what is wrong with it.
fn cause_text(lines: &[Line], at: usize) -> (String, String, usize) {
    let text = lines[at].text.trim();
    if !is_validation_heading(text) {
        return (quoted_by_the_core(text).to_owned(), String::new(), at);
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
    (cause, context, wrong.map_or(at, |index| at + 1 + index))
}

fn is_validation_heading(text: &str) -> bool {
    text.contains("alidation error") && text.contains(" for ")
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
    let inner = text
        .split_once("Worker failed with error '")
        .map(|(_, inner)| inner);
    inner
        .and_then(|inner| inner.split("', please check").next())
        .unwrap_or(text)
}

/// Flags that the message is about, by all the rules that match it or what stands inside it.
fn about(lines: &[Line], found: &Message) -> Vec<&'static str> {
    let heading = is_validation_heading(&lines[found.at].text);
    let length = if heading { VALIDATION_ERROR_LINES } else { 1 };
    let inside = lines[found.at..]
        .iter()
        .take(length)
        .take_while(|line| !line.text.starts_with("Traceback"))
        .flat_map(|line| {
            argument::RULES
                .iter()
                .filter(|rule| rule.matches(&line.text))
        })
        .flat_map(|rule| rule.about.iter().copied());
    found.rule.about.iter().copied().chain(inside).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::class::Consequence;
    use crate::diagnose::diagnose;

    fn of(log: &str, exit_code: Option<i64>) -> Failure {
        diagnose(&Evidence {
            exit_code,
            varied_flags: &["max-num-seqs"],
            ..Evidence::of(log)
        })
    }

    #[test]
    fn a_full_shared_memory_is_the_profiles_fault_and_other_host_memory_the_cells() {
        let shared = [
            (
                "OSError: [Errno 28] No space left on device: '/psm_1f2e'",
                Some(1),
            ),
            ("Fatal Python error: Bus error", None),
            (
                "RuntimeError: Engine core initialization failed. Failed core proc(s): {'EngineCore_0': -7}",
                Some(1),
            ),
            ("", Some(135)),
        ];
        for (log, exit_code) in shared {
            let failure = of(log, exit_code);
            assert_eq!(failure.class, FailureClass::HostOom, "{log}");
            assert_eq!(failure.consequence, Consequence::Machine, "{log}");
            let suggestion = failure.suggestion.unwrap();
            assert!(suggestion.contains("shm = "), "{log}: {suggestion}");
        }
        for (log, exit_code) in [("MemoryError", Some(1)), ("", Some(137))] {
            let failure = of(log, exit_code);
            assert_eq!(failure.class, FailureClass::HostOom, "{log}");
            assert_eq!(failure.consequence, Consequence::Infeasible, "{log}");
        }
    }
}
