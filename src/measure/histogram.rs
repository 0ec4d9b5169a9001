//! Distributions of any length in little memory: for gaps between tokens, and for whatever is
//! recorded over hours.

use std::fmt;

use crate::measure::summary::Summary;

/// Units of a histogram's buckets per millisecond: microseconds.
const PER_MS: f64 = 1e3;

/// Durations in milliseconds, in buckets of at most 0.1 % of their value and at least a
/// microsecond. Count, mean, deviation, least and most are exact; percentiles are as exact as
/// the buckets and are those of the nearest rank.
#[derive(Clone)]
pub struct Histogram {
    counts: hdrhistogram::Histogram<u32>,
    n: u64,
    mean: f64,
    /// Sum of the squared distances from the mean (Welford 1962).
    squares: f64,
    min: f64,
    max: f64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: hdrhistogram::Histogram::new(3).expect("three digits are a valid precision"),
            n: 0,
            mean: 0.0,
            squares: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
        }
    }
}

impl Histogram {
    /// Takes one duration in milliseconds; what is not finite is not one.
    pub fn record(&mut self, ms: f64) {
        if !ms.is_finite() {
            return;
        }
        // The cast saturates, at five hundred thousand years.
        self.counts
            .record((ms * PER_MS).round() as u64)
            .expect("a histogram that grows by itself takes every value");
        self.n += 1;
        let distance = ms - self.mean;
        self.mean += distance / self.n as f64;
        self.squares += distance * (ms - self.mean);
        self.min = self.min.min(ms);
        self.max = self.max.max(ms);
    }

    pub fn n(&self) -> u64 {
        self.n
    }

    /// Takes what another one recorded (Chan et al. 1979 for the deviation).
    pub fn merge(&mut self, other: &Self) {
        if other.n == 0 {
            return;
        }
        self.counts
            .add(&other.counts)
            .expect("a histogram that grows by itself takes every other");
        let (n, m) = (self.n as f64, other.n as f64);
        let distance = other.mean - self.mean;
        self.squares += other.squares + distance * distance * n * m / (n + m);
        self.mean += distance * m / (n + m);
        self.n += other.n;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// `None` while nothing was recorded.
    pub fn summary(&self) -> Option<Summary> {
        if self.n == 0 {
            return None;
        }
        let at = |quantile| {
            let value = self.counts.value_at_quantile(quantile) as f64 / PER_MS;
            value.clamp(self.min, self.max)
        };
        Some(Summary {
            n: u32::try_from(self.n).unwrap_or(u32::MAX),
            mean: self.mean,
            sd: (self.n > 1).then(|| (self.squares / (self.n - 1) as f64).sqrt()),
            min: self.min,
            p50: at(0.50),
            p95: at(0.95),
            p99: at(0.99),
            max: self.max,
        })
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Histogram").field(&self.summary()).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, prop, prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn of(values: &[f64]) -> Histogram {
        let mut histogram = Histogram::default();
        for value in values {
            histogram.record(*value);
        }
        histogram
    }

    fn is_near(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-6 * a.abs().max(b.abs()).max(1.0)
    }

    #[test]
    fn nothing_has_no_summary_and_what_is_no_number_is_not_taken() {
        assert_eq!(Histogram::default().summary(), None);
        assert_eq!(of(&[f64::NAN, f64::INFINITY]).summary(), None);
    }

    #[test]
    fn a_day_of_gaps_takes_no_more_room_than_a_minute() {
        let mut histogram = Histogram::default();
        for gap in 0..1_000_000_u32 {
            histogram.record(f64::from(gap % 3000) / 100.0);
        }
        assert!(histogram.counts.distinct_values() < 20_000);
        let summary = histogram.summary().unwrap();
        assert!((summary.p50 - 15.0).abs() < 0.02, "{summary:?}");
        assert!((summary.p99 - 29.7).abs() < 0.04, "{summary:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn it_says_what_the_values_say(
            values in prop::collection::vec(0.0_f64..1e6, 1..200),
            cut in 0_usize..200,
        ) {
            let exact = Summary::of(&values).unwrap();
            let (left, right) = values.split_at(cut.min(values.len()));
            let mut merged = of(left);
            merged.merge(&of(right));
            for found in [of(&values).summary().unwrap(), merged.summary().unwrap()] {
                prop_assert_eq!((found.n, found.min, found.max), (exact.n, exact.min, exact.max));
                prop_assert!(is_near(found.mean, exact.mean));
                prop_assert!(is_near(found.sd.unwrap_or(0.0), exact.sd.unwrap_or(0.0)));
                let mut sorted = values.clone();
                sorted.sort_by(f64::total_cmp);
                for (quantile, found) in [(0.5, found.p50), (0.95, found.p95), (0.99, found.p99)] {
                    let rank = (quantile * values.len() as f64).ceil().max(1.0) as usize;
                    let nearest = sorted[rank - 1];
                    prop_assert!((found - nearest).abs() <= 0.001 * nearest + 0.001, "{} {}", found, nearest);
                }
            }
        }
    }
}
