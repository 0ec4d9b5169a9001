//! `gridrun diagnose --log FILE`: what a log says about an engine's end, as a run would name it.

use std::io::{IsTerminal, Write};
use std::path::Path;

use anyhow::Context;
use serde::Serialize;

use crate::cli::args::{DiagnoseArgs, Format};
use crate::cli::fault::BadInput;
use crate::decide::plain::plain;
use crate::diagnose::{
    Cited, Consequence, Diagnosis, Evidence, FailureClass, Phase, Prune, Says, Stage, examine, when,
};
use crate::exit::Exit;
use crate::report::cut;
use crate::runtime::log_text::{self, LogText};
use crate::spec::vllm_flags;

/// Lines of the log's end that are shown when no line of it decided.
const TAIL_SHOWN: usize = 5;

/// A cited line is cut to this many columns: the cause stands above it whole.
const CITED_COLUMNS: usize = 160;

/// Names what happened. That it could be named is a success, whatever it is called.
pub(super) fn diagnose(args: &DiagnoseArgs) -> anyhow::Result<Exit> {
    let log = read(&args.log)?;
    let varied: Vec<String> = args.vary.iter().map(|name| long_name(name)).collect();
    let varied: Vec<&str> = varied.iter().map(String::as_str).collect();
    let diagnosis = examine(&Evidence {
        exit_code: args.exit_code,
        oom_killed: args.oom_killed,
        phase: args.phase.map(Phase::from),
        varied_flags: &varied,
        ..Evidence::of(&log.text)
    });
    let mut out = std::io::stdout().lock();
    match args.format {
        Format::Json => writeln!(out, "{}", serde_json::to_string(&told(&diagnosis, &log))?)?,
        Format::Text => write!(out, "{}", text(&diagnosis, &log, &args.log))?,
    }
    Ok(Exit::Success)
}

fn read(path: &Path) -> anyhow::Result<LogText> {
    if path.as_os_str() != "-" {
        return log_text::read(path).map_err(|error| {
            BadInput(format!("cannot read the log {}: {error}", path.display())).into()
        });
    }
    let stdin = std::io::stdin().lock();
    if stdin.is_terminal() {
        // Whoever types a log ends it as usual; whoever forgot the pipe must not wait for nothing.
        writeln!(
            std::io::stderr(),
            "reading the log from the terminal; Ctrl-D ends it"
        )?;
    }
    log_text::read_stream(stdin).context("cannot read the log from standard input")
}

/// As the messages' own flags are called.
fn long_name(flag: &str) -> String {
    let name = flag.trim_start_matches('-').replace('_', "-");
    let known = vllm_flags::lookup(&name).or_else(|| vllm_flags::negated(&name));
    known.map_or(name, |known| known.name.to_owned())
}

/// What a machine reads.
#[derive(Serialize)]
struct Told<'a> {
    class: FailureClass,
    phase: Phase,
    /// How far it had come when it died; `None` where nobody can know.
    stage: Option<Stage>,
    cause: Option<&'a str>,
    explanation: &'a str,
    suggestion: Option<&'a str>,
    /// `None` where nothing failed.
    consequence: Option<Consequence>,
    /// What it proves about other configurations.
    pruning: Prune,
    exit_code: Option<i64>,
    oom_killed: Option<bool>,
    /// The lines that decided.
    evidence: Vec<Evident<'a>>,
}

#[derive(Serialize)]
struct Evident<'a> {
    /// In the log that was given; `None` behind a part of it that was not read.
    line: Option<usize>,
    says: Says,
    text: &'a str,
}

fn told<'a>(diagnosis: &'a Diagnosis, log: &LogText) -> Told<'a> {
    let failure = &diagnosis.failure;
    let evident = |cited: &'a Cited| Evident {
        line: number(cited, log),
        says: cited.says,
        text: &cited.text,
    };
    Told {
        class: failure.class,
        phase: failure.phase,
        stage: failure.stage,
        cause: failure.cause.as_deref(),
        explanation: &failure.explanation,
        suggestion: failure.suggestion.as_deref(),
        consequence: failure.class.is_failure().then_some(failure.consequence),
        pruning: failure.consequence.prune(failure.class),
        exit_code: failure.exit_code,
        oom_killed: failure.oom_killed,
        evidence: diagnosis.cited.iter().map(evident).collect(),
    }
}

fn number(cited: &Cited, log: &LogText) -> Option<usize> {
    let known = log.whole_lines.is_none_or(|whole| cited.line <= whole);
    known.then_some(cited.line)
}

/// What a person reads. The log is foreign text: nothing of it may steer a terminal.
fn text(diagnosis: &Diagnosis, log: &LogText, path: &Path) -> String {
    let failure = &diagnosis.failure;
    let mut lines = vec![headline(diagnosis), String::new()];
    if let Some(cause) = &failure.cause {
        lines.push(format!("Cause:          {}", plain(cause)));
    }
    lines.push(format!("What happened:  {}", plain(&failure.explanation)));
    if let Some(suggestion) = &failure.suggestion {
        let mut parts = suggestion.lines();
        let sentence = parts.next().unwrap_or_default();
        lines.push(format!("What to change: {}", plain(sentence)));
        // A section to paste.
        lines.extend(parts.map(|line| format!("    {}", plain(line))));
    }
    lines.push(String::new());
    let name = match path.as_os_str() == "-" {
        true => "standard input".to_owned(),
        false => plain(&path.display().to_string()),
    };
    if diagnosis.cited.is_empty() {
        let skipped = failure.log_tail.len().saturating_sub(TAIL_SHOWN);
        let tail = &failure.log_tail[skipped..];
        if tail.is_empty() {
            lines.push(format!("Evidence: {name} is empty."));
        } else {
            lines.push(format!("Evidence: no line of {name} decided. Its end:"));
            lines.extend(tail.iter().map(|line| format!("  {}", plain(line))));
        }
    } else {
        lines.push(format!("Evidence in {name}:"));
        let numbers: Vec<String> = diagnosis
            .cited
            .iter()
            .map(|cited| number(cited, log).map_or("?".to_owned(), |line| line.to_string()))
            .collect();
        let width = numbers.iter().map(String::len).max().unwrap_or(0);
        for (cited, number) in diagnosis.cited.iter().zip(numbers) {
            let text = cut(&plain(&cited.text), CITED_COLUMNS);
            lines.push(format!("  {number:>width$}  {:<7}  {text}", cited.says));
        }
    }
    lines.join("\n") + "\n"
}

/// Class and outcome in one line.
fn headline(diagnosis: &Diagnosis) -> String {
    let failure = &diagnosis.failure;
    let class = failure.class;
    let when = when(failure.phase, failure.stage);
    match class {
        FailureClass::Healthy => format!("{class}: no failure"),
        FailureClass::Stopped => format!("{class} {when}: no failure"),
        _ => format!("{class} {when}: {}", failure.consequence.meaning()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_varied_flag_may_be_written_in_any_of_its_forms() {
        for (written, name) in [
            ("--max_num_seqs", "max-num-seqs"),
            ("gpu-mem", "gpu-memory-utilization"),
            ("-tp", "tensor-parallel-size"),
            ("--no-enable-prefix-caching", "enable-prefix-caching"),
            ("of-a-newer-vllm", "of-a-newer-vllm"),
        ] {
            assert_eq!(long_name(written), name);
        }
    }
}
