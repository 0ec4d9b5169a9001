//! A log in lines without their decorations: colours, what a progress bar overwrote, the
//! prefixes of collectors and processes, the head that the logger writes.
//!
//! Knows how lines are wrapped, and nothing of what they mean.

use crate::diagnose::head;
use crate::diagnose::prefix::without_prefixes;
use crate::diagnose::quotation;
use crate::diagnose::unfold::unfold;

/// Collectors wrap each other's records; nobody wraps deeper than this.
const DEEPEST_WRAP: usize = 3;

/// A line with its decorations taken off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What was said; indentation kept, since code in a traceback is known by it.
    pub text: String,
    pub level: Level,
    /// The line of the log that holds it, from 0. A record of a collector can hold several.
    pub row: usize,
}

/// How a line was logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Debug,
    Info,
    Warning,
    /// ERROR and CRITICAL.
    Error,
    /// No logger wrote it: a traceback, a C++ abort, argparse.
    Unmarked,
}

impl Line {
    /// The line as it was written, without its colours and without what a progress bar overwrote.
    pub fn uncoloured(raw: &str) -> String {
        let plain = without_colour(raw);
        let seen = after_carriage_return(&plain);
        if seen.len() == plain.len() {
            plain
        } else {
            seen.to_owned()
        }
    }

    /// True for the code and the file names of a Python traceback.
    pub fn is_indented(&self) -> bool {
        self.text.starts_with("  ") || self.text.starts_with('\t')
    }
}

/// Reads a whole log. An indentation that all lines share (a pasted block) is taken off.
pub fn read(log: &str) -> Vec<Line> {
    let shared = log
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.len() - line.trim_start_matches(' ').len())
        .min()
        .unwrap_or(0);
    let mut lines = Vec::new();
    for (row, raw) in log.lines().enumerate() {
        let raw = raw.get(shared..).unwrap_or("");
        add(raw, Level::Unmarked, row, 0, &mut lines);
    }
    quotation::mute(&mut lines);
    lines
}

/// The lines of the log that hold `lines`, which were read from it: one for each, as it was
/// written.
pub fn as_written<'a>(log: &'a str, lines: &[Line]) -> Vec<&'a str> {
    let raw: Vec<&str> = log.lines().collect();
    lines.iter().map(|line| raw[line.row]).collect()
}

/// Adds what one line of the log says. `stated` is the level that a record around it states.
fn add(raw: &str, stated: Level, row: usize, depth: usize, lines: &mut Vec<Line>) {
    let plain = Line::uncoloured(raw);
    let rest = without_prefixes(&plain);
    if depth < DEEPEST_WRAP
        && let Some(record) = unfold(rest)
    {
        for text in record.texts.iter().flat_map(|text| text.lines()) {
            add(text, record.level, row, depth + 1, lines);
        }
        return;
    }
    let (level, text) = head::split(rest);
    lines.push(Line {
        text: text.trim_end().to_owned(),
        level: if level == Level::Unmarked {
            stated
        } else {
            level
        },
        row,
    });
}

/// A progress bar overwrites its line: what stands after the last carriage return is seen.
fn after_carriage_return(line: &str) -> &str {
    line.trim_end_matches('\r')
        .rsplit('\r')
        .next()
        .unwrap_or("")
}

/// Takes off `ESC [ .. letter`, `[36m` where the escape byte itself was lost, and the escape
/// byte in the notations of syslog, `cat -v` and JSON.
fn without_colour(line: &str) -> String {
    // Most lines have no colour and no bracket.
    if !line.as_bytes().iter().any(|b| *b == b'[' || *b == 0x1b) {
        return line.to_owned();
    }
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.bytes().position(|b| b == 0x1b || b == b'[') {
        let tail = &rest[at..];
        let escape = tail.starts_with('\u{1b}');
        let body = tail.trim_start_matches('\u{1b}');
        plain.push_str(&rest[..at]);
        let written = ["#033", "^[", "\\x1b", "\\033", "\\u001b"]
            .iter()
            .find(|notation| plain.ends_with(**notation));
        let length = colour_length(body, escape, written.is_some());
        if length > 0 {
            let kept = plain.len() - written.map_or(0, |notation| notation.len());
            plain.truncate(kept);
            rest = &body[length..];
        } else if escape {
            rest = body;
        } else {
            plain.push('[');
            rest = &tail[1..];
        }
    }
    plain.push_str(rest);
    plain
}

