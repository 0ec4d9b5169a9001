//! The frame: one row per cell, for machines. Polars stays in this file: it ranks, sorts, and
//! writes CSV and Parquet.
//!
//! Which columns there are follows from the experiment alone, never from what was measured;
//! what was not measured is null. `docs/RESULTS.md` describes them.

use std::collections::BTreeSet;

use polars::prelude::{
    Column, CsvWriter, DataFrame, KeyValueMetadata, NamedFrom, ParquetCompression, ParquetWriter,
    RankMethod, RankOptions, SerWriter, Series, SeriesRank, SortMultipleOptions,
};

use crate::decide::decision::{CellResult, Decision, Ranking};
use crate::decide::plain::plain;
use crate::decide::score::Spread;
use crate::diagnose::Failure;
use crate::manifest::Manifest;
use crate::measure::metric::{MetricRef, Shape, Stat};
use crate::outcome::{Outcome, Standing, Witness};
use crate::spec::experiment::Experiment;
use crate::spec::flag::{FlagValue, Knob};
use crate::time_scale::TimeScale;

mod imported;

/// Version of the frame's columns; stands in the Parquet file's metadata as
/// `gridrun.frame.format`.
pub const FORMAT: u32 = 1;

/// Statistics of a distribution that every frame has; those that objectives and gates name come
/// on top.
const STATS: [Stat; 4] = [Stat::Mean, Stat::P50, Stat::P95, Stat::P99];

/// Ranks from 1, smaller is better, equal ones share the better rank; no score, no rank.
pub fn rank(scores: &[Option<f64>]) -> Vec<Option<u32>> {
    let options = RankOptions {
        method: RankMethod::Min,
        descending: false,
    };
    let ranks = Series::new("score".into(), scores).rank(options, None);
    let ranks = ranks.u32().expect("a rank by order is an index");
    ranks.iter().collect()
}

/// The order of rows: by group, then by score with missing ones last, then as they came.
pub fn sort(groups: &[u32], scores: &[Option<f64>]) -> Vec<usize> {
    let positions: Vec<u32> = (0..groups.len() as u32).collect();
    let options = SortMultipleOptions {
        nulls_last: vec![true],
        maintain_order: true,
        ..SortMultipleOptions::default()
    };
    let sorted = frame(vec![
        Column::new("group".into(), groups),
        Column::new("score".into(), scores),
        Column::new("position".into(), positions),
    ])
    .sort(["group", "score", "position"], options)
    .expect("the sort columns exist");
    let positions = sorted.column("position").expect("the frame has it");
    let positions = positions.u32().expect("it was made of u32");
    positions.iter().flatten().map(|i| i as usize).collect()
}

/// One row per cell, in the order of the report's tables.
#[derive(Debug, Clone)]
pub struct Frame(DataFrame);

impl Frame {
    pub fn of(manifest: &Manifest, decision: &Decision<'_>) -> Self {
        let experiment = &manifest.experiment;
        let rows = Rows {
            decision,
            cells: decision
                .order
                .iter()
                .map(|&index| &decision.cells[index])
                .collect(),
        };
        let mut columns = Columns::default();
        add_identity(&mut columns, &rows, manifest);
        add_axes(&mut columns, &rows, experiment);
        add_ranking(&mut columns, &rows, "", &decision.ranking, experiment);
        for case in &decision.use_cases {
            let name = case.name.expect("a use case has a name");
            let prefix = format!("use-case.{name}.");
            add_ranking(&mut columns, &rows, &prefix, case, experiment);
        }
        for (name, metric) in metrics(manifest) {
            add_metric(&mut columns, &rows, &name, &metric);
        }
        Self(frame(columns.columns))
    }

    /// Comma-separated values with a header; missing is empty. Text is on one line, and what a
    /// spreadsheet would run as a formula has an apostrophe in front.
    pub fn csv(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut guarded = self.0.clone();
        for name in ["cell", "because", "death.cause", "source"] {
            let column = guarded.column(name).expect("every frame has it");
            let text: Vec<Option<String>> = column
                .str()
                .expect("it is text")
                .iter()
                .map(|text| text.map(guard))
                .collect();
            guarded
                .with_column(Column::new(name.into(), text))
                .expect("it has as many rows");
        }
        CsvWriter::new(&mut bytes)
            .finish(&mut guarded)
            .expect("writing to memory does not fail");
        bytes
    }

