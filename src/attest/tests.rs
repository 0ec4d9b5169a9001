//! Attestation on the real logs and metrics, and on the forms of older versions.

use std::path::PathBuf;

use crate::attest::{Attestation, Attested, attest, warnings};
use crate::spec::flag::{FlagName, FlagValue};

fn data(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/vllm")
        .join(name);
    std::fs::read_to_string(path).unwrap()
}

fn one(flag: &str, asked: FlagValue, log: &str, metrics: &str) -> Attested {
    let flag = FlagName(flag.to_owned());
    let mut all = attest(std::iter::once((&flag, &asked)), log, metrics);
    all.pop().unwrap().attested
}

fn text(value: &str) -> FlagValue {
    FlagValue::Text(value.to_owned())
}

#[track_caller]
fn confirmed(found: &Attested, by: &str) {
    assert!(
        matches!(found, Attested::Confirmed { by: said } if said.contains(by)),
        "{found:?}"
    );
}

#[track_caller]
fn contradicted(found: &Attested, value: &str) {
    assert!(
        matches!(found, Attested::Contradicted { found, .. } if found == value),
        "{found:?}"
    );
}

#[test]
fn metrics_of_a_real_engine_confirm_or_contradict() {
    let metrics = data("metrics_after.txt");
    let off = data("metrics_after_no_prefix_caching.txt");
    let log = data("logs/smol-default.log");
    let prefix =
        |asked, metrics: &str| one("enable-prefix-caching", FlagValue::Bool(asked), "", metrics);
    confirmed(
        &prefix(true, &metrics),
        "/metrics: enable_prefix_caching=True",
    );
    contradicted(&prefix(true, &off), "False");
    confirmed(&prefix(false, &off), "False");
    contradicted(&prefix(false, &metrics), "True");
    confirmed(
        &one(
            "gpu-memory-utilization",
            FlagValue::Float(0.92),
            &log,
            &metrics,
        ),
        "0.92",
    );
    contradicted(
        &one(
            "gpu-memory-utilization",
            FlagValue::Float(0.9),
            &log,
            &metrics,
        ),
        "0.92",
    );
    confirmed(
        &one("block-size", FlagValue::Int(128), &log, &metrics),
        "block_size=128",
    );
    confirmed(
        &one("kv-cache-dtype", text("auto"), &log, &metrics),
        "cache_dtype=auto",
    );
    contradicted(&one("kv-cache-dtype", text("fp8"), "", &metrics), "auto");
    confirmed(
        &one("kv-cache-memory-bytes", text("1G"), "", &metrics),
        "1073741824",
    );
}

#[test]
fn the_start_of_a_real_engine_speaks() {
    let log = data("logs/smol-nopc.log");
    confirmed(
        &one("max-model-len", text("4K"), &log, ""),
        "max_seq_len=4096",
    );
    confirmed(
        &one("enable-prefix-caching", FlagValue::Bool(false), &log, ""),
        "config line",
    );
    confirmed(
        &one("enable-chunked-prefill", FlagValue::Bool(true), &log, ""),
        "config line",
    );
    contradicted(
        &one("enable-chunked-prefill", FlagValue::Bool(false), &log, ""),
        "True",
    );
    confirmed(
        &one("tensor-parallel-size", FlagValue::Int(1), &log, ""),
        "config line",
    );
    confirmed(
        &one("enforce-eager", FlagValue::Bool(true), &log, ""),
        "config line",
    );
    confirmed(&one("seed", FlagValue::Int(0), &log, ""), "seed=0");
    confirmed(&one("dtype", text("bfloat16"), &log, ""), "torch.bfloat16");
    confirmed(
        &one("served-model-name", text("smollm2"), &log, ""),
        "smollm2",
    );
    let echoed = one("max-num-seqs", FlagValue::Int(8), &log, "");
    assert!(
        matches!(&echoed, Attested::Accepted { by } if by == "non-default args: max_num_seqs=8")
    );
    contradicted(&one("max-num-seqs", FlagValue::Int(9), &log, ""), "8");
    let parser = one("tool-call-parser", text("hermes"), &log, "");
    assert!(matches!(parser, Attested::Accepted { .. }), "{parser:?}");
    assert_eq!(
        one("swap-space", FlagValue::Int(4), &log, ""),
        Attested::Unattested
    );
    // quantization=None: nothing was decided, so nothing speaks.
    assert_eq!(
        one("quantization", text("awq"), &log, ""),
        Attested::Unattested
    );
}

#[test]
fn the_scheduler_line_speaks_of_the_batch() {
    let log = data("logs/c-util095-4g.log");
    confirmed(
        &one("max-num-batched-tokens", FlagValue::Int(8192), &log, ""),
        "scheduler line",
    );
    confirmed(&one("max-num-batched-tokens", text("8K"), &log, ""), "8192");
    contradicted(
        &one("max-num-batched-tokens", FlagValue::Int(2048), &log, ""),
        "8192",
    );
}

