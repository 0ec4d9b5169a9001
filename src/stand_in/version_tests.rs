//! Every version that the stand-in plays, read by what gridrun reads engines with: attestation,
//! diagnosis, counters.

use serde_json::json;

use crate::attest::{Attested, attest};
use crate::diagnose::stage::Stage;
use crate::diagnose::{Evidence, FailureClass, Phase, diagnose, line};
use crate::spec::flag::{FlagName, FlagValue};
use crate::stand_in::tests::{Running, end_of, question};
use crate::stand_in::version::VllmVersion;

/// Fits on a card of 1000 MiB with 500 MiB for the KV cache: 8000 tokens.
const SMALL: &str = "--stand-in-gpu-memory 1000MiB --stand-in-weights 300MiB \
                     --stand-in-kv-bytes-per-token 64KiB --stand-in-start-up 0s";

fn text(value: &str) -> FlagValue {
    FlagValue::Text(value.to_owned())
}

/// Log and `/metrics` of an engine that serves.
async fn state(flags: &str) -> (String, String) {
    let engine = Running::start(flags).await;
    let metrics = engine.get("/metrics").await.text().await.unwrap();
    let (code, log) = engine.end().await;
    assert_eq!(code, 0);
    (log, metrics)
}

#[tokio::test]
async fn every_version_attests_what_was_asked_of_it() {
    let flags = "--gpu-memory-utilization 0.8 --no-enable-prefix-caching \
                 --no-enable-chunked-prefill --max-num-batched-tokens 8192 --max-model-len 4096 \
                 --kv-cache-dtype fp8 --tensor-parallel-size 2 --block-size 32 --enforce-eager \
                 --seed 3 --max-num-seqs 8 --dtype half --enable-prompt-tokens-details";
    let confirmed = [
        ("gpu-memory-utilization", FlagValue::Float(0.8)),
        ("enable-prefix-caching", FlagValue::Bool(false)),
        ("enable-chunked-prefill", FlagValue::Bool(false)),
        ("max-model-len", FlagValue::Int(4096)),
        ("kv-cache-dtype", text("fp8")),
        ("tensor-parallel-size", FlagValue::Int(2)),
        ("block-size", FlagValue::Int(32)),
        ("enforce-eager", FlagValue::Bool(true)),
        ("seed", FlagValue::Int(3)),
        ("dtype", text("float16")),
    ];
    let accepted = [
        ("max-num-seqs", FlagValue::Int(8)),
        ("max-num-batched-tokens", FlagValue::Int(8192)),
        ("enable-prompt-tokens-details", FlagValue::Bool(true)),
    ];
    for version in VllmVersion::ALL {
        let (log, metrics) = state(&format!("--stand-in-version {} {flags}", version.name())).await;
        let attested = |flag: &str, asked: &FlagValue| {
            let flag = FlagName(flag.to_owned());
            attest(std::iter::once((&flag, asked)), &log, &metrics).remove(0)
        };
        for (flag, asked) in &confirmed {
            let found = attested(flag, asked).attested;
            assert!(
                matches!(found, Attested::Confirmed { .. }),
                "{flag} of {version:?}: {found:?}\n{log}"
            );
        }
        for (flag, asked) in &accepted {
            let found = attested(flag, asked).attested;
            assert!(
                matches!(found, Attested::Accepted { .. }),
                "{flag} of {version:?}: {found:?}\n{log}"
            );
        }
        for (flag, other) in [
            ("gpu-memory-utilization", FlagValue::Float(0.9)),
            ("enable-prefix-caching", FlagValue::Bool(true)),
            ("enable-chunked-prefill", FlagValue::Bool(true)),
            ("max-num-seqs", FlagValue::Int(9)),
        ] {
            let found = attested(flag, &other).attested;
            assert!(
                matches!(found, Attested::Contradicted { .. }),
                "{flag} of {version:?}: {found:?}"
            );
        }
    }
}

