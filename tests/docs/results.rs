//! `docs/RESULTS.md` cannot go stale: every file, field, event and column that the program
//! writes is named there, and its example events are read back as they stand.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gridrun::event::{EventKind, RunEvent};
use gridrun::id::{AttemptId, AttemptNo, CellId, RunId, sha256_hex};
use gridrun::manifest::imported::{Imported, Proof, Provenance};
use gridrun::manifest::{Engines, HostFacts, Manifest, RunEnding, RunRecord, SourceCopy};
use gridrun::measure::metric::Stat;
use gridrun::measure::profiling::{AlertBounds, ProfilingBuilder};
use gridrun::measure::sample::{GpuCard, GpuReading, InFlight, Sample, SamplePart};
use gridrun::outcome::{Race, RuntimeFacts};
use gridrun::plan::check::check;
use gridrun::store::layout::RunDir;
use gridrun::store::parquet;
use gridrun::time_scale::TimeScale;
use gridrun::{report, spec};
use polars::prelude::{ParquetReader, SerReader};
use serde_json::Value;

use crate::{read, source};

const PAGE: &str = "docs/RESULTS.md";
/// It has linked flags, an exclude, named cells, gates, a use case, volumes and variables.
const EXPERIMENT: &str = "experiments/medium.toml";

#[test]
fn every_file_of_a_run_is_on_the_page() {
    let page = read(PAGE);
    let dir = RunDir::at(PathBuf::from("RUN"));
    let attempt = AttemptId {
        cell: CellId::of("any"),
        number: AttemptNo(1),
    };
    let files = [
        dir.manifest(),
        dir.journal(),
        dir.lock(),
        dir.prompts(),
        dir.prompts_hash(),
        dir.engine_log(&attempt),
        dir.requests(&attempt, 0),
        dir.samples(&attempt, 0),
        dir.profiling(&attempt),
        dir.metrics(&attempt),
    ];
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let in_table = page
            .lines()
            .any(|line| line.starts_with("| `") && line.contains(&format!("{name}` |")));
        assert!(in_table, "{PAGE} has no row for the file {name}");
    }
}

#[test]
fn every_column_of_the_requests_is_on_the_page() {
    let bytes = parquet::requests(&[], Path::new("requests.parquet")).unwrap();
    all_on_page("requests.parquet", &columns(bytes));
}

#[test]
fn every_column_of_the_samples_is_on_the_page() {
    let bytes = parquet::samples(&SamplePart::default(), Path::new("samples.parquet")).unwrap();
    all_on_page("samples.parquet", &columns(bytes));
}

#[test]
fn every_field_of_a_profiling_is_on_the_page() {
    let mut profiling = ProfilingBuilder::new(
        vec![GpuCard::default()],
        None,
        Duration::from_secs(1),
        AlertBounds::default(),
        TimeScale::ONE,
        false,
    );
    for second in 0..2 {
        let reading = GpuReading {
            power_w: Some(999.0),
            ..GpuReading::default()
        };
        profiling.push(Sample {
            at_ns: second * 1_000_000_000,
            node: Some("decode".to_owned()),
            in_flight: Some(InFlight {
                waiting: 0,
                streaming: 1,
            }),
            gpus: Some(vec![Some(reading)]),
            ..Sample::default()
        });
    }
    let profiling = serde_json::to_value(profiling.profiling()).unwrap();
    let mut names = BTreeSet::new();
    field_names(&profiling, &mut names);
    // These name a node, a state and a quantity.
    for name in ["decode", "power_w"] {
        assert!(names.remove(name), "{names:?}");
    }
    all_named("gpu_profiling.json", &names);
}

#[test]
fn every_column_of_the_frame_is_on_the_page() {
    let record = record();
    let experiment = &record.manifest.experiment;
    let axes: Vec<String> = experiment
        .axes
        .iter()
        .map(|axis| axis.knob.to_string())
        .collect();
    let columns: BTreeSet<String> = columns(report::build(&record).parquet())
        .into_iter()
        .filter(|column| !axes.iter().any(|axis| column.starts_with(&row(axis))))
        .map(|mut column| {
            for case in &experiment.use_cases {
                let own = format!("use-case.{}.", case.name);
                column = column.replace(&own, "use-case.NAME.");
            }
            for workload in &experiment.workloads {
                for metric in workload.metrics() {
                    let own = format!("`{}.{}.", workload.name, metric.name);
                    column = column.replace(&own, "`NODE.METRIC.");
                }
            }
            for stat in Stat::ALL {
                let own = format!("`NODE.METRIC.{}.", stat.name());
                column = column.replace(&own, "`NODE.METRIC.STAT.");
            }
            column
        })
        .collect();
    assert!(columns.len() > 20, "{columns:?}");
    all_on_page(
        "frame.csv` and `frame.parquet",
        &columns.into_iter().collect::<Vec<_>>(),
    );
}

#[test]
fn every_field_of_the_manifest_is_on_the_page() {
    let mut manifest = serde_json::to_value(record().manifest).unwrap();
    // The settings of a workload are on the page of its kind.
    let workloads = manifest["experiment"]["workloads"].as_array_mut().unwrap();
    for workload in workloads {
        let kind = workload["spec"]["kind"].clone();
        workload["spec"] = serde_json::json!({ "kind": kind });
    }
    let mut names = BTreeSet::new();
    field_names(&manifest, &mut names);
    assert!(names.len() > 80, "{names:?}");
    all_named("run.json", &names);
}

#[test]
fn every_field_of_the_json_report_is_on_the_page() {
    let report: Value = serde_json::from_str(&report::build(&record()).json()).unwrap();
    let fields = report.as_object().unwrap().keys();
    let rows: Vec<String> = fields.map(|field| row(field)).collect();
    all_on_page("report.json", &rows);
}

