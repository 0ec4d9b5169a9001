//! What a failure means and what to change, in words for a person: concrete where the log gives
//! the numbers, else the direction for its class.

use crate::diagnose::class::{FailureClass, Phase};
use crate::diagnose::evidence::Evidence;
use crate::diagnose::extract::{count_after, fraction, number_after};
use crate::diagnose::rules::memory::CPU_TAKEN;

/// What is spoken about.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    pub class: FailureClass,
    pub phase: Phase,
    /// The root-cause line; empty where there is none.
    pub cause: &'a str,
    pub evidence: &'a Evidence<'a>,
}

/// Two shares of memory are never asked closer than this to what is free.
const UTILISATION_STEP: f64 = 0.01;

/// What happened, in one or two sentences. `varied` are the varied flags that the cause is about.
pub fn explanation(subject: &Subject, varied: &[&str]) -> String {
    let Subject {
        class,
        phase,
        cause,
        evidence,
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

/// What to change; `None` where nothing needs to change.
pub fn suggestion(subject: &Subject) -> Option<String> {
    let cause = subject.cause;
    let text = match subject.class {
        FailureClass::GpuOomStartup => gpu_oom_startup(cause),
        FailureClass::GpuOomServing => "Lower `gpu-memory-utilization`, `max-num-seqs` or \
             `max-num-batched-tokens`, so that memory is left for the peaks of the load."
            .to_owned(),
        FailureClass::KvCacheTooSmall => kv_cache(cause),
        FailureClass::GpuMemoryTaken => memory_taken(cause),
        FailureClass::HostOom => host_oom(subject),
        FailureClass::BadArgument => bad_argument(cause),
        FailureClass::ModelNotFound => model(cause),
        FailureClass::PortInUse => "Free the port, or choose another one.".to_owned(),
        FailureClass::GpuUnavailable => gpu_unavailable(cause),
        FailureClass::NcclFailure => {
            "Set NCCL_DEBUG=INFO in `[engine.env]` and look for the first \
             `NCCL WARN`; `shm` or `ipc = \"host\"`, `disable-custom-all-reduce` and \
             NCCL_P2P_DISABLE=1 are the usual remedies."
                .to_owned()
        }
        FailureClass::EngineDied => engine_died(cause),
        FailureClass::NotReady => "See in the log what it was doing; allow more time with \
             `ready-timeout`."
            .to_owned(),
        FailureClass::Unresponsive => "See in the log whether a worker hangs.".to_owned(),
        FailureClass::NotAsConfigured => "Leave the setting out, or set what the engine really \
             does."
            .to_owned(),
        FailureClass::Runtime | FailureClass::RuntimeLost => runtime(cause),
        FailureClass::Unknown => "Read the last lines of the log; VLLM_LOGGING_LEVEL=DEBUG in \
             `[engine.env]` says more."
            .to_owned(),
        FailureClass::Stopped | FailureClass::Healthy => return None,
    };
    Some(text)
}

fn gpu_oom_startup(cause: &str) -> String {
    if cause.contains("warming up") {
        return "Lower `max-num-seqs` or `gpu-memory-utilization`: the engine was warming up its \
                largest batch."
            .to_owned();
    }
    "Lower `gpu-memory-utilization`, `max-num-batched-tokens` or `max-num-seqs`; if the weights \
     alone do not fit, use more GPUs (`tensor-parallel-size`) or a quantised model."
        .to_owned()
}

fn kv_cache(cause: &str) -> String {
    let fits = count_after(cause, "estimated maximum model length is")
        .or_else(|| count_after(cause, "can be stored in KV cache"));
    if let Some(length) = fits.filter(|length| *length > 0) {
        return format!(
            "Set `max-model-len` to at most {length} (vLLM's own estimate of what fits), or make \
             room: a higher `gpu-memory-utilization`, or `kv-cache-dtype = \"fp8\"`."
        );
    }
    let missing = number_after(cause, "requested memory for kv (").filter(|asked| *asked <= 0.0);
    if let (Some(asked), Some((_, limit))) = (missing, fraction(cause)) {
        let more = (-asked / limit / UTILISATION_STEP).ceil() * UTILISATION_STEP;
        return format!(
            "Raise `gpu-memory-utilization` by more than {more:.2} (only beyond that is there any KV \
             cache), or raise the container's `memory`."
        );
    }
    "Raise `gpu-memory-utilization`, or lower `max-model-len`, `max-num-batched-tokens` or \
     `max-num-seqs`; `kv-cache-dtype = \"fp8\"` halves what a token takes."
        .to_owned()
}

fn memory_taken(cause: &str) -> String {
    let free_share = fraction(cause).map(|(free, total)| {
        // Rounded down, so that what is suggested would have been free.
        (free / total / UTILISATION_STEP).floor() * UTILISATION_STEP
    });
    let own_limit = cause.contains(CPU_TAKEN);
    match free_share {
        Some(share) if own_limit && share > 0.0 => format!(
            "Set `gpu-memory-utilization` to at most {share:.2}: that much of the container's limit \
             was free when the worker started."
        ),
        Some(share) if share > 0.0 => format!(
            "End what else uses the GPU; with it running, `gpu-memory-utilization` of at most \
             {share:.2} would have fitted."
        ),
        _ => "End what else uses the GPU, and wait until its memory is free before the next start."
            .to_owned(),
    }
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

fn host_oom(subject: &Subject) -> String {
    let cause = subject.cause;
    if let Some(needed) = number_after(
        cause,
        "Insufficient space in /dev/shm for shared-memory allocation:",
    )
    .or_else(|| number_after(cause, "Insufficient space in /dev/shm:"))
    {
        return format!(
            "Set `shm` in `[engine]` of the profile to more than {needed} MiB (for example \
             `shm = \"{}\"`), or `ipc = \"host\"`.",
            next_power_of_two_mib(needed)
        );
    }
    if is_shared_memory(cause, subject.evidence) {
        return "Set a larger `shm` in `[engine]` of the profile (for example `shm = \"8GiB\"`), or \
                `ipc = \"host\"`."
            .to_owned();
    }
    if cause.contains("swap space") {
        return "Lower `swap-space`.".to_owned();
    }
    if let (Some(asked), Some((free, _))) = (
        number_after(cause, "requested memory for kv ("),
        fraction(cause),
    ) {
        return format!(
            "Ask for less KV cache than the {free} GiB that were free ({asked} GiB were asked for), \
             or raise the container's `memory`."
        );
    }
    "Raise the container's `memory`, or ask for less: a smaller explicit KV cache, less offloading \
     or swap space, a smaller model."
        .to_owned()
}

/// Twice what is needed, rounded up to a power of two, so that other users of it have room.
fn next_power_of_two_mib(needed: f64) -> String {
    let mib = (needed.clamp(1.0, 1e9) as u64 * 2).next_power_of_two();
    if mib >= 1024 {
        format!("{}GiB", mib / 1024)
    } else {
        format!("{mib}MiB")
    }
}

fn bad_argument(cause: &str) -> String {
    if cause.contains("is smaller than max_model_len")
        && let Some(length) = count_after(cause, "smaller than max_model_len")
    {
        return format!(
            "Without chunked prefill a batch must hold a whole prompt. Add: [[when]] where = {{ \
             enable-chunked-prefill = false }} set = {{ max-num-batched-tokens = {length} }}"
        );
    }
    if cause.contains("must be greater than or equal to max_num_seqs")
        && let Some(seqs) = count_after(cause, "max_num_seqs")
    {
        return format!(
            "Set `max-num-batched-tokens` to at least {seqs}, or lower `max-num-seqs`."
        );
    }
    if cause.contains("greater than the derived max_model_len") {
        let longest = count_after(cause, "max_position_embeddings=")
            .or_else(|| count_after(cause, "model_max_length="))
            .or_else(|| count_after(cause, "max_seq_len="));
        return match longest {
            Some(longest) => {
                format!("Set `max-model-len` to at most {longest}: the model has no more.")
            }
            None => "Set `max-model-len` to at most what the model has.".to_owned(),
        };
    }
    if cause.contains("attention heads")
        && let Some(heads) = count_after(cause, "attention heads")
    {
        return format!("Set `tensor-parallel-size` to a divisor of {heads}.");
    }
    if let Some(gpus) = count_after(cause, "number of available GPUs")
        .or_else(|| count_after(cause, "max local gpu count"))
        .or_else(|| count_after(cause, "number of visible devices"))
    {
        return format!(
            "`tensor-parallel-size` times `pipeline-parallel-size` may be at most {gpus}: the \
             container sees no more GPUs."
        );
    }
    if cause.contains("unrecognized arguments") {
        return "This version of vLLM does not know the flag: take it out, or correct its name."
            .to_owned();
    }
    if cause.contains("invalid choice")
        || cause.contains("chose from")
        || cause.contains("Must be one of")
    {
        return "Use one of the values that the message lists.".to_owned();
    }
    if cause.contains("requires --tool-call-parser") {
        return "Set `tool-call-parser` to the format of the model, or leave out \
                `enable-auto-tool-choice`."
            .to_owned();
    }
    if cause.contains("tool call parser") || cause.contains("tool parser") {
        return "Set `tool-call-parser` to one that this version of vLLM has.".to_owned();
    }
    if cause.contains("easoning parser") {
        return "Set `reasoning-parser` to one that this version of vLLM has.".to_owned();
    }
    if cause.contains("compute capability") || cause.contains("Bfloat16") {
        return "Set `dtype = \"half\"`, or use a newer GPU.".to_owned();
    }
    if cause.contains("uantization") {
        return "Leave `quantization` out, so that vLLM takes what the model's files say, or choose \
                one that the GPU and `dtype` support."
            .to_owned();
    }
    if cause.contains("attention backend") || cause.contains("Selected backend") {
        return "Let vLLM choose the attention backend, or change what the message gives as the \
                reason."
            .to_owned();
    }
    "Correct the argument that the message names.".to_owned()
}

fn model(cause: &str) -> String {
    let holds = |words: &[&str]| words.iter().any(|word| cause.contains(word));
    if holds(&["ated", "restricted", "awaiting a review", "401", "403"]) {
        return "Ask for access to the model at its hub page, and hand its token over: HF_TOKEN = { \
                from-env = \"HF_TOKEN\" } in `[engine.env]`."
            .to_owned();
    }
    if holds(&[
        "Repo id must",
        "Invalid repository ID",
        "local folder",
        "No such file",
    ]) {
        return "Check `model`: a path is one inside the container, and needs its `volumes` entry; a \
                hub name has the form `owner/name`."
            .to_owned();
    }
    if holds(&[
        "offline",
        "Offline",
        "connect",
        "retries",
        "resolution",
        "LocalEntry",
        "disk cache",
    ]) {
        return "The hub was not reached: mount a cache that holds the model, or let the container \
                reach the network (and take HF_HUB_OFFLINE out)."
            .to_owned();
    }
    "Check that the folder holds the model's configuration and its weights.".to_owned()
}

fn gpu_unavailable(cause: &str) -> String {
    let holds = |words: &[&str]| words.iter().any(|word| cause.contains(word));
    if holds(&["device driver", "container", "runtime", "CDI"]) {
        return "Install or repair the NVIDIA container toolkit (`nvidia-ctk runtime configure \
                --runtime=docker`), and check `gpus` in the profile."
            .to_owned();
    }
    if holds(&[
        "too old",
        "unsupported display driver",
        "version mismatch",
        "insufficient",
    ]) {
        return "Bring driver and image together: a newer driver (and a reboot), or an image built for \
                an older CUDA."
            .to_owned();
    }
    if holds(&["lost", "fallen off"]) {
        return "The GPU has to be reset or the machine restarted; look into `dmesg`.".to_owned();
    }
    "Check with `nvidia-smi` that the GPU is there, and `gpus` in the profile and \
     CUDA_VISIBLE_DEVICES name it."
        .to_owned()
}

fn engine_died(cause: &str) -> String {
    if cause.contains("no kernel image") {
        return "Use an image that is built for this GPU's architecture.".to_owned();
    }
    if cause.contains("shared memory") && cause.contains("out of resource") {
        return "A kernel needs more on-chip memory than this GPU has: another attention backend or a \
                smaller `block-size`."
            .to_owned();
    }
    if cause.contains("ECC") {
        return "The GPU's memory is faulty; look into `nvidia-smi -q -d ECC`.".to_owned();
    }
    if cause.contains("Model architectures") {
        return "This version of vLLM does not know the model; use a newer image.".to_owned();
    }
    if cause.contains("CUDA error") || cause.contains("illegal memory access") {
        return "Set CUDA_LAUNCH_BLOCKING=1 in `[engine.env]` to find the kernel; `enforce-eager = \
                true` or another attention backend often avoids it."
            .to_owned();
    }
    "Read the log above the cause; if it happens again with the same configuration, report it to \
     vLLM."
        .to_owned()
}

fn runtime(cause: &str) -> String {
    let holds = |words: &[&str]| words.iter().any(|word| cause.contains(word));
    if holds(&[
        "such image",
        "pull access",
        "manifest",
        "Unable to find image",
    ]) {
        return "Check `image`, and pull or build it first.".to_owned();
    }
    if holds(&["o space left on device"]) {
        return "Free disk space on the host.".to_owned();
    }
    if holds(&["Docker daemon"]) {
        return "Start Docker, and check that you may use its socket.".to_owned();
    }
    "Put right what the runtime reports and resume the run.".to_owned()
}

fn list(names: &[&str]) -> String {
    names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}