#[tokio::test]
async fn every_version_resolves_what_was_left_to_it() {
    for version in VllmVersion::ALL {
        let (log, metrics) = state(&format!("--stand-in-version {}", version.name())).await;
        let resolved = |flag: &str| {
            let flag = FlagName(flag.to_owned());
            let asked = FlagValue::Default;
            match attest(std::iter::once((&flag, &asked)), &log, &metrics)
                .remove(0)
                .attested
            {
                Attested::Confirmed { by } => by
                    .strip_prefix("resolved to ")
                    .and_then(|rest| rest.split(' ').next())
                    .map(str::to_owned)
                    .unwrap_or_default(),
                other => panic!("{flag} of {version:?}: {other:?}"),
            }
        };
        let v0 = version == VllmVersion::V0_6_4;
        let switch = if v0 { "False" } else { "True" };
        assert_eq!(resolved("enable-prefix-caching"), switch);
        assert_eq!(resolved("enable-chunked-prefill"), switch);
        let utilization = match version {
            VllmVersion::V0_32_0 => "0.92",
            _ => "0.9",
        };
        assert_eq!(resolved("gpu-memory-utilization"), utilization);
        assert_eq!(resolved("max-model-len"), "8192");
    }
}

#[tokio::test]
async fn every_version_dies_of_memory_in_words_that_are_understood() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let free_port = "--host 127.0.0.1 --port 0";
    let cases = [
        (
            "--stand-in-weights 1001MiB".to_owned(),
            FailureClass::GpuOomStartup,
            Stage::Weights,
        ),
        (
            "--gpu-memory-utilization 0.3".to_owned(),
            FailureClass::KvCacheTooSmall,
            Stage::KvProfile,
        ),
        (
            "--gpu-memory-utilization 0.35 --max-model-len 1600".to_owned(),
            FailureClass::KvCacheTooSmall,
            Stage::KvProfile,
        ),
        (
            "--kv-cache-memory-bytes 800M --max-model-len 1600".to_owned(),
            FailureClass::GpuOomStartup,
            Stage::KvProfile,
        ),
        (
            "--stand-in-overhead 500MiB --max-model-len 1600".to_owned(),
            FailureClass::GpuOomStartup,
            Stage::GraphCapture,
        ),
        (
            "--stand-in-overhead-per-seq 3MiB --max-model-len 1600".to_owned(),
            FailureClass::GpuOomStartup,
            Stage::GraphCapture,
        ),
        (
            "--stand-in-host-memory 1EiB".to_owned(),
            FailureClass::HostOom,
            Stage::Weights,
        ),
        (
            "--gpu-memory-utilization 1.5".to_owned(),
            FailureClass::BadArgument,
            Stage::Import,
        ),
        (
            "--max-num-batched-tokens 16 --max-num-seqs 32 --enable-chunked-prefill".to_owned(),
            FailureClass::BadArgument,
            Stage::Import,
        ),
        (
            format!("--host 127.0.0.1 --port {port}"),
            FailureClass::PortInUse,
            Stage::Import,
        ),
    ];
    for version in VllmVersion::ALL {
        for n_workers in [1, 2] {
            for (flags, class, stage) in &cases {
                let line = format!(
                    "m {SMALL} {free_port} --stand-in-version {} --tensor-parallel-size {n_workers} {flags}",
                    version.name()
                );
                let (code, log) = end_of(&line).await;
                // Alone of all, this version says nothing when it begins to capture graphs.
                let is_silent = version == VllmVersion::V0_8_5 && flags.contains("overhead 500");
                let stage = if is_silent { &Stage::KvProfile } else { stage };
                let failure = diagnose(&Evidence {
                    exit_code: Some(i64::from(code)),
                    oom_killed: Some(false),
                    varied_flags: &["gpu-memory-utilization"],
                    ..Evidence::of(&log)
                });
                assert_eq!(
                    (failure.class, failure.phase, failure.stage, code),
                    (*class, Phase::Starting, Some(*stage), 1),
                    "{line}\n{failure:?}\n{log}"
                );
                assert!(failure.cause.is_some(), "{line}\n{log}");
            }
        }
    }
}

