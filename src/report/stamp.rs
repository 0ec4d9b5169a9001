//! The stamp: what stands wherever results of stand-in engines are shown, and at which speed
//! they lived.

use crate::manifest::Manifest;
use crate::time_scale::TimeScale;

/// Marks the results of a run in which no real model answered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stamp {
    pub speed: TimeScale,
}

impl Stamp {
    /// `None` for real engines.
    pub fn of(manifest: &Manifest) -> Option<Self> {
        let speed = manifest.speed;
        manifest.is_stand_in().then_some(Self { speed })
    }

    /// Before numbers in a line: `stand-in`, `stand-in, speed 20x`.
    pub fn word(self) -> String {
        format!("stand-in{}", self.at())
    }

    /// Over numbers: `STAND-IN RESULTS`, `STAND-IN RESULTS, speed 20x`.
    pub fn title(self) -> String {
        format!("STAND-IN RESULTS{}", self.at())
    }

    fn at(self) -> String {
        match self.speed.is_one() {
            true => String::new(),
            false => format!(", speed {}", self.speed),
        }
    }

    /// What it means, in sentences.
    pub fn meaning(self) -> String {
        let no_model = "gridrun's own stand-in engines answered, no real model. No number here \
                        says anything about a model or a GPU.";
        match self.speed.is_one() {
            true => no_model.to_owned(),
            false => format!(
                "{no_model} Their time ran {times} times as fast as a clock. Durations and rates are \
                 in their time, and what the machine itself needed counts {times} times: about \
                 {error} ms of each time to first token, more where it was busy.",
                times = self.speed.factor(),
                error = self.speed.told_too_long().as_millis(),
            ),
        }
    }
}
