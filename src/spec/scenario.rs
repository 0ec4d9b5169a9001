//! The scenario as the stand-in engine knows it: how it is to fail, which starts it befalls, and
//! by how much. What a checked scenario file says, with every name resolved and every value
//! typed.
//!
//! How a fault is played is the stand-in's business.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::spec::experiment::Condition;
use crate::spec::flag::{FlagName, FlagValue};

/// Everything that a scenario file says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scenario {
    /// Decides everything that the file leaves to chance. Default 1.
    pub seed: u64,
    /// In file order.
    pub faults: Vec<Fault>,
}

/// `[[fault]]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    pub spec: FaultSpec,
    /// The engines that it befalls; `None` is every one.
    pub condition: Option<Condition>,
    pub starts: Starts,
    /// Share of those starts that it befalls, drawn for each; `None` is all of them.
    pub probability: Option<f64>,
}

/// Which starts of one cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Starts {
    Every,
    /// By their numbers in the run, from 1; repeats and retries count on.
    Only(Vec<u32>),
}

impl Starts {
    pub fn contain(&self, start: u32) -> bool {
        match self {
            Self::Every => true,
            Self::Only(starts) => starts.contains(&start),
        }
    }
}

/// A kind of fault, as `kind` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    ImportError,
    PortHeld,
    DiesWhileLoading,
    HangsWhileLoading,
    SlowStart,
    KvCacheTooSmall,
    GpuOomAtStart,
    HostOom,
    WrongConfig,
    WrongModelName,
    GpuOomUnderLoad,
    GpuLeak,
    HostLeak,
    WorkerDies,
    NoCompletion,
    HttpErrors,
    CutStream,
    GarbledStream,
    StalledStream,
    StartNoise,
    RequestNoise,
    Ageing,
    MetricsMissing,
    IgnoresSigterm,
    DirtyStop,
}

impl FaultKind {
    /// Every kind, in the order of the documentation: that of an engine's life.
    pub const ALL: [Self; 25] = [
        Self::ImportError,
        Self::PortHeld,
        Self::DiesWhileLoading,
        Self::HangsWhileLoading,
        Self::SlowStart,
        Self::KvCacheTooSmall,
        Self::GpuOomAtStart,
        Self::HostOom,
        Self::WrongConfig,
        Self::WrongModelName,
        Self::GpuOomUnderLoad,
        Self::GpuLeak,
        Self::HostLeak,
        Self::WorkerDies,
        Self::NoCompletion,
        Self::HttpErrors,
        Self::CutStream,
        Self::GarbledStream,
        Self::StalledStream,
        Self::StartNoise,
        Self::RequestNoise,
        Self::Ageing,
        Self::MetricsMissing,
        Self::IgnoresSigterm,
        Self::DirtyStop,
    ];

    /// The name as files write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ImportError => "import-error",
            Self::PortHeld => "port-held",
            Self::DiesWhileLoading => "dies-while-loading",
            Self::HangsWhileLoading => "hangs-while-loading",
            Self::SlowStart => "slow-start",
            Self::KvCacheTooSmall => "kv-cache-too-small",
            Self::GpuOomAtStart => "gpu-oom-at-start",
            Self::HostOom => "host-oom",
            Self::WrongConfig => "wrong-config",
            Self::WrongModelName => "wrong-model-name",
            Self::GpuOomUnderLoad => "gpu-oom-under-load",
            Self::GpuLeak => "gpu-leak",
            Self::HostLeak => "host-leak",
            Self::WorkerDies => "worker-dies",
            Self::NoCompletion => "no-completion",
            Self::HttpErrors => "http-errors",
            Self::CutStream => "cut-stream",
            Self::GarbledStream => "garbled-stream",
            Self::StalledStream => "stalled-stream",
            Self::StartNoise => "start-noise",
            Self::RequestNoise => "request-noise",
            Self::Ageing => "ageing",
            Self::MetricsMissing => "metrics-missing",
            Self::IgnoresSigterm => "ignores-sigterm",
            Self::DirtyStop => "dirty-stop",
        }
    }
}

