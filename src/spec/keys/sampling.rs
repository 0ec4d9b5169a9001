//! The keys of a profile's `[sampling]`.

use crate::spec::keys::{Key, Shape, default, optional};

pub const SAMPLING: &[Key] = &[
    default(
        "beat",
        Shape::Duration,
        "\"1s\"",
        "Time between two samples, from 100ms to 60s.",
    ),
    optional(
        "alerts",
        Shape::Table(ALERTS),
        "The bounds beyond which the report says so.",
    ),
];

pub const ALERTS: &[Key] = &[
    default(
        "utilisation-below",
        Shape::Percent,
        "\"50%\"",
        "Mean utilisation of a GPU while requests are in flight: below it the GPU waits.",
    ),
    default(
        "utilisation-above",
        Shape::Percent,
        "\"98%\"",
        "Highest utilisation of a GPU: above it nothing is left in reserve.",
    ),
    default(
        "memory-above",
        Shape::Percent,
        "\"95%\"",
        "Highest share of a GPU's memory in use.",
    ),
    default(
        "temperature-above",
        Shape::Whole { min: 1, max: 150 },
        "85",
        "Highest temperature of a GPU, in degrees Celsius.",
    ),
    default(
        "power-above",
        Shape::Positive,
        "250",
        "Mean power of a GPU while requests are in flight, in watts.",
    ),
];
