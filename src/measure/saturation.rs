//! Does an engine fall ever further behind the rate at which it is asked? Then a rung of an open
//! loop has no steady state, and every second more of it only makes its numbers worse.
//!
//! The test looks at the slopes of two series: requests in flight, and times to first token. Both
//! must grow. The times and the confidence are those of the over-saturation detector of
//! GuideLLM (`OverSaturationConstraint`): nothing is said before 30 s, the last 120 s are looked
//! at, 95 %. Other than there, the slopes are those of means over a dozen equal parts of the
//! window: neighbouring requests wait in the same queue, and an interval that takes them for
//! independent is far too narrow.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

/// Nothing is said before so many seconds.
pub const LEAST_S: f64 = 30.0;

/// So many seconds are looked at.
pub const WINDOW_S: f64 = 120.0;

/// One-sided, for each of the two slopes.
const CONFIDENCE: f64 = 0.95;

/// Parts of the window over which means are taken.
const N_PARTS: usize = 12;

/// Parts that must have a value.
const LEAST_PARTS: usize = 8;

/// By so many times its mean each series must grow over the window: from half of the mean to one
/// and a half. The queue of an engine that keeps up comes and goes too, and grows for a while
/// without meaning it.
const LEAST_RISE: f64 = 1.0;

/// A reading at an instant, in seconds since the rung began.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    pub at_s: f64,
    pub value: f64,
}

/// The slopes of an engine that falls behind, per second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Saturated {
    pub in_flight_per_s: f64,
    pub ttft_ms_per_s: f64,
}

/// Looks at a rung every [`Watch::PAUSE_S`], and believes what two looks in a row say: of simulated
/// engines with 16 places that were asked by chance for half of what they can do, none of 200 was
/// called saturated in two minutes, and of those asked for 1.3 times it, all.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    showed: bool,
}

impl Watch {
    /// From one look to the next, in seconds.
    pub const PAUSE_S: f64 = 10.0;

    pub fn look(
        &mut self,
        now_s: f64,
        in_flight: &[Reading],
        ttft_ms: &[Reading],
    ) -> Option<Saturated> {
        let found = shows(now_s, in_flight, ttft_ms);
        let showed = std::mem::replace(&mut self.showed, found.is_some());
        found.filter(|_| showed)
    }
}

/// Whether the engine seems to fall behind at `now_s`; `None` while that cannot be told, or does
/// not show.
pub fn shows(now_s: f64, in_flight: &[Reading], ttft_ms: &[Reading]) -> Option<Saturated> {
    if now_s < LEAST_S {
        return None;
    }
    let from_s = (now_s - WINDOW_S).max(0.0);
    Some(Saturated {
        in_flight_per_s: rises(from_s, now_s, in_flight)?,
        ttft_ms_per_s: rises(from_s, now_s, ttft_ms)?,
    })
}

/// The slope of a series that grows beyond doubt.
fn rises(from_s: f64, to_s: f64, readings: &[Reading]) -> Option<f64> {
    let parts = part_means(from_s, to_s, readings);
    if parts.len() < LEAST_PARTS {
        return None;
    }
    let n = parts.len() as f64;
    let (mean_t, mean_v) = parts.iter().fold((0.0, 0.0), |(t, v), part| {
        (t + part.at_s / n, v + part.value / n)
    });
    let (mut tt, mut tv) = (0.0, 0.0);
    for part in &parts {
        tt += (part.at_s - mean_t).powi(2);
        tv += (part.at_s - mean_t) * (part.value - mean_v);
    }
    let slope = tv / tt;
    let left: f64 = parts
        .iter()
        .map(|part| (part.value - mean_v - slope * (part.at_s - mean_t)).powi(2))
        .sum();
    let freedom = n - 2.0;
    let error = (left / freedom / tt).sqrt();
    let quantile = StudentsT::new(0.0, 1.0, freedom)
        .expect("there are more than two parts")
        .inverse_cdf(CONFIDENCE);
    let sure = slope - quantile * error > 0.0;
    let rise = slope * (to_s - from_s);
    (sure && rise > LEAST_RISE * mean_v).then_some(slope)
}

