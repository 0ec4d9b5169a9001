//! The head that a logger writes before a line's words, and the level that it states.
//!
//! Knows the heads of vLLM in every age, of uvicorn, torch, NCCL, Ray and Python's warnings.

use crate::diagnose::line::Level;
use crate::diagnose::prefix::one_space;

/// Behind an unknown prefix, vLLM's head is looked for in this many bytes.
const UNKNOWN_PREFIX: usize = 160;

const LEVELS: [(&str, Level); 6] = [
    ("DEBUG", Level::Debug),
    ("INFO", Level::Info),
    ("WARNING", Level::Warning),
    ("ERROR", Level::Error),
    ("CRITICAL", Level::Error),
    ("FATAL", Level::Error),
];

/// The level that a line states, and the words behind it.
pub fn split(line: &str) -> (Level, &str) {
    if let Some(found) = logger(line).or_else(|| behind_unknown_prefix(line)) {
        return found;
    }
    match level_of_text(line) {
        Level::Unmarked => behind_half_a_head(line).unwrap_or((Level::Unmarked, line)),
        level => (level, line),
    }
}

/// A level by name.
pub fn level_named(name: &str) -> Option<Level> {
    LEVELS
        .iter()
        .find(|(word, _)| name.eq_ignore_ascii_case(word))
        .map(|(_, level)| *level)
}

/// `LEVEL MM-DD HH:MM:SS [file.py:NN] ` (0.8 and later), `LEVEL MM-DD HH:MM:SS file.py:NN] `
/// (before), uvicorn's `LEVEL:    `, Ray's `LEVEL file.py:NN -- `.
fn logger(line: &str) -> Option<(Level, &str)> {
    let (word, level) = LEVELS.iter().find(|(word, _)| line.starts_with(word))?;
    let after = &line[word.len()..];
    if let Some(text) = after.strip_prefix(':') {
        return Some((*level, text.trim_start_matches(' ')));
    }
    vllm(after)
        .or_else(|| ray(after))
        .map(|text| (*level, text))
}

