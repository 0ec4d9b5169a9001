//! `gridrun resume` after a kill -9 that left a container.

use serde_json::Value;

use crate::bench::{Bench, FILE, expected_outcomes};
use crate::daemon::Container;
use crate::program::{is_measuring, n_settled};
use crate::turn;

type Moment = fn(&[Value], &[Container]) -> bool;

#[test]
fn a_killed_run_leaves_its_container_and_resume_removes_it_and_repeats_nothing_settled() {
    let moments: [(&str, Moment); 2] = [
        ("as soon as there is a container", |_, containers| {
            !containers.is_empty()
        }),
        ("during a node of a later attempt", |events, containers| {
            n_settled(events) > 0 && is_measuring(events, containers)
        }),
    ];
    for (when, is_moment) in moments {
        let _alone = turn::alone();
        let Some(bench) = Bench::set_up() else { return };
        let mut program = bench.start(&["rehearse", FILE]);
        program.freeze_when(&bench, is_moment);
        program.kill();
        let before = bench.outcomes();
        let left = bench.containers();
        let [container] = left.as_slice() else {
            panic!("killed {when}, one container expected: {left:?}")
        };
        assert_eq!(container.label("gridrun.run"), bench.run_id());

        bench.folder.gridrun(&["resume"]).ends_with_code(0);
        assert_eq!(bench.containers().len(), 0, "killed {when}");
        assert_eq!(bench.outcomes(), expected_outcomes(), "killed {when}");
        let events = bench.events();
        for cell in before.keys() {
            let n_started = events
                .iter()
                .filter(|event| {
                    event["event"] == "attempt-started" && event["cell_name"] == cell.as_str()
                })
                .count();
            assert_eq!(n_started, 1, "{cell} was started again, killed {when}");
        }
        let swept: Vec<_> = events
            .iter()
            .filter(|event| event["event"] == "swept")
            .collect();
        assert!(
            swept
                .iter()
                .any(|event| event.to_string().contains(&bench.run_id())),
            "killed {when}: {swept:?}"
        );
        bench.folder.gridrun(&["resume"]).ends_with_code(2);
    }
}
