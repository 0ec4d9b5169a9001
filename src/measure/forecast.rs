//! When something that grows will be full: a slope with its interval, and the room that is left.

use std::fmt;

use serde::{Deserialize, Serialize};

/// So many times as long as it was looked nothing is foretold beyond: twenty seconds of an engine
/// that warms up say nothing of tomorrow.
const REACH: f64 = 50.0;

/// Whether something can be full.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// It cannot.
    Never,
    /// Nobody said at which level.
    Unknown,
    At(f64),
}

/// What a slope with its interval says of a limit. Hours count from the end of the measurement.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "forecast", rename_all = "kebab-case")]
pub enum Forecast {
    /// The interval of the slope holds zero.
    NoGrowth,
    /// All of the interval is below zero.
    Shrinks,
    /// It grows. `latest_h` is `None` where the lower end of the slope leads beyond what can be
    /// foretold.
    Full {
        soonest_h: f64,
        latest_h: Option<f64>,
    },
    /// It grows, and the limit is further away than can be foretold.
    Far,
    /// It grows, and what its limit is nobody said.
    Grows,
}

impl Forecast {
    /// From a `level` that grows by `low` to `high` an hour towards a `limit`, all in one unit,
    /// as `seen_h` hours of it say.
    pub fn of(level: f64, limit: Option<f64>, (low, high): (f64, f64), seen_h: f64) -> Self {
        if high < 0.0 {
            return Self::Shrinks;
        }
        if low <= 0.0 {
            return Self::NoGrowth;
        }
        let Some(limit) = limit else {
            return Self::Grows;
        };
        let room = (limit - level).max(0.0);
        let (soonest_h, latest_h) = (room / high, room / low);
        let far_h = seen_h * REACH;
        if soonest_h > far_h {
            return Self::Far;
        }
        Self::Full {
            soonest_h,
            latest_h: (latest_h <= far_h).then_some(latest_h),
        }
    }
}

/// A clause: `full in 25 to 40 h`.
impl fmt::Display for Forecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoGrowth => f.write_str("no growth that can be told from noise"),
            Self::Shrinks => f.write_str("shrinks"),
            Self::Grows => f.write_str("grows; its limit is not known"),
            Self::Far => f.write_str("grows; full later than this time can foretell"),
            Self::Full {
                soonest_h,
                latest_h: None,
            } => write!(f, "full in {} h at the soonest", hours(*soonest_h)),
            Self::Full {
                soonest_h,
                latest_h: Some(latest_h),
            } => {
                let (soonest, latest) = (hours(*soonest_h), hours(*latest_h));
                if soonest == latest {
                    write!(f, "full in {soonest} h")
                } else {
                    write!(f, "full in {soonest} to {latest} h")
                }
            }
        }
    }
}

/// Tenths below ten hours.
fn hours(hours: f64) -> String {
    if hours < 9.95 {
        format!("{hours:.1}")
    } else {
        format!("{hours:.0}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forecast_is_as_sure_as_its_slope() {
        let noise = "no growth that can be told from noise";
        let later = "grows; full later than this time can foretell";
        for (level, limit, low, high, seen_h, text) in [
            // 10 of 50 used, 1 to 1.6 an hour.
            (10.0, Some(50.0), 1.0, 1.6, 1.0, "full in 25 to 40 h"),
            (10.0, Some(50.0), 1.3, 1.3, 1.0, "full in 31 h"),
            (49.0, Some(50.0), 0.5, 2.0, 1.0, "full in 0.5 to 2.0 h"),
            (51.0, Some(50.0), 0.5, 2.0, 1.0, "full in 0.0 h"),
            // Within an hour 50 hours can be foretold, within half of one 25 and within a third
            // not even these.
            (
                10.0,
                Some(50.0),
                0.7,
                1.6,
                1.0,
                "full in 25 h at the soonest",
            ),
            (
                10.0,
                Some(50.0),
                1.0,
                1.6,
                0.5,
                "full in 25 h at the soonest",
            ),
            (10.0, Some(50.0), 1.0, 1.6, 0.33, later),
            (10.0, None, 1.0, 1.6, 1.0, "grows; its limit is not known"),
            (10.0, Some(50.0), -0.2, 1.6, 1.0, noise),
            (10.0, Some(50.0), 0.0, 0.0, 1.0, noise),
            (10.0, Some(50.0), -2.0, -1.0, 1.0, "shrinks"),
        ] {
            let found = Forecast::of(level, limit, (low, high), seen_h);
            assert_eq!(found.to_string(), text);
        }
    }
}
