//! `reuse` of `[run]`: what an earlier run measured need not be measured again.

use crate::folder::Folder;

#[test]
fn a_run_takes_what_the_last_one_measured_and_starts_only_what_is_missing() {
    let folder = Folder::new();
    let experiment = folder.read("experiments/small.toml");
    let once = experiment.replace("repeats = 2", "repeats = 1");
    folder.write("experiments/small.toml", &once);
    folder
        .gridrun(&["experiments/small.toml"])
        .ends_with_code(0);
    let first = folder.runs().remove(0);
    let n_cells = settled(&folder, &first).len();

    let reuse = experiment.replace("repeats = 2", "repeats = 2\nreuse = \"1h\"");
    assert_ne!(reuse, experiment);
    folder.write("experiments/small.toml", &reuse);
    let ran = folder
        .gridrun(&["experiments/small.toml"])
        .ends_with_code(0);
    let second = folder.runs().pop().unwrap();
    let all = settled(&folder, &second);
    let (taken, made): (Vec<_>, Vec<_>) = all.iter().partition(|one| one["origin"].is_object());
    assert_eq!(taken.len(), n_cells, "{}", ran.err);
    let name = first.file_name().unwrap().to_str().unwrap();
    assert!(taken.iter().all(|one| one["origin"]["run"] == name));
    // Whoever died is not started again, whoever lived is started once more.
    let lived = |one: &&&serde_json::Value| one["outcome"] == "measured";
    assert_eq!(made.len(), taken.iter().filter(lived).count());
    assert!(
        made.iter()
            .all(|one| one["block"] == 2 && one["attempt"]["number"] == 2)
    );
    let report: serde_json::Value =
        serde_json::from_str(&folder.read(second.join("report.json"))).unwrap();
    assert_eq!(report["progress"]["n_reused"], n_cells);
    assert_eq!(report["method"]["reused"][0]["run"], name);
}

fn settled(folder: &Folder, run: &std::path::Path) -> Vec<serde_json::Value> {
    let journal = folder.read(run.join("journal.jsonl"));
    let events = journal
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let settled = |event: &serde_json::Value| event["event"] == "attempt-settled";
    events.filter(settled).collect()
}
