//! When requests are due, whatever becomes of those before them: the open loop. Pure.
//!
//! A schedule that waited for answers would slow down with the server and hide how slow it is
//! (coordinated omission); this one knows nothing of answers.

use std::time::Duration;

use crate::random::SplitMix64;
use crate::spec::workload::arrival::Arrival;

/// The instants at which requests are due, as distances from the start, without end. The first
/// one is due at the start where gaps are constant, and after a first gap where they are not.
#[derive(Debug, Clone)]
pub struct Schedule {
    rate: f64,
    arrival: Arrival,
    numbers: SplitMix64,
    n: u64,
    at: f64,
}

impl Schedule {
    /// `rate` is in requests per second and positive; the seed decides the gaps.
    pub fn new(rate: f64, arrival: Arrival, seed: u64) -> Self {
        Self {
            rate,
            arrival,
            numbers: SplitMix64::new(seed),
            n: 0,
            at: 0.0,
        }
    }
}

impl Iterator for Schedule {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let at = match self.arrival {
            // A product has no error that grows with the number of gaps.
            Arrival::Constant => self.n as f64 / self.rate,
            Arrival::Poisson => {
                // 1 - u is in (0, 1], whose logarithm is finite.
                self.at -= (1.0 - self.numbers.next_f64()).ln() / self.rate;
                self.at
            }
        };
        self.n += 1;
        Duration::try_from_secs_f64(at).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, prop_assert, proptest};

    use super::*;

    fn offsets(rate: f64, arrival: Arrival, seed: u64, n: usize) -> Vec<f64> {
        let schedule = Schedule::new(rate, arrival, seed).take(n);
        schedule.map(|offset| offset.as_secs_f64()).collect()
    }

    #[test]
    fn constant_gaps_are_constant_after_a_day_too() {
        let day = 24 * 3600 * 50;
        let last = Schedule::new(50.0, Arrival::Constant, 1).nth(day).unwrap();
        assert_eq!(last, Duration::from_secs(24 * 3600));
        assert_eq!(offsets(4.0, Arrival::Constant, 1, 3), [0.0, 0.25, 0.5]);
    }

    #[test]
    fn poisson_gaps_have_the_mean_and_the_spread_of_an_exponential() {
        let offsets = offsets(20.0, Arrival::Poisson, 3, 20_000);
        let gaps: Vec<f64> = offsets.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let square = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>();
        let deviation = (square / gaps.len() as f64).sqrt();
        // Their mean is 1 / rate and so is their deviation.
        assert!((mean * 20.0 - 1.0).abs() < 0.03, "{mean}");
        assert!((deviation * 20.0 - 1.0).abs() < 0.05, "{deviation}");
        let long = gaps.iter().filter(|&&gap| gap > 0.05).count();
        // exp(-1) of the gaps are longer than their mean.
        assert!((long as f64 / gaps.len() as f64 - 0.368).abs() < 0.02);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_schedule_goes_forward_and_is_the_same_for_the_same_seed(
            rate in 0.01_f64..1e5,
            seed in any::<u64>(),
        ) {
            for arrival in [Arrival::Constant, Arrival::Poisson] {
                let once = offsets(rate, arrival, seed, 100);
                prop_assert!(once.is_sorted());
                prop_assert!(once == offsets(rate, arrival, seed, 100));
            }
        }
    }
}
