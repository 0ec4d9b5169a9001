//! The keys of every kind of file, in one table: name, type, range, default and a sentence of
//! help. Reading walks it; unknown keys find their near names in it; whoever documents the
//! files reads it too.
//!
//! Flags of vLLM are not here: `vllm_flags` knows them. How values are read is `read`'s.

use crate::spec::imagined::{Thinking, ToolFormat};
use crate::spec::vllm_version::VllmVersion;

pub mod production;
pub mod sampling;
pub mod scenario;
pub mod workload;

/// One key of a table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Key {
    /// As the documentation writes it; files may write `_` for `-`.
    pub name: &'static str,
    pub shape: Shape,
    pub presence: Presence,
    /// One sentence.
    pub help: &'static str,
}

/// Whether a key must be there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Presence {
    Required,
    Optional,
    /// Absent means this value, written as TOML.
    Default(&'static str),
}

/// What a key takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// A text that is not empty.
    Text,
    /// A name that is safe in file names, labels and, without dots, in metrics.
    Name {
        dots: bool,
    },
    Bool,
    /// A whole number within these bounds.
    Whole {
        min: i64,
        max: i64,
    },
    /// A number above 0.
    Positive,
    /// A size with its unit, above 0 unless `zero`: `"24GiB"`.
    Bytes {
        zero: bool,
    },
    /// A time above 0 with its unit: `"90s"`, `"8h"`.
    Duration,
    /// A share of at least 0 % and below 100 %: `"2%"`.
    Percent,
    Choice(&'static [&'static str]),
    /// The name of an environment variable.
    EnvName,
    /// A list of texts.
    Texts,
    /// The path of a file with data for a workload, from the experiment's own folder.
    File,
    /// A value of a structure of its own, which whoever reads the key judges.
    Anything,
    /// A list of numbers above 0, not empty.
    Numbers {
        whole: bool,
    },
    /// The name of a kind of workload.
    Kind,
    /// `NODE.METRIC[.STAT]`.
    Metric,
    /// `NODE.METRIC[.STAT] OP NUMBER UNIT`.
    Condition,
    /// One table.
    Table(&'static [Key]),
    /// A list of tables.
    Tables(&'static [Key]),
    /// A list of tables, each with further keys of its kind ([`workload::of_kind`]).
    Workloads(&'static [Key]),
    /// Flags of vLLM, and with `env` a table of variables among them.
    Knobs {
        each: Each,
        env: bool,
    },
    /// Environment variables, each a text or `{ from-env = "NAME" }`.
    Env,
    /// `"all"`, `"none"`, a count, or a list of indices or UUIDs.
    Gpus,
    /// Limits by name, each a number or `{ soft, hard }`.
    Ulimits,
    /// A list of tables, each with further keys of its kind ([`scenario::of_kind`]).
    Faults(&'static [Key]),
    /// The name of a kind of fault.
    FaultKind,
    /// `"every"`, `"first"`, or a list of numbers of starts.
    Starts,
}

/// What stands behind each flag of a table of flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Each {
    /// The values of an axis.
    Axis,
    /// One value, or a list of which one must be there.
    AnyOf,
    /// One value.
    One,
}

const fn required(name: &'static str, shape: Shape, help: &'static str) -> Key {
    Key {
        name,
        shape,
        presence: Presence::Required,
        help,
    }
}

const fn optional(name: &'static str, shape: Shape, help: &'static str) -> Key {
    Key {
        name,
        shape,
        presence: Presence::Optional,
        help,
    }
}

/// `value` is TOML.
const fn default(name: &'static str, shape: Shape, value: &'static str, help: &'static str) -> Key {
    Key {
        name,
        shape,
        presence: Presence::Default(value),
        help,
    }
}

const COUNT: Shape = Shape::Whole {
    min: 1,
    max: u32::MAX as i64,
};
const SIZE: Shape = Shape::Bytes { zero: false };
const SIZE_OR_ZERO: Shape = Shape::Bytes { zero: true };
const WHERE: Shape = Shape::Knobs {
    each: Each::AnyOf,
    env: true,
};
const SET: Shape = Shape::Knobs {
    each: Each::One,
    env: true,
};

/// Top level of an experiment file.
pub const EXPERIMENT: &[Key] = &[
    required(
        "profile",
        Shape::Text,
        "The profile: a name looked up in the nearest `profiles/` folder, or a path.",
    ),
    optional(
        "matrix",
        Shape::Knobs {
            each: Each::Axis,
            env: true,
        },
        "The axes: each flag of `vllm serve` (and under `env` each environment variable) with the values to try; the matrix is the product of all.",
    ),
    optional(
        "when",
        Shape::Tables(WHEN),
        "Flags that follow from others, in file order.",
    ),
    optional(
        "cell",
        Shape::Tables(CELL),
        "A name for a cell of the matrix, or a cell outside it.",
    ),
    optional(
        "exclude",
        Shape::Tables(EXCLUDE),
        "Cells of the matrix that are not wanted.",
    ),
    required(
        "workload",
        Shape::Workloads(WORKLOAD),
        "What is measured on every cell.",
    ),
    optional(
        "gate",
        Shape::Tables(GATE),
        "A condition that a cell must meet to be ranked.",
    ),
    required(
        "objective",
        Shape::Tables(OBJECTIVE),
        "What to optimise; several are weighted.",
    ),
    optional("use-case", Shape::Tables(USE_CASE), "A ranking of its own."),
    optional("run", Shape::Table(RUN), "How often and how long."),
];

pub const WHEN: &[Key] = &[
    required(
        "where",
        WHERE,
        "The cells it applies to: every term holds, a list means one of.",
    ),
    required("set", SET, "The flags that those cells get."),
];

pub const CELL: &[Key] = &[
    required(
        "name",
        Shape::Name { dots: true },
        "The cell's name in reports.",
    ),
    required(
        "set",
        SET,
        "Its value on every axis, and any flags besides.",
    ),
    optional(
        "memory",
        SIZE,
        "Memory limit of this cell's container instead of the profile's.",
    ),
];

pub const EXCLUDE: &[Key] = &[
    required(
        "where",
        WHERE,
        "The cells to leave out: every term holds, a list means one of.",
    ),
    optional("reason", Shape::Text, "Why; `plan` shows it."),
];

/// Keys that every workload has; each kind adds its own.
pub const WORKLOAD: &[Key] = &[
    required(
        "name",
        Shape::Name { dots: false },
        "The node's name in gates, objectives and reports.",
    ),
    required("kind", Shape::Kind, "What is measured."),
    default(
        "after",
        Shape::Texts,
        "[]",
        "Workloads that must have ended before this one starts.",
    ),
];

pub const GATE: &[Key] = &[
    required(
        "require",
        Shape::Condition,
        "`NODE.METRIC[.STAT] OP NUMBER UNIT`.",
    ),
    default(
        "stop",
        Shape::Bool,
        "false",
        "Whether a miss skips the workloads that come after the node.",
    ),
];

pub const OBJECTIVE: &[Key] = &[
    required(
        "metric",
        Shape::Metric,
        "`NODE.METRIC[.STAT]`; the median where no statistic is named.",
    ),
    required(
        "goal",
        Shape::Choice(&["min", "max"]),
        "Whether less or more is better.",
    ),
    default(
        "weight",
        Shape::Positive,
        "1.0",
        "Its weight among the objectives.",
    ),
];

pub const USE_CASE: &[Key] = &[
    required(
        "name",
        Shape::Name { dots: true },
        "The use case's name in reports.",
    ),
    required(
        "objective",
        Shape::Tables(OBJECTIVE),
        "What to optimise for it.",
    ),
];

pub const RUN: &[Key] = &[
    default(
        "repeats",
        COUNT,
        "1",
        "Engine starts per cell, in randomised blocks.",
    ),
    default(
        "seed",
        Shape::Whole {
            min: 0,
            max: i64::MAX,
        },
        "1",
        "Shuffles the blocks and makes the prompts.",
    ),
    default(
        "equivalence",
        Shape::Percent,
        "\"2%\"",
        "Differences below this are the same to you.",
    ),
    optional(
        "deadline",
        Shape::Duration,
        "By this long after the start nothing is at work any more.",
    ),
    default(
        "token-times",
        Shape::Bool,
        "true",
        "Store the instant of every single token with its request.",
    ),
    default(
        "strategy",
        Shape::Choice(&["exhaustive", "race"]),
        "\"exhaustive\"",
        "Whether every living cell is started in every block, or only those that may still win.",
    ),
    default(
        "prune",
        Shape::Bool,
        "true",
        "Whether cells that the death of another proves dead are skipped.",
    ),
    default(
        "retries-invalid",
        Shape::Whole {
            min: 0,
            max: u32::MAX as i64,
        },
        "1",
        "Starts anew of a cell in a block, each because the last one was disturbed.",
    ),
    optional(
        "reuse",
        Shape::Duration,
        "Take attempts of earlier runs of the experiment that are no older than this.",
    ),
];

/// Top level of a profile.
pub const PROFILE: &[Key] = &[
    required("engine", Shape::Table(ENGINE), "How the engine is started."),
    optional(
        "sampling",
        Shape::Table(sampling::SAMPLING),
        "How the GPUs and the host are watched while nodes run.",
    ),
    optional(
        "production",
        Shape::Table(production::PRODUCTION),
        "What holds these GPUs by day.",
    ),
    optional(
        "stand-in",
        Shape::Table(STAND_IN),
        "What a stand-in engine must know; sizes are those of one GPU.",
    ),
];

pub const ENGINE: &[Key] = &[
    default(
        "runtime",
        Shape::Choice(&["docker", "stand-in"]),
        "\"docker\"",
        "What starts the engines: Docker, or gridrun's own stand-in engine as a child process.",
    ),
    optional(
        "image",
        Shape::Text,
        "The image; required for the docker runtime.",
    ),
    required(
        "model",
        Shape::Text,
        "A hub name, or a path inside the container.",
    ),
    default(
        "gpus",
        Shape::Gpus,
        "\"none\"",
        "The GPUs that a container gets.",
    ),
    optional("shm", SIZE, "Size of /dev/shm."),
    optional(
        "ipc",
        Shape::Choice(&["host"]),
        "\"host\" shares the host's /dev/shm instead.",
    ),
    optional(
        "memory",
        SIZE,
        "Memory limit of the container; swap is set equal.",
    ),
    optional(
        "ulimits",
        Shape::Ulimits,
        "Limits of the container's processes; -1 is unlimited.",
    ),
    default(
        "network",
        Shape::Choice(&["host", "bridge"]),
        "\"host\"",
        "The host's network, or a bridge with the port published on 127.0.0.1.",
    ),
    optional(
        "volumes",
        Shape::Tables(VOLUME),
        "What is mounted into the container.",
    ),
    default(
        "ready-timeout",
        Shape::Duration,
        "\"20m\"",
        "How long a start may take until the engine serves.",
    ),
    default(
        "stop-timeout",
        Shape::Duration,
        "\"30s\"",
        "How long a stop may take until the engine is killed.",
    ),
    default(
        "request-timeout",
        Shape::Duration,
        "\"10m\"",
        "How long one request may take.",
    ),
    optional(
        "flags",
        Shape::Knobs {
            each: Each::One,
            env: false,
        },
        "Flags of `vllm serve` that do not vary.",
    ),
    optional("env", Shape::Env, "Environment variables of the engine."),
];

pub const VOLUME: &[Key] = &[
    required("from", Shape::Text, "On the host: absolute, or from `~`."),
    required("to", Shape::Text, "In the container: absolute."),
    default(
        "read-only",
        Shape::Bool,
        "false",
        "Whether the engine may not write to it.",
    ),
];

pub const STAND_IN: &[Key] = &[
    default(
        "vllm-version",
        Shape::Choice(VllmVersion::NAMES),
        "\"0.32.0\"",
        "The version of vLLM whose logs, metrics and last words it plays.",
    ),
    required("gpu-memory", SIZE, "Memory of one GPU."),
    required("weights", SIZE, "Weights on one GPU."),
    required(
        "kv-bytes-per-token",
        SIZE,
        "KV cache of one token on one GPU.",
    ),
    default(
        "activation-bytes-per-token",
        SIZE_OR_ZERO,
        "\"0B\"",
        "Peak of activations per token of the largest batch.",
    ),
    default(
        "overhead",
        SIZE_OR_ZERO,
        "\"0B\"",
        "Memory outside of what the utilisation governs (context, graphs).",
    ),
    default(
        "overhead-per-seq",
        SIZE_OR_ZERO,
        "\"0B\"",
        "The same again for each sequence of max-num-seqs.",
    ),
    default(
        "host-memory",
        SIZE_OR_ZERO,
        "\"0B\"",
        "Host memory that the engine really allocates while it loads.",
    ),
    default(
        "start-up",
        Shape::Duration,
        "\"300ms\"",
        "Time from start to serving.",
    ),
    default(
        "prefill-tokens-per-second",
        Shape::Positive,
        "8000",
        "Uncached prompt tokens per second.",
    ),
    default(
        "decode-tokens-per-second",
        Shape::Positive,
        "100",
        "Tokens per second of a single sequence.",
    ),
    default(
        "tool-calls",
        Shape::Choice(&ToolFormat::NAMES),
        "\"hermes\"",
        "The format in which its model writes tool calls; none is a model that never calls.",
    ),
    default(
        "reasoning",
        Shape::Choice(&Thinking::NAMES),
        "\"none\"",
        "Whether its model thinks before it answers, and how it marks that.",
    ),
    default(
        "speed",
        Shape::Whole { min: 1, max: 1000 },
        "1",
        "How many times faster a rehearsal lets it live, where `--speed` does not say.",
    ),
];

/// A variable that is read from gridrun's own environment.
pub const FROM_ENV: &[Key] = &[required(
    "from-env",
    Shape::EnvName,
    "The variable of gridrun's environment to take.",
)];

/// A limit of which both bounds are given.
pub const ULIMIT: &[Key] = &[
    required("soft", LIMIT, "What applies until a process raises it."),
    required("hard", LIMIT, "How far it may be raised."),
];

const LIMIT: Shape = Shape::Whole {
    min: -1,
    max: i64::MAX,
};

/// The limits that Docker knows by name.
pub const LIMITS: &[&str] = &[
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// Variables of an engine that gridrun sets itself, and why a file must not.
pub const RESERVED_VARIABLES: &[(&str, &str)] =
    &[("VLLM_API_KEY", "every engine gets a key of its own")];
