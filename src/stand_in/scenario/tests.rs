//! Faults as clients and readers of the log see them.

use std::io::Write;

use reqwest::Response;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::spec::diagnostic::Source;
use crate::spec::load_scenario;
use crate::spec::scenario::FaultKind;
use crate::stand_in::command::arguments::Arguments;
use crate::stand_in::engine::clock::Pace;
use crate::stand_in::engine::scheduler::Step;
use crate::stand_in::engine::time::Time;
use crate::stand_in::scenario::faults::{Faults, Surroundings, faults_of};
use crate::stand_in::scenario::life::End;
use crate::stand_in::scenario::serving::{Card, Serving, Verdict};
use crate::stand_in::tests::{Running, end_of, question, words};
use crate::time_scale::TimeScale;

const CHAT: &str = "/v1/chat/completions";
const REAL_STREAM: &str = include_str!("../../../tests/data/vllm/enginedead_stream.txt");

fn file(scenario: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(scenario.as_bytes()).unwrap();
    file
}

async fn started(scenario: &str, flags: &str) -> Running {
    let file = file(scenario);
    Running::start(&format!("--scenario {} {flags}", file.path().display())).await
}

async fn ask(engine: &Running, extra: &Value) -> Response {
    engine.post(CHAT, &question("hello", extra)).await
}

async fn status(engine: &Running) -> u16 {
    ask(engine, &json!({"max_tokens": 1}))
        .await
        .status()
        .as_u16()
}

async fn stream(engine: &Running) -> Response {
    let extra = json!({"stream": true, "max_tokens": 4, "ignore_eos": true});
    let response = ask(engine, &extra).await;
    assert_eq!(response.status(), 200);
    response
}

/// The faults of a start that was told so on its command line.
fn faults(scenario: &str, line: &str) -> Faults {
    let source = Source {
        path: "scenario.toml".to_owned(),
        text: scenario.into(),
    };
    let scenario = load_scenario(&source).scenario.unwrap();
    let around = Surroundings {
        scenario: Some(serde_json::to_string(&scenario).unwrap()),
        variables: vec![("OMP_NUM_THREADS".to_owned(), "2".to_owned())],
    };
    faults_of(&Arguments::parse(&words(line)).unwrap(), &around).unwrap()
}

fn kinds(scenario: &str, line: &str) -> Vec<FaultKind> {
    faults(scenario, line)
        .each(|spec, _| Some(spec.kind()))
        .collect()
}

#[test]
fn a_fault_befalls_whom_it_is_for() {
    let scenario = r#"
        [[fault]]
        kind = "port-held"
        where = { gpu-mem = [0.9, 0.95], prefix = false }
        [[fault]]
        kind = "dirty-stop"
        where = { prefix = "(default)" }
        [[fault]]
        kind = "ignores-sigterm"
        where = { env = { OMP_NUM_THREADS = 2 }, max-model-len = "8K" }
        [[fault]]
        kind = "hangs-while-loading"
        starts = [2, 3]
    "#;
    for (line, expected) in [
        (
            "m --gpu-memory-utilization 0.90 --no-enable-prefix-caching",
            vec![FaultKind::PortHeld],
        ),
        (
            "m --gpu-memory-utilization 0.9 --enable-prefix-caching",
            vec![],
        ),
        ("m --no-enable-prefix-caching", vec![]),
        (
            "m --max-model-len 8192",
            vec![FaultKind::DirtyStop, FaultKind::IgnoresSigterm],
        ),
        (
            "m --enable-prefix-caching --stand-in-start=cell-3",
            vec![FaultKind::HangsWhileLoading],
        ),
    ] {
        assert_eq!(kinds(scenario, line), expected, "{line}");
    }
    let elsewhere = scenario.replace("OMP_NUM_THREADS = 2", "OMP_NUM_THREADS = 3");
    assert_eq!(
        kinds(&elsewhere, "m --max-model-len 8192"),
        [FaultKind::DirtyStop]
    );
}