/// What goes wrong, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum FaultSpec {
    ImportError {
        missing: Missing,
    },
    PortHeld,
    DiesWhileLoading {
        how: LoadingDeath,
    },
    HangsWhileLoading,
    SlowStart {
        by: Duration,
    },
    KvCacheTooSmall {
        /// Bytes that are left for the KV cache.
        left: u64,
    },
    GpuOomAtStart {
        at: OomStage,
    },
    HostOom {
        victim: Victim,
        /// Bytes after which an engine that nobody limits kills itself.
        up_to: u64,
    },
    WrongConfig {
        /// What the engine runs with instead of what it was given.
        set: Vec<(FlagName, FlagValue)>,
    },
    WrongModelName {
        name: String,
    },
    GpuOomUnderLoad {
        trigger: LoadTrigger,
        lingers: Duration,
    },
    GpuLeak {
        growth: Growth,
        lingers: Duration,
    },
    HostLeak {
        growth: Growth,
        up_to: u64,
    },
    WorkerDies {
        trigger: RequestTrigger,
        lingers: Duration,
        front_end: FrontEnd,
    },
    NoCompletion {
        how: Deafness,
        /// Number of the first request without an answer.
        from_request: u32,
    },
    HttpErrors {
        status: u16,
        which: Which,
    },
    CutStream {
        after_tokens: u32,
        which: Which,
    },
    GarbledStream {
        how: Garbling,
        which: Which,
    },
    StalledStream {
        after_tokens: u32,
        silent_for: Duration,
        which: Which,
    },
    StartNoise {
        /// Standard deviation of the logarithm of a start's speed factor.
        sd: f64,
    },
    RequestNoise {
        /// The same of each request's.
        sd: f64,
    },
    Ageing {
        /// Share of the speed that is lost each time.
        loss: f64,
        per: AgeingUnit,
    },
    MetricsMissing {
        what: MissingMetrics,
    },
    IgnoresSigterm,
    DirtyStop {
        code: u8,
    },
}

impl FaultSpec {
    pub fn kind(&self) -> FaultKind {
        match self {
            Self::ImportError { .. } => FaultKind::ImportError,
            Self::PortHeld => FaultKind::PortHeld,
            Self::DiesWhileLoading { .. } => FaultKind::DiesWhileLoading,
            Self::HangsWhileLoading => FaultKind::HangsWhileLoading,
            Self::SlowStart { .. } => FaultKind::SlowStart,
            Self::KvCacheTooSmall { .. } => FaultKind::KvCacheTooSmall,
            Self::GpuOomAtStart { .. } => FaultKind::GpuOomAtStart,
            Self::HostOom { .. } => FaultKind::HostOom,
            Self::WrongConfig { .. } => FaultKind::WrongConfig,
            Self::WrongModelName { .. } => FaultKind::WrongModelName,
            Self::GpuOomUnderLoad { .. } => FaultKind::GpuOomUnderLoad,
            Self::GpuLeak { .. } => FaultKind::GpuLeak,
            Self::HostLeak { .. } => FaultKind::HostLeak,
            Self::WorkerDies { .. } => FaultKind::WorkerDies,
            Self::NoCompletion { .. } => FaultKind::NoCompletion,
            Self::HttpErrors { .. } => FaultKind::HttpErrors,
            Self::CutStream { .. } => FaultKind::CutStream,
            Self::GarbledStream { .. } => FaultKind::GarbledStream,
            Self::StalledStream { .. } => FaultKind::StalledStream,
            Self::StartNoise { .. } => FaultKind::StartNoise,
            Self::RequestNoise { .. } => FaultKind::RequestNoise,
            Self::Ageing { .. } => FaultKind::Ageing,
            Self::MetricsMissing { .. } => FaultKind::MetricsMissing,
            Self::IgnoresSigterm => FaultKind::IgnoresSigterm,
            Self::DirtyStop { .. } => FaultKind::DirtyStop,
        }
    }
}

