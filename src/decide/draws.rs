//! What the data leave open, by drawing: how probable it is that a cell is as good as the best,
//! that it is the best, which ranks it may have, and what choosing it may cost.
//!
//! The draws follow from a seed alone, for ever: a report that is made again says the same.

use std::f64::consts::TAU;

use serde::Serialize;

use crate::decide::fit::{Fit, Noise};
use crate::random::SplitMix64;

/// How many draws a probability rests on: its own error is at most 0.5 percentage points (one
/// standard error at 50 %), 0.2 at 95 %.
pub const DRAWS: u32 = 10_000;

/// Draws for looking ahead, where one percentage point is enough.
const DRAWS_AHEAD: u32 = 2_000;

/// Further blocks that are looked ahead.
pub const MOST_BLOCKS_AHEAD: u32 = 20;

/// What is left open about one cell.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Chance {
    /// That its score is within the equivalence margin of the best.
    pub equivalent: f64,
    /// That it is the best. Cells that are equal in truth share it.
    pub best: f64,
    /// The ranks that hold 95 % of the draws, from 1.
    pub ranks: (u32, u32),
    /// By what fraction it is worse than the best, on average.
    pub expected_loss: f64,
}

/// Draws the cells of a fit. `margin` is the fraction below which a difference is the same to
/// the user.
pub fn chances(fit: &Fit, noise: Noise, margin: f64, seed: u64) -> Vec<Chance> {
    let n = fit.n_cells();
    let within = margin.ln_1p();
    let mut tallies = vec![Tally::new(n); n];
    let mut order: Vec<usize> = (0..n).collect();
    draw(fit, noise, DRAWS, seed, |means| {
        order.sort_unstable_by(|&a, &b| means[a].total_cmp(&means[b]));
        let best = means[order[0]];
        for (place, &cell) in order.iter().enumerate() {
            let tally = &mut tallies[cell];
            let behind = means[cell] - best;
            tally.places[place] += 1;
            tally.equivalent += u32::from(behind <= within);
            tally.loss += behind.exp_m1();
        }
    });
    tallies.iter().map(Tally::chance).collect()
}

/// How many further blocks of the same cells would likely give some cell a probability of
/// `enough` to be within the margin of the best, if the means stay where they are; `None` where
/// the blocks that are looked ahead do not suffice, as with cells that differ by about the
/// margin.
pub fn blocks_to_settle(
    fit: &Fit,
    noise: Noise,
    margin: f64,
    enough: f64,
    seed: u64,
) -> Option<u32> {
    let n = fit.n_cells();
    let within = margin.ln_1p();
    let now = (0..n).map(|cell| fit.count(cell)).max()?;
    (1..=MOST_BLOCKS_AHEAD).find(|&more| {
        // Every cell once more in each block: the same design, so many times as large.
        let growth = f64::from(now + more) / f64::from(now);
        let later = Noise {
            variance: noise.variance / growth,
            degrees: noise.degrees + f64::from(more) * (n.saturating_sub(1)) as f64,
        };
        let mut inside = vec![0_u32; n];
        draw(fit, later, DRAWS_AHEAD, seed, |means| {
            let best = means.iter().copied().fold(f64::INFINITY, f64::min);
            for (count, mean) in inside.iter_mut().zip(means) {
                *count += u32::from(mean - best <= within);
            }
        });
        let most = inside.iter().max().copied().unwrap_or(0);
        f64::from(most) / f64::from(DRAWS_AHEAD) >= enough
    })
}

/// Draws variance and means: variance = nu s^2 / chi^2(nu), means around the fit's.
fn draw(fit: &Fit, noise: Noise, draws: u32, seed: u64, mut take: impl FnMut(&[f64])) {
    let mut numbers = Normals::new(seed);
    let mut means = vec![0.0; fit.n_cells()];
    for _ in 0..draws {
        let chi_squared = 2.0 * numbers.gamma(noise.degrees / 2.0);
        let sd = (noise.degrees * noise.variance / chi_squared).sqrt();
        fit.draw(sd, &mut || numbers.normal(), &mut means);
        take(&means);
    }
}

#[derive(Debug, Clone)]
struct Tally {
    equivalent: u32,
    /// How often it had each place.
    places: Vec<u32>,
    loss: f64,
}

impl Tally {
    fn new(n_cells: usize) -> Self {
        Self {
            equivalent: 0,
            places: vec![0; n_cells],
            loss: 0.0,
        }
    }

    fn chance(&self) -> Chance {
        let share = |n: u32| f64::from(n) / f64::from(DRAWS);
        Chance {
            equivalent: share(self.equivalent),
            best: share(self.places[0]),
            ranks: (self.rank_at(0.025), self.rank_at(0.975)),
            expected_loss: self.loss / f64::from(DRAWS),
        }
    }

