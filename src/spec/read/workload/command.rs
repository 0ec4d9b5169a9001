//! Reads the settings of a `command` workload.

use crate::spec::read::walk::{Fields, Reader};
use crate::spec::workload::command::CommandSpec;

pub fn read(_reader: &mut Reader<'_>, _fields: &Fields<'_>) -> Option<CommandSpec> {
    Some(CommandSpec {})
}