    /// Parquet, zstd, with [`FORMAT`] in the file's metadata.
    pub fn parquet(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let format = ("gridrun.frame.format".to_owned(), FORMAT.to_string());
        ParquetWriter::new(&mut bytes)
            .with_compression(ParquetCompression::Zstd(None))
            .with_key_value_metadata(Some(KeyValueMetadata::from_static(vec![format])))
            .finish(&mut self.0.clone())
            .expect("writing to memory does not fail");
        bytes
    }
}

fn frame(columns: Vec<Column>) -> DataFrame {
    DataFrame::new_infer_height(columns).expect("columns have one length and distinct names")
}

fn guard(text: &str) -> String {
    let text = plain(text);
    match text.trim_start().starts_with(['=', '+', '-', '@']) {
        true => format!("'{text}"),
        false => text,
    }
}

/// The cells in the order of the rows.
struct Rows<'a> {
    decision: &'a Decision<'a>,
    cells: Vec<&'a CellResult<'a>>,
}

impl<'a> Rows<'a> {
    fn map<T>(&self, of: impl Fn(&'a CellResult<'a>) -> T) -> Vec<T> {
        self.cells.iter().map(|cell| of(cell)).collect()
    }

    /// By the cells' positions in the experiment.
    fn by_index<T>(&self, of: impl Fn(usize) -> T) -> Vec<T> {
        self.decision.order.iter().map(|&index| of(index)).collect()
    }
}

/// Columns under distinct names: an axis or a node may be called like a column of ours, and
/// then the later one gets a number.
#[derive(Default)]
struct Columns {
    columns: Vec<Column>,
    taken: BTreeSet<String>,
}

impl Columns {
    fn add<T, Kind: ?Sized>(&mut self, name: &str, values: T)
    where
        Series: NamedFrom<T, Kind>,
    {
        let name = self.distinct(name);
        self.columns.push(Column::new(name.into(), values));
    }

    fn distinct(&mut self, name: &str) -> String {
        let numbered = (2..).map(|number| format!("{name}.{number}"));
        let name = std::iter::once(name.to_owned())
            .chain(numbered)
            .find(|name| !self.taken.contains(name))
            .expect("numbers do not end");
        self.taken.insert(name.clone());
        name
    }
}

/// Which run this is, who the cell is, how it stands, and how it died.
fn add_identity(columns: &mut Columns, rows: &Rows<'_>, manifest: &Manifest) {
    columns.add("run", rows.map(|_| manifest.run.as_str()));
    columns.add("stand_in", rows.map(|_| manifest.is_stand_in()));
    columns.add(
        "speed",
        rows.map(|_| manifest.stand_in_speed().map(TimeScale::factor)),
    );
    columns.add(
        "rank",
        rows.by_index(|index| rows.decision.ranking.ranks[index]),
    );
    columns.add("cell", rows.map(|cell| cell.cell.name.as_str()));
    columns.add("cell_id", rows.map(|cell| cell.cell.id.as_str()));
    columns.add("standing", rows.map(|cell| standing_name(&cell.standing)));
    columns.add("because", rows.map(|cell| because(&cell.standing)));
    columns.add("n_attempts", rows.map(|cell| cell.tally.n_attempts));
    columns.add("n_measured", rows.map(|cell| cell.tally.n_measured));
    columns.add("n_died", rows.map(|cell| cell.tally.n_died));
    columns.add("n_failed", rows.map(|cell| cell.tally.n_failed));
    columns.add("n_cancelled", rows.map(|cell| cell.tally.n_cancelled));
    columns.add(
        "death.class",
        rows.map(|cell| Some(failure(cell)?.class.name())),
    );
    columns.add(
        "death.phase",
        rows.map(|cell| Some(failure(cell)?.phase.to_string())),
    );
    columns.add(
        "death.stage",
        rows.map(|cell| Some(failure(cell)?.stage?.name())),
    );
    columns.add(
        "death.cause",
        rows.map(|cell| failure(cell)?.cause.as_deref()),
    );
    columns.add(
        "ready_after_ms.mean",
        rows.map(|cell| {
            let times: Vec<f64> = cell
                .starts
                .iter()
                .map(|s| s.measured.ready_after_ms)
                .collect();
            Spread::of(&times).map(|spread| spread.mean)
        }),
    );
    columns.add("proof", rows.map(|_| "gridrun"));
    columns.add("source", rows.map(|cell| imported::sources(cell, manifest)));
}