#[test]
fn probability_is_a_share_of_the_starts() {
    let scenario = "seed = 5\n[[fault]]\nkind = \"port-held\"\nprobability = \"25%\"\n";
    let n = (1..=400)
        .filter(|n| !kinds(scenario, &format!("m --stand-in-start=cell-{n}")).is_empty())
        .count();
    assert!((75..125).contains(&n), "{n}");
}

#[tokio::test]
async fn a_scenario_with_mistakes_ends_the_engine_with_all_of_them() {
    let file = file("[[fault]]\nkind = \"port-hold\"\n[[fault]]\nkind = \"ageing\"\n");
    let (code, log) = end_of(&format!("m --scenario {}", file.path().display())).await;
    assert_eq!(code, 2);
    assert!(log.contains("did you mean \"port-held\"?"), "{log}");
    assert!(log.contains("needs one of `per-minute`"), "{log}");
    let (code, log) = end_of("m --scenario nowhere.toml").await;
    assert_eq!(code, 2);
    let last = log.lines().last().unwrap();
    assert!(
        last.starts_with("vllm serve: error: argument --scenario: cannot read nowhere.toml: "),
        "{last}"
    );
}

#[tokio::test]
async fn when_a_worker_dies_the_open_stream_ends_as_vllms_does() {
    let scenario = "[[fault]]\nkind = \"worker-dies\"\nat-request = 2\nlingers = \"300ms\"\n";
    let engine = started(scenario, "").await;
    assert_eq!(status(&engine).await, 200);
    let text = stream(&engine).await.text().await.unwrap();
    let (_, real_end) = REAL_STREAM.split_once("data: {\"error\"").unwrap();
    let (real_end, _) = real_end.split_once("\n\ncurl").unwrap();
    let (answer, end) = text.split_once("data: {\"error\"").unwrap();
    assert_eq!(end.trim_end(), real_end.trim_end());
    // The role and the first token come together, then the second.
    assert_eq!(answer.matches("data: ").count(), 3);

    let response = ask(&engine, &json!({"max_tokens": 1})).await;
    assert_eq!(response.status(), 500);
    assert_eq!(
        response.text().await.unwrap(),
        r#"{"error":{"message":"EngineCore encountered an issue. See stack trace (above) for the root cause.","type":"InternalServerError","param":null,"code":500}}"#
    );
    assert_eq!(engine.get("/health").await.status(), 200);

    let (code, log) = engine.dies().await;
    assert_eq!(code, 0);
    for part in [
        "Worker proc VllmWorker-0 died unexpectedly (exit code: -9), shutting down executor.",
        "EngineCore encountered a fatal error.",
        "RuntimeError: Executor failed.",
        "AsyncLLM output_handler failed.",
        "\"POST /v1/chat/completions HTTP/1.1\" 500 Internal Server Error",
        "Application shutdown complete.",
    ] {
        assert!(log.contains(part), "{part}\nis not in\n{log}");
    }
}

#[tokio::test]
async fn a_front_end_that_stays_ends_when_it_is_told_to() {
    let scenario = "[[fault]]\nkind = \"worker-dies\"\nat-request = 1\nfront-end = \"stays\"\n";
    let engine = started(scenario, "").await;
    for _ in 0..3 {
        assert_eq!(status(&engine).await, 500);
        assert_eq!(engine.get("/health").await.status(), 200);
    }
    assert_eq!(engine.end().await.0, 0);
}

#[tokio::test]
async fn a_full_card_says_so_and_how_full_it_is() {
    let scenario = "[[fault]]\nkind = \"gpu-leak\"\nper-request = \"1GiB\"\nlingers = \"10ms\"\n";
    let engine = started(scenario, "--stand-in-gpu-memory 20GiB").await;
    // 8 % of 20 GiB are left beside the engine's share.
    assert_eq!(status(&engine).await, 200);
    assert_eq!(status(&engine).await, 500);
    let (code, log) = engine.dies().await;
    assert_eq!(code, 0);
    assert!(
        log.contains(
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1024.00 MiB. GPU 0 has a \
             total capacity of 20.00 GiB of which 614.40 MiB is free."
        ),
        "{log}"
    );
}

