//! The two-way fit: what a cell's score is once the hours in which its starts ran are taken out
//! of it, and how much starts of one and the same cell differ.
//!
//! y of a start = its cell's mean + its block's effect + noise, by least squares, with one
//! variance for all cells (docs/RANKING.md). Gaps are allowed: a cell need not have been
//! measured in every block.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// A score of one start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    /// Position among the cells of the fit.
    pub cell: usize,
    /// From 1.
    pub block: u32,
    pub y: f64,
}

/// How much starts differ by themselves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Noise {
    /// Variance of one start.
    pub variance: f64,
    /// Degrees of freedom that it rests on.
    pub degrees: f64,
}

impl Noise {
    /// Both together, each by its degrees of freedom.
    pub fn pooled(self, other: Self) -> Self {
        let degrees = self.degrees + other.degrees;
        let sum = self.variance * self.degrees + other.variance * other.degrees;
        Self {
            variance: sum / degrees,
            degrees,
        }
    }

    pub fn sd(self) -> f64 {
        self.variance.sqrt()
    }

    /// The quantile of Student's t, two-sided 95 %.
    pub fn t(self) -> f64 {
        let t = StudentsT::new(0.0, 1.0, self.degrees);
        t.map_or(f64::INFINITY, |t| t.inverse_cdf(0.975))
    }
}

/// The fit.
#[derive(Debug, Clone)]
pub struct Fit {
    observations: Vec<Observation>,
    /// Of each cell.
    means: Vec<f64>,
    counts: Vec<u32>,
    /// The blocks' numbers, ascending, and their effects.
    blocks: Vec<u32>,
    effects: Vec<f64>,
    /// Per cell, the share of its starts that ran in each block.
    shares: Vec<Vec<f64>>,
    /// The lower Cholesky factor of the blocks' information, made regular.
    factor: Vec<Vec<f64>>,
    /// Which blocks are connected by cells that ran in both.
    component: Vec<usize>,
    noise: Option<Noise>,
}

impl Fit {
    /// Fits `n_cells` cells, each of which has at least one observation. All numbers must be
    /// finite.
    ///
    /// Blocks that no cell connects are compared as if they had the same mean effect: nothing
    /// in the data says otherwise.
    pub fn of(n_cells: usize, observations: Vec<Observation>) -> Self {
        let mut blocks: Vec<u32> = observations.iter().map(|o| o.block).collect();
        blocks.sort_unstable();
        blocks.dedup();
        let at = |block: u32| blocks.partition_point(|&known| known < block);
        let mut counts = vec![0_u32; n_cells];
        let mut sums = vec![0.0; n_cells];
        let mut shares = vec![vec![0.0; blocks.len()]; n_cells];
        let mut of_blocks = vec![0.0; blocks.len()];
        let mut block_sums = vec![0.0; blocks.len()];
        for o in &observations {
            counts[o.cell] += 1;
            sums[o.cell] += o.y;
            shares[o.cell][at(o.block)] += 1.0;
            of_blocks[at(o.block)] += 1.0;
            block_sums[at(o.block)] += o.y;
        }
        // Normal equations with the cells eliminated.
        let mut information = vec![vec![0.0; blocks.len()]; blocks.len()];
        let mut right = block_sums;
        for (b, n) in of_blocks.iter().enumerate() {
            information[b][b] += n;
        }
        for cell in 0..n_cells {
            let n = f64::from(counts[cell]);
            for b in 0..blocks.len() {
                let inside = shares[cell][b];
                right[b] -= inside * sums[cell] / n;
                for c in 0..blocks.len() {
                    information[b][c] -= inside * shares[cell][c] / n;
                }
            }
        }
        for (row, &n) in shares.iter_mut().zip(&counts) {
            row.iter_mut().for_each(|share| *share /= f64::from(n));
        }
        let component = components(&shares, blocks.len());
        // The information says nothing of the level of a component: the sum of its effects is
        // held at 0.
        for (b, row) in information.iter_mut().enumerate() {
            for (c, value) in row.iter_mut().enumerate() {
                if component[b] == component[c] {
                    *value += 1.0;
                }
            }
        }
        let factor = cholesky(&information);
        let mut effects = backward(&factor, forward(&factor, right));
        centre(&mut effects, &component);
        let means: Vec<f64> = (0..n_cells)
            .map(|cell| sums[cell] / f64::from(counts[cell]) - dot(&shares[cell], &effects))
            .collect();
        let mut fit = Self {
            means,
            counts,
            effects,
            shares,
            factor,
            noise: None,
            observations,
            component,
            blocks,
        };
        let n_components = fit.component.iter().max().map_or(0, |last| last + 1);
        let parameters = n_cells + fit.blocks.len() - n_components;
        if fit.observations.len() > parameters {
            let degrees = (fit.observations.len() - parameters) as f64;
            let squares: f64 = fit.residuals().map(|(_, r)| r * r).sum();
            fit.noise = Some(Noise {
                variance: squares / degrees,
                degrees,
            });
        }
        fit
    }

