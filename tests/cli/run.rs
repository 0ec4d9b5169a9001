//! `gridrun run` with stand-ins as child processes: the whole way without Docker.

use std::os::unix::process::ExitStatusExt;

use rustix::process::{Pid, Signal, kill_process};

use crate::folder::{Folder, eventually, wait};

#[test]
fn a_run_measures_names_the_dead_and_leaves_a_report() {
    let folder = Folder::new();
    let ran = folder
        .gridrun(&["experiments/small.toml"])
        .ends_with_code(0);
    assert!(ran.out.to_uppercase().contains("STAND-IN"), "{}", ran.out);
    let run = folder.runs().remove(0);
    let report = std::fs::read_to_string(run.join("report.md")).unwrap();
    assert!(report.to_uppercase().contains("STAND-IN"), "{report}");
    assert!(report.contains("kv_cache_too_small"), "{report}");
    assert!(report.contains("vllm serve stand-in/tiny"), "{report}");
    for file in [
        "run.json",
        "journal.jsonl",
        "report.json",
        "frame.csv",
        "frame.parquet",
        "prompts.json",
        "experiment.toml",
    ] {
        assert!(run.join(file).is_file(), "{file} is missing");
    }

    let report: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(run.join("report.json")).unwrap()).unwrap();
    assert!(report.to_string().contains("ttft_repeat_ms"), "{report}");

    let settled: Vec<_> = folder
        .journal()
        .into_iter()
        .filter(|event| event["event"] == "attempt-settled")
        .collect();
    let measured = settled
        .iter()
        .filter(|event| event["outcome"] == "measured")
        .count();
    let infeasible = settled
        .iter()
        .filter(|event| event["outcome"] == "infeasible")
        .count();
    // Two living cells, twice each; the dead one once.
    assert_eq!((measured, infeasible), (4, 1), "{settled:#?}");

    for event in settled
        .iter()
        .filter(|event| event["outcome"] == "measured")
    {
        let hits = event["nodes"][0]["metrics"].get("ttft_hit_ms");
        let on = !event["cell_name"].as_str().unwrap().contains("prefix-off");
        assert_eq!(
            hits.is_some(),
            on,
            "a hit is proved exactly where prefix caching is on: {event}"
        );
        let attempt = format!(
            "{}-{}",
            event["attempt"]["cell"].as_str().unwrap(),
            event["attempt"]["number"]
        );
        for file in ["engine.log", "requests.parquet", "metrics.prom"] {
            assert!(
                run.join("attempts").join(&attempt).join(file).is_file(),
                "{attempt}/{file}"
            );
        }
    }
    assert!(folder.engines_are_gone());
}

#[test]
fn events_come_as_json_lines_where_a_machine_asks() {
    let folder = Folder::new();
    let ran = folder
        .gridrun(&["run", "--format", "json", "experiments/small.toml"])
        .ends_with_code(0);
    let events: Vec<serde_json::Value> = ran
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(events.first().unwrap()["event"], "run-started");
    assert_eq!(events.last().unwrap()["event"], "run-ended");
    assert_eq!(events, folder.journal());
}

#[test]
fn nothing_measured_is_not_success_and_the_report_says_why() {
    let folder = Folder::new();
    let text = folder
        .read("experiments/small.toml")
        .replace("[0.6, 0.9]", "[0.6]")
        .replace(
            "[[exclude]]\nwhere = { gpu-mem = 0.6, prefix = false }\n",
            "",
        );
    folder.write("experiments/small.toml", &text);
    folder
        .gridrun(&["experiments/small.toml"])
        .ends_with_code(3);
    let report = std::fs::read_to_string(folder.runs()[0].join("report.md")).unwrap();
    assert!(report.contains("kv_cache_too_small"), "{report}");
}

#[test]
fn a_wrong_file_starts_nothing() {
    let folder = Folder::new();
    folder.write("experiments/small.toml", "profile = \"fast\"\n[matrix\n");
    let ran = folder
        .gridrun(&["experiments/small.toml"])
        .ends_with_code(2);
    assert!(ran.err.contains("experiments/small.toml:2:"), "{}", ran.err);
    assert!(folder.runs().is_empty());
}

#[test]
fn a_disk_that_cannot_be_written_is_named_before_anything_starts() {
    let folder = Folder::new();
    folder.write("results", "not a folder");
    let ran = folder.gridrun(&["experiments/small.toml"]);
    assert_ne!(ran.code, 0);
    assert!(ran.err.contains("results"), "{}", ran.err);
    assert!(folder.engines().is_empty());
}

