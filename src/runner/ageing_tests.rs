//! Nodes that age an engine as the dispatcher carries them out.

use std::time::Duration;

use crate::decide::fixture::ageing::ageing;
use crate::id::CellId;
use crate::manifest::NightOrders;
use crate::measure::kind::stability::Detail;
use crate::measure::node::{NodeDetail, NodeReport, NodeStatus};
use crate::outcome::{Outcome, Settled};
use crate::runner::bench::{Bench, Ran, Script, manifest};

/// Two blocks of two cells, with a node that ages beside the usual two.
fn bench(scripts: &[Script]) -> Bench {
    let mut bench = Bench::new(&["a", "bb"], scripts);
    bench.manifest = manifest(&["a", "bb"], 2, None);
    bench.manifest.experiment.workloads.push(ageing("grow"));
    bench.manifest.node_order.push("grow".to_owned());
    bench
}

fn night_of(mut bench: Bench, ages: &str) -> Bench {
    bench.manifest.night = Some(NightOrders {
        champion: CellId::of("a"),
        ages: Some(CellId::of(ages)),
        promote: false,
        notify: None,
    });
    bench
}

/// The starts that aged, as cell and block, with what the node left.
fn aged(ran: &Ran) -> Vec<(String, u32, &NodeReport)> {
    let of = |one: &'_ Settled| (one.cell_name.clone(), one.block);
    let settled = ran.finished.settled.iter();
    settled
        .filter_map(|one| match &one.outcome {
            Outcome::Measured(measured) => {
                let grow = measured.nodes.iter().find(|report| report.node == "grow")?;
                let (cell, block) = of(one);
                Some((cell, block, grow))
            }
            _ => None,
        })
        .collect()
}

fn detail(report: &NodeReport) -> &Detail {
    match &report.detail {
        Some(NodeDetail::Stability(detail)) => detail,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_ages_each_cell_once_and_a_night_one_start_and_that_last() {
    let ran = bench(&vec![Script::Serves; 4]).run().await;
    let found = aged(&ran);
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|(_, block, _)| *block == 2));
    assert!((detail(found[0].2).lasted_h - 12.0).abs() < 1e-6);

    for ages in ["a", "bb"] {
        let ran = night_of(bench(&vec![Script::Serves; 4]), ages).run().await;
        let found = aged(&ran);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].0.as_str(), found[0].1), (ages, 2));
        assert_eq!(ran.finished.settled.last().unwrap().cell_name, ages);
    }
}

#[tokio::test(start_paused = true)]
async fn a_death_under_age_is_a_finding_beside_what_was_measured_before() {
    let mut scripts = vec![Script::Serves; 3];
    scripts.push(Script::DiesAgeing);
    let ran = night_of(bench(&scripts), "a").run().await;
    assert_eq!(ran.events.last().unwrap(), "complete");
    let found = aged(&ran);
    let (_, _, grow) = found[0];
    let NodeStatus::Failed { because } = &grow.status else {
        panic!("{grow:?}");
    };
    assert!(
        because.starts_with("the engine died 3 h 00 min into it: engine_died"),
        "{because}"
    );
    let death = detail(grow).death.as_ref().unwrap();
    assert!((death.after_ms - 3.0 * 3.6e6).abs() < 60e3, "{death:?}");
    let Outcome::Measured(last) = &ran.finished.settled[3].outcome else {
        panic!("the start was measured");
    };
    let completed = last
        .nodes
        .iter()
        .filter(|report| report.status == NodeStatus::Completed);
    assert_eq!(completed.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_run_cuts_it_short_and_loses_nothing() {
    // Production is wanted again an hour and a half after the start.
    let bench = night_of(bench(&vec![Script::Serves; 4]), "a");
    let cancel = bench.cancel.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(5400)).await;
        cancel.ask_because("production is wanted".to_owned());
    });
    let ran = bench.run().await;
    let found = aged(&ran);
    let NodeStatus::Invalid { because } = &found[0].2.status else {
        panic!("{:?}", found[0].2);
    };
    assert_eq!(because, "cut short after 89.7 min: production is wanted");
    assert_eq!(ran.finished.settled.len(), 4);
    assert_eq!(ran.events.last().unwrap(), "complete");

    // So does a deadline.
    let mut bench = night_of(self::bench(&vec![Script::Serves; 4]), "bb");
    bench.manifest.experiment.run.deadline = Some(Duration::from_secs(3600));
    let ran = bench.run().await;
    let found = aged(&ran);
    assert!(matches!(&found[0].2.status, NodeStatus::Invalid { because }
        if because.ends_with("the deadline has passed")));
    assert!(detail(found[0].2).lasted_h < 1.0);
}
