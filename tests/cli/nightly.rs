//! `gridrun nightly`, with stand-ins as processes.

use std::io::{Read, Write};
use std::net::TcpListener;

use crate::folder::{Folder, eventually};

const FILE: &str = "experiments/small.toml";

/// A folder in which somebody reigns.
fn kingdom() -> Folder {
    let folder = Folder::new();
    folder.gridrun(&[FILE]).ends_with_code(0);
    let run = folder.runs().remove(0);
    let args = ["promote", run.to_str().unwrap(), "--accept-leader"];
    folder.gridrun(&args).ends_with_code(0);
    folder
}

#[test]
fn without_a_champion_there_is_no_night() {
    let folder = Folder::new();
    let ran = folder.gridrun(&["nightly", FILE]).ends_with_code(2);
    assert!(ran.err.contains("gridrun promote RUN"), "{}", ran.err);
}

#[test]
fn a_dry_run_says_who_would_run_and_starts_nothing() {
    let folder = kingdom();
    let ran = folder
        .gridrun(&[
            "nightly",
            FILE,
            "--dry-run",
            "--challengers",
            "1",
            "--blocks",
            "2",
        ])
        .ends_with_code(0);
    assert!(ran.out.starts_with("STAND-IN: champion "), "{}", ran.out);
    assert!(ran.out.contains("never validated"), "{}", ran.out);
    assert!(ran.out.contains("2 blocks, 4 starts"), "{}", ran.out);
    assert_eq!(folder.runs().len(), 1);
}

#[test]
fn nights_follow_each_other_and_challengers_take_turns() {
    let folder = kingdom();
    let night = |challengers: &str| {
        let args = [
            "nightly",
            FILE,
            "--challengers",
            challengers,
            "--blocks",
            "2",
        ];
        folder.gridrun(&args).ends_with_code(0)
    };
    let first = night("1");
    assert!(first.out.contains("STAND-IN: small: "), "{}", first.out);
    night("1");
    let runs = folder.runs();
    assert_eq!(runs.len(), 3);
    let read = |run: usize, file: &str| std::fs::read_to_string(runs[run].join(file)).unwrap();
    let json: Vec<serde_json::Value> = (1..3)
        .map(|run| serde_json::from_str(&read(run, "night.json")).unwrap())
        .collect();
    let challenger = |night: usize| json[night]["judgement"]["challengers"][0]["name"].clone();
    assert_ne!(challenger(0), challenger(1), "each has its turn");
    assert_eq!(json[1]["earlier"].as_array().unwrap().len(), 1);
    let page = read(2, "night.md");
    assert!(page.contains("STAND-IN"), "{page}");
    assert!(page.contains("## Earlier nights"), "{page}");
    assert!(read(2, "junit.xml").contains("<testsuite name=\"small\""));
    // The reports have the nights up to theirs, also when they are made again.
    for (run, n_nights) in [(0, 0), (1, 1), (2, 2)] {
        let before = [read(run, "report.json"), read(run, "report.html")];
        let report: serde_json::Value = serde_json::from_str(&before[0]).unwrap();
        let nights = report["history"]["nights"].as_array().map_or(0, Vec::len);
        assert_eq!(nights, n_nights, "{}", report["history"]);
        assert_eq!(before[1].contains("Night after night"), n_nights > 0);
        let path = runs[run].to_str().unwrap().to_owned();
        folder.gridrun(&["report", &path]).ends_with_code(0);
        let again = [read(run, "report.json"), read(run, "report.html")];
        assert!(again == before, "{path} changed");
    }
    assert!(folder.path().join("results/small/history.parquet").exists());
}

#[test]
fn a_regression_is_told_once_fails_where_that_is_asked_and_a_deaf_webhook_fails_nothing() {
    let folder = kingdom();
    // It was put in force with times that nobody reaches: ten times as fast.
    let throne = "results/small/reigns.jsonl";
    let text = folder.read(throne);
    let mut reign: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
    let score = reign["champion"]["evidence"]["score"].as_f64().unwrap() - 10.0_f64.ln();
    reign["champion"]["evidence"]["score"] = score.into();
    folder.write(throne, &format!("{reign}\n"));

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let heard = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut text = String::new();
        let mut buffer = [0; 65536];
        while !text.contains("night.md") {
            let n = stream.read(&mut buffer).unwrap();
            if n == 0 {
                break;
            }
            text += &String::from_utf8_lossy(&buffer[..n]);
        }
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .unwrap();
        text
    });
    let args = [
        "nightly",
        FILE,
        "--challengers",
        "1",
        "--blocks",
        "1",
        "--notify-env",
        "HOOK",
        "--notify-as",
        "slack",
        "--fail-on",
        "regressed",
    ];
    let ran = folder
        .gridrun_with(&args, &[("HOOK", &url)])
        .ends_with_code(10);
    assert!(ran.out.contains("small: regressed: "), "{}", ran.out);
    let heard = heard.join().unwrap();
    assert!(heard.contains("gridrun small: regressed"), "{heard}");

    // Nobody listens any more: the night goes on all the same. It is held against the evidence
    // still, because a regression is not what is usual, and is no news.
    let ran = folder
        .gridrun_with(&args, &[("HOOK", &url)])
        .ends_with_code(10);
    assert!(!ran.err.contains("nobody could be told"), "{}", ran.err);
    let deaf = folder
        .gridrun_with(&args, &[("HOOK", "nowhere")])
        .ends_with_code(2);
    assert!(deaf.err.contains("HOOK"), "{}", deaf.err);
}