#[test]
fn a_flag_left_to_its_default_is_shown_and_never_contradicted() {
    let log = data("logs/c-ok1.log");
    confirmed(
        &one("enable-chunked-prefill", FlagValue::Default, &log, ""),
        "resolved to True",
    );
    confirmed(
        &one("max-model-len", FlagValue::Default, &log, ""),
        "resolved to 2048",
    );
    assert_eq!(
        one("tool-call-parser", FlagValue::Default, &log, ""),
        Attested::Unattested
    );
}

#[test]
fn older_config_lines_are_read() {
    // 0.7 and 0.8: other names, `V0`, a forgotten comma.
    let old = "INFO 10-20 04:12:31 llm_engine.py:237] Initializing an LLM engine (v0.6.3) with \
        config: model='m', dtype=torch.float16, max_seq_len=4096, load_format=LoadFormat.MISTRAL, \
        tensor_parallel_size=2, quantization=None, enforce_eager=True, kv_cache_dtype=fp8_e4m3, \
        served_model_name=m, num_scheduler_steps=1, chunked_prefill_enabled=False \
        multi_step_stream_outputs=True, enable_prefix_caching=False, mm_processor_kwargs=None)\n";
    confirmed(
        &one("enable-chunked-prefill", FlagValue::Bool(false), old, ""),
        "chunked_prefill_enabled=False",
    );
    confirmed(
        &one("enable-prefix-caching", FlagValue::Bool(false), old, ""),
        "config line",
    );
    confirmed(&one("kv-cache-dtype", text("fp8"), old, ""), "fp8_e4m3");
    confirmed(
        &one("load-format", text("mistral"), old, ""),
        "LoadFormat.MISTRAL",
    );
    confirmed(
        &one("tensor-parallel-size", FlagValue::Int(2), old, ""),
        "tensor_parallel_size=2",
    );
    let v8 = "(EngineCore_0 pid=1) INFO 04-17 23:05:00 [core.py:61] Initializing a V1 LLM engine \
        (v0.8.3) with config: model='m', max_seq_len=102400, enable_prefix_caching=True, \
        chunked_prefill_enabled=True, compilation_config={\"seed\":[],\"max_capture_size\":0}";
    contradicted(
        &one("enable-chunked-prefill", FlagValue::Bool(false), v8, ""),
        "True",
    );
    let args = "INFO 03-18 20:10:54 api_server.py:836] args: Namespace(host='0.0.0.0', port=10000, \
        max_num_seqs=256, allowed_origins=['*'], model='m')";
    let seqs = one("max-num-seqs", FlagValue::Int(256), args, "");
    assert!(matches!(seqs, Attested::Accepted { .. }), "{seqs:?}");
}

#[test]
fn the_last_start_of_a_log_counts() {
    let log = "INFO 04-17 23:05:00 [a.py:1] Using max model len 100\n\
               INFO 04-17 23:06:00 [a.py:1] Using max model len 200";
    confirmed(&one("max-model-len", FlagValue::Int(200), log, ""), "200");
}

#[test]
fn a_contradiction_is_a_sentence() {
    let attestation = Attestation {
        flag: FlagName("enable-prefix-caching".to_owned()),
        asked: FlagValue::Bool(false),
        attested: one(
            "enable-prefix-caching",
            FlagValue::Bool(false),
            "",
            &data("metrics_after.txt"),
        ),
    };
    assert_eq!(
        attestation.contradiction().unwrap(),
        "`enable-prefix-caching` was asked to be false and the engine has True (/metrics: \
         enable_prefix_caching=True)"
    );
}

#[test]
fn warnings_of_the_start_come_once() {
    let found = warnings(&data("logs/c-ok1.log"));
    assert!(
        found
            .iter()
            .any(|text| text.starts_with("Enforce eager set")),
        "{found:?}"
    );
    assert!(
        found
            .iter()
            .any(|text| text.starts_with("libtcmalloc is not found"))
    );
    assert!(
        !found
            .iter()
            .any(|text| text.contains("FutureWarning") || text.contains("WARNING"))
    );
    let unique: std::collections::HashSet<_> = found.iter().collect();
    assert_eq!(unique.len(), found.len());
    let later = "WARNING 04-17 23:05:00 [a.py:1] w\nINFO:     Application startup complete.\nWARNING 04-17 23:05:00 [a.py:1] later";
    assert_eq!(warnings(later), ["w"]);
}

proptest::proptest! {
    #[test]
    fn any_text_is_taken(log in ".{0,400}", metrics in ".{0,200}") {
        let metrics = format!("vllm:cache_config_info{{{metrics}");
        let log = format!("Initializing a V1 LLM engine (v1) with config: {log}\nnon-default args: {{{log}");
        one("max-model-len", FlagValue::Int(1), &log, &metrics);
        warnings(&log);
    }
}
