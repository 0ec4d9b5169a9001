//! What is watched beside the nodes of a run, with the cards of an imagined management library.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use polars::prelude::DataFrame;
use serde_json::Value;

use crate::folder::{Folder, KV_CACHE, Ran};
use crate::stored;

#[path = "../data/nvml/stub.rs"]
mod stub;

use stub::Stub;

const ONE_CELL: &str = "profile = \"fast\"\n[matrix]\ngpu-mem = [0.9]\n";

fn folder() -> Folder {
    let folder = Folder::new();
    let profile = folder.read("profiles/fast.toml");
    let with_cards = profile.replace("[engine]\n", "[engine]\ngpus = \"all\"\n");
    folder.write("profiles/fast.toml", &with_cards);
    folder.write("experiments/small.toml", &format!("{ONE_CELL}{KV_CACHE}"));
    folder
}

fn rehearse(folder: &Folder, stub: Option<&Stub>, speed: &str) -> Ran {
    let args = [
        "rehearse",
        "--runtime",
        "process",
        "--speed",
        speed,
        "experiments/small.toml",
    ];
    let library = stub.map(Stub::path);
    let library = library.as_ref().map(|path| path.to_str().unwrap());
    match library {
        Some(library) => folder.gridrun_with(&args, &[("GRIDRUN_NVML_LIBRARY", library)]),
        None => folder.gridrun(&args),
    }
}

/// The folder of the run's first attempt.
fn attempt(folder: &Folder) -> PathBuf {
    let run = folder.runs().remove(0);
    let mut attempts: Vec<PathBuf> = std::fs::read_dir(run.join("attempts"))
        .unwrap()
        .map(|attempt| attempt.unwrap().path())
        .collect();
    attempts.sort();
    attempts.remove(0)
}

