//! The keys of an `age` workload: those of a soak, by time.

use crate::spec::keys::workload::stability::{ARRIVAL, LONG, LONG_SHARE, RATE, SHORT};
use crate::spec::keys::{COUNT, Key, Shape, optional, required};

pub const KEYS: &[Key] = &[
    required(
        "duration",
        Shape::Duration,
        "For how long the engine serves, in its own time; a run that ends earlier cuts it short.",
    ),
    optional(
        "users",
        COUNT,
        "So many users at once, each with one request in flight; 1 where neither this nor `rate` is given.",
    ),
    RATE,
    ARRIVAL,
    SHORT,
    LONG,
    LONG_SHARE,
];
