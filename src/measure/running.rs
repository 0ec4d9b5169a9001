//! A distribution that is gathered over hours in bounded memory.

use crate::measure::histogram::Histogram;
use crate::measure::summary::Summary;

/// So many values are kept as they are: 0.8 MB. Beyond, percentiles come from a histogram.
const EXACT: usize = 100_000;

/// By which share of themselves the percentiles of a [`Histogram`] may be off.
const RESOLUTION: f64 = 1e-3;

/// Values one after another, and their [`Summary`] at any time: exact up to [`EXACT`] values;
/// beyond them its percentiles are within [`RunningSummary::resolution`], the rest stays exact.
#[derive(Debug, Clone, Default)]
pub struct RunningSummary {
    exact: Vec<f64>,
    /// Once there are too many: all of them.
    histogram: Option<Histogram>,
}

impl RunningSummary {
    /// Takes a value; one that is not finite or below zero is no measurement and is passed over.
    pub fn push(&mut self, value: f64) {
        if !value.is_finite() || value < 0.0 {
            return;
        }
        if self.histogram.is_none() && self.exact.len() < EXACT {
            self.exact.push(value);
            return;
        }
        let histogram = self.histogram.get_or_insert_default();
        for value in std::mem::take(&mut self.exact) {
            histogram.record(value);
        }
        histogram.record(value);
    }

    /// `None` for no values.
    pub fn summary(&self) -> Option<Summary> {
        match &self.histogram {
            Some(histogram) => histogram.summary(),
            None => Summary::of(&self.exact),
        }
    }

    /// By which share of itself a percentile may be off; `None` while all is exact.
    pub fn resolution(&self) -> Option<f64> {
        self.histogram.as_ref().map(|_| RESOLUTION)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = f64>) -> RunningSummary {
        let mut running = RunningSummary::default();
        for value in values {
            running.push(value);
        }
        running
    }

    #[test]
    fn few_values_are_summarised_exactly() {
        let values = [4.0, 1.0, 3.5, 2.0];
        let running = of(values);
        assert_eq!(running.summary(), Summary::of(&values));
        assert_eq!(running.resolution(), None);
        assert_eq!(of([]).summary(), None);
    }

    #[test]
    fn what_is_no_number_of_a_measurement_does_not_count() {
        let running = of([f64::NAN, 2.0, f64::INFINITY, -1.0]);
        assert_eq!(running.summary(), Summary::of(&[2.0]));
    }

    #[test]
    fn many_values_keep_count_mean_spread_and_ends_exactly_and_percentiles_closely() {
        // A deterministic shuffle: 7919 has no factor in common with the count.
        let n = 250_000_u64;
        let values: Vec<f64> = (0..n).map(|k| (k * 7919 % n) as f64 / 100.0).collect();
        let (exact, running) = (Summary::of(&values).unwrap(), of(values));
        let found = running.summary().unwrap();
        assert_eq!(running.resolution(), Some(1e-3));
        assert!(running.exact.is_empty());
        assert_eq!(
            (found.n, found.min, found.max),
            (250_000, exact.min, exact.max)
        );
        for (found, exact, share) in [
            (found.mean, exact.mean, 1e-9),
            (found.sd.unwrap(), exact.sd.unwrap(), 1e-9),
            (found.p50, exact.p50, 1e-3),
            (found.p95, exact.p95, 1e-3),
            (found.p99, exact.p99, 1e-3),
        ] {
            assert!((found - exact).abs() <= share * exact, "{found} {exact}");
        }
    }
}
