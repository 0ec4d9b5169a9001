//! Ctrl-C, once and twice.

use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use crate::bench::{Bench, FILE, PROFILE, expected_outcomes};
use crate::folder::eventually;
use crate::program::{is_measuring, phase};
use crate::turn;

#[track_caller]
fn is_interrupted_and_resumable(status: ExitStatus, bench: &Bench) {
    assert_eq!((status.code(), status.signal()), (Some(130), None));
    assert_eq!(bench.containers().len(), 0);
    let last = bench.events().pop().unwrap();
    assert_eq!(
        (&last["event"], &last["ending"]["how"]),
        (&"run-ended".into(), &"stopped".into())
    );
    bench.folder.gridrun(&["resume"]).ends_with_code(0);
    assert_eq!(bench.outcomes(), expected_outcomes());
    assert_eq!(bench.containers().len(), 0);
}

#[test]
fn the_first_ctrl_c_stops_the_engine_and_the_run_can_be_resumed() {
    let _together = turn::together();
    let Some(bench) = Bench::set_up() else { return };
    let mut program = bench.start(&["rehearse", FILE]);
    program.freeze_when(&bench, is_measuring);
    program.interrupt();
    program.thaw();
    is_interrupted_and_resumable(program.end(), &bench);
}

#[test]
fn the_second_ctrl_c_does_not_wait_for_an_engine_that_hangs() {
    let _together = turn::together();
    let Some(bench) = Bench::set_up() else { return };
    // Longer than these tests wait for anything.
    bench.edit(PROFILE, "shm =", "stop-timeout = \"1h\"\nshm =");
    let mut program = bench.start(&["rehearse", FILE]);
    program.freeze_when(&bench, is_measuring);
    bench.daemon.signal(&bench.containers()[0].id, "STOP");
    program.interrupt();
    program.thaw();
    assert!(eventually(|| phase(&bench.events()) == "stopping"));
    program.interrupt();
    is_interrupted_and_resumable(program.end(), &bench);
}

#[test]
fn ctrl_c_ends_a_pull_that_does_not_move() {
    let _together = turn::together();
    let Some(bench) = Bench::set_up() else { return };
    // A registry that takes the daemon's call and never answers.
    let registry = TcpListener::bind("127.0.0.1:0").unwrap();
    let image = format!("{}/none:1", registry.local_addr().unwrap());
    bench.edit(PROFILE, "nowhere.invalid/none:1", &image);
    let program = bench.start(&["run", FILE]);
    registry.set_nonblocking(true).unwrap();
    let mut call = None;
    assert!(eventually(|| {
        call = registry.accept().ok();
        call.is_some()
    }));
    program.interrupt();
    let status = program.end();
    assert_eq!((status.code(), status.signal()), (Some(130), None));
    assert!(bench.folder.runs().is_empty());
    assert_eq!(bench.containers().len(), 0);
}
