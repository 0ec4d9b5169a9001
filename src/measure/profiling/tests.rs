//! Profiles of samples made by hand.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::measure::activity::EngineState;
use crate::measure::sample::{
    ContainerReading, EngineGauges, GpuCard, GpuContext, GpuProcess, GpuReading, HostReading,
    InFlight, Owner, Sample, Throttle,
};
use crate::time_scale::TimeScale;

const SECOND: u64 = 1_000_000_000;

fn card(index: u32) -> GpuCard {
    GpuCard {
        index,
        memory_total_bytes: Some(24 << 30),
        ..GpuCard::default()
    }
}

fn builder(n_cards: u32) -> ProfilingBuilder {
    ProfilingBuilder::new(
        (0..n_cards).map(card).collect(),
        None,
        Duration::from_secs(1),
        AlertBounds::default(),
        TimeScale::ONE,
        false,
    )
}

fn at(second: u64, node: Option<&str>, state: EngineState, gpu: GpuReading) -> Sample {
    Sample {
        at_ns: second * SECOND,
        node: node.map(str::to_owned),
        in_flight: Some(in_flight(state)),
        gpus: Some(vec![Some(gpu)]),
        ..Sample::default()
    }
}

fn in_flight(state: EngineState) -> InFlight {
    let (waiting, streaming) = match state {
        EngineState::Idle => (0, 0),
        EngineState::Prefill => (1, 0),
        EngineState::Decode => (0, 1),
        EngineState::Mixed => (1, 1),
    };
    InFlight { waiting, streaming }
}

fn busy(utilisation: f64, power: f64) -> GpuReading {
    GpuReading {
        utilisation_pct: Some(utilisation),
        power_w: Some(power),
        memory_used_bytes: Some(20 << 30),
        temperature_c: Some(60.0),
        throttle: Some(Throttle(0)),
        ..GpuReading::default()
    }
}

fn stranger(pid: u32) -> GpuProcess {
    GpuProcess {
        pid,
        name: Some("python3".to_owned()),
        memory_bytes: Some(2 << 30),
        context: GpuContext::Compute,
        owner: Owner::Stranger,
    }
}

#[test]
fn each_state_of_a_node_has_its_own_numbers_and_the_node_has_all_of_them() {
    let mut profile = builder(1);
    use EngineState::{Decode, Idle, Prefill};
    for (second, state, utilisation, power) in [
        (10, Idle, 0.0, 50.0),
        (11, Prefill, 100.0, 250.0),
        (12, Decode, 60.0, 150.0),
        (13, Decode, 80.0, 200.0),
        (14, Idle, 10.0, 50.0),
    ] {
        profile.push(at(second, Some("n"), state, busy(utilisation, power)));
    }
    let profile = profile.profiling();
    let node = &profile.nodes["n"];
    let utilisation = |state: &StateProfiling| state.gpus[0].summary["utilisation_pct"];
    assert_eq!(
        node.states.keys().collect::<Vec<_>>(),
        ["decode", "idle", "prefill"]
    );
    let decode = utilisation(&node.states["decode"]);
    assert_eq!(
        (decode.n, decode.mean, decode.min, decode.max),
        (2, 70.0, 60.0, 80.0)
    );
    assert!((decode.sd.unwrap() - 200.0_f64.sqrt()).abs() < 1e-9);
    assert_eq!(utilisation(&node.states["prefill"]).sd, None);
    assert_eq!(
        (utilisation(&node.all).n, utilisation(&node.all).mean),
        (5, 50.0)
    );
    // Each sample stands for the second before it; the first has none.
    assert_eq!(node.states["decode"].time_ms, 2000.0);
    assert_eq!(node.states["decode"].share, Some(0.5));
    assert_eq!(node.states["idle"].share, Some(0.25));
    // (50 + 250) / 2 + (250 + 150) / 2 + (150 + 200) / 2 + (200 + 50) / 2.
    let energy = node.all.gpus[0].energy.unwrap();
    assert_eq!(
        (energy.joules, energy.over_ms, energy.by),
        (650.0, 4000.0, EnergySource::Power)
    );
    let decode = node.states["decode"].gpus[0].energy.unwrap();
    assert_eq!(decode.joules, 375.0);
    assert_eq!(profile.gpus[0].over_all.summary["utilisation_pct"].n, 5);
}

