//! How far an engine had come when it died, finer than its phase: from the progress that the
//! log shows, over all ages of vLLM, and from what an observer saw of its service.
//!
//! Knows the marks of progress, and nothing of causes but the few that can only happen at one
//! place.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::diagnose::class::{FailureClass, Phase};
use crate::diagnose::clock::seconds_between;
use crate::diagnose::evidence::{Evidence, Service};
use crate::diagnose::line::{self, Level, Line};
use crate::diagnose::story::Story;

/// A stage of an engine's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Before there is a process: the image is looked for or fetched.
    Pull,
    /// From the process's start: Python imports, arguments, configuration, the workers' start.
    Import,
    /// The model is built and its weights are loaded.
    Weights,
    /// Weights are there: a trial run measures memory, the KV cache is sized and made.
    KvProfile,
    /// The cache is there: CUDA graphs are captured, kernels and sampler warmed up, the server
    /// comes up.
    GraphCapture,
    /// The server is up, and at most one request was answered.
    FirstRequest,
    /// More than one request was answered, and it is not known to have served longer than
    /// [`SOAK_AFTER`].
    UnderLoad,
    /// More than one request was answered, over more than [`SOAK_AFTER`].
    Soak,
}

/// How long an engine must have served for its death to be one of a soak. One pass over all
/// workloads of the reference case takes about ten minutes: by then each kind of load has had
/// its peak, and what kills later has grown.
pub const SOAK_AFTER: Duration = Duration::from_secs(15 * 60);

impl Stage {
    /// Every stage, in the order of a life.
    pub const ALL: [Self; 8] = [
        Self::Pull,
        Self::Import,
        Self::Weights,
        Self::KvProfile,
        Self::GraphCapture,
        Self::FirstRequest,
        Self::UnderLoad,
        Self::Soak,
    ];

    /// As files and JSON write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Import => "import",
            Self::Weights => "weights",
            Self::KvProfile => "kv_profile",
            Self::GraphCapture => "graph_capture",
            Self::FirstRequest => "first_request",
            Self::UnderLoad => "under_load",
            Self::Soak => "soak",
        }
    }

    /// What the engine was doing, in a few words.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Pull => "no process yet: its image was looked for or fetched",
            Self::Import => {
                "from the process's start: Python imports, arguments, configuration, the workers' start"
            }
            Self::Weights => "the model was built and its weights loaded",
            Self::KvProfile => {
                "weights were there: a trial run measured memory, the KV cache was sized and made"
            }
            Self::GraphCapture => {
                "the cache was there: CUDA graphs captured, kernels and sampler warmed up, the server brought up"
            }
            Self::FirstRequest => "the server was up, and at most one request had been answered",
            Self::UnderLoad => {
                "more than one request had been answered; not known to have served for more than 15 minutes"
            }
            Self::Soak => "more than one request had been answered, over more than 15 minutes",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// When an engine ended, for a sentence: `while starting (kv_profile)`.
pub fn when(phase: Phase, stage: Option<Stage>) -> String {
    match stage {
        Some(stage) => format!("while {phase} ({stage})"),
        None => format!("while {phase}"),
    }
}