#[tokio::test]
async fn the_load_that_fills_the_card_is_one_of_requests_or_of_tokens() {
    for trigger in ["running = 2", "batch-tokens = 100"] {
        let scenario =
            format!("[[fault]]\nkind = \"gpu-oom-under-load\"\n{trigger}\nlingers = \"10ms\"\n");
        // Slow enough for two to meet.
        let engine = started(&scenario, "--stand-in-decode-tokens-per-second 20").await;
        assert_eq!(status(&engine).await, 200, "{trigger}");
        let long = question(&"word ".repeat(100), &json!({"max_tokens": 5}));
        let (one, other) = tokio::join!(engine.post(CHAT, &long), engine.post(CHAT, &long));
        assert_eq!((one.status(), other.status()).0, 500, "{trigger}");
        assert_eq!(other.status(), 500, "{trigger}");
        assert_eq!(engine.dies().await.0, 0, "{trigger}");
    }
}

#[tokio::test]
async fn refusals_hit_the_requests_of_their_numbers() {
    let scenario = "[[fault]]\nkind = \"http-errors\"\nstatus = 429\nfrom-request = 2\nrequests = 2\n\
                    [[fault]]\nkind = \"no-completion\"\nhow = \"error\"\nfrom-request = 5\n";
    let engine = started(scenario, "").await;
    let mut found = Vec::new();
    for _ in 0..6 {
        found.push(status(&engine).await);
    }
    assert_eq!(found, [200, 429, 429, 200, 500, 500]);
    // What asks for no completion is not counted and not refused.
    assert_eq!(engine.get("/v1/models").await.status(), 200);
}

#[tokio::test]
async fn a_share_is_drawn_for_each_request() {
    let faults = faults(
        "seed = 9\n[[fault]]\nkind = \"http-errors\"\nstatus = 503\nshare = \"20%\"\n",
        "m",
    );
    let card = Card { total: 1, free: 1 };
    let serving = Serving::begin(faults, card, Time::begin(TimeScale::ONE));
    let verdicts: Vec<Verdict> = (1..=500).map(|number| serving.verdict(number)).collect();
    let n = verdicts
        .iter()
        .filter(|verdict| **verdict == Verdict::Refused(503))
        .count();
    assert!((75..125).contains(&n), "{n}");
    let again: Vec<Verdict> = (1..=500).map(|number| serving.verdict(number)).collect();
    assert_eq!(verdicts, again);
}

#[tokio::test]
async fn a_cut_stream_breaks_and_the_next_one_does_not() {
    let scenario = "[[fault]]\nkind = \"cut-stream\"\nafter-tokens = 2\nrequests = 1\n";
    let engine = started(scenario, "").await;
    let mut broken = stream(&engine).await;
    let mut text = Vec::new();
    let error = loop {
        match broken.chunk().await {
            Ok(Some(bytes)) => text.extend_from_slice(&bytes),
            Ok(None) => panic!("it has an end"),
            Err(error) => break error,
        }
    };
    assert!(error.is_body() || error.is_decode(), "{error:?}");
    assert_eq!(
        String::from_utf8(text).unwrap().matches("data: ").count(),
        3
    );
    let whole = stream(&engine).await.text().await.unwrap();
    assert!(whole.ends_with("data: [DONE]\n\n"), "{whole}");
}

