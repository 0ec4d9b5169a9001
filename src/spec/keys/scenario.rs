//! The keys of a scenario file.

use super::{COUNT, Each, Key, SIZE, SIZE_OR_ZERO, Shape, WHERE, default, optional, required};
use crate::spec::scenario::{
    Deafness, FaultKind, FrontEnd, Garbling, LoadingDeath, Missing, MissingMetrics, OomStage,
    Victim,
};

/// Top level of a scenario file.
pub const SCENARIO: &[Key] = &[
    default(
        "seed",
        Shape::Whole {
            min: 0,
            max: i64::MAX,
        },
        "1",
        "Decides all that the file leaves to chance, together with the cell and the number of its start.",
    ),
    required(
        "fault",
        Shape::Faults(FAULT),
        "What goes wrong; several befall one start together.",
    ),
];

/// Keys that every fault has; each kind adds its own.
pub const FAULT: &[Key] = &[
    required("kind", Shape::FaultKind, "What goes wrong."),
    optional(
        "where",
        WHERE,
        "The engines it befalls, by the flags they were started with: every term holds, a list means one of; without it every engine.",
    ),
    default(
        "starts",
        Shape::Starts,
        "\"every\"",
        "Which starts of a cell, by their numbers in the run: `[1]` (or \"first\") spares the retry.",
    ),
    optional(
        "probability",
        Shape::Percent,
        "Share of those starts that it befalls, drawn for each; without it all of them.",
    ),
];

/// Keys of the faults that befall single requests. Requests count from 1 in every start.
const FROM_REQUEST: Key = default(
    "from-request",
    COUNT,
    "1",
    "Number of the first request that it can befall.",
);
const REQUESTS: Key = optional("requests", COUNT, "How many from there on; without it all.");
const SHARE: Key = optional(
    "share",
    Shape::Percent,
    "Share of those that it befalls, drawn for each; without it all of them.",
);
const AFTER_TOKENS: Key = default(
    "after-tokens",
    COUNT,
    "1",
    "Tokens of the answer that come before.",
);
const LINGERS: Key = default(
    "lingers",
    Shape::Duration,
    "\"8s\"",
    "How long the server goes on without its engine: a green `/health`, and HTTP 500 to every request. 8 s were measured on vLLM 0.32.",
);
const UP_TO: Key = default(
    "up-to",
    SIZE,
    "\"1GiB\"",
    "The most that it takes: an engine that nobody has killed by then kills itself, because a child process has no memory limit.",
);
const PER_REQUEST: Key = optional(
    "per-request",
    SIZE,
    "What every request leaves behind; either this or `per-second`.",
);
const PER_SECOND: Key = optional(
    "per-second",
    SIZE,
    "What every second of serving leaves behind.",
);
const AT_REQUEST: Key = optional(
    "at-request",
    COUNT,
    "In the middle of the answer to the request of this number; either this or `after`.",
);
const AFTER: Key = optional("after", Shape::Duration, "After so much time of serving.");
const SD: Key = required(
    "sd",
    Shape::Percent,
    "Standard deviation of the factor, which is drawn from a log-normal distribution around 1.",
);

