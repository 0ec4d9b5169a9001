//! A log as a whole: the last start in it, how far that start came, where it announced a death,
//! where somebody stopped it, and whether it went on after a line.

use crate::diagnose::class::Phase;
use crate::diagnose::line::{Level, Line};
use crate::diagnose::rules::secondary::{DEAD, STOPPING};

/// The last start of an engine in a log.
#[derive(Debug)]
pub struct Story<'a> {
    pub lines: &'a [Line],
    /// Where the server said that its start was complete.
    pub started: Option<usize>,
    /// First line that announces a death without naming its cause.
    pub announced: Option<usize>,
    /// First line of an orderly stop.
    pub stopping: Option<usize>,
    /// Where the weights were loaded.
    pub loaded: Option<usize>,
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
        let first = |test: fn(&Line) -> bool| lines.iter().position(test);
        Self {
            lines,
            started: lines.iter().rposition(is_started),
            announced: first(announces_death),
            stopping: first(is_stopping),
            loaded: lines.iter().rposition(|line| {
                [
                    "Loading weights took",
                    "Model loading took",
                    "Loading model weights took",
                ]
                .iter()
                .any(|words| line.text.starts_with(words))
            }),
        }
    }

    /// A container that restarts writes several starts into one log; the last one counts.
    pub fn last_start(lines: &'a [Line]) -> &'a [Line] {
        // Each kind of mark stands once in a start, so that its second one opens another.
        [
            "non-default args: ",
            "vLLM API server version ",
            "Initializing an LLM engine",
        ]
        .iter()
        .find_map(|mark| {
            let mut marks = lines
                .iter()
                .enumerate()
                .filter(|(_, line)| line.level == Level::Info && line.text.starts_with(mark))
                .map(|(at, _)| at);
            let first = marks.next()?;
            let last = marks.next_back()?;
            (last > first).then(|| &lines[last..])
        })
        .unwrap_or(lines)
    }

    /// How far the engine had come at a line.
    pub fn phase_at(&self, at: usize) -> Phase {
        if self.started.is_some_and(|started| started < at) {
            return Phase::Serving;
        }
        if self.has_answered() {
            return Phase::Serving;
        }
        if self.started.is_some() {
            return Phase::Starting;
        }
        self.phase_by_frames()
    }

    /// How far the engine had come at the end of the log.
    pub fn phase_at_end(&self) -> Phase {
        self.phase_at(self.lines.len())
    }

    /// The tail alone is left: what the tracebacks went through tells.
    fn phase_by_frames(&self) -> Phase {
        const STARTING: [&str; 12] = [
            "EngineCore failed to start",
            "WorkerProc failed to start",
            "Engine core initialization failed",
            "Engine process failed to start",
            "in determine_available_memory",
            "in determine_num_available_blocks",
            "in profile_run",
            "in load_model",
            "in initialize_kv_cache",
            "in _initialize_kv_caches",
            "in capture_model",
            "in _init_executor",
        ];
        const SERVING: [&str; 12] = [
            "EngineCore encountered a fatal error",
            "in _process_engine_step",
            "in run_busy_loop",
            "in run_engine_loop",
            "in engine_step",
            "in step_async",
            "AsyncLLM output_handler failed",
            "Background loop has errored",
            "Engine background task failed",
            "Dumping input data for V1 LLM engine",
            "Engine loop is not running",
            "Task finished unexpectedly",
        ];
        let holds = |words: &[&str]| {
            self.lines
                .iter()
                .any(|line| words.iter().any(|word| line.text.contains(word)))
        };
        if !holds(&STARTING) && holds(&SERVING) {
            Phase::Serving
        } else {
            Phase::Starting
        }
    }

    /// Are there lines that only a serving engine writes?
    pub fn has_answered(&self) -> bool {
        self.lines.iter().any(is_service)
    }

    /// Did the engine answer or report throughput after this line?
    pub fn lived_after(&self, at: usize) -> bool {
        self.lines[at + 1..].iter().any(|line| {
            line.text.contains("Avg prompt throughput")
                || (line.text.contains("\"POST /") && line.text.contains("\" 200"))
        })
    }

    /// The first child process that a signal ended, other than by the SIGTERM of a stop.
    pub fn child_death(&self) -> Option<ChildDeath> {
        self.lines.iter().enumerate().find_map(|(at, line)| {
            let signal = child_signal(&line.text)?;
            (signal != 15 && signal != 2).then_some(ChildDeath { at, signal })
        })
    }

    /// The shell's only words about a SIGKILL: `Killed`, `run.sh: line 3: 12 Killed  vllm ..`.
    pub fn says_killed(&self) -> bool {
        self.lines.iter().any(|line| {
            line.text == "Killed"
                || line.text.ends_with(" Killed")
                || (line.text.contains(": line ") && line.text.contains(" Killed "))
        })
    }

    /// Does the log hold usage text that argparse prints before it exits with 2?
    pub fn says_usage(&self) -> bool {
        self.lines
            .iter()
            .any(|line| line.text.starts_with("usage: "))
    }
}

fn is_started(line: &Line) -> bool {
    [
        "Application startup complete",
        "Starting vLLM API server",
        "Starting vLLM server on",
        "Uvicorn running on",
    ]
    .iter()
    .any(|words| line.text.starts_with(words))
}

/// Lines that only a serving engine writes.
fn is_service(line: &Line) -> bool {
    line.text.contains("Avg prompt throughput")
        || ((line.text.contains("\"POST /v1/") || line.text.contains("\"POST /generate"))
            && line.text.contains(" HTTP/1"))
}

/// Says this line that an engine died?
fn announces_death(line: &Line) -> bool {
    if line.level == Level::Info || line.is_indented() {
        return false;
    }
    DEAD.iter().any(|words| line.text.contains(words))
        || child_signal(&line.text).is_some_and(|signal| signal != 15 && signal != 2)
}

fn is_stopping(line: &Line) -> bool {
    // uvicorn's own line is these two words alone.
    line.text == "Shutting down"
        || line.text == "KeyboardInterrupt"
        || STOPPING.iter().any(|words| {
            line.text.starts_with(words) || (words.starts_with('[') && line.text.contains(words))
        })
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
}
