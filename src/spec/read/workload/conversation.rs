//! Reads the settings of a `conversation` workload.

use crate::spec::read::walk::{Fields, Reader};
use crate::spec::workload::conversation::ConversationSpec;

pub fn read(_reader: &mut Reader<'_>, _fields: &Fields<'_>) -> Option<ConversationSpec> {
    Some(ConversationSpec {})
}
