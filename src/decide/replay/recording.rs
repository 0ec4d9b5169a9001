//! Recorded attempts as a run knows them: from a table that somebody brings, or from a run of
//! gridrun, with the objectives, gates and settings of the replay.
//!
//! Every mistake of a table is named with its row, column and value. Rows are counted from 1, the
//! header not among them.

use std::collections::BTreeMap;

use crate::decide::replay::ask::Asked;
use crate::decide::replay::scaffold;
use crate::diagnose::{Blame, Consequence, Failure, FailureClass, Phase};
use crate::id::{AttemptId, AttemptNo, CellId};
use crate::manifest::{Manifest, RunRecord};
use crate::matrix::cell::Cell;
use crate::measure::metric::{MetricRef, Shape, Stat, WorkloadKind};
use crate::measure::node::{MetricValue, NodeReport, NodeStatus};
use crate::outcome::{EngineFacts, Measured, Outcome, Settled};
use crate::spec::diagnostic::Span;
use crate::spec::experiment::{Experiment, Gate, Objective, OnMiss, RunSettings, Strategy};
use crate::spec::flag::{FlagName, FlagValue, Knob};
use crate::spec::vllm_flags::lookup;

/// A table whose values are text; what is missing is `None`.
#[derive(Debug, Clone, PartialEq)]
pub struct RawTable {
    pub n_rows: usize,
    pub columns: Vec<(String, Vec<Option<String>>)>,
}

/// How it is to be played.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    pub strategy: Strategy,
    /// As many as the most recorded attempts of a cell where `None`.
    pub repeats: Option<u32>,
    /// 1, or the run's own, where `None`.
    pub seed: Option<u64>,
}

/// What can be played.
#[derive(Debug, Clone)]
pub struct Recording {
    pub manifest: Manifest,
    /// In recorded order.
    pub settled: Vec<Settled>,
    /// What a reader must know of the source.
    pub warnings: Vec<String>,
    /// Deaths of configurations that the source does not name.
    pub n_unnamed_dead: u32,
    /// False where an attempt lacks a time: what it costs is then unknown.
    pub has_times: bool,
}

/// A run's own attempts. Its objectives and gates hold where none are asked for.
///
/// # Errors
/// A sentence for each metric that the run does not have.
pub fn of_run(
    record: RunRecord,
    asked: &Asked,
    settings: Settings,
) -> Result<Recording, Vec<String>> {
    let mut manifest = record.manifest;
    let resolve = |name: &str| resolve(&manifest.experiment, name);
    let objectives = objectives(asked, &resolve);
    let gates = gates(asked, &resolve);
    let (objectives, gates) = both(objectives, gates)?;
    if !objectives.is_empty() {
        manifest.experiment.objectives = objectives;
        manifest.experiment.use_cases.clear();
    }
    if !gates.is_empty() {
        manifest.experiment.gates = gates;
    }
    if manifest.experiment.objectives.is_empty() {
        return Err(vec![
            "the run has no objective: name one with --objective".to_owned(),
        ]);
    }
    let settled: Vec<Settled> = record
        .settled
        .into_iter()
        .filter(|one| one.outcome != Outcome::Cancelled)
        .collect();
    apply(&mut manifest.experiment.run, settings, &settled);
    Ok(Recording {
        manifest,
        settled,
        warnings: Vec::new(),
        n_unnamed_dead: 0,
        has_times: true,
    })
}

fn apply(run: &mut RunSettings, settings: Settings, settled: &[Settled]) {
    let mut counts: BTreeMap<&CellId, u32> = BTreeMap::new();
    for one in settled {
        *counts.entry(&one.attempt.cell).or_default() += 1;
    }
    let most = counts.values().max().copied().unwrap_or(1);
    run.strategy = settings.strategy;
    run.repeats = settings.repeats.unwrap_or(most);
    run.seed = settings.seed.unwrap_or(run.seed);
    run.deadline = None;
}

