use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::{ProptestConfig, any, proptest};
use proptest::sample::Index;

use crate::measure::metric::{MetricRef, Stat};
use crate::measure::token_instants::TokenTimes;
use crate::spec::diagnostic::{Colour, Diagnostic, Source, has_errors, list, render};
use crate::spec::experiment::{Comparison, Experiment, Goal, OnMiss, WorkloadSpec};
use crate::spec::flag::{FlagName, FlagValue, Knob};
use crate::spec::keys::{self, Key, Presence, Shape};
use crate::spec::profile::{EnvSource, Gpus, Network, RuntimeChoice};
use crate::spec::read::{Loaded, load};

const PROFILE: &str = r#"
[engine]
image   = "vllm/vllm-openai:v0.11.0"
model   = "Qwen/Qwen3-32B-AWQ"
gpus    = "all"
shm     = "8GiB"
memory  = "64GiB"
ulimits = { nofile = 65536, memlock = { soft = -1, hard = -1 } }
volumes = [{ from = "~/.cache/huggingface", to = "/root/.cache/huggingface" }]
ready_timeout = "90s"

[engine.flags]
max-model-len = 40960
tensor-parallel-size = 2
enable-prompt-tokens-details = true
speculative-config = { num_speculative_tokens = 5, method = "ngram" }

[engine.env]
HF_HUB_OFFLINE = "1"
OMP_NUM_THREADS = 4
TOKENIZERS_PARALLELISM = "false"
HF_TOKEN = { from-env = "HF_TOKEN" }

[production]
container   = "myia_vllm-medium-qwen3"
url         = "http://127.0.0.1:5002"
api-key-env = "VLLM_MEDIUM_API_KEY"

[stand-in]
gpu-memory = "24GiB"
weights = "9.6GiB"
kv-bytes-per-token = "64KiB"
"#;

const EXPERIMENT: &str = r#"
profile = "medium"

[matrix]
gpu-mem  = [0.85, 0.90, 1]
chunked  = [true, false]
prefix   = [true, false]
max_num_seqs = [32]
tool-call-parser = ["hermes", "(default)"]
[matrix.env]
VLLM_USE_FLASHINFER_SAMPLER = ["0", 1, "(default)"]

[[when]]
where = { chunked = false }
set   = { max-num-batched-tokens = 40960 }

[[cell]]
name = "chunked_only_safe"
set  = { gpu-mem = 0.85, chunked = true, prefix = false, max-num-seqs = 32, tool-call-parser = "hermes", env.VLLM_USE_FLASHINFER_SAMPLER = "0" }
memory = "1.5GiB"

[[exclude]]
where  = { gpu-mem = [0.9, 1.0], env = { VLLM_USE_FLASHINFER_SAMPLER = 1 } }
reason = "replaced by aggressive_cache"

[[workload]]
name = "kv-cache"
kind = "kv-cache"
iterations = 7

[[workload]]
name = "again"
kind = "kv-cache"
after = ["kv-cache"]

[[gate]]
require = "kv-cache.ttft_hit_ms.p95 < 1.5 s"
stop = true

[[gate]]
require = "kv-cache.success_rate>=99%"

[[objective]]
metric = "kv-cache.ttft_repeat_ms"
goal   = "min"
weight = 2

[[objective]]
metric = "again.acceleration"
goal   = "max"

[[use-case]]
name = "agents"
objective = [{ metric = "kv-cache.tokens_per_second.p95", goal = "max" }]

[run]
repeats  = 3
equivalence = "2.5%"
deadline = "8h"
token-times = false
"#;

fn read(experiment: &str, profile: &str) -> Loaded {
    let source = |path: &str, text: &str| Source {
        path: path.to_owned(),
        text: text.into(),
    };
    load(source("experiments/medium.toml", experiment), &mut |name| {
        if name == "medium" {
            Ok(source("profiles/medium.toml", profile))
        } else {
            Err(format!(
                "there is no profiles/{name}.toml; there is profiles/medium.toml"
            ))
        }
    })
}

fn good(experiment: &str, profile: &str) -> Experiment {
    let loaded = read(experiment, profile);
    assert_eq!(text_of(&loaded), "");
    loaded
        .experiment
        .expect("a file without mistakes gives an experiment")
}

fn text_of(loaded: &Loaded) -> String {
    render(&loaded.diagnostics, &loaded.sources, Colour::Plain)
}

fn flag(name: &str) -> Knob {
    Knob::Flag(FlagName(name.to_owned()))
}

fn text(value: &str) -> FlagValue {
    FlagValue::Text(value.to_owned())
}

