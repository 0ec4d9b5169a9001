//! What mattered: how much each axis changes a number, and where two axes together do something
//! else than each alone.
//!
//! Only pairs of cells that are alike in everything else and were both measured are compared:
//! the dead are not missing by chance, so that a mean over whoever lived would compare different
//! company.

use std::collections::BTreeMap;

use crate::decide::fit::{Estimate, Fit, Noise};
use crate::matrix::cell::{Cell, SetBy};
use crate::spec::flag::{FlagValue, Knob};

/// A change of one axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step<'a> {
    pub knob: &'a Knob,
    pub from: &'a FlagValue,
    pub to: &'a FlagValue,
}

/// What a step does, on the scale of logarithms: its exponential is how many times as much the
/// number is after it.
#[derive(Debug, Clone, PartialEq)]
pub struct Effect<'a> {
    pub step: Step<'a>,
    pub estimate: Estimate,
    /// Pairs of cells that it is the mean of.
    pub n_pairs: u32,
}

/// How many times as much a step does when another was made too.
#[derive(Debug, Clone, PartialEq)]
pub struct Interaction<'a> {
    pub steps: (Step<'a>, Step<'a>),
    pub estimate: Estimate,
    /// Squares of four cells that it is the mean of.
    pub n_squares: u32,
}

/// The cells of a fit by where they stand in the matrix.
pub struct Landscape<'a> {
    axes: Vec<Axis<'a>>,
    /// The values of each cell of the fit, by their position on each axis.
    places: BTreeMap<Vec<usize>, usize>,
}

struct Axis<'a> {
    knob: &'a Knob,
    values: Vec<&'a FlagValue>,
}

impl<'a> Landscape<'a> {
    /// `cells` in the order of the fit. A cell that sets more than its place in the matrix is
    /// alike to no other and left out.
    pub fn of(cells: &[&'a Cell]) -> Self {
        let mut axes: Vec<Axis<'a>> = Vec::new();
        let mut places = BTreeMap::new();
        for (at, cell) in cells.iter().enumerate() {
            if sets_more(cell) {
                continue;
            }
            let place = cell
                .coordinates
                .iter()
                .enumerate()
                .map(|(axis, (knob, value))| {
                    if axes.len() == axis {
                        let values = Vec::new();
                        axes.push(Axis { knob, values });
                    }
                    let values = &mut axes[axis].values;
                    let known = values.iter().position(|known| *known == value);
                    known.unwrap_or_else(|| {
                        values.push(value);
                        values.len() - 1
                    })
                });
            places.insert(place.collect(), at);
        }
        Self { axes, places }
    }

    /// Every axis, from the first value that occurs to each other one.
    pub fn effects(&self, fit: &Fit, noise: Noise) -> Vec<Effect<'a>> {
        let mut effects = Vec::new();
        for axis in 0..self.axes.len() {
            for (to, step) in self.steps(axis) {
                let mut contrast = Vec::new();
                for (place, &cell) in &self.places {
                    if place[axis] == 0
                        && let Some(other) = self.beyond(place, &[(axis, to)])
                    {
                        contrast.extend([(other, 1.0), (cell, -1.0)]);
                    }
                }
                let n_pairs = contrast.len() / 2;
                if let Some(estimate) = mean(contrast, n_pairs, fit, noise) {
                    effects.push(Effect {
                        step,
                        estimate,
                        n_pairs: n_pairs as u32,
                    });
                }
            }
        }
        effects
    }

    /// Every pair of axes, from the first values to each other two.
    pub fn interactions(&self, fit: &Fit, noise: Noise) -> Vec<Interaction<'a>> {
        let mut found = Vec::new();
        for first in 0..self.axes.len() {
            for second in first + 1..self.axes.len() {
                for (to, step) in self.steps(first) {
                    for (other_to, other) in self.steps(second) {
                        let contrast = self.squares((first, to), (second, other_to));
                        let n_squares = contrast.len() / 4;
                        if let Some(estimate) = mean(contrast, n_squares, fit, noise) {
                            found.push(Interaction {
                                steps: (step, other),
                                estimate,
                                n_squares: n_squares as u32,
                            });
                        }
                    }
                }
            }
        }
        found
    }

    fn squares(&self, one: (usize, usize), two: (usize, usize)) -> Vec<(usize, f64)> {
        let mut contrast = Vec::new();
        for (place, &cell) in &self.places {
            if place[one.0] != 0 || place[two.0] != 0 {
                continue;
            }
            let corners = [
                self.beyond(place, &[one]),
                self.beyond(place, &[two]),
                self.beyond(place, &[one, two]),
            ];
            if let [Some(a), Some(b), Some(both)] = corners {
                contrast.extend([(both, 1.0), (a, -1.0), (b, -1.0), (cell, 1.0)]);
            }
        }
        contrast
    }

    /// The cell that is alike but for these axes.
    fn beyond(&self, place: &[usize], changes: &[(usize, usize)]) -> Option<usize> {
        let mut place = place.to_vec();
        for &(axis, value) in changes {
            place[axis] = value;
        }
        self.places.get(&place).copied()
    }

    fn steps(&self, axis: usize) -> impl Iterator<Item = (usize, Step<'a>)> + '_ {
        let Axis { knob, values } = &self.axes[axis];
        let values = values.iter().enumerate();
        let from = self.axes[axis].values.first();
        values.skip(1).filter_map(move |(at, to)| {
            let (from, to) = (*from?, *to);
            Some((at, Step { knob, from, to }))
        })
    }
}