const IMPORT_ERROR: &[Key] = &[default(
    "missing",
    Shape::Choice(Missing::WORDS),
    "\"libcuda\"",
    "The driver's library, or a module of vLLM's own.",
)];
const DIES_WHILE_LOADING: &[Key] = &[default(
    "how",
    Shape::Choice(LoadingDeath::WORDS),
    "\"exception\"",
    "A Python exception; a signal that kills the worker; or one that kills everything without a word.",
)];
const SLOW_START: &[Key] = &[required(
    "by",
    Shape::Duration,
    "How much longer the start takes.",
)];
const KV_CACHE_TOO_SMALL: &[Key] = &[default(
    "left",
    SIZE_OR_ZERO,
    "\"0B\"",
    "What is left for the KV cache, whatever the memory arithmetic says.",
)];
const GPU_OOM_AT_START: &[Key] = &[default(
    "at",
    Shape::Choice(OomStage::WORDS),
    "\"graphs\"",
    "What the card is full for.",
)];
const HOST_OOM: &[Key] = &[
    default(
        "victim",
        Shape::Choice(Victim::WORDS),
        "\"engine\"",
        "Whom the kernel kills: the engine, or a child process of it, whose end it notices.",
    ),
    UP_TO,
];
const WRONG_CONFIG: &[Key] = &[required(
    "set",
    Shape::Knobs {
        each: Each::One,
        env: false,
    },
    "What the engine runs with, whatever it was told.",
)];
const WRONG_MODEL_NAME: &[Key] = &[required(
    "name",
    Shape::Text,
    "The name under which the engine serves its model.",
)];
const GPU_OOM_UNDER_LOAD: &[Key] = &[
    optional(
        "running",
        COUNT,
        "When so many requests run at once; one of this, `batch-tokens` and `after`.",
    ),
    optional(
        "batch-tokens",
        COUNT,
        "When one step computes so many tokens.",
    ),
    AFTER,
    LINGERS,
];
const GPU_LEAK: &[Key] = &[PER_REQUEST, PER_SECOND, LINGERS];
const HOST_LEAK: &[Key] = &[PER_REQUEST, PER_SECOND, UP_TO];
const WORKER_DIES: &[Key] = &[
    AT_REQUEST,
    AFTER,
    LINGERS,
    default(
        "front-end",
        Shape::Choice(FrontEnd::WORDS),
        "\"exits\"",
        "What the server does after that: it exits with 0, or stays for ever, as that of V0 did.",
    ),
];
const NO_COMPLETION: &[Key] = &[
    default(
        "how",
        Shape::Choice(Deafness::WORDS),
        "\"hang\"",
        "Requests stay open, or get HTTP 500.",
    ),
    FROM_REQUEST,
];
const HTTP_ERRORS: &[Key] = &[
    required(
        "status",
        Shape::Whole { min: 400, max: 599 },
        "The HTTP status: 429, 500, 503.",
    ),
    FROM_REQUEST,
    REQUESTS,
    SHARE,
];
const CUT_STREAM: &[Key] = &[AFTER_TOKENS, FROM_REQUEST, REQUESTS, SHARE];
const GARBLED_STREAM: &[Key] = &[
    default(
        "how",
        Shape::Choice(Garbling::WORDS),
        "\"json\"",
        "An event that breaks off; bytes that are no UTF-8; or whole events in odd pieces, which no client may mind.",
    ),
    FROM_REQUEST,
    REQUESTS,
    SHARE,
];
const STALLED_STREAM: &[Key] = &[
    required("silent-for", Shape::Duration, "How long nothing comes."),
    AFTER_TOKENS,
    FROM_REQUEST,
    REQUESTS,
    SHARE,
];
const START_NOISE: &[Key] = &[SD];
const REQUEST_NOISE: &[Key] = &[SD];
const AGEING: &[Key] = &[
    optional(
        "per-minute",
        Shape::Percent,
        "Share of its speed that the engine loses with every minute of serving; either this or `per-1000-requests`.",
    ),
    optional(
        "per-1000-requests",
        Shape::Percent,
        "Share of its speed that it loses with every thousand requests.",
    ),
];
const METRICS_MISSING: &[Key] = &[default(
    "what",
    Shape::Choice(MissingMetrics::WORDS),
    "\"page\"",
    "The whole page (404), all that is vLLM's, or the counters of the prefix cache.",
)];
const DIRTY_STOP: &[Key] = &[default(
    "code",
    Shape::Whole { min: 1, max: 255 },
    "1",
    "The exit code of an engine that was told to stop.",
)];

/// The keys that a kind of fault adds to [`FAULT`].
pub fn of_kind(kind: FaultKind) -> &'static [Key] {
    match kind {
        FaultKind::ImportError => IMPORT_ERROR,
        FaultKind::DiesWhileLoading => DIES_WHILE_LOADING,
        FaultKind::SlowStart => SLOW_START,
        FaultKind::KvCacheTooSmall => KV_CACHE_TOO_SMALL,
        FaultKind::GpuOomAtStart => GPU_OOM_AT_START,
        FaultKind::HostOom => HOST_OOM,
        FaultKind::WrongConfig => WRONG_CONFIG,
        FaultKind::WrongModelName => WRONG_MODEL_NAME,
        FaultKind::GpuOomUnderLoad => GPU_OOM_UNDER_LOAD,
        FaultKind::GpuLeak => GPU_LEAK,
        FaultKind::HostLeak => HOST_LEAK,
        FaultKind::WorkerDies => WORKER_DIES,
        FaultKind::NoCompletion => NO_COMPLETION,
        FaultKind::HttpErrors => HTTP_ERRORS,
        FaultKind::CutStream => CUT_STREAM,
        FaultKind::GarbledStream => GARBLED_STREAM,
        FaultKind::StalledStream => STALLED_STREAM,
        FaultKind::StartNoise => START_NOISE,
        FaultKind::RequestNoise => REQUEST_NOISE,
        FaultKind::Ageing => AGEING,
        FaultKind::MetricsMissing => METRICS_MISSING,
        FaultKind::DirtyStop => DIRTY_STOP,
        FaultKind::PortHeld | FaultKind::HangsWhileLoading | FaultKind::IgnoresSigterm => &[],
    }
}
