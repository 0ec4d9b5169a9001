//! How sure a ranking is: the fit of its cells, the noise between starts, and what the draws say.

use crate::decide::doubt::{self, FarStart, UnrulyCell};
use crate::decide::draws::{Chance, blocks_to_settle, chances};
use crate::decide::fit::{Estimate, Fit, Noise, Observation};
use crate::decide::score::Score;

/// Probabilities are stated from so many degrees of freedom on. Below, the noise itself is known
/// so badly that they would say more about luck than about the cells (docs/RANKING.md).
pub const LEAST_DEGREES: f64 = 6.0;

/// A cell that is within the margin of the best with this probability may be the champion.
pub const ENOUGH: f64 = 0.95;

/// A cell whose probability is at least this is still in the race.
pub const IN_THE_RACE: f64 = 0.05;

/// How sure a ranking is.
#[derive(Debug, Clone)]
pub struct Confidence {
    /// The ranked cells by their position in the experiment, in the order of the fit.
    members: Vec<usize>,
    fit: Fit,
    noise: Option<Noise>,
    /// Earlier runs were needed to know the noise.
    with_earlier: bool,
    chances: Option<Vec<Chance>>,
    margin: f64,
    seed: u64,
}

impl Confidence {
    /// Of the cells that have a score. `margin` is the fraction below which a difference is the
    /// same to the user. `prior` is the noise that earlier runs tell of: it counts where this run
    /// alone leaves fewer than [`LEAST_DEGREES`], and never where it leaves none.
    pub fn of<'a>(
        scores: impl IntoIterator<Item = (usize, &'a Score)>,
        margin: f64,
        seed: u64,
        prior: Option<Noise>,
    ) -> Self {
        let (members, scores): (Vec<usize>, Vec<&Score>) = scores.into_iter().unzip();
        let observations = scores.iter().enumerate().flat_map(|(cell, score)| {
            score.starts.iter().map(move |start| Observation {
                cell,
                block: start.block,
                y: start.y,
            })
        });
        let fit = Fit::of(members.len(), observations.collect());
        let own = fit.noise();
        let prior = prior.filter(|_| own.is_some_and(|own| own.degrees < LEAST_DEGREES));
        let noise = own.map(|own| prior.map_or(own, |prior| own.pooled(prior)));
        let chances = noise
            .filter(|noise| noise.degrees >= LEAST_DEGREES)
            .map(|noise| chances(&fit, noise, margin, seed));
        Self {
            members,
            fit,
            noise,
            with_earlier: prior.is_some(),
            chances,
            margin,
            seed,
        }
    }

    /// How much starts of one cell differ, pooled over all, and over earlier runs where this one
    /// alone tells too little; `None` where nothing tells.
    pub fn noise(&self) -> Option<Noise> {
        self.noise
    }

    /// Of this run alone.
    pub fn own_noise(&self) -> Option<Noise> {
        self.fit.noise()
    }

    /// The noise is known from earlier runs too.
    pub fn is_with_earlier(&self) -> bool {
        self.with_earlier
    }

    /// A cell's score in the average block; `None` for cells that are not ranked.
    pub fn mean(&self, cell: usize) -> Option<f64> {
        Some(self.fit.mean(self.member(cell)?))
    }

    /// What is left open about a cell; `None` where the noise is not known well enough to say,
    /// and for cells that are not ranked.
    pub fn chance(&self, cell: usize) -> Option<Chance> {
        let chances = self.chances.as_ref()?;
        Some(chances[self.member(cell)?])
    }

    pub fn states_chances(&self) -> bool {
        self.chances.is_some()
    }

    /// How much worse one cell is than another, on the scale of logarithms, without what the
    /// blocks did to them; `None` where no noise is known.
    pub fn behind(&self, cell: usize, other: usize) -> Option<Estimate> {
        let (cell, other) = (self.member(cell)?, self.member(other)?);
        let contrast = [(cell, 1.0), (other, -1.0)];
        Some(self.fit.contrast(&contrast, self.noise()?))
    }

    /// Starts that are far from the fit, by the positions of their cells in the experiment.
    pub fn far_starts(&self) -> Vec<FarStart> {
        let Some(noise) = self.noise() else {
            return Vec::new();
        };
        let mut far = doubt::far_starts(&self.fit, noise);
        far.iter_mut()
            .for_each(|one| one.cell = self.members[one.cell]);
        far
    }

    /// Cells that are noisier than the others, by their positions in the experiment.
    pub fn unruly_cells(&self) -> Vec<UnrulyCell> {
        let Some(noise) = self.noise() else {
            return Vec::new();
        };
        let mut unruly = doubt::unruly_cells(&self.fit, noise);
        unruly
            .iter_mut()
            .for_each(|one| one.cell = self.members[one.cell]);
        unruly
    }

    /// Further blocks that would likely settle who is within the margin of the best.
    pub fn blocks_to_settle(&self) -> Option<u32> {
        let noise = self.noise()?;
        blocks_to_settle(&self.fit, noise, self.margin, ENOUGH, self.seed)
    }

    fn member(&self, cell: usize) -> Option<usize> {
        self.members.iter().position(|&member| member == cell)
    }
}

#[cfg(test)]
mod tests {
    use crate::decide::decision::Decision;
    use crate::decide::fixture::{self, Numbers};

    #[test]
    fn probabilities_need_six_degrees_of_freedom() {
        let record = |blocks: u32| {
            let starts = (1..=blocks).flat_map(|block| {
                [("a", 90.0), ("b", 91.0), ("c", 120.0)].map(|(cell, ms)| {
                    let ms = ms + f64::from(block % 2);
                    fixture::measured(cell, block, Numbers::new(900.0, ms))
                })
            });
            fixture::record(starts.collect())
        };
        // Three cells: 2 (R - 1) degrees.
        for (blocks, degrees, states) in [(2, 2.0, false), (3, 4.0, false), (4, 6.0, true)] {
            let record = record(blocks);
            let decision = Decision::of(&record);
            let confidence = &decision.ranking.confidence;
            let noise = confidence.noise().unwrap();
            assert!((noise.degrees - degrees).abs() < 1e-9, "{noise:?}");
            assert_eq!(confidence.states_chances(), states);
            assert_eq!(confidence.chance(0).is_some(), states);
            assert_eq!(confidence.chance(5), None, "`f` was never measured");
            assert!(confidence.behind(2, 0).unwrap().is_clear());
        }
    }

    #[test]
    fn single_starts_tell_no_noise() {
        let record = fixture::record(vec![
            fixture::measured("a", 1, Numbers::new(900.0, 90.0)),
            fixture::measured("b", 1, Numbers::new(900.0, 99.0)),
        ]);
        let decision = Decision::of(&record);
        let confidence = &decision.ranking.confidence;
        assert_eq!(confidence.noise(), None);
        assert_eq!(confidence.behind(1, 0), None);
        assert_eq!(confidence.blocks_to_settle(), None);
    }
}
