//! `gridrun rehearse --scenario` with stand-ins as child processes.

use crate::folder::{Folder, Ran};
use crate::scenarios::{Engines, Group, PATIENT, QUICK, attempts, library};

const ARGS: [&str; 6] = [
    "rehearse",
    "experiments/rough.toml",
    "--runtime",
    "process",
    "--scenario",
    "scenarios/rough.toml",
];

fn play(group: &Group) {
    let folder = Folder::new();
    for (path, text) in group.files(Engines::Process) {
        folder.write(path, &text);
    }
    let ran = folder.gridrun(&ARGS).ends_with_code(0);
    group.check(&folder.journal(), Engines::Process);
    assert!(folder.engines_are_gone());
    assert!(ran.out.contains("STAND-IN"), "{}", ran.out);
    let stored = std::fs::read_to_string(folder.runs()[0].join("scenario.toml")).unwrap();
    assert_eq!(stored, folder.read("scenarios/rough.toml"));
    let report = std::fs::read_to_string(folder.runs()[0].join("report.md")).unwrap();
    assert!(
        report.contains("scenario scenarios/rough.toml: the stand-ins fail on purpose"),
        "{report}"
    );
}

#[test]
fn every_way_to_fail_has_its_outcome_and_the_run_goes_on() {
    play(&QUICK);
}

#[test]
fn every_way_to_fail_that_takes_patience_has_its_outcome_too() {
    play(&PATIENT);
}

/// The small experiment of the folder under a scenario.
fn rehearse(folder: &Folder, scenario: &str) -> Ran {
    folder.write("scenario.toml", scenario);
    folder.gridrun(&[
        "rehearse",
        "experiments/small.toml",
        "--runtime",
        "process",
        "--scenario",
        "scenario.toml",
    ])
}

#[test]
fn what_no_cell_is_to_blame_for_blows_the_fuse_and_a_resumed_run_has_the_same_scenario() {
    let folder = Folder::new();
    let scenario = library("import-error").replace("[[fault]]", "[[fault]]\nstarts = \"first\"");
    let ran = rehearse(&folder, &scenario).ends_with_code(7);
    assert!(ran.err.contains("two attempts in a row"), "{}", ran.err);
    let before: usize = attempts(&folder.journal()).values().map(Vec::len).sum();
    assert_eq!(before, 2);
    // The files are read no more.
    folder.write("scenario.toml", "not a scenario");
    folder.gridrun(&["resume"]).ends_with_code(0);
    // Three cells, and the first start of each one dies of the same.
    for (cell, attempts) in attempts(&folder.journal()) {
        assert_eq!(
            attempts[0], "failed gpu_unavailable starting, ended with 1",
            "{cell}"
        );
        assert!(
            attempts[1..]
                .iter()
                .all(|attempt| !attempt.contains("gpu_unavailable")),
            "{cell}: {attempts:?}"
        );
    }
    assert!(folder.engines_are_gone());
}

#[test]
fn chance_is_the_same_for_a_seed() {
    let play = |seed: u32| {
        let folder = Folder::new();
        let text = folder
            .read("experiments/small.toml")
            .replace("repeats = 2", "repeats = 4");
        folder.write("experiments/small.toml", &text);
        let scenario = library("flaky-start")
            .replace("seed = 3", &format!("seed = {seed}"))
            .replace("33%", "50%");
        let ran = rehearse(&folder, &scenario);
        assert!([0, 3].contains(&ran.code), "{}", ran.err);
        attempts(&folder.journal())
    };
    let first = play(3);
    assert_eq!(first, play(3));
    assert_ne!(first, play(4));
    let starts: Vec<&String> = first.values().flatten().collect();
    assert!(starts.iter().any(|start| start.starts_with("measured")));
    assert!(starts.iter().any(|start| start.contains("engine_died")));
}

#[test]
fn a_wrong_scenario_starts_nothing_and_all_mistakes_of_all_files_are_told() {
    let folder = Folder::new();
    folder.write(
        "experiments/small.toml",
        &folder
            .read("experiments/small.toml")
            .replace("iterations", "iteration"),
    );
    let ran = rehearse(
        &folder,
        "[[fault]]\nkind = \"port-hold\"\n[[fault]]\nkind = \"slow-start\"\n",
    )
    .ends_with_code(2);
    for expected in [
        "experiments/small.toml:",
        "scenario.toml:2:8",
        "did you mean \"port-held\"?",
        "has no `by`",
    ] {
        assert!(
            ran.err.contains(expected),
            "`{expected}` is missing in\n{}",
            ran.err
        );
    }
    let ran = folder
        .gridrun(&[
            "rehearse",
            "experiments/small.toml",
            "--scenario",
            "nowhere.toml",
        ])
        .ends_with_code(2);
    assert!(ran.err.contains("nowhere.toml"), "{}", ran.err);
    assert!(folder.runs().is_empty());
}
