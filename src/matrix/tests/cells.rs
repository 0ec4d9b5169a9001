//! Which cells come of an experiment, with which flags and names.

use crate::matrix::cell::SetBy;
use crate::matrix::expand;
use crate::matrix::tests::build::{
    Build, OFF, ON, diagnostics, experiment, flags, found, int, knob, medium, names, shown, text,
};
use crate::spec::flag::{FlagName, FlagValue};
use crate::spec::profile::EnvSource;

#[test]
fn the_reference_case_has_exactly_its_twelve_cells() {
    let expansion = expand(&medium());
    assert_eq!(expansion.diagnostics, []);
    assert_eq!(
        names(&expansion),
        [
            "gpu-mem-0.85_chunked-on_prefix-on",
            "chunked_only_safe",
            "gpu-mem-0.85_chunked-off_prefix-on",
            "safe_conservative",
            "optimized_balanced",
            "gpu-mem-0.9_chunked-on_prefix-off",
            "gpu-mem-0.9_chunked-off_prefix-on",
            "gpu-mem-0.9_chunked-off_prefix-off",
            "gpu-mem-0.95_chunked-on_prefix-off",
            "gpu-mem-0.95_chunked-off_prefix-on",
            "gpu-mem-0.95_chunked-off_prefix-off",
            "aggressive_cache",
        ]
    );
    assert_eq!(expansion.excluded.len(), 1);
    assert_eq!(
        expansion.excluded[0].cell,
        "gpu-mem-0.95_chunked-on_prefix-on"
    );
    assert_eq!(expansion.folded, []);
    assert_eq!(
        flags(found(&expansion, "safe_conservative")),
        [
            "enable-chunked-prefill=false (axis)",
            "enable-prefix-caching=false (axis)",
            "gpu-memory-utilization=0.85 (axis)",
            "max-model-len=40960 (base)",
            "max-num-batched-tokens=40960 (when #1)",
            "max-num-seqs=32 (axis)",
            "tensor-parallel-size=2 (base)",
        ]
    );
    assert_eq!(
        flags(found(&expansion, "aggressive_cache")),
        [
            "enable-chunked-prefill=true (cell)",
            "enable-prefix-caching=true (cell)",
            "gpu-memory-utilization=0.95 (cell)",
            "max-model-len=40960 (base)",
            "max-num-seqs=48 (cell)",
            "tensor-parallel-size=2 (base)",
        ]
    );
    let varied: Vec<&str> = found(&expansion, "aggressive_cache")
        .varied()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(varied.len(), 4);
    assert_eq!(
        found(&expansion, "chunked_only_safe").coordinates,
        [
            (knob("gpu-mem"), FlagValue::Float(0.85)),
            (knob("chunked"), ON),
            (knob("prefix"), OFF),
            (knob("max-num-seqs"), int(32)),
        ]
    );
    let mut ids: Vec<_> = expansion.cells.iter().map(|cell| &cell.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 12);
}

#[test]
fn ids_depend_on_the_input_alone_and_not_on_order_or_names() {
    let one = expand(
        &experiment()
            .axis("gpu-mem", &[FlagValue::Float(0.9)])
            .axis("prefix", &[ON]),
    );
    let other = expand(
        &experiment()
            .base("prefix", ON)
            .axis("gpu-mem", &[FlagValue::Float(0.9)])
            .cell("named", &[("gpu-mem", FlagValue::Float(0.9))]),
    );
    assert_eq!(one.cells[0].id, other.cells[0].id);
    assert_eq!(names(&one), ["gpu-mem-0.9_prefix-on"]);
    assert_eq!(names(&other), ["named"]);
}

#[test]
fn later_whens_see_what_earlier_ones_set() {
    let expansion = expand(
        &experiment()
            .base("block-size", int(16))
            .axis("chunked", &[ON, OFF])
            .when(
                &[("chunked", &[OFF]), ("block-size", &[int(16)])],
                &[("max-num-seqs", int(8))],
            )
            .when(
                &[("max-num-seqs", &[int(8)])],
                &[("prefix", OFF), ("env.VLLM_X", text("1"))],
            )
            .when(
                &[("max-num-seqs", &[FlagValue::Default])],
                &[("prefix", ON)],
            ),
    );
    assert_eq!(expansion.diagnostics, []);
    let off = found(&expansion, "chunked-off");
    assert_eq!(
        off.flags[&FlagName("enable-prefix-caching".to_owned())].by,
        SetBy::When(2)
    );
    assert_eq!(off.env["VLLM_X"].value, text("1"));
    let on = found(&expansion, "chunked-on");
    assert_eq!(
        on.flags[&FlagName("enable-prefix-caching".to_owned())].value,
        ON
    );
    assert!(on.env.is_empty());
}

