//! How fast the time of stand-in engines runs, and the way between their time and this
//! machine's.
//!
//! At a speed of 20 an engine does in one second what it would do in 20. Whatever a clock of
//! this machine shows of it is *real*; what it stands for is *told*, in stand-in time. Real
//! engines have a speed of 1, where both are the same to the last bit. Reads no clock itself.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The shortest that a deadline becomes. A machine that is busy with other work keeps a
/// process waiting for seconds, at every speed.
const LEAST_PATIENCE: Duration = Duration::from_secs(10);

/// The shortest that a pause between two looks becomes: more looks would be a load of their own.
const LEAST_PAUSE: Duration = Duration::from_millis(10);

/// What HTTP, the reading of a prompt and timers really add to a time to first token: 0.9 to 2.6
/// ms were measured at speeds from 1 to 50 with prompts of 4000 tokens, in the dev profile.
const AROUND_A_TOKEN: Duration = Duration::from_millis(2);

/// How many times faster than the world stand-ins live: 1 to [`TimeScale::MOST`].
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct TimeScale(f64);

/// No speed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a speed is a number from 1 to {}", TimeScale::MOST)]
pub struct BadSpeed;

impl TimeScale {
    /// Both times are the same.
    pub const ONE: Self = Self(1.0);

    /// A millisecond, which is as exact as timers are, then stands for a second: beyond it
    /// nothing that an engine does could be told apart.
    pub const MOST: f64 = 1000.0;

    /// # Errors
    /// When it is not within 1 and [`Self::MOST`].
    pub fn new(factor: f64) -> Result<Self, BadSpeed> {
        match (1.0..=Self::MOST).contains(&factor) {
            true => Ok(Self(factor)),
            false => Err(BadSpeed),
        }
    }

    pub fn factor(self) -> f64 {
        self.0
    }

    /// True where the two times are the same.
    pub fn is_one(self) -> bool {
        self == Self::ONE
    }

    /// What a real duration stands for.
    pub fn told(self, real: Duration) -> Duration {
        self.times(real, self.0)
    }

    /// How long something really takes that is to last so long in stand-in time.
    pub fn real(self, told: Duration) -> Duration {
        self.times(told, 1.0 / self.0)
    }

    fn times(self, duration: Duration, factor: f64) -> Duration {
        if self.is_one() {
            return duration;
        }
        Duration::try_from_secs_f64(duration.as_secs_f64() * factor).unwrap_or(Duration::MAX)
    }

    /// What a real duration stands for, in milliseconds.
    pub fn told_ms(self, real: Duration) -> f64 {
        real.as_secs_f64() * 1e3 * self.0
    }

    /// What a real span of nanoseconds stands for, in milliseconds.
    pub fn nanos_told_ms(self, real: u64) -> f64 {
        real as f64 / 1e6 * self.0
    }

    /// How many per second of stand-in time `count` in a real span of nanoseconds are.
    pub fn per_second(self, count: f64, real: u64) -> f64 {
        count / (real as f64 / 1e9) / self.0
    }

    /// How much too long a time to first token is told, because what the machine itself needs for
    /// it counts as often as everything else.
    pub fn told_too_long(self) -> Duration {
        self.told(AROUND_A_TOKEN)
    }

    /// The highest speed at which a time to first token is told too long by no more than one
    /// token of this engine takes: the shortest that it does.
    pub fn bearable(token: Duration) -> Self {
        let most = (token.as_secs_f64() / AROUND_A_TOKEN.as_secs_f64()).floor();
        Self(most.clamp(1.0, Self::MOST))
    }

    /// How long to really wait for something that may last so long in stand-in time: never
    /// shorter than a busy machine needs to do anything at all, never longer than what was asked.
    pub fn patience(self, told: Duration) -> Duration {
        self.real(told).max(LEAST_PATIENCE).min(told)
    }

    /// How long to really pause between two looks at an engine.
    pub fn pause(self, told: Duration) -> Duration {
        self.real(told).max(LEAST_PAUSE).min(told)
    }
}

