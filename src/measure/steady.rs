//! The part of a load in which it was the load that was asked for: without the start, in which
//! it builds up, and the end, in which it runs out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Concurrency below this share of its peak is no steady state. The share that NVIDIA's
/// `genai-perf` and others look for by hand; a fleet of 20 may miss one.
pub const STEADY_SHARE: f64 = 0.95;

/// A span of time, in nanoseconds since the attempt's origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    pub from: u64,
    pub to: u64,
}

impl Window {
    /// In nanoseconds.
    pub fn length(self) -> u64 {
        self.to - self.from
    }

    pub fn holds(self, instant: u64) -> bool {
        (self.from..=self.to).contains(&instant)
    }
}

/// The longest window in which at least `share` of the most simultaneous spans were there; the
/// first one where several are equally long. `None` where no span has a length.
///
/// Of a closed loop each user is one span, from its first request to the end of its last: between
/// two requests of a user, while the client hands over the next, nothing is missing.
pub fn steady_window(spans: &[Window], share: f64) -> Option<Window> {
    // What changes at one instant changes at once: who begins when another ends takes its place.
    let mut steps: BTreeMap<u64, i64> = BTreeMap::new();
    for span in spans.iter().filter(|span| span.to > span.from) {
        *steps.entry(span.from).or_default() += 1;
        *steps.entry(span.to).or_default() -= 1;
    }
    let counts: Vec<(u64, i64)> = steps
        .into_iter()
        .scan(0, |count, (at, step)| {
            *count += step;
            Some((at, *count))
        })
        .collect();
    let peak = counts.iter().map(|(_, count)| *count).max()?;
    let enough = (peak as f64 * share).ceil() as i64;
    let mut longest: Option<Window> = None;
    let mut since: Option<u64> = None;
    for (at, count) in counts {
        match since {
            None if count >= enough => since = Some(at),
            Some(from) if count < enough => {
                let window = Window { from, to: at };
                if longest.is_none_or(|longest| window.length() > longest.length()) {
                    longest = Some(window);
                }
                since = None;
            }
            _ => {}
        }
    }
    longest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn window(from: u64, to: u64) -> Window {
        Window { from, to }
    }

    #[test]
    fn the_window_is_where_the_concurrency_is_near_its_peak() {
        for (spans, share, expected) in [
            // One user is its own steady state.
            (vec![window(5, 9)], 0.95, Some(window(5, 9))),
            // Build-up until 20, running out from 80.
            (
                vec![window(0, 100), window(10, 90), window(20, 80)],
                0.95,
                Some(window(20, 80)),
            ),
            // Of two stretches at the peak the longer.
            (
                vec![window(0, 100), window(10, 20), window(30, 60)],
                0.95,
                Some(window(30, 60)),
            ),
            // Who ends is followed at the same instant: no gap.
            (
                vec![window(0, 100), window(0, 50), window(50, 100)],
                0.95,
                Some(window(0, 100)),
            ),
            // Half of the peak is enough where half is asked for.
            (
                vec![window(0, 100), window(10, 90)],
                0.5,
                Some(window(0, 100)),
            ),
            (vec![window(7, 7)], 0.95, None),
            (Vec::new(), 0.95, None),
        ] {
            assert_eq!(steady_window(&spans, share), expected, "{spans:?}");
        }
    }

    #[test]
    fn one_of_twenty_may_be_missing_and_of_nineteen_none() {
        let fleet = |n: u64| -> Vec<Window> {
            let mut spans = vec![window(0, 1000); n as usize - 1];
            spans.push(window(0, 100));
            spans
        };
        assert_eq!(
            steady_window(&fleet(20), STEADY_SHARE),
            Some(window(0, 1000))
        );
        assert_eq!(
            steady_window(&fleet(19), STEADY_SHARE),
            Some(window(0, 100))
        );
    }

    proptest! {
        #[test]
        fn inside_the_window_the_concurrency_never_falls_below_the_share(
            raw in proptest::collection::vec((0_u64..50, 1_u64..50), 1..30),
            share in 0.05_f64..1.0,
        ) {
            let spans: Vec<Window> = raw.iter().map(|&(from, long)| window(from, from + long)).collect();
            let found = steady_window(&spans, share).unwrap();
            let at = |instant: u64| {
                // Between two whole instants, where nobody begins or ends.
                spans.iter().filter(|span| span.from <= instant && span.to > instant).count()
            };
            let peak = (0..100).map(at).max().unwrap();
            for instant in found.from..found.to {
                prop_assert!(at(instant) as f64 >= peak as f64 * share - 1e-9);
            }
        }
    }
}