/// The verdict of the last night, as its file has it.
fn night(run: &std::path::Path) -> serde_json::Value {
    serde_json::from_str(&std::fs::read_to_string(run.join("night.json")).unwrap()).unwrap()
}

#[test]
fn a_night_that_was_killed_is_ended_by_resume_or_by_the_next_night() {
    let folder = kingdom();
    let args = ["nightly", FILE, "--challengers", "1", "--blocks", "2"];
    let killed = |n: usize| {
        let mut child = folder.spawn(&args);
        assert!(eventually(|| {
            folder.runs().len() == n && {
                let journal = folder.runs()[n - 1].join("journal.jsonl");
                let text = std::fs::read_to_string(journal).unwrap_or_default();
                text.contains("attempt-settled")
            }
        }));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!folder.runs()[n - 1].join("night.json").exists());
    };
    killed(2);
    let ran = folder.gridrun(&["resume"]).ends_with_code(0);
    assert!(ran.out.contains("STAND-IN: small: "), "{}", ran.out);
    let first = night(&folder.runs()[1]);
    assert_eq!(first["judgement"]["champion"]["n_starts"], 2);

    killed(3);
    let ran = folder.gridrun(&args).ends_with_code(0);
    assert!(
        ran.err.contains("was never ended, and is judged now"),
        "{}",
        ran.err
    );
    let [second, third] = [2, 3].map(|run| night(&folder.runs()[run]));
    assert_eq!(second["earlier"].as_array().unwrap().len(), 1);
    assert_eq!(third["earlier"].as_array().unwrap().len(), 2);

    // Judged again after it was counted, it is counted once: nothing is made up for any more.
    let ran = folder.gridrun(&args).ends_with_code(0);
    assert!(!ran.err.contains("was never ended"), "{}", ran.err);
    assert_eq!(
        night(&folder.runs()[4])["earlier"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
}

#[test]
fn one_start_of_a_night_ages_and_the_next_night_it_is_anothers_turn() {
    let folder = kingdom();
    let text = folder.read(FILE);
    let age = "\n[[workload]]\nname = \"age\"\nkind = \"age\"\nduration = \"10m\"\n\
               short = { prompt-tokens = 40, max-tokens = 4 }\nlong = { prompt-tokens = 80, max-tokens = 8 }\n";
    folder.write(FILE, &format!("{text}{age}"));
    let args = [
        "nightly",
        FILE,
        "--challengers",
        "1",
        "--blocks",
        "2",
        "--rehearse",
        "process",
        "--speed",
        "300",
    ];
    let aged = |n: usize| {
        folder.gridrun(&args).ends_with_code(0);
        let night = night(&folder.runs()[n]);
        let aged = night["aged"].as_array().unwrap();
        assert_eq!(aged.len(), 1, "{night:#}");
        assert_eq!(aged[0]["disturbed"], serde_json::Value::Null, "{night:#}");
        assert!(aged[0]["lasted_h"].as_f64().unwrap() > 0.1, "{night:#}");
        let is_champion = aged[0]["cell"] == night["judgement"]["champion"]["cell"];
        let page = std::fs::read_to_string(folder.runs()[n].join("night.md")).unwrap();
        assert!(page.contains(" aged in age"), "{page}");
        is_champion
    };
    assert!(aged(1));
    assert!(!aged(2));
    let dry = folder
        .gridrun(&["nightly", FILE, "--dry-run", "--challengers", "1"])
        .ends_with_code(0);
    assert!(
        dry.out.contains(" ages in the last start of the night"),
        "{}",
        dry.out
    );
    assert!(
        dry.out.contains("10 min of age in 1 of them"),
        "{}",
        dry.out
    );
}
