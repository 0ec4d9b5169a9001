//! Reads the settings of a `stability` workload.

use crate::spec::read::walk::{Fields, Reader};
use crate::spec::workload::stability::StabilitySpec;

pub fn read(_reader: &mut Reader<'_>, _fields: &Fields<'_>) -> Option<StabilitySpec> {
    Some(StabilitySpec {})
}
