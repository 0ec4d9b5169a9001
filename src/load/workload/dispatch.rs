//! Which code runs which kind.

use crate::load::workload::context::{NodeContext, PromptNeeds};
use crate::load::workload::{
    command, conversation, kv_cache, load, reasoning, stability, tool_calling,
};
use crate::measure::node::NodeReport;
use crate::spec::workload::WorkloadSpec;

/// The prompts that must be cut before the workload can run.
pub fn needs(spec: &WorkloadSpec) -> PromptNeeds {
    match spec {
        WorkloadSpec::KvCache(spec) => kv_cache::needs(spec),
        WorkloadSpec::Conversation(spec) => conversation::needs(spec),
        WorkloadSpec::Load(spec) => load::needs(spec),
        WorkloadSpec::Stability(spec) | WorkloadSpec::Age(spec) => stability::needs(spec),
        WorkloadSpec::Reasoning(_) | WorkloadSpec::ToolCalling(_) | WorkloadSpec::Command(_) => {
            PromptNeeds::default()
        }
    }
}

/// Runs a workload.
pub async fn run(context: &NodeContext<'_>, spec: &WorkloadSpec) -> NodeReport {
    match spec {
        WorkloadSpec::KvCache(spec) => kv_cache::run(context, spec).await,
        WorkloadSpec::Conversation(spec) => conversation::run(context, spec).await,
        WorkloadSpec::ToolCalling(spec) => tool_calling::run(context, spec).await,
        WorkloadSpec::Reasoning(spec) => reasoning::run(context, spec).await,
        WorkloadSpec::Stability(spec) | WorkloadSpec::Age(spec) => {
            stability::run(context, spec).await
        }
        WorkloadSpec::Load(spec) => load::run(context, spec).await,
        WorkloadSpec::Command(spec) => command::run(context, spec).await,
    }
}
