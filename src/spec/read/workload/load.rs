//! Reads the settings of a `load` workload.

use crate::spec::read::walk::{Fields, Reader};
use crate::spec::workload::load::LoadSpec;

pub fn read(_reader: &mut Reader<'_>, _fields: &Fields<'_>) -> Option<LoadSpec> {
    Some(LoadSpec {})
}
