//! What is told of a matrix that is wrong, word by word.

use crate::matrix::expand;
use crate::matrix::tests::build::{Build, OFF, ON, diagnostics, experiment, int, text};
use crate::spec::experiment::Experiment;
use crate::spec::flag::FlagValue;

#[test]
fn every_mistake_in_a_matrix_is_told() {
    let two = || {
        experiment()
            .axis("chunked", &[ON, OFF])
            .axis("max-num-seqs", &[int(8), int(16)])
    };
    let many: Vec<FlagValue> = (1..=200).map(int).collect();
    let table: Vec<(Experiment, Vec<&str>)> = vec![
        (
            experiment(),
            vec!["error@file: there is no cell: `[matrix]` is empty and there is no `[[cell]]`"],
        ),
        (
            experiment()
                .axis("max-num-seqs", &many)
                .axis("block-size", &many),
            vec![
                "error@2000: the matrix has 200 (max-num-seqs) x 200 (block-size) = 40000 cells \
                 before exclusion | at most 10000 | every cell is at least one start of an \
                 engine: drop values or axes",
            ],
        ),
        (
            two().cell("short", &[("prefix", ON)]),
            vec![
                "error@4000: cell `short` gives no value for `chunked`, `max-num-seqs` | a \
                 `[[cell]]` gives every axis of the matrix in its `set`",
            ],
        ),
        (
            two().exclude(&[("max-num-seqs", &[int(24)])]),
            vec![
                "error@5001: this exclude matches no cell | the values of `max-num-seqs` are 8, 16",
            ],
        ),
        (
            two().exclude(&[("chunked", &[ON]), ("env.VLLM_X", &[text("1")])]),
            vec![
                "error@5002: this exclude matches no cell | no cell has `env.VLLM_X` | a `where` \
                 speaks of axes, of flags of the profile, and of what a `[[when]]` sets",
            ],
        ),
        (
            two()
                .when(&[("chunked", &[OFF])], &[("prefix", ON)])
                .exclude(&[("chunked", &[ON]), ("prefix", &[ON])]),
            vec![
                "error@5000: this exclude matches no cell | each part of its `where` holds \
                 somewhere, but never all in one cell",
            ],
        ),
        (
            two().exclude(&[("chunked", &[ON, OFF])]),
            vec![
                "error@5000: this exclude matches all 4 cells of the matrix | name in its \
                 `where` what tells the unwanted cells from the others",
            ],
        ),
        (
            two()
                .exclude(&[("chunked", &[ON])])
                .exclude(&[("chunked", &[OFF])]),
            vec!["error@file: no cell is left: all 4 cells of the matrix are excluded"],
        ),
        (
            two().exclude(&[("max-num-seqs", &[int(8), int(9)])]),
            vec![
                "warning@5001: no cell has `max-num-seqs = 9` | the values of `max-num-seqs` are 8, 16",
            ],
        ),
        (
            two().when(&[("max-num-seqs", &[int(9)])], &[("prefix", ON)]),
            vec![
                "error@3001: `[[when]]` #1 matches no cell | the values of `max-num-seqs` are 8, 16",
            ],
        ),
        (
            two()
                .when(&[("chunked", &[OFF])], &[("block-size", int(16))])
                .when(&[("max-num-seqs", &[int(8)])], &[("block-size", int(32))]),
            vec![
                "warning@3015: `[[when]]` #1 and #2 set `block-size` to different values in 1 \
                 cell, for example `chunked-off_max-num-seqs-8` | 32 replaces 16",
            ],
        ),
        (
            two()
                .cell("a", &[("chunked", ON), ("max-num-seqs", int(8))])
                .cell("b", &[("chunked", ON), ("max-num-seqs", int(8))]),
            vec!["error@4010: cells `a` and `b` are the same configuration"],
        ),
        (
            two()
                .cell("a", &[("chunked", ON), ("max-num-seqs", int(8))])
                .exclude(&[("chunked", &[ON])]),
            vec![
                "warning@4000: cell `a` is measured although an exclude removes it from the \
                 matrix | drop the `[[cell]]` or the `[[exclude]]`",
            ],
        ),
    ];
    for (experiment, expected) in table {
        assert_eq!(diagnostics(&experiment), expected);
    }
}