/// `NODE.METRIC[.STAT]` among the experiment's workloads.
fn resolve(experiment: &Experiment, name: &str) -> Option<MetricRef> {
    let mut parts = name.split('.');
    let (node, metric, stat) = (parts.next()?, parts.next()?, parts.next());
    let workload = experiment.workloads.iter().find(|one| one.name == node)?;
    let def = workload.metric(metric)?;
    let stat = match (stat, def.shape) {
        (Some(stat), Shape::Distribution) => Some(stat.parse::<Stat>().ok()?),
        (None, Shape::Distribution) => Some(Stat::P50),
        (None, Shape::Scalar) => None,
        (Some(_), Shape::Scalar) => return None,
    };
    Some(MetricRef {
        node: node.to_owned(),
        metric: metric.to_owned(),
        stat,
    })
}

type Found<T> = Result<Vec<T>, Vec<String>>;

fn both<A, B>(a: Found<A>, b: Found<B>) -> Result<(Vec<A>, Vec<B>), Vec<String>> {
    match (a, b) {
        (Ok(a), Ok(b)) => Ok((a, b)),
        (a, b) => Err([a.err().unwrap_or_default(), b.err().unwrap_or_default()].concat()),
    }
}

fn objectives(asked: &Asked, resolve: &dyn Fn(&str) -> Option<MetricRef>) -> Found<Objective> {
    all(asked.objectives.iter().map(|one| {
        let metric =
            resolve(&one.metric).ok_or_else(|| format!("there is no metric `{}`", one.metric))?;
        Ok(Objective {
            metric,
            goal: one.goal,
            weight: one.weight,
            at: Span::default(),
        })
    }))
}

fn gates(asked: &Asked, resolve: &dyn Fn(&str) -> Option<MetricRef>) -> Found<Gate> {
    all(asked.gates.iter().map(|one| {
        let metric =
            resolve(&one.metric).ok_or_else(|| format!("there is no metric `{}`", one.metric))?;
        Ok(Gate {
            text: one.text.clone(),
            metric,
            comparison: one.comparison,
            bound: one.bound,
            on_miss: OnMiss::Continue,
            at: Span::default(),
        })
    }))
}

/// All, or every mistake.
fn all<T>(results: impl Iterator<Item = Result<T, String>>) -> Found<T> {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(one) => good.push(one),
            Err(why) => bad.push(why),
        }
    }
    if bad.is_empty() { Ok(good) } else { Err(bad) }
}

/// A row that was read.
struct Row {
    cell: Option<String>,
    number: u32,
    startup_s: Option<f64>,
    measure_s: Option<f64>,
    outcome: RowOutcome,
    axes: Vec<FlagValue>,
    metrics: Vec<Option<f64>>,
}

enum RowOutcome {
    Measured,
    Died(FailureClass),
    Estimated,
}

/// A table of attempts.
///
/// # Errors
/// Every mistake, a sentence each, with row, column and value.
pub fn of_table(
    table: &RawTable,
    asked: &Asked,
    settings: Settings,
) -> Result<Recording, Vec<String>> {
    let lacking: Vec<String> = ["cell", "attempt", "startup_s", "measure_s", "outcome"]
        .into_iter()
        .filter(|name| table.column(name).is_none())
        .map(|name| format!("there is no column `{name}`"))
        .collect();
    if !lacking.is_empty() {
        return Err(lacking);
    }
    let axes = table.named("axis.");
    let metrics = table.named("metric.");
    let resolve = |name: &str| {
        metrics
            .iter()
            .find(|(other, _)| *other == name)
            .map(|(name, _)| MetricRef {
                node: scaffold::NODE.to_owned(),
                metric: (*name).to_owned(),
                stat: None,
            })
    };
    let (objectives, gates) =
        both(objectives(asked, &resolve), gates(asked, &resolve)).map_err(|mut mistakes| {
            let names: Vec<&str> = metrics.iter().map(|(name, _)| *name).collect();
            mistakes.push(format!("metrics of the table: {}", names.join(", ")));
            mistakes
        })?;
    if objectives.is_empty() {
        return Err(vec![
            "a table names no objective: name one with --objective METRIC:min".to_owned(),
        ]);
    }
    let wanted: Vec<&str> = objectives
        .iter()
        .map(|one| one.metric.metric.as_str())
        .collect();
    let rows = all((0..table.n_rows).map(|at| table.row(at, &axes, &metrics, &wanted)))?;
    let mut made = Making::new(
        axes.iter().map(|(name, _)| *name).collect(),
        metrics.iter().map(|(name, _)| *name).collect(),
    );
    for (at, row) in rows.iter().enumerate() {
        made.take(at, row)?;
    }
    made.into_recording(objectives, gates, settings)
}