#[test]
fn the_experiment_file_is_read_whole() {
    let experiment = good(EXPERIMENT, PROFILE);
    assert_eq!(experiment.name, "medium");
    let axes: Vec<_> = experiment
        .axes
        .iter()
        .map(|axis| (axis.knob.clone(), axis.values.clone()))
        .collect();
    let switch = vec![FlagValue::Bool(true), FlagValue::Bool(false)];
    assert_eq!(
        axes,
        [
            (
                flag("gpu-memory-utilization"),
                vec![
                    FlagValue::Float(0.85),
                    FlagValue::Float(0.9),
                    FlagValue::Float(1.0)
                ]
            ),
            (flag("enable-chunked-prefill"), switch.clone()),
            (flag("enable-prefix-caching"), switch),
            (flag("max-num-seqs"), vec![FlagValue::Int(32)]),
            (
                flag("tool-call-parser"),
                vec![text("hermes"), FlagValue::Default]
            ),
            (
                Knob::Env("VLLM_USE_FLASHINFER_SAMPLER".to_owned()),
                vec![text("0"), text("1"), FlagValue::Default]
            ),
        ]
    );
    assert_eq!(
        experiment.whens[0].condition.terms[0].any_of,
        [FlagValue::Bool(false)]
    );
    assert_eq!(
        experiment.whens[0].set.values[0].knob,
        flag("max-num-batched-tokens")
    );
    let cell = &experiment.named_cells[0];
    assert_eq!(
        (cell.name.as_str(), cell.memory, cell.set.values.len()),
        ("chunked_only_safe", Some(1_610_612_736), 6)
    );
    let exclude = &experiment.excludes[0];
    assert_eq!(
        exclude.condition.terms[0].any_of,
        [FlagValue::Float(0.9), FlagValue::Float(1.0)]
    );
    assert_eq!(exclude.condition.terms[1].any_of, [text("1")]);
    assert_eq!(
        exclude.reason.as_deref(),
        Some("replaced by aggressive_cache")
    );

    let WorkloadSpec::KvCache(first) = &experiment.workloads[0].spec else {
        panic!("another kind")
    };
    assert_eq!(
        (first.iterations, first.prompt_tokens, first.max_tokens),
        (7, 1200, 16)
    );
    assert_eq!(experiment.workloads[1].after[0].node, "kv-cache");

    let gate = &experiment.gates[0];
    assert_eq!(
        (gate.metric.stat, gate.comparison, gate.bound, gate.on_miss),
        (
            Some(Stat::P95),
            Comparison::Less,
            1500.0,
            OnMiss::SkipDescendants
        )
    );
    let gate = &experiment.gates[1];
    assert_eq!(
        (gate.metric.stat, gate.comparison, gate.bound, gate.on_miss),
        (None, Comparison::GreaterOrEqual, 0.99, OnMiss::Continue)
    );
    let objective = &experiment.objectives[0];
    assert_eq!(
        objective.metric,
        MetricRef {
            node: "kv-cache".to_owned(),
            metric: "ttft_repeat_ms".to_owned(),
            stat: Some(Stat::P50)
        }
    );
    assert_eq!((objective.goal, objective.weight), (Goal::Min, 2.0));
    assert_eq!(experiment.objectives[1].metric.stat, None);
    assert_eq!(experiment.use_cases[0].objectives[0].goal, Goal::Max);
    let run = &experiment.run;
    assert_eq!(
        (run.repeats, run.seed, run.equivalence, run.deadline),
        (3, 1, 0.025, Some(Duration::from_secs(8 * 3600)))
    );
    assert_eq!(run.token_times, TokenTimes::Dropped);
}

