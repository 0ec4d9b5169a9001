//! `gridrun rehearse`.

use rustix::process::{Pid, Signal, kill_process};

use crate::folder::{Folder, eventually, wait};

const AT_20: &[&str] = &[
    "rehearse",
    "--runtime",
    "process",
    "--speed",
    "20",
    "experiments/small.toml",
];
const SAYS_SO: &str = "Its time runs 20 times as fast as a clock";

#[test]
fn a_speed_is_in_the_manifest_the_engines_and_every_stamp() {
    let folder = Folder::new();
    let ran = folder.gridrun(AT_20).ends_with_code(0);
    assert!(
        ran.out.starts_with("STAND-IN RESULTS, speed 20x: "),
        "{}",
        ran.out
    );
    assert!(ran.err.contains("STAND-IN ENGINES at speed 20x"));
    assert!(ran.err.contains("/5 stand-in, speed 20x] "), "{}", ran.err);
    let run = folder.runs().remove(0);
    let read = |name: &str| std::fs::read_to_string(run.join(name)).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&read("run.json")).unwrap();
    assert_eq!(manifest["speed"], 20.0);
    assert_eq!(folder.journal()[0]["speed"], 20.0);
    assert!(read("report.md").starts_with("**STAND-IN RESULTS, speed 20x: "));

    let files = [
        "report.md",
        "report.html",
        "report.json",
        "frame.csv",
        "frame.parquet",
    ];
    let bytes = || files.map(|file| std::fs::read(run.join(file)).unwrap());
    let first = bytes();
    folder.gridrun(&["report"]).ends_with_code(0);
    assert!(bytes() == first, "the report is another one");
}

#[test]
fn the_profile_says_how_fast_a_rehearsal_is_unless_the_user_does() {
    let folder = Folder::new();
    let profile = folder.read("profiles/fast.toml");
    let faster = profile.replace("[stand-in]\n", "[stand-in]\nspeed = 20\n");
    folder.write("profiles/fast.toml", &faster);
    let rehearse = ["rehearse", "--runtime", "process", "experiments/small.toml"];
    let speed = |args: &[&str]| {
        folder.gridrun(args).ends_with_code(0);
        let run = folder.runs().pop().unwrap();
        let text = std::fs::read_to_string(run.join("run.json")).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["speed"].clone()
    };
    assert_eq!(speed(&rehearse), 20.0);
    assert_eq!(speed(&[&rehearse[..], &["--speed", "10"]].concat()), 10.0);
}

#[test]
fn a_resumed_rehearsal_keeps_its_speed() {
    let folder = Folder::new();
    let mut child = folder.spawn(AT_20);
    assert!(eventually(|| !folder.engines().is_empty()));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(wait(&mut child).code(), Some(130));
    folder.gridrun(&["resume"]).ends_with_code(0);
    let journal = folder.journal();
    let speeds = |event: &str| -> Vec<f64> {
        journal
            .iter()
            .filter(|line| line["event"] == event)
            .map(|line| line["speed"].as_f64().unwrap())
            .collect()
    };
    assert_eq!(speeds("run-started"), [20.0, 20.0]);
    let warnings = |line: &serde_json::Value| line["engine"]["warnings"].to_string();
    let measured: Vec<String> = journal
        .iter()
        .filter(|line| line["outcome"] == "measured")
        .map(warnings)
        .collect();
    assert_eq!(measured.len(), 4);
    assert!(
        measured.iter().all(|text| text.contains(SAYS_SO)),
        "{measured:?}"
    );
}

#[test]
fn what_is_no_speed_is_refused_in_words_and_a_run_has_none() {
    let folder = Folder::new();
    for bad in ["0", "0.5", "1001", "-3", "fast", "NaN"] {
        let option = format!("--speed={bad}");
        let ran = folder
            .gridrun(&["rehearse", &option, "experiments/small.toml"])
            .ends_with_code(2);
        assert!(
            ran.err.contains(bad) && ran.err.contains("a speed is a number from 1 to 1000"),
            "{}",
            ran.err
        );
    }
    folder
        .gridrun(&["run", "--speed=2", "experiments/small.toml"])
        .ends_with_code(2);
    assert!(folder.runs().is_empty());
}