impl RawTable {
    pub(in crate::decide) fn column(&self, name: &str) -> Option<&[Option<String>]> {
        let found = self.columns.iter().find(|(other, _)| other == name);
        found.map(|(_, values)| values.as_slice())
    }

    /// The columns whose names begin so, by the rest of their names.
    pub(in crate::decide) fn named(&self, prefix: &str) -> Vec<(&str, &[Option<String>])> {
        let columns = self.columns.iter();
        columns
            .filter_map(|(name, values)| Some((name.strip_prefix(prefix)?, values.as_slice())))
            .collect()
    }

    pub(in crate::decide) fn text(&self, name: &str, at: usize) -> Option<&str> {
        self.column(name)?.get(at)?.as_deref()
    }

    fn row(
        &self,
        at: usize,
        axes: &[(&str, &[Option<String>])],
        metrics: &[(&str, &[Option<String>])],
        wanted: &[&str],
    ) -> Result<Row, String> {
        let wrong = |column: &str, value: &str, expected: &str| {
            format!(
                "row {}, column {column}: `{value}` is not {expected}",
                at + 1
            )
        };
        let number = |column: &str, text: Option<&str>, least: f64| match text {
            None => Ok(None),
            Some(text) => match text.parse::<f64>() {
                Ok(value) if value.is_finite() && value >= least => Ok(Some(value)),
                Ok(_) if least == 0.0 => Err(wrong(column, text, "a number that is 0 or more")),
                _ => Err(wrong(column, text, "a number")),
            },
        };
        let word = self.text("outcome", at).ok_or_else(|| format!("row {}, column outcome: it is empty; expected measured, estimated or a failure class", at + 1))?;
        let class = FailureClass::ALL
            .into_iter()
            .find(|class| class.is_failure() && class.name() == word);
        let outcome = match (word, class) {
            ("measured", _) => RowOutcome::Measured,
            ("estimated", _) => RowOutcome::Estimated,
            (_, Some(class)) => RowOutcome::Died(class),
            _ => {
                return Err(wrong(
                    "outcome",
                    word,
                    "measured, estimated or a failure class (docs/DIAGNOSIS.md lists them)",
                ));
            }
        };
        let text = self.text("attempt", at);
        let attempt = match text.map(str::parse::<u32>) {
            Some(Ok(number)) if number >= 1 => number,
            _ => {
                return Err(wrong(
                    "attempt",
                    text.unwrap_or(""),
                    "a whole number from 1 on",
                ));
            }
        };
        let cell = self.text("cell", at).map(str::to_owned);
        if cell.is_none() && !matches!(outcome, RowOutcome::Died(_)) {
            return Err(format!(
                "row {}, column cell: it is empty; only a death may have no name",
                at + 1
            ));
        }
        let metrics: Result<Vec<_>, String> = metrics
            .iter()
            .map(|(name, values)| {
                let column = format!("metric.{name}");
                let text = values[at].as_deref();
                let value = number(&column, text, f64::NEG_INFINITY)?;
                match value {
                    Some(value) if value <= 0.0 && wanted.contains(name) => Err(wrong(
                        &column,
                        text.unwrap_or(""),
                        "above 0, as an objective must be",
                    )),
                    value => Ok(value),
                }
            })
            .collect();
        Ok(Row {
            cell,
            number: attempt,
            startup_s: number("startup_s", self.text("startup_s", at), 0.0)?,
            measure_s: number("measure_s", self.text("measure_s", at), 0.0)?,
            outcome,
            axes: axes
                .iter()
                .map(|(_, values)| flag_value(values[at].as_deref()))
                .collect(),
            metrics: metrics?,
        })
    }
}

