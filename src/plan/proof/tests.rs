use std::collections::BTreeMap;

use super::*;
use crate::decide::fixture::{self, Numbers};
use crate::diagnose::FailureClass;
use crate::manifest::Engines;
use crate::matrix::cell::{SetBy, Setting};
use crate::measure::profiling::ProfilingBrief;
use crate::measure::sample::GpuCard;
use crate::spec::flag::FlagName;

/// Every flag in which some class is monotone, and two in which none is.
const FLAGS: [&str; 10] = [
    "gpu-memory-utilization",
    "max-model-len",
    "max-num-batched-tokens",
    "max-num-seqs",
    "kv-cache-memory-bytes",
    "cpu-offload-gb",
    "kv-offloading-size",
    "swap-space",
    "tensor-parallel-size",
    "block-size",
];

/// What a flag has: nothing, or one of two values.
const LEVELS: [Option<i64>; 3] = [None, Some(1), Some(2)];

fn setting(value: FlagValue) -> Setting {
    let by = SetBy::Axis;
    Setting { value, by }
}

fn cell(name: &str, flags: &[(&str, FlagValue)]) -> Cell {
    let flags = flags.iter().map(|(flag, value)| {
        let flag = FlagName((*flag).to_owned());
        (flag, setting(value.clone()))
    });
    Cell {
        id: CellId::of(name),
        name: name.to_owned(),
        coordinates: Vec::new(),
        flags: flags.collect(),
        env: BTreeMap::new(),
        memory: None,
    }
}

/// All cells over these flags at all levels.
fn grid(flags: &[&str]) -> Vec<Cell> {
    let n = LEVELS.len().pow(flags.len() as u32);
    let at = |mut index: usize| {
        let mut given = Vec::new();
        for flag in flags {
            if let Some(level) = LEVELS[index % LEVELS.len()] {
                given.push((*flag, FlagValue::Int(level)));
            }
            index /= LEVELS.len();
        }
        given
    };
    (0..n)
        .map(|index| cell(&index.to_string(), &at(index)))
        .collect()
}

#[test]
fn a_proof_reaches_everything_beyond_what_it_reaches_and_nothing_before_it() {
    for prune in Prune::ALL {
        let monotone: Vec<&str> = prune.monotone().iter().map(|(flag, _)| *flag).collect();
        let cells = grid(&monotone);
        let proved = |dead: &Cell, cell: &Cell| proves(prune, dead, cell).is_some();
        for (dead, cell) in pairs(&cells) {
            assert_eq!(
                proved(dead, dead),
                prune != Prune::None,
                "what died dies again, and a class that proves nothing proves nothing"
            );
            if !proved(dead, cell) {
                continue;
            }
            assert!(
                dead.flags == cell.flags || !proved(cell, dead),
                "{prune:?}: one of two different cells asks for more"
            );
            for beyond in cells.iter().filter(|beyond| proved(cell, beyond)) {
                assert!(proved(dead, beyond), "{prune:?}: {dead:?} {beyond:?}");
            }
        }
    }
}

#[test]
fn a_proof_never_crosses_a_flag_in_which_its_class_is_not_monotone() {
    for prune in Prune::ALL {
        for flag in FLAGS {
            if prune
                .monotone()
                .iter()
                .any(|(monotone, _)| *monotone == flag)
            {
                continue;
            }
            for (dead, cell) in pairs(&grid(&["max-num-seqs", flag])) {
                let same = dead.flags.get(&FlagName(flag.to_owned()))
                    == cell.flags.get(&FlagName(flag.to_owned()));
                assert!(
                    same || proves(prune, dead, cell).is_none(),
                    "{prune:?} {flag}"
                );
            }
        }
    }
}

fn pairs(cells: &[Cell]) -> impl Iterator<Item = (&Cell, &Cell)> {
    cells
        .iter()
        .flat_map(|dead| cells.iter().map(move |cell| (dead, cell)))
}

