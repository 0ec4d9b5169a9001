//! Python exceptions in a log: which lines are the last line of a traceback, which of them is
//! the first of its chain, and where it was raised.

use crate::diagnose::line::{Level, Line};
use crate::diagnose::rules::secondary::{DECOYS, FOLLOWING, QUOTING};

/// An exception that no rule knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exception {
    /// Index of its line.
    pub at: usize,
    /// Who raised it.
    pub origin: Origin,
}

/// The part of vLLM that raised an exception.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A check of the configuration: the arguments are wrong.
    Configuration,
    /// The look-up of the model's files.
    Hub,
    Elsewhere,
}

/// Two tracebacks of one chain stand around one of these.
const CHAIN: [&str; 2] = [
    "During handling of the above exception",
    "The above exception was the direct cause",
];

/// A traceback is not looked for further back than this.
const LONGEST_TRACEBACK: usize = 200;

/// The exception that ended the engine, so far as tracebacks tell: the first one after the first
/// line that announces a death (`announced`), else the first of the last chain in the log.
/// Exceptions that only follow from the end of another process do not count.
pub fn decisive(lines: &[Line], announced: Option<usize>) -> Option<Exception> {
    let candidates: Vec<usize> = (0..lines.len())
        .filter(|&at| {
            let line = &lines[at];
            // What is logged for information quotes others.
            !matches!(line.level, Level::Info | Level::Debug)
                && is_exception(&line.text)
                && !follows(line)
        })
        .collect();
    let after_announcement =
        announced.and_then(|start| candidates.iter().copied().find(|&at| at >= start));
    let at = match after_announcement {
        Some(at) => at,
        None => first_of_last_chain(lines, &candidates)?,
    };
    Some(Exception {
        at,
        origin: origin(lines, at),
    })
}

/// `package.module.SomeError: message` at the start of a line.
pub fn is_exception(text: &str) -> bool {
    const ENDINGS: [&str; 10] = [
        "Error",
        "Exception",
        "Interrupt",
        "Exit",
        "Failure",
        "Timeout",
        "OutOfResources",
        "Unsupported",
        "NotFound",
        "Iteration",
    ];
    let name = text.split_once(':').map_or(text, |(name, _)| name);
    let is_path = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.')
        && name
            .bytes()
            .next()
            .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    is_path && name.len() <= 120 && ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// Is this an exception of a flaw in code or data, and none that the end of another process can
/// bring about?
pub fn tells_of_a_flaw(text: &str) -> bool {
    const FLAWS: [&str; 14] = [
        "ArithmeticError",
        "AssertionError",
        "AttributeError",
        "ImportError",
        "IndexError",
        "KeyError",
        "ModuleNotFoundError",
        "NameError",
        "NotImplementedError",
        "RecursionError",
        "TypeError",
        "UnboundLocalError",
        "ValueError",
        "ZeroDivisionError",
    ];
    let name = text.split_once(':').map_or(text, |(name, _)| name);
    FLAWS.contains(&name)
}

fn follows(line: &Line) -> bool {
    FOLLOWING
        .iter()
        .chain(DECOYS)
        .chain(QUOTING)
        .any(|words| line.text.contains(words))
}

fn first_of_last_chain(lines: &[Line], candidates: &[usize]) -> Option<usize> {
    let (mut at, earlier) = candidates.split_last().map(|(last, rest)| (*last, rest))?;
    for &before in earlier.iter().rev() {
        let chained = lines[before..at]
            .iter()
            .any(|line| CHAIN.iter().any(|words| line.text.contains(words)));
        if !chained {
            break;
        }
        at = before;
    }
    Some(at)
}

fn origin(lines: &[Line], at: usize) -> Origin {
    let frame = lines[at.saturating_sub(LONGEST_TRACEBACK)..at]
        .iter()
        .rev()
        .map(|line| line.text.trim_start())
        .find(|text| text.starts_with("File \""));
    let is_check = [
        "ValueError",
        "AssertionError",
        "NotImplementedError",
        "TypeError",
    ]
    .iter()
    .any(|name| lines[at].text.starts_with(name));
    match frame {
        Some(frame) if is_check && is_configuration(frame) => Origin::Configuration,
        Some(frame) if frame.contains("/huggingface_hub/") => Origin::Hub,
        _ => Origin::Elsewhere,
    }
}

fn is_configuration(frame: &str) -> bool {
    [
        "/vllm/config/",
        "/vllm/config.py",
        "/vllm/engine/arg_utils.py",
        "/vllm/entrypoints/openai/cli_args.py",
    ]
    .iter()
    .any(|path| frame.contains(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::line::read;

    #[test]
    fn an_exception_is_known_by_its_name() {
        assert!(is_exception("KeyError: 'model.layers.0'"));
        assert!(is_exception("vllm.v1.engine.exceptions.EngineDeadError: x"));
        assert!(is_exception("AssertionError"));
        assert!(!is_exception("INFO: Error"));
        assert!(!is_exception("    raise ValueError: x"));
        assert!(!is_exception("Traceback (most recent call last):"));
        assert!(!is_exception(""));
    }

    #[test]
    fn a_killed_process_makes_others_fail_and_no_flaw() {
        assert!(tells_of_a_flaw("KeyError: 'a'") && tells_of_a_flaw("AssertionError"));
        assert!(!tells_of_a_flaw("RuntimeError: build stopped"));
        assert!(!tells_of_a_flaw(
            "concurrent.futures.process.BrokenProcessPool: x"
        ));
    }

    #[test]
    fn the_first_of_the_last_chain_decides() {
        let lines = read(
            "OSError: old and survived\nTraceback (most recent call last):\nKeyError: 'a'\n\n\
             During handling of the above exception, another exception occurred:\n\
             Traceback (most recent call last):\nValueError: b\n",
        );
        assert_eq!(decisive(&lines, None).unwrap().at, 2);
    }

    #[test]
    fn an_announced_death_points_at_what_comes_after_it() {
        let lines = read(
            "ImportError: optional\nEngineCore failed to start.\nKeyError: 'x'\nRuntimeError: Engine core initialization failed. x",
        );
        assert_eq!(decisive(&lines, Some(1)).unwrap().at, 2);
        let none = read("EngineCore failed to start.\nRuntimeError: Executor failed.");
        assert_eq!(decisive(&none, Some(0)), None);
    }
}
