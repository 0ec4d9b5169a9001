//! The keys of a `reasoning` workload.

use crate::spec::keys::Key;

pub const KEYS: &[Key] = &[];