#[tokio::test]
async fn every_version_is_healthy_while_it_serves_and_stopped_after() {
    for version in VllmVersion::ALL {
        let flags = format!(
            "--stand-in-version {} --tensor-parallel-size 2",
            version.name()
        );
        let engine = Running::start(&flags).await;
        engine.chat(&question("hello", &json!({}))).await;
        let class = |log: &str, exit_code| {
            diagnose(&Evidence {
                exit_code,
                oom_killed: Some(false),
                ..Evidence::of(log)
            })
            .class
        };
        assert_eq!(class(&engine.log.text(), None), FailureClass::Healthy);
        let version_page = engine.get("/version").await.text().await.unwrap();
        assert_eq!(
            version_page,
            format!("{{\"version\":\"{}\"}}", version.name())
        );
        let (code, log) = engine.end().await;
        assert_eq!(class(&log, Some(i64::from(code))), FailureClass::Stopped);
        let last_worker = match version {
            VllmVersion::V0_6_4 => "(VllmWorkerProcess pid=",
            VllmVersion::V0_8_5 | VllmVersion::V0_9_2 => "(VllmWorker rank=1 pid=",
            VllmVersion::V0_10_1 => "(VllmWorker TP1 pid=",
            VllmVersion::V0_11_0 | VllmVersion::V0_32_0 => "(Worker_TP1 pid=",
            // Only the first worker speaks once it knows its rank.
            VllmVersion::V0_18_0 => "(Worker pid=",
        };
        assert!(log.contains(last_worker), "{version:?}\n{log}");
    }
}

/// The lines of a log as their first words, numbers left out.
fn kinds(log: &str) -> Vec<String> {
    line::read(log)
        .iter()
        .map(|line| {
            line.text
                .split_whitespace()
                .take(3)
                .collect::<Vec<_>>()
                .join(" ")
                .replace(|c: char| c.is_ascii_digit(), "")
        })
        .filter(|kind| !kind.is_empty())
        .collect()
}

/// Lines of the real log that come from its machine or from vLLM's build for CPUs.
const REAL_ONLY: &[&str] = &[
    "W :",
    "Found ulimit of",
    "Inductor compilation was",
    "Final IR op",
    "Triton is not",
    "Reset SSM cache",
    "Model Runner V",
    "Enabled custom fusions:",
    "DP group leader:",
    "OpenMP thread binding",
    "VLLM_CPU_OMP_THREADS_BIND=",
    "local_world_size=, reserve_cpu_num=",
    "local_rank=, core ids=[]",
    "reserved_cpus=[]",
    "/",
    "if hasattr(value, \"__dict__\"):",
    "wrapper = lookup",
    "[W",
    "libtcmalloc is not",
    "libiomp is not",
    "Filesystem type for",
    "Auto-prefetch is disabled",
    "Reducing Torch threads",
    "Using LBHNC KV",
    "Explicitly set (./.)",
    "CPU KV cache",
    "warnings.warn('resource_tracker: There",
    "Executor: waiting",
    "[shutdown] Executor: waiting",
    "Parent process exited,",
    "[shutdown] force killing",
];
/// Lines of an engine on a GPU, and the one by which the stand-in gives itself away.
const OURS_ONLY: &[&str] = &[
    "[stand_in] This is",
    "Model loading took",
    "Available KV cache",
    "GPU KV cache",
    "Free memory on",
];

#[tokio::test]
async fn the_newest_log_has_the_lines_of_a_real_one_in_their_order() {
    let engine = Running::start("--max-model-len 4096 --enforce-eager --max-num-seqs 8").await;
    engine.get("/health").await;
    let (_, ours) = engine.end().await;
    let real = include_str!("../../tests/data/vllm/logs/tiny1.log");
    let is_one_of = |kind: &str, known: &[&str]| known.iter().any(|start| kind.starts_with(start));
    let mut ours: Vec<String> = kinds(&ours.replace("StandInFor", "LlamaFor"))
        .into_iter()
        .filter(|kind| !is_one_of(kind, OURS_ONLY))
        .collect();
    let mut real: Vec<String> = kinds(real)
        .into_iter()
        .filter(|kind| !is_one_of(kind, REAL_ONLY))
        .collect();
    // A real front end sees its configuration twice: in its own process and in the engine's.
    for log in [&mut ours, &mut real] {
        let mut eager = 0;
        log.retain(|kind| {
            eager += usize::from(kind == "Enforce eager set,");
            kind != "Enforce eager set," || eager == 1
        });
        log.dedup();
    }
    assert_eq!(ours, real);
}
