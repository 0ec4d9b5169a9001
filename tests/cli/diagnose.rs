//! `gridrun diagnose`.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::folder::{Folder, Ran};

const LOGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/vllm/logs");

fn log(name: &str) -> String {
    format!("{LOGS}/{name}")
}

#[track_caller]
fn json(ran: &Ran) -> Value {
    assert_eq!(ran.code, 0, "{}", ran.err);
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error} in {}", ran.out))
}

/// With a log on standard input.
fn piped(bytes: &[u8], args: &[&str]) -> Value {
    let mut child = Command::new(env!("CARGO_BIN_EXE_gridrun"))
        .args(["diagnose", "--format", "json", "--log", "-"])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // Whatever reads only a part of it would break the pipe here.
    stdin.write_all(bytes).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_person_reads_class_outcome_cause_and_what_to_change() {
    let folder = Folder::new();
    std::fs::copy(log("c-f-batched.log"), folder.path().join("batched.log")).unwrap();
    let ran = folder
        .gridrun(&["diagnose", "--log", "batched.log", "--vary", "max_num_seqs"])
        .ends_with_code(0);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(
        lines[0],
        "bad_argument while starting (import): infeasible, the configuration's own making; never retried"
    );
    assert_eq!(
        lines[2],
        "Cause:          Value error, max_num_batched_tokens (16) must be greater than or equal to \
         max_num_seqs (32)."
    );
    assert!(
        lines[3].starts_with("What happened:  vLLM refuses"),
        "{}",
        lines[3]
    );
    assert!(lines[3].contains("`max-num-seqs`"), "{}", lines[3]);
    assert!(lines[4].starts_with("What to change: "), "{}", lines[4]);
    assert_eq!(
        lines[5..8],
        [
            "    [[when]]",
            "    where = { max-num-seqs = 32 }",
            "    set   = { max-num-batched-tokens = 32 }"
        ]
    );
    assert_eq!(lines[9], "Evidence in batched.log:");
    assert!(
        lines[10].starts_with("  53  cause    Value error, max_num_batched_tokens (16)"),
        "{}",
        lines[10]
    );
}

#[test]
fn a_machine_reads_the_same() {
    let folder = Folder::new();
    let ran = folder.gridrun(&[
        "diagnose",
        "--format",
        "json",
        "--log",
        &log("c-f-len.log"),
        "--exit-code",
        "1",
        "--oom-killed=false",
    ]);
    let told = json(&ran);
    assert_eq!(told["class"], "kv_cache_too_small");
    assert_eq!(told["phase"], "starting");
    assert_eq!(told["stage"], "kv_profile");
    assert_eq!(told["consequence"], "infeasible");
    assert_eq!(told["pruning"], "kv_cache");
    assert_eq!(told["exit_code"], 1);
    assert_eq!(told["oom_killed"], false);
    assert!(
        told["cause"].as_str().unwrap().contains("is 4352"),
        "{told}"
    );
    assert!(told["suggestion"].as_str().unwrap().contains("4352"));
    assert!(!told["explanation"].as_str().unwrap().is_empty());
    let cause = told["evidence"]
        .as_array()
        .unwrap()
        .iter()
        .find(|line| line["says"] == "cause")
        .unwrap();
    assert_eq!(cause["line"], 78);
}

#[test]
fn what_is_known_beside_the_log_decides_with_it() {
    let folder = Folder::new();
    let ask = |name: &str, args: &[&str]| {
        let path = log(name);
        let fixed = ["diagnose", "--format", "json", "--log", &path];
        json(&folder.gridrun(&[&fixed, args].concat()))["class"].clone()
    };
    // A bare --oom-killed means that Docker said so; left away nobody knows.
    assert_eq!(
        ask("c-k1.log", &["--exit-code", "0", "--oom-killed"]),
        "host_oom"
    );
    assert_eq!(ask("c-k1.log", &["--exit-code", "0"]), "host_oom");
    assert_eq!(
        ask("c-k1.log", &["--exit-code", "0", "--oom-killed=false"]),
        "engine_died"
    );
    let silent = "written/killed_from_outside.log";
    assert_eq!(
        ask(silent, &["--exit-code", "137", "--oom-killed=false"]),
        "engine_died"
    );
    assert_eq!(
        ask(silent, &["--exit-code", "-9", "--oom-killed=true"]),
        "host_oom"
    );
    let tail = "written/gpu_oom_serving_tail_only.log";
    assert_eq!(ask(tail, &["--phase", "starting"]), "gpu_oom_startup");
    assert_eq!(ask(tail, &["--phase", "serving"]), "gpu_oom_serving");
}

#[test]
fn that_nothing_failed_or_nobody_knows_is_a_diagnosis_too() {
    let folder = Folder::new();
    let told = json(&folder.gridrun(&["diagnose", "--format", "json", "--log", &log("c-ok1.log")]));
    assert_eq!(told["class"], "healthy");
    assert_eq!(told["consequence"], Value::Null);
    let ran = folder.gridrun(&["diagnose", "--log", &log("c-ok1.log")]);
    assert!(ran.out.starts_with("healthy: no failure\n"), "{}", ran.out);
    folder.write("empty.log", "");
    let ran = folder
        .gridrun(&["diagnose", "--log", "empty.log", "--exit-code", "7"])
        .ends_with_code(0);
    assert!(
        ran.out
            .starts_with("unknown while starting (import): failed"),
        "{}",
        ran.out
    );
    assert!(ran.out.contains("empty.log is empty"), "{}", ran.out);
}

#[test]
fn a_log_that_is_not_there_is_named() {
    let folder = Folder::new();
    for (log, named) in [("none.log", "none.log"), ("experiments", "experiments")] {
        let ran = folder
            .gridrun(&["diagnose", "--log", log])
            .ends_with_code(2);
        assert!(ran.err.contains(named), "{}", ran.err);
        assert!(ran.out.is_empty());
    }
    let ran = folder.gridrun(&["diagnose"]).ends_with_code(2);
    assert!(ran.err.contains("--log"), "{}", ran.err);
}

#[test]
fn any_bytes_are_read_and_none_of_them_steers_a_terminal() {
    let folder = Folder::new();
    let bytes = b"vllm-1  | \x1b[31m\xff\xfe\x00\x1b]0;title\x07\nvllm-1  | torch.OutOfMemoryError: CUDA out of \
                  memory. Tried to allocate 2.00 GiB.\x1b[2J \xe2\x80\xae\n";
    std::fs::write(folder.path().join("odd.log"), bytes).unwrap();
    let ran = folder
        .gridrun(&["diagnose", "--log", "odd.log"])
        .ends_with_code(0);
    assert!(ran.out.starts_with("gpu_oom_startup"), "{}", ran.out);
    let hidden = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!ran.out.contains(hidden), "{:?}", ran.out);
}

