//! What to change after a failure, in one or two sentences that can be acted on: settings stand
//! between backticks as a profile or an experiment takes them, sections to paste on lines of
//! their own behind the sentence.
//!
//! A number is the log's, or computed from the log's numbers with the arithmetic beside it and
//! rounded to the safe side. Where the log gives none, there is none.

mod argument;
mod device;
mod fault;
mod host;
mod model;
mod parsers;
#[cfg(test)]
mod tests;

use crate::diagnose::advice::Subject;
use crate::diagnose::class::FailureClass;

/// What to change; `None` where nothing needs to change.
pub fn suggestion(subject: &Subject) -> Option<String> {
    let cause = subject.cause;
    let text = match subject.class {
        FailureClass::GpuOomStartup => device::out_of_memory_starting(subject),
        FailureClass::GpuOomServing => device::out_of_memory_serving(subject),
        FailureClass::KvCacheTooSmall => device::cache_too_small(subject),
        FailureClass::GpuMemoryTaken => device::memory_taken(subject),
        FailureClass::HostOom => host::out_of_memory(subject),
        FailureClass::BadArgument => argument::refused(subject),
        FailureClass::ModelNotFound => model::not_found(subject),
        FailureClass::PortInUse => host::port(cause),
        FailureClass::GpuUnavailable => host::no_gpu(cause),
        FailureClass::NcclFailure => fault::collective(cause),
        FailureClass::EngineDied => fault::died(subject),
        FailureClass::Runtime => host::runtime(cause),
        FailureClass::RuntimeLost => "Nothing, if the runtime came back: the attempt is made \
             again. Otherwise see why the daemon stopped, and resume the run."
            .to_owned(),
        FailureClass::NotReady => "See in the log what it was doing; allow more time with \
             `ready-timeout` in the profile."
            .to_owned(),
        FailureClass::Unresponsive => "See in the log whether a worker hangs.".to_owned(),
        FailureClass::NotAsConfigured => "Leave the setting out, or set what the engine really \
             does."
            .to_owned(),
        FailureClass::Unknown => "Read the last lines of the log; `VLLM_LOGGING_LEVEL = \
             \"DEBUG\"` in `[engine.env]` says more."
            .to_owned(),
        FailureClass::Stopped | FailureClass::Healthy => return None,
    };
    Some(text)
}

/// The advice of the first family of messages of which a word stands in the text.
fn of_family(text: &str, families: &[(&[&str], &'static str)]) -> Option<String> {
    families
        .iter()
        .find(|(words, _)| words.iter().any(|word| text.contains(word)))
        .map(|(_, advice)| (*advice).to_owned())
}
