//! What was watched over a run, thinned: the lowest and the highest value of equal parts of it,
//! however many samples there are. A peak of a second is still a peak.

use crate::id::AttemptId;
use crate::manifest::RunRecord;
use crate::report::night::{self, QUANTITIES};

/// Parts of a run: about as many as a picture has room for.
pub const PARTS: usize = 300;

/// Above so many starts a run has no picture of its night, and nothing is read for it.
pub const STARTS: usize = 1500;

/// One card, or where there are none the host alone, at one instant.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Reading {
    /// Nanoseconds since the engine was ready, below zero before it.
    pub at_ns: i64,
    pub gpu_memory_bytes: Option<f64>,
    pub gpu_power_w: Option<f64>,
    pub gpu_utilisation_pct: Option<f64>,
    pub gpu_temperature_c: Option<f64>,
    pub engine_memory_bytes: Option<f64>,
    pub kv_cache_pct: Option<f64>,
    pub host_cpu_pct: Option<f64>,
}

/// The course of every quantity.
#[derive(Debug, Clone)]
pub struct Course {
    /// Length of the run in seconds, by the clock.
    lasted_s: f64,
    /// When the engine of each start was ready, in seconds since the run began.
    ready_s: Vec<(AttemptId, f64)>,
    /// By quantity, by part: lowest and highest.
    parts: Vec<Vec<Option<(f64, f64)>>>,
    /// Starts whose samples could not be read.
    pub n_unread: usize,
}

impl Course {
    /// Of nothing yet; `None` where there is nothing to draw it in.
    pub fn of(record: &RunRecord) -> Option<Self> {
        let night = night::view(&record.manifest, &record.settled)?;
        if night.starts.len() > STARTS {
            return None;
        }
        let starts = night.starts.iter().zip(&record.settled);
        let ready_s = starts.filter_map(|(start, settled)| {
            // What another run started has its samples there.
            let is_own = settled.origin.is_none();
            let ready_s = start.ready_s.filter(|_| is_own)?;
            Some((settled.attempt.clone(), start.from_s + ready_s))
        });
        Some(Self {
            lasted_s: night.lasted_s(),
            ready_s: ready_s.collect(),
            parts: vec![vec![None; PARTS]; QUANTITIES.len()],
            n_unread: 0,
        })
    }

    /// The starts whose samples it wants.
    pub fn wanted(&self) -> Vec<AttemptId> {
        let starts = self.ready_s.iter();
        starts.map(|(attempt, _)| attempt.clone()).collect()
    }

    /// Adds what was read beside a start; readings of one instant follow each other.
    pub fn add(&mut self, attempt: &AttemptId, readings: &[Reading]) {
        let Some((_, ready_s)) = self.ready_s.iter().find(|(of, _)| of == attempt) else {
            return;
        };
        let ready_s = *ready_s;
        for instant in readings.chunk_by(|one, other| one.at_ns == other.at_ns) {
            let at_s = ready_s + instant[0].at_ns as f64 / 1e9;
            let Some(part) = self.part(at_s) else {
                continue;
            };
            for (quantity, parts) in QUANTITIES.iter().zip(&mut self.parts) {
                let Some(value) = (quantity.sampled)(instant) else {
                    continue;
                };
                let held = parts[part].unwrap_or((value, value));
                parts[part] = Some((held.0.min(value), held.1.max(value)));
            }
        }
    }

    fn part(&self, at_s: f64) -> Option<usize> {
        let share = at_s / self.lasted_s;
        (0.0..=1.0)
            .contains(&share)
            .then(|| ((share * PARTS as f64) as usize).min(PARTS - 1))
    }

    /// Of one quantity, in the order of [`QUANTITIES`]: the middle of each part in seconds, with
    /// its lowest and highest; parts without a sample are left out, and end a stretch.
    pub fn stretches(&self, quantity: usize) -> Vec<Vec<(f64, f64, f64)>> {
        let mut stretches: Vec<Vec<(f64, f64, f64)>> = vec![Vec::new()];
        for (at, part) in self.parts[quantity].iter().enumerate() {
            match (part, stretches.last_mut()) {
                (Some((low, high)), Some(stretch)) => {
                    let middle = (at as f64 + 0.5) / PARTS as f64 * self.lasted_s;
                    stretch.push((middle, *low, *high));
                }
                _ => stretches.push(Vec::new()),
            }
        }
        stretches.retain(|stretch| !stretch.is_empty());
        stretches
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture;

    fn course() -> (Course, AttemptId) {
        let course = Course::of(&fixture::full()).unwrap();
        let first = course.wanted().remove(0);
        (course, first)
    }

    fn power(at_s: f64, watts: f64) -> Reading {
        Reading {
            at_ns: (at_s * 1e9) as i64,
            gpu_power_w: Some(watts),
            ..Reading::default()
        }
    }

    #[test]
    fn a_peak_of_a_moment_is_kept_and_the_cards_are_added_up() {
        let (mut course, attempt) = course();
        // Many samples in a short time, two cards each, one of them with a peak.
        let readings: Vec<Reading> = (0..1000)
            .flat_map(|n| {
                let at = f64::from(n) * 0.001;
                let peak = if n == 500 { 400.0 } else { 100.0 };
                [power(at, peak), power(at, 50.0)]
            })
            .collect();
        course.add(&attempt, &readings);
        let stretches = course.stretches(1);
        let parts: Vec<_> = stretches.iter().flatten().collect();
        assert!(parts.len() <= 2, "{parts:?}");
        let highest = parts.iter().map(|part| part.2).fold(0.0, f64::max);
        let lowest = parts.iter().map(|part| part.1).fold(f64::MAX, f64::min);
        assert_eq!((lowest, highest), (150.0, 450.0));
        // Nothing else was read.
        assert!(course.stretches(0).is_empty());
    }

    #[test]
    fn samples_lie_at_their_time_and_gaps_stay_gaps() {
        let (mut course, attempt) = course();
        course.add(&attempt, &[power(0.0, 1.0), power(60.0, 2.0)]);
        let stretches = course.stretches(1);
        assert_eq!(stretches.len(), 2);
        let apart = stretches[1][0].0 - stretches[0][0].0;
        assert!((apart - 60.0).abs() < 5.0, "{apart}");
        // Beyond the end of the run nothing is drawn.
        course.add(&attempt, &[power(1e6, 9.0)]);
        assert_eq!(course.stretches(1).len(), 2);
    }
}
