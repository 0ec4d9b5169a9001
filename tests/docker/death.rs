//! Engines that are killed from outside: by the kernel, and by somebody.

use crate::bench::{Bench, FILE, PROFILE};
use crate::folder::KV_CACHE;
use crate::program::is_measuring;
use crate::turn;

#[test]
fn a_memory_limit_too_small_is_the_kernels_kill_by_name_and_the_next_cell_goes_on() {
    let _together = turn::together();
    let Some(bench) = Bench::set_up() else { return };
    bench.edit(
        PROFILE,
        "start-up =",
        "host-memory = \"512MiB\"\nstart-up =",
    );
    bench
        .folder
        .write(FILE, &format!("{SQUEEZED}{KV_CACHE}[run]\nrepeats = 2\n"));
    bench.folder.gridrun(&["rehearse", FILE]).ends_with_code(0);
    assert_eq!(bench.containers().len(), 0);

    let settled = bench.settled();
    let dead: Vec<_> = settled
        .iter()
        .filter(|attempt| attempt["cell_name"] == "squeezed")
        .collect();
    let [dead] = dead.as_slice() else {
        panic!("a death of its own making is not tried again: {dead:#?}")
    };
    for (what, expected) in [
        ("outcome", "infeasible"),
        ("class", "host_oom"),
        ("phase", "starting"),
    ] {
        assert_eq!(dead[what], expected, "{what} of {dead:#}");
    }
    assert_eq!(dead["oom_killed"], true, "{dead:#}");
    assert_eq!(dead["end"]["oom_killed"], true, "{dead:#}");
    assert_eq!(dead["end"]["by_itself"], true, "{dead:#}");
    assert_eq!(dead["end"]["exit_code"], 137, "{dead:#}");

    let last = settled.last().unwrap();
    assert_eq!(last["outcome"], "measured", "{last:#}");
    assert_eq!(settled.len(), 3, "{settled:#?}");
    let report = bench.report();
    for expected in ["host_oom", "OOMKilled", "memory limit"] {
        assert!(
            report.contains(expected),
            "`{expected}` is missing in\n{report}"
        );
    }
}

#[test]
fn a_container_that_somebody_kills_is_a_failure_that_is_tried_once_more() {
    let _together = turn::together();
    let Some(bench) = Bench::set_up() else { return };
    let mut program = bench.start(&["rehearse", FILE]);
    program.freeze_when(&bench, is_measuring);
    let attempt = bench.events().pop().unwrap()["attempt"].clone();
    bench.daemon.signal(&bench.containers()[0].id, "KILL");
    program.thaw();
    assert!(program.end().success());
    assert_eq!(bench.containers().len(), 0);

    let settled = bench.settled();
    let of_cell: Vec<_> = settled
        .iter()
        .filter(|other| other["attempt"]["cell"] == attempt["cell"])
        .collect();
    let [killed, again] = of_cell.as_slice() else {
        panic!("one retry expected: {of_cell:#?}")
    };
    assert_eq!(killed["attempt"], attempt);
    for (what, expected) in [
        ("outcome", "failed"),
        ("class", "engine_died"),
        ("consequence", "retry"),
        ("phase", "serving"),
        ("node", "kv-cache"),
    ] {
        assert_eq!(killed[what], expected, "{what} of {killed:#}");
    }
    assert_eq!(killed["end"]["exit_code"], 137, "{killed:#}");
    assert_eq!(killed["end"]["oom_killed"], false, "{killed:#}");
    assert_eq!(again["outcome"], "measured", "{again:#}");
    assert!(bench.report().contains("engine_died"));
}

/// Two cells that differ in their memory alone: `squeezed` has less than an engine of its
/// profile takes. It is started in the first block, and the other one in the second block still.
const SQUEEZED: &str = r#"
profile = "boxed"
[matrix]
prefix = [true]
[[cell]]
name = "squeezed"
set = { prefix = true }
memory = "64MiB"
"#;