fn flag_value(text: Option<&str>) -> FlagValue {
    match text {
        None | Some("(default)") => FlagValue::Default,
        Some("true" | "True" | "TRUE") => FlagValue::Bool(true),
        Some("false" | "False" | "FALSE") => FlagValue::Bool(false),
        Some(text) => match (text.parse::<i64>(), text.parse::<f64>()) {
            (Ok(whole), _) => FlagValue::Int(whole),
            (_, Ok(number)) if number.is_finite() => FlagValue::Float(number),
            _ => FlagValue::Text(text.to_owned()),
        },
    }
}

/// A recording in the making.
struct Making<'a> {
    axes: Vec<Knob>,
    metrics: Vec<&'a str>,
    cells: Vec<Cell>,
    settled: Vec<(u32, Settled)>,
    warnings: Vec<String>,
    estimated: Vec<String>,
    n_unnamed_dead: u32,
    has_times: bool,
}

impl<'a> Making<'a> {
    fn new(axes: Vec<&str>, metrics: Vec<&'a str>) -> Self {
        let name = |axis: &str| match lookup(axis) {
            Some(flag) => flag.name.to_owned(),
            None => axis.to_owned(),
        };
        Self {
            axes: axes
                .into_iter()
                .map(|axis| Knob::Flag(FlagName(name(axis))))
                .collect(),
            metrics,
            cells: Vec::new(),
            settled: Vec::new(),
            warnings: Vec::new(),
            estimated: Vec::new(),
            n_unnamed_dead: 0,
            has_times: true,
        }
    }

    fn take(&mut self, at: usize, row: &Row) -> Result<(), Vec<String>> {
        let Some(name) = &row.cell else {
            self.n_unnamed_dead += 1;
            return Ok(());
        };
        self.suspect(at, name, row);
        if matches!(row.outcome, RowOutcome::Estimated) {
            self.estimated.push(format!("{name} (row {})", at + 1));
            return Ok(());
        }
        let coordinates: Vec<(Knob, FlagValue)> = self
            .axes
            .iter()
            .cloned()
            .zip(row.axes.iter().cloned())
            .collect();
        let id = CellId::of(name);
        match self.cells.iter().find(|cell| cell.id == id) {
            None => self
                .cells
                .push(scaffold::cell(id.clone(), name, coordinates)),
            Some(known) if known.coordinates == coordinates => {}
            Some(_) => {
                return Err(vec![format!(
                    "row {}, column cell: `{name}` has other values on its axes than in an earlier row",
                    at + 1
                )]);
            }
        }
        if row.startup_s.is_none()
            || (row.measure_s.is_none() && matches!(row.outcome, RowOutcome::Measured))
        {
            self.has_times = false;
        }
        self.settled.push((row.number, self.settle(id, name, row)));
        Ok(())
    }

    /// A hit that is claimed where the prefix cache is off cannot have been one.
    fn suspect(&mut self, at: usize, name: &str, row: &Row) {
        let is_off = self.axes.iter().zip(&row.axes).any(|(axis, value)| {
            axis.to_string() == "enable-prefix-caching" && *value == FlagValue::Bool(false)
        });
        let claimed = self
            .metrics
            .iter()
            .zip(&row.metrics)
            .find_map(|(metric, value)| {
                let value = (*value)?;
                let is_claim = match metric
                    .rsplit('.')
                    .find(|part| part.parse::<Stat>().is_err())?
                {
                    part if part.contains("hit_rate") => value > 0.0,
                    part if part.contains("ttft_hit") => true,
                    part if part.contains("acceleration") => value >= CLAIMED,
                    _ => false,
                };
                is_claim.then(|| format!("{metric} = {value}"))
            });
        if let (true, Some(claim)) = (is_off, claimed) {
            self.warnings.push(format!(
                "row {}: {name} has the prefix cache off and claims hits all the same ({claim}): they are unproved",
                at + 1
            ));
        }
    }