#[test]
fn the_profile_is_read_whole() {
    let profile = good(EXPERIMENT, PROFILE).profile;
    assert_eq!(profile.name, "medium");
    let engine = &profile.engine;
    assert_eq!(engine.runtime, RuntimeChoice::Docker);
    assert_eq!(engine.image.as_deref(), Some("vllm/vllm-openai:v0.11.0"));
    assert_eq!(
        (engine.gpus.clone(), engine.network),
        (Gpus::All, Network::Host)
    );
    assert_eq!(
        (engine.shm, engine.memory, engine.ipc_host),
        (Some(8 << 30), Some(64 << 30), false)
    );
    let limits: Vec<_> = engine
        .ulimits
        .iter()
        .map(|limit| (limit.name.as_str(), limit.soft, limit.hard))
        .collect();
    assert_eq!(limits, [("nofile", 65536, 65536), ("memlock", -1, -1)]);
    assert_eq!(engine.volumes[0].from, Path::new("~/.cache/huggingface"));
    assert!(!engine.volumes[0].read_only);
    let flags: Vec<_> = engine
        .flags
        .iter()
        .map(|flag| (flag.name.as_str(), flag.value.clone()))
        .collect();
    assert_eq!(
        flags,
        [
            ("max-model-len", FlagValue::Int(40960)),
            ("tensor-parallel-size", FlagValue::Int(2)),
            ("enable-prompt-tokens-details", FlagValue::Bool(true)),
            (
                "speculative-config",
                text(r#"{"method":"ngram","num_speculative_tokens":5}"#)
            ),
        ]
    );
    let literal = |value: &str| EnvSource::Literal(value.to_owned());
    assert_eq!(
        engine.env,
        [
            ("HF_HUB_OFFLINE".to_owned(), literal("1")),
            ("OMP_NUM_THREADS".to_owned(), literal("4")),
            ("TOKENIZERS_PARALLELISM".to_owned(), literal("false")),
            (
                "HF_TOKEN".to_owned(),
                EnvSource::FromEnv("HF_TOKEN".to_owned())
            ),
        ]
    );
    assert_eq!(engine.ready_timeout, Duration::from_secs(90));
    assert_eq!(engine.request_timeout, Duration::from_secs(600));
    let stand_in = profile.stand_in.expect("the file has a section [stand-in]");
    assert_eq!(
        (
            stand_in.gpu_memory,
            stand_in.kv_bytes_per_token,
            stand_in.overhead
        ),
        (24 << 30, 64 << 10, 0)
    );
    assert_eq!(stand_in.start_up, Duration::from_millis(300));
}

#[test]
fn what_is_absent_has_the_default_of_the_key_table() {
    let experiment = good(
        r#"
        profile = "medium"
        matrix.prefix = [true, false]
        workload = [{ name = "w", kind = "kv-cache" }]
        objective = [{ metric = "w.acceleration", goal = "max" }]
        "#,
        "engine = { runtime = \"stand-in\", model = \"m\" }\n\
         [stand-in]\ngpu-memory = \"1GiB\"\nweights = \"1MiB\"\nkv-bytes-per-token = \"1KiB\"\n",
    );
    assert_eq!(
        (experiment.run.repeats, experiment.run.equivalence),
        (1, 0.02)
    );
    assert_eq!(experiment.run.deadline, None);
    assert_eq!(experiment.run.token_times, TokenTimes::Kept);
    let engine = &experiment.profile.engine;
    assert_eq!(engine.gpus, Gpus::None);
    assert_eq!(default_of(keys::ENGINE, "gpus"), "\"none\"");
    assert_eq!(engine.ready_timeout, Duration::from_secs(20 * 60));
    assert_eq!(engine.stop_timeout, Duration::from_secs(30));
    assert!(experiment.workloads[0].after.is_empty());
}

fn default_of(keys: &[Key], name: &str) -> &'static str {
    match keys
        .iter()
        .find(|key| key.name == name)
        .map(|key| key.presence)
    {
        Some(Presence::Default(value)) => value,
        other => panic!("{name} has no default: {other:?}"),
    }
}

#[test]
fn equal_engine_inputs_are_equal_values_however_they_are_written() {
    let values = |line: &str| {
        let text = EXPERIMENT.replace("tool-call-parser = [\"hermes\", \"(default)\"]", line);
        let text = text.replace(", tool-call-parser = \"hermes\"", "");
        let loaded = read(&text, PROFILE);
        assert!(!has_errors(&loaded.diagnostics), "{}", text_of(&loaded));
        loaded.experiment.unwrap().axes[4].values.clone()
    };
    for (line, expected) in [
        (
            "max-num-batched-tokens = [\"8K\", 4096]",
            vec![FlagValue::Int(8192), FlagValue::Int(4096)],
        ),
        (
            "cpu-offload-gb = [1, 2.5]",
            vec![FlagValue::Float(1.0), FlagValue::Float(2.5)],
        ),
        (
            "of-tomorrow = [1.0, 0.5]",
            vec![FlagValue::Int(1), FlagValue::Float(0.5)],
        ),
        ("max-lora-rank = [\"16\", 8]", vec![text("16"), text("8")]),
        (
            "cudagraph-capture-sizes = [[1, 2], \"4\"]",
            vec![
                FlagValue::List(vec!["1".to_owned(), "2".to_owned()]),
                FlagValue::List(vec!["4".to_owned()]),
            ],
        ),
    ] {
        assert_eq!(values(line), expected, "{line}");
    }
}

#[test]
fn every_mistake_is_shown_as_the_snapshots_have_it() {
    let root = bad_files();
    for (folder, is_profile) in [("experiment", false), ("profile", true)] {
        let files = toml_files(&root.join(folder));
        assert!(files.len() >= 10, "{folder} has only {} files", files.len());
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            let loaded = if is_profile {
                read(EXPERIMENT, &text)
            } else {
                read(&text, PROFILE)
            };
            assert!(
                !loaded.diagnostics.is_empty(),
                "{} has no mistake",
                file.display()
            );
            let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
            insta::with_settings!({
                snapshot_path => root.join(folder),
                prepend_module_to_snapshot => false,
                omit_expression => true,
            }, {
                insta::assert_snapshot!(name, text_of(&loaded));
            });
        }
    }
}