impl Default for TimeScale {
    fn default() -> Self {
        Self::ONE
    }
}

impl TryFrom<f64> for TimeScale {
    type Error = BadSpeed;

    fn try_from(factor: f64) -> Result<Self, BadSpeed> {
        Self::new(factor)
    }
}

impl From<TimeScale> for f64 {
    fn from(scale: TimeScale) -> Self {
        scale.0
    }
}

impl FromStr for TimeScale {
    type Err = BadSpeed;

    fn from_str(text: &str) -> Result<Self, BadSpeed> {
        Self::new(text.parse().map_err(|_| BadSpeed)?)
    }
}

/// `20x`.
impl fmt::Display for TimeScale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn scale(text: &str) -> TimeScale {
        text.parse().unwrap()
    }

    #[test]
    fn a_speed_is_a_number_from_1_to_1000() {
        for (text, shown) in [
            ("1", "1x"),
            ("2.5", "2.5x"),
            ("20", "20x"),
            ("1e3", "1000x"),
        ] {
            assert_eq!(scale(text).to_string(), shown);
        }
        for bad in [
            "0", "0.99", "1000.5", "-20", "inf", "NaN", "20x", "fast", "",
        ] {
            assert_eq!(bad.parse::<TimeScale>(), Err(BadSpeed), "{bad}");
        }
        assert_eq!(BadSpeed.to_string(), "a speed is a number from 1 to 1000");
    }

    #[test]
    fn it_is_stored_as_a_number_and_a_stored_one_is_checked() {
        let stored = serde_json::to_string(&scale("2.5")).unwrap();
        assert_eq!(stored, "2.5");
        let read: TimeScale = serde_json::from_str(&stored).unwrap();
        assert_eq!(read, scale("2.5"));
        assert!(serde_json::from_str::<TimeScale>("0.5").is_err());
    }

    #[test]
    fn what_is_told_is_what_was_real_times_the_speed() {
        let twenty = scale("20");
        assert_eq!(twenty.told(MS(150)), MS(3000));
        assert_eq!(twenty.real(MS(3000)), MS(150));
        assert_eq!(twenty.told_ms(MS(150)), 3000.0);
        assert_eq!(twenty.nanos_told_ms(1_500_000), 30.0);
        assert_eq!(twenty.per_second(10.0, 500_000_000), 1.0);
        assert_eq!(twenty.told(Duration::MAX), Duration::MAX);
    }

    #[test]
    fn without_a_speed_nothing_changes_by_a_bit() {
        let odd = Duration::new(123_456_789, 123_456_789);
        assert_eq!(TimeScale::ONE.told(odd), odd);
        assert_eq!(TimeScale::ONE.real(odd), odd);
        assert_eq!(TimeScale::ONE.patience(MS(3)), MS(3));
        assert_eq!(TimeScale::ONE.pause(MS(3)), MS(3));
        let nanos = 1_234_567_891;
        assert_eq!(TimeScale::ONE.nanos_told_ms(nanos), nanos as f64 / 1e6);
    }

    #[test]
    fn a_speed_is_bearable_while_its_error_is_within_a_token() {
        for (token, most) in [(23, 11.0), (10, 5.0), (5, 2.0), (1, 1.0), (60_000, 1000.0)] {
            let bearable = TimeScale::bearable(MS(token));
            assert_eq!(bearable.factor(), most);
            assert!(bearable.is_one() || bearable.told_too_long() <= MS(token));
        }
        assert_eq!(scale("20").told_too_long(), MS(40));
    }

    #[test]
    fn waiting_shrinks_with_the_speed_down_to_what_a_busy_machine_needs() {
        let twenty = scale("20");
        assert_eq!(twenty.patience(MS(600_000)), MS(30_000));
        assert_eq!(twenty.patience(MS(60_000)), MS(10_000));
        assert_eq!(twenty.patience(MS(5_000)), MS(5_000));
        assert_eq!(twenty.pause(MS(1_000)), MS(50));
        assert_eq!(twenty.pause(MS(100)), MS(10));
        assert_eq!(twenty.pause(MS(5)), MS(5));
    }
}
