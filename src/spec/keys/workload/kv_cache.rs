//! The keys of a `kv-cache` workload.

use crate::spec::keys::{COUNT, Key, default};

pub const KEYS: &[Key] = &[
    default(
        "iterations",
        COUNT,
        "5",
        "Pairs of a first and a repeated request, each with its own prompt.",
    ),
    default(
        "prompt-tokens",
        COUNT,
        "1200",
        "Length of each prompt in tokens.",
    ),
    default(
        "max-tokens",
        COUNT,
        "16",
        "Tokens that each request generates.",
    ),
];
