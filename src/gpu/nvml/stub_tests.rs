//! NVML through its C interface, with an imagined library behind it.

#[path = "../../../tests/data/nvml/stub.rs"]
mod stub;

pub(super) use stub::Stub;

use crate::gpu::nvml::NvmlGpu;
use crate::measure::sample::{GpuContext, GpuReading, Throttle};
use crate::runner::meter::Gpu;
use crate::spec::profile::Gpus;

fn watch(stub: &Stub, gpus: &Gpus) -> NvmlGpu {
    NvmlGpu::open(Some(&stub.path()), gpus).unwrap()
}

#[test]
fn a_card_tells_everything_in_our_units() {
    let stub = Stub::new(
        "0.utilisation 83\n0.memory_utilisation 51\n0.memory_used 9663676416\n0.temperature 71\n\
         0.power 245500\n0.energy 123456\n0.sm_clock 1695\n0.memory_clock 9501\n0.throttle 0x24\n\
         0.compute own:8589934592 1:unknown\n0.graphics own:5 77:104857600\n",
    );
    let gpu = watch(&stub, &Gpus::All);
    let [card] = &gpu.cards()[..] else { panic!() };
    assert_eq!(
        (card.index, card.memory_total_bytes, card.power_limit_w),
        (0, Some(24 << 30), Some(350.0))
    );
    assert_eq!(
        (card.name.as_deref(), card.uuid.as_deref()),
        (Some("Imagined 24 GB"), Some("GPU-0"))
    );
    assert_eq!(gpu.describe(), ["Imagined 24 GB, driver 580.65.06"]);
    assert_eq!(gpu.absence(), None);
    let readings = gpu.read();
    let [Some(reading)] = &readings[..] else {
        panic!("{readings:?}")
    };
    let processes = reading.processes.clone().unwrap();
    assert_eq!(
        GpuReading {
            processes: None,
            ..reading.clone()
        },
        GpuReading {
            utilisation_pct: Some(83.0),
            memory_utilisation_pct: Some(51.0),
            memory_used_bytes: Some(9 << 30),
            temperature_c: Some(71.0),
            power_w: Some(245.5),
            energy_j: Some(123.456),
            sm_clock_mhz: Some(1695.0),
            memory_clock_mhz: Some(9501.0),
            throttle: Some(Throttle(0x24)),
            processes: None,
        }
    );
    let told: Vec<_> = processes
        .iter()
        .map(|process| (process.pid, process.memory_bytes, process.context))
        .collect();
    use GpuContext::{Compute, Graphics};
    // One that draws and computes is one that computes.
    assert_eq!(
        told,
        [
            (std::process::id(), Some(8 << 30), Compute),
            (1, None, Compute),
            (77, Some(100 << 20), Graphics)
        ]
    );
    assert!(processes[0].name.is_some());
}

#[test]
fn what_a_card_does_not_tell_is_unknown_and_keeps_nothing_else_back() {
    let stub = Stub::new(
        "0.utilisation unsupported\n0.power unsupported\n0.throttle unsupported\n\
         0.compute unsupported\n0.temperature 44\n",
    );
    let readings = watch(&stub, &Gpus::All).read();
    let reading = readings[0].as_ref().unwrap();
    assert_eq!(
        (reading.utilisation_pct, reading.power_w, reading.energy_j),
        (None, None, None)
    );
    assert_eq!(
        (reading.throttle, reading.temperature_c),
        (None, Some(44.0))
    );
    assert_eq!(reading.processes.as_deref(), Some(&[][..]));
    stub.says("0.compute unsupported\n0.graphics unsupported\n");
    assert_eq!(
        watch(&stub, &Gpus::All).read()[0]
            .as_ref()
            .unwrap()
            .processes,
        None
    );
}

#[test]
fn a_card_that_vanishes_is_missed_and_found_again() {
    let stub = Stub::new("cards 2\n1.lost 1 from 3\n1.lost 0 from 5\n");
    let gpu = watch(&stub, &Gpus::All);
    let mut seen = Vec::new();
    for _ in 0..2 {
        let readings = gpu.read();
        seen.push((readings[0].is_some(), readings[1].is_some()));
    }
    assert_eq!(seen, [(true, true), (true, false)]);
    // It is asked by its place: nobody counts its readings while it is away.
    stub.says("cards 2\n");
    assert!(gpu.read().iter().all(Option::is_some));
}

#[test]
fn the_cards_are_those_that_the_profile_gives_the_engine() {
    let stub = Stub::new("cards 4\n");
    let indices = |gpus: &Gpus| -> Vec<u32> {
        let cards = watch(&stub, gpus).cards();
        cards.iter().map(|card| card.index).collect()
    };
    let ids = |ids: &[&str]| Gpus::Ids(ids.iter().map(|id| (*id).to_owned()).collect());
    assert_eq!(indices(&Gpus::All), [0, 1, 2, 3]);
    assert_eq!(indices(&Gpus::Count(2)), [0, 1]);
    assert_eq!(indices(&ids(&["3", "GPU-1"])), [1, 3]);
    for (gpus, because) in [
        (Gpus::None, "the profile gives the engine none"),
        (ids(&["GPU-9"]), "the driver knows none of those"),
    ] {
        let error = NvmlGpu::open(Some(&stub.path()), &gpus).unwrap_err();
        assert!(error.starts_with(because), "{error}");
    }
}

#[test]
fn a_library_that_cannot_be_used_says_why() {
    let because = |script: &str| {
        let stub = Stub::new(script);
        NvmlGpu::open(Some(&stub.path()), &Gpus::All).unwrap_err()
    };
    assert!(because("init 9\n").contains("driver is not loaded"));
    assert!(because("init 18\n").contains("two versions"));
    assert!(because("init 999\n").contains("failed: "));
    let nowhere = std::path::Path::new("/nowhere/libnvidia-ml.so.1");
    assert!(
        NvmlGpu::open(Some(nowhere), &Gpus::All)
            .unwrap_err()
            .contains("not installed")
    );
}
