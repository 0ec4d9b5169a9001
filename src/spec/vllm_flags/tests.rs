use crate::spec::flag::{FlagName, FlagValue};
use crate::spec::vllm_flags::{
    FlagKind, Rendered, accept, lookup, names, negated, render, reserved, short_name, size, table,
};

fn name(text: &str) -> FlagName {
    FlagName(text.to_owned())
}

fn text(value: &str) -> FlagValue {
    FlagValue::Text(value.to_owned())
}

fn args(flag: &str, value: FlagValue) -> Vec<String> {
    match render(&name(flag), &value) {
        Rendered::Args(args) => args,
        Rendered::LeftOut { why } => panic!("{flag} was left out: {why}"),
    }
}

#[test]
fn the_table_is_sorted_and_no_spelling_means_two_flags() {
    assert!(table::TABLE.is_sorted_by(|a, b| a.name < b.name));
    assert!(table::TABLE.len() > 300);
    let mut spellings: Vec<_> = names().collect();
    let all = spellings.len();
    spellings.sort_unstable();
    spellings.dedup();
    assert_eq!(spellings.len(), all);
    assert!(names().all(|spelling| lookup(spelling).is_some()));
}

#[test]
fn flags_are_found_by_every_spelling() {
    for (spelling, long) in [
        ("max-num-seqs", "max-num-seqs"),
        ("max_num_seqs", "max-num-seqs"),
        ("gpu-mem", "gpu-memory-utilization"),
        ("gpu_mem", "gpu-memory-utilization"),
        ("device-memory-utilization", "gpu-memory-utilization"),
        ("chunked", "enable-chunked-prefill"),
        ("prefix", "enable-prefix-caching"),
        ("tp", "tensor-parallel-size"),
        ("asc", "api-server-count"),
    ] {
        assert_eq!(
            lookup(spelling).map(|flag| flag.name),
            Some(long),
            "{spelling}"
        );
    }
    for unknown in [
        "Max-Num-Seqs",
        "--max-num-seqs",
        "no-enable-prefix-caching",
        "help",
        "",
    ] {
        assert_eq!(lookup(unknown), None, "{unknown}");
    }
    assert_eq!(
        negated("no_enable_prefix_caching").unwrap().name,
        "enable-prefix-caching"
    );
    assert_eq!(negated("no-grpc"), None);
    assert_eq!(short_name(&name("enable-chunked-prefill")), "chunked");
    assert_eq!(short_name(&name("max-num-seqs")), "max-num-seqs");
    assert_eq!(
        reserved(&name("port")),
        Some("every engine gets a free port")
    );
    assert_eq!(reserved(&name("max-num-seqs")), None);
}

#[test]
fn kinds_are_those_of_the_help_and_the_overlay() {
    let kind = |name: &str| lookup(name).unwrap().kind;
    assert_eq!(
        kind("enable-chunked-prefill"),
        FlagKind::Switch { negatable: true }
    );
    assert_eq!(kind("grpc"), FlagKind::Switch { negatable: false });
    assert_eq!(kind("max-num-seqs"), FlagKind::Int { min: Some(1) });
    assert_eq!(kind("max-model-len"), FlagKind::Size { min: 1, auto: true });
    assert_eq!(
        kind("max-num-batched-tokens"),
        FlagKind::Size {
            min: 1,
            auto: false
        }
    );
    assert_eq!(kind("served-model-name"), FlagKind::List);
    // It takes names of plug-ins beside those that the help lists.
    assert_eq!(kind("tool-call-parser"), FlagKind::Text);
    assert!(matches!(kind("kv-cache-dtype"), FlagKind::Choice(words) if words.contains(&"fp8")));
    assert!(matches!(kind("max-lora-rank"), FlagKind::Choice(words) if words.contains(&"16")));
    assert_eq!(
        kind("gpu-mem"),
        FlagKind::Float {
            min: Some(0.0),
            max: Some(1.0),
            min_exclusive: true
        }
    );
    assert_eq!(
        lookup("max-num-seqs").unwrap().help,
        "Maximum number of sequences to be processed in a single iteration."
    );
}

#[test]
fn values_are_brought_into_the_type_of_their_flag() {
    for (flag, given, taken) in [
        ("gpu-mem", FlagValue::Int(1), FlagValue::Float(1.0)),
        ("gpu-mem", FlagValue::Default, FlagValue::Default),
        ("max-num-batched-tokens", text("8K"), FlagValue::Int(8192)),
        (
            "max-num-batched-tokens",
            text("25.6k"),
            FlagValue::Int(25_600),
        ),
        ("max-model-len", FlagValue::Int(-1), text("auto")),
        ("max-model-len", text("auto"), text("auto")),
        (
            "max-model-len",
            FlagValue::Int(40_960),
            FlagValue::Int(40_960),
        ),
        (
            "served-model-name",
            text("a"),
            FlagValue::List(vec!["a".to_owned()]),
        ),
        ("max-lora-rank", FlagValue::Int(16), text("16")),
        ("optimization-level", FlagValue::Int(3), text("3")),
        ("tool-call-parser", text("mine"), text("mine")),
        ("prefix", FlagValue::Bool(false), FlagValue::Bool(false)),
    ] {
        assert_eq!(
            accept(lookup(flag).unwrap(), given.clone()),
            Ok(taken),
            "{flag} = {given}"
        );
    }
}

