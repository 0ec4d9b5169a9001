//! The tables of `report.md` without their format: headers and cells as text, in full precision.

use crate::decide::draws::Chance;
use crate::decide::number;
use crate::decide::score::Spread;
use crate::diagnose::{FailureClass, when};
use crate::measure::metric::MetricDef;
use crate::outcome::{Standing, Witness};
use crate::report::text::shorten;
use crate::report::view::{ObjectiveView, Place, Row, StartName, UseCaseView, View, WorkloadView};
use crate::report::wording::better;
use crate::spec::experiment::Goal;

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
    /// Lines, so that a long header does not make a wide column.
    pub header: Vec<String>,
    pub kind: Kind,
}

/// What a column holds: names and quotations are marked as such, numbers stand at the right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Name,
    Number,
    Words,
}

impl Table {
    pub fn column(&mut self, header: impl Into<String>, kind: Kind) {
        self.column_of_lines(vec![header.into()], kind);
    }

    pub fn column_of_lines(&mut self, header: Vec<String>, kind: Kind) {
        self.columns.push(Column { header, kind });
    }
}

/// All cells. Axes on which all cells agree are not columns: the text above the table names
/// them.
pub fn cells(view: &View) -> Table {
    let mut table = Table::default();
    table.column("#", Kind::Number);
    table.column("configuration", Kind::Name);
    let varied: Vec<usize> = (0..view.axes.len())
        .filter(|&axis| view.axes[axis].everywhere.is_none())
        .collect();
    for &axis in &varied {
        table.column(&view.axes[axis].short_name, Kind::Number);
    }
    for objective in &view.objectives {
        table.column_of_lines(objective_header(objective, better), Kind::Number);
    }
    table.column("behind #1", Kind::Number);
    let sureness = Sureness {
        interval: view.cells.iter().any(|row| row.behind_interval.is_some()),
        chance: view.cells.iter().any(|row| row.chance.is_some()),
    };
    sureness.columns(&mut table, view.equivalence);
    let baseline = view.baseline.is_some();
    if baseline {
        table.column("vs baseline", Kind::Number);
    }
    table.column("measured", Kind::Number);
    table.column("outcome", Kind::Words);
    for row in &view.cells {
        let mut cells = vec![rank(row.rank), row.cell.clone()];
        cells.extend(varied.iter().map(|&axis| {
            let value = row.axes.get(axis).and_then(Option::as_ref);
            value.map_or_else(|| MISSING.to_owned(), ToString::to_string)
        }));
        cells.extend(objectives(&view.objectives, &row.objectives));
        cells.push(behind(row.behind_first));
        cells.extend(sureness.cells(row.behind_interval, row.chance));
        if baseline {
            let ratio = row.against_baseline.map(|ratio| format!("x{ratio:.2}"));
            cells.push(ratio.unwrap_or_else(|| MISSING.to_owned()));
        }
        cells.push(format!(
            "{} of {}",
            row.tally.n_measured, row.tally.n_attempts
        ));
        cells.push(outcome(row, view.equivalence));
        table.rows.push(cells);
    }
    table
}

/// What is known of how sure the distances are.
struct Sureness {
    interval: bool,
    chance: bool,
}

impl Sureness {
    fn columns(&self, table: &mut Table, equivalence: f64) {
        if self.interval {
            table.column("95 % interval", Kind::Number);
        }
        if self.chance {
            let margin = number::chosen_percent(equivalence);
            table.column(format!("within {margin} of the best"), Kind::Number);
            table.column("rank, 95 %", Kind::Number);
        }
    }

    fn cells(&self, interval: Option<(f64, f64)>, chance: Option<Chance>) -> Vec<String> {
        let mut cells = Vec::new();
        if self.interval {
            cells.push(interval.map_or_else(
                || MISSING.to_owned(),
                |(low, high)| format!("{} to {}", number::percent(low), number::percent(high)),
            ));
        }
        if self.chance {
            let of = |words: fn(Chance) -> String| chance.map_or(MISSING.to_owned(), words);
            cells.push(of(|chance| number::probability(chance.equivalent)));
            cells.push(of(|chance| {
                format!("{} to {}", chance.ranks.0, chance.ranks.1)
            }));
        }
        cells
    }
}

/// The ranked cells of one use case.
pub fn use_case(case: &UseCaseView, equivalence: f64) -> Table {
    let mut table = Table::default();
    table.column("#", Kind::Number);
    table.column("configuration", Kind::Name);
    for objective in &case.objectives {
        table.column_of_lines(objective_header(objective, better), Kind::Number);
    }
    table.column("behind #1", Kind::Number);
    let sureness = Sureness {
        interval: case.cells.iter().any(|row| row.behind_interval.is_some()),
        chance: case.cells.iter().any(|row| row.chance.is_some()),
    };
    sureness.columns(&mut table, equivalence);
    table.column("outcome", Kind::Words);
    for row in &case.cells {
        let mut cells = vec![rank(row.rank), row.cell.clone()];
        cells.extend(objectives(&case.objectives, &row.objectives));
        cells.push(behind(row.behind_first));
        cells.extend(sureness.cells(row.behind_interval, row.chance));
        cells.push(place(row.place, equivalence));
        table.rows.push(cells);
    }
    table
}