/// How a cell stands, in one word.
pub fn standing_name(standing: &Standing) -> &'static str {
    match standing {
        Standing::Ranked => "ranked",
        Standing::Rejected { .. } => "rejected",
        Standing::Infeasible { .. } => "infeasible",
        Standing::Skipped { .. } => "skipped",
        Standing::Undecided { .. } => "undecided",
    }
}

/// Why it stands so; `None` where its word or its death says it.
pub fn because(standing: &Standing) -> Option<String> {
    match standing {
        Standing::Ranked | Standing::Infeasible { .. } => None,
        Standing::Rejected { gates } => Some(gates.join("; ")),
        Standing::Skipped { witness } => Some(proved(witness)),
        Standing::Undecided { because } => Some(because.clone()),
    }
}

fn proved(witness: &Witness) -> String {
    let Witness {
        attempt,
        cell_name,
        class,
        rule,
    } = witness;
    format!("proved by {cell_name} ({attempt}), which died of {class}: {rule}")
}

/// The last death of the cell's own making, else the last failure of another's.
pub fn failure<'a>(cell: &'a CellResult<'_>) -> Option<&'a Failure> {
    let last = |own: bool| {
        cell.settled
            .iter()
            .rev()
            .find_map(|settled| match &settled.outcome {
                Outcome::Infeasible(failure) if own => Some(failure),
                Outcome::Failed(failure) if !own => Some(failure),
                _ => None,
            })
    };
    last(true).or_else(|| last(false))
}

fn add_axes(columns: &mut Columns, rows: &Rows<'_>, experiment: &Experiment) {
    for axis in &experiment.axes {
        let values = rows.map(|cell| coordinate(cell, &axis.knob));
        add_axis(columns, &axis.knob.to_string(), &values);
    }
}

fn coordinate<'a>(cell: &CellResult<'a>, knob: &Knob) -> Option<&'a FlagValue> {
    let found = cell.cell.coordinates.iter().find(|(name, _)| name == knob);
    found.map(|(_, value)| value)
}

/// One type per column: whole numbers, numbers, truth values, else text.
fn add_axis(columns: &mut Columns, name: &str, values: &[Option<&FlagValue>]) {
    let all = |is: fn(&FlagValue) -> bool| values.iter().flatten().all(|value| is(value));
    if all(|value| matches!(value, FlagValue::Bool(_))) {
        let values: Vec<Option<bool>> = values.iter().map(|value| as_bool((*value)?)).collect();
        columns.add(name, values);
    } else if all(|value| matches!(value, FlagValue::Int(_))) {
        let values: Vec<Option<i64>> = values.iter().map(|value| as_int((*value)?)).collect();
        columns.add(name, values);
    } else if all(|value| matches!(value, FlagValue::Int(_) | FlagValue::Float(_))) {
        let values: Vec<Option<f64>> = values.iter().map(|value| as_float((*value)?)).collect();
        columns.add(name, values);
    } else {
        let values: Vec<Option<String>> = values
            .iter()
            .map(|value| value.map(ToString::to_string))
            .collect();
        columns.add(name, values);
    }
}

fn as_bool(value: &FlagValue) -> Option<bool> {
    match value {
        FlagValue::Bool(value) => Some(*value),
        _ => None,
    }
}

fn as_int(value: &FlagValue) -> Option<i64> {
    match value {
        FlagValue::Int(value) => Some(*value),
        _ => None,
    }
}

fn as_float(value: &FlagValue) -> Option<f64> {
    match value {
        FlagValue::Int(value) => Some(*value as f64),
        FlagValue::Float(value) => Some(*value),
        _ => None,
    }
}

