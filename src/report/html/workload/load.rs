//! What a load costs: times against its level, with the bounds that it must keep.

use crate::decide::number;
use crate::measure::kind::load::{DemandKind, Detail, Rung};
use crate::measure::metric::Stat;
use crate::measure::node::NodeDetail;
use crate::measure::slo::{Slo, SloMetric};
use crate::measure::summary::Summary;
use crate::report::chart::lines::{Line, Lines};
use crate::report::html::markup::Figure;
use crate::report::html::trade_off::slug;
use crate::report::html::workload::{chosen, figure, left_out, over_starts};
use crate::report::view::{View, WorkloadView};

/// A time of a rung, by one of its statistics.
#[derive(Clone, Copy, PartialEq)]
struct Curve {
    metric: SloMetric,
    stat: Stat,
}

/// The 95th percentile of the time to first token, and whatever else a bound is on.
pub fn curves(view: &View, workload: &WorkloadView) -> Vec<Figure> {
    let usual = Curve {
        metric: SloMetric::Ttft,
        stat: Stat::P95,
    };
    let mut wanted = vec![usual];
    for slo in &workload.slo {
        let curve = slo.stat.map(|stat| Curve {
            metric: slo.metric,
            stat,
        });
        wanted.extend(curve.filter(|curve| !wanted.contains(curve)));
    }
    let figures = wanted.into_iter();
    figures
        .filter_map(|curve| of(view, workload, curve))
        .collect()
}

impl Curve {
    fn summary(self, rung: &Rung) -> Option<Summary> {
        match self.metric {
            SloMetric::Ttft => rung.ttft_ms,
            SloMetric::Itl => rung.itl_ms,
            SloMetric::Tpot => rung.tpot_ms,
            SloMetric::E2e => rung.e2e_ms,
            SloMetric::TokensPerSecond => rung.tokens_per_second,
            SloMetric::SuccessRate => None,
        }
    }

    fn at(self, rung: &Rung) -> Option<(f64, f64)> {
        Some((rung.level, self.summary(rung)?.stat(self.stat)?))
    }

    fn name(self) -> &'static str {
        match self.metric {
            SloMetric::Ttft => "time to first token",
            SloMetric::Itl => "gap between tokens",
            SloMetric::Tpot => "time per token",
            SloMetric::E2e => "time to last byte",
            SloMetric::TokensPerSecond => "tokens per second of a request",
            SloMetric::SuccessRate => "success rate",
        }
    }

    /// The bound on it, and whether it lies among the numbers.
    fn bound(self, slo: &[Slo]) -> Option<&Slo> {
        slo.iter()
            .find(|slo| slo.metric == self.metric && slo.stat == Some(self.stat))
    }
}

fn of(view: &View, workload: &WorkloadView, curve: Curve) -> Option<Figure> {
    let lines: Vec<Line> = chosen(view, workload)
        .iter()
        .filter_map(|name| {
            let details = details(workload, name).into_iter();
            let starts: Vec<Vec<(f64, f64)>> = details
                .map(|detail| detail.rungs.iter().filter_map(|it| curve.at(it)).collect())
                .collect();
            over_starts(name, &starts)
        })
        .collect();
    let first = lines.first()?.name.clone();
    let demand = details(workload, &first).first()?.demand;
    let level = match demand {
        DemandKind::Concurrency => "users at once",
        DemandKind::Rate => "requests per second",
    };
    let unit = curve.metric.definition().unit.symbol();
    let points = &lines.first()?.points;
    let (from, to) = (*points.first()?, *points.last()?);
    let grows = format!(
        "{first}: {} of the {} is {} {unit} at {} {level}, {} {unit} at {}",
        curve.stat.name(),
        curve.name(),
        number::significant(from.1),
        from.0,
        number::significant(to.1),
        to.0
    );
    let bound = curve.bound(&workload.slo);
    let mut caption =
        "The middle of the starts; band: from the lowest start to the highest.".to_owned();
    if let Some(slo) = bound {
        let all = lines.iter().flat_map(|line| &line.points);
        let highest = all.map(|point| point.1).fold(f64::MIN, f64::max);
        // As the lines themselves decide it.
        if slo.bound > highest * 2.0 {
            caption += &format!(" The bound {} lies far above all that is drawn.", slo.text);
        }
    }
    let n = lines.len();
    let lines = Lines {
        title: match kept(workload, &first) {
            Some(level_kept) if bound.is_some() => {
                format!("{grows}; it keeps its bounds up to {level_kept} in every start that told")
            }
            _ => grows,
        },
        x: level.to_owned(),
        y: format!("{}, {}, {unit}", curve.name(), curve.stat.name()),
        limit: bound.map(|slo| (slo.bound, format!("bound {}", slo.text))),
        is_share: false,
        lines,
    };
    let name = slug(&curve.metric.definition().name);
    figure(
        format!("{}-load-{name}-{}", slug(&workload.node), curve.stat.name()),
        &lines,
        caption + &left_out(workload, n),
    )
}

/// The lowest level up to which a start kept its bounds.
fn kept(workload: &WorkloadView, cell: &str) -> Option<f64> {
    let details = details(workload, cell).into_iter();
    let levels = details.filter_map(|detail| detail.proved.as_ref()?.kept);
    levels.reduce(f64::min)
}

fn details<'v>(workload: &'v WorkloadView, cell: &str) -> Vec<&'v Detail> {
    let starts = workload.starts.iter().filter(|start| start.cell == cell);
    let details = starts.filter_map(|start| match &start.detail {
        Some(NodeDetail::Load(detail)) => Some(detail),
        _ => None,
    });
    details.collect()
}
