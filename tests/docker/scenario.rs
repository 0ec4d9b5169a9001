//! `gridrun rehearse --scenario` in containers, the kernel's own kills among them.

use crate::bench::Bench;
use crate::scenarios::{Engines, Group, PATIENT, QUICK};
use crate::turn;

fn play(group: &Group) {
    let _together = turn::together();
    let Some(bench) = Bench::set_up() else { return };
    for (path, text) in group.files(Engines::Docker) {
        bench.folder.write(path, &text);
    }
    bench
        .folder
        .gridrun(&[
            "rehearse",
            "experiments/rough.toml",
            "--scenario",
            "scenarios/rough.toml",
        ])
        .ends_with_code(0);
    group.check(&bench.events(), Engines::Docker);
    assert_eq!(bench.containers().len(), 0);
}

#[test]
fn every_way_to_fail_has_its_outcome_and_the_run_goes_on() {
    play(&QUICK);
}

#[test]
fn every_way_to_fail_that_takes_patience_has_its_outcome_too() {
    play(&PATIENT);
}