#[test]
fn energy_is_the_counters_where_there_is_one_and_no_guess_over_a_gap() {
    let counted = |joules| GpuReading {
        energy_j: Some(joules),
        ..busy(50.0, 100.0)
    };
    let energy = |samples: &[(u64, GpuReading)]| {
        let mut profile = builder(1);
        for (second, reading) in samples {
            profile.push(at(*second, Some("n"), EngineState::Decode, reading.clone()));
        }
        let all = &profile.profiling().nodes["n"].all;
        all.gpus[0]
            .energy
            .map(|energy| (energy.joules, energy.over_ms, energy.by))
    };
    use EnergySource::{Counter, Power};
    let cases = [
        (
            vec![(0, counted(1000.0)), (9, counted(1500.0))],
            Some((500.0, 9000.0, Counter)),
        ),
        (
            vec![(0, busy(1.0, 100.0)), (3, busy(1.0, 100.0))],
            Some((300.0, 3000.0, Power)),
        ),
        (vec![(0, busy(1.0, 100.0)), (4, busy(1.0, 100.0))], None),
        // The driver was loaded anew: the counter began again.
        (
            vec![(0, counted(1000.0)), (1, counted(5.0))],
            Some((100.0, 1000.0, Power)),
        ),
        (
            vec![
                (0, counted(1000.0)),
                (1, counted(1070.0)),
                (2, busy(1.0, 100.0)),
            ],
            Some((170.0, 2000.0, Power)),
        ),
        (vec![(0, busy(1.0, 100.0))], None),
    ];
    for (samples, expected) in cases {
        assert_eq!(energy(&samples), expected, "{samples:?}");
    }
}

#[test]
fn what_lies_between_nodes_belongs_to_none() {
    let mut profile = builder(1);
    profile.push(at(1, Some("a"), EngineState::Decode, busy(50.0, 100.0)));
    profile.push(at(2, None, EngineState::Idle, busy(50.0, 100.0)));
    profile.push(at(3, Some("b"), EngineState::Idle, busy(50.0, 100.0)));
    profile.push(at(4, Some("b"), EngineState::Idle, busy(50.0, 100.0)));
    let profile = profile.profiling();
    assert_eq!(profile.nodes["a"].all.time_ms, 0.0);
    assert_eq!(profile.nodes["a"].all.gpus[0].energy, None);
    assert_eq!(profile.nodes["a"].all.share, None);
    assert_eq!(profile.nodes["b"].all.time_ms, 1000.0);
    assert_eq!(profile.gpus[0].over_all.energy.unwrap().joules, 300.0);
}

#[test]
fn a_bound_that_is_passed_raises_its_alert_and_one_that_is_met_does_not() {
    let reading = |utilisation, memory: f64, temperature, power| GpuReading {
        utilisation_pct: Some(utilisation),
        memory_used_bytes: Some((memory / 100.0 * (24_u64 << 30) as f64) as u64),
        temperature_c: Some(temperature),
        power_w: Some(power),
        ..GpuReading::default()
    };
    let kinds = |state, reading: GpuReading| {
        let mut profile = builder(1);
        profile.push(at(1, Some("n"), state, reading));
        let alerts = profile.profiling().alerts;
        alerts.iter().map(Alert::text).collect::<Vec<_>>()
    };
    use EngineState::{Decode, Idle};
    let calm = Vec::<String>::new();
    assert_eq!(kinds(Decode, reading(50.0, 95.0, 85.0, 250.0)), calm);
    assert_eq!(kinds(Decode, reading(98.0, 10.0, 30.0, 50.0)), calm);
    // Idle cards need not work, and may be hot and full.
    assert_eq!(
        kinds(Idle, reading(0.0, 96.0, 86.0, 300.0)),
        [
            "GPU 0: 96.0 % of its memory in use, above 95 %",
            "GPU 0: up to 86 °C, above 85 °C"
        ]
    );
    assert_eq!(
        kinds(Decode, reading(49.0, 10.0, 30.0, 251.0)),
        [
            "GPU 0: mean utilisation while requests were in flight 49 %, below 50 %",
            "GPU 0: mean power while requests were in flight 251 W, above 250 W"
        ]
    );
    assert_eq!(
        kinds(Decode, reading(99.0, 10.0, 30.0, 50.0)),
        ["GPU 0: highest utilisation 99 %, above 98 %"]
    );
    assert_eq!(kinds(Decode, GpuReading::default()), calm);
}