/// Lines of progress, by how they begin: behind each the engine is in the stage.
const MARKS: &[(&str, Stage)] = &[
    ("usage: ", Stage::Import),
    ("vLLM API server version", Stage::Import),
    ("args: Namespace(", Stage::Import),
    ("non-default args: ", Stage::Import),
    ("Automatically detected platform", Stage::Import),
    ("No platform detected", Stage::Import),
    ("Resolved architecture: ", Stage::Import),
    ("Using max model len ", Stage::Import),
    ("Chunked prefill is enabled with", Stage::Import),
    ("Started engine process with PID", Stage::Import),
    ("Waiting for init message from front-end", Stage::Import),
    ("Initializing an LLM engine", Stage::Import),
    ("Initializing a V0 LLM engine", Stage::Import),
    ("Initializing a V1 LLM engine", Stage::Import),
    // The model is built, then its weights are read.
    ("Starting to load model ", Stage::Weights),
    ("Loading model from scratch", Stage::Weights),
    ("Loading drafter model", Stage::Weights),
    ("Loading weights with ", Stage::Weights),
    ("Loading safetensors checkpoint shards", Stage::Weights),
    ("Loading pt checkpoint shards", Stage::Weights),
    ("Multi-thread loading shards", Stage::Weights),
    ("Using model weights format ", Stage::Weights),
    ("Time spent downloading weights", Stage::Weights),
    ("Prefetching checkpoint files", Stage::Weights),
    ("Initializing model took ", Stage::Weights),
    ("Checkpoint size: ", Stage::Weights),
    // They are there; the trial run, and compilation as a part of it.
    ("Loading weights took ", Stage::KvProfile),
    ("Loading model weights took ", Stage::KvProfile),
    ("Model loading took ", Stage::KvProfile),
    ("Encoder cache will be initialized", Stage::KvProfile),
    ("Profiling CUDA graph memory", Stage::KvProfile),
    ("Estimated CUDA graph memory", Stage::KvProfile),
    ("Memory profiling ", Stage::KvProfile),
    ("Available KV cache memory", Stage::KvProfile),
    ("Initial free memory ", Stage::KvProfile),
    ("GPU KV cache size", Stage::KvProfile),
    ("CPU KV cache size", Stage::KvProfile),
    ("# GPU blocks: ", Stage::KvProfile),
    ("# CPU blocks: ", Stage::KvProfile),
    ("# cuda blocks: ", Stage::KvProfile),
    ("# rocm blocks: ", Stage::KvProfile),
    ("# cpu blocks: ", Stage::KvProfile),
    ("Maximum concurrency for ", Stage::KvProfile),
    // Graphs and what is warmed up with them.
    ("Capturing the model for CUDA graphs", Stage::GraphCapture),
    ("Capturing cudagraphs for decoding", Stage::GraphCapture),
    ("Capturing CUDA graph", Stage::GraphCapture),
    ("Capturing model for ", Stage::GraphCapture),
    ("CUDA graphs can take additional", Stage::GraphCapture),
    ("Compile and warming up model for size", Stage::GraphCapture),
    ("Running FlashInfer autotune", Stage::GraphCapture),
    ("Warming up FlashInfer attention", Stage::GraphCapture),
    ("Graph capturing finished", Stage::GraphCapture),
    ("init engine (profile, create kv cache", Stage::GraphCapture),
    ("init engine took ", Stage::GraphCapture),
    ("Supported tasks: ", Stage::GraphCapture),
    ("Supported_tasks: ", Stage::GraphCapture),
    ("Available routes are", Stage::GraphCapture),
];

/// Causes that can only happen at one place, whatever else the log shows or lacks.
const CAUSES: &[(&str, Stage)] = &[
    (": error: argument ", Stage::Import),
    (": error: unrecognized arguments", Stage::Import),
    (": error: ambiguous option", Stage::Import),
    (": error: the following arguments", Stage::Import),
    // pydantic checks the configuration.
    ("Value error, ", Stage::Import),
    (": Input should be ", Stage::Import),
    ("is greater than the derived max_model_len", Stage::Import),
    ("is smaller than max_model_len", Stage::Import),
    (
        "must be greater than or equal to max_num_seqs",
        Stage::Import,
    ),
    ("must be divisible by tensor parallel size", Stage::Import),
    ("requires --tool-call-parser", Stage::Import),
    ("invalid tool call parser", Stage::Import),
    ("nvalid reasoning parser", Stage::Import),
    ("Too large swap space", Stage::Import),
    ("GPU memory utilization must be less than", Stage::Import),
    ("is larger than the number of available GPUs", Stage::Import),
    ("Failed to infer device type", Stage::Import),
    ("Repo id must be in the form", Stage::Import),
    ("Invalid repository ID or local directory", Stage::Import),
    ("No supported config format found", Stage::Import),
    // A worker looks at its device before it loads anything.
    ("Bfloat16 is only supported on GPUs with", Stage::Import),
    ("is less than desired GPU memory utilization", Stage::Import),
    ("is less than desired CPU memory utilization", Stage::Import),
    ("is less than the engine's budget", Stage::Import),
    (
        "Failed to load model - not enough GPU memory",
        Stage::Weights,
    ),
    ("Cannot find any model weights", Stage::Weights),
    ("Cannot find any safetensors model weights", Stage::Weights),
    ("Error in memory profiling", Stage::KvProfile),
    ("No available memory for the cache blocks", Stage::KvProfile),
    ("that can be stored in KV cache", Stage::KvProfile),
    ("KV cache is needed, which is larger", Stage::KvProfile),
    ("Cannot auto-fit max_model_len", Stage::KvProfile),
    ("is less than requested memory for kv", Stage::KvProfile),
];

