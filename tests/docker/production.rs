//! The guard over production: a real container stands for it, and is there again whatever ends
//! the run. A stand-in serves in it, and the engines of the runs are the same image by name.

use std::os::unix::process::ExitStatusExt;

use crate::bench::FILE;
use crate::house::{House, KEY};
use crate::program::is_measuring;
use crate::turn;

#[test]
fn production_is_away_while_the_engines_run_and_healthy_afterwards() {
    let _together = turn::together();
    let Some(house) = House::set_up() else { return };
    let before = house.daemon().look(&house.id);
    let mut program = house.start(&["run", FILE]);
    program.freeze_when(&house.bench, is_measuring);
    assert!(!house.runs());
    assert_eq!(house.promises(), 1);
    program.thaw();
    assert_eq!(program.end().code(), Some(0));
    assert!(house.runs());
    assert_eq!(house.promises(), 0);
    assert_eq!(house.returned()["return"], "healthy");
    let after = house.daemon().look(&house.id);
    assert_eq!(
        before["Created"], after["Created"],
        "it is the same container"
    );
    assert!(house.bench.report().contains("serves again, healthy"));
    let run = std::fs::read_to_string(house.bench.run().join("run.json")).unwrap();
    assert!(!run.contains(KEY.1), "the production key is in no file");
}

#[test]
fn ctrl_c_gives_production_back() {
    let _together = turn::together();
    let Some(house) = House::set_up() else { return };
    let mut program = house.start(&["run", FILE]);
    program.freeze_when(&house.bench, is_measuring);
    program.interrupt();
    program.thaw();
    let status = program.end();
    assert_eq!((status.code(), status.signal()), (Some(130), None));
    assert!(house.runs());
    assert_eq!(house.promises(), 0);
}

#[test]
fn after_a_kill_restore_clears_the_engine_away_and_gives_production_back() {
    let _alone = turn::alone();
    let Some(house) = House::set_up() else { return };
    let mut program = house.start(&["run", FILE]);
    program.freeze_when(&house.bench, is_measuring);
    program.kill();
    assert!(!house.runs());
    let restored = house.gridrun(&["restore"]).ends_with_code(0);
    assert!(restored.out.contains("serves again"), "{}", restored.out);
    assert!(house.runs());
    assert_eq!(house.promises(), 0);
    assert_eq!(house.bench.containers().len(), 0);
    let nothing = house.gridrun(&["restore"]).ends_with_code(0);
    assert!(
        nothing.out.contains("no production waits"),
        "{}",
        nothing.out
    );
}

#[test]
fn after_a_kill_the_next_run_keeps_the_promise_whatever_it_runs() {
    let _alone = turn::alone();
    let Some(house) = House::set_up() else { return };
    let mut program = house.start(&["run", FILE]);
    program.freeze_when(&house.bench, is_measuring);
    program.kill();
    let args = ["rehearse", "--runtime", "process", "experiments/small.toml"];
    house.gridrun(&args).ends_with_code(0);
    assert!(house.runs());
    assert_eq!(house.promises(), 0);
}

#[test]
fn a_run_yields_when_production_is_started_by_other_hands() {
    let _together = turn::together();
    let Some(house) = House::set_up() else { return };
    // Long enough to be noticed.
    house.bench.edit(FILE, "iterations = 3", "iterations = 300");
    let mut program = house.start(&["run", FILE]);
    program.freeze_when(&house.bench, is_measuring);
    house.daemon().order(&house.id, "start");
    program.thaw();
    assert_eq!(program.end().code(), Some(7));
    assert!(house.runs());
    assert_eq!(house.returned()["return"], "by-other-hands");
    let events = house.bench.events();
    let ended = events
        .iter()
        .find(|event| event["event"] == "run-ended")
        .unwrap();
    let because = ended["ending"]["because"].as_str().unwrap();
    assert!(because.contains("by other hands"), "{because}");
    assert_eq!(house.bench.containers().len(), 0);
}

#[test]
fn what_was_stopped_stays_stopped_and_what_is_broken_is_not_touched() {
    let _together = turn::together();
    let Some(house) = House::set_up() else { return };
    let wrong = house
        .bench
        .folder
        .gridrun_with(&["run", FILE], &[(KEY.0, "sk-wrong")])
        .ends_with_code(5);
    assert!(wrong.err.contains("nothing was stopped"), "{}", wrong.err);
    assert!(house.runs());
    let unset = house.bench.folder.gridrun(&["run", FILE]).ends_with_code(2);
    assert!(unset.err.contains(KEY.0), "{}", unset.err);
    house.daemon().order(&house.id, "stop");
    house.gridrun(&["run", FILE]).ends_with_code(0);
    assert!(!house.runs());
    assert_eq!(house.returned()["return"], "left-stopped");
}

#[test]
fn a_production_that_does_not_come_back_is_the_loudest_line_and_an_exit_code() {
    let _together = turn::together();
    let Some(house) = House::set_up() else { return };
    let mut program = house.start(&["run", FILE]);
    program.freeze_when(&house.bench, is_measuring);
    house.daemon().remove(&house.id).unwrap();
    program.thaw();
    assert_eq!(program.end().code(), Some(9));
    let report = house.bench.report();
    let first = report.lines().next().unwrap();
    assert!(first.contains("IS DOWN"), "{first}");
    assert!(first.contains(&house.name), "{first}");
    assert_eq!(house.promises(), 1, "restore may still be asked");
    house.gridrun(&["restore"]).ends_with_code(9);
}

#[test]
fn a_service_of_compose_is_found_by_its_labels_and_given_back() {
    let _together = turn::together();
    let Some(house) = House::of_compose() else {
        return;
    };
    let mut program = house.start(&["run", FILE]);
    program.freeze_when(&house.bench, is_measuring);
    assert!(!house.runs());
    program.thaw();
    assert_eq!(program.end().code(), Some(0));
    assert!(house.runs());
    assert_eq!(house.returned()["return"], "healthy");
}
