//! Racing as the dispatcher carries it out.

use crate::decide::fixture;
use crate::runner::bench::{Bench, Ran, Script, manifest};
use crate::spec::experiment::Strategy;

#[tokio::test(start_paused = true)]
async fn racing_starts_a_cell_that_missed_a_safety_gate_no_more_also_after_a_kill() {
    let bench = || {
        let mut scripts = vec![Script::RefusesForAWhile];
        scripts.extend(vec![Script::Serves; 4]);
        let mut bench = Bench::new(&["a", "bb"], &scripts);
        bench.manifest = manifest(&["a", "bb"], 3, None);
        let experiment = &mut bench.manifest.experiment;
        experiment.run.strategy = Strategy::Race;
        experiment.gates = vec![fixture::gate("first.success_rate >= 0.95")];
        bench
    };
    let ran = bench().run().await;
    let loser = ran.finished.settled[0].cell_name.clone();
    let starts = |ran: &Ran| -> Vec<(String, u32)> {
        let settled = ran.finished.settled.iter();
        settled
            .map(|one| (one.cell_name.clone(), one.block))
            .collect()
    };
    assert_eq!(starts(&ran).len(), 4, "{:?}", ran.events);
    assert_eq!(starts(&ran).iter().filter(|one| one.0 == loser).count(), 1);
    assert!(
        ran.events.contains(&format!("drop {loser}")),
        "{:?}",
        ran.events
    );
    assert_eq!(ran.events.last().unwrap(), "complete");

    // Killed right after the block, before the drop was written; and after one more start.
    for n in [2, 3] {
        let mut again = bench();
        again.scripts.drain(..n);
        again.settled = ran.finished.settled[..n].to_vec();
        let again = again.run().await;
        assert_eq!(starts(&again), starts(&ran));
        assert_eq!(again.finished.race, ran.finished.race);
    }
}
