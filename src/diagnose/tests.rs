//! The diagnosis against whole logs: real ones, and ones written from vLLM's own templates over
//! its ages. `tests/data/vllm/logs/cases.json` says what each of them must be called.

mod compact;
mod decoration;
mod pasted;
mod properties;

use std::path::PathBuf;

use proptest::prelude::*;
use serde::Deserialize;

use crate::diagnose::{Consequence, Evidence, Failure, FailureClass, Phase, diagnose};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    log: String,
    exit_code: Option<i64>,
    oom_killed: Option<bool>,
    phase_known: Option<Phase>,
    #[serde(default)]
    varied: Vec<String>,
    class: FailureClass,
    phase: Phase,
    /// A part of the cause; absent where the log has none.
    cause: Option<String>,
    consequence: Option<Consequence>,
    /// A part of the suggestion.
    suggestion: Option<String>,
}

fn logs() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/vllm/logs")
}

fn cases() -> Vec<Case> {
    let text = std::fs::read_to_string(logs().join("cases.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn run(case: &Case, log: &str) -> Failure {
    let varied: Vec<&str> = case.varied.iter().map(String::as_str).collect();
    diagnose(&Evidence {
        exit_code: case.exit_code,
        oom_killed: case.oom_killed,
        phase: case.phase_known,
        varied_flags: &varied,
        ..Evidence::of(log)
    })
}

fn complaint(case: &Case, failure: &Failure) -> Option<String> {
    let holds = |text: &Option<String>, part: &Option<String>| match (text, part) {
        (Some(text), Some(part)) => text.contains(part.as_str()),
        (_, None) => true,
        (None, Some(_)) => false,
    };
    let right = failure.class == case.class
        && failure.phase == case.phase
        && holds(&failure.cause, &case.cause)
        && holds(&failure.suggestion, &case.suggestion)
        && case
            .consequence
            .is_none_or(|wanted| wanted == failure.consequence);
    (!right).then(|| {
        format!(
            "{}: {} {} {:?} cause {:?} suggestion {:?}\n   wanted {case:?}",
            case.log,
            failure.class,
            failure.phase,
            failure.consequence,
            failure.cause,
            failure.suggestion
        )
    })
}

#[test]
fn every_log_is_called_by_its_name() {
    let cases = cases();
    assert!(cases.len() >= 100, "{} cases", cases.len());
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let log = std::fs::read_to_string(logs().join(&case.log)).unwrap();
            complaint(case, &run(case, &log))
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn every_log_has_a_case_and_every_class_with_a_text_has_logs() {
    let cases = cases();
    for folder in [logs(), logs().join("written")] {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "log") {
                let name = path
                    .strip_prefix(logs())
                    .unwrap()
                    .to_string_lossy()
                    .into_owned();
                assert!(
                    cases.iter().any(|case| case.log == name),
                    "{name} has no case"
                );
            }
        }
    }
    let without_text = [
        FailureClass::NotReady,
        FailureClass::Unresponsive,
        FailureClass::NotAsConfigured,
        FailureClass::Runtime,
        FailureClass::RuntimeLost,
    ];
    for class in FailureClass::ALL
        .iter()
        .filter(|class| !without_text.contains(class))
    {
        assert!(
            cases.iter().any(|case| case.class == *class),
            "no log for {class}"
        );
    }
}

/// Decorations of collectors change nothing.
#[test]
fn decorated_logs_are_called_the_same() {
    let decorate: [fn(&str) -> String; 4] = [
        |line| format!("vllm-server-1  | {line}\r"),
        |line| format!("2026-11-24T03:16:56.123456789Z {line}"),
        |line| format!("\u{1b}[36m{line}\u{1b}[0m"),
        |line| format!("2026-11-24T03:16:56.123Z stderr F {line}"),
    ];
    for case in &cases() {
        let log = std::fs::read_to_string(logs().join(&case.log)).unwrap();
        for decorate in decorate {
            let decorated = log.lines().map(decorate).collect::<Vec<_>>().join("\n");
            assert_eq!(complaint(case, &run(case, &decorated)), None);
        }
    }
}

/// A log that lost its beginning, up to just before the cause, keeps its class.
#[test]
fn the_tail_alone_is_enough_where_it_holds_the_cause() {
    for case in cases().iter().filter(|case| case.cause.is_some()) {
        let log = std::fs::read_to_string(logs().join(&case.log)).unwrap();
        let whole = run(case, &log);
        let cause = whole.cause.unwrap();
        let first_words: String = cause.chars().take(60).collect();
        let lines: Vec<&str> = log.lines().collect();
        let Some(at) = lines.iter().position(|line| line.contains(&first_words)) else {
            continue;
        };
        let tail = lines[at.saturating_sub(3)..].join("\n");
        let found = run(case, &tail);
        // Only the phase can need what came before.
        let same = found.class == case.class
            || matches!(
                (found.class, case.class),
                (FailureClass::GpuOomStartup, FailureClass::GpuOomServing)
            );
        assert!(same, "{}: {} from the tail", case.log, found.class);
    }
}

fn of_runtime(words: &str, log: &str) -> Failure {
    diagnose(&Evidence {
        runtime_error: Some(words),
        ..Evidence::of(log)
    })
}

#[test]
fn the_runtime_is_understood() {
    let cases = [
        (
            "could not select device driver \"\" with capabilities: [[gpu]]",
            FailureClass::GpuUnavailable,
        ),
        (
            "driver failed programming external connectivity on endpoint t4: Bind for \
             127.0.0.1:18010 failed: port is already allocated",
            FailureClass::PortInUse,
        ),
        ("No such image: vllm/vllm-openai:v9", FailureClass::Runtime),
        (
            "pull access denied for nobody/nothing, repository does not exist",
            FailureClass::Runtime,
        ),
        (
            "OCI runtime create failed: nvidia-container-cli: initialization error: nvml error",
            FailureClass::GpuUnavailable,
        ),
        (
            "write /var/lib/docker/x: no space left on device",
            FailureClass::Runtime,
        ),
        ("something new", FailureClass::Runtime),
    ];
    for (words, class) in cases {
        let failure = of_runtime(words, "");
        assert_eq!(failure.class, class, "{words}");
        assert_eq!(failure.consequence, Consequence::Machine, "{words}");
        assert_eq!(failure.phase, Phase::Starting);
        assert!(failure.cause.is_some() && failure.suggestion.is_some());
    }
}

#[test]
fn a_log_speaks_louder_than_an_unknown_word_of_the_runtime() {
    let failure = of_runtime(
        "exit status 1",
        "torch.OutOfMemoryError: CUDA out of memory. Tried",
    );
    assert_eq!(failure.class, FailureClass::GpuOomStartup);
    let failure = of_runtime("exit status 1", "INFO 01-01 00:00:00 [a.py:1] hello");
    assert_eq!(failure.class, FailureClass::Runtime);
    assert_eq!(failure.cause.as_deref(), Some("exit status 1"));
}

#[test]
fn the_observer_knows_the_phase_better() {
    let mut evidence = Evidence {
        exit_code: Some(1),
        phase: Some(Phase::Serving),
        ..Evidence::of("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.00 GiB.")
    };
    assert_eq!(diagnose(&evidence).class, FailureClass::GpuOomServing);
    evidence.phase = Some(Phase::Starting);
    assert_eq!(diagnose(&evidence).class, FailureClass::GpuOomStartup);
    // A cache that is too small is found while starting, whatever the observer saw.
    evidence.log = "ValueError: No available memory for the cache blocks.";
    evidence.phase = Some(Phase::Serving);
    assert_eq!(diagnose(&evidence).phase, Phase::Starting);
}

fn any_line() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "ERROR 05-10 16:00:15 [core.py:390] ",
        "INFO:     ",
        "(EngineCore pid=",
        "\u{1b}[",
        "[36m",
        "CUDA out of memory",
        "Worker failed with error '",
        "', please check",
        "exit code: -",
        "Failed core proc(s): {'a': -",
        "1 validation error for X",
        "  Value error, ",
        " [type=",
        "Available memory on node 0 (",
        "requested memory for kv (",
        "KeyError",
        "Traceback",
        "Application startup complete.",
        "Shutting down",
        "\"POST / HTTP/1.1\" 200",
        "{\"log\":",
        "Free memory on device (1/0 GiB) is less than desired GPU memory utilization",
        "2026-05-05T12:00:00",
        "No space left on device",
        "\r",
        "|",
        "\u{2603}",
        "File \"",
        "usage: ",
        "estimated maximum model length is 9",
    ]);
    prop::collection::vec(
        prop_oneof![words.prop_map(str::to_owned), any::<String>()],
        0..5,
    )
    .prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn any_bytes_are_taken(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let log = String::from_utf8_lossy(&bytes);
        let failure = diagnose(&Evidence {
            runtime_error: Some(&log),
            ..Evidence::of(&log)
        });
        prop_assert!(!failure.explanation.is_empty());
    }

    #[test]
    fn any_mixture_of_known_words_is_taken(
        lines in prop::collection::vec(any_line(), 0..30),
        exit_code in prop::option::of(-10_i64..300),
        oom_killed in prop::option::of(any::<bool>()),
    ) {
        let log = lines.join("\n");
        let failure = diagnose(&Evidence {
            exit_code,
            oom_killed,
            varied_flags: &["max-num-seqs", ""],
            ..Evidence::of(&log)
        });
        prop_assert!(failure.log_tail.len() <= 20);
        prop_assert!(failure.class != FailureClass::NotReady);
    }
}
