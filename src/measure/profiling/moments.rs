//! Mean, deviation and extremes of a series that is not kept.

use serde::{Deserialize, Serialize};

/// A series in five numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    pub n: u64,
    pub mean: f64,
    /// Sample standard deviation (n - 1); `None` for a single value.
    pub sd: Option<f64>,
    pub min: f64,
    pub max: f64,
}

/// Takes one value after the other: Welford's recurrence for mean and sum of squares (1962), and
/// the formula of Chan, Golub and LeVeque (1983) for two series together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Running {
    n: u64,
    mean: f64,
    squares: f64,
    min: f64,
    max: f64,
}

impl Default for Running {
    fn default() -> Self {
        Self {
            n: 0,
            mean: 0.0,
            squares: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
        }
    }
}

impl Running {
    /// A value that is no finite number is none.
    pub fn push(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        self.n += 1;
        let off = value - self.mean;
        self.mean += off / self.n as f64;
        self.squares += off * (value - self.mean);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    pub fn merge(&mut self, other: &Self) {
        if other.n == 0 {
            return;
        }
        let n = self.n + other.n;
        let off = other.mean - self.mean;
        let share = other.n as f64 / n as f64;
        self.squares += other.squares + off * off * self.n as f64 * share;
        self.mean += off * share;
        self.n = n;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// `None` for no values.
    pub fn moments(&self) -> Option<Moments> {
        (self.n > 0).then(|| Moments {
            n: self.n,
            mean: self.mean,
            sd: (self.n > 1).then(|| (self.squares / (self.n - 1) as f64).max(0.0).sqrt()),
            min: self.min,
            max: self.max,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::measure::summary::Summary;

    fn running(values: &[f64]) -> Running {
        let mut running = Running::default();
        for value in values {
            running.push(*value);
        }
        running
    }

    proptest! {
        #[test]
        fn any_series_in_any_two_parts_has_the_moments_of_the_whole(
            values in prop::collection::vec(-1e9_f64..1e9, 0..60),
            cut in 0_usize..60,
        ) {
            let cut = cut.min(values.len());
            let mut parts = running(&values[..cut]);
            parts.merge(&running(&values[cut..]));
            let (Some(found), Some(exact)) = (parts.moments(), Summary::of(&values)) else {
                prop_assert!(values.is_empty());
                prop_assert_eq!(parts.moments(), None);
                return Ok(());
            };
            let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * (1e9 + b.abs());
            prop_assert_eq!(found.n, u64::from(exact.n));
            prop_assert!(near(found.mean, exact.mean));
            prop_assert_eq!((found.min, found.max), (exact.min, exact.max));
            match (found.sd, exact.sd) {
                (Some(found), Some(exact)) => prop_assert!(near(found, exact)),
                (found, exact) => prop_assert_eq!(found, exact),
            }
        }
    }

    #[test]
    fn what_is_no_number_is_no_value() {
        let moments = running(&[1.0, f64::NAN, f64::INFINITY, 3.0])
            .moments()
            .unwrap();
        assert_eq!((moments.n, moments.mean, moments.max), (2, 2.0, 3.0));
    }
}
