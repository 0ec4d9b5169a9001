//! Reads the settings of a `reasoning` workload.

use crate::spec::read::walk::{Fields, Reader};
use crate::spec::workload::reasoning::ReasoningSpec;

pub fn read(_reader: &mut Reader<'_>, _fields: &Fields<'_>) -> Option<ReasoningSpec> {
    Some(ReasoningSpec {})
}