#[test]
fn each_class_has_its_own_direction() {
    let cell = |utilisation: f64, seqs: i64, len: i64| {
        cell(
            "a",
            &[
                ("gpu-memory-utilization", FlagValue::Float(utilisation)),
                ("max-num-seqs", FlagValue::Int(seqs)),
                ("max-model-len", FlagValue::Int(len)),
            ],
        )
    };
    let dead = cell(0.9, 32, 8192);
    let rule = |prune, other: &Cell| proves(prune, &dead, other);
    assert_eq!(
        rule(Prune::DeviceOom, &cell(0.95, 64, 8192)).unwrap(),
        "gpu-memory-utilization 0.95 >= 0.9, max-num-seqs 64 >= 32, all else is equal"
    );
    assert_eq!(rule(Prune::DeviceOom, &cell(0.85, 64, 8192)), None);
    assert_eq!(rule(Prune::DeviceOom, &cell(0.9, 32, 16384)), None);
    assert_eq!(
        rule(Prune::KvCache, &cell(0.85, 32, 16384)).unwrap(),
        "gpu-memory-utilization 0.85 <= 0.9, max-model-len 16384 >= 8192, all else is equal"
    );
    assert_eq!(rule(Prune::KvCache, &cell(0.95, 32, 8192)), None);
    assert_eq!(rule(Prune::HostOom, &cell(0.95, 32, 8192)), None);
}

#[test]
fn what_is_not_a_known_size_is_never_larger_than_another() {
    let cell = |value: FlagValue| cell("a", &[("max-model-len", value)]);
    let proved = |dead: FlagValue, other: FlagValue| {
        proves(Prune::KvCache, &cell(dead), &cell(other)).is_some()
    };
    let text = |text: &str| FlagValue::Text(text.to_owned());
    assert!(proved(FlagValue::Int(1), FlagValue::Float(2.0)));
    // -1 lets vLLM choose a length that fits.
    assert!(!proved(FlagValue::Int(-1), FlagValue::Int(4096)));
    assert!(!proved(text("auto"), FlagValue::Int(4096)));
    assert!(!proved(text("4k"), text("8k")));
    assert!(proved(text("4k"), text("4k")));
    assert!(!proved(FlagValue::Default, FlagValue::Int(4096)));
    assert!(!proved(FlagValue::Int(4096), FlagValue::Default));
    let absent = super::tests::cell("a", &[]);
    assert!(proves(Prune::KvCache, &cell(FlagValue::Default), &absent).is_some());
}

#[test]
fn variables_and_the_memory_limit_must_be_the_same() {
    let dead = cell("a", &[("max-num-seqs", FlagValue::Int(1))]);
    let mut other = dead.clone();
    other.memory = Some(1 << 30);
    assert_eq!(proves(Prune::HostOom, &dead, &other), None);
    let mut other = dead.clone();
    let value = setting(FlagValue::Text("1".to_owned()));
    other.env.insert("VLLM_USE_V1".to_owned(), value);
    assert_eq!(proves(Prune::HostOom, &dead, &other), None);
    other
        .env
        .insert("VLLM_USE_V1".to_owned(), setting(FlagValue::Default));
    assert!(proves(Prune::HostOom, &dead, &other).is_some());
}

/// `a` and `b` have more memory than `c`, all with the cache on; `d` has it off. Stand-ins.
fn manifest() -> Manifest {
    let mut manifest = fixture::record(Vec::new()).manifest;
    manifest.engines = Engines::ProcessStandIn;
    let flags = |utilisation: f64, prefix: bool| {
        [
            ("gpu-memory-utilization", FlagValue::Float(utilisation)),
            ("enable-prefix-caching", FlagValue::Bool(prefix)),
        ]
    };
    manifest.cells = vec![
        cell("a", &flags(0.9, true)),
        cell("b", &flags(0.85, true)),
        cell("c", &flags(0.8, true)),
        cell("d", &flags(0.8, false)),
    ];
    manifest
}

