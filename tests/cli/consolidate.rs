//! `gridrun consolidate`.

use serde_json::Value;

use crate::folder::Folder;

const VLLM: &str = include_str!("../data/exports/vllm-bench.json");
const GUIDELLM: &str = include_str!("../data/exports/guidellm.json");
const REFERENCE: &str = include_str!("../../experiments/reference-case.csv");

fn newest(folder: &Folder, name: &str) -> Value {
    let run = folder.runs().pop().unwrap();
    serde_json::from_str(&std::fs::read_to_string(run.join(name)).unwrap()).unwrap()
}

#[test]
fn runs_and_exports_become_one_report_in_which_only_runs_are_ranked() {
    let folder = Folder::new();
    for _ in 0..2 {
        folder
            .gridrun(&["experiments/small.toml"])
            .ends_with_code(0);
    }
    let runs: Vec<String> = folder
        .runs()
        .iter()
        .map(|run| run.display().to_string())
        .collect();
    folder.write("night.json", VLLM);
    folder.write("guide.json", GUIDELLM);
    // Ids sort by the second.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let ran = folder
        .gridrun(&[
            "consolidate",
            &runs[0],
            &runs[1],
            "night.json",
            "guide.json",
        ])
        .ends_with_code(0);
    assert!(
        ran.out
            .contains("3 rows were brought from elsewhere (guidellm, vllm bench serve)"),
        "{}",
        ran.out
    );
    let made = folder.runs().pop().unwrap();
    let report = newest(&folder, "report.json");
    let ranked: Vec<&Value> = report["cells"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|cell| !cell["rank"].is_null())
        .collect();
    assert_eq!(ranked.len(), 2, "{report}");
    assert!(
        ranked.iter().all(|cell| cell["n_measured"] == 4),
        "{report}"
    );
    assert_eq!(report["imported"].as_array().unwrap().len(), 3);
    assert_eq!(report["progress"]["how"], "complete");
    let page = std::fs::read_to_string(made.join("report.md")).unwrap();
    let apart = page.find("## Brought from elsewhere: not ranked").unwrap();
    assert!(page[apart..].contains("night.json") && !page[..apart].contains("night.json"));
    assert!(
        std::fs::read_to_string(made.join("report.html"))
            .unwrap()
            .contains("guide.json $.benchmarks[1]")
    );
    // It has no hours of its own.
    assert!(!made.join("figures/the-night.svg").exists());
    let csv = std::fs::read_to_string(made.join("frame.csv")).unwrap();
    let both = format!("{}; {}", name(&runs[0]), name(&runs[1]));
    assert!(csv.contains(&both) && csv.contains("unproved"), "{csv}");

    // It is a run like others: made again to the byte, listed, ranked; and none to go on with.
    let shown = made.display().to_string();
    let before = std::fs::read(made.join("report.md")).unwrap();
    folder.gridrun(&["report", &shown]).ends_with_code(0);
    assert_eq!(std::fs::read(made.join("report.md")).unwrap(), before);
    folder
        .gridrun(&["rank", &shown, &runs[0]])
        .ends_with_code(0);
    let listed = folder
        .gridrun(&["list", "--format", "json"])
        .ends_with_code(0);
    let listed: Value = serde_json::from_str(&listed.out).unwrap();
    assert_eq!(listed["experiments"][0]["runs"][0]["state"], "complete");
}

fn name(run: &str) -> &str {
    run.rsplit('/').next().unwrap()
}

#[test]
fn files_alone_are_a_report_that_ranks_nothing() {
    let folder = Folder::new();
    folder.write("reference.csv", REFERENCE);
    let ran = folder
        .gridrun(&["consolidate", "reference.csv"])
        .ends_with_code(2);
    assert!(ran.err.contains("--experiment NAME"), "{}", ran.err);
    folder
        .gridrun(&["consolidate", "reference.csv", "--experiment", "theirs"])
        .ends_with_code(0);
    let report = newest(&folder, "report.json");
    assert_eq!(report["verdict"]["kind"], "nothing-ranked");
    let rows = report["imported"].as_array().unwrap();
    let estimated = rows
        .iter()
        .filter(|row| row["proof"] == "estimated")
        .count();
    assert_eq!((rows.len(), estimated), (12, 2));
    assert!(
        rows.iter()
            .all(|row| row["from"]["sha256"].as_str().unwrap().len() == 64)
    );
}

#[test]
fn every_mistake_of_every_file_is_named_and_nothing_is_written() {
    let folder = Folder::new();
    folder.write("torn.json", "{ \"request_throughput\": ");
    folder.write("slow.json", &VLLM.replace("412.5", "\"slow\""));
    folder.write("none.csv", "cell,ttft\na,1\n");
    let asked = [
        "consolidate",
        "torn.json",
        "slow.json",
        "none.csv",
        "--experiment",
        "x",
    ];
    let ran = folder.gridrun(&asked).ends_with_code(2);
    for words in [
        "torn.json: line 1, column ",
        "slow.json: $.median_ttft_ms: found \"slow\", expected a number",
        "none.csv: there is no column `metric.NAME`; its columns are cell, ttft",
    ] {
        assert!(ran.err.contains(words), "{words}: {}", ran.err);
    }
    let ran = folder
        .gridrun(&["consolidate", "gone.json", "--experiment", "x"])
        .ends_with_code(2);
    assert!(ran.err.contains("gone.json: cannot be read"), "{}", ran.err);
    folder.write("good.json", VLLM);
    let ran = folder
        .gridrun(&["consolidate", "good.json", "--experiment", "../x"])
        .ends_with_code(2);
    assert!(ran.err.contains("expected letters"), "{}", ran.err);
    assert!(folder.runs().is_empty());
}
