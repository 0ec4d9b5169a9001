//! The metrics that decide something, cell by cell, with their intervals: what bars, crosses and
//! limits of the figures are drawn from.
//!
//! The interval is that of the mean over starts: Student's t on the spread that all cells share,
//! by ratios where the metric has a ratio scale, what the blocks did taken out (docs/RANKING.md).

use serde::Serialize;

use crate::decide::decision::Decision;
use crate::decide::estimate::{self, CellMean};
use crate::decide::reading;
use crate::decide::wanted::{self, Role, Wanted};
use crate::manifest::Manifest;
use crate::measure::metric::{Availability, MetricDef, MetricRef, Scale, Shape, Stat, Unit};
use crate::spec::experiment::{Comparison, Goal};

/// One metric over all cells.
#[derive(Debug, Clone, Serialize)]
pub struct MeasureView {
    pub metric: String,
    /// Empty where there is none to write.
    pub unit: &'static str,
    /// What it is asked for; the first that applies.
    pub role: Role,
    /// Which way is better; `None` where nothing says so.
    pub better: Option<Goal>,
    pub limits: Vec<LimitView>,
    /// By how much two starts of one configuration differ, as a fraction: 95 % of all pairs by
    /// no more than this. `None` where it is not known or no ratio.
    pub noise: Option<f64>,
    /// In the order of the cells.
    pub estimates: Vec<Option<Estimated>>,
    #[serde(skip)]
    pub definition: Option<MetricDef>,
}

/// A bound that a gate sets.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LimitView {
    /// As the file writes it.
    pub gate: String,
    pub comparison: Comparison,
    pub bound: f64,
}

impl LimitView {
    /// Larger numbers miss it.
    pub fn is_upper(&self) -> bool {
        match self.comparison {
            Comparison::Less | Comparison::LessOrEqual => true,
            Comparison::Greater | Comparison::GreaterOrEqual => false,
        }
    }
}

/// A mean over starts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimated {
    pub n: u32,
    pub mean: f64,
    /// 95 %; `None` where the spread between starts is not known.
    pub interval: Option<(f64, f64)>,
}

/// Those that objectives, use cases and gates name, in this order, each once; then all others
/// that every cell can have.
pub fn views(manifest: &Manifest, decision: &Decision<'_>) -> Vec<MeasureView> {
    let experiment = &manifest.experiment;
    let mut wanted = wanted::named_by(experiment);
    for workload in &experiment.workloads {
        let metrics = workload.metrics();
        let common = metrics
            .iter()
            .filter(|metric| metric.availability == Availability::EveryCell);
        for metric in common {
            let reference = MetricRef {
                node: workload.name.clone(),
                metric: metric.name.to_string(),
                stat: match metric.shape {
                    Shape::Scalar => None,
                    Shape::Distribution => Some(Stat::P50),
                },
            };
            // Nobody asked for it: which way is better follows from what it counts.
            let better = match metric.unit {
                Unit::Milliseconds => Some(Goal::Min),
                Unit::TokensPerSecond | Unit::RequestsPerSecond => Some(Goal::Max),
                Unit::Tokens | Unit::Percent | Unit::PercentPerHour | Unit::One => None,
            };
            wanted::add(&mut wanted, &reference, Role::Other, better);
        }
    }
    let views = wanted.into_iter();
    views
        .map(
            |Wanted {
                 metric,
                 role,
                 better,
             }| {
                let definition = reading::definition(experiment, &metric).cloned();
                let (estimates, noise) = estimates(&metric, definition.as_ref(), decision);
                MeasureView {
                    unit: definition.as_ref().map_or("", |it| it.unit.symbol()),
                    role,
                    better,
                    limits: experiment
                        .gates
                        .iter()
                        .filter(|gate| gate.metric == metric)
                        .map(|gate| LimitView {
                            gate: gate.text.clone(),
                            comparison: gate.comparison,
                            bound: gate.bound,
                        })
                        .collect(),
                    noise,
                    estimates,
                    metric: metric.to_string(),
                    definition,
                }
            },
        )
        .collect()
}

fn estimates(
    metric: &MetricRef,
    definition: Option<&MetricDef>,
    decision: &Decision<'_>,
) -> (Vec<Option<Estimated>>, Option<f64>) {
    let scale = definition.map_or(Scale::Signed, |it| it.scale);
    let (means, noise) = estimate::with_noise(metric, scale, &decision.cells);
    let estimates = decision.order.iter().map(|&index| {
        let CellMean { mean, n, interval } = means[index]?;
        Some(Estimated { n, mean, interval })
    });
    let pairs = noise.filter(|_| scale == Scale::Ratio);
    let pairs = pairs.map(|noise| (noise.t() * (2.0 * noise.variance).sqrt()).exp_m1());
    (estimates.collect(), pairs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture::{self, Numbers};
    use crate::manifest::RunRecord;

    fn of(record: &RunRecord) -> Vec<MeasureView> {
        let decision = Decision::of(record);
        views(&record.manifest, &decision)
    }

    #[test]
    fn what_decides_comes_first_and_each_metric_once() {
        let measures = of(&fixture::full());
        let named: Vec<(&str, Role)> = measures
            .iter()
            .map(|measure| (measure.metric.as_str(), measure.role))
            .collect();
        assert_eq!(
            named,
            [
                ("kv-cache.ttft_repeat_ms.p50", Role::Objective),
                ("kv-cache.tokens_per_second.p50", Role::UseCase),
                ("kv-cache.success_rate", Role::Gate),
                ("kv-cache.ttft_first_ms.p50", Role::Other),
                ("kv-cache.acceleration", Role::Other),
                ("kv-cache.hit_rate", Role::Other),
            ]
        );
        assert_eq!(measures[2].limits[0].gate, "kv-cache.success_rate >= 0.95");
        assert!(!measures[2].limits[0].is_upper());
    }

    #[test]
    fn a_mean_has_the_interval_that_the_pooled_spread_gives_it() {
        let measures = of(&fixture::full());
        let objective = &measures[0];
        let first = objective.estimates[0].unwrap();
        assert_eq!((first.n, first.mean), (2, 132.5));
        let (low, high) = first.interval.unwrap();
        assert!(
            (low * high - first.mean * first.mean).abs() < 1e-6,
            "by ratios"
        );
        assert!(low < 132.5 && high < 140.0, "{low} {high}");
        // `d` died and `e` was never measured.
        assert_eq!(objective.estimates[4], None);
        assert!(objective.noise.unwrap() > 0.005);
        // Of a share there is no interval.
        assert_eq!(measures[2].estimates[0].unwrap().interval, None);
    }

    #[test]
    fn single_starts_have_no_interval() {
        let record = fixture::record(vec![
            fixture::measured("a", 1, Numbers::new(900.0, 90.0)),
            fixture::measured("b", 1, Numbers::new(900.0, 80.0)),
        ]);
        let estimates = &of(&record)[0].estimates;
        assert_eq!(estimates[0].unwrap().interval, None);
    }
}
