//! Times of day: when nothing may be stopped, and by when production must serve again.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::ZonedDateTime;
use jiff::civil::Time;
use serde::{Deserialize, Serialize};

/// A time of day on the wall clock of this machine's zone, to the minute: `06:30`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ClockTime {
    hour: i8,
    minute: i8,
}

impl ClockTime {
    /// The next instant at which the clock shows it, from `now` on; of an hour that the change
    /// of the clock leaves out, the first instant after it.
    pub fn next(self, now: &ZonedDateTime) -> Option<ZonedDateTime> {
        let at = |day: &ZonedDateTime| day.datetime().with().time(self.time()).build().ok();
        let today = at(now)?.to_zoned_datetime(now.time_zone().clone()).ok()?;
        if today >= *now {
            return Some(today);
        }
        let tomorrow = now.tomorrow().ok()?;
        at(&tomorrow)?
            .to_zoned_datetime(now.time_zone().clone())
            .ok()
    }

    fn time(self) -> Time {
        jiff::civil::time(self.hour, self.minute, 0, 0)
    }
}

impl FromStr for ClockTime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no time of day such as 06:30");
        let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
        let number = |digits: &str, below: i8| {
            let two = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit());
            let number = digits.parse().ok().filter(|number| *number < below);
            number.filter(|_| two).ok_or_else(wrong)
        };
        Ok(Self {
            hour: number(hour, 24)?,
            minute: number(minute, 60)?,
        })
    }
}

impl TryFrom<String> for ClockTime {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ClockTime> for String {
    fn from(time: ClockTime) -> Self {
        time.to_string()
    }
}

impl fmt::Display for ClockTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.hour, self.minute)
    }
}

/// Hours of the day, the first minute included and the last not: `08:00-20:00`, and over
/// midnight `22:00-02:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Window {
    pub from: ClockTime,
    pub to: ClockTime,
}

impl Window {
    pub fn holds(self, now: &ZonedDateTime) -> bool {
        let now = now.time();
        let (from, to) = (self.from.time(), self.to.time());
        match from < to {
            true => (from..to).contains(&now),
            false => now >= from || now < to,
        }
    }
}

impl FromStr for Window {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` are no hours such as 08:00-20:00");
        let (from, to) = text.split_once('-').ok_or_else(wrong)?;
        let window = Self {
            from: from.trim().parse().map_err(|_| wrong())?,
            to: to.trim().parse().map_err(|_| wrong())?,
        };
        match window.from == window.to {
            true => Err(wrong()),
            false => Ok(window),
        }
    }
}

impl TryFrom<String> for Window {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Window> for String {
    fn from(window: Window) -> Self {
        window.to_string()
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.from, self.to)
    }
}

/// How much longer than its last measured start the next one is allowed, as a factor: caches
/// are cold after a night of other engines.
const SLOWER_START: f64 = 1.5;

/// What else a return takes: the stop of an engine under test, and memory that comes back.
const CLEARING: Duration = Duration::from_secs(120);

/// The instant at which the night must end so that production serves by `by`. `last_start` is
/// how long its last measured start took; without one, `patience` is what a start may take.
pub fn last_moment(
    by: ClockTime,
    now: &ZonedDateTime,
    last_start: Option<Duration>,
    patience: Duration,
) -> Option<ZonedDateTime> {
    let start = last_start.map_or(patience, |last| last.mul_f64(SLOWER_START).min(patience));
    let reserve = jiff::SignedDuration::try_from(start + CLEARING).ok()?;
    by.next(now)?.checked_sub(reserve).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> ZonedDateTime {
        text.parse().unwrap()
    }

    #[test]
    fn times_of_day_are_read_strictly_and_written_back() {
        for good in ["00:00", "06:30", "23:59"] {
            assert_eq!(good.parse::<ClockTime>().unwrap().to_string(), good);
        }
        for bad in ["", "6:30", "24:00", "06:60", "06-30", "+6:30", "06:3a"] {
            assert!(bad.parse::<ClockTime>().is_err(), "{bad}");
        }
        assert!("08:00-08:00".parse::<Window>().is_err());
        assert_eq!(
            "22:00 - 02:00".parse::<Window>().unwrap().to_string(),
            "22:00-02:00"
        );
    }

    #[test]
    fn windows_hold_their_first_minute_not_their_last_and_go_over_midnight() {
        let day: Window = "08:00-20:00".parse().unwrap();
        let night: Window = "22:00-02:00".parse().unwrap();
        for (time, in_day, in_night) in [
            ("08:00", true, false),
            ("19:59", true, false),
            ("20:00", false, false),
            ("22:00", false, true),
            ("01:59", false, true),
            ("02:00", false, false),
        ] {
            let now = at(&format!("2026-11-24T{time}:00+00:00[UTC]"));
            assert_eq!(
                (day.holds(&now), night.holds(&now)),
                (in_day, in_night),
                "{time}"
            );
        }
    }

    #[test]
    fn the_next_time_is_today_or_tomorrow_also_over_a_change_of_the_clock() {
        let by: ClockTime = "06:30".parse().unwrap();
        let next = |now: &str| by.next(&at(now)).unwrap().to_string();
        assert_eq!(
            next("2026-11-24T02:00:00+00:00[UTC]"),
            "2026-11-24T06:30:00+00:00[UTC]"
        );
        assert_eq!(
            next("2026-11-24T22:00:00+00:00[UTC]"),
            "2026-11-25T06:30:00+00:00[UTC]"
        );
        // The last Sunday of March: an hour is missing from the night.
        assert_eq!(
            next("2026-03-28T22:00:00+01:00[Europe/Berlin]"),
            "2026-03-29T06:30:00+02:00[Europe/Berlin]"
        );
    }

    #[test]
    fn the_last_moment_leaves_time_for_a_start() {
        let (by, now) = (
            "06:30".parse().unwrap(),
            at("2026-11-24T02:00:00+00:00[UTC]"),
        );
        let minutes = |n: u64| Duration::from_secs(n * 60);
        let last = |start| {
            last_moment(by, &now, start, minutes(20))
                .unwrap()
                .time()
                .to_string()
        };
        assert_eq!(last(Some(minutes(4))), "06:22:00");
        assert_eq!(last(None), "06:08:00");
        assert_eq!(last(Some(minutes(60))), "06:08:00");
    }
}