#[test]
fn rules_of_vllm_are_told_with_what_to_paste() {
    let table: Vec<(Experiment, Vec<&str>)> = vec![
        (
            experiment()
                .base("max-model-len", int(8192))
                .base("max-num-batched-tokens", int(2048))
                .axis("chunked", &[ON, OFF])
                .axis("prefix", &[ON, OFF]),
            vec![
                "error@1010: with chunked prefill off, max-num-batched-tokens must be at least \
                 max-model-len: 2 cells break it, for example `chunked-off_prefix-on` | 2048 < \
                 8192 | add this after the other `[[when]]`s:\n[[when]]\nwhere = { chunked = \
                 false }\nset   = { max-num-batched-tokens = 8192 }",
            ],
        ),
        (
            experiment()
                .base("chunked", OFF)
                .axis("max-model-len", &[int(4096), int(8192)])
                .axis("max-num-batched-tokens", &[int(2048), int(4096), int(8192)]),
            vec![
                "error@2010: with chunked prefill off, max-num-batched-tokens must be at least \
                 max-model-len: 3 cells break it, for example \
                 `max-model-len-4096_max-num-batched-tokens-2048` | 2048 < 4096 | add this after \
                 the other `[[when]]`s:\n[[when]]\nwhere = { chunked = false, \
                 max-num-batched-tokens = [2048, 4096] }\nset   = { max-num-batched-tokens = 8192 }",
            ],
        ),
        // Where one of them is not known, vLLM's own defaults keep the rule.
        (
            experiment()
                .base("max-model-len", int(8192))
                .axis("chunked", &[ON, OFF]),
            vec![],
        ),
        (
            experiment()
                .base("max-model-len", text("auto"))
                .base("max-num-batched-tokens", text("2k"))
                .axis("chunked", &[ON, OFF]),
            vec![],
        ),
        (
            experiment()
                .axis("max-num-seqs", &[int(8), int(32), int(64)])
                .when(
                    &[("max-num-seqs", &[int(8), int(32), int(64)])],
                    &[("max-num-batched-tokens", text("16"))],
                ),
            vec![
                "error@3005: max-num-batched-tokens must be at least max-num-seqs: 2 cells break \
                 it, for example `max-num-seqs-32` | 16 < 32 | add this after the other \
                 `[[when]]`s:\n[[when]]\nwhere = { max-num-seqs = [32, 64] }\nset   = { \
                 max-num-batched-tokens = 64 }",
            ],
        ),
        (
            experiment()
                .axis("max-num-seqs", &[int(8)])
                .cell(
                    "a",
                    &[
                        ("max-num-seqs", int(32)),
                        ("max-num-batched-tokens", int(16)),
                    ],
                )
                .cell(
                    "b",
                    &[
                        ("max-num-seqs", int(64)),
                        ("max-num-batched-tokens", int(16)),
                    ],
                ),
            vec![
                "error@4002: max-num-batched-tokens must be at least max-num-seqs: 2 cells break \
                 it, for example `a` | 16 < 32 | set `max-num-batched-tokens = 64` in the \
                 `[[cell]]` of `a`, `b`",
            ],
        ),
        (
            experiment().axis(
                "tool-call-parser",
                &[text("hermes"), text("qwen3_xml"), FlagValue::Default],
            ),
            vec![
                "error@2000: a tool-call-parser needs enable-auto-tool-choice = true: 2 cells \
                 break it, for example `tool-call-parser-hermes` | tool-call-parser = \"hermes\" \
                 | add this after the other `[[when]]`s:\n[[when]]\nwhere = { tool-call-parser = \
                 [\"hermes\", \"qwen3_xml\"] }\nset   = { enable-auto-tool-choice = true }",
            ],
        ),
        (
            experiment()
                .base("enable-auto-tool-choice", ON)
                .axis("tool-call-parser", &[text("hermes"), FlagValue::Default]),
            vec![
                "error@1000: enable-auto-tool-choice = true needs a tool-call-parser: \
                 `tool-call-parser-default` breaks it | no tool-call-parser | give these cells a \
                 `tool-call-parser`, or add this after the other `[[when]]`s:\n[[when]]\nwhere = \
                 { tool-call-parser = \"(default)\" }\nset   = { enable-auto-tool-choice = false }",
            ],
        ),
    ];
    for (experiment, expected) in table {
        assert_eq!(diagnostics(&experiment), expected);
    }
}

#[test]
fn what_is_shown_to_paste_mends_the_matrix() {
    let broken = experiment()
        .base("chunked", OFF)
        .axis("max-model-len", &[int(4096), int(8192)])
        .axis("max-num-batched-tokens", &[int(2048), int(4096), int(8192)]);
    let mended = broken.when(
        &[
            ("chunked", &[OFF]),
            ("max-num-batched-tokens", &[int(2048), int(4096)]),
        ],
        &[("max-num-batched-tokens", int(8192))],
    );
    assert!(
        expand(&mended)
            .diagnostics
            .iter()
            .all(|diagnostic| !diagnostic.is_error())
    );
}
