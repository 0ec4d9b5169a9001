//! Which keys belong to which kind.

use crate::measure::metric::WorkloadKind;
use crate::spec::keys::Key;
use crate::spec::keys::workload::{
    age, command, conversation, kv_cache, load, reasoning, stability, tool_calling,
};

/// The keys that a kind of workload adds to [`WORKLOAD`](crate::spec::keys::WORKLOAD).
pub fn of_kind(kind: WorkloadKind) -> &'static [Key] {
    match kind {
        WorkloadKind::KvCache => kv_cache::KEYS,
        WorkloadKind::Conversation => conversation::KEYS,
        WorkloadKind::Reasoning => reasoning::KEYS,
        WorkloadKind::ToolCalling => tool_calling::KEYS,
        WorkloadKind::Stability => stability::KEYS,
        WorkloadKind::Age => age::KEYS,
        WorkloadKind::Load => load::KEYS,
        WorkloadKind::Command => command::KEYS,
    }
}
