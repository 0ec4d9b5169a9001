//! When a run with real engines must not take production: nothing is stopped, and it says why.

use std::time::Duration;

use crate::bench::{FILE, PROFILE};
use crate::house::{House, KEY};
use crate::turn;

#[path = "../data/nvml/stub.rs"]
mod stub;

/// The run is refused with this in its words, and production runs on.
fn refused(house: &House, because: &str) {
    let ran = house.gridrun(&["run", FILE]).ends_with_code(5);
    assert!(ran.err.contains(because), "{}", ran.err);
    assert!(house.runs());
    assert_eq!(house.promises(), 0);
}

fn in_production(house: &House, lines: &str) {
    let section = format!("[production]\n{lines}\n");
    house.bench.edit(PROFILE, "[production]\n", &section);
}

#[test]
fn in_the_hours_of_blackout_and_too_late_for_restore_by_nothing_is_stopped() {
    let _together = turn::together();
    let Some(house) = House::set_up() else { return };
    in_production(&house, "blackout = [\"00:00-12:00\", \"12:00-00:00\"]");
    refused(&house, "must not be stopped from");

    // Two minutes are kept to clear the cards.
    let soon = jiff::ZonedDateTime::now()
        .checked_add(Duration::from_secs(120))
        .unwrap();
    let by = soon.strftime("%H:%M");
    house.bench.edit(
        PROFILE,
        "blackout = [\"00:00-12:00\", \"12:00-00:00\"]",
        &format!("restore-by = \"{by}\""),
    );
    refused(&house, &format!("must serve by {by}: no time is left"));
}

#[test]
fn a_stranger_on_the_gpus_is_named_and_production_is_left_alone() {
    let _together = turn::together();
    let Some(house) = House::set_up() else { return };
    house
        .bench
        .edit(PROFILE, "[engine]\n", "[engine]\ngpus = \"all\"\n");
    // This process holds 8 GiB of the only card.
    let script = format!(
        "cards 1\n0.compute {}:{}\n",
        std::process::id(),
        8_u64 << 30
    );
    let stub = stub::Stub::new(&script);
    let library = stub.path();
    let env = [KEY, ("GRIDRUN_NVML_LIBRARY", library.to_str().unwrap())];
    let args = ["run", FILE];
    let ran = house
        .bench
        .folder
        .gridrun_with(&args, &env)
        .ends_with_code(5);
    let expected = format!("somebody holds the GPUs: process {}", std::process::id());
    assert!(ran.err.contains(&expected), "{}", ran.err);
    assert!(ran.err.contains("8192 MiB"), "{}", ran.err);
    assert!(house.runs());
    assert_eq!(house.promises(), 0);
}
