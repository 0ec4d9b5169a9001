//! The keys of a `stability` workload.

use crate::spec::keys::{COUNT, Key, Shape, default, optional, required};
use crate::spec::workload::arrival::Arrival;

pub const KEYS: &[Key] = &[
    optional(
        "requests",
        COUNT,
        "How many requests are sent; this or `duration`.",
    ),
    optional(
        "duration",
        Shape::Duration,
        "For how long requests are sent; this or `requests`.",
    ),
    optional(
        "users",
        COUNT,
        "So many users at once, each with one request in flight; 4 where neither this nor `rate` is given.",
    ),
    RATE,
    ARRIVAL,
    SHORT,
    LONG,
    LONG_SHARE,
];

pub const RATE: Key = optional(
    "rate",
    Shape::Positive,
    "Requests per second, whatever is still in flight, instead of users.",
);
pub const ARRIVAL: Key = optional(
    "arrival",
    Shape::Choice(Arrival::NAMES),
    "How requests at a rate follow each other: by chance (without this key), or evenly.",
);
pub const SHORT: Key = default(
    "short",
    Shape::Table(TASK),
    "{ prompt-tokens = 256, max-tokens = 64 }",
    "The short requests.",
);
pub const LONG: Key = default(
    "long",
    Shape::Table(TASK),
    "{ prompt-tokens = 2048, max-tokens = 512 }",
    "The long requests.",
);
pub const LONG_SHARE: Key = default(
    "long-share",
    Shape::Percent,
    "\"50%\"",
    "Share of the long requests; they are spread evenly.",
);

pub const TASK: &[Key] = &[
    required("prompt-tokens", COUNT, "Length of each prompt in tokens."),
    required("max-tokens", COUNT, "Tokens that each request generates."),
];