/// The bytes of `[36m` at the start of `body`; 0 where no colour stands there.
fn colour_length(body: &str, escape: bool, written_escape: bool) -> usize {
    let Some(codes) = body.strip_prefix('[') else {
        return 0;
    };
    let Some(end) = codes.bytes().position(|b| !b.is_ascii_digit() && b != b';') else {
        return 0;
    };
    let letter = codes.as_bytes()[end];
    let colour = letter == b'm' && (end > 0 || escape || written_escape);
    if colour || (escape && letter.is_ascii_alphabetic()) {
        end + 2
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(raw: &str) -> (String, Level) {
        let lines = read(raw);
        assert_eq!(lines.len(), 1, "{raw}");
        (lines[0].text.clone(), lines[0].level)
    }

    #[test]
    fn every_decoration_comes_off() {
        let cases = [
            (
                "(EngineCore_DP0 pid=12) ERROR 11-24 03:16:56 [core.py:1]   File \"a\"",
                "  File \"a\"",
                Level::Error,
            ),
            (
                "vllm-1  | \u{1b}[1;36m(APIServer pid=1)\u{1b}[0;0m INFO 09-01 10:00:00 [a.py:1] hi",
                "hi",
                Level::Info,
            ),
            (
                "[1;36m(APIServer pid=1)[0;0m INFO:     Shutting down",
                "Shutting down",
                Level::Info,
            ),
            (
                " [36m(RayWorkerVllm pid=5085) [0m [E ProcessGroupNCCL.cpp:475] x",
                "[E ProcessGroupNCCL.cpp:475] x",
                Level::Error,
            ),
            ("#033[2m#033[33m(raylet)#033[0m x", "x", Level::Unmarked),
            ("^[[36m(Worker pid=4)^[[0m x", "x", Level::Unmarked),
            (
                "2026-05-05T12:36:59.1Z stderr F CRITICAL 05-05 12:36:59 [l.py:1] c",
                "c",
                Level::Error,
            ),
            (
                "[rank0]:[W1124 03:16:28 ProcessGroupNCCL.cpp:1] Warning: x",
                "[W1124 03:16:28 ProcessGroupNCCL.cpp:1] Warning: x",
                Level::Warning,
            ),
            (
                "Loading:   0%\rLoading: 100%\r",
                "Loading: 100%",
                Level::Unmarked,
            ),
            (
                "{\"log\":\"ERROR 05-10 16:00:15 [a.py:1] e\\n\",\"stream\":\"stderr\",\"time\":\"t\"}",
                "e",
                Level::Error,
            ),
            ("a[0] and [b] [", "a[0] and [b] [", Level::Unmarked),
            ("\u{1b}[2K\u{1b}x\u{1b}", "x", Level::Unmarked),
        ];
        for (raw, text, level) in cases {
            assert_eq!(only(raw), (text.to_owned(), level), "{raw}");
        }
    }

    #[test]
    fn a_shared_indentation_is_a_pasted_block() {
        let lines =
            read("    ERROR 05-10 16:00:15 [a.py:1] x\n      File \"f\"\n\n    ValueError: y");
        assert_eq!(lines[0].text, "x");
        assert!(lines[1].is_indented());
        assert_eq!(lines[3].text, "ValueError: y");
    }

    #[test]
    fn a_record_of_several_lines_is_read_as_several_lines_of_one_row() {
        let lines = read("a\n{\"message\":\"x\\nERROR 05-10 16:00:15 [a.py:1] y\"}\nb");
        let told: Vec<(&str, usize)> = lines
            .iter()
            .map(|line| (line.text.as_str(), line.row))
            .collect();
        assert_eq!(told, [("a", 0), ("x", 1), ("y", 1), ("b", 2)]);
    }
}