/// Functions that a traceback goes through, innermost first: the first that is known decides.
const FUNCTIONS: &[(&str, Stage)] = &[
    ("load_model", Stage::Weights),
    ("load_weights", Stage::Weights),
    ("get_model", Stage::Weights),
    ("process_weights_after_loading", Stage::Weights),
    ("profile_run", Stage::KvProfile),
    ("profile_cudagraph_memory", Stage::KvProfile),
    ("determine_available_memory", Stage::KvProfile),
    ("determine_num_available_blocks", Stage::KvProfile),
    ("profile_num_available_blocks", Stage::KvProfile),
    ("initialize_kv_cache", Stage::KvProfile),
    ("initialize_cache", Stage::KvProfile),
    ("init_cache_engine", Stage::KvProfile),
    ("_init_cache_engine", Stage::KvProfile),
    ("_allocate_kv_cache", Stage::KvProfile),
    ("_allocate_kv_cache_tensors", Stage::KvProfile),
    ("_init_cache", Stage::KvProfile),
    ("capture_model", Stage::GraphCapture),
    ("warm_up_model", Stage::GraphCapture),
    ("_warm_up_model", Stage::GraphCapture),
    ("compile_or_warm_up_model", Stage::GraphCapture),
    ("kernel_warmup", Stage::GraphCapture),
    ("initialize_kv_caches", Stage::KvProfile),
];

/// The sampler is warmed up twice: at the end of the trial run, and with the graphs. Whatever
/// comes before is not where this happened.
const WARM_UP: &str = "out of memory occurred when warming up";

/// What the runtime says when there is no image to start.
const NO_IMAGE: &[&str] = &[
    "o such image",
    "Unable to find image",
    "pull access denied",
    "manifest for ",
    "manifest unknown",
    "failed to resolve reference",
    "error pulling image",
];

/// A traceback is not looked for further back than this.
const LONGEST_TRACEBACK: usize = 200;

/// Where a death stands, for [`of_death`].
#[derive(Debug, Clone, Copy)]
pub struct Death<'a> {
    pub class: FailureClass,
    pub phase: Phase,
    /// The words of the cause; empty where there are none.
    pub cause: &'a str,
    /// The line from which on the log is aftermath; its end where no line tells.
    pub at: usize,
}

/// The stage of a container that the runtime would not start.
pub fn of_refusal(words: &str) -> Option<Stage> {
    NO_IMAGE
        .iter()
        .any(|part| words.contains(part))
        .then_some(Stage::Pull)
}

/// How far an engine that did not die had come by its log: one that is late, hangs, or was lost.
pub fn of_log(log: &str, class: FailureClass, phase: Phase) -> Option<Stage> {
    let lines = line::read(log);
    let last = Story::last_start(&lines);
    let raw = line::as_written(log, last);
    let end = Death {
        class,
        phase,
        cause: "",
        at: last.len(),
    };
    of_death(&Story::of(last), &raw, end, &Evidence::of(log))
}

/// How far the engine had come when it died; `None` where nobody can know, and for an end that
/// is no death. `raw` are the story's lines as they were written.
pub fn of_death(story: &Story, raw: &[&str], death: Death, evidence: &Evidence) -> Option<Stage> {
    match death.class {
        FailureClass::Healthy
        | FailureClass::Stopped
        | FailureClass::NotAsConfigured
        | FailureClass::Runtime => None,
        _ => match death.phase {
            Phase::Starting => of_start(story, death, evidence),
            Phase::Serving => match evidence.service {
                Some(service) => Some(of_service(service)),
                None => of_service_in_log(story, raw, death.at),
            },
        },
    }
}

/// By what an observer saw.
pub fn of_service(service: Service) -> Stage {
    if service.n_answered == 0 {
        Stage::FirstRequest
    } else if service.lasted > SOAK_AFTER {
        Stage::Soak
    } else {
        Stage::UnderLoad
    }
}

fn of_start(story: &Story, death: Death, evidence: &Evidence) -> Option<Stage> {
    let by_cause = CAUSES
        .iter()
        .find(|(words, _)| death.cause.contains(words))
        .map(|(_, stage)| *stage);
    by_cause
        .or_else(|| of_traceback(&story.lines[..death.at]))
        .or_else(|| of_marks(story, death))
        .filter(|stage| *stage >= Stage::KvProfile || !death.cause.contains(WARM_UP))
        .or_else(|| {
            // vLLM says its first words when its imports are done.
            let silent = story.lines.iter().all(|line| line.text.is_empty());
            (silent && evidence.exit_code.is_some()).then_some(Stage::Import)
        })
}

