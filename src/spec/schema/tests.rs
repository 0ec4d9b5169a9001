use std::collections::BTreeSet;
use std::sync::Arc;

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::Value;

use crate::spec::diagnostic::{Source, has_errors};
use crate::spec::flag::FlagName;
use crate::spec::schema::{FileKind, schema};
use crate::spec::vllm_flags;
use crate::spec::{load, load_scenario};

const PROFILE: &str = "\
[engine]
image = \"i\"
model = \"m\"
";
const EXPERIMENT: &str = "\
profile = \"p\"
[[workload]]
name = \"w\"
kind = \"kv-cache\"
[[objective]]
metric = \"w.ttft_repeat_ms\"
goal = \"min\"
[matrix]
prefix = [true, false]
";

/// A compiled schema.
struct Judge {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Judge {
    fn of(kind: FileKind) -> Self {
        let mut schemas = Schemas::new();
        let mut compiler = Compiler::new();
        compiler.add_resource("schema.json", schema(kind)).unwrap();
        let index = compiler.compile("schema.json", &mut schemas).unwrap();
        Self { schemas, index }
    }

    fn accepts(&self, text: &str) -> bool {
        let file: Value = toml::from_str(text).unwrap();
        self.schemas.validate(&file, self.index).is_ok()
    }
}

/// Whether reading finds no error.
fn reads(experiment: &str, profile: &str) -> bool {
    let source = |path: &str, text: &str| Source {
        path: path.to_owned(),
        text: Arc::from(text),
    };
    let loaded = load(source("e.toml", experiment), &mut |_| {
        Ok(source("profiles/p.toml", profile))
    });
    !has_errors(&loaded.diagnostics)
}

/// Values of every TOML type, such as flags take and such as they do not. (None is a whole number
/// with a point: for JSON it is an integer.)
const VALUES: &[&str] = &[
    "true",
    "0",
    "1",
    "-1",
    "-7",
    "4096",
    "0.5",
    "1.5",
    "-0.5",
    "\"\"",
    "\"(default)\"",
    "\"auto\"",
    "\"AUTO\"",
    "\"8k\"",
    "\"8K\"",
    "\"1.5k\"",
    "\"1.5K\"",
    "\"32\"",
    "\"float16\"",
    "\"no such word\"",
    "[]",
    "[\"a\", \"b\"]",
    "[1, true]",
    "[[1]]",
    "{ a = 1 }",
];

#[test]
fn a_flags_value_is_refused_where_reading_refuses_it() {
    let judge = Judge::of(FileKind::Profile);
    let mut kinds = BTreeSet::new();
    let mut differ = Vec::new();
    let known = vllm_flags::all()
        .filter(|flag| vllm_flags::reserved(&FlagName(flag.name.to_owned())).is_none())
        .filter(|flag| kinds.insert(format!("{:?}", flag.kind)))
        .map(|flag| flag.name);
    for name in known.chain(["no-such-flag"]) {
        for value in VALUES {
            let profile = format!("{PROFILE}[engine.flags]\n{name} = {value}\n");
            if judge.accepts(&profile) != reads(EXPERIMENT, &profile) {
                differ.push(format!("{name} = {value}"));
            }
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

#[test]
fn an_axis_and_a_term_are_refused_where_reading_refuses_them() {
    let judge = Judge::of(FileKind::Experiment);
    for (axis, good) in [
        ("max-num-seqs = [1, \"(default)\"]", true),
        ("max-num-seqs = 1", false),
        ("max-num-seqs = []", false),
        ("max-num-seqs = [1, 1]", false),
        ("max_num_seqs = [1]", true),
        ("tp = [1, 2]", true),
        ("tp = [0]", false),
        ("gpu-mem = [1, 0.5]", true),
        ("gpu-mem = [0.5, 50]", false),
        ("dtype = [\"float8\"]", true),
        ("no-such-flag = [1, \"a\", true]", true),
        ("no-such-flag = 1", false),
        ("port = [8000]", false),
        ("ssl_keyfile = [\"a\"]", false),
        ("hf-token = [\"a\"]", false),
        ("-tp = [1]", false),
        ("env = { A = [\"0\", 1] }", true),
        ("env = { A = \"0\" }", false),
        ("env = { A = [1.5] }", false),
        ("env = { 0A = [1] }", false),
        ("env = { A_KEY = [1] }", false),
        ("env = { VLLM_API_KEY = [1] }", false),
        ("env = { }", true),
    ] {
        let text = format!("{EXPERIMENT}{axis}\n");
        assert_eq!(reads(&text, PROFILE), good, "read: {axis}");
        assert_eq!(judge.accepts(&text), good, "schema: {axis}");
    }
    for (exclude, good) in [
        ("where = { prefix = true }", true),
        ("where = { prefix = [true, false] }", true),
        ("where = { prefix = [] }", false),
        ("where = { prefix = \"on\" }", false),
        ("where = { }", false),
        ("where = { env = { A = [\"0\", 1] } }", true),
        ("reason = \"none\"", false),
    ] {
        let text = format!("{EXPERIMENT}[[exclude]]\n{exclude}\n");
        assert_eq!(reads(&text, PROFILE), good, "read: {exclude}");
        assert_eq!(judge.accepts(&text), good, "schema: {exclude}");
    }
}

#[test]
fn a_setting_of_the_profile_is_refused_where_reading_refuses_it() {
    let judge = Judge::of(FileKind::Profile);
    for (lines, good) in [
        ("memory = \"1.5 GiB\"", true),
        ("memory = \"512mb\"", true),
        ("memory = \"8g\"", false),
        ("memory = \"8\"", false),
        ("memory = 8", false),
        ("memory = \"0B\"", false),
        ("memory = \"8 elephants\"", false),
        ("ready-timeout = \"1h 30m\"", true),
        ("ready_timeout = \"1h30m\"", true),
        ("ready-timeout = \"90\"", false),
        ("ready-timeout = 90", false),
        ("ready-timeouts = \"90s\"", false),
        ("gpus = 2", true),
        ("gpus = -1", false),
        ("gpus = [\"GPU-8a\", 1]", true),
        ("gpus = []", false),
        ("gpus = \"0,1\"", false),
        ("network = \"bridge\"", true),
        ("network = \"none\"", false),
        ("model = \"twice\"", false),
        ("runtime = \"stand-in\"", false),
        ("volumes = [{ from = \"/a\", to = \"/b\" }]", true),
        ("volumes = [{ from = \"/a\" }]", false),
        (
            "ulimits = { memlock = -1, nofile = { soft = 1, hard = 2 } }",
            true,
        ),
        ("ulimits = { memlok = -1 }", false),
        ("ulimits = { nofile = { soft = 1 } }", false),
        (
            "env = { A = \"x\", B = 1, T_KEY = { from-env = \"T\" } }",
            true,
        ),
        ("env = { A = { from_env = \"A\" } }", true),
        ("env = { A = { from-env = \"A B\" } }", false),
        ("env = { A = { } }", false),
        ("env = { A = 1.5 }", false),
        ("env = { A = \"$B\" }", false),
        ("env = { HF_TOKEN = \"x\" }", false),
        (
            "env = { MAX_TOKENS = \"x\", TOKENIZERS_PARALLELISM = \"x\" }",
            true,
        ),
        ("env = { api_key_2 = 1 }", false),
        ("env = { VLLM_API_KEY = { from-env = \"K\" } }", false),
    ] {
        // A doubled key is no TOML at all.
        let text = format!("{PROFILE}{lines}\n");
        assert_eq!(reads(EXPERIMENT, &text), good, "read: {lines}");
        if toml::from_str::<Value>(&text).is_ok() {
            assert_eq!(judge.accepts(&text), good, "schema: {lines}");
        }
    }
    for (lines, good) in [
        ("gpu-memory = \"1GiB\"", true),
        ("gpu_memory = \"1GiB\"", true),
        ("gpu-memory = \"1GiB\"\noverhead = \"0B\"", true),
        ("gpu-memory = \"1GiB\"\nstart-up = \"x\"", false),
        ("", false),
    ] {
        let numbers = "weights = \"1GiB\"\nkv_bytes-per_token = \"1kB\"";
        let text = format!("{PROFILE}[stand-in]\n{numbers}\n{lines}\n");
        assert_eq!(reads(EXPERIMENT, &text), good, "read: {lines}");
        assert_eq!(judge.accepts(&text), good, "schema: {lines}");
    }
}

#[test]
fn a_gate_is_refused_where_reading_refuses_it_for_its_words() {
    let judge = Judge::of(FileKind::Experiment);
    for (gate, good) in [
        ("w.ttft_first_ms < 2500 ms", true),
        ("w.ttft_first_ms.p95<2.5s", true),
        ("  w.ttft_first_ms.p95 <= 1e3 ms ", true),
        ("w.ttft_first_ms < 2500", false),
        ("w.ttft_first_ms = 2500 ms", false),
        ("w.ttft-first < 2500 ms", false),
        ("w.success_rate >= 99 %", true),
        ("w.success_rate >= 0.99", true),
        ("w.success_rate.p50 >= 0.99", false),
        ("w.acceleration >= 1.2", true),
        ("w.acceleration >= 1.2 %", false),
        ("w.tokens_per_second > 30 tok/s", true),
        ("w.tokens_per_second > 30 ms", false),
        ("w.tokens_per_second.p90 > 30 tok/s", false),
    ] {
        let text = format!("{EXPERIMENT}[[gate]]\nrequire = \"{gate}\"\n");
        assert_eq!(reads(&text, PROFILE), good, "read: {gate}");
        assert_eq!(judge.accepts(&text), good, "schema: {gate}");
    }
}

#[test]
fn a_fault_is_refused_where_reading_refuses_it_for_its_words() {
    let judge = Judge::of(FileKind::Scenario);
    for (fault, good) in [
        ("kind = \"port-held\"", true),
        ("kind = \"port-hold\"", false),
        ("kind = \"port-held\"\nlingers = \"1s\"", false),
        (
            "kind = \"worker-dies\"\nat_request = 3\nlingers = \"1s\"",
            true,
        ),
        ("kind = \"http-errors\"\nstatus = 429", true),
        ("kind = \"http-errors\"\nstatus = 200", false),
        ("kind = \"http-errors\"", false),
        ("kind = \"port-held\"\nstarts = \"first\"", true),
        ("kind = \"port-held\"\nstarts = [1, 2]", true),
        ("kind = \"port-held\"\nstarts = [0]", false),
        ("kind = \"port-held\"\nstarts = 1", false),
        ("kind = \"port-held\"\nwhere = { gpu-mem = 0.9 }", true),
        ("kind = \"port-held\"\nwhere = { gpu-mem = 9 }", false),
        ("kind = \"wrong-config\"\nset = { prefix = false }", true),
        ("kind = \"wrong-config\"\nset = { }", false),
    ] {
        let text = format!("[[fault]]\n{fault}\n");
        let source = Source {
            path: "s.toml".to_owned(),
            text: Arc::from(text.as_str()),
        };
        let read = load_scenario(&source).scenario.is_some();
        assert_eq!(read, good, "read: {fault}");
        assert_eq!(judge.accepts(&text), good, "schema: {fault}");
    }
}