#[test]
fn a_stranger_and_a_slowdown_make_a_node_invalid_and_no_other() {
    let mut profile = builder(1);
    let with = |processes, throttle| GpuReading {
        processes: Some(processes),
        throttle: Some(Throttle(throttle)),
        ..busy(90.0, 100.0)
    };
    profile.push(at(1, Some("calm"), EngineState::Decode, with(vec![], 0x4)));
    profile.push(at(
        2,
        Some("crowded"),
        EngineState::Decode,
        with(vec![stranger(42)], 0),
    ));
    profile.push(at(
        3,
        Some("crowded"),
        EngineState::Decode,
        with(vec![stranger(42)], 0),
    ));
    profile.push(at(4, Some("hot"), EngineState::Decode, with(vec![], 0x20)));
    profile.push(at(5, Some("hot"), EngineState::Decode, with(vec![], 0x1)));
    let texts = |node| {
        profile
            .flaws(node)
            .iter()
            .map(Flaw::text)
            .collect::<Vec<_>>()
    };
    assert_eq!(texts("calm"), Vec::<String>::new());
    assert_eq!(
        texts("crowded"),
        ["a foreign process used GPU 0: python3 (process 42, 2048 MiB)"]
    );
    assert_eq!(
        texts("hot"),
        [
            "GPU 0 slowed its clocks down to protect itself in 50 % of the samples (sw-thermal-slowdown)"
        ]
    );
    let profile = profile.profiling();
    assert_eq!(profile.nodes["hot"].flaws, texts("hot"));
    assert_eq!(
        profile.notes,
        ["`calm`: GPU 0 ran into its power limit in 100 % of the samples"]
    );
}

#[test]
fn a_moment_of_heat_in_a_long_node_is_a_remark() {
    for (n, is_flaw) in [(99, true), (101, false)] {
        let mut profile = builder(1);
        for second in 0..n {
            let throttle = if second == 50 { 0x40 } else { 0 };
            let reading = GpuReading {
                throttle: Some(Throttle(throttle)),
                ..GpuReading::default()
            };
            profile.push(at(second, Some("n"), EngineState::Decode, reading));
        }
        assert_eq!(!profile.flaws("n").is_empty(), is_flaw, "{n}");
        assert_eq!(profile.profiling().notes.is_empty(), is_flaw, "{n}");
    }
}

#[test]
fn memory_that_was_not_settled_makes_every_node_invalid() {
    let mut profile = builder(1);
    profile.not_settled(0, 3 << 30);
    let because: Vec<String> = profile.flaws("any").iter().map(Flaw::text).collect();
    assert_eq!(
        because,
        ["GPU 0 held 3072 MiB more before the start than before the first start of the run"]
    );
}

#[test]
fn a_card_that_vanishes_is_noted_once_with_its_instant() {
    let mut profile = builder(2);
    for (second, second_card) in [(1, true), (2, false), (3, false), (4, true)] {
        let gone = second_card.then(|| busy(50.0, 100.0));
        profile.push(Sample {
            at_ns: second * SECOND,
            gpus: Some(vec![Some(busy(50.0, 100.0)), gone]),
            ..Sample::default()
        });
    }
    // Nobody had the time to look: that says nothing of the card.
    profile.push(Sample {
        at_ns: 5 * SECOND,
        ..Sample::default()
    });
    let profile = profile.profiling();
    assert_eq!(
        profile.notes,
        [
            "GPU 1 stopped answering 2.0 s after the engine was ordered",
            "GPU 1 answered again after 4.0 s"
        ]
    );
    let n = |position: usize| profile.gpus[position].over_all.summary["utilisation_pct"].n;
    assert_eq!((n(0), n(1)), (4, 2));
}