#[tokio::test]
async fn garbled_streams_are_wrong_in_their_own_ways_and_odd_pieces_are_not_wrong() {
    let of = async |how: &str| {
        let scenario = format!("[[fault]]\nkind = \"garbled-stream\"\nhow = \"{how}\"\n");
        let engine = started(&scenario, "").await;
        let mut response = stream(&engine).await;
        let mut pieces = Vec::new();
        while let Some(piece) = response.chunk().await.unwrap() {
            pieces.push(piece.to_vec());
        }
        pieces
    };
    let events = |bytes: &[u8]| -> Vec<String> {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        text.split_terminator("\n\n")
            .map(|event| event.strip_prefix("data: ").unwrap().to_owned())
            .collect()
    };
    let is_json = |event: &String| serde_json::from_str::<Value>(event).is_ok();

    let json = events(&of("json").await.concat());
    let bad: Vec<usize> = (0..json.len()).filter(|at| !is_json(&json[*at])).collect();
    // The first event is the role, the second the first token, the last is [DONE].
    assert_eq!(bad, [1, json.len() - 1], "{json:?}");

    assert!(String::from_utf8(of("utf-8").await.concat()).is_err());

    let pieces = of("split").await;
    let split = events(&pieces.concat());
    assert_eq!(split.iter().filter(|event| !is_json(event)).count(), 1);
    assert_eq!(split.last().unwrap(), "[DONE]");
    assert!(
        pieces.iter().any(|piece| !piece.ends_with(b"\n\n")),
        "no event was split"
    );
}

#[tokio::test]
async fn a_stalled_stream_goes_on_where_it_was() {
    let scenario =
        "[[fault]]\nkind = \"stalled-stream\"\nsilent-for = \"20ms\"\nafter-tokens = 1\n";
    let engine = started(scenario, "").await;
    let text = stream(&engine).await.text().await.unwrap();
    // Role, four tokens, end.
    assert_eq!(text.matches("data: ").count(), 6, "{text}");
}

#[tokio::test]
async fn what_is_missing_from_the_metrics_is_missing_and_the_rest_is_there() {
    let of = async |what: &str| {
        let scenario = format!("[[fault]]\nkind = \"metrics-missing\"\nwhat = \"{what}\"\n");
        let engine = started(&scenario, "").await;
        let response = engine.get("/metrics").await;
        (response.status().as_u16(), response.text().await.unwrap())
    };
    assert_eq!(
        of("page").await,
        (404, "{\"detail\":\"Not Found\"}".to_owned())
    );
    let (status, page) = of("prefix-counters").await;
    assert_eq!(status, 200);
    assert!(!page.contains("vllm:prefix_cache_queries"), "{page}");
    assert!(!page.contains("vllm:prefix_cache_hits"), "{page}");
    assert!(page.contains("vllm:prompt_tokens_total"), "{page}");
    assert!(page.contains("vllm:cache_config_info"), "{page}");
    let (status, page) = of("names").await;
    assert_eq!(status, 200);
    assert!(!page.contains("vllm:"), "{page}");
}

#[tokio::test]
async fn an_engine_runs_as_the_scenario_wants_and_logs_what_it_was_given() {
    let scenario = "[[fault]]\nkind = \"wrong-config\"\nset = { prefix = true, max-num-seqs = \"(default)\" }\n\
                    [[fault]]\nkind = \"wrong-model-name\"\nname = \"other\"\n\
                    [[fault]]\nkind = \"dirty-stop\"\ncode = 3\n";
    let engine = started(scenario, "--no-enable-prefix-caching --max-num-seqs 8").await;
    let models: Value = engine.get("/v1/models").await.json().await.unwrap();
    assert_eq!(models["data"][0]["id"], "other");
    assert_eq!(status(&engine).await, 404, "it was asked for as `m`");
    let page = engine.get("/metrics").await.text().await.unwrap();
    assert!(page.contains("enable_prefix_caching=\"True\""), "{page}");
    let (code, log) = engine.end().await;
    assert_eq!(code, 3);
    assert!(
        log.contains("'enable_prefix_caching': False, 'max_num_seqs': 8"),
        "{log}"
    );
    assert!(log.contains("enable_prefix_caching=True,"), "{log}");
}

