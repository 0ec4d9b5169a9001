//! One line of an engine's log without its decorations: colours, the prefixes of log
//! collectors and of vLLM's processes, the head that the logger writes.
//!
//! Knows the form of log lines of every age of vLLM, and nothing of what they mean.

/// A line with its decorations taken off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What was said; indentation kept, since code in a traceback is known by it.
    pub text: String,
    pub level: Level,
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
    /// Takes the decorations off one line (without its line end).
    pub fn of(raw: &str) -> Self {
        let unwrapped = json_text(raw);
        let plain = Self::uncoloured(unwrapped.as_deref().unwrap_or(raw));
        let mut rest = plain.as_str();
        // Prefixes come in any order and number; each pass takes one off.
        while let Some(shorter) = without_one_prefix(rest) {
            rest = shorter;
        }
        let (level, text) = logger_head(rest);
        let text = text.trim_end();
        let level = if level == Level::Unmarked {
            level_of_text(text)
        } else {
            level
        };
        Self {
            text: text.to_owned(),
            level,
        }
    }

    /// The line as it was written, without its colours and without what a progress bar overwrote.
    pub fn uncoloured(raw: &str) -> String {
        without_colour(after_carriage_return(raw))
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
    log.lines()
        .map(|line| Line::of(line.get(shared..).unwrap_or("")))
        .collect()
}

/// The text inside a line of JSON: Docker's json-file driver (`{"log":"..","stream":".."}`), or
/// a logger that was set up to write JSON.
fn json_text(raw: &str) -> Option<String> {
    if !raw.starts_with("{\"") {
        return None;
    }
    let value: serde_json::Value = serde_json::from_str(raw).ok()?;
    let text = ["log", "message", "msg"]
        .iter()
        .find_map(|key| value.get(key)?.as_str())?;
    Some(text.trim_end_matches('\n').to_owned())
}

/// A progress bar overwrites its line: what stands after the last carriage return is seen.
fn after_carriage_return(line: &str) -> &str {
    line.trim_end_matches('\r')
        .rsplit('\r')
        .next()
        .unwrap_or("")
}

/// Takes off `ESC [ .. letter`, and `[36m` where the escape byte itself was lost.
fn without_colour(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(['\u{1b}', '[']) {
        plain.push_str(&rest[..at]);
        let tail = &rest[at..];
        let escape = tail.starts_with('\u{1b}');
        let body = tail.trim_start_matches('\u{1b}');
        let length = body
            .strip_prefix('[')
            .and_then(|codes| {
                let end = codes.find(|c: char| !c.is_ascii_digit() && c != ';')?;
                let letter = codes.as_bytes()[end];
                let colour = letter == b'm' && (end > 0 || escape);
                (colour || (escape && letter.is_ascii_alphabetic())).then_some(end + 2)
            })
            .unwrap_or(0);
        if length > 0 {
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

fn without_one_prefix(line: &str) -> Option<&str> {
    process_prefix(line)
        .or_else(|| bracket_prefix(line))
        .or_else(|| timestamp(line))
        .or_else(|| compose_prefix(line))
        .or_else(|| syslog_prefix(line))
}

/// `(EngineCore_0 pid=12) `, `(VllmWorker rank=0 pid=7) `, `(RayWorkerWrapper pid=5, ip=..) `,
/// `(raylet) `.
fn process_prefix(line: &str) -> Option<&str> {
    let inner_and_rest = line.strip_prefix('(')?;
    let (inner, rest) = inner_and_rest.split_once(')')?;
    let is_process = inner.len() <= 80 && (inner.contains("pid=") || inner == "raylet");
    is_process.then(|| one_space(rest))
}

/// `[rank0]: `, `[vllm]: `, `[pod/name/container] `.
fn bracket_prefix(line: &str) -> Option<&str> {
    let inner_and_rest = line.strip_prefix('[')?;
    let (inner, rest) = inner_and_rest.split_once(']')?;
    let word = inner
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"-_/.".contains(&b));
    if inner.is_empty() || !word {
        return None;
    }
    if inner.starts_with("pod/") {
        return Some(one_space(rest));
    }
    rest.strip_prefix(':').map(one_space)
}

/// `2026-05-05T12:36:59.123Z `, `2026-05-05 12:36:59,123 - `, either in brackets; then the
/// `stderr F ` of a Kubernetes node.
fn timestamp(line: &str) -> Option<&str> {
    let open = line.strip_prefix('[');
    let start = open.unwrap_or(line);
    let date = start.get(..10)?;
    let is_date = date.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'-' || byte == b'/',
        _ => byte.is_ascii_digit(),
    });
    if !is_date || !matches!(start.as_bytes().get(10), Some(b'T' | b' ')) {
        return None;
    }
    let clock = start.get(11..)?;
    let is_clock = clock.len() >= 8
        && clock
            .bytes()
            .take(8)
            .enumerate()
            .all(|(at, byte)| match at {
                2 | 5 => byte == b':',
                _ => byte.is_ascii_digit(),
            });
    if !is_clock {
        return None;
    }
    let end = clock
        .find(|c: char| !c.is_ascii_digit() && !":.,+-Z".contains(c))
        .unwrap_or(clock.len());
    let mut rest = &clock[end..];
    if open.is_some() {
        rest = rest.strip_prefix(']')?;
    }
    rest = one_space(rest);
    for separator in [
        "- ",
        "| ",
        "stdout F ",
        "stderr F ",
        "stdout P ",
        "stderr P ",
    ] {
        if let Some(shorter) = rest.strip_prefix(separator) {
            return Some(shorter);
        }
    }
    Some(rest)
}