fn profiling(attempt: &Path) -> Value {
    let text = std::fs::read_to_string(attempt.join("gpu_profiling.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn samples(attempt: &Path) -> DataFrame {
    stored::read(&attempt.join("samples.parquet"))
}

/// Rows in which a column has a value.
fn n_known(samples: &DataFrame, column: &str) -> usize {
    samples.height() - samples.column(column).unwrap().null_count()
}

fn report(folder: &Folder) -> String {
    std::fs::read_to_string(folder.runs().remove(0).join("report.md")).unwrap()
}

/// A process that is no engine of ours.
struct Stranger(Child);

impl Stranger {
    fn new() -> Self {
        Self(Command::new("sleep").arg("600").spawn().unwrap())
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn cards_host_engine_and_gauges_are_kept_and_told() {
    let stub = Stub::new(
        "cards 2\n0.utilisation 99\n1.utilisation 10\n1.temperature 91\n0.power 260500\n\
         0.throttle 0x4\n",
    );
    let folder = folder();
    rehearse(&folder, Some(&stub), "1").ends_with_code(0);
    let attempt = attempt(&folder);
    let samples = samples(&attempt);
    for column in [
        "gpu_utilisation_pct",
        "gpu_power_w",
        "gpu_throttle",
        "host_memory_used_bytes",
    ] {
        // A busy machine may answer too late for some.
        assert!(n_known(&samples, column) > 0, "{column}");
    }
    for column in [
        "node",
        "state",
        "engine_memory_bytes",
        "kv_cache_pct",
        "host_cpu_pct",
    ] {
        assert!(n_known(&samples, column) > 0, "{column}");
    }
    assert_eq!(n_known(&samples, "gpu_energy_j"), 0);

    let profiling = profiling(&attempt);
    assert_eq!(profiling["stand_in"], true);
    assert_eq!(profiling["gpus"][1]["uuid"], "GPU-1");
    assert_eq!(profiling["gpus"][0]["summary"]["power_w"]["mean"], 260.5);
    let node = &profiling["nodes"]["kv-cache"];
    assert!(
        node["all"]["gpus"][0]["energy"]["joules"].as_f64().unwrap() > 0.0,
        "{node}"
    );
    assert_eq!(node["flaws"].as_array().unwrap().len(), 0);
    let alerts: Vec<&str> = profiling["alerts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|alert| alert["kind"].as_str().unwrap())
        .collect();
    assert!(alerts.contains(&"utilisation-above") && alerts.contains(&"temperature-above"));

    let report = report(&folder);
    assert!(report.contains("up to 91 °C, above 85 °C"), "{report}");
    assert!(report.contains("ran into its power limit"), "{report}");
    let manifest = std::fs::read_to_string(folder.runs()[0].join("run.json")).unwrap();
    assert!(
        manifest.contains("Imagined 24 GB, driver 580.65.06"),
        "{manifest}"
    );
}

#[test]
fn without_a_library_host_and_engine_are_told_and_the_cards_are_null() {
    let folder = folder();
    rehearse(&folder, None, "1").ends_with_code(0);
    let attempt = attempt(&folder);
    let samples = samples(&attempt);
    // The first beat, the start and the end of the node.
    assert!(samples.height() >= 3);
    assert_eq!(
        (n_known(&samples, "gpu"), n_known(&samples, "gpu_power_w")),
        (0, 0)
    );
    assert!(n_known(&samples, "host_memory_used_bytes") > 0);
    let report = report(&folder);
    assert!(
        report.contains("No GPU was watched: stand-in engines use none."),
        "{report}"
    );
    assert!(report.contains("engine memory, max (GiB)"), "{report}");
}

#[test]
fn a_stranger_on_a_card_makes_the_node_invalid_and_is_named() {
    let stranger = Stranger::new();
    let stub = Stub::new(&format!("0.compute {}:2147483648\n", stranger.pid()));
    let folder = folder();
    rehearse(&folder, Some(&stub), "1").ends_with_code(3);
    let named = format!(
        "a foreign process used GPU 0: sleep (process {}, 2048 MiB)",
        stranger.pid()
    );
    let finished: Vec<Value> = folder
        .journal()
        .into_iter()
        .filter(|event| event["event"] == "node-finished")
        .collect();
    assert!(!finished.is_empty());
    for event in finished {
        assert_eq!(event["report"]["status"]["status"], "invalid", "{event}");
        assert_eq!(event["report"]["status"]["because"], named.as_str());
    }
    assert_eq!(
        profiling(&attempt(&folder))["nodes"]["kv-cache"]["flaws"][0],
        named.as_str()
    );
    assert!(report(&folder).contains(&format!("sleep (process {}", stranger.pid())));
}

#[test]
fn a_card_that_is_too_hot_makes_the_node_invalid() {
    let stub = Stub::new("0.throttle 0x40\n");
    let folder = folder();
    rehearse(&folder, Some(&stub), "1").ends_with_code(3);
    assert!(
        report(&folder).contains("hw-thermal-slowdown"),
        "{}",
        report(&folder)
    );
}

#[test]
fn a_card_that_vanishes_is_noted_and_the_other_is_watched_on() {
    // Its first reading is the look at what cards there are, its second that of the memory
    // before the start.
    let stub = Stub::new("cards 2\n1.lost 1 from 4\n");
    let folder = folder();
    rehearse(&folder, Some(&stub), "1").ends_with_code(0);
    let attempt = attempt(&folder);
    let notes = profiling(&attempt)["notes"].to_string();
    assert!(notes.contains("GPU 1 stopped answering"), "{notes}");
    let samples = samples(&attempt);
    let n_of = |card: u64| {
        let cards = samples.column("gpu").unwrap().u64().unwrap();
        let known = samples.column("gpu_power_w").unwrap().is_not_null();
        let pairs = cards.iter().zip(known.iter());
        pairs
            .filter(|pair| *pair == (Some(card), Some(true)))
            .count()
    };
    assert!(n_of(0) > 1 && n_of(1) <= 1, "{} {}", n_of(0), n_of(1));
    assert!(report(&folder).contains("GPU 1 stopped answering"));
}

#[test]
fn memory_that_does_not_come_back_stops_the_run_and_names_who_holds_it() {
    let stranger = Stranger::new();
    let stub = Stub::new(&format!(
        "0.memory_used 524288000\n0.memory_used 9663676416 from 3\n\
         0.graphics {}:9139388416 from 5\n",
        stranger.pid()
    ));
    let folder = folder();
    // The 120 s are the engine's.
    let ran = rehearse(&folder, Some(&stub), "100").ends_with_code(7);
    let named = format!("on it are sleep (process {}, 8716 MiB)", stranger.pid());
    assert!(
        ran.err.contains("GPU 0 still holds 8716 MiB more"),
        "{}",
        ran.err
    );
    assert!(ran.err.contains(&named), "{}", ran.err);
    let last = folder.journal().pop().unwrap();
    assert_eq!(last["ending"]["how"], "stopped", "{last}");
}
