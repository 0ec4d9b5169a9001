//! The settings of a workload, whatever its kind.

use serde::{Deserialize, Serialize};

use crate::measure::metric::{MetricDef, WorkloadKind};
use crate::spec::workload::command::CommandSpec;
use crate::spec::workload::conversation::ConversationSpec;
use crate::spec::workload::kv_cache::KvCacheSpec;
use crate::spec::workload::load::LoadSpec;
use crate::spec::workload::reasoning::ReasoningSpec;
use crate::spec::workload::stability::StabilitySpec;
use crate::spec::workload::tool_calling::ToolCallingSpec;

/// The settings of a workload, by kind: everything that is needed to repeat it. Of files that
/// a user names it holds the part that is used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum WorkloadSpec {
    KvCache(KvCacheSpec),
    Conversation(ConversationSpec),
    Reasoning(ReasoningSpec),
    ToolCalling(ToolCallingSpec),
    Stability(StabilitySpec),
    /// A soak like that of `stability`, by time, in few of the starts.
    Age(StabilitySpec),
    Load(LoadSpec),
    Command(CommandSpec),
}

impl WorkloadSpec {
    pub fn kind(&self) -> WorkloadKind {
        match self {
            Self::KvCache(_) => WorkloadKind::KvCache,
            Self::Conversation(_) => WorkloadKind::Conversation,
            Self::Reasoning(_) => WorkloadKind::Reasoning,
            Self::ToolCalling(_) => WorkloadKind::ToolCalling,
            Self::Stability(_) => WorkloadKind::Stability,
            Self::Age(_) => WorkloadKind::Age,
            Self::Load(_) => WorkloadKind::Load,
            Self::Command(_) => WorkloadKind::Command,
        }
    }

    /// What it yields: what its kind always does, and what its file declares.
    pub fn metrics(&self) -> &[MetricDef] {
        match self {
            Self::Reasoning(spec) => &spec.metrics,
            Self::Command(spec) => &spec.metrics,
            Self::Load(spec) => spec.metrics(),
            Self::KvCache(_)
            | Self::Conversation(_)
            | Self::ToolCalling(_)
            | Self::Stability(_)
            | Self::Age(_) => self.kind().metrics(),
        }
    }

    /// The longest request that it sends; `None` where that is not known before.
    pub fn longest_request(&self) -> Option<LongestRequest> {
        match self {
            Self::KvCache(spec) => Some(spec.longest_request()),
            Self::Conversation(spec) => spec.longest_request(),
            Self::Stability(spec) | Self::Age(spec) => Some(spec.longest_request()),
            Self::Load(spec) => Some(spec.longest_request()),
            Self::Reasoning(_) | Self::ToolCalling(_) | Self::Command(_) => None,
        }
    }
}

/// Tokens of the longest request of a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LongestRequest {
    pub prompt_tokens: u64,
    pub max_tokens: u64,
}
