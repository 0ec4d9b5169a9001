//! When something that grows will be full: a slope with its interval, and the room that is left.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Further ahead than this nothing is foretold: no soak of hours can see a year.
const FAR_H: f64 = 24.0 * 365.0;

/// What a slope with its interval says of a limit. Hours count from the end of the measurement.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "forecast", rename_all = "kebab-case")]
pub enum Forecast {
    /// The interval of the slope holds zero.
    NoGrowth,
    /// All of the interval is below zero.
    Shrinks,
    /// It grows. `latest_h` is `None` where the lower end of the slope would take more than a
    /// year.
    Full {
        soonest_h: f64,
        latest_h: Option<f64>,
    },
    /// It grows, and the limit is more than a year away.
    Far,
    /// It grows, and what its limit is nobody said.
    Grows,
}

impl Forecast {
    /// From a `level` that grows by `low` to `high` an hour towards a `limit`, all in one unit.
    pub fn of(level: f64, limit: Option<f64>, low: f64, high: f64) -> Self {
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
        if soonest_h > FAR_H {
            return Self::Far;
        }
        Self::Full {
            soonest_h,
            latest_h: (latest_h <= FAR_H).then_some(latest_h),
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
            Self::Far => f.write_str("grows; full in more than a year"),
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
        for (level, limit, low, high, text) in [
            // 10 of 50 used, 1 to 1.6 an hour.
            (10.0, Some(50.0), 1.0, 1.6, "full in 25 to 40 h"),
            (10.0, Some(50.0), 1.3, 1.3, "full in 31 h"),
            (49.0, Some(50.0), 0.5, 2.0, "full in 0.5 to 2.0 h"),
            (51.0, Some(50.0), 0.5, 2.0, "full in 0.0 h"),
            (10.0, Some(50.0), 1e-6, 1.6, "full in 25 h at the soonest"),
            (
                10.0,
                Some(50.0),
                1e-6,
                1e-5,
                "grows; full in more than a year",
            ),
            (10.0, None, 1.0, 1.6, "grows; its limit is not known"),
            (
                10.0,
                Some(50.0),
                -0.2,
                1.6,
                "no growth that can be told from noise",
            ),
            (
                10.0,
                Some(50.0),
                0.0,
                0.0,
                "no growth that can be told from noise",
            ),
            (10.0, Some(50.0), -2.0, -1.0, "shrinks"),
        ] {
            assert_eq!(Forecast::of(level, limit, low, high).to_string(), text);
        }
    }
}
