//! An experiment, a manifest and cells around a table of attempts, so that the code which decides
//! runs decides it too. Nothing of it is ever started.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use crate::id::{CellId, RunId};
use crate::manifest::{Engines, HostFacts, Manifest};
use crate::matrix::cell::{Cell, SetBy, Setting};
use crate::measure::metric::{Availability, MetricDef, Scale, Shape, Stat, Unit, WorkloadKind};
use crate::outcome::RuntimeFacts;
use crate::spec::diagnostic::Span;
use crate::spec::experiment::{
    Axis, Experiment, Gate, Objective, Pruning, RunSettings, Strategy, Workload,
};
use crate::spec::flag::{FlagValue, Knob};
use crate::spec::profile::{EngineProfile, Gpus, Network, Profile, RuntimeChoice};
use crate::spec::workload::WorkloadSpec;
use crate::spec::workload::command::{CommandSpec, Output, Place};
use crate::time_scale::TimeScale;

/// The one node of a table.
pub(super) const NODE: &str = "recorded";

pub(super) fn cell(id: CellId, name: &str, coordinates: Vec<(Knob, FlagValue)>) -> Cell {
    let flags = coordinates.iter().filter_map(|(knob, value)| match knob {
        Knob::Flag(flag) => {
            let setting = Setting {
                value: value.clone(),
                by: SetBy::Axis,
            };
            Some((flag.clone(), setting))
        }
        Knob::Env(_) => None,
    });
    Cell {
        id,
        name: name.to_owned(),
        flags: flags.collect(),
        coordinates,
        env: BTreeMap::new(),
        memory: None,
    }
}

/// A metric of a table is what a built-in one of its name is, and else a ratio.
fn definition(name: &str) -> MetricDef {
    let plain = name.rsplit('.').find(|part| part.parse::<Stat>().is_err());
    let mut built_in = WorkloadKind::ALL
        .into_iter()
        .flat_map(WorkloadKind::metrics);
    let known = built_in.find(|def| Some(def.name.as_ref()) == plain);
    MetricDef {
        name: Cow::Owned(name.to_owned()),
        unit: known.map_or(Unit::One, |def| def.unit),
        scale: known.map_or(Scale::Ratio, |def| def.scale),
        shape: Shape::Scalar,
        availability: Availability::EveryCell,
        meaning: Cow::Borrowed("a number of the table"),
    }
}

pub(super) fn experiment(
    axes: &[Knob],
    metrics: &[&str],
    objectives: Vec<Objective>,
    gates: Vec<Gate>,
) -> Experiment {
    let axis = |knob: &Knob| Axis {
        knob: knob.clone(),
        values: Vec::new(),
        at: Span::default(),
    };
    let spec = CommandSpec {
        run: Vec::new(),
        place: Place::Host,
        timeout: Duration::ZERO,
        output: Output::Stdout,
        pass_env: Vec::new(),
        mapping: Vec::new(),
        metrics: metrics.iter().map(|name| definition(name)).collect(),
    };
    Experiment {
        name: "replay".to_owned(),
        profile: profile(),
        axes: axes.iter().map(axis).collect(),
        whens: Vec::new(),
        named_cells: Vec::new(),
        excludes: Vec::new(),
        workloads: vec![Workload {
            name: NODE.to_owned(),
            after: Vec::new(),
            spec: WorkloadSpec::Command(spec),
            at: Span::default(),
        }],
        gates,
        objectives,
        use_cases: Vec::new(),
        run: RunSettings {
            repeats: 1,
            seed: 1,
            equivalence: 0.02,
            deadline: None,
            token_times: Default::default(),
            strategy: Strategy::Exhaustive,
            pruning: Pruning::ByProof,
            retries_invalid: 0,
            reuse: None,
        },
    }
}

/// Nothing is started: only the axes of a table mean anything.
fn profile() -> Profile {
    Profile {
        name: "replay".to_owned(),
        engine: EngineProfile {
            runtime: RuntimeChoice::Docker,
            image: None,
            model: String::new(),
            gpus: Gpus::None,
            shm: None,
            ipc_host: false,
            memory: None,
            ulimits: Vec::new(),
            network: Network::Host,
            volumes: Vec::new(),
            flags: Vec::new(),
            env: Vec::new(),
            ready_timeout: Duration::ZERO,
            stop_timeout: Duration::ZERO,
            request_timeout: Duration::ZERO,
        },
        stand_in: None,
        sampling: Default::default(),
        production: None,
    }
}

/// A manifest of an experiment in which nothing is started.
pub fn nothing(name: &str) -> Manifest {
    let mut experiment = experiment(&[], &[], Vec::new(), Vec::new());
    name.clone_into(&mut experiment.name);
    experiment.workloads.clear();
    let mut manifest = manifest(experiment, Vec::new());
    manifest.node_order.clear();
    manifest
}

pub(super) fn manifest(experiment: Experiment, cells: Vec<Cell>) -> Manifest {
    Manifest {
        format: Manifest::FORMAT,
        gridrun: env!("CARGO_PKG_VERSION").to_owned(),
        run: RunId::new(jiff::Timestamp::UNIX_EPOCH, 0),
        started_at: jiff::Timestamp::UNIX_EPOCH,
        experiment,
        cells,
        node_order: vec![NODE.to_owned()],
        sources: Vec::new(),
        engines: Engines::Docker,
        speed: TimeScale::ONE,
        scenario: None,
        night: None,
        prior_noise: Vec::new(),
        consolidated: Vec::new(),
        runtime: RuntimeFacts::default(),
        host: HostFacts::default(),
    }
}
