//! How long a run will take, and how much of that is known.

use std::fmt;
use std::time::Duration;

/// Where a duration comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// The mean of attempts of an earlier run, or of this one so far.
    Measured { from_n_attempts: u32 },
    /// A guess: nothing was measured.
    Assumed,
}

/// How long one thing takes, and how that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    pub each: Duration,
    pub basis: Basis,
}

/// The time that some starts will take. Displays as a sentence that says what it rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    pub n_starts: u32,
    pub n_nodes: u32,
    /// From the start of an engine to the start of the first node, stopping it included.
    pub start: Pace,
    /// All nodes of one attempt together.
    pub nodes: Pace,
    pub ageing: Ageing,
    pub total: Duration,
}

/// Starts that carry `age` nodes, and how long these take in each: as the file says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ageing {
    pub n_starts: u32,
    pub each: Duration,
}

/// Estimates `n_starts` attempts, each a start and all nodes but those that age. Starts that die are counted as if
/// they lived: which ones do is not known before.
pub fn estimate(n_starts: u32, n_nodes: u32, start: Pace, nodes: Pace, ageing: Ageing) -> Estimate {
    let total = start
        .each
        .saturating_add(nodes.each)
        .saturating_mul(n_starts)
        .saturating_add(ageing.each.saturating_mul(ageing.n_starts));
    Estimate {
        n_starts,
        n_nodes,
        start,
        nodes,
        ageing,
        total,
    }
}

impl Estimate {
    /// Starts that end within this time, each of them as long as the mean.
    pub fn n_within(&self, time: Duration) -> u32 {
        let each = self.start.each.saturating_add(self.nodes.each);
        let n = time.as_nanos().checked_div(each.as_nanos());
        let n = n.and_then(|n| u32::try_from(n).ok()).unwrap_or(u32::MAX);
        n.min(self.n_starts)
    }
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let starts = plural(self.n_starts, "start");
        let each = format!("{} per start", seconds(self.start.each));
        let nodes = match self.n_nodes {
            1 => format!("{} for its node", seconds(self.nodes.each)),
            n => format!("{} for its {n} nodes", seconds(self.nodes.each)),
        };
        write!(f, "about {} for {starts}, ", rounded(self.total))?;
        if !self.ageing.each.is_zero() {
            let (each, n) = (rounded(self.ageing.each), self.ageing.n_starts);
            write!(f, "{each} of age in {n} of them, ")?;
        }
        match (self.start.basis, self.nodes.basis) {
            (Basis::Assumed, Basis::Assumed) => write!(
                f,
                "assuming {each} and {nodes}: nothing of this experiment was measured yet"
            ),
            (Basis::Measured { from_n_attempts }, Basis::Assumed) => {
                write!(
                    f,
                    "by {each} ({}), assuming {nodes}",
                    measured(from_n_attempts)
                )
            }
            (Basis::Assumed, Basis::Measured { from_n_attempts }) => {
                write!(
                    f,
                    "assuming {each}, by {nodes} ({})",
                    measured(from_n_attempts)
                )
            }
            (Basis::Measured { from_n_attempts: a }, Basis::Measured { from_n_attempts: b })
                if a == b =>
            {
                write!(f, "by {each} and {nodes} (both {})", measured(a))
            }
            (Basis::Measured { from_n_attempts: a }, Basis::Measured { from_n_attempts: b }) => {
                write!(
                    f,
                    "by {each} ({}) and {nodes} ({})",
                    measured(a),
                    measured(b)
                )
            }
        }
    }
}

fn plural(count: u32, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

fn measured(from_n_attempts: u32) -> String {
    format!("measured in {}", plural(from_n_attempts, "attempt"))
}

/// `0.3 s`, `60 s`: as exact as a person needs it.
fn seconds(each: Duration) -> String {
    let seconds = each.as_secs_f64();
    if seconds < 10.0 {
        let tenths = format!("{seconds:.1}");
        format!("{} s", tenths.strip_suffix(".0").unwrap_or(&tenths))
    } else {
        format!("{seconds:.0} s")
    }
}

/// `41 s`, `41 min`, `2 h 05 min`.
pub fn rounded(total: Duration) -> String {
    let seconds = total.as_secs_f64().round();
    let minutes = (seconds / 60.0).round();
    if seconds < 100.0 {
        format!("{seconds:.0} s")
    } else if minutes < 100.0 {
        format!("{minutes:.0} min")
    } else {
        format!(
            "{:.0} h {:02.0} min",
            (minutes / 60.0).floor(),
            minutes % 60.0
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assumed(ms: u64) -> Pace {
        Pace {
            each: Duration::from_millis(ms),
            basis: Basis::Assumed,
        }
    }

    fn measured(ms: u64, from_n_attempts: u32) -> Pace {
        Pace {
            each: Duration::from_millis(ms),
            basis: Basis::Measured { from_n_attempts },
        }
    }

    #[test]
    fn an_estimate_says_what_it_rests_on() {
        for (estimate, text) in [
            (
                estimate(36, 2, assumed(60_000), assumed(10_000), Ageing::default()),
                "about 42 min for 36 starts, assuming 60 s per start and 10 s for its 2 nodes: \
                 nothing of this experiment was measured yet",
            ),
            (
                estimate(1, 1, assumed(300), assumed(1_000), Ageing::default()),
                "about 1 s for 1 start, assuming 0.3 s per start and 1 s for its node: \
                 nothing of this experiment was measured yet",
            ),
            (
                estimate(
                    12,
                    2,
                    measured(58_300, 1),
                    assumed(9_800),
                    Ageing::default(),
                ),
                "about 14 min for 12 starts, by 58 s per start (measured in 1 attempt), \
                 assuming 9.8 s for its 2 nodes",
            ),
            (
                estimate(
                    12,
                    2,
                    assumed(60_000),
                    measured(9_800, 4),
                    Ageing::default(),
                ),
                "about 14 min for 12 starts, assuming 60 s per start, by 9.8 s for its 2 nodes \
                 (measured in 4 attempts)",
            ),
            (
                estimate(
                    120,
                    2,
                    measured(60_000, 12),
                    measured(5_000, 12),
                    Ageing::default(),
                ),
                "about 2 h 10 min for 120 starts, by 60 s per start and 5 s for its 2 nodes \
                 (both measured in 12 attempts)",
            ),
            (
                estimate(
                    97,
                    2,
                    measured(59_000, 12),
                    measured(1_000, 8),
                    Ageing::default(),
                ),
                "about 97 min for 97 starts, by 59 s per start (measured in 12 attempts) and 1 s \
                 for its 2 nodes (measured in 8 attempts)",
            ),
        ] {
            assert_eq!(estimate.to_string(), text);
        }
    }

    #[test]
    fn totals_do_not_overflow() {
        let huge = Pace {
            each: Duration::MAX,
            basis: Basis::Assumed,
        };
        assert_eq!(
            estimate(u32::MAX, 1, huge, huge, Ageing::default()).total,
            Duration::MAX
        );
        assert_eq!(
            estimate(0, 1, assumed(1), assumed(1), Ageing::default()).total,
            Duration::ZERO
        );
    }
}