/// The mean of the readings of each part of the window that has any.
fn part_means(from_s: f64, to_s: f64, readings: &[Reading]) -> Vec<Reading> {
    let width = (to_s - from_s) / N_PARTS as f64;
    let mut sums = [(0_u32, 0.0); N_PARTS];
    for reading in readings {
        if (from_s..=to_s).contains(&reading.at_s) {
            // Within the window, so the cast neither cuts nor wraps.
            let part = (((reading.at_s - from_s) / width) as usize).min(N_PARTS - 1);
            sums[part].0 += 1;
            sums[part].1 += reading.value;
        }
    }
    (0..N_PARTS)
        .zip(sums)
        .filter(|(_, (n, _))| *n > 0)
        .map(|(part, (n, sum))| Reading {
            at_s: from_s + (part as f64 + 0.5) * width,
            value: sum / f64::from(n),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use rand::rngs::SmallRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    fn line(to_s: u32, value: impl Fn(f64) -> f64) -> Vec<Reading> {
        (0..=to_s)
            .map(|at| Reading {
                at_s: f64::from(at),
                value: value(f64::from(at)),
            })
            .collect()
    }

    #[test]
    fn both_must_grow() {
        let (flat, grows) = (line(60, |_| 8.0), line(60, |at| 8.0 + at));
        let found = shows(60.0, &grows, &grows).unwrap();
        assert!((found.in_flight_per_s - 1.0).abs() < 0.02, "{found:?}");
        assert!((found.ttft_ms_per_s - 1.0).abs() < 0.02, "{found:?}");
        assert_eq!(shows(60.0, &flat, &grows), None);
        assert_eq!(shows(60.0, &grows, &flat), None);
        assert_eq!(shows(60.0, &line(60, |at| 90.0 - at), &grows), None);
    }

    #[test]
    fn nothing_is_said_too_early_or_of_too_little() {
        let grows = line(29, |at| 8.0 + at);
        assert_eq!(shows(29.9, &grows, &grows), None);
        assert_eq!(shows(60.0, &[], &[]), None);
        // All readings lie in the first half of the window.
        assert_eq!(shows(60.0, &grows, &grows), None);
    }

    #[test]
    fn what_lies_before_the_window_is_forgotten() {
        // It grew for 100 s and has been steady since.
        let series = line(220, |at| at.min(100.0));
        assert!(shows(100.0, &series[..=100], &series[..=100]).is_some());
        assert_eq!(shows(220.0, &series, &series), None);
    }

    #[test]
    fn growth_that_nobody_feels_is_none() {
        // 5 % in a minute, without noise.
        let series = line(60, |at| 100.0 + at / 12.0);
        assert_eq!(shows(60.0, &series, &series), None);
    }

    #[test]
    fn one_look_is_not_believed() {
        let (flat, grows) = (line(60, |_| 8.0), line(60, |at| 8.0 + at));
        let mut watch = Watch::default();
        assert_eq!(watch.look(60.0, &grows, &grows), None);
        assert_eq!(watch.look(60.0, &flat, &flat), None);
        assert_eq!(watch.look(60.0, &grows, &grows), None);
        assert!(watch.look(60.0, &grows, &grows).is_some());
    }

    /// An engine with 16 places and a queue, asked by chance for `share` of what it can do;
    /// whether the watch stops it in the course of two minutes.
    fn is_stopped(share: f64, seed: u64) -> bool {
        const PLACES: usize = 16;
        const SERVICE: f64 = 5.0;
        let mut random = SmallRng::seed_from_u64(seed);
        let mut now = 0.0_f64;
        let mut free_at = [0.0_f64; PLACES];
        let mut requests: Vec<(f64, f64, f64)> = Vec::new();
        while now < 120.0 {
            now += -(1.0 - random.random::<f64>()).ln() * SERVICE / (share * PLACES as f64);
            let place = (0..PLACES)
                .min_by(|a, b| free_at[*a].total_cmp(&free_at[*b]))
                .unwrap();
            let begins = now.max(free_at[place]);
            free_at[place] = begins + SERVICE * (0.5 + random.random::<f64>());
            requests.push((now, begins, free_at[place]));
        }
        let mut watch = Watch::default();
        (3..=12).any(|look| {
            let until = f64::from(look) * Watch::PAUSE_S;
            let in_flight: Vec<Reading> = (0..=(until as u32))
                .map(|second| {
                    let at_s = f64::from(second);
                    let there = |(due, _, end): &&(f64, f64, f64)| *due <= at_s && *end > at_s;
                    let value = requests.iter().filter(there).count() as f64;
                    Reading { at_s, value }
                })
                .collect();
            let ttft: Vec<Reading> = requests
                .iter()
                .filter(|(_, begins, _)| *begins <= until)
                .map(|(due, begins, _)| Reading {
                    at_s: *begins,
                    value: (begins - due) * 1e3 + 50.0,
                })
                .collect();
            watch.look(until, &in_flight, &ttft).is_some()
        })
    }

    #[test]
    fn a_queue_that_is_drowned_is_found_and_one_that_keeps_up_is_left_alone() {
        let found = |share: f64| (0..200).filter(|&seed| is_stopped(share, seed)).count();
        assert_eq!((found(0.5), found(1.3)), (0, 200));
    }
}
