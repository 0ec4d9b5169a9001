//! Which settings belong to which kind.

use crate::measure::metric::WorkloadKind;
use crate::spec::read::walk::{Fields, Reader};
use crate::spec::read::workload::{
    age, command, conversation, kv_cache, load, reasoning, stability, tool_calling,
};
use crate::spec::workload::WorkloadSpec;

/// The settings of a workload of this kind; `None` when something of them is wrong, which is
/// reported.
pub fn settings(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    kind: WorkloadKind,
) -> Option<WorkloadSpec> {
    Some(match kind {
        WorkloadKind::KvCache => WorkloadSpec::KvCache(kv_cache::read(fields)?),
        WorkloadKind::Conversation => {
            WorkloadSpec::Conversation(conversation::read(reader, fields)?)
        }
        WorkloadKind::Reasoning => WorkloadSpec::Reasoning(reasoning::read(reader, fields)?),
        WorkloadKind::ToolCalling => WorkloadSpec::ToolCalling(tool_calling::read(reader, fields)?),
        WorkloadKind::Stability => WorkloadSpec::Stability(stability::read(reader, fields)?),
        WorkloadKind::Age => WorkloadSpec::Age(age::read(reader, fields)?),
        WorkloadKind::Load => WorkloadSpec::Load(load::read(reader, fields)?),
        WorkloadKind::Command => WorkloadSpec::Command(command::read(reader, fields)?),
    })
}
