//! The stage of a death over the ages of vLLM, from every kind of evidence.

use super::*;
use crate::diagnose::diagnose;

fn stage(log: &str) -> Option<Stage> {
    diagnose(&Evidence::of(log)).stage
}

#[test]
fn names_are_what_serde_writes() {
    for stage in Stage::ALL {
        let json = serde_json::to_string(&stage).unwrap();
        assert_eq!(json, format!("\"{stage}\""));
        assert_eq!(serde_json::from_str::<Stage>(&json).unwrap(), stage);
    }
}

#[test]
fn a_silent_death_is_where_the_log_breaks_off() {
    // The first line of each stage, in the words of one age of vLLM each.
    let v06 = [
        (
            "INFO 08-14 10:20:40 api_server.py:459] vLLM API server version 0.6.0",
            Stage::Import,
        ),
        (
            "INFO 08-14 10:20:45 llm_engine.py:232] Initializing an LLM engine (v0.6.0) with config: x",
            Stage::Import,
        ),
        (
            "INFO 08-14 10:20:50 model_runner.py:997] Starting to load model Q...",
            Stage::Weights,
        ),
        (
            "Loading safetensors checkpoint shards:   0% Completed | 0/4 [00:00<?, ?it/s]",
            Stage::Weights,
        ),
        (
            "INFO 08-14 10:21:01 model_runner.py:1008] Loading model weights took 14.2487 GB",
            Stage::KvProfile,
        ),
        (
            "INFO 08-14 10:21:03 gpu_executor.py:121] # GPU blocks: 2000, # CPU blocks: 4681",
            Stage::KvProfile,
        ),
        (
            "INFO 08-14 10:21:04 model_runner.py:1311] Capturing the model for CUDA graphs. This may",
            Stage::GraphCapture,
        ),
        (
            "INFO 08-14 10:21:20 model_runner.py:1430] Graph capturing finished in 16 secs.",
            Stage::GraphCapture,
        ),
    ];
    let v1 = [
        (
            "(APIServer pid=1) INFO 09-30 12:00:01 [utils.py:233] non-default args: {}",
            Stage::Import,
        ),
        (
            "(EngineCore_DP0 pid=8) INFO 09-30 12:00:15 [core.py:77] Initializing a V1 LLM engine (v0.11.0) with config: x",
            Stage::Import,
        ),
        (
            "(Worker_TP0 pid=9) INFO 09-30 12:00:30 [gpu_model_runner.py:2602] Starting to load model Q...",
            Stage::Weights,
        ),
        (
            "(Worker_TP0 pid=9) INFO 09-30 12:01:10 [default_loader.py:267] Loading weights took 38.11 seconds",
            Stage::KvProfile,
        ),
        (
            "(Worker_TP0 pid=9) INFO 09-30 12:01:10 [gpu_model_runner.py:2700] Loading drafter model...",
            Stage::Weights,
        ),
        (
            "(Worker_TP0 pid=9) INFO 09-30 12:01:12 [gpu_model_runner.py:2653] Model loading took 9.0752 GiB and 41.2 seconds",
            Stage::KvProfile,
        ),
        (
            "(EngineCore_DP0 pid=8) INFO 09-30 12:01:30 [kv_cache_utils.py:1087] GPU KV cache size: 49,152 tokens",
            Stage::KvProfile,
        ),
        (
            "Capturing CUDA graphs (mixed prefill-decode, PIECEWISE):   0%|          | 0/11",
            Stage::GraphCapture,
        ),
        (
            "(EngineCore_DP0 pid=8) INFO 09-30 12:01:44 [core.py:210] init engine (profile, create kv cache, warmup model) took 32 seconds",
            Stage::GraphCapture,
        ),
        (
            "(APIServer pid=1) INFO:     Application startup complete.",
            Stage::FirstRequest,
        ),
    ];
    for lines in [v06.as_slice(), v1.as_slice()] {
        for n in 1..=lines.len() {
            let log: Vec<&str> = lines[..n].iter().map(|(line, _)| *line).collect();
            let found = diagnose(&Evidence {
                exit_code: Some(137),
                oom_killed: Some(true),
                ..Evidence::of(&log.join("\n"))
            });
            assert_eq!(found.stage, Some(lines[n - 1].1), "{}", log[n - 1]);
        }
    }
}