    pub fn n_cells(&self) -> usize {
        self.means.len()
    }

    /// The cell's mean in the average block.
    pub fn mean(&self, cell: usize) -> f64 {
        self.means[cell]
    }

    /// Starts of the cell.
    pub fn count(&self, cell: usize) -> u32 {
        self.counts[cell]
    }

    /// Of this run alone; `None` where no cell was measured often enough to tell.
    pub fn noise(&self) -> Option<Noise> {
        self.noise
    }

    /// What the fit leaves of each observation.
    pub fn residuals(&self) -> impl Iterator<Item = (&Observation, f64)> {
        self.observations.iter().map(|o| {
            let block = self.blocks.partition_point(|&known| known < o.block);
            (o, o.y - self.means[o.cell] - self.effects[block])
        })
    }

    /// The variance of a contrast of cells, in units of the variance of one start.
    pub fn variance_of(&self, contrast: &[(usize, f64)]) -> f64 {
        let mut lean = vec![0.0; self.blocks.len()];
        let mut own = 0.0;
        for &(cell, weight) in contrast {
            own += weight * weight / f64::from(self.counts[cell]);
            for (sum, share) in lean.iter_mut().zip(&self.shares[cell]) {
                *sum += weight * share;
            }
        }
        // What the level of a component adds is not of the data.
        centre(&mut lean, &self.component);
        let rooted = forward(&self.factor, lean);
        own + rooted.iter().map(|x| x * x).sum::<f64>()
    }

    /// The value of a contrast with its 95 % interval.
    pub fn contrast(&self, contrast: &[(usize, f64)], noise: Noise) -> Estimate {
        let value = contrast
            .iter()
            .map(|&(cell, weight)| weight * self.means[cell])
            .sum();
        let half = noise.t() * (noise.variance * self.variance_of(contrast)).sqrt();
        Estimate { value, half }
    }

    /// One draw of the means, from independent standard normal numbers.
    pub fn draw(&self, sd: f64, normal: &mut impl FnMut() -> f64, means: &mut [f64]) {
        let z = self.blocks.iter().map(|_| normal()).collect();
        let mut effects = backward(&self.factor, z);
        centre(&mut effects, &self.component);
        for (cell, mean) in means.iter_mut().enumerate() {
            let own = normal() / f64::from(self.counts[cell]).sqrt();
            *mean = self.means[cell] + sd * (own - dot(&self.shares[cell], &effects));
        }
    }
}

/// A value on the scale of logarithms, with half of its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    pub value: f64,
    pub half: f64,
}

impl Estimate {
    /// As a ratio: the value, and the ends of its interval.
    pub fn ratio(self) -> (f64, f64, f64) {
        let Self { value, half } = self;
        (value.exp(), (value - half).exp(), (value + half).exp())
    }

    /// The interval leaves out "no difference".
    pub fn is_clear(self) -> bool {
        self.value.abs() > self.half
    }
}

/// For each block, the number of its component.
fn components(shares: &[Vec<f64>], n_blocks: usize) -> Vec<usize> {
    let mut label: Vec<usize> = (0..n_blocks).collect();
    loop {
        let before = label.clone();
        for row in shares {
            let inside = || (0..n_blocks).filter(|&b| row[b] > 0.0);
            if let Some(least) = inside().map(|b| label[b]).min() {
                inside().for_each(|b| label[b] = least);
            }
        }
        if label == before {
            break;
        }
    }
    let mut known = label.clone();
    known.sort_unstable();
    known.dedup();
    label
        .iter()
        .map(|label| known.partition_point(|other| other < label))
        .collect()
}

/// Takes the mean of each component away.
fn centre(values: &mut [f64], component: &[usize]) {
    let n = component.iter().max().map_or(0, |last| last + 1);
    for part in 0..n {
        let inside: Vec<usize> = (0..values.len())
            .filter(|&b| component[b] == part)
            .collect();
        let mean = inside.iter().map(|&b| values[b]).sum::<f64>() / inside.len() as f64;
        inside.iter().for_each(|&b| values[b] -= mean);
    }
}

/// The lower factor of a positive definite matrix.
fn cholesky(matrix: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let n = matrix.len();
    let mut lower = vec![vec![0.0; n]; n];
    for row in 0..n {
        for column in 0..=row {
            let known: f64 = dot(&lower[row][..column], &lower[column][..column]);
            let rest = matrix[row][column] - known;
            lower[row][column] = match row == column {
                true => rest.max(f64::MIN_POSITIVE).sqrt(),
                false => rest / lower[column][column],
            };
        }
    }
    lower
}

