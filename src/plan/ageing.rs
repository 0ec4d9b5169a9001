//! Which starts carry the `age` nodes: an engine that is to serve for hours is started for that
//! once, not in every block. In a run, each cell in its start of the last block; in a night one
//! cell, in its last start, which is then the last of the night.

use std::time::Duration;

use crate::manifest::{Manifest, RunRecord};
use crate::plan::blocks::{PlannedAttempt, plan, remaining};
use crate::plan::redo::Redo;
use crate::spec::diagnostic::Diagnostic;
use crate::spec::experiment::{Experiment, Strategy};
use crate::spec::workload::WorkloadSpec;
use crate::spec::workload::load::Extent;

/// The starts of a run, in order: the same for every process that works on it.
pub fn planned(manifest: &Manifest) -> Vec<PlannedAttempt> {
    let run = &manifest.experiment.run;
    let mut places = plan(&manifest.cells, run.repeats, run.seed);
    if manifest.night.is_some() {
        // What the night ends for (its deadline, production by day) ends this one alone.
        places.sort_by_key(|place| (place.block, ages(manifest, place)));
    }
    places
}

/// What is left to start of a run, in order, by what is stored of it.
pub fn left(record: &RunRecord) -> Vec<PlannedAttempt> {
    let planned = planned(&record.manifest);
    let redo = Redo::of(&record.manifest.experiment, planned.len());
    let RunRecord {
        settled,
        skipped,
        race,
        ..
    } = record;
    remaining(&planned, settled, skipped, race, &redo)
}

/// Whether the start in this place carries the `age` nodes.
pub fn ages(manifest: &Manifest, place: &PlannedAttempt) -> bool {
    place.block == manifest.experiment.run.repeats
        && match &manifest.night {
            None => true,
            Some(night) => night.ages.as_ref() == Some(&place.cell),
        }
}

/// The nodes that run in this place, in their order.
pub fn nodes_of(manifest: &Manifest, place: &PlannedAttempt) -> Vec<String> {
    let ages = ages(manifest, place);
    let order = manifest.node_order.iter();
    order
        .filter(|node| ages || !manifest.experiment.is_ageing(node))
        .cloned()
        .collect()
}

/// How long all `age` nodes of a start take together, in the engine's time.
pub fn lasts(experiment: &Experiment) -> Duration {
    let extents = experiment.workloads.iter().map(|node| match &node.spec {
        WorkloadSpec::Age(spec) => match spec.extent {
            Extent::Lasting(lasts) => lasts,
            Extent::Requests(_) => Duration::ZERO,
        },
        _ => Duration::ZERO,
    });
    extents.fold(Duration::ZERO, Duration::saturating_add)
}

/// Nodes that wait for one which most starts do not have, and a strategy by which the start that
/// has it may never come.
pub fn check(experiment: &Experiment) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for workload in &experiment.workloads {
        let waits = workload
            .after
            .iter()
            .find(|before| experiment.is_ageing(&before.node));
        if let Some(before) = waits.filter(|_| !workload.is_ageing()) {
            let message = format!(
                "`{}` comes after `{}`, which runs in few of the starts and at their end",
                workload.name, before.node
            );
            found.push(
                Diagnostic::error(before.at, message)
                    .help("let it come after another node, or after none"),
            );
        }
        if workload.is_ageing() && experiment.run.strategy == Strategy::Race {
            let message = format!(
                "`{}` runs in a cell's start of the last block, which racing spares for most cells",
                workload.name
            );
            found.push(Diagnostic::warning(workload.at, message).help(
                "a cell that was dropped, and all where the race was decided before, do not age",
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture::ageing::ageing as age_node;
    use crate::decide::fixture::{self, Numbers};
    use crate::id::CellId;
    use crate::manifest::NightOrders;
    use crate::spec::experiment::Predecessor;

    /// Three blocks of a, b, c with a node that ages beside the fixture's.
    fn manifest(night: Option<&CellId>) -> Manifest {
        let settled =
            ["a", "b", "c"].map(|cell| fixture::measured(cell, 1, Numbers::new(1.0, 1.0)));
        let mut manifest = fixture::record(settled.to_vec()).manifest;
        manifest.experiment.run.repeats = 3;
        manifest.experiment.workloads.push(age_node("grow"));
        manifest.node_order.push("grow".to_owned());
        manifest.night = night.map(|cell| NightOrders {
            champion: CellId::of("a"),
            ages: Some(cell.clone()),
            promote: false,
            notify: None,
        });
        manifest
    }

    #[test]
    fn nothing_waits_for_it_and_racing_is_told_what_it_spares() {
        let mut experiment = manifest(None).experiment;
        assert!(check(&experiment).is_empty());
        experiment.workloads[0].after = vec![Predecessor {
            node: "grow".to_owned(),
            at: Default::default(),
        }];
        experiment.run.strategy = Strategy::Race;
        let found: Vec<String> = check(&experiment)
            .into_iter()
            .map(|diagnostic| diagnostic.message)
            .collect();
        assert_eq!(
            found,
            [
                "`kv-cache` comes after `grow`, which runs in few of the starts and at their end",
                "`grow` runs in a cell's start of the last block, which racing spares for most cells",
            ]
        );
    }

    fn ageing(manifest: &Manifest) -> Vec<PlannedAttempt> {
        let planned = planned(manifest);
        let ageing = planned.into_iter().filter(|place| ages(manifest, place));
        ageing.collect()
    }

    #[test]
    fn in_a_run_every_cell_ages_in_its_last_start() {
        let manifest = manifest(None);
        let ageing = ageing(&manifest);
        assert_eq!(ageing.len(), manifest.cells.len());
        assert!(ageing.iter().all(|place| place.block == 3));
        let nodes = |block| {
            let planned = planned(&manifest);
            let place = planned.iter().find(|place| place.block == block).unwrap();
            nodes_of(&manifest, place)
        };
        assert_eq!(nodes(1), ["kv-cache"]);
        assert_eq!(nodes(3), ["kv-cache", "grow"]);
    }

    #[test]
    fn in_a_night_one_start_ages_and_is_the_last() {
        for at in 0..3 {
            let cell = manifest(None).cells[at].id.clone();
            let manifest = manifest(Some(&cell));
            let ageing = ageing(&manifest);
            assert_eq!(ageing.len(), 1);
            assert_eq!(ageing[0].cell, cell);
            let planned = planned(&manifest);
            assert_eq!(planned.last(), Some(&ageing[0]));
            assert!(planned.is_sorted_by_key(|place| place.block));
        }
    }
}
