//! The profile as the rest of gridrun knows it: what does not vary in an experiment.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::guard::hours::{ClockTime, Window};
use crate::measure::profiling::AlertBounds;
use crate::spec::diagnostic::Span;
use crate::spec::flag::{FlagName, FlagValue};
use crate::spec::imagined::{Thinking, ToolFormat};
use crate::spec::vllm_version::VllmVersion;
use crate::time_scale::TimeScale;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// The file's name without its ending.
    pub name: String,
    pub engine: EngineProfile,
    /// `[stand-in]`: what a rehearsal must know; `None` where the file has no such section.
    pub stand_in: Option<StandInProfile>,
    /// `[sampling]`; runs of older versions had none.
    #[serde(default)]
    pub sampling: Sampling,
    /// `[production]`; runs of older versions did not keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub production: Option<Production>,
}

/// `[sampling]`: how the cards and the host are watched beside the nodes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// Between two samples, by the clock. Default 1 s.
    pub beat: Duration,
    pub alerts: AlertBounds,
}

impl Sampling {
    /// A shorter beat would be a load of its own; NVIDIA's driver renews its utilisation every
    /// 20 to 170 ms.
    pub const SHORTEST_BEAT: Duration = Duration::from_millis(100);
    /// A longer one would miss whole nodes.
    pub const LONGEST_BEAT: Duration = Duration::from_secs(60);
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            beat: Duration::from_secs(1),
            alerts: AlertBounds::default(),
        }
    }
}

/// `[production]`: what holds the GPUs by day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Production {
    pub whom: Whom,
    /// Where it serves.
    pub url: Option<String>,
    /// The variable that holds its API key.
    pub api_key_env: Option<String>,
    /// How long its requests may take to end before it is stopped. Default 5 minutes.
    pub drain: Duration,
    /// Hours in which it must not be stopped.
    pub blackout: Vec<Window>,
    /// By when it must serve again.
    pub restore_by: Option<ClockTime>,
}

/// By what the production container is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Whom {
    /// The container's name.
    Container(String),
    /// The one container of a service of a Compose project.
    Compose { project: String, service: String },
}

impl Production {
    /// The container's name; `None` where Compose names it.
    pub fn container(&self) -> Option<&str> {
        match &self.whom {
            Whom::Container(name) => Some(name),
            Whom::Compose { .. } => None,
        }
    }
}

impl std::fmt::Display for Whom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Container(name) => f.write_str(name),
            Self::Compose { project, service } => write!(f, "{project}/{service}"),
        }
    }
}

/// `[engine]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EngineProfile {
    pub runtime: RuntimeChoice,
    /// Required for the docker runtime.
    pub image: Option<String>,
    /// What `vllm serve` is given: a hub name or a path inside the container.
    pub model: String,
    pub gpus: Gpus,
    /// Size of /dev/shm, in bytes; with `ipc_host` the host's is used instead.
    pub shm: Option<u64>,
    pub ipc_host: bool,
    /// Memory limit of the container, in bytes; swap is set equal, so that there is none.
    pub memory: Option<u64>,
    /// `nofile` and `memlock` and the like: name, soft, hard.
    pub ulimits: Vec<Ulimit>,
    pub network: Network,
    pub volumes: Vec<Volume>,
    pub flags: Vec<BaseFlag>,
    pub env: Vec<(String, EnvSource)>,
    /// How long a start may take until the engine is ready. Default 20 minutes.
    pub ready_timeout: Duration,
    /// How long a stop may take until the engine is killed. Default 30 s.
    pub stop_timeout: Duration,
    /// How long one request may take. Default 10 minutes.
    pub request_timeout: Duration,
}

/// One of `[engine.flags]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BaseFlag {
    pub name: FlagName,
    pub value: FlagValue,
    #[serde(skip)]
    pub at: Span,
}

/// What starts the engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuntimeChoice {
    /// A container on the Docker Engine.
    Docker,
    /// gridrun's own stand-in engine as a child process.
    StandIn,
}

/// Which GPUs a container gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gpus {
    None,
    All,
    Count(u32),
    /// Indices or UUIDs.
    Ids(Vec<String>),
}

/// How the engine's port is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// The host's network, bound to 127.0.0.1: no proxy on the measured path.
    Host,
    /// A bridge with the port published on 127.0.0.1: a proxy is in the path, and the report
    /// says so.
    Bridge,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// On the host: absolute, or from `~`, which is left as written for the edge that knows the
    /// home directory.
    pub from: PathBuf,
    pub to: PathBuf,
    pub read_only: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ulimit {
    pub name: String,
    pub soft: i64,
    pub hard: i64,
}

/// Where the value of an environment variable comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EnvSource {
    /// Written in the file; never under a name that looks like a secret's.
    Literal(String),
    /// Read from gridrun's own environment when an engine starts, and hidden everywhere.
    FromEnv(String),
}

/// `[stand-in]`: the numbers by which the stand-in engine lives or dies and how fast it is.
/// All are per GPU.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StandInProfile {
    /// Whose logs, metrics and last words it plays. Default 0.32.0.
    #[serde(default)]
    pub vllm_version: VllmVersion,
    /// Memory of one GPU, in bytes.
    pub gpu_memory: u64,
    /// Weights on one GPU, in bytes.
    pub weights: u64,
    /// KV cache of one token on one GPU, in bytes.
    pub kv_bytes_per_token: u64,
    /// Peak of activations per token of the largest batch, in bytes. Default 0.
    pub activation_bytes_per_token: u64,
    /// Memory that the engine takes outside of what `gpu-memory-utilization` governs (CUDA
    /// context, graphs), in bytes. Default 0.
    pub overhead: u64,
    /// The same again for each sequence of `max-num-seqs` (sampler warm-up), in bytes.
    /// Default 0.
    pub overhead_per_seq: u64,
    /// Host memory that the engine really allocates while it loads, in bytes. Default 0.
    pub host_memory: u64,
    /// Time from start to serving. Default 300 ms.
    pub start_up: Duration,
    /// Uncached prompt tokens per second. Default 8000.
    pub prefill_tokens_per_second: f64,
    /// Tokens per second of a single sequence. Default 100.
    pub decode_tokens_per_second: f64,
    /// The format in which the imagined model writes tool calls. Default hermes.
    #[serde(default)]
    pub tool_calls: ToolFormat,
    /// Whether the imagined model thinks before it answers. Default none.
    #[serde(default)]
    pub reasoning: Thinking,
    /// How many times faster than the world a rehearsal lets it live, where the user does not
    /// say. Default 1.
    #[serde(default)]
    pub speed: TimeScale,
}

impl StandInProfile {
    /// How long a token of a single sequence takes: nothing that the engine does is shorter.
    pub fn token(&self) -> Duration {
        Duration::try_from_secs_f64(1.0 / self.decode_tokens_per_second).unwrap_or(Duration::MAX)
    }
}
