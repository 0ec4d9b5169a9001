//! The keys of a `tool-calling` workload.

use crate::spec::keys::Key;

pub const KEYS: &[Key] = &[];
