//! How far two runs are apart on one scale, and how well that is known. The formulas and where
//! they come from are in docs/RANKING.md, "Two runs".

use crate::decide::fit::{Estimate, Fit, Noise, Observation};

/// The starts of one run on one scale, as far as they may be compared.
#[derive(Debug, Clone)]
pub struct Sample {
    observations: Vec<Observation>,
    means: Vec<f64>,
    counts: Vec<u32>,
    /// What blocks and cells leave, and its degrees of freedom.
    within_blocks: SumOfSquares,
    /// What blocks do to all cells alike.
    of_blocks: SumOfSquares,
}

#[derive(Debug, Clone, Copy, Default)]
struct SumOfSquares {
    sum: f64,
    degrees: f64,
}

/// A variance that was estimated, and how well.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Variance {
    value: f64,
    degrees: f64,
}

impl Sample {
    /// Of `n_cells` cells, each with at least one observation; all numbers must be finite.
    pub fn of(n_cells: usize, observations: Vec<Observation>) -> Self {
        let fit = Fit::of(n_cells, observations.clone());
        let mut counts = vec![0_u32; n_cells];
        let mut means = vec![0.0; n_cells];
        for one in &observations {
            counts[one.cell] += 1;
            means[one.cell] += one.y;
        }
        for (mean, &n) in means.iter_mut().zip(&counts) {
            *mean /= f64::from(n);
        }
        let squares = observations
            .iter()
            .map(|one| (one.y - means[one.cell]).powi(2));
        let within_cells = SumOfSquares {
            sum: squares.sum(),
            degrees: (observations.len() - n_cells) as f64,
        };
        let within_blocks = fit
            .noise()
            .map_or_else(SumOfSquares::default, |noise| SumOfSquares {
                sum: noise.variance * noise.degrees,
                degrees: noise.degrees,
            });
        let of_blocks = SumOfSquares {
            sum: (within_cells.sum - within_blocks.sum).max(0.0),
            degrees: within_cells.degrees - within_blocks.degrees,
        };
        Self {
            observations,
            means,
            counts,
            within_blocks,
            of_blocks,
        }
    }

    /// The mean of the means of these cells.
    pub fn mean(&self, cells: &[usize]) -> f64 {
        cells.iter().map(|&cell| self.means[cell]).sum::<f64>() / cells.len() as f64
    }

    /// The variance of that mean, blocks being as random as starts; `None` where no cell was
    /// started twice.
    fn variance(&self, cells: &[usize]) -> Option<Variance> {
        let degrees = self.within_blocks.degrees + self.of_blocks.degrees;
        if degrees <= 0.0 {
            return None;
        }
        let weight = 1.0 / cells.len() as f64;
        let own: f64 = cells
            .iter()
            .map(|&cell| weight * weight / f64::from(self.counts[cell]))
            .sum();
        let mut shares: Vec<(u32, f64)> = Vec::new();
        for one in self
            .observations
            .iter()
            .filter(|one| cells.contains(&one.cell))
        {
            let share = weight / f64::from(self.counts[one.cell]);
            match shares.iter_mut().find(|(block, _)| *block == one.block) {
                Some((_, sum)) => *sum += share,
                None => shares.push((one.block, share)),
            }
        }
        let of_blocks: f64 = shares.iter().map(|(_, share)| share * share).sum();
        let common = of_blocks / degrees;
        let parts = [
            (
                self.within_blocks,
                match self.within_blocks.degrees > 0.0 {
                    true => ((own - of_blocks) / self.within_blocks.degrees + common).max(0.0),
                    false => 0.0,
                },
            ),
            (self.of_blocks, common),
        ];
        let parts = parts.map(|(squares, factor)| Variance {
            value: factor * squares.sum,
            degrees: squares.degrees,
        });
        Some(sum_of(&parts))
    }
}

/// Independent variances together, with the degrees of freedom of Welch and Satterthwaite.
fn sum_of(parts: &[Variance]) -> Variance {
    let known = || parts.iter().filter(|part| part.degrees > 0.0);
    let value: f64 = known().map(|part| part.value).sum();
    let doubt: f64 = known().map(|part| part.value.powi(2) / part.degrees).sum();
    let degrees = match doubt > 0.0 {
        true => value.powi(2) / doubt,
        false => known().map(|part| part.degrees).sum(),
    };
    Variance { value, degrees }
}

