//! A log as a whole: the last start in it, how far that start came, where it announced a death,
//! where somebody stopped it, and whether it went on after a line. Read once, asked often.

use crate::diagnose::class::Phase;
use crate::diagnose::line::{Level, Line};
use crate::diagnose::rules::progress::{LOADED, MARKS, STARTED};
use crate::diagnose::rules::secondary::{DEAD, QUOTING, STOPPING, STOPPING_ALONE, WINDING_DOWN};
use crate::diagnose::vocabulary::{Group, Hit, hits};

/// The last start of an engine in a log.
#[derive(Debug)]
pub struct Story<'a> {
    pub lines: &'a [Line],
    /// The lines that hold words of the vocabulary.
    pub hits: Vec<Hit>,
    /// Where the server said that its start was complete.
    pub started: Option<usize>,
    /// First line that announces a death without naming its cause.
    pub announced: Option<usize>,
    /// First line of an orderly stop.
    pub stopping: Option<usize>,
    /// Where the weights were loaded.
    pub loaded: Option<usize>,
    /// The first child process that a signal ended, other than by the SIGTERM of a stop.
    pub child_death: Option<ChildDeath>,
    /// The shell's only words about a SIGKILL: `Killed`, `run.sh: line 3: 12 Killed  vllm ..`.
    pub says_killed: bool,
    /// Usage text that argparse prints before it exits with 2.
    pub says_usage: bool,
    /// Are there lines that only a serving engine writes?
    pub has_answered: bool,
    /// Do several nodes work together?
    pub is_across_nodes: bool,
    /// The last line of an engine that works: a completion answered, a report of throughput.
    last_life: Option<usize>,
    /// The last line that announces a death by its words.
    last_dead: Option<usize>,
    /// The last line that is logged for information and is none of a shutdown.
    last_news: Option<usize>,
    /// The tail alone is left: what the tracebacks went through tells.
    phase_by_words: Phase,
}

/// A child process that a signal ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChildDeath {
    pub at: usize,
    /// 9 for SIGKILL and so on.
    pub signal: u32,
}

impl<'a> Story<'a> {
    /// Reads the whole log as one start.
    pub fn of(lines: &'a [Line]) -> Self {
        let hits = hits(lines);
        let first = |group: Group, test: fn(&Line) -> bool| {
            let found = |hit: &&Hit| hit.holds(group) && test(&lines[hit.at]);
            hits.iter().find(found).map(|hit| hit.at)
        };
        let last = |group: Group, test: fn(&Line) -> bool| {
            let found = |hit: &&Hit| hit.holds(group) && test(&lines[hit.at]);
            hits.iter().rev().find(found).map(|hit| hit.at)
        };
        let says = |group: Group| first(group, is_said).is_some();
        let started = last(Group::Started, |line| starts_with(line, STARTED));
        // A death before the start was complete is that of an earlier start.
        let of_this_start = |at: usize| started.is_none_or(|started| at > started);
        let child_death = hits
            .iter()
            .filter(|hit| hit.holds(Group::Child) && of_this_start(hit.at))
            .find_map(|hit| child_death(hit.at, &lines[hit.at]));
        let announced = hits
            .iter()
            .filter(|hit| hit.holds(Group::Dead) && of_this_start(hit.at))
            .find(|hit| is_dead(&lines[hit.at]))
            .map(|hit| hit.at)
            .into_iter()
            .chain(child_death.map(|death| death.at))
            .min();
        let phase_by_words = if !says(Group::Starting) && says(Group::Serving) {
            Phase::Serving
        } else {
            Phase::Starting
        };
        Self {
            lines,
            started,
            announced,
            stopping: first(Group::Stopping, is_stopping)
                .into_iter()
                .chain(first(Group::StoppingAlone, is_stopping))
                .min(),
            loaded: last(Group::Loaded, |line| starts_with(line, LOADED)),
            child_death,
            says_killed: first(Group::Killed, is_killed).is_some(),
            says_usage: first(Group::Usage, is_usage).is_some(),
            has_answered: first(Group::Service, is_service).is_some(),
            is_across_nodes: hits.iter().any(|hit| hit.holds(Group::AcrossNodes)),
            last_life: last(Group::Service, is_life),
            last_dead: last(Group::Dead, is_dead),
            last_news: lines.iter().rposition(is_news),
            phase_by_words,
            hits,
        }
    }