#[test]
fn a_huge_log_is_read_at_both_ends_and_its_lines_are_numbered_as_far_as_they_are_known() {
    let folder = Folder::new();
    let start = "INFO 11-24 03:16:56 [a.py:1] non-default args: {'model': 'm'}\n";
    let middle = "INFO 11-24 03:16:56 [loggers.py:335] Engine 000: Avg prompt throughput: 1.0\n";
    let end = "(EngineCore pid=9) ERROR 11-24 03:20:00 [core.py:1] torch.OutOfMemoryError: CUDA out of \
               memory. Tried to allocate 2.00 GiB.\n\
               (EngineCore pid=9) ERROR 11-24 03:20:00 [core.py:1] EngineCore encountered a fatal error.\n";
    let bytes = [start, &middle.repeat(60_000), end].concat();
    folder.write("huge.log", &bytes);
    let of_file = json(&folder.gridrun(&["diagnose", "--format", "json", "--log", "huge.log"]));
    assert_eq!(of_file["class"], "gpu_oom_serving");
    assert_eq!(of_file["evidence"][0]["says"], "cause");
    assert_eq!(of_file["evidence"][0]["line"], Value::Null);
    assert_eq!(piped(bytes.as_bytes(), &[]), of_file);
}

#[test]
fn every_stored_log_is_called_as_the_tests_of_the_rules_call_it() {
    #[derive(serde::Deserialize)]
    struct Case {
        log: String,
        class: String,
        exit_code: Option<i64>,
        oom_killed: Option<bool>,
        phase_known: Option<String>,
    }
    let cases: Vec<Case> =
        serde_json::from_str(&std::fs::read_to_string(log("cases.json")).unwrap()).unwrap();
    // One of each class is enough to show that the verb hands everything over.
    let mut seen = std::collections::BTreeSet::new();
    let folder = Folder::new();
    for case in cases.iter().filter(|case| seen.insert(&case.class)) {
        let path = log(&case.log);
        let mut args = vec!["diagnose", "--format", "json", "--log", &path];
        let code = case.exit_code.map(|code| format!("--exit-code={code}"));
        let oom = case
            .oom_killed
            .map(|killed| format!("--oom-killed={killed}"));
        let phase = case
            .phase_known
            .as_ref()
            .map(|phase| format!("--phase={phase}"));
        args.extend(
            [&code, &oom, &phase]
                .into_iter()
                .flatten()
                .map(String::as_str),
        );
        assert_eq!(
            json(&folder.gridrun(&args))["class"],
            case.class,
            "{}",
            case.log
        );
    }
    assert!(seen.len() >= 13, "{seen:?}");
}
