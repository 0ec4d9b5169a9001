//! `gridrun list`.

use serde_json::Value;

use crate::folder::Folder;

fn listed(folder: &Folder, more: &[&str]) -> Value {
    let asked = [&["list", "--format", "json"], more].concat();
    let ran = folder.gridrun(&asked).ends_with_code(0);
    serde_json::from_str(&ran.out).unwrap()
}

#[test]
fn runs_are_listed_newest_first_and_what_is_no_run_is_named() {
    let folder = Folder::new();
    assert_eq!(listed(&folder, &[])["experiments"], serde_json::json!([]));
    for _ in 0..2 {
        folder
            .gridrun(&["experiments/small.toml"])
            .ends_with_code(0);
    }
    let runs = folder.runs();
    let first = runs[0].display().to_string();
    folder
        .gridrun(&["promote", &first, "--accept-leader"])
        .ends_with_code(0);
    // One that died before it began, one that was damaged, and one whose end is missing.
    folder.write("results/small/20200101T000000Z-0000/run.lock", "");
    folder.write("results/small/20200101T000001Z-0000/run.json", "{ torn");
    let journal = runs[1].join("journal.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let settled = lines
        .iter()
        .position(|line| line.contains("attempt-settled"));
    std::fs::write(&journal, lines[..=settled.unwrap()].join("\n") + "\n").unwrap();

    let all = listed(&folder, &[]);
    let small = &all["experiments"][0];
    let rows = small["runs"].as_array().unwrap();
    assert_eq!(rows.len(), 2, "{all}");
    assert_eq!(rows[0]["state"], "to-be-resumed");
    assert_eq!(rows[0]["n_settled"], 1);
    assert!(rows[0]["n_left"].as_u64().unwrap() > 0);
    assert_eq!(
        (&rows[1]["state"], &rows[1]["n_left"]),
        (&"complete".into(), &0.into())
    );
    assert_eq!(
        (&rows[1]["n_cells"], &rows[1]["n_dead"]),
        (&3.into(), &1.into())
    );
    assert_eq!(
        (&rows[1]["reigns"], &rows[0]["reigns"]),
        (&true.into(), &false.into())
    );
    assert_eq!(small["reigning"]["run"], rows[1]["run"]);
    assert_eq!(rows[1]["stand_in"], true);
    let passed = all["passed_over"].to_string();
    assert!(
        passed.contains("20200101T000000Z-0000") && passed.contains("no run.json"),
        "{passed}"
    );
    assert!(passed.contains("not a manifest"), "{passed}");
    assert_eq!(
        listed(&folder, &["small"])["experiments"],
        all["experiments"]
    );

    let text = folder.gridrun(&["list"]).ends_with_code(0).out;
    for words in [
        "small in results/small",
        "TO BE RESUMED, stand-in",
        " reigns since ",
        "gridrun resume",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(
        text.lines().last().unwrap().starts_with("Latest: small, "),
        "{text}"
    );
}

#[test]
fn an_experiment_that_is_not_there_is_told_with_those_that_are() {
    let folder = Folder::new();
    folder.write("results/other/x", "");
    let ran = folder.gridrun(&["list", "smal"]).ends_with_code(2);
    assert!(
        ran.err.contains("no experiment `smal`") && ran.err.contains("other"),
        "{}",
        ran.err
    );
}
