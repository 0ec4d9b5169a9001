//! The keys of `[production]`: what holds the GPUs by day.

use crate::spec::keys::{Key, Shape, default, optional};

pub const PRODUCTION: &[Key] = &[
    optional(
        "container",
        Shape::Text,
        "The container that serves by day; or `project` and `service`.",
    ),
    optional(
        "project",
        Shape::Text,
        "The Compose project in which it serves instead.",
    ),
    optional("service", Shape::Text, "Its service there."),
    optional(
        "url",
        Shape::Text,
        "Where it serves; a run that stops it must know.",
    ),
    optional(
        "api-key-env",
        Shape::EnvName,
        "The variable that holds its API key.",
    ),
    default(
        "drain",
        Shape::Duration,
        "\"5m\"",
        "How long its requests may take to end before it is stopped.",
    ),
    optional(
        "blackout",
        Shape::Texts,
        "Hours in which it must not be stopped: `[\"08:00-20:00\"]`.",
    ),
    optional(
        "restore-by",
        Shape::Text,
        "The time of day by which it must serve again: `\"06:30\"`.",
    ),
];