fn add_ranking(
    columns: &mut Columns,
    rows: &Rows<'_>,
    prefix: &str,
    ranking: &Ranking<'_>,
    experiment: &Experiment,
) {
    if !prefix.is_empty() {
        columns.add(
            &format!("{prefix}rank"),
            rows.by_index(|index| ranking.ranks[index]),
        );
    }
    let spread = |index: usize| ranking.score(index).map(|score| score.spread);
    columns.add(
        &format!("{prefix}score"),
        rows.by_index(|i| spread(i).map(|s| s.mean)),
    );
    columns.add(
        &format!("{prefix}score.sd"),
        rows.by_index(|i| spread(i)?.sd),
    );
    let first = ranking.order.first().copied();
    let behind = |i: usize| Some(ranking.behind(i, first?)? - 1.0);
    columns.add(&format!("{prefix}behind"), rows.by_index(behind));
    let interval = |i: usize| {
        let other = first.filter(|&first| first != i)?;
        let (_, low, high) = ranking.confidence.behind(i, other)?.ratio();
        Some((low - 1.0, high - 1.0))
    };
    let low = rows.by_index(|i| Some(interval(i)?.0));
    columns.add(&format!("{prefix}behind.low"), low);
    let high = rows.by_index(|i| Some(interval(i)?.1));
    columns.add(&format!("{prefix}behind.high"), high);
    let chance = |i: usize| ranking.confidence.chance(i);
    let equivalent = rows.by_index(|i| Some(chance(i)?.equivalent));
    columns.add(&format!("{prefix}chance.equivalent"), equivalent);
    let best = rows.by_index(|i| Some(chance(i)?.best));
    columns.add(&format!("{prefix}chance.best"), best);
    let rank_low = rows.by_index(|i| Some(chance(i)?.ranks.0));
    columns.add(&format!("{prefix}chance.rank.low"), rank_low);
    let rank_high = rows.by_index(|i| Some(chance(i)?.ranks.1));
    columns.add(&format!("{prefix}chance.rank.high"), rank_high);
    let loss = rows.by_index(|i| Some(chance(i)?.expected_loss));
    columns.add(&format!("{prefix}chance.expected_loss"), loss);
    let champion = rows.decision.champion(ranking, experiment);
    let is_champion = rows.by_index(|i| champion == Some(i));
    columns.add(&format!("{prefix}champion"), is_champion);
}

/// Every metric of every node, with the statistics that a frame shows.
pub fn metrics(manifest: &Manifest) -> Vec<(String, MetricRef)> {
    let experiment = &manifest.experiment;
    let objectives = experiment
        .objectives
        .iter()
        .map(|objective| &objective.metric);
    let of_cases = experiment
        .use_cases
        .iter()
        .flat_map(|case| &case.objectives);
    let gates = experiment.gates.iter().map(|gate| &gate.metric);
    let named: Vec<&MetricRef> = objectives
        .chain(of_cases.map(|objective| &objective.metric))
        .chain(gates)
        .collect();

    let mut all = Vec::new();
    for workload in &experiment.workloads {
        for def in workload.metrics() {
            let reference = |stat: Option<Stat>| MetricRef {
                node: workload.name.clone(),
                metric: def.name.to_string(),
                stat,
            };
            match def.shape {
                Shape::Scalar => all.push(reference(None)),
                Shape::Distribution => all.extend(
                    Stat::ALL
                        .into_iter()
                        .map(|stat| (stat, reference(Some(stat))))
                        .filter(|(stat, metric)| STATS.contains(stat) || named.contains(&metric))
                        .map(|(_, metric)| metric),
                ),
            }
        }
    }
    all.into_iter()
        .map(|metric| (metric.to_string(), metric))
        .collect()
}

