//! How the client that measured did itself: whether it was ever what was measured.

use serde::{Deserialize, Serialize};

use crate::measure::summary::Summary;

/// A client may always be late by so much, in milliseconds. It is the time of one token of an
/// engine that gives 100 a second to each user: beyond it the gaps between tokens would be the
/// client's own.
const ALWAYS_BEARABLE_MS: f64 = 10.0;

/// Beyond that it may be late by this share of the median time to first token: what is shown
/// of it would change by less than 5 % even if every request were as late as the latest are.
const BEARABLE_SHARE: f64 = 0.05;

/// How late the client was during a node, in milliseconds of this machine's clock: an engine
/// whose time runs faster has no faster client.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ClientHealth {
    /// From the instant when a request was due to the one when it was sent.
    pub schedule_delay_ms: Summary,
    /// How much later than asked a timer of the client woke up.
    pub loop_lag_ms: Summary,
}

impl ClientHealth {
    /// Why what was measured is the client and not the server, if it is. `ttft_p50_ms` is the
    /// median time to first token by this machine's clock, where there is one.
    pub fn bottleneck(&self, ttft_p50_ms: Option<f64>) -> Option<String> {
        let share = ttft_p50_ms.map_or(0.0, |ttft| ttft * BEARABLE_SHARE);
        let bound = ALWAYS_BEARABLE_MS.max(share);
        let delay = high(&self.schedule_delay_ms);
        let lag = high(&self.loop_lag_ms);
        let late = |what: &str, (percentile, ms): (&str, f64)| {
            (ms > bound).then(|| {
                format!("{what} {ms:.1} ms ({percentile}), more than the {bound:.1} ms that are bearable")
            })
        };
        let why = late("requests went out late by", delay)
            .or_else(|| late("tokens were looked at late by", lag))?;
        Some(format!("the client was the bottleneck: {why}"))
    }
}

/// The highest percentile that rests on more than one value, so that no single hiccup decides.
fn high(summary: &Summary) -> (&'static str, f64) {
    match summary.n {
        200.. => ("p99", summary.p99),
        40..200 => ("p95", summary.p95),
        _ => ("median", summary.p50),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64]) -> Summary {
        Summary::of(values).unwrap()
    }

    fn health(delays: &[f64], lags: &[f64]) -> ClientHealth {
        ClientHealth {
            schedule_delay_ms: of(delays),
            loop_lag_ms: of(lags),
        }
    }

    /// So many values of 1 ms and so many of 30 ms.
    fn mixed(calm: usize, late: usize) -> Vec<f64> {
        [vec![1.0; calm], vec![30.0; late]].concat()
    }

    #[test]
    fn the_bound_follows_the_time_to_first_token_and_has_a_floor() {
        let late = health(&[12.0; 500], &[1.0; 500]);
        let because = "the client was the bottleneck: requests went out late by 12.0 ms (p99), \
                       more than the 10.0 ms that are bearable";
        assert_eq!(late.bottleneck(None).as_deref(), Some(because));
        assert_eq!(late.bottleneck(Some(20.0)).as_deref(), Some(because));
        assert_eq!(late.bottleneck(Some(241.0)), None);
        let lagging = health(&[1.0; 500], &[40.0; 500]);
        let because = "the client was the bottleneck: tokens were looked at late by 40.0 ms \
                       (p99), more than the 25.0 ms that are bearable";
        assert_eq!(lagging.bottleneck(Some(500.0)).as_deref(), Some(because));
        assert_eq!(health(&[10.0; 500], &[10.0; 500]).bottleneck(None), None);
    }

    #[test]
    fn no_single_hiccup_decides() {
        for (calm, late, is_bottleneck) in [
            (1, 0, false),
            (9, 1, false),
            (5, 6, true),
            (40, 1, false),
            (60, 10, true),
            (500, 2, false),
            (500, 20, true),
        ] {
            let values = mixed(calm, late);
            for health in [health(&values, &[1.0]), health(&[1.0], &values)] {
                let found = health.bottleneck(None).is_some();
                assert_eq!(found, is_bottleneck, "{calm} calm, {late} late");
            }
        }
    }
}
