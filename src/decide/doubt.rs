//! What does not fit the fit: starts far from what their cell and their block make one expect,
//! and cells that are noisier than the noise that all are said to share.
//!
//! Nothing is left out for it: it is told, so that a person can look.

use serde::Serialize;

use crate::decide::fit::{Fit, Noise};

/// A start is told when it is further from the fit than this many standard deviations: of
/// 16,000 normal ones, one is.
pub const FAR: f64 = 4.0;

/// A cell is told when its own variance is more than this many times the pooled one: twice the
/// standard deviation.
pub const UNRULY: f64 = 4.0;

/// A start that is far from the fit. Cells by their position in the fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FarStart {
    pub cell: usize,
    pub block: u32,
    /// What the fit leaves, as a ratio: 1.2 is 20 % worse than expected.
    pub ratio: f64,
    /// In standard deviations of one start.
    pub sds: f64,
}

/// A cell that is noisier than the others.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct UnrulyCell {
    pub cell: usize,
    /// Its own variance over the pooled one.
    pub times: f64,
    /// Starts that its variance rests on.
    pub n: u32,
}

/// Starts further than [`FAR`] from the fit, the furthest first.
pub fn far_starts(fit: &Fit, noise: Noise) -> Vec<FarStart> {
    let mut far: Vec<FarStart> = fit
        .residuals()
        .map(|(o, residual)| FarStart {
            cell: o.cell,
            block: o.block,
            ratio: residual.exp(),
            sds: residual / noise.sd(),
        })
        .filter(|start| start.sds.abs() > FAR)
        .collect();
    far.sort_by(|a, b| b.sds.abs().total_cmp(&a.sds.abs()));
    far
}

/// Cells whose own variance is more than [`UNRULY`] times the pooled one, the noisiest first.
///
/// A cell's own variance is that of its residuals with the degrees of freedom that are left to
/// it, its starts less its share of the parameters of the fit.
pub fn unruly_cells(fit: &Fit, noise: Noise) -> Vec<UnrulyCell> {
    let mut squares = vec![0.0; fit.n_cells()];
    let mut n_all = 0_u32;
    for (o, residual) in fit.residuals() {
        squares[o.cell] += residual * residual;
        n_all += 1;
    }
    // Every start carries an equal share of what the blocks took.
    let left_over = |n: u32| f64::from(n) - 1.0;
    let all: f64 = (0..fit.n_cells())
        .map(|cell| left_over(fit.count(cell)))
        .sum();
    let share = noise.degrees.min(f64::from(n_all)) / all.max(1.0);
    let mut unruly: Vec<UnrulyCell> = (0..fit.n_cells())
        .filter(|&cell| fit.count(cell) > 1)
        .map(|cell| UnrulyCell {
            cell,
            times: squares[cell] / (left_over(fit.count(cell)) * share) / noise.variance,
            n: fit.count(cell),
        })
        .filter(|cell| cell.times > UNRULY)
        .collect();
    unruly.sort_by(|a, b| b.times.total_cmp(&a.times));
    unruly
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fit::Observation;

    /// Eight quiet cells in five blocks, with one start changed.
    fn fit(changed: impl Fn(usize, u32) -> f64) -> (Fit, Noise) {
        let observations = (1..=5).flat_map(|block| (0..8).map(move |cell| (cell, block)));
        let observations = observations.map(|(cell, block)| Observation {
            cell,
            block,
            y: f64::from((cell as u32 * 7 + block * 3) % 5) * 0.002 + changed(cell, block),
        });
        let fit = Fit::of(8, observations.collect());
        let noise = fit.noise().unwrap();
        (fit, noise)
    }

    #[test]
    fn a_start_far_from_its_cell_is_told_and_makes_its_cell_unruly() {
        let (quiet, noise) = fit(|_, _| 0.0);
        assert_eq!(
            (far_starts(&quiet, noise), unruly_cells(&quiet, noise)),
            (vec![], vec![])
        );

        let (fit, noise) = fit(|cell, block| match (cell, block) {
            (3, 2) => 0.2,
            _ => 0.0,
        });
        let far = far_starts(&fit, noise);
        assert_eq!((far.len(), far[0].cell, far[0].block), (1, 3, 2));
        assert!(far[0].sds > FAR && far[0].ratio > 1.1, "{far:?}");
        let unruly = unruly_cells(&fit, noise);
        assert_eq!((unruly.len(), unruly[0].cell, unruly[0].n), (1, 3, 5));
    }
}