#[test]
fn a_cell_keeps_what_it_sets_itself_and_may_set_more() {
    let mut experiment = experiment()
        .axis("chunked", &[ON, OFF])
        .when(
            &[("chunked", &[OFF])],
            &[
                ("max-num-batched-tokens", int(4096)),
                ("max-num-seqs", int(8)),
            ],
        )
        .cell(
            "wide",
            &[("chunked", OFF), ("max-num-batched-tokens", int(8192))],
        )
        .cell("small", &[("chunked", ON)]);
    experiment.named_cells[1].memory = Some(1 << 28);
    let expansion = expand(&experiment);
    assert_eq!(expansion.diagnostics, []);
    assert_eq!(
        names(&expansion),
        ["chunked-on", "chunked-off", "wide", "small"]
    );
    assert_eq!(
        flags(found(&expansion, "wide")),
        [
            "enable-chunked-prefill=false (cell)",
            "max-num-batched-tokens=8192 (cell)",
            "max-num-seqs=8 (when #1)",
        ]
    );
    assert_eq!(found(&expansion, "small").memory, Some(1 << 28));
    // The profile's own limit is no other limit.
    experiment.named_cells[1].memory = Some(1 << 30);
    assert_eq!(
        names(&expand(&experiment)),
        ["small", "chunked-off", "wide"]
    );
}

#[test]
fn variables_are_varied_too() {
    let mut experiment = experiment()
        .axis("env.VLLM_X", &[text("0"), text("1"), FlagValue::Default])
        .when(
            &[("env.VLLM_X", &[int(1)]), ("env.MODE", &[text("fast")])],
            &[("prefix", OFF)],
        );
    experiment.profile.engine.env = vec![
        ("MODE".to_owned(), EnvSource::Literal("fast".to_owned())),
        (
            "HF_TOKEN".to_owned(),
            EnvSource::FromEnv("HF_TOKEN".to_owned()),
        ),
    ];
    let expansion = expand(&experiment);
    assert_eq!(expansion.diagnostics, []);
    assert_eq!(
        names(&expansion),
        ["VLLM_X-0", "VLLM_X-1", "VLLM_X-default"]
    );
    let set: Vec<usize> = expansion
        .cells
        .iter()
        .map(|cell| cell.flags.len())
        .collect();
    assert_eq!(set, [0, 1, 0]);
    assert!(expansion.cells.iter().all(|cell| cell.env.len() == 1));
}

#[test]
fn equal_inputs_fold_and_are_reported() {
    let expansion = expand(
        &experiment()
            .axis("chunked", &[ON, OFF])
            .axis("max-num-seqs", &[int(8), int(16)])
            .when(&[("chunked", &[OFF])], &[("max-num-seqs", int(16))]),
    );
    assert_eq!(
        names(&expansion),
        [
            "chunked-on_max-num-seqs-8",
            "chunked-on_max-num-seqs-16",
            "chunked-off_max-num-seqs-16"
        ]
    );
    assert_eq!(
        expansion.folded[0].places,
        ["chunked-off_max-num-seqs-8", "chunked-off_max-num-seqs-16"]
    );
    assert_eq!(expansion.folded[0].into, "chunked-off_max-num-seqs-16");
    assert_eq!(
        expansion.diagnostics.iter().map(shown).collect::<Vec<_>>(),
        [
            "warning@2000: 2 places of the matrix are only 1 cell: their engines get the same input \
          | each of these is measured once:\nchunked-off_max-num-seqs-8 = \
          chunked-off_max-num-seqs-16"
        ]
    );
    let many: Vec<FlagValue> = (1..=8).map(int).collect();
    let folds = experiment()
        .axis("max-num-seqs", &many)
        .when(&[("max-num-seqs", &many)], &[("max-num-seqs", int(9))]);
    assert_eq!(names(&expand(&folds)), ["max-num-seqs-9"]);
    assert_eq!(
        diagnostics(&folds),
        [
            "warning@2000: 8 places of the matrix are only 1 cell: their engines get the same input \
          | each of these is measured once:\nmax-num-seqs-1 = max-num-seqs-2 = max-num-seqs-3 = \
          max-num-seqs-4 = max-num-seqs-5 = ..."
        ]
    );
}

#[test]
fn made_names_give_way_to_names_of_the_file() {
    let expansion = expand(
        &experiment()
            .axis("max-num-seqs", &[int(8), int(16)])
            .cell("max-num-seqs-8", &[("max-num-seqs", int(24))]),
    );
    assert_eq!(expansion.diagnostics, []);
    let first = &expansion.cells[0];
    assert_eq!(first.name, format!("max-num-seqs-8_{}", first.id));
    assert_eq!(
        names(&expansion)[1..],
        ["max-num-seqs-16", "max-num-seqs-8"]
    );
}
