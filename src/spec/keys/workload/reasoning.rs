//! The keys of a `reasoning` workload, of tasks and of their checks.

use crate::measure::rubric::Take;
use crate::spec::keys::{COUNT, Key, Shape, default, optional, required};

pub const KEYS: &[Key] = &[
    default(
        "built-in",
        Shape::Texts,
        "[\"planning\", \"logic\", \"code\"]",
        "The categories of built-in tasks that are asked.",
    ),
    optional(
        "task",
        Shape::Tables(TASK),
        "Tasks of your own, with their rubrics.",
    ),
    optional(
        "tasks",
        Shape::File,
        "A TOML file with further `[[task]]` tables.",
    ),
    default("iterations", COUNT, "1", "How often each task is asked."),
    default(
        "max-tokens",
        COUNT,
        "2048",
        "Where an answer is cut off, reasoning included.",
    ),
    optional(
        "thinking",
        Shape::Bool,
        "Given to the chat template as `enable_thinking`; left to the model where it is absent.",
    ),
    optional(
        "judge",
        Shape::Table(JUDGE),
        "The model that scores what no rule can.",
    ),
];

/// Top level of a file of tasks.
pub const TASK_FILE: &[Key] = &[required("task", Shape::Tables(TASK), "The tasks.")];

/// One task.
pub const TASK: &[Key] = &[
    required(
        "name",
        Shape::Name { dots: false },
        "The task's name in the report.",
    ),
    default(
        "category",
        Shape::Choice(&["planning", "logic", "code", "own"]),
        "\"own\"",
        "The category whose quality it counts for.",
    ),
    optional("system", Shape::Text, "The system message."),
    required("prompt", Shape::Text, "What is asked."),
    default(
        "weight",
        Shape::Positive,
        "1.0",
        "Its weight among the tasks.",
    ),
    required(
        "check",
        Shape::Tables(CHECK),
        "What a right answer must hold.",
    ),
];

/// One check. Which keys belong to which kind is for whoever reads it.
pub const CHECK: &[Key] = &[
    required(
        "kind",
        Shape::Choice(CHECK_KINDS),
        "How the answer is checked.",
    ),
    default("weight", Shape::Positive, "1.0", "Its points."),
    optional(
        "equals",
        Shape::Anything,
        "The right number, or the right one of the options.",
    ),
    optional("tolerance", Shape::Positive, "How far a number may be off."),
    optional(
        "relative-tolerance",
        Shape::Percent,
        "The same as a share of the right number; both add up.",
    ),
    optional(
        "unit",
        Shape::Text,
        "What the right number counts; answers in other units are converted.",
    ),
    optional(
        "take",
        Shape::Choice(Take::NAMES),
        "Which number of the answer counts: that behind `ANSWER:` and its like (else the last), the first, the last, or any.",
    ),
    optional(
        "marker",
        Shape::Text,
        "Words of your own behind which the number or the choice stands.",
    ),
    optional(
        "options",
        Shape::Texts,
        "What can be chosen: letters or words.",
    ),
    optional("texts", Shape::Texts, "What the answer must contain."),
    optional(
        "match-case",
        Shape::Bool,
        "Whether capitals matter; they do not where it is absent.",
    ),
    optional(
        "pattern",
        Shape::Text,
        "A regular expression (of Rust's crate `regex`) that must match somewhere.",
    ),
    optional("schema", Shape::Text, "A JSON Schema, as JSON."),
    optional(
        "defines",
        Shape::Text,
        "The Python function or class that the tests use.",
    ),
    optional(
        "tests",
        Shape::Texts,
        "Python statements, each run by itself behind the answer's code in a sandbox.",
    ),
    optional("ask", Shape::Text, "What the judge is to score."),
];

pub const CHECK_KINDS: &[&str] = &[
    "number",
    "choice",
    "contains-all",
    "contains-any",
    "regex",
    "json-schema",
    "code",
    "judge",
];

pub const JUDGE: &[Key] = &[
    required(
        "url",
        Shape::Text,
        "An OpenAI-compatible server, without `/v1`: `http://HOST:PORT`.",
    ),
    required("model", Shape::Text, "The model to ask."),
    optional(
        "api-key-env",
        Shape::EnvName,
        "The variable that holds its API key.",
    ),
];
