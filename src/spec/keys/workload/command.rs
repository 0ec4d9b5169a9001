//! The keys of a `command` workload.

use crate::spec::keys::Key;

pub const KEYS: &[Key] = &[];