/// `vllm-1  | `, as `docker compose` writes it.
fn compose_prefix(line: &str) -> Option<&str> {
    let (name, rest) = line.split_once('|')?;
    let service = name.trim_end();
    let is_service = !service.is_empty()
        && service.len() <= 64
        && name.ends_with(' ')
        && service
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    (is_service && (rest.is_empty() || rest.starts_with(' '))).then(|| one_space(rest))
}

/// `Nov 24 03:16:56 host docker[123]: `.
fn syslog_prefix(line: &str) -> Option<&str> {
    const MONTHS: [&str; 12] = [
        "Jan ", "Feb ", "Mar ", "Apr ", "May ", "Jun ", "Jul ", "Aug ", "Sep ", "Oct ", "Nov ",
        "Dec ",
    ];
    if !MONTHS.iter().any(|month| line.starts_with(month)) {
        return None;
    }
    let clock = line.get(7..15)?.trim_start();
    let is_clock = clock.len() == 8 && clock.as_bytes()[2] == b':' && clock.as_bytes()[5] == b':';
    let (head, rest) = line.split_once("]: ")?;
    (is_clock && head.len() <= 120 && head.contains('[')).then_some(rest)
}

/// `LEVEL MM-DD HH:MM:SS [file.py:NN] ` (0.8 and later), `LEVEL MM-DD HH:MM:SS file.py:NN] `
/// (before), and uvicorn's `LEVEL:    `.
fn logger_head(line: &str) -> (Level, &str) {
    const LEVELS: [(&str, Level); 6] = [
        ("DEBUG", Level::Debug),
        ("INFO", Level::Info),
        ("WARNING", Level::Warning),
        ("ERROR", Level::Error),
        ("CRITICAL", Level::Error),
        ("FATAL", Level::Error),
    ];
    for (word, level) in LEVELS {
        let Some(after) = line.strip_prefix(word) else {
            continue;
        };
        if let Some(text) = after.strip_prefix(':') {
            return (level, text.trim_start_matches(' '));
        }
        if let Some(text) = vllm_head(after) {
            return (level, text);
        }
    }
    (Level::Unmarked, line)
}

