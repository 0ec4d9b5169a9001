//! `gridrun resume` after a kill -9.

use std::collections::BTreeMap;

use rustix::process::{Pid, Signal, kill_process};

use crate::folder::{Folder, eventually, wait};

/// Outcome of every settled attempt by cell and block, and how often each was settled.
fn outcomes(folder: &Folder) -> BTreeMap<(String, u64), Vec<String>> {
    let mut found: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for event in folder
        .journal()
        .iter()
        .filter(|event| event["event"] == "attempt-settled")
    {
        let key = (
            event["cell_name"].as_str().unwrap().to_owned(),
            event["block"].as_u64().unwrap(),
        );
        found
            .entry(key)
            .or_default()
            .push(event["outcome"].as_str().unwrap().to_owned());
    }
    found
}

#[test]
fn a_killed_run_goes_on_to_the_same_outcomes_and_repeats_nothing_settled() {
    let whole = Folder::new();
    whole.gridrun(&["experiments/small.toml"]).ends_with_code(0);
    let expected = outcomes(&whole);
    let n_events = whole.journal().len();

    // A kill after each of some numbers of events: before, inside and after attempts.
    for n in [1, 3, 5, 8, n_events / 2, n_events - 8] {
        let folder = Folder::new();
        let mut child = folder.spawn(&["experiments/small.toml"]);
        assert!(eventually(
            || folder.runs().len() == 1 && folder.journal().len() >= n
        ));
        child.kill().unwrap();
        child.wait().unwrap();
        let before = outcomes(&folder);
        folder.gridrun(&["resume"]).ends_with_code(0);
        let after = outcomes(&folder);
        assert_eq!(after, expected, "killed after {n} events");
        for (place, outcomes) in before {
            assert_eq!(
                after[&place].len(),
                outcomes.len(),
                "{place:?} was run again after a kill at {n}"
            );
        }
        assert!(folder.engines_are_gone());
    }
}

#[test]
fn an_engine_does_not_outlive_a_killed_run() {
    let folder = Folder::new();
    let mut child = folder.spawn(&["experiments/small.toml"]);
    assert!(eventually(|| !folder.engines().is_empty()));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(folder.engines_are_gone());
}

#[test]
fn the_second_process_in_a_run_directory_is_refused() {
    let folder = Folder::new();
    let mut child = folder.spawn(&["experiments/small.toml"]);
    assert!(eventually(|| !folder.engines().is_empty()));
    let run = folder.runs().remove(0);
    // Frozen, the first cannot end before the second has looked.
    let first = Pid::from_child(&child);
    kill_process(first, Signal::STOP).unwrap();
    let ran = folder.gridrun(&["resume", run.to_str().unwrap()]);
    kill_process(first, Signal::CONT).unwrap();
    let status = wait(&mut child);
    let ran = ran.ends_with_code(6);
    assert!(ran.err.contains("another gridrun"), "{}", ran.err);
    assert!(status.success(), "the first is not disturbed: {status}");
}

#[test]
fn a_run_that_stopped_says_how_it_goes_on() {
    let folder = Folder::new();
    let text = folder
        .read("experiments/small.toml")
        .replace("seed = 7", "seed = 7\ndeadline = \"1ms\"");
    folder.write("experiments/small.toml", &text);
    let ran = folder
        .gridrun(&["experiments/small.toml"])
        .ends_with_code(7);
    let hint = format!("go on with `gridrun resume {}`", folder.runs()[0].display());
    assert!(ran.err.contains(&hint), "{}", ran.err);
}

#[test]
fn a_finished_run_has_nothing_to_resume_and_a_wrong_folder_is_named() {
    let folder = Folder::new();
    folder
        .gridrun(&["experiments/small.toml"])
        .ends_with_code(0);
    let ran = folder.gridrun(&["resume"]).ends_with_code(2);
    assert!(ran.err.contains("no unfinished run"), "{}", ran.err);
    let ran = folder.gridrun(&["resume", "experiments"]).ends_with_code(2);
    assert!(ran.err.contains("run.json"), "{}", ran.err);
}