/// The last progress before the death.
fn of_marks(story: &Story, death: Death) -> Option<Stage> {
    // Old front ends bind their port when all else is done.
    let served = story
        .started
        .is_some_and(|started| started < death.at && death.class != FailureClass::PortInUse);
    if served {
        return Some(Stage::FirstRequest);
    }
    let (line, stage) = story.lines[..death.at]
        .iter()
        .rev()
        .find_map(|line| Some((line, mark(line)?)))?;
    (!hides_loading(line)).then_some(stage)
}

fn mark(line: &Line) -> Option<Stage> {
    if line.level == Level::Error || line.is_indented() {
        return None;
    }
    MARKS
        .iter()
        .find(|(words, _)| line.text.starts_with(words))
        .map(|(_, stage)| *stage)
}

/// The first releases said nothing between this line and loaded weights: 0.2 gave no version
/// here, and until 0.4 none spoke of loading.
fn hides_loading(line: &Line) -> bool {
    let Some(rest) = line.text.strip_prefix("Initializing an LLM engine ") else {
        return false;
    };
    rest.starts_with("with config")
        || ["(v0.2", "(v0.3", "(v0.4"]
            .iter()
            .any(|v| rest.starts_with(v))
}

/// What the traceback above the cause went through.
fn of_traceback(before: &[Line]) -> Option<Stage> {
    let mut innermost = true;
    for line in before.iter().rev().take(LONGEST_TRACEBACK) {
        let text = line.text.trim_start();
        if text.starts_with("Traceback (most recent call last)") {
            return None;
        }
        let Some((_, function)) = text
            .starts_with("File \"")
            .then(|| text.rsplit_once(", in "))
            .flatten()
        else {
            if line.is_indented() || text.is_empty() {
                continue;
            }
            // Something else was logged in between: the cause has no traceback of its own.
            return None;
        };
        if innermost && function == "<module>" {
            return Some(Stage::Import);
        }
        innermost = false;
        let known = FUNCTIONS.iter().find(|(name, _)| *name == function);
        if let Some((_, stage)) = known {
            return Some(*stage);
        }
    }
    None
}

/// By what the log shows of the service.
fn of_service_in_log(story: &Story, raw: &[&str], death: usize) -> Option<Stage> {
    let lines = &story.lines[..death];
    let n_answered = lines.iter().filter(|line| is_answer(line)).count();
    let (mut n_busy, mut at_once) = (0, 0);
    for (busy, requests) in lines.iter().filter_map(throughput) {
        n_busy += usize::from(busy);
        at_once = at_once.max(requests);
    }
    // A request that is answered slowly can fill one report of throughput, hardly two.
    let loaded = n_answered > 1 || n_busy > 1 || at_once > 1;
    let started = story.started.filter(|started| *started < death);
    if !loaded {
        return started.map(|_| Stage::FirstRequest);
    }
    let first = started.or_else(|| {
        let served = |line: &Line| is_answer(line) || throughput(line).is_some();
        lines.iter().position(served)
    })?;
    let lasted = seconds_between(raw, first, death);
    let long = lasted.is_some_and(|lasted| lasted > SOAK_AFTER.as_secs());
    Some(if long { Stage::Soak } else { Stage::UnderLoad })
}

/// An access line of a completion that was answered, or whose answer was begun.
fn is_answer(line: &Line) -> bool {
    const PATHS: [&str; 6] = [
        "\"POST /v1/completions ",
        "\"POST /v1/chat/completions ",
        "\"POST /v1/responses ",
        "\"POST /v1/messages ",
        "\"POST /generate ",
        "\"POST /inference/v1/generate ",
    ];
    line.text.contains("\" 200") && PATHS.iter().any(|path| line.text.contains(path))
}

/// A report of throughput: did the engine work, and how many requests did it have at once?
fn throughput(line: &Line) -> Option<(bool, u64)> {
    let text = line.text.as_str();
    let (_, rest) = text.split_once("Avg prompt throughput: ")?;
    let busy = !rest.starts_with("0.0 ") || !rest.contains("generation throughput: 0.0 ");
    let count = |words: &str| {
        let (_, after) = rest.split_once(words)?;
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        after[..digits].parse::<u64>().ok()
    };
    let running = count("Running: ").unwrap_or(0);
    let waiting = count("Waiting: ")
        .or_else(|| count("Pending: "))
        .unwrap_or(0);
    Some((busy, running.saturating_add(waiting)))
}

#[cfg(test)]
mod tests;
