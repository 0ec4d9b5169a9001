//! Tables without a format: headers and cells as text, which Markdown and the terminal lay out
//! each in its own way.

use crate::decide::number;
use crate::decide::score::Spread;
use crate::diagnose::FailureClass;
use crate::measure::metric::MetricDef;
use crate::outcome::Standing;
use crate::report::text::shorten;
use crate::report::view::{ObjectiveView, Row, StartName, UseCaseView, View, WorkloadView};
use crate::report::wording::better;

/// What stands for a number that was not measured.
pub const MISSING: &str = "-";

/// Length at which an engine's words are cut in a table; they stand in full under the deaths.
const CAUSE_LIMIT: usize = 110;

/// A table; every row has as many cells as there are columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    pub columns: Vec<Column>,
    pub rows: Vec<Vec<String>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub header: String,
    pub kind: Kind,
    /// Which columns give way first where there is no room.
    pub need: Need,
}

/// What a column holds: names and quotations are marked as such, numbers stand at the right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Name,
    Number,
    Words,
}

/// How much a reader needs a column, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    Spare,
    Useful,
    Must,
}

impl Table {
    fn column(&mut self, header: impl Into<String>, kind: Kind, need: Need) {
        self.columns.push(Column {
            header: header.into(),
            kind,
            need,
        });
    }
}

/// Whether an engine's own words about a death are wanted in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Causes {
    Quoted,
    LeftOut,
}

/// All cells. Axes on which all cells agree are not columns: the text above the table names
/// them.
pub fn cells(view: &View, causes: Causes) -> Table {
    let mut table = Table::default();
    table.column("#", Kind::Number, Need::Must);
    table.column("configuration", Kind::Name, Need::Must);
    let varied: Vec<usize> = (0..view.axes.len())
        .filter(|&axis| view.axes[axis].everywhere.is_none())
        .collect();
    for &axis in &varied {
        table.column(&view.axes[axis].short_name, Kind::Number, Need::Spare);
    }
    for objective in &view.objectives {
        table.column(objective_header(objective), Kind::Number, Need::Must);
    }
    table.column("behind #1", Kind::Number, Need::Must);
    let baseline = view.baseline.is_some();
    if baseline {
        table.column("vs baseline", Kind::Number, Need::Useful);
    }
    table.column("measured", Kind::Number, Need::Useful);
    table.column("outcome", Kind::Words, Need::Must);
    for row in &view.cells {
        let mut cells = vec![rank(row.rank), row.cell.clone()];
        cells.extend(varied.iter().map(|&axis| {
            let value = row.axes.get(axis).and_then(Option::as_ref);
            value.map_or_else(|| MISSING.to_owned(), ToString::to_string)
        }));
        cells.extend(objectives(&view.objectives, &row.objectives));
        cells.push(behind(row.behind_first));
        if baseline {
            let ratio = row.against_baseline.map(|ratio| format!("x{ratio:.2}"));
            cells.push(ratio.unwrap_or_else(|| MISSING.to_owned()));
        }
        cells.push(format!(
            "{} of {}",
            row.tally.n_measured, row.tally.n_attempts
        ));
        cells.push(outcome(row, view.equivalence, causes));
        table.rows.push(cells);
    }
    table
}

/// The ranked cells of one use case.
pub fn use_case(case: &UseCaseView) -> Table {
    let mut table = Table::default();
    table.column("#", Kind::Number, Need::Must);
    table.column("configuration", Kind::Name, Need::Must);
    for objective in &case.objectives {
        table.column(objective_header(objective), Kind::Number, Need::Must);
    }
    table.column("behind #1", Kind::Number, Need::Must);
    for row in &case.cells {
        let mut cells = vec![rank(row.rank), row.cell.clone()];
        cells.extend(objectives(&case.objectives, &row.objectives));
        cells.push(behind(row.behind_first));
        table.rows.push(cells);
    }
    table
}

/// One node, a row per cell: means over its starts.
pub fn workload_cells(workload: &WorkloadView) -> Table {
    let mut table = Table::default();
    table.column("configuration", Kind::Name, Need::Must);
    metric_columns(&mut table, workload);
    table.column("failed requests", Kind::Number, Need::Must);
    for row in &workload.cells {
        let mut cells = vec![row.cell.clone()];
        let values = workload.metrics.iter().zip(&row.values);
        cells.extend(values.map(|(metric, value)| spread(value.as_ref(), Some(metric.definition))));
        cells.push(format!("{} of {}", row.n_failed, row.n_requests));
        table.rows.push(cells);
    }
    table
}

/// One node, a row per attempt.
pub fn workload_starts(workload: &WorkloadView) -> Table {
    let mut table = Table::default();
    table.column("configuration", Kind::Name, Need::Must);
    table.column("start", Kind::Number, Need::Must);
    metric_columns(&mut table, workload);
    table.column("failed requests", Kind::Number, Need::Must);
    for row in &workload.starts {
        let mut cells = vec![row.cell.clone(), row.start.to_string()];
        let values = workload.metrics.iter().zip(&row.values);
        cells.extend(values.map(|(metric, value)| match value {
            None => MISSING.to_owned(),
            Some(value) => {
                let number = number::of_metric(value.value, Some(metric.definition));
                match value.n {
                    None => number,
                    Some(n) => format!("{number} (n {n})"),
                }
            }
        }));
        cells.push(format!("{} of {}", row.n_failed, row.n_requests));
        table.rows.push(cells);
    }
    table
}