#[test]
fn every_event_has_an_example_that_is_read_back_as_it_stands() {
    let section = section("journal.jsonl");
    let examples: Vec<&str> = section
        .lines()
        .filter(|line| line.starts_with("{\""))
        .collect();
    let mut kinds = BTreeSet::new();
    let mut names = BTreeSet::new();
    for line in examples {
        let event: RunEvent =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"));
        assert_eq!(serde_json::to_string(&event).unwrap(), line);
        let value: Value = serde_json::from_str(line).unwrap();
        kinds.insert(value["event"].as_str().unwrap().to_owned());
        field_names(&value, &mut names);
    }
    assert_eq!(kinds, event_kinds());
    all_named("journal.jsonl", &names);
}

/// Every kind of event, as the reader of journals lists them when it meets another.
fn event_kinds() -> BTreeSet<String> {
    let unknown = serde_json::json!({ "event": "" });
    let error = serde_json::from_value::<EventKind>(unknown).unwrap_err();
    let kinds: BTreeSet<String> = error
        .to_string()
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|kind| !kind.is_empty())
        .map(str::to_owned)
        .collect();
    assert!(kinds.contains("attempt-settled"), "{error}");
    kinds
}

/// A run of the experiment in which nothing has happened yet.
fn record() -> RunRecord {
    let loaded = spec::load(source(EXPERIMENT), &mut |name| {
        Ok(source(&format!("profiles/{name}.toml")))
    });
    let checked = check(loaded).unwrap_or_else(|_| panic!("{EXPERIMENT} has errors"));
    let text = &checked.sources.experiment.text;
    let started_at = jiff::Timestamp::UNIX_EPOCH;
    let manifest = Manifest {
        format: Manifest::FORMAT,
        gridrun: env!("CARGO_PKG_VERSION").to_owned(),
        run: RunId::new(started_at, 0),
        started_at,
        sources: vec![SourceCopy {
            path: EXPERIMENT.to_owned(),
            sha256: sha256_hex(text.as_bytes()),
            copy: "experiment.toml".to_owned(),
        }],
        experiment: checked.experiment,
        cells: checked.cells,
        node_order: checked.node_order,
        engines: Engines::Docker,
        speed: TimeScale::ONE,
        scenario: None,
        runtime: RuntimeFacts::default(),
        host: HostFacts::default(),
        night: None,
        prior_noise: Vec::new(),
        consolidated: vec![RunId::new(started_at, 1)],
    };
    RunRecord {
        manifest,
        settled: Vec::new(),
        skipped: Vec::new(),
        race: Race::default(),
        ending: RunEnding::Open,
        production: None,
        imported: vec![Imported {
            cell: None,
            proof: Proof::Unproved,
            outcome: "measured".to_owned(),
            from: Provenance {
                file: "their.csv".to_owned(),
                sha256: sha256_hex(b""),
                place: "row 1".to_owned(),
                tool: "table".to_owned(),
                version: None,
                model: None,
                at: None,
                load: None,
                notes: Vec::new(),
            },
            numbers: BTreeMap::from([("NAME".to_owned(), 1.0)]),
        }],
    }
}

#[test]
fn every_field_of_an_imported_row_is_on_the_page() {
    let mut names = BTreeSet::new();
    let mut row = serde_json::to_value(&record().imported[0]).unwrap();
    row["from"]["notes"] = serde_json::json!(["a note"]);
    row["numbers"] = serde_json::json!({});
    field_names(&row, &mut names);
    assert!(names.len() > 10, "{names:?}");
    all_named("imported.json", &names);
}

/// The columns of a Parquet file as the page's rows begin.
fn columns(bytes: Vec<u8>) -> Vec<String> {
    let frame = ParquetReader::new(Cursor::new(bytes)).finish().unwrap();
    let schema = frame.schema();
    schema
        .iter()
        .map(|(name, dtype)| format!("{} {dtype} |", row(name)))
        .collect()
}

fn row(name: &str) -> String {
    format!("| `{name}` |")
}

/// Names of all fields, without those that the user gives (flags, variables, metrics).
fn field_names(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                names.insert(name.clone());
                match (name.as_str(), field) {
                    ("flags" | "env" | "metrics", Value::Object(given)) => {
                        given.values().for_each(|field| field_names(field, names));
                    }
                    _ => field_names(field, names),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| field_names(item, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The part of the page under a heading.
fn section(heading: &str) -> String {
    let page = read(PAGE);
    let start = format!("\n## `{heading}`\n");
    let (_, rest) = page
        .split_once(&start)
        .unwrap_or_else(|| panic!("{PAGE} has no section `{heading}`"));
    rest.split("\n## ").next().unwrap_or(rest).to_owned()
}

#[track_caller]
fn all_on_page(heading: &str, rows: &[String]) {
    let section = section(heading);
    let missing: Vec<&String> = rows
        .iter()
        .filter(|row| !section.lines().any(|line| line.starts_with(row.as_str())))
        .collect();
    assert!(
        missing.is_empty(),
        "{PAGE}, `{heading}`, has no rows that begin with {missing:#?}"
    );
}

#[track_caller]
fn all_named(heading: &str, names: &BTreeSet<String>) {
    let section = section(heading);
    // Inside of code, as a whole word.
    let code: Vec<&str> = section
        .lines()
        .filter(|line| !line.starts_with("{\""))
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .collect();
    let is_named = |name: &String| {
        code.iter().any(|code| {
            code.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-'))
                .any(|word| word == name)
        })
    };
    let missing: Vec<&String> = names.iter().filter(|name| !is_named(name)).collect();
    assert!(
        missing.is_empty(),
        "{PAGE}, `{heading}`, does not name {missing:?}"
    );
}
