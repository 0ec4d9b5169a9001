//! What a reader gets of the machine.

use std::time::Duration;

use crate::decide::fixture;
use crate::manifest::RunRecord;
use crate::measure::profiling::{AlertBounds, ProfilingBrief, ProfilingBuilder};
use crate::measure::sample::{
    ContainerReading, EngineGauges, GpuCard, GpuReading, HostReading, InFlight, Sample,
};
use crate::report::build;
use crate::time_scale::TimeScale;

const GIB: u64 = 1 << 30;

/// Four samples of the one node, a second apart: idle, prefill, decode, decode.
fn sampled(n_cards: u32, temperature: f64) -> Box<ProfilingBrief> {
    let cards: Vec<GpuCard> = (0..n_cards)
        .map(|index| GpuCard {
            index,
            memory_total_bytes: Some(24 * GIB),
            ..GpuCard::default()
        })
        .collect();
    let absence = (n_cards == 0).then(|| "NVIDIA's driver is not loaded".to_owned());
    let beat = Duration::from_secs(1);
    let bounds = AlertBounds::default();
    let mut profiling = ProfilingBuilder::new(cards, absence, beat, bounds, TimeScale::ONE, false);
    for (second, (waiting, streaming)) in (0..).zip([(0, 0), (1, 0), (0, 1), (0, 1)]) {
        let gpu = |index: u32| {
            // The second card vanishes.
            (index == 0 || second < 3).then(|| GpuReading {
                utilisation_pct: Some(60.0 + f64::from(second as u32)),
                memory_used_bytes: Some(20 * GIB),
                temperature_c: Some(temperature),
                power_w: Some(200.0),
                sm_clock_mhz: Some(1700.0),
                ..GpuReading::default()
            })
        };
        profiling.push(Sample {
            at_ns: second * 1_000_000_000,
            node: Some("kv-cache".to_owned()),
            in_flight: Some(InFlight { waiting, streaming }),
            gpus: (n_cards > 0).then(|| (0..n_cards).map(gpu).collect()),
            host: Some(HostReading {
                memory_used_bytes: Some(31 * GIB),
                ..HostReading::default()
            }),
            host_cpu_pct: Some(12.0),
            container: Some(ContainerReading {
                memory_bytes: Some(6 * GIB),
                ..ContainerReading::default()
            }),
            engine_cpu_pct: Some(104.0),
            gauges: Some(EngineGauges {
                running: Some(1.0),
                waiting: Some(0.0),
                kv_cache_pct: Some(37.0),
                preemptions: Some(2.0),
            }),
        });
    }
    Box::new(profiling.brief())
}

/// The fixture with both starts of its first cell sampled.
fn record(briefs: [Box<ProfilingBrief>; 2]) -> RunRecord {
    let mut record = fixture::full();
    let a = record.manifest.cells[0].id.clone();
    let starts = record
        .settled
        .iter_mut()
        .filter(|settled| settled.attempt.cell == a);
    for (settled, brief) in starts.zip(briefs) {
        settled.profiling = Some(brief);
    }
    record
}

fn section(markdown: &str) -> String {
    let from = markdown.find("## The GPUs and the host").unwrap();
    let rest = &markdown[from..];
    let end = rest[3..].find("\n## ").map_or(rest.len(), |end| end + 3);
    rest[..end].to_owned()
}

#[test]
fn each_node_has_a_table_of_its_cards_and_one_of_host_and_engine() {
    let report = build(&record([sampled(2, 80.0), sampled(2, 88.0)]));
    let section = section(&report.markdown());
    for line in [
        "| `a`           |   0 |             62 % / 63 % |              20.0 |       88 |             200 / 200 |                 1700 | 0.600 |",
        "| `a`           |   1 |             62 % / 62 % |              20.0 |       88 |             200 / 200 |                 1700 | 0.400 |",
        "- `a` beside `kv-cache`, in start 2: GPU 0: up to 88 °C, above 85 °C",
        "- a (1, 2): GPU 1 stopped answering 3.0 s after the engine was ordered",
    ] {
        assert!(section.contains(line), "{line}\n{section}");
    }
    assert!(!section.contains("No GPU was watched"));
    let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
    let cell = &json["machine"]["nodes"][0]["cells"][0];
    assert_eq!((&cell["cell"], &cell["n_starts"]), (&"a".into(), &2.into()));
    assert_eq!(cell["gpus"][0]["energy_j"], 600.0);
    assert_eq!(
        json["machine"]["alerts"][0]["starts"],
        serde_json::json!([2])
    );
    let terminal = report.terminal(100, false);
    assert!(
        terminal.contains("Bounds that the GPUs passed"),
        "{terminal}"
    );
    assert!(terminal.contains("a beside kv-cache: GPU 0: up to 88 °C, above 85 °C"));
}

#[test]
fn without_cards_the_reason_stands_there_and_the_rest_is_shown() {
    let report = build(&record([sampled(0, 0.0), sampled(0, 0.0)]));
    let section = section(&report.markdown());
    let reason = "No GPU was watched: NVIDIA's driver is not loaded.";
    assert!(section.contains(reason), "{section}");
    assert!(report.terminal(100, false).contains(reason));
    assert!(!section.contains("utilisation"), "{section}");
    let row = section
        .lines()
        .find(|line| line.starts_with("| `a`"))
        .unwrap();
    let cells: Vec<&str> = row.split('|').map(str::trim).collect();
    assert_eq!(
        cells[1..cells.len() - 1],
        [
            "`a`",
            "8",
            "33 / 67 / 0 %",
            "104 % / 104 %",
            "6.00",
            "37 %",
            "1 / 0",
            "0",
            "12 % / 12 %",
            "31.0"
        ]
    );
}

#[test]
fn a_run_without_samples_says_nothing_of_them() {
    let report = build(&fixture::full());
    assert!(!report.markdown().contains("The GPUs and the host"));
    assert!(!report.terminal(100, false).contains("GPU was watched"));
    let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
    assert!(json["machine"].is_null());
}
