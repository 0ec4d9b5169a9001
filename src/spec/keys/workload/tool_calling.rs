//! The keys of a `tool-calling` workload, and those of its scenarios, which a file of their own
//! may hold.

use crate::spec::keys::{COUNT, Key, Shape, default, optional, required};

pub const KEYS: &[Key] = &[
    default(
        "rounds",
        COUNT,
        "1",
        "How often each scenario is asked alone, streamed and whole.",
    ),
    default(
        "concurrency",
        COUNT,
        "4",
        "Users at once in the second part, each of whom asks every scenario; 1 leaves it away.",
    ),
    default(
        "max-tokens",
        COUNT,
        "512",
        "Most tokens that an answer may have.",
    ),
    default(
        "built-in",
        Shape::Choice(&["alone", "beside", "none"]),
        "\"alone\"",
        "The scenarios that gridrun brings: used where the workload has none of its own (`alone`), beside those, or never.",
    ),
    optional(
        "only",
        Shape::Texts,
        "Names of the scenarios to ask; without it all are.",
    ),
    optional(
        "system",
        Shape::Text,
        "A system message in front of every scenario.",
    ),
    optional(
        "example",
        Shape::Tables(EXAMPLE),
        "Exchanges in front of every scenario, for a model that has to be shown how to call.",
    ),
    optional(
        "tools",
        Shape::File,
        "A TOML file with `[[tool]]` and `[[scenario]]`.",
    ),
    optional("tool", Shape::Tables(TOOL), "A tool of your own."),
    optional(
        "scenario",
        Shape::Tables(SCENARIO),
        "A scenario of your own.",
    ),
];

/// The top level of the file that `tools` names.
pub const FILE: &[Key] = &[
    optional("tool", Shape::Tables(TOOL), "A tool."),
    optional("scenario", Shape::Tables(SCENARIO), "A scenario."),
];

pub const EXAMPLE: &[Key] = &[
    required("user", Shape::Text, "What the user says."),
    required(
        "assistant",
        Shape::Text,
        "What the model is shown to have answered, a call as it should write it.",
    ),
];

pub const TOOL: &[Key] = &[
    required(
        "name",
        Shape::Text,
        "The function's name: up to 64 of `A-Z a-z 0-9 _ . -`.",
    ),
    required(
        "description",
        Shape::Text,
        "What it does, as the model reads it.",
    ),
    required(
        "parameters",
        Shape::Anything,
        "The JSON Schema of its arguments, as a table.",
    ),
];

pub const SCENARIO: &[Key] = &[
    required(
        "name",
        Shape::Name { dots: false },
        "The scenario's name in reports.",
    ),
    required("ask", Shape::Text, "What the user says."),
    optional(
        "tools",
        Shape::Texts,
        "Names of the tools that are offered; without it all are.",
    ),
    optional(
        "call",
        Shape::Tables(CALL),
        "The calls that the one answer must have; `[]` where no tool is needed.",
    ),
    optional(
        "step",
        Shape::Tables(STEP),
        "The steps of a chain, instead of `call`.",
    ),
    default(
        "answer",
        Shape::Texts,
        "[]",
        "Words that the answer behind a chain must have, in any case of letters.",
    ),
];

pub const STEP: &[Key] = &[required(
    "call",
    Shape::Tables(CALL),
    "The calls that this step's answer must have.",
)];

pub const CALL: &[Key] = &[
    required("tool", Shape::Text, "The function."),
    default(
        "arguments",
        Shape::Anything,
        "{}",
        "A table of its arguments: each a value, or a table of `equals`, `any-of`, `near` with `within`, `contains` or `anything`, and of `letters` and `optional`.",
    ),
    optional(
        "result",
        Shape::Anything,
        "What the tool answers: a text, or a table that is sent as JSON. A chain needs it.",
    ),
];

/// The keys of a table that says what an argument must be.
pub const EXPECTATION: &[Key] = &[
    optional("equals", Shape::Anything, "This value."),
    optional("any-of", Shape::Anything, "One of these values."),
    optional(
        "near",
        Shape::Anything,
        "A number no further from this one than `within`.",
    ),
    optional(
        "within",
        Shape::Positive,
        "How far from `near` a number may be.",
    ),
    optional("contains", Shape::Text, "A text with this in it."),
    optional("anything", Shape::Bool, "Any value will do."),
    default(
        "letters",
        Shape::Choice(&["exact", "any-case"]),
        "\"exact\"",
        "Whether the case of letters counts.",
    ),
    default(
        "optional",
        Shape::Bool,
        "false",
        "Whether the argument may be absent.",
    ),
];
