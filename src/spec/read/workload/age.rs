//! Reads the settings of an `age` workload.

use crate::spec::read::walk::{Fields, Reader};
use crate::spec::read::workload::stability::soak;
use crate::spec::workload::stability::StabilitySpec;

/// Users where the file gives neither them nor a rate: an engine is to age, not to be tried hard.
const USERS: u32 = 1;

pub fn read(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<StabilitySpec> {
    soak(reader, fields, USERS)
}
