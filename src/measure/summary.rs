//! A distribution in a few numbers, with its count.

use serde::{Deserialize, Serialize};

use crate::measure::metric::Stat;

/// Percentiles interpolate linearly between order statistics (Hyndman and Fan 1996, type 7).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    pub n: u32,
    pub mean: f64,
    /// Sample standard deviation (n - 1); `None` for a single value.
    pub sd: Option<f64>,
    pub min: f64,
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
    pub max: f64,
}

impl Summary {
    /// `None` for no values; values must be finite.
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted: Vec<f64> = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let n = sorted.len() as f64;
        let mean = sorted.iter().sum::<f64>() / n;
        let sd = (sorted.len() > 1)
            .then(|| (sorted.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt());
        Some(Self {
            n: sorted.len() as u32,
            mean,
            sd,
            min,
            p50: percentile(&sorted, 0.50),
            p95: percentile(&sorted, 0.95),
            p99: percentile(&sorted, 0.99),
            max,
        })
    }

    pub fn stat(&self, stat: Stat) -> Option<f64> {
        match stat {
            Stat::Mean => Some(self.mean),
            Stat::Sd => self.sd,
            Stat::Min => Some(self.min),
            Stat::P50 => Some(self.p50),
            Stat::P95 => Some(self.p95),
            Stat::P99 => Some(self.p99),
            Stat::Max => Some(self.max),
        }
    }
}

fn percentile(sorted: &[f64], p: f64) -> f64 {
    let position = p * (sorted.len() - 1) as f64;
    let below = position.floor() as usize;
    let above = position.ceil() as usize;
    sorted[below] + (sorted[above] - sorted[below]) * (position - below as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_interpolate_between_order_statistics() {
        let summary = Summary::of(&[4.0, 1.0, 3.0, 2.0]).unwrap();
        assert_eq!(
            (summary.n, summary.min, summary.p50, summary.max),
            (4, 1.0, 2.5, 4.0)
        );
        assert!((summary.p95 - 3.85).abs() < 1e-12);
        assert!((summary.sd.unwrap() - (5.0_f64 / 3.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn one_value_has_no_spread_and_none_has_nothing() {
        assert_eq!(Summary::of(&[7.0]).unwrap().sd, None);
        assert_eq!(Summary::of(&[]), None);
    }
}