#[test]
fn values_that_a_flag_does_not_take_say_what_it_takes() {
    for (flag, given, expected) in [
        (
            "gpu-mem",
            FlagValue::Float(0.0),
            "a number above 0 and at most 1",
        ),
        (
            "gpu-mem",
            FlagValue::Float(1.5),
            "a number above 0 and at most 1",
        ),
        (
            "gpu-mem",
            FlagValue::Float(f64::NAN),
            "a number above 0 and at most 1",
        ),
        ("gpu-mem", text("0.9"), "a number above 0 and at most 1"),
        (
            "cpu-offload-gb",
            FlagValue::Int(-1),
            "a number of at least 0",
        ),
        (
            "max-num-seqs",
            FlagValue::Int(0),
            "a whole number of at least 1",
        ),
        (
            "max-num-seqs",
            FlagValue::Float(1.5),
            "a whole number of at least 1",
        ),
        ("seed", text("x"), "a whole number"),
        (
            "max-model-len",
            text("8 k"),
            "a whole number of at least 1, also as \"1k\" or \"1K\", or \"auto\"",
        ),
        (
            "max-num-batched-tokens",
            text("1.5K"),
            "a whole number of at least 1, also as \"1k\" or \"1K\"",
        ),
        ("prefix", FlagValue::Int(1), "true or false"),
        (
            "dtype",
            text("fp7"),
            "one of auto, bfloat16, float, float16, float32, half",
        ),
        (
            "tool-call-parser",
            FlagValue::Bool(true),
            "a text or a number",
        ),
        (
            "served-model-name",
            FlagValue::List(Vec::new()),
            "a text or a list of texts",
        ),
    ] {
        let refused = accept(lookup(flag).unwrap(), given.clone()).unwrap_err();
        assert_eq!(refused.to_string(), expected, "{flag} = {given}");
    }
    let refused = accept(lookup("dtype").unwrap(), text("fp7")).unwrap_err();
    assert!(refused.choices().contains(&"half"));
}

#[test]
fn sizes_are_read_as_vllm_reads_them() {
    for (given, expected) in [
        ("8192", Some(8192)),
        ("-1", Some(-1)),
        ("1k", Some(1000)),
        ("1K", Some(1024)),
        ("2G", Some(2 << 30)),
        ("25.6k", Some(25_600)),
        ("1.05m", Some(1_050_000)),
        ("1.5K", None),
        ("k", None),
        ("1.k", None),
        ("1.+5k", None),
        (".5k", None),
        ("-1k", None),
        ("1x", None),
        ("1é", None),
        ("", None),
        ("9223372036854775807K", None),
        ("1.99999999999999999999k", None),
    ] {
        assert_eq!(size(given), expected, "{given}");
    }
}

#[test]
fn values_become_arguments() {
    assert_eq!(
        args("enable-prefix-caching", FlagValue::Bool(true)),
        ["--enable-prefix-caching"]
    );
    assert_eq!(
        args("enable-prefix-caching", FlagValue::Bool(false)),
        ["--no-enable-prefix-caching"]
    );
    assert_eq!(
        args("gpu-memory-utilization", FlagValue::Float(0.9)),
        ["--gpu-memory-utilization", "0.9"]
    );
    assert_eq!(
        args("max-model-len", text("auto")),
        ["--max-model-len", "auto"]
    );
    assert_eq!(
        args("max-logprobs", FlagValue::Int(-1)),
        ["--max-logprobs=-1"]
    );
    assert_eq!(
        args(
            "served-model-name",
            FlagValue::List(vec!["a".to_owned(), "b".to_owned()])
        ),
        ["--served-model-name", "a", "b"]
    );
    assert_eq!(
        args("of-tomorrow", FlagValue::Bool(false)),
        ["--no-of-tomorrow"]
    );
    assert_eq!(
        args("of-tomorrow", FlagValue::Bool(true)),
        ["--of-tomorrow"]
    );
    assert_eq!(args("of-tomorrow", text("x")), ["--of-tomorrow", "x"]);
    assert_eq!(
        render(&name("disable-log-stats"), &FlagValue::Bool(false)),
        Rendered::LeftOut {
            why: "vLLM has no --no-disable-log-stats; without --disable-log-stats it is off"
                .to_owned()
        }
    );
    assert_eq!(
        render(&name("max-num-seqs"), &FlagValue::Default),
        Rendered::LeftOut {
            why: "vLLM's default is asked for".to_owned()
        }
    );
}