/// What the engines said of themselves.
pub fn engines(view: &View) -> Table {
    let mut table = Table::default();
    table.column("configuration", Kind::Name, Need::Must);
    table.column("start to ready (s)", Kind::Number, Need::Must);
    table.column("KV cache (tokens)", Kind::Number, Need::Must);
    table.column("longest request (tokens)", Kind::Number, Need::Must);
    table.column("cache block (tokens)", Kind::Number, Need::Must);
    let numbers = |values: &[u64]| match values {
        [] => MISSING.to_owned(),
        values => values
            .iter()
            .map(u64::to_string)
            .collect::<Vec<_>>()
            .join(", "),
    };
    for engine in &view.method.engines {
        let seconds = engine.ready_after_ms.map(|ready| Spread {
            mean: ready.mean / 1000.0,
            sd: ready.sd.map(|sd| sd / 1000.0),
            ..ready
        });
        table.rows.push(vec![
            engine.cell.clone(),
            spread(seconds.as_ref(), None),
            numbers(&engine.kv_cache_tokens),
            numbers(&engine.max_model_len),
            numbers(&engine.block_size),
        ]);
    }
    table
}

/// Per varied flag, how many attempts attest it how well.
pub fn attestation(view: &View) -> Table {
    let mut table = Table::default();
    table.column("flag", Kind::Name, Need::Must);
    for header in ["confirmed", "accepted", "contradicted", "unattested"] {
        table.column(header, Kind::Number, Need::Must);
    }
    table.column("evidence, for example", Kind::Name, Need::Must);
    for flag in &view.attestation {
        let evidence = flag.evidence.as_deref().unwrap_or(MISSING);
        table.rows.push(vec![
            flag.flag.clone(),
            flag.confirmed.len().to_string(),
            flag.accepted.len().to_string(),
            flag.contradicted.len().to_string(),
            flag.unattested.len().to_string(),
            shorten(evidence, CAUSE_LIMIT),
        ]);
    }
    table
}

/// `133 (sd 2.12, n 2)`; the unit stands in the header.
pub fn spread(spread: Option<&Spread>, metric: Option<&MetricDef>) -> String {
    let Some(spread) = spread else {
        return MISSING.to_owned();
    };
    let mean = number::of_metric(spread.mean, metric);
    match spread.sd {
        Some(sd) => format!("{mean} (sd {}, n {})", number::significant(sd), spread.n),
        None => format!("{mean} (n {})", spread.n),
    }
}

/// `a starts 1 and 2, b start 1`, at most `limit` configurations by name.
pub fn start_names(starts: &[StartName], limit: usize) -> String {
    let mut groups: Vec<(&str, Vec<String>)> = Vec::new();
    for start in starts {
        let number = start.start.to_string();
        match groups.iter_mut().find(|(cell, _)| *cell == start.cell) {
            Some((_, numbers)) => numbers.push(number),
            None => groups.push((&start.cell, vec![number])),
        }
    }
    let n_more = groups.len().saturating_sub(limit);
    let mut names: Vec<String> = groups
        .into_iter()
        .take(limit)
        .map(|(cell, numbers)| format!("{cell} ({})", numbers.join(", ")))
        .collect();
    if n_more > 0 {
        names.push(format!("and {n_more} more"));
    }
    names.join(", ")
}

fn metric_columns(table: &mut Table, workload: &WorkloadView) {
    for metric in &workload.metrics {
        let header = match metric.unit {
            "" => metric.name.to_owned(),
            unit => format!("{} ({unit})", metric.name),
        };
        table.column(header, Kind::Number, Need::Must);
    }
}

fn objective_header(objective: &ObjectiveView) -> String {
    let better = better(objective.goal);
    match objective.unit {
        "" => format!("{} ({better})", objective.metric),
        unit => format!("{} ({unit}, {better})", objective.metric),
    }
}

fn objectives(objectives: &[ObjectiveView], values: &[Option<Spread>]) -> Vec<String> {
    let pairs = objectives.iter().zip(values);
    pairs
        .map(|(objective, value)| spread(value.as_ref(), objective.definition))
        .collect()
}

fn rank(rank: Option<u32>) -> String {
    rank.map_or_else(|| MISSING.to_owned(), |rank| rank.to_string())
}

fn behind(fraction: Option<f64>) -> String {
    match fraction {
        None => MISSING.to_owned(),
        Some(0.0) => "0 %".to_owned(),
        Some(fraction) => number::percent(fraction),
    }
}

/// How a cell stands, in a few words.
fn outcome(row: &Row, equivalence: f64, causes: Causes) -> String {
    match &row.standing {
        Standing::Ranked if row.same_as_first => {
            format!(
                "the same to you as #1 (within {})",
                number::chosen_percent(equivalence)
            )
        }
        Standing::Ranked if row.rank == Some(1) => "leader".to_owned(),
        Standing::Ranked => "ranked".to_owned(),
        Standing::Rejected { gates } => format!("rejected: {}", gates.join("; ")),
        Standing::Infeasible { died, of } => {
            let how = match &row.death {
                // Nothing died: the engine was stopped because it ran other settings.
                Some(death) if death.class == FailureClass::NotAsConfigured => {
                    format!("not as configured in {died} of {of}")
                }
                Some(death) => {
                    format!("died {died} of {of}: {} while {}", death.class, death.phase)
                }
                None => format!("died {died} of {of}"),
            };
            how + &cause(row, causes)
        }
        Standing::Undecided { because } => {
            format!("undecided: {because}{}", cause(row, causes))
        }
    }
}

fn cause(row: &Row, causes: Causes) -> String {
    let cause = row.death.as_ref().and_then(|death| death.cause.as_deref());
    match (causes, cause) {
        (Causes::Quoted, Some(cause)) => format!(": {}", shorten(cause, CAUSE_LIMIT)),
        (Causes::Quoted, None) | (Causes::LeftOut, _) => String::new(),
    }
}
