//! The keys of a `command` workload.

use crate::spec::keys::{Key, Shape, default, optional, required};

pub const KEYS: &[Key] = &[
    required(
        "run",
        Shape::Texts,
        "The program and its arguments, without a shell; `{url}`, `{host}`, `{port}`, `{model}` and `{out}` stand for values of the attempt.",
    ),
    default(
        "where",
        Shape::Choice(&["engine", "host"]),
        "\"engine\"",
        "Inside the engine's container, or on the host.",
    ),
    default(
        "timeout",
        Shape::Duration,
        "\"30m\"",
        "When it is killed, with all that it started.",
    ),
    default(
        "output",
        Shape::Choice(&["stdout", "file"]),
        "\"stdout\"",
        "Where its JSON is: the last value of its standard output, or the file `{out}`.",
    ),
    default(
        "pass-env",
        Shape::Texts,
        "[]",
        "Variables of gridrun's environment that it gets; their values are hidden in what it says.",
    ),
    optional(
        "mapping",
        Shape::Choice(&["vllm-bench-serve"]),
        "A ready mapping of its JSON to metrics.",
    ),
    optional(
        "metric",
        Shape::Tables(METRIC),
        "A number of its JSON that becomes a metric.",
    ),
];

pub const METRIC: &[Key] = &[
    required(
        "name",
        Shape::Name { dots: false },
        "The metric's name: small letters, digits, `_`.",
    ),
    required(
        "path",
        Shape::Text,
        "Where it stands: a JSON pointer (`/results/0/mean`), or names with dots between them.",
    ),
    default(
        "unit",
        Shape::Choice(&["none", "ms", "s", "tok/s", "req/s", "tok", "%"]),
        "\"none\"",
        "Its unit; seconds become milliseconds.",
    ),
    default(
        "scale",
        Shape::Choice(&["ratio", "proportion", "signed"]),
        "\"ratio\"",
        "Above 0 (only these can be objectives), a share, or of either sign.",
    ),
    optional("meaning", Shape::Text, "What it is, for the report."),
];