/// Makes a set of words a type: its values, and each one's word.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name {
            $(
                $(#[$value_doc])*
                #[serde(rename = $word)]
                $value,
            )+
        }

        impl $name {
            /// Every word of this key, as files write them.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The value that a word means.
            pub fn of(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$value),)+
                    _ => None,
                }
            }
        }
    };
}

words! {
    /// What Python cannot import.
    Missing {
        /// The driver's library.
        Libcuda = "libcuda",
        /// A part of vLLM itself.
        Module = "module",
    }
}

words! {
    /// How an engine dies while it loads its weights.
    LoadingDeath {
        /// A Python exception, and exit code 1.
        Exception = "exception",
        /// A signal kills the worker: exit code 1.
        WorkerKilled = "worker-killed",
        /// A signal kills everything, without a word: exit code 137.
        Killed = "killed",
    }
}

words! {
    /// What the card was full for.
    OomStage {
        Weights = "weights",
        KvCache = "kv-cache",
        Graphs = "graphs",
        Sampler = "sampler",
    }
}

words! {
    /// Whom the kernel kills when the host's memory is full.
    Victim {
        /// The engine itself: exit code 137.
        Engine = "engine",
        /// A child process: the engine notices, and exits with 1.
        Worker = "worker",
    }
}

words! {
    /// What a server without an engine does in the end.
    FrontEnd {
        /// It exits with 0, as V1 does.
        Exits = "exits",
        /// It stays and answers errors for ever, as V0 did.
        Stays = "stays",
    }
}

words! {
    /// How an engine fails to answer.
    Deafness {
        /// The request stays open.
        Hang = "hang",
        /// HTTP 500.
        Error = "error",
    }
}

words! {
    /// What is wrong with the bytes of a stream.
    Garbling {
        /// An event's JSON breaks off.
        Json = "json",
        /// Bytes that are no UTF-8.
        Utf8 = "utf-8",
        /// Nothing: the events come in odd pieces.
        Split = "split",
    }
}

words! {
    /// What `/metrics` does not have.
    MissingMetrics {
        /// 404.
        Page = "page",
        /// Everything of vLLM.
        Names = "names",
        /// The counters of the prefix cache.
        PrefixCounters = "prefix-counters",
    }
}

/// When a serving engine runs out of GPU memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoadTrigger {
    /// So many requests run at once.
    Running(u32),
    /// One step computes so many tokens.
    BatchTokens(u32),
    /// It has served so long.
    After(Duration),
}

/// When something happens to a serving engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RequestTrigger {
    /// In the middle of the answer to the request of this number.
    AtRequest(u32),
    /// It has served so long.
    After(Duration),
}

/// How a leak grows, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Growth {
    PerRequest(u64),
    PerSecond(u64),
}

/// What an ageing engine ages by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AgeingUnit {
    Minute,
    ThousandRequests,
}

/// Which requests of a start.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Which {
    /// Number of the first one, from 1.
    pub from: u32,
    /// How many there are from there on; `None` is all.
    pub count: Option<u32>,
    /// Share of them, drawn for each; `None` is all.
    pub share: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_what_serde_writes_are_one() {
        fn same<T: Serialize + Copy>(words: &[&str], of: fn(&str) -> Option<T>) {
            for word in words {
                let value = of(word).unwrap();
                assert_eq!(
                    serde_json::to_string(&value).unwrap(),
                    format!("\"{word}\"")
                );
            }
        }
        same(Missing::WORDS, Missing::of);
        same(LoadingDeath::WORDS, LoadingDeath::of);
        same(OomStage::WORDS, OomStage::of);
        same(Victim::WORDS, Victim::of);
        same(FrontEnd::WORDS, FrontEnd::of);
        same(Deafness::WORDS, Deafness::of);
        same(Garbling::WORDS, Garbling::of);
        same(MissingMetrics::WORDS, MissingMetrics::of);
    }

    #[test]
    fn every_kind_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<&str> =
            FaultKind::ALL.into_iter().map(FaultKind::name).collect();
        assert_eq!(names.len(), FaultKind::ALL.len());
    }
}