    /// A container that restarts writes several starts into one log; the last one counts.
    pub fn last_start(lines: &'a [Line]) -> &'a [Line] {
        let mut marks = [(None, 0); MARKS.len()];
        for (at, line) in lines.iter().enumerate() {
            if line.level == Level::Info
                && let Some(kind) = MARKS.iter().position(|mark| line.text.starts_with(mark))
            {
                let (first, last) = &mut marks[kind];
                first.get_or_insert(at);
                *last = at;
            }
        }
        // The second mark of a kind opens another start, and so does the only one behind an end.
        let opened = marks
            .iter()
            .find_map(|(first, last)| first.is_some_and(|first| *last > first).then_some(*last));
        let only = marks.iter().filter_map(|(first, _)| *first).min();
        let reopened = only.filter(|&at| {
            hits(&lines[..at]).iter().any(|hit| {
                let line = &lines[hit.at];
                (hit.holds(Group::Dead) && is_dead(line))
                    || (hit.holds(Group::Stopping) && is_stopping(line))
            })
        });
        opened.or(reopened).map_or(lines, |at| &lines[at..])
    }

    /// How far the engine had come at a line.
    pub fn phase_at(&self, at: usize) -> Phase {
        if self.has_answered || self.started.is_some_and(|started| started < at) {
            Phase::Serving
        } else if self.started.is_some() {
            Phase::Starting
        } else {
            self.phase_by_words
        }
    }

    /// How far the engine had come at the end of the log.
    pub fn phase_at_end(&self) -> Phase {
        self.phase_at(self.lines.len())
    }

    /// Did the engine answer or report throughput after this line?
    pub fn lived_after(&self, at: usize) -> bool {
        self.last_life.is_some_and(|life| life > at)
    }

    /// Did the engine go on after the last line that announces a death?
    pub fn outlived_its_death(&self) -> bool {
        self.last_dead.is_some_and(|at| self.lived_after(at))
    }

    /// Did anything go on after this line?
    pub fn goes_on_after(&self, at: usize) -> bool {
        self.last_news.is_some_and(|news| news > at)
    }
}

fn starts_with(line: &Line, words: &[&str]) -> bool {
    line.level != Level::Debug && words.iter().any(|word| line.text.starts_with(word))
}

fn contains(line: &Line, words: &[&str]) -> bool {
    words.iter().any(|word| line.text.contains(word))
}

/// Only information quotes what others said.
fn is_said(line: &Line) -> bool {
    !matches!(line.level, Level::Info | Level::Debug) || is_stopping(line)
}

/// Says this line that an engine died?
fn is_dead(line: &Line) -> bool {
    // A dump of the input is made when a step failed, and never otherwise.
    contains(line, DEAD) && (speaks(line) || line.text.starts_with("Dumping input data"))
}

/// Does the engine say something of itself here, and not quote somebody or print code?
fn speaks(line: &Line) -> bool {
    !matches!(line.level, Level::Info | Level::Debug)
        && !line.is_indented()
        && !contains(line, QUOTING)
}

fn child_death(at: usize, line: &Line) -> Option<ChildDeath> {
    if !speaks(line) {
        return None;
    }
    let signal = child_signal(&line.text)?;
    (signal != 15 && signal != 2).then_some(ChildDeath { at, signal })
}

fn is_stopping(line: &Line) -> bool {
    line.level != Level::Debug
        && (STOPPING_ALONE.contains(&line.text.as_str()) || starts_with(line, STOPPING))
}

fn is_killed(line: &Line) -> bool {
    !matches!(line.level, Level::Info | Level::Debug)
        && (line.text == "Killed"
            || line.text.ends_with(" Killed")
            || (line.text.contains(": line ") && line.text.contains(" Killed ")))
}

/// `usage: vllm serve [model_tag] [options]`, and not `.. cache usage: 4.0%`.
fn is_usage(line: &Line) -> bool {
    let program = line.text.strip_prefix("usage: ");
    program.is_some_and(|program| program.starts_with(|c: char| c.is_ascii_alphabetic()))
}

/// Lines that only a serving engine writes: reports, and uvicorn's access lines.
fn is_service(line: &Line) -> bool {
    is_report(line) || status(line).is_some()
}

/// A completion was answered, or the engine reports what it does.
fn is_life(line: &Line) -> bool {
    is_report(line)
        || status(line).is_some_and(|(method, status)| method == "POST" && status == "200")
}

/// `Avg prompt throughput: ..`, `Engine 000: Avg prompt throughput: ..`.
fn is_report(line: &Line) -> bool {
    const BEFORE: usize = 40;
    let at = line.text.find("Avg prompt throughput");
    line.level != Level::Debug && at.is_some_and(|at| at < BEFORE)
}

/// Method and status of `10.0.0.1:512 - "POST /v1/completions HTTP/1.1" 200 OK`.
fn status(line: &Line) -> Option<(&str, &str)> {
    let (client, request) = line.text.split_once(" - \"")?;
    let (method, rest) = request.split_once(" /")?;
    let (_, status) = rest.split_once(" HTTP/1")?;
    let status = status.split_once("\" ")?.1.split(' ').next()?;
    let is_request = matches!(
        method,
        "GET" | "POST" | "HEAD" | "PUT" | "DELETE" | "OPTIONS"
    ) && !client.contains(['\'', '"'])
        && line.level != Level::Debug;
    is_request.then_some((method, status))
}

fn is_news(line: &Line) -> bool {
    line.level == Level::Info && !line.text.is_empty() && !contains(line, WINDING_DOWN)
}

/// The signal of `.. died, exit code: -9`, `.. (exit code: -9)`, `{'EngineCore_0': -9}`.
fn child_signal(text: &str) -> Option<u32> {
    let tail = if let Some((_, tail)) = text.split_once("Failed core proc(s): {") {
        tail.split_once(": -")?.1
    } else {
        let about_child =
            text.contains("orker") || text.contains("ngine") || text.contains("exitcode");
        let (_, tail) = text
            .split_once("exit code: -")
            .or_else(|| text.split_once("exitcode: -"))?;
        about_child.then_some(tail)?
    };
    let digits = tail.bytes().take_while(u8::is_ascii_digit).count();
    tail[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::line::read;

    #[test]
    fn signals_of_children_are_read_in_every_form() {
        let cases = [
            (
                "Worker proc VllmWorker-0 died unexpectedly (exit code: -9), shutting down",
                Some(9),
            ),
            (
                "Worker VllmWorkerProcess pid 12 died, exit code: -15",
                Some(15),
            ),
            (
                "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {'EngineCore_0': -11}",
                Some(11),
            ),
            ("Failed core proc(s): {'EngineCore': 1}", None),
            ("Failed core proc(s): {}", None),
            (
                "Worker proc VllmWorker-0 died unexpectedly (exit code: None), shutting",
                None,
            ),
            ("exit code: -", None),
        ];
        for (text, signal) in cases {
            assert_eq!(child_signal(text), signal, "{text}");
        }
    }

    #[test]
    fn the_last_of_several_starts_counts() {
        let log = "INFO 01-01 00:00:00 [a.py:1] non-default args: {}\nValueError: x\n\
                   INFO 01-01 00:01:00 [a.py:1] non-default args: {}\nINFO:     Application startup complete.";
        let lines = read(log);
        let last = Story::last_start(&lines);
        assert_eq!(last.len(), 2);
        assert_eq!(Story::of(last).started, Some(1));
        assert_eq!(Story::last_start(&lines[..2]).len(), 2);
    }

    #[test]
    fn access_lines_are_those_of_a_server_and_not_of_a_client() {
        let served = |text: &str| Story::of(&read(text)).has_answered;
        assert!(served(
            "INFO:     10.0.0.1:512 - \"GET /health HTTP/1.1\" 200 OK"
        ));
        assert!(!served(
            "DEBUG:urllib3:https://hub:443 \"GET /api/models HTTP/1.1\" 200 0"
        ));
    }
}