#[test]
fn a_plan_is_not_misled_by_a_rehearsal_at_another_speed() {
    let folder = Folder::new();
    folder.gridrun(AT_20).ends_with_code(0);
    let plan = |folder: &Folder| {
        folder
            .gridrun(&["plan", "experiments/small.toml"])
            .ends_with_code(0)
            .out
    };
    let nothing = "nothing of this experiment was measured yet";
    assert!(plan(&folder).contains(nothing));
    folder
        .gridrun(&["rehearse", "--runtime=process", "experiments/small.toml"])
        .ends_with_code(0);
    assert!(plan(&folder).contains("measured in 4 attempts"));
}

/// The versions that a stand-in plays; `check` names them where a profile names another.
const VERSIONS: [&str; 7] = [
    "0.6.4", "0.8.5", "0.9.2", "0.10.1", "0.11.0", "0.18.0", "0.32.0",
];

#[test]
fn every_version_of_vllm_is_attested_measured_and_named_when_it_dies() {
    for version in VERSIONS {
        let folder = Folder::new();
        let profile = folder.read("profiles/fast.toml");
        folder.write(
            "profiles/fast.toml",
            &profile.replace(
                "[stand-in]",
                &format!("[stand-in]\nvllm-version = \"{version}\""),
            ),
        );
        let experiment = folder.read("experiments/small.toml");
        folder.write(
            "experiments/small.toml",
            &experiment.replace("repeats = 2", "repeats = 1"),
        );
        folder
            .gridrun(&["rehearse", "--runtime=process", "experiments/small.toml"])
            .ends_with_code(0);
        let journal = folder.journal();
        let settled: Vec<_> = journal
            .iter()
            .filter(|line| line["event"] == "attempt-settled")
            .collect();
        let measured: Vec<_> = settled
            .iter()
            .filter(|line| line["outcome"] == "measured")
            .collect();
        assert_eq!((settled.len(), measured.len()), (3, 2), "{version}");
        for attempt in measured {
            assert_eq!(attempt["engine"]["version"], version);
            assert_eq!(attempt["engine"]["block_size"], 16, "{version}");
            let attested: Vec<_> = attempt["attestation"]
                .as_array()
                .unwrap()
                .iter()
                .map(|flag| flag["attested"].as_str().unwrap())
                .collect();
            assert_eq!(attested, ["confirmed", "confirmed"], "{version}: {attempt}");
        }
        let dead = settled
            .iter()
            .find(|line| line["outcome"] != "measured")
            .unwrap();
        assert_eq!(
            (&dead["class"], &dead["stage"]),
            (&"kv_cache_too_small".into(), &"kv_profile".into()),
            "{version}: {dead}"
        );
        // The log alone says the same.
        let run = folder.runs().remove(0);
        let cell = dead["attempt"]["cell"].as_str().unwrap();
        let log = find_log(&run, cell);
        let ran = folder
            .gridrun(&["diagnose", "--format=json", "--exit-code=1", "--log", &log])
            .ends_with_code(0);
        let verdict: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!(verdict["class"], "kv_cache_too_small", "{version}");
    }
}

/// The engine's log of a cell's only attempt.
fn find_log(run: &std::path::Path, cell: &str) -> String {
    let mut folders = vec![run.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.ends_with("engine.log") && path.to_string_lossy().contains(cell) {
                return path.to_string_lossy().into_owned();
            }
        }
    }
    panic!("{cell} has left no log in {}", run.display())
}

#[test]
fn where_there_is_no_docker_the_way_without_it_is_named() {
    let folder = Folder::new();
    let nobody = [("DOCKER_HOST", "tcp://127.0.0.1:1")];
    let ran = folder
        .gridrun_with(&["rehearse", "experiments/small.toml"], &nobody)
        .ends_with_code(4);
    assert!(
        ran.err.contains("`gridrun rehearse --runtime process`"),
        "{}",
        ran.err
    );
}
