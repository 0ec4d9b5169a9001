//! The keys of a `conversation` workload.

use crate::spec::keys::Key;

pub const KEYS: &[Key] = &[];
