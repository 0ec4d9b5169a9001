//! The engine's own time: it begins with the engine and may run faster than the world's.
//!
//! Everything that the engine waits for or reports goes by it, so that nothing else in the
//! stand-in knows of a speed.

use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::stand_in::engine::alarm::Alarm;
use crate::time_scale::TimeScale;

/// A running clock; copies show the same time.
#[derive(Debug, Clone, Copy)]
pub struct Time {
    began: Instant,
    scale: TimeScale,
}

/// An instant of the engine's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Duration);

impl Time {
    /// Begins now.
    pub fn begin(scale: TimeScale) -> Self {
        Self {
            began: Instant::now(),
            scale,
        }
    }

    pub fn now(&self) -> Moment {
        Moment(self.scale.told(self.began.elapsed()))
    }

    /// How long ago a moment was.
    pub fn since(&self, moment: Moment) -> Duration {
        self.now() - moment
    }

    pub async fn sleep(&self, duration: Duration) {
        self.sleep_until(self.now() + duration).await;
    }

    pub async fn sleep_until(&self, moment: Moment) {
        match self.instant(moment) {
            Some(instant) => sleep_until(instant).await,
            None => std::future::pending().await,
        }
    }

    /// `None` for a moment that never comes.
    fn instant(&self, moment: Moment) -> Option<Instant> {
        self.began.checked_add(self.scale.real(moment.0))
    }

    /// What a span of this machine's time is in the engine's.
    pub fn told(&self, real: Duration) -> Duration {
        self.scale.told(real)
    }

    /// [`Self::sleep_until`] by an alarm, where there is one.
    pub async fn wake_at(&self, moment: Moment, alarm: &mut Option<Alarm>) {
        match (alarm, self.instant(moment)) {
            (Some(alarm), Some(instant)) => alarm.wait_until(instant.into_std()).await,
            (None, _) | (_, None) => self.sleep_until(moment).await,
        }
    }
}

impl Sub for Moment {
    type Output = Duration;

    /// Zero where the other is later.
    fn sub(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}

impl AddAssign<Duration> for Moment {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[tokio::test(start_paused = true)]
    async fn an_engine_at_a_speed_of_20_lives_20_seconds_in_one() {
        let world = Instant::now();
        let time = Time::begin(TimeScale::new(20.0).unwrap());
        let began = time.now();
        time.sleep(MS(20_000)).await;
        assert_eq!(world.elapsed(), MS(1000));
        assert_eq!(time.since(began), MS(20_000));
        time.sleep_until(began + MS(30_000)).await;
        assert_eq!(world.elapsed(), MS(1500));
    }

    #[tokio::test(start_paused = true)]
    async fn moments_never_go_below_zero_and_never_overflow() {
        let time = Time::begin(TimeScale::ONE);
        let began = time.now();
        let end = began + Duration::MAX;
        assert_eq!(began - end, Duration::ZERO);
        assert_eq!(end + MS(1), end);
    }
}