/// What stands after ` MM-DD HH:MM:SS [file.py:NN] `.
fn vllm(after_level: &str) -> Option<&str> {
    let stamp = after_level.strip_prefix(' ')?.trim_start();
    let (date, rest) = stamp.split_once(' ')?;
    let (clock, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let is_date = date.contains(['-', '/'])
        && date
            .bytes()
            .all(|b| b.is_ascii_digit() || b"-/".contains(&b));
    let is_clock = clock.contains(':')
        && clock
            .bytes()
            .all(|b| b.is_ascii_digit() || b":.,".contains(&b));
    if !is_date || !is_clock {
        return None;
    }
    // The place is one word that ends in `:NN]`; without it the whole rest is the message.
    match rest.split_once(']') {
        Some((place, text))
            if place.len() <= 200 && !place.contains(' ') && place.contains(':') =>
        {
            Some(one_space(text))
        }
        _ => Some(rest),
    }
}

/// What stands after ` worker.py:1749 -- `.
fn ray(after_level: &str) -> Option<&str> {
    let (place, text) = after_level.strip_prefix(' ')?.split_once(" -- ")?;
    (place.contains(".py:") && !place.contains(' ')).then_some(text)
}

/// What stands after `:     `: uvicorn pads its levels to equal length.
fn uvicorn(after_level: &str) -> Option<&str> {
    let text = after_level.strip_prefix(":  ")?;
    Some(text.trim_start_matches(' '))
}

/// Collectors put what they like before a line; its head tells where the line begins.
/// Quoted text may hold such a head, too, and is left alone.
fn behind_unknown_prefix(line: &str) -> Option<(Level, &str)> {
    let end = line
        .bytes()
        .take(UNKNOWN_PREFIX)
        .position(|b| b"\"'`".contains(&b))
        .unwrap_or(line.len().min(UNKNOWN_PREFIX));
    let mut from = 0;
    while let Some(space) = line.as_bytes()[from..end].iter().position(|b| *b == b' ') {
        from += space + 1;
        let is_word = line
            .as_bytes()
            .get(from)
            .is_some_and(u8::is_ascii_uppercase);
        if is_word
            && let Some((word, level)) = LEVELS
                .iter()
                .find(|(word, _)| line[from..].starts_with(word))
            && let Some(text) =
                vllm(&line[from + word.len()..]).or_else(|| uvicorn(&line[from + word.len()..]))
        {
            return Some((*level, text));
        }
    }
    None
}

/// A log that lost its beginning can begin inside a head: `NFO 11-20 04:00:11 launcher.py:57] `.
fn behind_half_a_head(line: &str) -> Option<(Level, &str)> {
    let cut = LEVELS.iter().find_map(|(word, level)| {
        let rest = (1..word.len()).find_map(|from| line.strip_prefix(&word[from..]))?;
        Some((*level, vllm(rest)?))
    });
    cut.or_else(|| {
        let at = line.find(".py:").filter(|at| *at < UNKNOWN_PREFIX)?;
        let (before, rest) = (&line[..at], &line[at + ".py:".len()..]);
        let (number, text) = rest.split_once(']')?;
        let is_head = !number.is_empty()
            && number.bytes().all(|b| b.is_ascii_digit())
            && !before.contains(['"', '\'', '`', ','])
            && !line.starts_with("  ");
        // Requests and reports are logged in files of their own.
        let is_news = ["logger", "loggers", "metrics"]
            .iter()
            .any(|file| before.ends_with(file));
        let level = if is_news {
            Level::Info
        } else {
            Level::Unmarked
        };
        is_head.then(|| (level, one_space(text)))
    })
}

/// The level of lines that other loggers wrote: Python warnings, torch (`W1124 ..`, `[E1124 ..`,
/// `[E file.cpp:1]`) and NCCL.
fn level_of_text(text: &str) -> Level {
    let glog = text.strip_prefix('[').unwrap_or(text);
    let stamp = glog.split(' ').next().unwrap_or("");
    // torch writes the month without a leading zero in one of its forms, and no date in another.
    let is_stamp = match stamp.len() {
        4 | 5 => stamp.bytes().skip(1).all(|b| b.is_ascii_digit()),
        1 => glog.len() < text.len() && glog.contains(".cpp:"),
        _ => false,
    };
    if is_stamp {
        match stamp.as_bytes()[0] {
            b'I' => return Level::Info,
            b'W' => return Level::Warning,
            b'E' | b'F' => return Level::Error,
            _ => {}
        }
    }
    let python_warning = text
        .find("Warning: ")
        .is_some_and(|at| text[..at].contains(".py:") && !text[..at].trim_end().is_empty());
    if python_warning {
        Level::Warning
    } else if text.contains("NCCL INFO") {
        Level::Info
    } else {
        Level::Unmarked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_head_comes_off() {
        let cases = [
            ("ERROR 05-10 16:00:15 [core.py:390] x", "x", Level::Error),
            ("INFO 08-14 10:00:00 api_server.py:219] x", "x", Level::Info),
            ("INFO 11-24 03:12:03 [api_utils.py:347]", "", Level::Info),
            ("DEBUG 11-24 03:12:03 [v1/a.py:4]   x", "  x", Level::Debug),
            ("CRITICAL 11-24 03:12:03 x [y]", "x [y]", Level::Error),
            ("ERROR:    [Errno 98] x", "[Errno 98] x", Level::Error),
            (
                "WARNING worker.py:2037 -- A worker died",
                "A worker died",
                Level::Warning,
            ),
            (
                "ver pid=1) INFO:     Shutting down",
                "Shutting down",
                Level::Info,
            ),
            ("0 16:00:15 [core.py:390]   x", "  x", Level::Unmarked),
            ("uncher.py:57] x", "x", Level::Unmarked),
            ("RROR 05-10 16:00:15 [core.py:390] x", "x", Level::Error),
            ("3:51:50 logger.py:37] x", "x", Level::Info),
            (
                "vllm-7f9c-abc vllm ERROR 05-10 16:00:15 [core.py:390]     code",
                "    code",
                Level::Error,
            ),
        ];
        for (line, text, level) in cases {
            assert_eq!(split(line), (level, text), "{line}");
        }
    }

    #[test]
    fn others_state_their_level_in_other_ways() {
        let cases = [
            (
                "[W1124 03:16:28 ProcessGroupNCCL.cpp:1] Warning: x",
                Level::Warning,
            ),
            ("[W814 12:00:01.1 socket.cpp:464] x", Level::Warning),
            ("[E ProcessGroupNCCL.cpp:475] [Rank 4] x", Level::Error),
            ("[W CUDAGraph.cpp:145] Warning: x", Level::Warning),
            ("abc:1:2 [0] NCCL INFO Bootstrap", Level::Info),
            ("/usr/lib/a.py:129: UserWarning: x", Level::Warning),
            ("ERROR in words", Level::Unmarked),
            ("E x", Level::Unmarked),
            (
                "prompt: 'ERROR 05-10 16:00:15 [core.py:390] x'",
                Level::Unmarked,
            ),
        ];
        for (line, level) in cases {
            assert_eq!(split(line), (level, line), "{line}");
        }
    }
}