/// By how much the mean over cells of one run is above that of another; the cells are named by
/// their places in each. `None` for the interval where one of the runs says nothing of its
/// noise.
pub fn difference(
    before: (&Sample, &[usize]),
    now: (&Sample, &[usize]),
) -> (f64, Option<Estimate>) {
    let value = now.0.mean(now.1) - before.0.mean(before.1);
    let variances = before.0.variance(before.1).zip(now.0.variance(now.1));
    let estimate = variances.map(|(before, now)| {
        let Variance {
            value: variance,
            degrees,
        } = sum_of(&[before, now]);
        let half = match variance > 0.0 {
            true => Noise { variance, degrees }.t() * variance.sqrt(),
            false => 0.0,
        };
        Estimate { value, half }
    });
    (value, estimate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::draws::Normals;

    fn sample(rows: &[(usize, u32, f64)]) -> Sample {
        let n_cells = rows.iter().map(|row| row.0 + 1).max().unwrap();
        let observations = rows
            .iter()
            .map(|&(cell, block, y)| Observation { cell, block, y })
            .collect();
        Sample::of(n_cells, observations)
    }

    #[test]
    fn one_cell_in_each_is_the_test_of_welch() {
        // Welch's t by hand: means 2 and 5, variances 1 and 4, three starts each.
        let before = sample(&[(0, 1, 1.0), (0, 2, 2.0), (0, 3, 3.0)]);
        let now = sample(&[(0, 1, 3.0), (0, 2, 5.0), (0, 3, 7.0)]);
        let (value, estimate) = difference((&before, &[0]), (&now, &[0]));
        assert!((value - 3.0).abs() < 1e-12);
        let variance: f64 = 1.0 / 3.0 + 4.0 / 3.0;
        let degrees =
            variance.powi(2) / ((1.0_f64 / 3.0).powi(2) / 2.0 + (4.0_f64 / 3.0).powi(2) / 2.0);
        let t = Noise { variance, degrees }.t();
        assert!((estimate.unwrap().half - t * variance.sqrt()).abs() < 1e-9);
        assert!((degrees - 2.941).abs() < 1e-3);
    }

    #[test]
    fn single_starts_say_a_difference_and_not_how_sure_it_is() {
        let one = sample(&[(0, 1, 1.0), (1, 1, 2.0)]);
        let two = sample(&[(0, 1, 1.5), (0, 2, 1.7), (1, 1, 2.0)]);
        let (value, estimate) = difference((&one, &[0]), (&two, &[0]));
        assert!((value - 0.6).abs() < 1e-12 && estimate.is_none());
    }

    /// Of so many pairs of runs whose truth is no difference, the share whose intervals hold it:
    /// of single cells, and of all cells together.
    fn coverage(n_cells: usize, blocks: u32, of_blocks: f64, other: f64) -> (f64, f64) {
        let mut numbers = Normals::new(11);
        let mut run = |noise: f64| {
            let mut rows = Vec::new();
            for block in 1..=blocks {
                let shift = of_blocks * numbers.normal();
                for cell in 0..n_cells {
                    rows.push((cell, block, shift + noise * numbers.normal()));
                }
            }
            sample(&rows)
        };
        let all: Vec<usize> = (0..n_cells).collect();
        let (mut single, mut together) = (0, 0);
        let n = 2000;
        for _ in 0..n {
            let (before, now) = (run(0.02), run(other));
            let holds = |cells: &[usize]| {
                let (value, estimate) = difference((&before, cells), (&now, cells));
                u32::from(value.abs() <= estimate.unwrap().half)
            };
            single += holds(&[0]);
            together += holds(&all);
        }
        (
            f64::from(single) / f64::from(n),
            f64::from(together) / f64::from(n),
        )
    }

    #[test]
    fn intervals_hold_what_they_say_with_drifting_blocks_and_unequal_noise() {
        for (n_cells, blocks, of_blocks, other) in [
            (4, 2, 0.0, 0.02),
            (4, 3, 0.0, 0.02),
            (4, 3, 0.02, 0.02),
            (12, 3, 0.04, 0.02),
            (6, 5, 0.02, 0.06),
        ] {
            let (single, together) = coverage(n_cells, blocks, of_blocks, other);
            println!(
                "{n_cells} cells, {blocks} blocks, blocks differ by {of_blocks}, noise 0.02 and {other}: {single:.3}, all {together:.3}"
            );
            // Three standard errors of 2000 below 95 %; small samples may hold more.
            assert!(single > 0.935 && together > 0.935, "{single} {together}");
        }
    }
}
