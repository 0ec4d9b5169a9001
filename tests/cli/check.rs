//! `gridrun check`.

use crate::folder::Folder;

#[test]
fn a_good_experiment_passes_and_nothing_is_written() {
    let folder = Folder::new();
    let ran = folder
        .gridrun(&["check", "experiments/small.toml"])
        .ends_with_code(0);
    assert!(
        ran.out
            .contains("small: 3 cells, 1 workload node, 6 starts"),
        "{}",
        ran.out
    );
    let names: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

#[test]
fn all_mistakes_of_both_files_come_at_once_with_their_places() {
    let folder = Folder::new();
    let experiment = folder
        .read("experiments/small.toml")
        .replace("prefix = [true, false]", "prefix = [true, 3]")
        .replace("goal = \"min\"", "gaol = \"min\"");
    folder.write("experiments/small.toml", &experiment);
    let profile = folder
        .read("profiles/fast.toml")
        .replace("8GiB", "8 elephants");
    folder.write("profiles/fast.toml", &profile);
    let ran = folder
        .gridrun(&["check", "experiments/small.toml"])
        .ends_with_code(2);
    for expected in [
        "experiments/small.toml:5:",
        "gaol",
        "goal",
        "profiles/fast.toml:9:",
        "8 elephants",
        "^",
    ] {
        assert!(
            ran.err.contains(expected),
            "`{expected}` is missing in\n{}",
            ran.err
        );
    }
}

#[test]
fn a_machine_reads_the_same_findings() {
    let folder = Folder::new();
    let text = folder
        .read("experiments/small.toml")
        .replace("repeats = 2", "repeats = 0");
    folder.write("experiments/small.toml", &text);
    let ran = folder
        .gridrun(&["check", "--format", "json", "experiments/small.toml"])
        .ends_with_code(2);
    let found: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(found["ok"], false);
    let line = text.lines().position(|line| line == "repeats = 0");
    assert_eq!(found["findings"][0]["line"], line.unwrap() + 1, "{found}");
}

#[test]
fn a_missing_file_and_a_missing_profile_are_named() {
    let folder = Folder::new();
    let ran = folder
        .gridrun(&["check", "experiments/none.toml"])
        .ends_with_code(2);
    assert!(ran.err.contains("experiments/none.toml"), "{}", ran.err);
    let text = folder
        .read("experiments/small.toml")
        .replace("\"fast\"", "\"fats\"");
    folder.write("experiments/small.toml", &text);
    let ran = folder
        .gridrun(&["check", "experiments/small.toml"])
        .ends_with_code(2);
    assert!(ran.err.contains("there are: fast"), "{}", ran.err);
}

#[test]
fn the_experiments_of_this_project_pass() {
    let root = env!("CARGO_MANIFEST_DIR");
    let folder = Folder::new();
    for entry in std::fs::read_dir(format!("{root}/experiments")).unwrap() {
        let path = entry.unwrap().path();
        // Scenarios and tables of recorded attempts are files of another kind.
        if path.extension().is_none_or(|ending| ending != "toml") {
            continue;
        }
        let ran = folder.gridrun(&["check", path.to_str().unwrap()]);
        assert_eq!(ran.code, 0, "{}: {}", path.display(), ran.err);
    }
}
