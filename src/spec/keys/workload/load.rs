//! The keys of a `load` workload.

use crate::spec::keys::{COUNT, Key, Shape, default, optional, required};
use crate::spec::workload::arrival::Arrival;

pub const KEYS: &[Key] = &[
    optional(
        "concurrency",
        Shape::Numbers { whole: true },
        "The ladder: so many users at once, each with one request in flight.",
    ),
    optional(
        "rates",
        Shape::Numbers { whole: false },
        "The ladder in requests per second, whatever is still in flight.",
    ),
    optional(
        "search",
        Shape::Table(SEARCH),
        "Looks for the highest level that keeps the bounds of `slo`, instead of a ladder.",
    ),
    optional(
        "slo",
        Shape::Texts,
        "Bounds that a rung must keep, each `METRIC.STAT OP NUMBER UNIT`; they give goodput too.",
    ),
    optional(
        "arrival",
        Shape::Choice(Arrival::NAMES),
        "How requests at a rate follow each other: by chance (without this key), or evenly.",
    ),
    optional(
        "rung-duration",
        Shape::Duration,
        "How long each rung is measured; 60s where neither this nor `requests-per-rung` is given.",
    ),
    optional(
        "requests-per-rung",
        COUNT,
        "How many requests each rung measures, instead of a time.",
    ),
    default(
        "prompt-tokens",
        COUNT,
        "512",
        "Length of each prompt in tokens.",
    ),
    default(
        "max-tokens",
        COUNT,
        "128",
        "Tokens that each request generates.",
    ),
    default(
        "probes",
        Shape::Bool,
        "true",
        "Whether requests of one token are sent beside the load, to see how it stalls others.",
    ),
    optional(
        "start-from",
        Shape::Text,
        "A former `load` node, named in `after`: the level that it found is the first one here.",
    ),
];

pub const SEARCH: &[Key] = &[
    default(
        "over",
        Shape::Choice(&["concurrency", "rate"]),
        "\"concurrency\"",
        "What is raised: users at once, or requests per second.",
    ),
    required("from", Shape::Positive, "The lowest level."),
    required("to", Shape::Positive, "The highest level."),
];