#[test]
fn a_traceback_tells_where_the_marks_do_not() {
    let oom = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.19 GiB.";
    let of = |functions: &[&str]| {
        let frames: String = functions
            .iter()
            .map(|name| format!("  File \"/x/vllm/a.py\", line 7, in {name}\n    call()\n"))
            .collect();
        stage(&format!(
            "Traceback (most recent call last):\n{frames}{oom}"
        ))
    };
    assert_eq!(
        of(&["<module>", "run_engine_core", "load_model", "forward"]),
        Some(Stage::Weights)
    );
    assert_eq!(
        of(&[
            "_initialize_kv_caches",
            "determine_available_memory",
            "execute_model"
        ]),
        Some(Stage::KvProfile)
    );
    assert_eq!(
        of(&["_init_cache", "warm_up_model", "capture_model"]),
        Some(Stage::GraphCapture)
    );
    assert_eq!(
        of(&[
            "determine_available_memory",
            "profile_cudagraph_memory",
            "_capture"
        ]),
        Some(Stage::KvProfile)
    );
    assert_eq!(of(&["main", "nothing_known"]), None);
    let import = "Traceback (most recent call last):\n  File \"/x/vllm/entry.py\", line 3, in <module>\n    import torch\nImportError: libcudart.so.12: cannot open shared object file";
    assert_eq!(stage(import), Some(Stage::Import));
}

#[test]
fn some_causes_happen_at_one_place_only() {
    for (log, expected) in [
        ("vllm: error: unrecognized arguments: --x", Stage::Import),
        (
            "ValueError: No available memory for the cache blocks. Try",
            Stage::KvProfile,
        ),
        (
            "ValueError: Free memory on device (2.1/23.6 GiB) on startup is less than desired GPU memory utilization (0.9, 21.2 GiB).",
            Stage::Import,
        ),
        (
            "RuntimeError: Cannot find any model weights with `/m`",
            Stage::Weights,
        ),
    ] {
        assert_eq!(stage(log), Some(expected), "{log}");
    }
    assert_eq!(
        stage("torch.OutOfMemoryError: CUDA out of memory. Tried"),
        None
    );
}

#[test]
fn what_could_be_either_is_neither() {
    // Two places warm the sampler up.
    let sampler =
        "RuntimeError: CUDA out of memory occurred when warming up sampler with 9 dummy requests.";
    let start =
        "INFO 05-10 12:00:15 [core.py:77] Initializing a V1 LLM engine (v0.8.5) with config: x\n";
    assert_eq!(stage(&format!("{start}{sampler}")), None);
    let sized = "INFO 05-10 12:00:30 [kv_cache_utils.py:9] GPU KV cache size: 49,152 tokens\n";
    assert_eq!(
        stage(&format!("{start}{sized}{sampler}")),
        Some(Stage::KvProfile)
    );
    // Old releases load without a word.
    for (version, expected) in [
        ("with config: x", None),
        ("(v0.4.2) with config: x", None),
        ("(v0.6.0) with config: x", Some(Stage::Import)),
    ] {
        let log = format!(
            "INFO 11-01 10:00:00 llm_engine.py:72] Initializing an LLM engine {version}\nKilled"
        );
        assert_eq!(stage(&log), expected, "{version}");
    }
}

const UP: &str = "(APIServer pid=1) INFO 09-30 12:00:00 [api_server.py:1971] Starting vLLM API server 0 on http://x\n\
                  (APIServer pid=1) INFO:     Application startup complete.\n";
const ANSWER: &str =
    "(APIServer pid=1) INFO:     127.0.0.1:4 - \"POST /v1/chat/completions HTTP/1.1\" 200 OK\n";
const OOM: &str = "(EngineCore_DP0 pid=8) ERROR 09-30 %T [core.py:710] EngineCore encountered a fatal error.\n\
                   (EngineCore_DP0 pid=8) ERROR 09-30 %T [core.py:710] torch.OutOfMemoryError: CUDA out of memory. Tried\n";

fn served(between: &str, died: &str) -> Option<Stage> {
    let failure = diagnose(&Evidence {
        exit_code: Some(0),
        ..Evidence::of(&format!("{UP}{between}{}", OOM.replace("%T", died)))
    });
    assert_eq!(failure.class, FailureClass::GpuOomServing);
    failure.stage
}