/// The mean of so many contrasts.
fn mean(mut contrast: Vec<(usize, f64)>, n: usize, fit: &Fit, noise: Noise) -> Option<Estimate> {
    if n == 0 {
        return None;
    }
    // A cell may be in several of them.
    contrast.sort_by_key(|&(cell, _)| cell);
    let mut merged: Vec<(usize, f64)> = Vec::new();
    for (cell, weight) in contrast {
        let weight = weight / n as f64;
        match merged.last_mut() {
            Some((last, sum)) if *last == cell => *sum += weight,
            _ => merged.push((cell, weight)),
        }
    }
    Some(fit.contrast(&merged, noise))
}

/// It has a flag, a variable or a memory limit of its own beside its place in the matrix.
fn sets_more(cell: &Cell) -> bool {
    let is_own = |name: String| {
        !cell
            .coordinates
            .iter()
            .any(|(knob, _)| knob.to_string() == name)
    };
    let flags = cell.flags.iter().any(|(flag, setting)| {
        setting.by == SetBy::Cell && is_own(Knob::Flag(flag.clone()).to_string())
    });
    let env = cell.env.iter().any(|(name, setting)| {
        setting.by == SetBy::Cell && is_own(Knob::Env(name.clone()).to_string())
    });
    flags || env || cell.memory.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fit::Observation;
    use crate::id::CellId;
    use crate::spec::flag::FlagName;

    fn cell(utilisation: f64, prefix: bool) -> Cell {
        Cell {
            id: CellId::of(&format!("{utilisation} {prefix}")),
            name: format!("{utilisation}-{prefix}"),
            coordinates: vec![
                (
                    Knob::Flag(FlagName("gpu-memory-utilization".to_owned())),
                    FlagValue::Float(utilisation),
                ),
                (
                    Knob::Flag(FlagName("enable-prefix-caching".to_owned())),
                    FlagValue::Bool(prefix),
                ),
            ],
            flags: BTreeMap::new(),
            env: BTreeMap::new(),
            memory: None,
        }
    }

    const NOISE: Noise = Noise {
        variance: 0.01,
        degrees: 10.0,
    };

    fn fit(means: &[f64]) -> Fit {
        let of_block = |block| {
            let cells = means.iter().enumerate();
            cells.map(move |(cell, &y)| Observation { cell, block, y })
        };
        Fit::of(means.len(), (1..=2).flat_map(of_block).collect())
    }

    #[test]
    fn effects_are_means_over_pairs_that_both_lived() {
        let cells = [
            cell(0.8, false),
            cell(0.8, true),
            cell(0.9, false),
            cell(0.9, true),
            cell(0.95, true),
        ];
        let of = Landscape::of(&cells.iter().collect::<Vec<_>>());
        // 0.95 without prefix caching died.
        let fit = fit(&[2.0, 1.0, 2.5, 0.9, 0.5]);
        let effects = of.effects(&fit, NOISE);
        let told: Vec<(String, u32, f64)> = effects
            .iter()
            .map(|e| {
                (
                    e.step.to.to_string(),
                    e.n_pairs,
                    (e.estimate.value * 1e9).round() / 1e9,
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                ("0.9".to_owned(), 2, 0.2),
                ("0.95".to_owned(), 1, -0.5),
                ("true".to_owned(), 2, -1.3)
            ]
        );
        // Two pairs of cells with two starts each: (1/2 + 1/2) * 2 / 4.
        let half = NOISE.t() * (0.01_f64 * 0.5).sqrt();
        assert!((effects[2].estimate.half - half).abs() < 1e-9);
    }

    #[test]
    fn an_interaction_is_what_both_do_beyond_each_alone() {
        let cells = [
            cell(0.8, false),
            cell(0.8, true),
            cell(0.9, false),
            cell(0.9, true),
        ];
        let of = Landscape::of(&cells.iter().collect::<Vec<_>>());
        let found = of.interactions(&fit(&[2.0, 1.0, 2.5, 0.9]), NOISE);
        assert_eq!((found.len(), found[0].n_squares), (1, 1));
        assert!((found[0].estimate.value - (0.9 - 1.0 - 2.5 + 2.0)).abs() < 1e-9);
        // Where one of the four died there is nothing to say.
        let three: Vec<&Cell> = cells[..3].iter().collect();
        let none = Landscape::of(&three).interactions(&fit(&[2.0, 1.0, 2.5]), NOISE);
        assert!(none.is_empty());
    }

    #[test]
    fn a_cell_that_sets_more_is_alike_to_no_other() {
        let mut odd = cell(0.9, true);
        odd.memory = Some(1);
        let cells = [cell(0.8, true), odd];
        let of = Landscape::of(&cells.iter().collect::<Vec<_>>());
        assert!(of.effects(&fit(&[1.0, 2.0]), NOISE).is_empty());
    }
}