#[tokio::test]
async fn engines_that_a_scenario_kills_at_their_start_end_in_the_words_of_vllm() {
    for (fault, code, words) in [
        (
            "kind = \"import-error\"",
            1,
            "ImportError: libcuda.so.1: cannot open shared object file: No such file or directory",
        ),
        (
            "kind = \"import-error\"\nmissing = \"module\"",
            1,
            "ModuleNotFoundError: No module named 'vllm._C'",
        ),
        (
            "kind = \"dies-while-loading\"",
            1,
            "KeyError: 'model.layers.0.mlp.gate_up_proj.qweight'",
        ),
        (
            "kind = \"dies-while-loading\"\nhow = \"worker-killed\"",
            1,
            "Exception: WorkerProc initialization failed due to an exception in a background process.",
        ),
        (
            "kind = \"dies-while-loading\"\nhow = \"killed\"",
            137,
            "Starting to load model m...",
        ),
        (
            "kind = \"kv-cache-too-small\"",
            1,
            "ValueError: No available memory for the cache blocks.",
        ),
        (
            "kind = \"kv-cache-too-small\"\nleft = \"64MiB\"",
            1,
            "which is larger than the available KV cache memory (0.06 GiB)",
        ),
        (
            "kind = \"gpu-oom-at-start\"\nat = \"weights\"",
            1,
            "Failed to load model - not enough GPU memory.",
        ),
        (
            "kind = \"gpu-oom-at-start\"\nat = \"graphs\"",
            1,
            "in capture_model",
        ),
        (
            "kind = \"gpu-oom-at-start\"\nat = \"sampler\"",
            1,
            "CUDA out of memory occurred when warming up sampler with 256 dummy requests.",
        ),
        (
            "kind = \"host-oom\"\nup-to = \"1MiB\"",
            137,
            "Starting to load model m...",
        ),
    ] {
        let file = file(&format!("[[fault]]\n{fault}\n"));
        let line = format!(
            "m --host 127.0.0.1 --port 0 --stand-in-start-up 0s --scenario {}",
            file.path().display()
        );
        let (ended, log) = end_of(&line).await;
        assert_eq!(ended, code, "{fault}\n{log}");
        assert!(log.contains(words), "{words}\nis not in\n{log}");
        if code == 137 {
            assert!(
                !log.contains("ERROR") && !log.contains("Traceback"),
                "{log}"
            );
        }
    }
}

#[tokio::test]
async fn an_engine_that_waits_for_its_killer_takes_what_every_request_leaks() {
    let scenario = "[[fault]]\nkind = \"host-leak\"\nper-request = \"1MiB\"\nup-to = \"3MiB\"\n";
    let engine = started(scenario, "").await;
    assert_eq!(status(&engine).await, 200);
    assert_eq!(status(&engine).await, 200);
    ask(&engine, &json!({"max_tokens": 1})).await;
    assert_eq!(engine.dies().await.0, 137);
}

/// The factors of a pace for steps that compute for these requests.
fn factors(scenario: &str, batches: &[&[u64]]) -> Vec<f64> {
    let card = Card { total: 1, free: 1 };
    let time = Time::begin(TimeScale::ONE);
    let mut pace = Serving::begin(faults(scenario, "m"), card, time).pace();
    let step = |batch: &[u64]| Step {
        took: std::time::Duration::ZERO,
        batch: batch.to_vec(),
        tokens: 1,
        events: Vec::new(),
        preempted: Vec::new(),
    };
    batches
        .iter()
        .map(|batch| pace.factor(&step(batch)))
        .collect()
}