#[test]
fn the_log_counts_what_was_answered_and_for_how_long() {
    let busy = |time: &str| {
        format!(
            "(APIServer pid=1) INFO 09-30 {time} [loggers.py:127] Engine 000: Avg prompt throughput: 12.0 tokens/s, Avg generation throughput: 4.1 tokens/s, Running: 1 reqs, Waiting: 0 reqs\n"
        )
    };
    let idle = "(APIServer pid=1) INFO 09-30 12:20:00 [loggers.py:127] Engine 000: Avg prompt throughput: 0.0 tokens/s, Avg generation throughput: 0.0 tokens/s, Running: 0 reqs, Waiting: 0 reqs\n";
    assert_eq!(served("", "12:00:05"), Some(Stage::FirstRequest));
    assert_eq!(served(ANSWER, "12:40:00"), Some(Stage::FirstRequest));
    assert_eq!(
        served(&idle.repeat(3), "12:40:00"),
        Some(Stage::FirstRequest)
    );
    assert_eq!(
        served(&busy("12:00:10"), "12:00:12"),
        Some(Stage::FirstRequest)
    );
    let three = busy("12:00:10").replace("Waiting: 0", "Waiting: 2");
    assert_eq!(served(&three, "12:00:12"), Some(Stage::UnderLoad));
    assert_eq!(
        served(&ANSWER.repeat(2), "12:15:00"),
        Some(Stage::UnderLoad)
    );
    assert_eq!(served(&ANSWER.repeat(2), "12:15:01"), Some(Stage::Soak));
    let twice = busy("12:00:10") + &busy("12:00:20");
    assert_eq!(served(&twice, "12:30:00"), Some(Stage::Soak));
}

#[test]
fn a_tail_alone_says_what_it_can() {
    let oom = OOM.replace("%T", "12:00:00");
    let of = |log: &str| {
        diagnose(&Evidence {
            phase: Some(Phase::Serving),
            ..Evidence::of(log)
        })
        .stage
    };
    assert_eq!(of(&oom), None);
    assert_eq!(of(&format!("{ANSWER}{oom}")), None);
    assert_eq!(
        of(&format!("{ANSWER}{ANSWER}{oom}")),
        Some(Stage::UnderLoad)
    );
}

#[test]
fn an_observer_knows_better_than_the_log() {
    let log = format!("{UP}{ANSWER}{}", OOM.replace("%T", "12:00:01"));
    let of = |n_answered, minutes: u64| {
        diagnose(&Evidence {
            phase: Some(Phase::Serving),
            service: Some(Service {
                lasted: Duration::from_secs(60 * minutes),
                n_answered,
            }),
            ..Evidence::of(&log)
        })
        .stage
    };
    assert_eq!(of(0, 20), Some(Stage::FirstRequest));
    assert_eq!(of(1, 15), Some(Stage::UnderLoad));
    assert_eq!(of(1, 16), Some(Stage::Soak));
    // Up, and not yet ready: its first completion killed it.
    let probed = Evidence {
        phase: Some(Phase::Starting),
        ..Evidence::of(&log)
    };
    assert_eq!(diagnose(&probed).stage, Some(Stage::FirstRequest));
}

#[test]
fn what_is_no_death_or_was_never_a_process_has_no_stage_of_one() {
    assert_eq!(stage(&format!("{UP}{ANSWER}")), None);
    let refused = |words| {
        diagnose(&Evidence {
            runtime_error: Some(words),
            ..Evidence::of("")
        })
        .stage
    };
    assert_eq!(
        refused("No such image: vllm/vllm-openai:v9"),
        Some(Stage::Pull)
    );
    assert_eq!(refused("could not select device driver \"\""), None);
}

#[test]
fn a_port_in_use_is_found_before_anything_is_answered() {
    let old = "INFO 08-14 10:21:20 model_runner.py:1430] Graph capturing finished in 16 secs.\n\
               INFO:     Application startup complete.\n\
               ERROR:    [Errno 98] error while attempting to bind on address ('0.0.0.0', 8000): address already in use";
    assert_eq!(stage(old), Some(Stage::GraphCapture));
}
