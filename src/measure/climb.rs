//! The search for the highest load that keeps a bound: up by doubling, then between the highest
//! that kept it and the lowest that did not.
//!
//! Pure: it names the level to try next and is told whether that level kept the bound. What it
//! proves is only what was tried: a level between two tried ones was not.

use serde::{Deserialize, Serialize};

/// The search ends when the two ends are nearer to each other than this share of the lower: a
/// finer answer would be within the noise of a rung.
const RESOLUTION: f64 = 0.05;

/// Levels that are tried at most, however wide the range.
const MOST_LEVELS: u32 = 40;

/// What is searched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    pub from: f64,
    pub to: f64,
    /// The first level tried; the range holds it.
    pub start: f64,
    /// Levels are whole multiples of it: 1 for users, 0.01 for rates.
    pub step: f64,
}

/// What a search has proved so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Proved {
    /// The highest level that kept the bound below the lowest that did not.
    pub kept: Option<f64>,
    /// The lowest level that did not keep it.
    pub broke: Option<f64>,
}

/// A search under way.
#[derive(Debug, Clone)]
pub struct Climb {
    range: Range,
    proved: Proved,
    n_tried: u32,
}

impl Climb {
    pub fn new(range: Range) -> Self {
        let start = range.start.clamp(range.from, range.to);
        Self {
            range: Range { start, ..range },
            proved: Proved::default(),
            n_tried: 0,
        }
    }

    /// The level to try now; `None` when the search is over.
    pub fn next(&self) -> Option<f64> {
        let Range {
            from,
            to,
            start,
            step,
        } = self.range;
        if self.n_tried >= MOST_LEVELS {
            return None;
        }
        match (self.proved.kept, self.proved.broke) {
            (None, None) => Some(start),
            (Some(kept), None) => (kept < to).then(|| self.on_grid(kept * 2.0).min(to)),
            (None, Some(broke)) => (broke > from).then(|| {
                let half = self.on_grid(broke / 2.0);
                half.min(broke - step).max(from)
            }),
            (Some(kept), Some(broke)) => {
                let gap = broke - kept;
                // Half a step of tolerance, because multiples of 0.01 are not exact.
                let open = gap > step * 1.5 && gap > kept * RESOLUTION;
                open.then(|| {
                    let middle = self.on_grid(kept + gap / 2.0);
                    middle.clamp(kept + step, broke - step)
                })
            }
        }
    }

    /// The level that [`Climb::next`] named did or did not keep the bound.
    pub fn learn(&mut self, level: f64, kept: bool) {
        self.n_tried += 1;
        if kept {
            self.proved.kept = Some(self.proved.kept.map_or(level, |known| known.max(level)));
        } else {
            self.proved.broke = Some(self.proved.broke.map_or(level, |known| known.min(level)));
        }
    }

    pub fn proved(&self) -> Proved {
        self.proved
    }

    fn on_grid(&self, level: f64) -> f64 {
        let steps = (level / self.range.step).round().max(1.0);
        // By division, so that 0.3 is the number that people write.
        steps / (1.0 / self.range.step).round().max(1.0) * self.range.step.max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn users(from: u32, to: u32, start: u32) -> Range {
        Range {
            from: f64::from(from),
            to: f64::from(to),
            start: f64::from(start),
            step: 1.0,
        }
    }

    /// Searches an engine that keeps its bound up to `limit`; also the levels tried.
    fn search(range: Range, limit: f64) -> (Proved, Vec<f64>) {
        let mut climb = Climb::new(range);
        let mut tried = Vec::new();
        while let Some(level) = climb.next() {
            tried.push(level);
            climb.learn(level, level <= limit);
        }
        (climb.proved(), tried)
    }

    fn proved(kept: Option<f64>, broke: Option<f64>) -> Proved {
        Proved { kept, broke }
    }

    #[test]
    fn it_doubles_and_then_halves_the_gap() {
        let (found, tried) = search(users(1, 64, 1), 11.0);
        assert_eq!(tried, [1.0, 2.0, 4.0, 8.0, 16.0, 12.0, 10.0, 11.0]);
        assert_eq!(found, proved(Some(11.0), Some(12.0)));
    }

    #[test]
    fn it_goes_down_from_a_start_that_is_too_high() {
        let (found, tried) = search(users(1, 64, 24), 5.0);
        assert_eq!(tried, [24.0, 12.0, 6.0, 3.0, 5.0]);
        assert_eq!(found, proved(Some(5.0), Some(6.0)));
    }

    #[test]
    fn the_ends_of_the_range_are_found_and_never_left() {
        let (found, tried) = search(users(2, 48, 2), 1000.0);
        assert_eq!(tried, [2.0, 4.0, 8.0, 16.0, 32.0, 48.0]);
        assert_eq!(found, proved(Some(48.0), None));

        let (found, tried) = search(users(3, 48, 10), 1.0);
        assert_eq!(tried, [10.0, 5.0, 3.0]);
        assert_eq!(found, proved(None, Some(3.0)));

        // A start outside the range is moved into it.
        assert_eq!(search(users(1, 8, 100), 1000.0).1, [8.0]);
    }

    #[test]
    fn large_levels_are_found_to_a_twentieth() {
        let (found, tried) = search(users(1, 4096, 1), 1000.0);
        let (kept, broke) = (found.kept.unwrap(), found.broke.unwrap());
        assert!(kept <= 1000.0 && broke > 1000.0 && broke - kept <= kept * RESOLUTION);
        assert!(tried.len() <= 16, "{tried:?}");
    }

    #[test]
    fn rates_are_tried_in_hundredths() {
        let range = Range {
            from: 0.25,
            to: 16.0,
            start: 0.25,
            step: 0.01,
        };
        let (found, tried) = search(range, 1.37);
        assert_eq!(tried[..4], [0.25, 0.5, 1.0, 2.0]);
        assert_eq!(tried[4..], [1.5, 1.25, 1.38, 1.32]);
        assert_eq!(found, proved(Some(1.32), Some(1.38)));
    }

    proptest! {
        #[test]
        fn what_it_proves_was_tried_and_brackets_the_truth(
            from in 1_u32..20, width in 0_u32..500, start in 1_u32..600, limit in 0_u32..700,
        ) {
            let range = users(from, from + width, start);
            let (found, tried) = search(range, f64::from(limit));
            prop_assert!(tried.iter().all(|level| (range.from..=range.to).contains(level) && level.fract() == 0.0));
            let mut once = tried.clone();
            once.sort_by(f64::total_cmp);
            once.dedup();
            prop_assert_eq!(once.len(), tried.len());
            for level in [found.kept, found.broke].into_iter().flatten() {
                prop_assert!(tried.contains(&level));
            }
            prop_assert!(found.kept.is_none_or(|kept| kept <= f64::from(limit)));
            prop_assert!(found.broke.is_none_or(|broke| broke > f64::from(limit)));
            // One end may be missing only at the end of the range.
            prop_assert!(found.kept.is_some() || found.broke == Some(range.from));
            prop_assert!(found.broke.is_some() || found.kept == Some(range.to));
        }

        #[test]
        fn an_engine_without_rhyme_or_reason_cannot_keep_it_going(answers in proptest::collection::vec(any::<bool>(), 60)) {
            let mut climb = Climb::new(users(1, 100_000, 7));
            let mut n = 0;
            while let Some(level) = climb.next() {
                climb.learn(level, answers[n]);
                n += 1;
            }
            prop_assert!(n <= MOST_LEVELS as usize);
        }
    }
}