#[tokio::test]
async fn requests_have_speeds_of_their_own_and_share_a_step_at_their_mean() {
    let scenario = "[[fault]]\nkind = \"request-noise\"\nsd = \"20%\"\n";
    let found = factors(scenario, &[&[0], &[0, 1], &[1], &[0], &[2]]);
    let [zero, both, one, zero_again, two] = found[..] else {
        panic!("{found:?}")
    };
    assert!((both - (zero + one) / 2.0).abs() < 1e-12);
    assert_eq!(zero.to_bits(), zero_again.to_bits());
    assert!(zero.to_bits() != one.to_bits() && one.to_bits() != two.to_bits());
    assert!(found.iter().all(|factor| (0.4..2.5).contains(factor)));
}

#[tokio::test(start_paused = true)]
async fn an_engine_ages_by_minutes_and_by_requests() {
    let scenario = "[[fault]]\nkind = \"ageing\"\nper-1000-requests = \"10%\"\n";
    let found = factors(scenario, &[&[0], &[999], &[1999], &[5]]);
    for (factor, speed) in found.iter().zip([1.0, 0.9, 0.81, 0.81]) {
        assert!((factor - 1.0 / speed).abs() < 1e-3, "{found:?}");
    }

    let scenario = "[[fault]]\nkind = \"ageing\"\nper-minute = \"50%\"\n";
    let card = Card { total: 1, free: 1 };
    let time = Time::begin(TimeScale::ONE);
    let mut pace = Serving::begin(faults(scenario, "m"), card, time).pace();
    let step = Step {
        took: std::time::Duration::ZERO,
        batch: vec![0],
        tokens: 1,
        events: Vec::new(),
        preempted: Vec::new(),
    };
    for factor in [1.0, 2.0, 4.0] {
        assert!((pace.factor(&step) - factor).abs() < 1e-3);
        tokio::time::advance(std::time::Duration::from_secs(60)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_after_a_time_comes_in_the_engines_time() {
    for (speed, real) in [(1.0, 60), (20.0, 3)] {
        let scenario = "[[fault]]\nkind = \"worker-dies\"\nafter = \"60s\"\n";
        let card = Card { total: 1, free: 1 };
        let time = Time::begin(TimeScale::new(speed).unwrap());
        let began = tokio::time::Instant::now();
        let serving = Serving::begin(faults(scenario, "m"), card, time);
        assert!(matches!(serving.life.ended().await, End::Worker { .. }));
        assert_eq!(began.elapsed().as_secs(), real);
    }
}

#[tokio::test(start_paused = true)]
async fn what_leaks_with_time_fills_the_card_in_time() {
    let scenario = "[[fault]]\nkind = \"gpu-leak\"\nper-second = \"10MiB\"\n";
    let card = Card {
        total: 1 << 30,
        free: 25 << 20,
    };
    let began = tokio::time::Instant::now();
    let serving = Serving::begin(faults(scenario, "m"), card, Time::begin(TimeScale::ONE));
    assert!(matches!(serving.life.ended().await, End::Gpu { .. }));
    assert_eq!(began.elapsed().as_secs(), 2);
}

#[test]
fn every_start_has_a_speed_of_its_own() {
    use crate::stand_in::command::settings::Settings;
    let scenario = "[[fault]]\nkind = \"start-noise\"\nsd = \"10%\"\n";
    let speed = |n: u32| {
        let line = format!("m --stand-in-start=cell-{n}");
        let arguments = Arguments::parse(&words(&line)).unwrap();
        let mut settings = Settings::resolve(&arguments, None).unwrap();
        faults(scenario, &line).bend(&mut settings);
        let numbers = settings.numbers;
        assert!(
            (numbers.prefill_tokens_per_second / numbers.decode_tokens_per_second - 80.0).abs()
                < 1e-9
        );
        numbers.decode_tokens_per_second
    };
    assert_eq!(speed(1).to_bits(), speed(1).to_bits());
    let speeds: Vec<f64> = (1..=50).map(speed).collect();
    assert!(speeds.iter().all(|speed| (60.0..160.0).contains(speed)));
    let distinct: std::collections::BTreeSet<u64> =
        speeds.iter().map(|speed| speed.to_bits()).collect();
    assert_eq!(distinct.len(), 50);
}