/// What stands after ` MM-DD HH:MM:SS [file.py:NN] `.
fn vllm_head(after_level: &str) -> Option<&str> {
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

/// The level of lines that other loggers wrote: Python warnings, torch (`W1124 ..`, `[E1124 ..`)
/// and NCCL.
fn level_of_text(text: &str) -> Level {
    // torch writes the month without a leading zero in one of its two forms.
    let glog = text.strip_prefix('[').unwrap_or(text);
    let stamp = glog.split(' ').next().unwrap_or("");
    if (4..=5).contains(&stamp.len()) && stamp.bytes().skip(1).all(|b| b.is_ascii_digit()) {
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

fn one_space(text: &str) -> &str {
    text.strip_prefix(' ').unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_decoration_comes_off() {
        let cases = [
            (
                "ERROR 05-10 16:00:15 [core.py:390] ValueError: x",
                "ValueError: x",
                Level::Error,
            ),
            (
                "INFO 08-14 10:00:00 api_server.py:219] vLLM",
                "vLLM",
                Level::Info,
            ),
            (
                "(EngineCore_DP0 pid=12) ERROR 11-24 03:16:56 [core.py:1]   File \"a\"",
                "  File \"a\"",
                Level::Error,
            ),
            (
                "(VllmWorker rank=1 pid=3) WARNING 05-10 16:00:15 [v1/a.py:4] w",
                "w",
                Level::Warning,
            ),
            (
                "(RayWorkerWrapper pid=5, ip=10.0.0.2) (Worker_TP1 pid=9) Traceback",
                "Traceback",
                Level::Unmarked,
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
                "2026-05-05T12:36:59.123456789Z ERROR:    [Errno 98] error",
                "[Errno 98] error",
                Level::Error,
            ),
            (
                "2026-05-05T12:36:59.1Z stderr F CRITICAL 05-05 12:36:59 [l.py:1] c",
                "c",
                Level::Error,
            ),
            ("[2026-05-05 12:36:59,123] x", "x", Level::Unmarked),
            (
                "[rank0]: torch.OutOfMemoryError: CUDA",
                "torch.OutOfMemoryError: CUDA",
                Level::Unmarked,
            ),
            (
                "[rank0]:[W1124 03:16:28 ProcessGroupNCCL.cpp:1] Warning: x",
                "[W1124 03:16:28 ProcessGroupNCCL.cpp:1] Warning: x",
                Level::Warning,
            ),
            (
                "Nov 24 03:16:56 gpu01 docker[123]: INFO 11-24 03:16:56 [a.py:1] x",
                "x",
                Level::Info,
            ),
            (
                "[vllm]: (VllmWorkerProcess pid=89) ERROR 07-28 23:29:37 multiproc_worker_utils.py:226] e",
                "e",
                Level::Error,
            ),
            (
                "/usr/lib/torch/cuda/__init__.py:129: UserWarning: CUDA initialization: x",
                "/usr/lib/torch/cuda/__init__.py:129: UserWarning: CUDA initialization: x",
                Level::Warning,
            ),
            (
                "[W814 12:00:01.1 socket.cpp:464] x",
                "[W814 12:00:01.1 socket.cpp:464] x",
                Level::Warning,
            ),
            (
                "abc:1:2 [0] NCCL INFO Bootstrap",
                "abc:1:2 [0] NCCL INFO Bootstrap",
                Level::Info,
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
            ("INFO 11-24 03:12:03 [api_utils.py:347] ", "", Level::Info),
            ("INFO 11-24 03:12:03 [api_utils.py:347]", "", Level::Info),
        ];
        for (raw, text, level) in cases {
            assert_eq!(
                Line::of(raw),
                Line {
                    text: text.to_owned(),
                    level
                },
                "{raw}"
            );
        }
    }

    #[test]
    fn what_is_no_decoration_stays() {
        for text in [
            "torch.OutOfMemoryError: CUDA out of memory. [x]",
            "usage: vllm serve [model_tag] [options]",
            "ERROR in words",
            "a | b",
            "[",
            "\u{e9}",
            "12345-678 \u{2603}",
            "    raise RuntimeError(",
        ] {
            let expected = if text == "a | b" { "b" } else { text };
            assert_eq!(Line::of(text).text, expected);
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
}
