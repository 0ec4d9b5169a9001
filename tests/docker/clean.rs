//! `gridrun clean` beside a living run and after a killed one.

use crate::bench::{Bench, FILE, expected_outcomes};
use crate::program::is_measuring;
use crate::turn;

#[test]
fn the_container_of_a_killed_run_goes_and_that_of_a_living_run_stays() {
    let _alone = turn::alone();
    let (Some(living), Some(dead)) = (Bench::set_up(), Bench::set_up()) else {
        return;
    };
    let mut killed = dead.start(&["rehearse", FILE]);
    killed.freeze_when(&dead, is_measuring);
    // Started before the other dies: every start removes what the dead have left.
    let mut program = living.start(&["rehearse", FILE]);
    program.freeze_when(&living, is_measuring);
    killed.kill();
    assert_eq!(dead.containers().len(), 1);
    let kept = living.containers();

    let ran = dead
        .folder
        .gridrun(&["clean", "--format", "json"])
        .ends_with_code(0);
    let said: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let removed = said["found"].to_string();
    assert!(removed.contains(&dead.run_id()), "{said}");
    assert!(!removed.contains(&living.run_id()), "{said}");
    assert_eq!(dead.containers().len(), 0);
    let still = living.containers();
    assert_eq!((kept.len(), still.len()), (1, 1));
    assert_eq!(kept[0].id, still[0].id);
    assert!(still[0].is_running);

    program.thaw();
    assert!(program.end().success());
    assert_eq!(living.outcomes(), expected_outcomes());
    assert_eq!(living.containers().len(), 0);
    // What was cleaned away can be gone on with.
    dead.folder.gridrun(&["resume"]).ends_with_code(0);
    assert_eq!(dead.outcomes(), expected_outcomes());
}
