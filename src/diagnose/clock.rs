//! The clock of a log: how long a part of it took, by the times that vLLM's logger writes.
//!
//! Lines of other writers (uvicorn, torch, progress bars) carry no such time and are passed
//! over. The logger writes no year, so that only differences can be told.

/// Whole seconds from one line to a later one; where a line carries no time, the time of the
/// nearest before it that does, else of the nearest behind it. `None` where no two times are
/// known.
pub fn seconds_between(raw: &[&str], from: usize, to: usize) -> Option<u64> {
    let to = to.min(raw.len().checked_sub(1)?);
    let timed = |at: usize| {
        let before = (0..=at).rev().find(|at| time_of(raw[*at]).is_some());
        before.or_else(|| (at..raw.len()).find(|at| time_of(raw[*at]).is_some()))
    };
    let (first, last) = (timed(from.min(to))?, timed(to)?);
    if first == last {
        return None;
    }
    let (from, to) = (time_of(raw[first])?, time_of(raw[last])?);
    // From December to January.
    let year = 366 * 86_400;
    Some(if to >= from {
        to - from
    } else {
        to + year - from
    })
}

/// Seconds into a leap year of the time in `INFO 11-24 03:12:03 [..`, wherever it stands.
fn time_of(line: &str) -> Option<u64> {
    ["DEBUG ", "INFO ", "WARNING ", "ERROR ", "CRITICAL "]
        .iter()
        .find_map(|level| {
            let (_, after) = line.split_once(level)?;
            seconds(after.get(..14)?.as_bytes())
        })
}

/// `11-24 03:12:03`.
fn seconds(stamp: &[u8]) -> Option<u64> {
    const DAYS_BEFORE: [u64; 12] = [0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335];
    let marks = [(2, b'-'), (5, b' '), (8, b':'), (11, b':')];
    if marks.iter().any(|(at, mark)| stamp.get(*at) != Some(mark)) {
        return None;
    }
    let two = |at: usize| {
        let digit = |at: usize| {
            stamp[at]
                .is_ascii_digit()
                .then(|| u64::from(stamp[at] - b'0'))
        };
        Some(digit(at)? * 10 + digit(at + 1)?)
    };
    let month = usize::try_from(two(0)?).ok()?;
    let days = DAYS_BEFORE.get(month.checked_sub(1)?)? + two(3)?.checked_sub(1)?;
    Some(days * 86_400 + two(6)? * 3600 + two(9)? * 60 + two(12)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_log_takes_as_long_as_its_clock_says() {
        let took = |from: &str, to: &str| {
            let (from, to) = (
                format!("vllm-1  | (APIServer pid=1) INFO {from} [a.py:1] x"),
                format!("ERROR {to} core.py:5] y"),
            );
            let raw = ["INFO:     no time", &from, "INFO:     no time", &to, "end"];
            // The lines beside them have their times.
            assert_eq!(seconds_between(&raw, 0, 4), seconds_between(&raw, 1, 3));
            assert_eq!(seconds_between(&raw, 2, 9), seconds_between(&raw, 1, 3));
            assert_eq!(seconds_between(&raw, 1, 2), None);
            seconds_between(&raw, 1, 3)
        };
        assert_eq!(took("11-24 03:12:03", "11-24 03:27:04"), Some(901));
        assert_eq!(took("02-28 23:59:59", "03-01 00:00:01"), Some(86_402));
        assert_eq!(took("12-31 23:59:00", "01-01 00:00:00"), Some(60));
        assert_eq!(took("13-01 00:00:00", "01-01 00:00:00"), None);
        assert_eq!(took("11-24 03:12:0x", "11-24 03:12:04"), None);
        let snow = ["INFO \u{2603}\u{2603}\u{2603}\u{2603}\u{2603}"; 2];
        assert_eq!(seconds_between(&snow, 0, 1), None);
        assert_eq!(seconds_between(&[], 0, 0), None);
    }
}
