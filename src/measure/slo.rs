//! Bounds that a load must keep: `ttft.p95 < 1500 ms`.
//!
//! The same bounds judge twice. A rung keeps them when its statistics do; a request is *good* when
//! it keeps them alone, and the good requests per second are the goodput (Zhong et al. 2024,
//! "DistServe").

use serde::{Deserialize, Serialize};

use crate::measure::metric::{MetricDef, Stat};
use crate::measure::summary::Summary;
use crate::spec::experiment::Comparison;

/// What a bound can be on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SloMetric {
    Ttft,
    Itl,
    Tpot,
    E2e,
    TokensPerSecond,
    SuccessRate,
}

impl SloMetric {
    pub const ALL: [Self; 6] = [
        Self::Ttft,
        Self::Itl,
        Self::Tpot,
        Self::E2e,
        Self::TokensPerSecond,
        Self::SuccessRate,
    ];

    /// Name, unit and shape, as those of any metric; units are checked as a gate's are.
    pub fn definition(self) -> MetricDef {
        match self {
            Self::Ttft => MetricDef::milliseconds("ttft", "due to first token"),
            Self::Itl => MetricDef::milliseconds("itl", "from one delta with a token to the next"),
            Self::Tpot => MetricDef::milliseconds(
                "tpot",
                "(last token - first token) / (output tokens - 1) of each request",
            ),
            Self::E2e => MetricDef::milliseconds("e2e", "due to last byte"),
            Self::TokensPerSecond => MetricDef::tokens_per_second(
                "tokens_per_second",
                "(output tokens - 1) / (last token - first token) of each request",
            ),
            Self::SuccessRate => MetricDef::SUCCESS_RATE,
        }
    }
}

/// One bound.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Slo {
    pub metric: SloMetric,
    /// `None` for the success rate.
    pub stat: Option<Stat>,
    pub comparison: Comparison,
    /// In the metric's unit; a share of 1.
    pub bound: f64,
    /// As the file has it.
    pub text: String,
}

/// What is bounded, measured. What could not be measured is `None`, and keeps no bound.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Measures {
    pub ttft_ms: Option<Summary>,
    pub itl_ms: Option<Summary>,
    pub tpot_ms: Option<Summary>,
    pub e2e_ms: Option<Summary>,
    pub tokens_per_second: Option<Summary>,
    pub success_rate: Option<f64>,
}

impl Measures {
    fn of(&self, metric: SloMetric, stat: Option<Stat>) -> Option<f64> {
        let summary = match metric {
            SloMetric::SuccessRate => return self.success_rate,
            SloMetric::Ttft => self.ttft_ms,
            SloMetric::Itl => self.itl_ms,
            SloMetric::Tpot => self.tpot_ms,
            SloMetric::E2e => self.e2e_ms,
            SloMetric::TokensPerSecond => self.tokens_per_second,
        };
        summary?.stat(stat.unwrap_or(Stat::P50))
    }
}

/// A bound that was not kept, with what was found instead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Broken {
    pub text: String,
    /// In the metric's unit; `None` where nothing was measured.
    pub found: Option<f64>,
}

/// The bounds that a rung broke. Where none is on the success rate, every request must succeed:
/// an engine that refuses half of them is fast.
pub fn broken(slos: &[Slo], measured: &Measures) -> Vec<Broken> {
    let mut broken: Vec<Broken> = slos
        .iter()
        .filter_map(|slo| {
            let found = measured.of(slo.metric, slo.stat);
            let holds = found.is_some_and(|found| slo.comparison.holds(found, slo.bound));
            (!holds).then(|| Broken {
                text: slo.text.clone(),
                found,
            })
        })
        .collect();
    let bounds_success = slos.iter().any(|slo| slo.metric == SloMetric::SuccessRate);
    if !bounds_success && measured.success_rate != Some(1.0) {
        broken.push(Broken {
            text: "every request succeeds".to_owned(),
            found: measured.success_rate,
        });
    }
    broken
}