    /// The first rank up to which more than this share of the draws lies.
    fn rank_at(&self, share: f64) -> u32 {
        let target = share * f64::from(DRAWS);
        let mut sum = 0.0;
        for (rank, &n) in (1..).zip(&self.places) {
            sum += f64::from(n);
            if sum > target {
                return rank;
            }
        }
        u32::try_from(self.places.len()).unwrap_or(u32::MAX)
    }
}

/// Numbers of the standard normal and of gamma distributions, from a seed.
#[derive(Debug)]
pub struct Normals {
    uniform: SplitMix64,
    /// The second of a pair.
    spare: Option<f64>,
}

impl Normals {
    pub fn new(seed: u64) -> Self {
        Self {
            uniform: SplitMix64::new(seed),
            spare: None,
        }
    }

    /// The next normal number (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let radius = (-2.0 * self.open().ln()).sqrt();
        let (sine, cosine) = (TAU * self.open()).sin_cos();
        self.spare = Some(radius * sine);
        radius * cosine
    }

    /// In (0, 1]: its logarithm is finite.
    fn open(&mut self) -> f64 {
        1.0 - self.uniform.next_f64()
    }

    /// Of the given shape and scale 1 (Marsaglia and Tsang 2000).
    fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            return self.gamma(shape + 1.0) * self.open().powf(1.0 / shape);
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v <= 0.0 {
                continue;
            }
            if self.open().ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fit::Observation;

    /// Cells with these means, measured in so many blocks without noise.
    fn fit(means: &[f64], blocks: u32) -> Fit {
        let of_block = |block| {
            (0..means.len()).map(move |cell| Observation {
                cell,
                block,
                y: means[cell],
            })
        };
        Fit::of(means.len(), (1..=blocks).flat_map(of_block).collect())
    }

    const NOISE: Noise = Noise {
        variance: 1e-4,
        degrees: 12.0,
    };

    fn moments(values: &[f64]) -> (f64, f64) {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        (mean, variance)
    }

    #[test]
    fn numbers_have_the_moments_of_their_distributions() {
        let mut numbers = Normals::new(1);
        let normal: Vec<f64> = (0..40_000).map(|_| numbers.normal()).collect();
        let (mean, variance) = moments(&normal);
        assert!(mean.abs() < 0.025 && (variance - 1.0).abs() < 0.04);
        for shape in [0.5, 1.0, 6.0] {
            let gamma: Vec<f64> = (0..40_000).map(|_| numbers.gamma(shape)).collect();
            let (mean, variance) = moments(&gamma);
            assert!((mean / shape - 1.0).abs() < 0.04, "{shape}: {mean}");
            assert!((variance / shape - 1.0).abs() < 0.12, "{shape}: {variance}");
        }
    }

    #[test]
    fn equal_cells_are_all_equivalent_and_share_being_the_best() {
        let chances = chances(&fit(&[1.0, 1.0, 1.5], 3), NOISE, 0.05, 1);
        for cell in [0, 1] {
            assert!(chances[cell].equivalent > 0.99, "{chances:?}");
            assert!((chances[cell].best - 0.5).abs() < 0.03, "{chances:?}");
            assert_eq!(chances[cell].ranks, (1, 2));
        }
        let last = chances[2];
        assert_eq!((last.equivalent, last.best, last.ranks), (0.0, 0.0, (3, 3)));
        assert!((last.expected_loss - 0.5_f64.exp_m1()).abs() < 0.02);
    }

    #[test]
    fn a_probability_is_that_of_students_t() {
        // Two cells 1.5 % apart with a margin of 0: P(best) of the worse one is the tail of t.
        let fit = fit(&[0.0, 0.015], 3);
        let chances = chances(&fit, NOISE, 0.0, 3);
        let t = 0.015 / (NOISE.variance * 2.0 / 3.0).sqrt();
        let tail = 1.0 - t_cdf(t, 12.0);
        assert!((chances[1].best - tail).abs() < 0.01, "{chances:?} {tail}");
    }

    fn t_cdf(x: f64, degrees: f64) -> f64 {
        use statrs::distribution::{ContinuousCDF, StudentsT};
        StudentsT::new(0.0, 1.0, degrees).unwrap().cdf(x)
    }

    #[test]
    fn more_blocks_settle_what_differs_and_never_what_is_on_the_margin() {
        let wide = Noise {
            variance: 4e-4,
            degrees: 6.0,
        };
        let apart = fit(&[0.0, 0.03], 3);
        let more = blocks_to_settle(&apart, wide, 0.02, 0.95, 1);
        assert_eq!(more, blocks_to_settle(&apart, wide, 0.02, 0.95, 1));
        assert!((1..=10).contains(&more.unwrap()), "{more:?}");
        // Three rivals each of which is best by the width of the noise.
        let rivals = fit(&[0.0, 0.0, 0.0, 0.0, 0.0, 0.0], 2);
        let noisy = Noise {
            variance: 0.09,
            degrees: 5.0,
        };
        assert_eq!(blocks_to_settle(&rivals, noisy, 0.02, 0.95, 1), None);
    }
}
