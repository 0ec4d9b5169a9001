//! Trade-offs: any two metrics that objectives name against each other, and which cells no other
//! beats in both.

use serde::Serialize;

use crate::decide::decision::Decision;
use crate::decide::estimate::{CellMean, cell_means};
use crate::decide::number;
use crate::decide::pareto::front;
use crate::decide::reading;
use crate::measure::metric::{MetricDef, MetricRef};
use crate::report::table::{Kind, MISSING, Table};
use crate::spec::experiment::{Experiment, Goal};

/// Two metrics over the ranked cells.
#[derive(Debug, Clone, Serialize)]
pub struct TradeOff {
    pub x: MeasureView,
    pub y: MeasureView,
    /// Ranked cells that have both, in the order of the table.
    pub points: Vec<Point>,
}

#[derive(Debug, Clone, Serialize)]
pub struct MeasureView {
    pub metric: String,
    pub unit: &'static str,
    pub goal: Goal,
    #[serde(skip)]
    pub definition: Option<MetricDef>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Point {
    pub cell: String,
    pub x: Measure,
    pub y: Measure,
    /// No other ranked cell is at least as good in both and better in one, by the means.
    pub on_front: bool,
}

/// A mean over starts.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Measure {
    pub mean: f64,
    pub n: u32,
    /// 95 %; `None` where no noise is known.
    pub interval: Option<(f64, f64)>,
}

impl From<CellMean> for Measure {
    fn from(CellMean { mean, n, interval }: CellMean) -> Self {
        Self { mean, n, interval }
    }
}

/// Every pair of the metrics that the objectives of the experiment and of its use cases name, in
/// the order of the file.
pub fn trade_offs(experiment: &Experiment, decision: &Decision<'_>) -> Vec<TradeOff> {
    let of_cases = experiment
        .use_cases
        .iter()
        .flat_map(|case| &case.objectives);
    let mut wanted: Vec<(&MetricRef, Goal)> = Vec::new();
    for objective in experiment.objectives.iter().chain(of_cases) {
        let one = (&objective.metric, objective.goal);
        if !wanted.contains(&one) {
            wanted.push(one);
        }
    }
    let measured: Vec<(MeasureView, Vec<Option<CellMean>>)> = wanted
        .into_iter()
        .filter_map(|(metric, goal)| {
            let definition = reading::definition(experiment, metric)?;
            let view = MeasureView {
                metric: metric.to_string(),
                unit: definition.unit.symbol(),
                goal,
                definition: Some(definition.clone()),
            };
            Some((view, cell_means(metric, definition.scale, &decision.cells)))
        })
        .collect();
    let mut found = Vec::new();
    for (at, first) in measured.iter().enumerate() {
        for second in &measured[at + 1..] {
            found.extend(pair(decision, first, second));
        }
    }
    found
}

fn pair(
    decision: &Decision<'_>,
    (x, of_x): &(MeasureView, Vec<Option<CellMean>>),
    (y, of_y): &(MeasureView, Vec<Option<CellMean>>),
) -> Option<TradeOff> {
    let points: Vec<(usize, CellMean, CellMean)> = decision
        .order
        .iter()
        .filter(|&&cell| decision.ranking.ranks[cell].is_some())
        .filter_map(|&cell| Some((cell, of_x[cell]?, of_y[cell]?)))
        .collect();
    let means: Vec<(f64, f64)> = points.iter().map(|(_, x, y)| (x.mean, y.mean)).collect();
    let is_on_front = front(&means, (x.goal, y.goal));
    let points = points
        .iter()
        .zip(is_on_front)
        .map(|(point, on_front)| Point {
            cell: decision.cells[point.0].cell.name.clone(),
            x: point.1.into(),
            y: point.2.into(),
            on_front,
        });
    (means.len() > 1).then(|| TradeOff {
        x: x.clone(),
        y: y.clone(),
        points: points.collect(),
    })
}

/// The cells on the front, best in the first metric first.
pub fn table(view: &TradeOff) -> Table {
    let mut table = Table::default();
    table.column("nothing beats it in both", Kind::Name);
    for measure in [&view.x, &view.y] {
        table.column(&measure.metric, Kind::Number);
        table.column("95 % interval", Kind::Number);
    }
    let mut points: Vec<&Point> = view.points.iter().filter(|p| p.on_front).collect();
    points.sort_by(|a, b| match view.x.goal {
        Goal::Min => a.x.mean.total_cmp(&b.x.mean),
        Goal::Max => b.x.mean.total_cmp(&a.x.mean),
    });
    for point in points {
        let mut row = vec![point.cell.clone()];
        for (measure, of) in [(point.x, &view.x), (point.y, &view.y)] {
            let definition = of.definition.as_ref();
            row.push(number::with_unit(measure.mean, definition));
            row.push(measure.interval.map_or_else(
                || MISSING.to_owned(),
                |(low, high)| {
                    let low = number::of_metric(low, definition);
                    format!("{low} to {}", number::of_metric(high, definition))
                },
            ));
        }
        table.rows.push(row);
    }
    table
}