/// Whether a request keeps every bound alone: of its one time the time itself, of its gaps
/// between tokens the statistic that the bound names. A failed request is never good; a bound on
/// what a request does not have (the gaps of a single token) it cannot break.
pub fn is_good(slos: &[Slo], alone: &Measures) -> bool {
    alone.success_rate == Some(1.0)
        && slos
            .iter()
            .filter(|slo| slo.metric != SloMetric::SuccessRate)
            .all(|slo| {
                alone
                    .of(slo.metric, alone_stat(slo))
                    .is_none_or(|found| slo.comparison.holds(found, slo.bound))
            })
}

/// One value has no spread.
fn alone_stat(slo: &Slo) -> Option<Stat> {
    match (slo.metric, slo.stat) {
        (SloMetric::Itl, stat) => stat,
        _ => Some(Stat::P50),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slo(metric: SloMetric, stat: Option<Stat>, comparison: Comparison, bound: f64) -> Slo {
        Slo {
            metric,
            stat,
            comparison,
            bound,
            text: format!("{} {bound}", metric.definition().name),
        }
    }

    fn measures(ttft: &[f64], itl: &[f64], success_rate: f64) -> Measures {
        Measures {
            ttft_ms: Summary::of(ttft),
            itl_ms: Summary::of(itl),
            success_rate: Some(success_rate),
            ..Measures::default()
        }
    }

    #[test]
    fn a_rung_keeps_its_bounds_by_its_statistics() {
        let slos = [
            slo(SloMetric::Ttft, Some(Stat::P95), Comparison::Less, 300.0),
            slo(
                SloMetric::Itl,
                Some(Stat::Max),
                Comparison::LessOrEqual,
                50.0,
            ),
        ];
        let ttft = [100.0, 200.0, 300.0];
        assert_eq!(broken(&slos, &measures(&ttft, &[50.0], 1.0)), []);
        let found = broken(&slos, &measures(&[100.0, 400.0], &[50.1], 1.0));
        let texts: Vec<_> = found.iter().map(|b| (b.text.as_str(), b.found)).collect();
        assert_eq!(texts, [("ttft 300", Some(385.0)), ("itl 50", Some(50.1))]);
        // What was not measured keeps nothing.
        let found = broken(&slos, &measures(&ttft, &[], 1.0));
        assert_eq!((found.len(), found[0].found), (1, None));
    }

    #[test]
    fn failures_break_a_rung_unless_the_bounds_allow_for_them() {
        let ttft = slo(SloMetric::Ttft, Some(Stat::P50), Comparison::Less, 300.0);
        let some = slo(
            SloMetric::SuccessRate,
            None,
            Comparison::GreaterOrEqual,
            0.9,
        );
        let measured = measures(&[100.0], &[], 0.95);
        let found = broken(std::slice::from_ref(&ttft), &measured);
        assert_eq!(found[0].text, "every request succeeds");
        assert_eq!(found[0].found, Some(0.95));
        assert_eq!(broken(&[ttft, some], &measured), []);
    }

    #[test]
    fn a_request_is_good_alone() {
        let slos = [
            slo(SloMetric::Ttft, Some(Stat::Sd), Comparison::Less, 300.0),
            slo(SloMetric::Itl, Some(Stat::Max), Comparison::Less, 50.0),
            slo(SloMetric::SuccessRate, None, Comparison::Greater, 0.5),
        ];
        for (ttft, itl, success, good) in [
            (299.0, &[10.0, 49.0][..], 1.0, true),
            // The spread of one value says nothing: the value itself is held to the bound.
            (300.0, &[10.0], 1.0, false),
            (100.0, &[10.0, 50.0], 1.0, false),
            // One token has no gaps.
            (100.0, &[], 1.0, true),
            (100.0, &[10.0], 0.0, false),
        ] {
            let alone = measures(&[ttft], itl, success);
            assert_eq!(is_good(&slos, &alone), good, "{ttft} {itl:?} {success}");
        }
    }
}