fn skipped(manifest: &Manifest, settled: &[Settled]) -> Vec<String> {
    let skips = skips(manifest, settled);
    skips
        .into_iter()
        .map(|skip| {
            let Witness {
                attempt, cell_name, ..
            } = skip.witness;
            format!("{} by {cell_name} {}", skip.cell_name, attempt.number.0)
        })
        .collect()
}

fn too_small(cell: &str) -> Settled {
    fixture::died(cell, 1, FailureClass::KvCacheTooSmall)
}

fn measured(cell: &str) -> Settled {
    fixture::measured(cell, 1, Numbers::new(900.0, 90.0))
}

#[test]
fn what_a_death_proves_is_skipped_with_the_first_witness() {
    let manifest = manifest();
    assert_eq!(skipped(&manifest, &[]), [""; 0]);
    assert_eq!(skipped(&manifest, &[too_small("c")]), [""; 0]);
    let both = [too_small("b"), too_small("a")];
    assert_eq!(skipped(&manifest, &both[..1]), ["c by b 1"]);
    assert_eq!(skipped(&manifest, &both), ["c by b 1"]);
    assert_eq!(
        skipped(&manifest, &both[1..]),
        ["b by a 1", "c by a 1"],
        "but not d, whose cache is off"
    );
    let mut off = manifest.clone();
    off.experiment.run.pruning = Pruning::Off;
    assert_eq!(skipped(&off, &both), [""; 0]);
}

#[test]
fn a_cell_that_lived_is_not_skipped_and_refutes_its_witness() {
    let manifest = manifest();
    let attempts = [measured("b"), too_small("a")];
    assert_eq!(skipped(&manifest, &attempts), [""; 0]);
    // A death that is not certain proves nothing either.
    let attempts = [measured("a"), too_small("a")];
    assert_eq!(skipped(&manifest, &attempts), [""; 0]);
    // One that failed for another reason was not seen to live.
    let failed = fixture::failed("b", 1, FailureClass::EngineDied);
    let attempts = [failed, too_small("a")];
    assert_eq!(skipped(&manifest, &attempts), ["b by a 1", "c by a 1"]);
}

#[test]
fn a_death_proves_nothing_unless_the_memory_was_the_engines_alone() {
    let mut manifest = manifest();
    let watched = |cards: Vec<GpuCard>, not_alone: &[&str]| {
        let mut died = too_small("a");
        died.profiling = Some(Box::new(ProfilingBrief {
            cards,
            without_gpus: None,
            beat_ms: 1000.0,
            n_samples: 1,
            n_missed: 0,
            nodes: Vec::new(),
            alerts: Vec::new(),
            notes: Vec::new(),
            not_alone: not_alone.iter().map(|why| (*why).to_owned()).collect(),
        }));
        [died]
    };
    let card = || vec![GpuCard::default()];
    let held = ["GPU 0 held 900 MiB more before the start"];
    assert_eq!(skipped(&manifest, &watched(card(), &[])).len(), 2);
    assert_eq!(skipped(&manifest, &watched(card(), &held)), [""; 0]);
    manifest.engines = Engines::Docker;
    assert_eq!(skipped(&manifest, &watched(card(), &[])).len(), 2);
    // Nobody could see whether a real card's memory was free.
    assert_eq!(skipped(&manifest, &watched(Vec::new(), &[])), [""; 0]);
    assert_eq!(skipped(&manifest, &[too_small("a")]), [""; 0]);
}

#[test]
fn only_a_death_of_the_cells_own_making_is_a_witness() {
    let manifest = manifest();
    for class in FailureClass::ALL {
        let failed = fixture::failed("a", 1, class);
        assert_eq!(skipped(&manifest, &[failed]), [""; 0], "{class}");
    }
    let cancelled = fixture::cancelled("a", 1);
    assert_eq!(skipped(&manifest, &[cancelled]), [""; 0]);
    let argument = fixture::died("a", 1, FailureClass::BadArgument);
    assert_eq!(skipped(&manifest, &[argument]), [""; 0]);
}
