//! What a failure means, in words for a person. What to change is `remedy`'s to say.

use crate::diagnose::class::{FailureClass, Phase};
use crate::diagnose::evidence::Evidence;
use crate::diagnose::extract::fraction;
use crate::diagnose::facts::Facts;
use crate::diagnose::rules::memory::CPU_TAKEN;
use crate::diagnose::stage::Stage;

/// What is spoken about.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    pub class: FailureClass,
    pub phase: Phase,
    pub stage: Option<Stage>,
    /// The root-cause line; empty where there is none.
    pub cause: &'a str,
    pub evidence: &'a Evidence<'a>,
    /// What else the log tells.
    pub facts: &'a Facts,
}

/// What happened, in one or two sentences. `varied` are the varied flags that the cause is about.
pub fn explanation(subject: &Subject, varied: &[&str]) -> String {
    let Subject {
        class,
        phase,
        cause,
        evidence,
        ..
    } = subject;
    match class {
        FailureClass::GpuOomStartup => {
            "The GPU ran out of memory while the engine started: weights, \
             activations, CUDA graphs and KV cache together do not fit."
                .to_owned()
        }
        FailureClass::GpuOomServing => {
            "The GPU ran out of memory while the engine served: the load \
             needed more than the start had measured."
                .to_owned()
        }
        FailureClass::KvCacheTooSmall => {
            "What the utilisation leaves after weights and activations \
             is too little KV cache for one request of the full length."
                .to_owned()
        }
        FailureClass::GpuMemoryTaken if cause.contains(CPU_TAKEN) => {
            "The utilisation asks for more of the container's memory limit than was free when the \
             worker started. The limit is the container's own, so that nobody else holds it: \
             vLLM's own processes do."
                .to_owned()
        }
        FailureClass::GpuMemoryTaken => "Something else held memory of the GPU when the engine \
             started, so that the share that it was to use was not free."
            .to_owned(),
        FailureClass::HostOom if is_shared_memory(cause, evidence) => {
            "The shared memory of the container (/dev/shm) is too small for what vLLM's processes \
             exchange."
                .to_owned()
        }
        FailureClass::HostOom if cause.contains("swap space") => "The swap space that was asked \
             for takes too much of the host's memory."
            .to_owned(),
        FailureClass::HostOom if evidence.oom_killed == Some(true) => match evidence.exit_code {
            Some(137) | None => "The kernel killed the engine because its container reached its \
                 memory limit; the log says nothing of it."
                .to_owned(),
            Some(code) => format!(
                "The kernel killed a process of the engine because the container reached its \
                 memory limit; the server then ended with exit code {code}."
            ),
        },
        FailureClass::HostOom if cause.is_empty() || cause.contains("-9") => {
            "A process of the engine was killed (SIGKILL) without a word, as the kernel does when \
             memory runs out; whether it did is not in the evidence."
                .to_owned()
        }
        FailureClass::HostOom => "The engine ran out of host memory.".to_owned(),
        FailureClass::BadArgument if varied.is_empty() => {
            "vLLM refuses its arguments, and not because of a flag that the experiment varies: \
             every cell would end so."
                .to_owned()
        }
        FailureClass::BadArgument => format!(
            "vLLM refuses this combination of arguments; the message is about {}, which the \
             experiment varies.",
            list(varied)
        ),
        FailureClass::ModelNotFound => "The model, or a file of it, could not be found or \
             fetched."
            .to_owned(),
        FailureClass::PortInUse => {
            "The port that the engine was to listen on is in use.".to_owned()
        }
        FailureClass::GpuUnavailable => "The engine saw no usable GPU: driver, container toolkit \
             or the choice of devices."
            .to_owned(),
        FailureClass::NcclFailure => "The GPUs' collective communication (NCCL) failed.".to_owned(),
        FailureClass::EngineDied => died(*phase, cause, evidence),
        FailureClass::NotReady => "The engine was not ready before the deadline.".to_owned(),
        FailureClass::Unresponsive => {
            "The server says that it is healthy, and no completion comes \
             back from it."
                .to_owned()
        }
        FailureClass::NotAsConfigured => "The engine runs with other settings than it was asked \
             for."
            .to_owned(),
        FailureClass::Runtime => {
            "The container runtime or the host failed; this says nothing about \
             the configuration."
                .to_owned()
        }
        FailureClass::RuntimeLost => "The container runtime went away under the engine.".to_owned(),
        FailureClass::Stopped => {
            "Somebody stopped the engine; nothing was wrong with it.".to_owned()
        }
        FailureClass::Healthy => {
            "The engine started and serves; nothing is wrong with it.".to_owned()
        }
        FailureClass::Unknown => match evidence.exit_code {
            Some(code) => {
                format!("The engine ended with exit code {code}, and its log does not say why.")
            }
            None => "The log tells neither that the engine serves nor why it would not.".to_owned(),
        },
    }
}

fn died(phase: Phase, cause: &str, evidence: &Evidence) -> String {
    let when = match phase {
        Phase::Starting => "while it started",
        Phase::Serving => "while it served",
    };
    let killed = cause.contains("exit code: -9") || cause.contains("': -9");
    let signal = match evidence.exit_code {
        _ if killed => Some(
            "a process of it was killed from outside (SIGKILL), not by the kernel's out-of-memory killer",
        ),
        Some(137) if cause.is_empty() => {
            Some("it was killed from outside (SIGKILL), not by the kernel's out-of-memory killer")
        }
        Some(139) if cause.is_empty() => Some("it crashed with a segmentation fault"),
        Some(134) if cause.is_empty() => Some("it aborted"),
        _ => None,
    };
    let mut text = format!("The engine died {when}");
    if let Some(signal) = signal {
        text.push_str(": ");
        text.push_str(signal);
    }
    text.push('.');
    if evidence.exit_code == Some(0) {
        text.push_str(" The server shut down in order afterwards, hence exit code 0.");
    }
    text
}

/// `Free memory on device (23.3/24.0 GiB) ..`: a card of which this much is free has no other
/// tenant worth the name, and the utilisation asked for more than any engine could get.
pub fn nearly_all_free(cause: &str) -> bool {
    const NEARLY_ALL: f64 = 0.95;
    cause.contains("Free memory on device")
        && fraction(cause).is_some_and(|(free, total)| free / total >= NEARLY_ALL)
}

/// Is it /dev/shm that ran out of room? A process that touches memory which it cannot give dies
/// of SIGBUS, without a word.
pub fn is_shared_memory(cause: &str, evidence: &Evidence) -> bool {
    let silent_bus_error = cause.is_empty() && evidence.exit_code == Some(135);
    silent_bus_error
        || [
            "/dev/shm",
            "psm_",
            "shared memory (shm)",
            "Bus error",
            "SIGBUS",
            "</torch_",
            "shared memory segment",
            "No space left on device",
            // A child process that SIGBUS ended.
            "exit code: -7",
            "': -7",
        ]
        .iter()
        .any(|words| cause.contains(words))
}

fn list(names: &[&str]) -> String {
    names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}