/// Solves L x = b.
fn forward(lower: &[Vec<f64>], mut b: Vec<f64>) -> Vec<f64> {
    for row in 0..b.len() {
        let known: f64 = dot(&lower[row][..row], &b[..row]);
        b[row] = (b[row] - known) / lower[row][row];
    }
    b
}

/// Solves L' x = b.
fn backward(lower: &[Vec<f64>], mut b: Vec<f64>) -> Vec<f64> {
    for row in (0..b.len()).rev() {
        let known: f64 = (row + 1..b.len()).map(|k| lower[k][row] * b[k]).sum();
        b[row] = (b[row] - known) / lower[row][row];
    }
    b
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(rows: &[(usize, u32, f64)]) -> Fit {
        let n_cells = rows.iter().map(|row| row.0 + 1).max().unwrap();
        let observations = rows
            .iter()
            .map(|&(cell, block, y)| Observation { cell, block, y })
            .collect();
        Fit::of(n_cells, observations)
    }

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn a_complete_design_is_the_two_way_table_of_a_textbook() {
        // Two cells, three blocks; residuals are +-0.05, +-0.1, -+0.15.
        let fit = fit(&[
            (0, 1, 1.0),
            (1, 1, 2.1),
            (0, 2, 1.5),
            (1, 2, 2.7),
            (0, 3, 2.3),
            (1, 3, 3.0),
        ]);
        assert!(near(fit.mean(0), 1.6) && near(fit.mean(1), 2.6));
        let effects = &fit.effects;
        assert!(near(effects[0], 1.55 - 2.1) && near(effects[2], 2.65 - 2.1));
        let noise = fit.noise().unwrap();
        assert!(near(noise.degrees, 2.0));
        assert!(near(
            noise.variance,
            2.0 * (0.05_f64.powi(2) + 0.1_f64.powi(2) + 0.15_f64.powi(2)) / 2.0
        ));
        // A difference of complete cells: 1/3 + 1/3.
        assert!(near(fit.variance_of(&[(1, 1.0), (0, -1.0)]), 2.0 / 3.0));
    }

    #[test]
    fn a_slow_block_is_not_held_against_the_cell_that_ran_in_it() {
        // Block 2 is slower by 1; cell 2 ran only there, cell 1 only in block 1.
        let fit = fit(&[(0, 1, 5.0), (0, 2, 6.0), (1, 1, 4.0), (2, 2, 5.0)]);
        assert!(near(fit.mean(1) - fit.mean(2), 0.0));
        assert!(near(fit.mean(0) - fit.mean(1), 1.0));
        assert_eq!(fit.noise(), None);
        // By way of cell 0: 1 + 1 of their own and 2 of the difference of the blocks.
        assert!(near(fit.variance_of(&[(1, 1.0), (2, -1.0)]), 4.0));
    }

    #[test]
    fn blocks_that_nothing_connects_are_taken_as_equal() {
        let fit = fit(&[(0, 1, 1.0), (1, 2, 3.0), (2, 2, 4.0)]);
        assert!(near(fit.mean(1) - fit.mean(0), 2.0));
        assert_eq!(fit.noise(), None);
    }

    #[test]
    fn draws_have_the_variance_of_the_fit() {
        let fit = fit(&[
            (0, 1, 5.0),
            (0, 2, 6.0),
            (1, 1, 4.0),
            (1, 2, 5.1),
            (2, 2, 5.0),
        ]);
        let mut numbers = crate::decide::draws::Normals::new(7);
        let mut normal = || numbers.normal();
        let mut means = vec![0.0; 3];
        let differences: Vec<f64> = (0..20_000)
            .map(|_| {
                fit.draw(1.0, &mut normal, &mut means);
                means[2] - means[0]
            })
            .collect();
        let n = differences.len() as f64;
        let mean = differences.iter().sum::<f64>() / n;
        let variance = differences.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / n;
        let expected = fit.variance_of(&[(2, 1.0), (0, -1.0)]);
        assert!((mean - (fit.mean(2) - fit.mean(0))).abs() < 0.05);
        // Five standard errors of a variance of so many draws.
        assert!(
            (variance / expected - 1.0).abs() < 0.05,
            "{variance} {expected}"
        );
    }

    #[test]
    fn noises_are_pooled_by_their_degrees() {
        let a = Noise {
            variance: 1.0,
            degrees: 2.0,
        };
        let b = Noise {
            variance: 4.0,
            degrees: 4.0,
        };
        assert_eq!(
            a.pooled(b),
            Noise {
                variance: 3.0,
                degrees: 6.0
            }
        );
        assert!((a.t() - 4.302_65).abs() < 1e-4);
    }
}