#[test]
fn a_desktop_and_a_process_of_unknown_owner_are_noted_once() {
    let mut profile = builder(1);
    let mut desktop = stranger(7);
    (desktop.context, desktop.memory_bytes) = (GpuContext::Graphics, Some(100 << 20));
    let unknown = GpuProcess {
        owner: Owner::Unknown,
        ..stranger(8)
    };
    for second in 0..3 {
        let reading = GpuReading {
            processes: Some(vec![desktop.clone(), unknown.clone()]),
            ..GpuReading::default()
        };
        profile.push(at(second, Some("n"), EngineState::Idle, reading));
    }
    assert!(profile.flaws("n").is_empty());
    assert_eq!(
        profile.profiling().notes,
        [
            "GPU 0: python3 (process 7, 100 MiB) shows a desktop there and is taken for harmless",
            "GPU 0: python3 (process 8, 2048 MiB) cannot be told to be the engine's or not"
        ]
    );
}

#[test]
fn without_cards_there_are_host_and_engine_and_no_zero() {
    let mut profile = ProfilingBuilder::new(
        Vec::new(),
        Some("no driver".to_owned()),
        Duration::from_secs(1),
        AlertBounds::default(),
        TimeScale::new(10.0).unwrap(),
        true,
    );
    for second in 0..2 {
        profile.push(Sample {
            at_ns: second * SECOND,
            node: Some("n".to_owned()),
            in_flight: Some(in_flight(EngineState::Mixed)),
            host: Some(HostReading {
                memory_used_bytes: Some(5),
                ..HostReading::default()
            }),
            host_cpu_pct: (second > 0).then_some(25.0),
            container: Some(ContainerReading {
                memory_bytes: Some(7),
                read_bytes: Some(100 * second),
                ..ContainerReading::default()
            }),
            gauges: Some(EngineGauges {
                preemptions: Some(3.0 + second as f64),
                ..EngineGauges::default()
            }),
            ..Sample::default()
        });
    }
    let stored = profile.profiling();
    let all = &stored.nodes["n"].all;
    assert!(stored.gpus.is_empty() && all.gpus.is_empty() && stored.alerts.is_empty());
    assert_eq!(all.time_ms, 10_000.0);
    assert_eq!((all.host["cpu_pct"].n, all.host["cpu_pct"].mean), (1, 25.0));
    assert!(!all.engine.contains_key("cpu_pct") && !all.engine.contains_key("kv_cache_pct"));
    assert_eq!(
        (all.growth["preemptions"], all.growth["read_bytes"]),
        (1.0, 100.0)
    );
    let brief = profile.brief();
    let [node] = brief.nodes.as_slice() else {
        panic!("{brief:?}")
    };
    assert_eq!(node.watched.states, [("mixed".to_owned(), 1.0)].into());
    assert_eq!(
        (node.watched.kv_cache_pct, node.watched.preemptions),
        (None, Some(1.0))
    );
    let json = serde_json::to_string(&stored).unwrap();
    assert_eq!(serde_json::from_str::<Profiling>(&json).unwrap(), stored);
}

proptest! {
    /// Whatever comes, in whatever order: shares add up to one, and nothing is counted twice.
    #[test]
    fn any_samples_of_a_node_are_each_in_one_state(
        states in prop::collection::vec((0_u32..2, 0_u32..2, 1_u64..5, prop::option::of(0.0..400.0)), 1..80)
    ) {
        let mut profile = builder(1);
        let mut now = 0;
        for (waiting, streaming, step, power) in &states {
            now += step;
            let reading = GpuReading { power_w: *power, ..GpuReading::default() };
            profile.push(at(now, Some("n"), EngineState::of(*waiting, *streaming), reading));
        }
        let node = profile.profiling().nodes.remove("n").unwrap();
        prop_assert_eq!(node.all.n_samples, states.len() as u64);
        let n: u64 = node.states.values().map(|state| state.n_samples).sum();
        prop_assert_eq!(n, states.len() as u64);
        if states.len() > 1 {
            let share: f64 = node.states.values().filter_map(|state| state.share).sum();
            prop_assert!((share - 1.0).abs() < 1e-9);
        }
        let joules: f64 = node.states.values().filter_map(|s| s.gpus[0].energy).map(|e| e.joules).sum();
        let whole = node.all.gpus[0].energy.map_or(0.0, |energy| energy.joules);
        prop_assert!((joules - whole).abs() < 1e-6);
    }
}
