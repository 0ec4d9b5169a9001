//! What the ages of vLLM do differently, as far as a client, a reader of logs or a reader of
//! metrics can tell: names, defaults, forms. The words of single log lines and single metrics
//! stay with those who write them.

pub use crate::spec::vllm_version::VllmVersion;

use crate::stand_in::engine::cache::PrefixCaching;
use crate::stand_in::engine::scheduler::ChunkedPrefill;

/// Which engine is inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// One process beside the server, which logs without a prefix and dies without a code.
    V0,
    /// `EngineCore`, since 0.8 the one that is taken.
    V1,
}

/// How the lines of a process are told from those of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoration {
    /// Only workers of their own process are marked, in cyan, on all that they print.
    Workers,
    /// All processes, in cyan, on all that they print.
    Coloured,
    /// All processes, on all that they print.
    Plain,
    /// The logger writes the mark: what Python or uvicorn print has none.
    Logger,
}

/// What checks a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pydantic {
    /// vLLM's own lines.
    None,
    /// The library, in this version.
    Version(&'static str),
}

impl VllmVersion {
    pub(in crate::stand_in) fn pydantic(self) -> Pydantic {
        match self {
            Self::V0_6_4 | Self::V0_8_5 => Pydantic::None,
            Self::V0_9_2 | Self::V0_10_1 | Self::V0_11_0 => Pydantic::Version("2.11"),
            Self::V0_18_0 => Pydantic::Version("2.12"),
            Self::V0_32_0 => Pydantic::Version("2.14"),
        }
    }

    pub(in crate::stand_in) fn generation(self) -> Generation {
        match self {
            Self::V0_6_4 => Generation::V0,
            Self::V0_8_5
            | Self::V0_9_2
            | Self::V0_10_1
            | Self::V0_11_0
            | Self::V0_18_0
            | Self::V0_32_0 => Generation::V1,
        }
    }

    pub(in crate::stand_in) fn decoration(self) -> Decoration {
        match self {
            Self::V0_6_4 | Self::V0_8_5 | Self::V0_9_2 => Decoration::Workers,
            Self::V0_10_1 | Self::V0_11_0 => Decoration::Coloured,
            Self::V0_18_0 => Decoration::Plain,
            Self::V0_32_0 => Decoration::Logger,
        }
    }

    /// How the process of the engine core is called: in front of its lines, where lines are
    /// marked, and among the processes that failed.
    pub(in crate::stand_in) fn engine_core(self) -> &'static str {
        match self {
            // Where there is no engine core the engine's process has no name in the log.
            Self::V0_6_4 => "MQLLMEngine",
            Self::V0_8_5 | Self::V0_9_2 | Self::V0_10_1 => "EngineCore_0",
            Self::V0_11_0 => "EngineCore_DP0",
            Self::V0_18_0 | Self::V0_32_0 => "EngineCore",
        }
    }

    /// How the process of one of several workers is called in front of its lines.
    pub(in crate::stand_in) fn worker(self, rank: usize) -> String {
        match self {
            Self::V0_6_4 => "VllmWorkerProcess".to_owned(),
            Self::V0_8_5 | Self::V0_9_2 => format!("VllmWorker rank={rank}"),
            Self::V0_10_1 => format!("VllmWorker TP{rank}"),
            Self::V0_11_0 | Self::V0_18_0 | Self::V0_32_0 => format!("Worker_TP{rank}"),
        }
    }

    /// The version of Prometheus' text format that `/metrics` claims: that of the client library
    /// which the images of the time carry.
    pub(in crate::stand_in) fn metrics_format(self) -> &'static str {
        match self {
            Self::V0_6_4
            | Self::V0_8_5
            | Self::V0_9_2
            | Self::V0_10_1
            | Self::V0_11_0
            | Self::V0_18_0 => "0.0.4",
            Self::V0_32_0 => "1.0.0",
        }
    }

    /// `--gpu-memory-utilization` where it is not given.
    pub(in crate::stand_in) fn gpu_memory_utilization(self) -> f64 {
        match self {
            Self::V0_6_4
            | Self::V0_8_5
            | Self::V0_9_2
            | Self::V0_10_1
            | Self::V0_11_0
            | Self::V0_18_0 => 0.9,
            Self::V0_32_0 => 0.92,
        }
    }

    /// `--enable-prefix-caching` where it is not given.
    pub(in crate::stand_in) fn prefix_caching(self) -> PrefixCaching {
        match self.generation() {
            Generation::V0 => PrefixCaching::Off,
            Generation::V1 => PrefixCaching::On,
        }
    }

    /// `--enable-chunked-prefill` where it is not given; V0 waited for sequences that are longer
    /// than 32K tokens.
    pub(in crate::stand_in) fn chunked_prefill(self, max_model_len: usize) -> ChunkedPrefill {
        match self.generation() {
            Generation::V0 if max_model_len <= 32 << 10 => ChunkedPrefill::Off,
            Generation::V0 | Generation::V1 => ChunkedPrefill::On,
        }
    }

    /// `--max-num-batched-tokens` where it is not given.
    pub(in crate::stand_in) fn max_num_batched_tokens(
        self,
        chunked: ChunkedPrefill,
        max_model_len: usize,
    ) -> usize {
        match (self.generation(), chunked) {
            (Generation::V0, ChunkedPrefill::On) => 512,
            (Generation::V1, ChunkedPrefill::On) => 2048,
            (Generation::V0 | Generation::V1, ChunkedPrefill::Off) => max_model_len.max(2048),
        }
    }

    /// The field of a message that holds what the model thought; `None` before there were
    /// parsers for it.
    pub(in crate::stand_in) fn reasoning_field(self) -> Option<&'static str> {
        match self {
            Self::V0_6_4 => None,
            Self::V0_8_5 | Self::V0_9_2 | Self::V0_10_1 | Self::V0_11_0 => {
                Some("reasoning_content")
            }
            Self::V0_18_0 | Self::V0_32_0 => Some("reasoning"),
        }
    }

    /// Whether its metrics tell what a parser of tool calls was given and found.
    pub(in crate::stand_in) fn counts_tool_calls(self) -> bool {
        match self {
            Self::V0_6_4
            | Self::V0_8_5
            | Self::V0_9_2
            | Self::V0_10_1
            | Self::V0_11_0
            | Self::V0_18_0 => false,
            Self::V0_32_0 => true,
        }
    }

    /// With which code a server ends whose engine died while it served: all of them shut down
    /// in order and report success.
    pub(in crate::stand_in) fn exit_of_a_dead_engine(self) -> i32 {
        match self {
            Self::V0_6_4
            | Self::V0_8_5
            | Self::V0_9_2
            | Self::V0_10_1
            | Self::V0_11_0
            | Self::V0_18_0
            | Self::V0_32_0 => 0,
        }
    }
}