    fn settle(&self, cell: CellId, name: &str, row: &Row) -> Settled {
        let seconds = |time: Option<f64>| time.unwrap_or(0.0);
        let outcome = match row.outcome {
            RowOutcome::Died(class) => {
                let failure = Failure {
                    class,
                    phase: Phase::Starting,
                    stage: None,
                    consequence: class.consequence(Blame::Cell),
                    cause: None,
                    explanation: "recorded elsewhere".to_owned(),
                    suggestion: None,
                    node: None,
                    node_after_ms: None,
                    exit_code: None,
                    oom_killed: None,
                    log_tail: Vec::new(),
                    disturbed: false,
                };
                match failure.consequence {
                    Consequence::Infeasible => Outcome::Infeasible(failure),
                    Consequence::Machine | Consequence::Retry => Outcome::Failed(failure),
                }
            }
            RowOutcome::Measured | RowOutcome::Estimated => Outcome::Measured(Measured {
                ready_after_ms: seconds(row.startup_s) * 1e3,
                nodes: vec![self.node(row)],
                attestation: Vec::new(),
                engine: EngineFacts::default(),
            }),
        };
        Settled {
            attempt: AttemptId {
                cell,
                number: AttemptNo(row.number),
            },
            cell_name: name.to_owned(),
            block: row.number,
            started_at: jiff::Timestamp::UNIX_EPOCH,
            took_ms: (seconds(row.startup_s) + seconds(row.measure_s)) * 1e3,
            outcome,
            end: None,
            profiling: None,
            origin: None,
        }
    }

    fn node(&self, row: &Row) -> NodeReport {
        let metrics = self.metrics.iter().zip(&row.metrics);
        NodeReport {
            node: scaffold::NODE.to_owned(),
            kind: WorkloadKind::Command,
            status: NodeStatus::Completed,
            took_ms: row.measure_s.map(|seconds| seconds * 1e3),
            metrics: metrics
                .filter_map(|(name, value)| {
                    Some(((*name).to_owned(), MetricValue::Scalar((*value)?)))
                })
                .collect(),
            n_requests: 0,
            n_failed: 0,
            notes: Vec::new(),
            client: None,
            detail: None,
        }
    }

    fn into_recording(
        mut self,
        objectives: Vec<Objective>,
        gates: Vec<Gate>,
        settings: Settings,
    ) -> Result<Recording, Vec<String>> {
        if !self.estimated.is_empty() {
            self.warnings.push(format!(
                "estimates are no measurements and are refused: {}",
                self.estimated.join(", ")
            ));
        }
        if self.n_unnamed_dead > 0 {
            self.warnings.push(format!(
                "{} deaths have no name in the source: they are counted and cannot be played",
                self.n_unnamed_dead
            ));
        }
        if self.cells.is_empty() {
            return Err(vec![
                "the table has no attempt that can be played".to_owned(),
            ]);
        }
        // Rows of one cell may come in any order: the number of the attempt has it.
        self.settled.sort_by_key(|(number, _)| *number);
        let settled: Vec<Settled> = self.settled.into_iter().map(|(_, one)| one).collect();
        let mut seen: Vec<&AttemptId> = Vec::new();
        for one in &settled {
            if seen.contains(&&one.attempt) {
                return Err(vec![format!(
                    "{} has attempt {} twice",
                    one.cell_name, one.attempt.number.0
                )]);
            }
            seen.push(&one.attempt);
        }
        if !self.has_times {
            self.warnings.push(
                "some attempts lack startup_s or measure_s: what the strategy costs is not known"
                    .to_owned(),
            );
        }
        let mut experiment = scaffold::experiment(&self.axes, &self.metrics, objectives, gates);
        apply(&mut experiment.run, settings, &settled);
        Ok(Recording {
            manifest: scaffold::manifest(experiment, self.cells),
            settled,
            warnings: self.warnings,
            n_unnamed_dead: self.n_unnamed_dead,
            has_times: self.has_times,
        })
    }
}

/// Repeats that are so many times as fast claim a cache.
const CLAIMED: f64 = 1.2;