/// `tests/bad` of the package: this file lies four levels below its root.
fn bad_files() -> PathBuf {
    let root = Path::new(file!())
        .ancestors()
        .nth(4)
        .expect("the path of this file has its folders");
    fs::canonicalize(root.join("tests/bad")).expect("tests run in the package's folder")
}

fn toml_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    files.sort();
    files
}

#[test]
fn a_secret_that_stands_in_a_file_is_shown_nowhere() {
    let root = bad_files().join("profile");
    for name in ["secrets", "secret-in-broken-line", "production"] {
        let text = fs::read_to_string(root.join(format!("{name}.toml"))).unwrap();
        assert!(text.contains("abcdef"));
        let loaded = read(EXPERIMENT, &text);
        let listed = format!("{:?}", list(&loaded.diagnostics, &loaded.sources));
        for shown in [text_of(&loaded), listed] {
            assert!(!shown.contains("abcdef"), "{shown}");
        }
    }
}

#[test]
fn checks_across_the_cells_can_still_run_when_only_a_gate_is_wrong() {
    let wrong_gate = EXPERIMENT.replace("ttft_hit_ms.p95", "ttft_hit_ms.p96");
    let loaded = read(&wrong_gate, PROFILE);
    assert!(has_errors(&loaded.diagnostics));
    assert_eq!(loaded.experiment.unwrap().gates.len(), 1);

    let wrong_axis = EXPERIMENT.replace("[0.85, 0.90, 1]", "[0.85, 90]");
    assert_eq!(read(&wrong_axis, PROFILE).experiment, None);
    let wrong_profile = PROFILE.replace("tensor-parallel-size = 2", "tensor-parallel-size = 0");
    assert_eq!(read(EXPERIMENT, &wrong_profile).experiment, None);
}

#[test]
fn a_file_name_that_cannot_name_a_folder_is_refused() {
    let source = Source {
        path: "experiments/my run?.toml".to_owned(),
        text: EXPERIMENT.into(),
    };
    let loaded = load(source, &mut |_| {
        Ok(Source {
            path: "p.toml".to_owned(),
            text: PROFILE.into(),
        })
    });
    assert!(
        text_of(&loaded).contains("`my run?` is not safe"),
        "{}",
        text_of(&loaded)
    );
}

#[test]
fn the_key_table_is_consistent() {
    fn check(keys: &[Key], path: &str) {
        for (at, key) in keys.iter().enumerate() {
            let path = format!("{path}.{}", key.name);
            assert!(!key.name.contains('_'), "{path}");
            assert!(key.help.ends_with('.'), "{path}: {}", key.help);
            assert!(
                keys[..at].iter().all(|earlier| earlier.name != key.name),
                "{path}"
            );
            match key.shape {
                Shape::Table(keys) | Shape::Tables(keys) | Shape::Workloads(keys) => {
                    check(keys, &path)
                }
                _ => {}
            }
        }
    }
    check(keys::EXPERIMENT, "experiment");
    check(keys::PROFILE, "profile");
}

/// Severities and messages, for comparing.
fn messages(diagnostics: &[Diagnostic]) -> Vec<&str> {
    diagnostics
        .iter()
        .map(|diagnostic| diagnostic.message.as_str())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_reading_panic(text in any::<String>()) {
        let loaded = read(&text, &text);
        let shown = text_of(&loaded);
        assert!(shown.chars().all(|c| c == '\n' || !c.is_control()));
    }

    #[test]
    fn no_damage_to_a_good_file_makes_reading_panic(
        edits in proptest::collection::vec((any::<Index>(), 0_usize..12, any::<Index>()), 1..6),
        in_profile in any::<bool>(),
    ) {
        const PIECES: &[&str] = &[
            "", "\"", "[", "]]", "{", "}", "=", ".", "\n", "é\u{202e}", "99999999999999999999", "-",
        ];
        let original = if in_profile { PROFILE } else { EXPERIMENT };
        let mut chars: Vec<String> = original.chars().map(String::from).collect();
        for (at, piece, to) in &edits {
            let at = at.index(chars.len());
            if piece % 2 == 0 {
                chars[at] = PIECES[*piece].to_owned();
            } else {
                let other = to.index(chars.len());
                chars.swap(at, other);
                chars[at].push_str(PIECES[*piece]);
            }
        }
        let text = chars.concat();
        let loaded = if in_profile { read(EXPERIMENT, &text) } else { read(&text, PROFILE) };
        let _ = text_of(&loaded);
        let _ = list(&loaded.diagnostics, &loaded.sources);
        assert!(loaded.experiment.is_some() || has_errors(&loaded.diagnostics), "{:?}", messages(&loaded.diagnostics));
    }
}
