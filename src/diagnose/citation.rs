//! The lines of a log that a diagnosis rests on, as a reader finds them.
//!
//! Which lines those are is decided where the log is judged (`verdict`).

use std::fmt;

use serde::Serialize;

use crate::diagnose::line::Line;

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cited {
    /// Its number in the log that was given, from 1.
    pub line: usize,
    pub says: Says,
    /// Decorations stripped.
    pub text: String,
}

/// What a line is evidence of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Says {
    /// Why the engine failed.
    Cause,
    /// That it failed, not why.
    Death,
    /// That somebody stopped it.
    Stop,
    /// That its start was complete.
    Started,
}

impl fmt::Display for Says {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Cause => "cause",
            Self::Death => "death",
            Self::Stop => "stop",
            Self::Started => "started",
        })
    }
}

/// Cites lines of a log, each once, in the order of the log.
pub fn cite(lines: &[Line], marks: &[(Option<usize>, Says)]) -> Vec<Cited> {
    let mut marks: Vec<(usize, Says)> = marks
        .iter()
        .filter_map(|(at, says)| Some(((*at)?, *says)))
        .collect();
    marks.sort_unstable();
    marks.dedup_by_key(|(at, _)| *at);
    marks
        .into_iter()
        .map(|(at, says)| Cited {
            line: lines[at].row + 1,
            says,
            text: lines[at].text.trim().to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::line::read;

    #[test]
    fn a_line_is_cited_once_with_its_number_in_the_log_and_its_first_meaning() {
        let lines = read("a\nINFO 01-01 00:00:00 [x.py:1] b\nc");
        let lines = &lines[1..];
        let marks = [
            (Some(1), Says::Started),
            (Some(0), Says::Death),
            (Some(0), Says::Cause),
            (None, Says::Stop),
        ];
        let cited = cite(lines, &marks);
        let told: Vec<_> = cited
            .iter()
            .map(|one| (one.line, one.says, one.text.as_str()))
            .collect();
        assert_eq!(told, [(2, Says::Cause, "b"), (3, Says::Started, "c")]);
    }
}