/// One node, a row per cell: means over its starts.
pub fn workload_cells(workload: &WorkloadView) -> Table {
    let mut table = Table::default();
    table.column("configuration", Kind::Name);
    metric_columns(&mut table, workload);
    table.column("failed requests", Kind::Number);
    for row in &workload.cells {
        let mut cells = vec![row.cell.clone()];
        let values = workload.metrics.iter().zip(&row.values);
        cells
            .extend(values.map(|(metric, value)| spread(value.as_ref(), Some(&metric.definition))));
        cells.push(format!("{} of {}", row.n_failed, row.n_requests));
        table.rows.push(cells);
    }
    table
}

/// One node, a row per attempt.
pub fn workload_starts(workload: &WorkloadView) -> Table {
    let mut table = Table::default();
    table.column("configuration", Kind::Name);
    table.column("start", Kind::Number);
    metric_columns(&mut table, workload);
    table.column("failed requests", Kind::Number);
    for row in &workload.starts {
        let mut cells = vec![row.cell.clone(), row.start.to_string()];
        let values = workload.metrics.iter().zip(&row.values);
        cells.extend(values.map(|(metric, value)| match value {
            None => MISSING.to_owned(),
            Some(value) => {
                let number = number::of_metric(value.value, Some(&metric.definition));
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
    table.column("configuration", Kind::Name);
    table.column("start to ready (s)", Kind::Number);
    table.column("KV cache (tokens)", Kind::Number);
    table.column("longest request (tokens)", Kind::Number);
    table.column("cache block (tokens)", Kind::Number);
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
    table.column("flag", Kind::Name);
    for header in ["confirmed", "accepted", "contradicted", "unattested"] {
        table.column(header, Kind::Number);
    }
    table.column("evidence, for example", Kind::Name);
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
        table.column(header, Kind::Number);
    }
}

/// Node, metric, and what is left to say of an objective, each on its line. `better` words the
/// goal.
pub fn objective_header(
    objective: &ObjectiveView,
    better: impl Fn(Goal) -> &'static str,
) -> Vec<String> {
    let qualities = match objective.unit {
        "" => better(objective.goal).to_owned(),
        unit => format!("{unit}, {}", better(objective.goal)),
    };
    let mut lines: Vec<String> = objective.metric.split('.').map(str::to_owned).collect();
    match lines.get_mut(2) {
        Some(statistic) => *statistic += &format!(", {qualities}"),
        None => lines.push(qualities),
    }
    lines
}

fn objectives(objectives: &[ObjectiveView], values: &[Option<Spread>]) -> Vec<String> {
    let pairs = objectives.iter().zip(values);
    pairs
        .map(|(objective, value)| spread(value.as_ref(), objective.definition.as_ref()))
        .collect()
}

/// A place, or that there is none.
pub fn rank(rank: Option<u32>) -> String {
    rank.map_or_else(|| MISSING.to_owned(), |rank| rank.to_string())
}

/// A distance in per cent.
pub fn behind(fraction: Option<f64>) -> String {
    match fraction {
        None => MISSING.to_owned(),
        Some(0.0) => "0 %".to_owned(),
        Some(fraction) => number::percent(fraction),
    }
}

/// How a cell stands, with an engine's own words about its death.
fn outcome(row: &Row, equivalence: f64) -> String {
    let standing = standing(row, equivalence);
    match row.dropped_after_block {
        Some(block) => format!("{standing}; dropped after block {block}"),
        None => standing,
    }
}

fn standing(row: &Row, equivalence: f64) -> String {
    match &row.standing {
        Standing::Ranked => place(row.place, equivalence),
        Standing::Rejected { gates } => format!("rejected: {}", gates.join("; ")),
        Standing::Infeasible { died, of } => death(row, *died, *of) + &cause(row),
        Standing::Skipped { witness } => format!("skipped: {}", proved(witness)),
        Standing::Undecided { because } => format!("undecided: {because}{}", cause(row)),
    }
}

/// What a ranked cell's place means.
fn place(place: Option<Place>, equivalence: f64) -> String {
    match place {
        Some(Place::Champion) => "champion".to_owned(),
        Some(Place::Leader) => "leader".to_owned(),
        Some(Place::BestMean) => "best mean".to_owned(),
        Some(Place::SameAsFirst) => {
            let margin = number::chosen_percent(equivalence);
            format!("the same to you as #1 (within {margin})")
        }
        Some(Place::Ranked) | None => "ranked".to_owned(),
    }
}

/// Why a cell was not started.
pub fn proved(witness: &Witness) -> String {
    let Witness {
        attempt,
        cell_name,
        class,
        rule,
    } = witness;
    format!(
        "proved by `{cell_name}` (start {}), which died of {class}: {rule}",
        attempt.number.0
    )
}

/// In how many starts a cell died, of what and when.
pub fn death(row: &Row, died: u32, of: u32) -> String {
    match &row.death {
        // Nothing died: the engine was stopped because it ran other settings.
        Some(death) if death.class == FailureClass::NotAsConfigured => {
            format!("not as configured in {died} of {of}")
        }
        Some(death) => {
            let when = when(death.phase, death.stage);
            format!("died {died} of {of}: {} {when}", death.class)
        }
        None => format!("died {died} of {of}"),
    }
}

fn cause(row: &Row) -> String {
    let cause = row.death.as_ref().and_then(|death| death.cause.as_deref());
    cause.map_or_else(String::new, |cause| {
        format!(": {}", shorten(cause, CAUSE_LIMIT))
    })
}