#[test]
fn ctrl_c_stops_cleanly_and_the_run_can_be_resumed() {
    for signals in [1, 2] {
        let folder = Folder::new();
        let mut child = folder.spawn(&["experiments/small.toml"]);
        assert!(eventually(|| !folder.engines().is_empty()));
        for _ in 0..signals {
            kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        }
        let status = wait(&mut child);
        assert_eq!(
            (status.code(), status.signal()),
            (Some(130), None),
            "{signals} signals"
        );
        assert!(folder.engines_are_gone());
        folder.gridrun(&["resume"]).ends_with_code(0);
        let last = folder.journal().pop().unwrap();
        assert_eq!(
            (&last["event"], &last["ending"]["how"]),
            (&"run-ended".into(), &"complete".into())
        );
    }
}

#[test]
fn the_key_of_an_attempt_and_other_secrets_are_nowhere_in_the_results() {
    let folder = Folder::new();
    folder
        .gridrun(&["experiments/small.toml"])
        .ends_with_code(0);
    let mut files = vec![folder.runs().remove(0)];
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(
                std::fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        } else {
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            let key = text.match_indices("gridrun-").find(|(at, _)| {
                text[at + 8..]
                    .chars()
                    .take_while(char::is_ascii_hexdigit)
                    .count()
                    >= 32
            });
            assert!(key.is_none(), "{} holds a key", path.display());
        }
    }
}

#[test]
fn a_cell_that_a_death_proves_dead_is_skipped_unless_the_file_says_otherwise() {
    let starts = |prune: &str| {
        let folder = Folder::new();
        let text = folder
            .read("experiments/small.toml")
            .replace("gpu-mem = [0.6, 0.9]", "gpu-mem = [0.6, 0.55, 0.9]")
            .replace(
                "where = { gpu-mem = 0.6,",
                "where = { gpu-mem = [0.6, 0.55],",
            )
            .replace("seed = 7", &format!("seed = 7\n{prune}"));
        folder.write("experiments/small.toml", &text);
        let ran = folder
            .gridrun(&["experiments/small.toml"])
            .ends_with_code(0);
        let journal = folder.journal();
        let of = |kind: &str| -> Vec<String> {
            let events = journal.iter().filter(|event| event["event"] == kind);
            let names = events.map(|event| event["cell_name"].as_str().unwrap().to_owned());
            names
                .filter(|name| !name.starts_with("gpu-mem-0.9"))
                .collect()
        };
        // Made again from what is stored.
        let run = folder.runs().remove(0);
        let page = std::fs::read(run.join("report.md")).unwrap();
        folder
            .gridrun(&["report", run.to_str().unwrap()])
            .ends_with_code(0);
        assert!(page == std::fs::read(run.join("report.md")).unwrap());
        (of("attempt-started"), of("cell-skipped"), ran.out)
    };
    let (started, skipped, out) = starts("");
    assert_eq!(started, ["gpu-mem-0.6_prefix-on"]);
    assert_eq!(skipped, ["gpu-mem-0.55_prefix-on"]);
    assert!(
        out.contains("proved by `gpu-mem-0.6_prefix-on` (start 1)"),
        "{out}"
    );
    let (mut started, skipped, _) = starts("prune = false");
    started.sort_unstable();
    assert_eq!(started, ["gpu-mem-0.55_prefix-on", "gpu-mem-0.6_prefix-on"]);
    assert!(skipped.is_empty(), "{skipped:?}");
}

#[test]
fn a_run_with_a_deadline_says_what_it_has_time_for() {
    let folder = Folder::new();
    let text = folder
        .read("experiments/small.toml")
        .replace("seed = 7", "seed = 7\ndeadline = \"10h\"");
    folder.write("experiments/small.toml", &text);
    let ran = folder
        .gridrun(&["experiments/small.toml"])
        .ends_with_code(0);
    let told: Vec<&str> = ran
        .err
        .lines()
        .filter(|line| line.contains("deadline "))
        .collect();
    // Once something was measured, and at the end of the first block.
    assert_eq!(told.len(), 2, "{}", ran.err);
    assert!(
        told[0].contains("every configuration started once by"),
        "{told:?}"
    );
    assert!(told[1].contains("probabilities would take"), "{told:?}");
    let forecasts: Vec<_> = folder
        .journal()
        .into_iter()
        .filter(|event| event["event"] == "forecast")
        .collect();
    assert_eq!(forecasts[1]["all_once"], serde_json::Value::Null);
    assert_eq!(forecasts[1]["ripeness"]["state"], "stated-beyond");
}
