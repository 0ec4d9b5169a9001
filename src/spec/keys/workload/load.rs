//! The keys of a `load` workload.

use crate::spec::keys::Key;

pub const KEYS: &[Key] = &[];
