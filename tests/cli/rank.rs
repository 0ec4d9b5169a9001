//! `gridrun rank`.

use crate::folder::Folder;

#[test]
fn a_stored_run_is_decided_again_and_nothing_is_written() {
    let folder = Folder::new();
    folder
        .gridrun(&["experiments/small.toml"])
        .ends_with_code(0);
    let run = folder.runs().remove(0);
    let before = std::fs::read(run.join("report.json")).unwrap();
    std::fs::remove_file(run.join("report.md")).unwrap();
    let asked = [
        "rank",
        "--objective",
        "kv-cache.tokens_per_second.p95:max",
        "--gate",
        "kv-cache.success_rate > 0.5",
        "--equivalence",
        "7%",
        "--format",
        "json",
    ];
    let ran = folder.gridrun(&asked).ends_with_code(0);
    let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(
        report["objectives"][0]["metric"],
        "kv-cache.tokens_per_second.p95"
    );
    assert_eq!(report["gates"][0], "kv-cache.success_rate > 0.5");
    assert_eq!(report["equivalence"], 0.07);
    assert!(!run.join("report.md").exists());
    assert_eq!(std::fs::read(run.join("report.json")).unwrap(), before);
}

#[test]
fn two_runs_are_decided_together() {
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
    let measured = |runs: &[&str]| {
        let asked = [&["rank", "--format", "json"], runs].concat();
        let ran = folder.gridrun(&asked).ends_with_code(0);
        let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        let cells = report["cells"].as_array().unwrap();
        cells
            .iter()
            .filter_map(|cell| cell["n_measured"].as_u64())
            .sum::<u64>()
    };
    // The second knows how much starts of the first differed.
    let known = |run: &str| {
        let text = folder.read(format!("{run}/run.json"));
        let manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
        manifest["prior_noise"][0]["runs"].clone()
    };
    assert!(known(&runs[0]).is_null());
    let name = |run: &String| run.rsplit('/').next().unwrap().to_owned();
    assert_eq!(known(&runs[1]), serde_json::json!([name(&runs[0])]));
    let (first, second) = (runs[0].as_str(), runs[1].as_str());
    assert_eq!(
        measured(&[first, second]),
        measured(&[first]) + measured(&[second])
    );
}

#[test]
fn what_cannot_be_ranked_is_said_before_anything_else() {
    let folder = Folder::new();
    folder
        .gridrun(&["experiments/small.toml"])
        .ends_with_code(0);
    for (asked, said) in [
        (
            ["--objective", "kv-cache.ttft_repeat:min"],
            "did you mean `ttft_repeat_ms`?",
        ),
        (["--objective", "kv-cache.ttft_repeat_ms"], "it has no goal"),
        (
            ["--gate", "kv-cache.success_rate"],
            "this gate compares nothing",
        ),
        (["--equivalence", "much"], "expected per cent"),
    ] {
        let ran = folder
            .gridrun(&["rank", asked[0], asked[1]])
            .ends_with_code(2);
        assert!(ran.err.contains(said), "{}", ran.err);
        assert!(ran.out.is_empty());
    }
}
