//! The runner against fake ports: the order of events, and what each bad day does.

use std::time::Duration;

use crate::decide::fixture;
use crate::diagnose::{FailureClass, Phase};
use crate::matrix::cell::{SetBy, Setting};
use crate::measure::sample::{GpuContext, GpuProcess, Owner};
use crate::outcome::Outcome;
use crate::runner::bench::{Bench, Script, manifest};
use crate::runner::dispatcher::RunError;
use crate::spec::experiment::Pruning;
use crate::spec::flag::{FlagName, FlagValue};
use crate::time_scale::TimeScale;

const KV_TOO_SMALL: Script = Script::Dies {
    log: "(EngineCore pid=7) ERROR 11-24 03:17:00 [core.py:1510] ValueError: No available memory for the cache \
          blocks. Try increasing `gpu_memory_utilization` when initializing the engine.\n",
    exit_code: 1,
    oom_killed: false,
};

#[tokio::test(start_paused = true)]
async fn an_attempt_goes_its_way_in_order() {
    let ran = Bench::new(&["a"], &[Script::Serves]).run().await;
    assert_eq!(
        ran.events,
        [
            "run 0/1",
            "attempt a 1",
            "starting",
            "attesting",
            "measuring",
            "node first",
            "first completed",
            "node second",
            "second completed",
            "stopping",
            "measured",
            "complete",
        ]
    );
    assert_eq!(ran.trace, ["sweep", "start a", "stop gracefully"]);
    assert!(ran.finished.error.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_crash_is_a_finding_and_the_next_cell_goes_on() {
    let ran = Bench::new(&["a", "bb"], &[KV_TOO_SMALL, Script::Serves])
        .run()
        .await;
    let ends: Vec<_> = ran
        .events
        .iter()
        .filter(|e| e.starts_with("infeasible") || *e == "measured")
        .collect();
    assert_eq!(ends, ["infeasible KvCacheTooSmall", "measured"]);
    assert_eq!(ran.events.last().unwrap(), "complete");
}

#[tokio::test(start_paused = true)]
async fn a_dead_cell_is_tried_once_whatever_the_repeats() {
    let mut bench = Bench::new(&["a"], &[KV_TOO_SMALL]);
    bench.manifest = manifest(&["a"], 3, None);
    let ran = bench.run().await;
    assert_eq!(ran.trace, ["sweep", "start a", "stop gracefully"]);
    assert_eq!(ran.events.last().unwrap(), "complete");
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_dies_under_load_is_attributed_to_the_node() {
    let ran = Bench::new(&["a"], &[Script::DiesUnderLoad, Script::Serves])
        .run()
        .await;
    let Outcome::Failed(failure) = &ran.finished.settled[0].outcome else {
        panic!("{:?}", ran.finished.settled[0].outcome);
    };
    assert_eq!(failure.class, FailureClass::EngineDied);
    assert_eq!(failure.node.as_deref(), Some("first"));
    // Nobody can say whose fault it was, so it is tried once more.
    assert!(matches!(
        ran.finished.settled[1].outcome,
        Outcome::Measured(_)
    ));
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_never_becomes_ready_is_stopped_at_the_deadline() {
    let ran = Bench::new(&["a"], &[Script::NeverReady, Script::HealthyOnly])
        .run()
        .await;
    assert_eq!(
        ran.trace,
        [
            "sweep",
            "start a",
            "stop gracefully",
            "start a",
            "stop gracefully"
        ]
    );
    let ends: Vec<_> = ran
        .events
        .iter()
        .filter(|event| event.starts_with("failed"))
        .collect();
    assert_eq!(ends, ["failed NotReady", "failed Unresponsive"]);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_cuts_the_first_look_short_does_not_hide_that_the_engine_is_healthy() {
    let ran = Bench::new(&["a"], &[Script::NeverAnswers, Script::NeverAnswers])
        .run()
        .await;
    let ends: Vec<_> = ran
        .events
        .iter()
        .filter(|event| event.starts_with("failed"))
        .collect();
    assert_eq!(ends, ["failed Unresponsive", "failed Unresponsive"]);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_refuses_for_a_moment_is_not_given_up() {
    let ran = Bench::new(&["a"], &[Script::RefusesForAWhile]).run().await;
    let settled = ran.finished.settled;
    assert_eq!(settled.len(), 1, "{settled:?}");
    let outcome = &settled[0].outcome;
    assert!(matches!(outcome, Outcome::Measured(_)), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn durations_of_an_attempt_are_told_in_the_time_of_its_engine() {
    let mut told = Vec::new();
    for speed in [1.0, 20.0] {
        let mut bench = Bench::new(&["a"], &[Script::Serves]);
        bench.manifest.speed = TimeScale::new(speed).unwrap();
        let settled = bench.run().await.finished.settled.remove(0);
        let Outcome::Measured(measured) = settled.outcome else {
            panic!("{:?}", settled.outcome);
        };
        told.push((measured.ready_after_ms, settled.took_ms));
    }
    // The fakes take what they take, whatever they are told.
    let [plain, fast] = told[..] else {
        panic!("{told:?}")
    };
    assert_eq!(fast, (plain.0 * 20.0, plain.1 * 20.0));
    assert!(plain.0 > 0.0 && plain.1 > 4000.0, "{plain:?}");
}

#[tokio::test(start_paused = true)]
async fn a_fast_engine_is_awaited_for_less_and_never_less_than_a_busy_machine_needs() {
    for (timeout, real, told) in [(600, 30, "10m"), (60, 10, "3m 20s"), (5, 5, "1m 40s")] {
        let mut bench = Bench::new(&["a"], &[Script::NeverReady, Script::NeverReady]);
        bench.manifest.speed = TimeScale::new(20.0).unwrap();
        let engine = &mut bench.manifest.experiment.profile.engine;
        engine.ready_timeout = Duration::from_secs(timeout);
        let settled = bench.run().await.finished.settled.remove(0);
        let Outcome::Failed(failure) = settled.outcome else {
            panic!("{:?}", settled.outcome);
        };
        assert_eq!(settled.took_ms, 20.0 * 1e3 * f64::from(real));
        assert_eq!(
            failure.explanation,
            format!("The engine was not ready after {told}.")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn failed_requests_are_no_measurement_and_descendants_are_skipped() {
    let ran = Bench::new(&["a"], &[Script::FailsRequests, Script::FailsRequests])
        .run()
        .await;
    assert!(
        ran.events.contains(&"second skipped".to_owned()),
        "{:?}",
        ran.events
    );
    assert!(
        ran.finished
            .settled
            .iter()
            .all(|settled| matches!(settled.outcome, Outcome::Failed(_)))
    );
}

#[tokio::test(start_paused = true)]
async fn a_runtime_that_vanishes_is_awaited_and_the_cell_is_not_to_blame() {
    let mut bench = Bench::new(&["a"], &[Script::RuntimeVanishes, Script::Serves]);
    bench.absent_for = 5;
    let ran = bench.run().await;
    assert_eq!(
        ran.trace,
        [
            "sweep",
            "start a",
            "stop gracefully",
            "sweep",
            "sweep",
            "start a",
            "stop gracefully"
        ]
    );
    let ends: Vec<_> = ran
        .events
        .iter()
        .filter(|e| e.starts_with("failed") || *e == "waiting" || *e == "measured")
        .collect();
    assert_eq!(ends, ["failed RuntimeLost", "waiting", "measured"]);
}

#[tokio::test(start_paused = true)]
async fn a_runtime_that_vanishes_twice_costs_no_cell_its_place() {
    let scripts = [
        Script::RuntimeVanishes,
        Script::RuntimeVanishes,
        Script::Serves,
    ];
    let ran = Bench::new(&["a"], &scripts).run().await;
    assert!(matches!(
        ran.finished.settled.last().unwrap().outcome,
        Outcome::Measured(_)
    ));
}

#[tokio::test(start_paused = true)]
async fn a_runtime_that_loses_every_engine_stops_the_run() {
    let scripts = vec![Script::RuntimeVanishes; 4];
    let ran = Bench::new(&["a", "bb"], &scripts).run().await;
    assert!(matches!(
        ran.finished.error,
        Some(RunError::RuntimeFlaps { n: 4, .. })
    ));
}

#[tokio::test(start_paused = true)]
async fn what_was_measured_stays_measured_when_the_engine_cannot_be_stopped() {
    let ran = Bench::new(&["a", "bb"], &[Script::CannotBeStopped])
        .run()
        .await;
    assert_eq!(ran.finished.settled.len(), 1);
    assert!(matches!(
        ran.finished.settled[0].outcome,
        Outcome::Measured(_)
    ));
    assert!(matches!(ran.finished.error, Some(RunError::Runtime(_))));
    assert_eq!(ran.trace.last().unwrap(), "sweep");
}

#[tokio::test(start_paused = true)]
async fn failures_of_earlier_processes_are_forgiven() {
    let refused = Script::Refused("could not select device driver \"\" with capabilities: [[gpu]]");
    let first = Bench::new(&["a"], &[refused.clone(), refused]).run().await;
    assert!(matches!(first.finished.error, Some(RunError::Fuse { .. })));
    let mut bench = Bench::new(&["a"], &[Script::Serves]);
    bench.settled = first.finished.settled;
    let second = bench.run().await;
    assert_eq!(second.events.last().unwrap(), "complete");
    assert!(matches!(
        second.finished.settled.last().unwrap().outcome,
        Outcome::Measured(_)
    ));
}

#[tokio::test(start_paused = true)]
async fn a_runtime_that_never_comes_back_stops_the_run() {
    let mut bench = Bench::new(&["a"], &[Script::RuntimeVanishes]);
    bench.absent_for = u32::MAX;
    let ran = bench.run().await;
    assert!(matches!(
        ran.finished.error,
        Some(RunError::RuntimeLost { .. })
    ));
    assert_eq!(ran.events.last().unwrap(), "stopped");
}

#[tokio::test(start_paused = true)]
async fn two_failures_of_the_machine_in_a_row_blow_the_fuse() {
    let refused = Script::Refused("could not select device driver \"\" with capabilities: [[gpu]]");
    let ran = Bench::new(&["a", "bb", "ccc"], &[refused.clone(), refused])
        .run()
        .await;
    assert!(matches!(
        ran.finished.error,
        Some(RunError::Fuse {
            class: FailureClass::GpuUnavailable,
            ..
        })
    ));
    assert_eq!(
        ran.trace
            .iter()
            .filter(|step| step.starts_with("start"))
            .count(),
        2
    );
}

#[tokio::test(start_paused = true)]
async fn a_wish_to_stop_stops_the_engine_and_settles_the_attempt_as_cancelled() {
    let mut bench = Bench::new(&["a", "bb"], &[Script::Serves]);
    bench.stop_during_node = true;
    let ran = bench.run().await;
    assert_eq!(
        ran.trace,
        ["sweep", ran.trace[1].as_str(), "stop gracefully"]
    );
    assert_eq!(ran.events[ran.events.len() - 2..], ["cancelled", "stopped"]);
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_stops_the_run_and_leaves_no_engine() {
    let whole = Bench::new(&["a"], &[Script::Serves])
        .run()
        .await
        .events
        .len();
    for limit in 0..whole {
        let mut bench = Bench::new(&["a"], &[Script::Serves]);
        bench.journal.full_after = Some(limit);
        let ran = bench.run().await;
        assert!(
            matches!(ran.finished.error, Some(RunError::Store(_))),
            "after {limit} events"
        );
        let started = ran
            .trace
            .iter()
            .filter(|step| step.starts_with("start"))
            .count();
        let stopped = ran
            .trace
            .iter()
            .filter(|step| step.starts_with("stop"))
            .count();
        assert_eq!(started, stopped, "after {limit} events");
    }
}

#[tokio::test(start_paused = true)]
async fn settled_attempts_are_not_run_again() {
    let first = Bench::new(&["a", "bb"], &[Script::Serves, Script::Serves])
        .run()
        .await
        .finished
        .settled;
    let mut bench = Bench::new(&["a", "bb"], &[Script::Serves]);
    let left = first[1].cell_name.clone();
    bench.settled = vec![first[0].clone()];
    let ran = bench.run().await;
    assert_eq!(
        ran.trace,
        [
            "sweep".to_owned(),
            format!("start {left}"),
            "stop gracefully".to_owned()
        ]
    );
    assert_eq!(ran.finished.settled.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_next_engine_waits_for_the_memory_of_the_last() {
    let mut bench = Bench::new(&["a", "bb"], &[Script::Serves, Script::Serves]);
    bench.gpu = vec![500, 9000, 9000, 600];
    assert!(bench.run().await.finished.error.is_none());

    let mut bench = Bench::new(&["a", "bb"], &[Script::Serves]);
    bench.gpu = vec![500, 9000];
    let ran = bench.run().await;
    assert!(matches!(
        ran.finished.error,
        Some(RunError::GpuMemoryHeld { .. })
    ));
    assert_eq!(ran.finished.settled.len(), 1);
}

fn on_the_card(pid: u32) -> GpuProcess {
    GpuProcess {
        pid,
        name: None,
        memory_bytes: None,
        context: GpuContext::Compute,
        owner: Owner::Unknown,
    }
}

#[tokio::test(start_paused = true)]
async fn a_stranger_on_the_card_makes_every_node_invalid_and_the_engines_own_process_none() {
    let mut bench = Bench::new(&["a"], &[Script::Serves]);
    bench.processes = vec![on_the_card(1)];
    let ran = bench.run().await;
    assert!(ran.events.contains(&"first completed".to_owned()));

    let mut bench = Bench::new(&["a"], &[Script::Serves, Script::Serves]);
    bench.processes = vec![on_the_card(1), on_the_card(42)];
    let ran = bench.run().await;
    // What comes after an invalid node is measured all the same.
    for event in ["first is invalid", "second is invalid"] {
        assert!(ran.events.contains(&event.to_owned()), "{:?}", ran.events);
    }
    let settled = &ran.finished.settled[0];
    assert!(matches!(settled.outcome, Outcome::Failed(_)));
    let profiling = settled.profiling.as_ref().unwrap();
    let nodes: Vec<&str> = profiling
        .nodes
        .iter()
        .map(|node| node.node.as_str())
        .collect();
    assert_eq!(nodes, ["first", "second"]);
}

#[tokio::test(start_paused = true)]
async fn memory_above_that_of_the_first_start_makes_an_attempt_invalid() {
    let mut bench = Bench::new(
        &["a", "bb"],
        &[Script::Serves, Script::Serves, Script::Serves],
    );
    // 100 MiB before the first start, back after it; then somebody takes 900 MiB.
    bench.gpu = vec![100, 100, 1000];
    let ran = bench.run().await;
    let invalid: Vec<&String> = ran
        .events
        .iter()
        .filter(|event| event.ends_with("invalid"))
        .collect();
    assert!(ran.events.contains(&"first completed".to_owned()));
    assert!(!invalid.is_empty(), "{:?}", ran.events);
}

#[tokio::test(start_paused = true)]
async fn hits_of_a_cache_that_is_off_are_no_measurement_of_the_cell() {
    let run = async |is_on: bool| {
        let mut bench = Bench::new(&["a"], &[Script::HitsItsCache]);
        let setting = Setting {
            value: FlagValue::Bool(is_on),
            by: SetBy::Axis,
        };
        let flag = FlagName("enable-prefix-caching".to_owned());
        bench.manifest.cells[0].flags.insert(flag, setting);
        bench.run().await.finished.settled.remove(0).outcome
    };
    let Outcome::Infeasible(failure) = run(false).await else {
        panic!("its numbers would stand under the wrong configuration")
    };
    assert_eq!(failure.class, FailureClass::NotAsConfigured);
    assert_eq!(failure.phase, Phase::Serving);
    // Both of its nodes sent one request.
    assert_eq!(
        failure.cause.as_deref(),
        Some(
            "enable-prefix-caching = false, yet 192 prompt tokens of its requests came from the \
             prefix cache"
        )
    );
    assert!(matches!(run(true).await, Outcome::Measured(_)));
}

/// `ccc` and `bb` ask for more than `a`; what dies first settles the others.
fn pruning(scripts: &[Script]) -> Bench {
    let mut bench = Bench::new(&["a", "bb", "ccc"], scripts);
    bench.manifest = manifest(&["a", "bb", "ccc"], 2, None);
    bench.manifest.experiment.run.pruning = Pruning::ByProof;
    bench
}

#[tokio::test(start_paused = true)]
async fn a_cell_that_a_death_proves_dead_is_never_started() {
    // Whichever dies first, those with a longer name die with it.
    let scripts = vec![KV_TOO_SMALL; 3];
    let ran = pruning(&scripts).run().await;
    let told = |prefix: &str| -> Vec<&str> {
        let told = ran
            .events
            .iter()
            .filter_map(|event| event.strip_prefix(prefix));
        told.collect()
    };
    let mut started: Vec<&str> = told("attempt ")
        .into_iter()
        .map(|name| &name[..name.len() - 2])
        .collect();
    let skipped = told("skip ");
    assert!(
        !skipped.is_empty() || started.last() == Some(&"a"),
        "{:?}",
        ran.events
    );
    // Only what asks for less than all that died before it is started at all.
    assert!(
        started.windows(2).all(|two| two[0].len() > two[1].len()),
        "{started:?}"
    );
    assert_eq!(ran.finished.skipped.len(), skipped.len());
    started.extend(skipped);
    started.sort_unstable();
    assert_eq!(started, ["a", "bb", "ccc"]);
    assert_eq!(ran.events.last().unwrap(), "complete");

    // A process that goes on knows it too, and does not say it again.
    let mut bench = pruning(&[]);
    bench.settled = ran.finished.settled;
    bench.skipped = ran.finished.skipped.clone();
    let again = bench.run().await;
    assert_eq!(again.events, [again.events[0].as_str(), "complete"]);
    assert_eq!(again.finished.skipped, ran.finished.skipped);
}

#[tokio::test(start_paused = true)]
async fn without_pruning_every_cell_is_started() {
    let mut bench = pruning(&vec![KV_TOO_SMALL; 3]);
    bench.manifest.experiment.run.pruning = Pruning::Off;
    let ran = bench.run().await;
    assert_eq!(ran.finished.settled.len(), 3);
    assert!(ran.finished.skipped.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_death_on_a_card_that_somebody_else_used_proves_nothing() {
    let mut bench = pruning(&vec![KV_TOO_SMALL; 3]);
    bench.processes = vec![on_the_card(42)];
    let ran = bench.run().await;
    assert_eq!(ran.finished.settled.len(), 3, "{:?}", ran.events);
}

#[tokio::test(start_paused = true)]
async fn a_disturbed_attempt_is_made_again_at_the_end_of_its_block() {
    let run = async |retries: u32, needed: &str| {
        let scripts = [
            Script::IsAskedLate,
            Script::Serves,
            Script::Serves,
            Script::Serves,
        ];
        let mut bench = Bench::new(&["a", "bb"], &[&scripts[..], &[Script::Serves]].concat());
        bench.manifest = manifest(&["a", "bb"], 2, None);
        let experiment = &mut bench.manifest.experiment;
        experiment.run.retries_invalid = retries;
        experiment.gates = vec![fixture::gate(&format!("{needed}.success_rate >= 0.95"))];
        let settled = bench.run().await.finished.settled;
        let starts: Vec<(String, u32)> = settled
            .into_iter()
            .map(|one| (one.cell_name, one.block))
            .collect();
        starts
    };
    let plain = run(1, "first").await;
    assert_eq!(plain.len(), 4, "the first node was valid: {plain:?}");
    assert_eq!(run(0, "second").await, plain);
    let mut expected = plain.clone();
    expected.insert(2, plain[0].clone());
    assert_eq!(run(1, "second").await, expected);
}
