//! The keys of a `stability` workload.

use crate::spec::keys::Key;

pub const KEYS: &[Key] = &[];
