//! Reads the settings of a `tool-calling` workload.

use crate::spec::read::walk::{Fields, Reader};
use crate::spec::workload::tool_calling::ToolCallingSpec;

pub fn read(_reader: &mut Reader<'_>, _fields: &Fields<'_>) -> Option<ToolCallingSpec> {
    Some(ToolCallingSpec {})
}
