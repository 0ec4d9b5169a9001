//! Trade-offs: any two metrics that objectives name against each other, and which cells no other
//! beats in both.

use serde::Serialize;

use crate::decide::decision::Decision;
use crate::decide::number;
use crate::decide::pareto::front;
use crate::decide::wanted::Role;
use crate::measure::metric::MetricDef;
use crate::report::measures::{Estimated, MeasureView};
use crate::report::table::{Kind, MISSING, Table};
use crate::spec::experiment::Goal;

/// Two metrics over the ranked cells.
#[derive(Debug, Clone, Serialize)]
pub struct TradeOff {
    pub x: Side,
    pub y: Side,
    /// Ranked cells that have both, in the order of the table.
    pub points: Vec<Point>,
}

/// One of the two.
#[derive(Debug, Clone, Serialize)]
pub struct Side {
    pub metric: String,
    pub unit: &'static str,
    pub goal: Goal,
    #[serde(skip)]
    pub definition: Option<MetricDef>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Point {
    pub cell: String,
    pub x: Estimated,
    pub y: Estimated,
    /// No other ranked cell is at least as good in both and better in one, by the means.
    pub on_front: bool,
}

/// Every pair of the metrics that objectives of the experiment and of its use cases name, in the
/// order of the file.
pub fn trade_offs(measures: &[MeasureView], decision: &Decision<'_>) -> Vec<TradeOff> {
    let wanted: Vec<(Side, &MeasureView)> = measures
        .iter()
        .filter(|measure| matches!(measure.role, Role::Objective | Role::UseCase))
        .filter_map(|measure| Some((side(measure)?, measure)))
        .collect();
    let mut found = Vec::new();
    for (at, first) in wanted.iter().enumerate() {
        for second in &wanted[at + 1..] {
            found.extend(pair(decision, first, second));
        }
    }
    found
}

fn side(measure: &MeasureView) -> Option<Side> {
    Some(Side {
        metric: measure.metric.clone(),
        unit: measure.unit,
        goal: measure.better?,
        definition: measure.definition.clone(),
    })
}

fn pair(
    decision: &Decision<'_>,
    (x, of_x): &(Side, &MeasureView),
    (y, of_y): &(Side, &MeasureView),
) -> Option<TradeOff> {
    let points: Vec<(usize, Estimated, Estimated)> = decision
        .order
        .iter()
        .zip(of_x.estimates.iter().zip(&of_y.estimates))
        .filter(|(cell, _)| decision.ranking.ranks[**cell].is_some())
        .filter_map(|(&cell, (x, y))| Some((cell, (*x)?, (*y)?)))
        .collect();
    let means: Vec<(f64, f64)> = points.iter().map(|(_, x, y)| (x.mean, y.mean)).collect();
    let is_on_front = front(&means, (x.goal, y.goal));
    let points = points.iter().zip(is_on_front);
    let points = points.map(|(&(cell, x, y), on_front)| Point {
        cell: decision.cells[cell].cell.name.clone(),
        x,
        y,
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