/// Mean, sample sd and count over the attempts that measured it.
fn add_metric(columns: &mut Columns, rows: &Rows<'_>, name: &str, metric: &MetricRef) {
    let spreads: Vec<Option<Spread>> = rows.map(|cell| Spread::over(metric, &cell.starts));
    let means: Vec<Option<f64>> = spreads.iter().map(|s| Some(s.as_ref()?.mean)).collect();
    let sds: Vec<Option<f64>> = spreads.iter().map(|s| s.as_ref()?.sd).collect();
    let counts: Vec<u32> = spreads
        .iter()
        .map(|s| s.as_ref().map_or(0, |s| s.n))
        .collect();
    columns.add(&format!("{name}.mean"), means);
    columns.add(&format!("{name}.sd"), sds);
    columns.add(&format!("{name}.n"), counts);
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use polars::prelude::{ChunkCompareEq, CsvReader, ParquetReader, SerReader};

    use super::*;
    use crate::decide::fixture;
    use crate::manifest::RunRecord;

    fn frame_of(record: &RunRecord) -> Frame {
        Frame::of(&record.manifest, &Decision::of(record))
    }

    #[test]
    fn ranks_are_shared_and_missing_scores_come_last() {
        let scores = [Some(2.0), None, Some(1.0), Some(2.0)];
        assert_eq!(rank(&scores), [Some(2), None, Some(1), Some(2)]);
        assert_eq!(sort(&[0, 0, 0, 0], &scores), [2, 0, 3, 1]);
        assert_eq!(sort(&[1, 0, 1, 0], &scores), [3, 1, 2, 0]);
        assert!(rank(&[]).is_empty() && sort(&[], &[]).is_empty());
        assert_eq!(rank(&[None, None]), [None, None]);
    }

    #[test]
    fn parquet_gives_back_the_same_frame_and_its_format() {
        let frame = frame_of(&fixture::full());
        let bytes = frame.parquet();
        let mut reader = ParquetReader::new(Cursor::new(&bytes));
        let metadata = reader
            .get_metadata()
            .unwrap()
            .key_value_metadata()
            .clone()
            .unwrap();
        let format = metadata
            .iter()
            .find(|pair| pair.key == "gridrun.frame.format")
            .unwrap();
        assert_eq!(format.value.as_deref(), Some("1"));
        assert!(reader.finish().unwrap().equals_missing(&frame.0));
    }

    #[test]
    fn csv_keeps_what_is_missing_empty() {
        let frame = frame_of(&fixture::full());
        let bytes = frame.csv();
        let read = CsvReader::new(Cursor::new(&bytes)).finish().unwrap();
        assert_eq!(read.shape(), frame.0.shape());
        let mean = "kv-cache.ttft_repeat_ms.p50.mean";
        assert!(
            read.column(mean)
                .unwrap()
                .f64()
                .unwrap()
                .equal_missing(frame.0.column(mean).unwrap().f64().unwrap())
                .all()
        );
        let dead = row_of(&read, "infeasible");
        let cell = |name: &str| read.column(name).unwrap().get(dead).unwrap().to_string();
        for name in ["rank", "score", mean, "kv-cache.hit_rate.mean"] {
            assert_eq!(cell(name), "null", "{name}");
        }
        assert_eq!(
            (cell("n_died"), cell("death.class")),
            ("2".to_owned(), "\"kv_cache_too_small\"".to_owned())
        );
    }

    fn row_of(frame: &DataFrame, standing: &str) -> usize {
        let standings = frame.column("standing").unwrap().str().unwrap();
        standings.iter().position(|s| s == Some(standing)).unwrap()
    }

    #[test]
    fn columns_follow_from_the_experiment_alone() {
        let (full, empty) = (
            frame_of(&fixture::full()),
            frame_of(&fixture::record(vec![])),
        );
        let names = |frame: &Frame| -> Vec<String> {
            frame
                .0
                .get_column_names()
                .into_iter()
                .map(ToString::to_string)
                .collect()
        };
        let metrics = |frame: &Frame| {
            names(frame)
                .into_iter()
                .filter(|n| n.starts_with("kv-cache"))
                .collect::<Vec<_>>()
        };
        assert_eq!(metrics(&full), metrics(&empty));
        assert_eq!(
            full.0
                .column("gpu-memory-utilization")
                .unwrap()
                .dtype()
                .to_string(),
            "f64"
        );
        assert_eq!(
            full.0
                .column("enable-prefix-caching")
                .unwrap()
                .dtype()
                .to_string(),
            "bool"
        );
        for column in ["kv-cache.ttft_repeat_ms.p50.sd", "kv-cache.acceleration.n"] {
            assert!(names(&full).contains(&column.to_owned()), "{column}");
        }
    }

    #[test]
    fn a_name_that_is_taken_gets_a_number() {
        let mut record = fixture::full();
        record.manifest.experiment.axes[0].knob =
            Knob::Flag(crate::spec::flag::FlagName("rank".to_owned()));
        assert!(frame_of(&record).0.column("rank.2").is_ok());
    }

    #[test]
    fn formulas_in_engine_text_do_not_run_in_spreadsheets() {
        assert_eq!(guard("\t=HYPERLINK(\"x\")"), "' =HYPERLINK(\"x\")");
        assert_eq!(
            guard("ValueError: \u{1b}[31mno\nnever"),
            "ValueError: \\u{1b}[31mno never"
        );
    }
}
