//! Mistakes in the files that people write: where each one is, what was found, what was
//! expected and what to do. Collects all of them; prints them with the line and a caret, and
//! without the secrets that somebody wrote into that line.
//!
//! Knows nothing of what the files mean.

use std::fmt::Write;
use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;
use unicode_width::UnicodeWidthChar;

use crate::spec::secret;

/// A file that a person wrote, as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// As the user would name it.
    pub path: String,
    pub text: Arc<str>,
}

/// The files of one experiment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    pub experiment: Source,
    /// `None` when it could not be read.
    pub profile: Option<Source>,
    /// Files with data for workloads, in the order in which the experiment names them.
    pub data: Box<[Source]>,
}

/// Finds the texts that diagnostics speak of.
pub trait Files {
    fn get(&self, role: FileRole) -> Option<&Source>;
}

impl Files for Sources {
    fn get(&self, role: FileRole) -> Option<&Source> {
        match role {
            FileRole::Experiment => Some(&self.experiment),
            FileRole::Profile => self.profile.as_ref(),
            FileRole::Scenario => None,
            FileRole::Data(place) => self.data.get(usize::from(place)),
        }
    }
}

/// A file that stands alone.
impl Files for Source {
    fn get(&self, _: FileRole) -> Option<&Source> {
        Some(self)
    }
}

/// A place in one of the files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Span {
    pub file: FileRole,
    /// Byte offsets into the file's text.
    pub start: usize,
    pub end: usize,
}

impl Span {
    pub fn new(file: FileRole, range: Range<usize>) -> Self {
        Self {
            file,
            start: range.start,
            end: range.end,
        }
    }
}

/// Which of the files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileRole {
    #[default]
    Experiment,
    Profile,
    Scenario,
    /// A file with data for a workload, by its place in [`Sources::data`].
    Data(u16),
}

/// What a diagnostic speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// No file.
    Nowhere,
    /// A file as a whole: something that is not in it.
    File(FileRole),
    At(Span),
}

impl From<Span> for Place {
    fn from(span: Span) -> Self {
        Self::At(span)
    }
}

impl From<FileRole> for Place {
    fn from(role: FileRole) -> Self {
        Self::File(role)
    }
}

impl From<Option<Span>> for Place {
    fn from(span: Option<Span>) -> Self {
        span.map_or(Self::Nowhere, Self::At)
    }
}

/// Whether a run may start in spite of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Error,
    Warning,
}

impl Severity {
    fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One mistake, or one thing that a user should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    pub severity: Severity,
    pub place: Place,
    /// What is wrong, with the value shown: a fragment without a full stop.
    pub message: String,
    /// What was expected, or another short remark; stands behind the caret.
    pub label: Option<String>,
    /// What to do: the nearest valid name, or lines to paste.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A mistake because of which nothing is started. `place` is a [`Span`], a [`FileRole`] or
    /// an `Option<Span>`.
    pub fn error(place: impl Into<Place>, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, place.into(), message.into())
    }

    /// Something worth knowing that stops nothing.
    pub fn warning(place: impl Into<Place>, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, place.into(), message.into())
    }

    fn new(severity: Severity, place: Place, message: String) -> Self {
        Self {
            severity,
            place,
            message,
            label: None,
            help: None,
        }
    }

    /// Adds a remark behind the caret: mostly what was expected.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Adds what to do. Lines after the first are printed indented, ready to paste.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// True when nothing may be started.
pub fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(Diagnostic::is_error)
}

/// Whether the text goes to something that understands ANSI colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    Plain,
    Ansi,
}

/// A diagnostic as a machine reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedDiagnostic {
    pub severity: Severity,
    /// `null` where the diagnostic belongs to no file.
    pub file: Option<String>,
    /// From 1; `null` where it speaks of a file as a whole.
    pub line: Option<usize>,
    /// In characters, from 1.
    pub column: Option<usize>,
    pub message: String,
    pub label: Option<String>,
    pub help: Option<String>,
}

/// All diagnostics by file and position, for `--format json`.
pub fn list(diagnostics: &[Diagnostic], sources: &impl Files) -> Vec<ListedDiagnostic> {
    sorted(diagnostics)
        .into_iter()
        .map(|diagnostic| {
            let (file, position) = locate(diagnostic.place, sources);
            ListedDiagnostic {
                severity: diagnostic.severity,
                file: file.map(|source| source.path.clone()),
                line: position.as_ref().map(|position| position.line),
                column: position.as_ref().map(|position| position.column),
                message: diagnostic.message.clone(),
                label: diagnostic.label.clone(),
                help: diagnostic.help.clone(),
            }
        })
        .collect()
}

/// All diagnostics by file and position, each with its line and a caret, an empty line between
/// two of them. Control characters of the files are shown, never passed on.
pub fn render(diagnostics: &[Diagnostic], sources: &impl Files, colour: Colour) -> String {
    let paint = Paint(colour);
    let rendered: Vec<String> = sorted(diagnostics)
        .into_iter()
        .map(|diagnostic| render_one(diagnostic, sources, &paint))
        .collect();
    rendered.join("\n")
}

fn render_one(diagnostic: &Diagnostic, sources: &impl Files, paint: &Paint) -> String {
    let style = match diagnostic.severity {
        Severity::Error => Style::Error,
        Severity::Warning => Style::Warning,
    };
    let mut out = format!(
        "{}: {}\n",
        paint.with(style, diagnostic.severity.name()),
        paint.with(Style::Message, &visible(&diagnostic.message))
    );
    let label = diagnostic.label.as_deref().map(visible).unwrap_or_default();
    match locate(diagnostic.place, sources) {
        (Some(source), Some(position)) => {
            let gutter = position.line.to_string().len();
            let bar = paint.with(Style::Frame, "|");
            let arrow = paint.with(Style::Frame, "-->");
            let number = paint.with(Style::Frame, &position.line.to_string());
            let (line, carets) = underline(&position);
            let carets = format!("{}{}", carets.indent, paint.with(style, &carets.marks));
            let label = if label.is_empty() {
                label
            } else {
                format!(" {}", paint.with(style, &label))
            };
            let _ = writeln!(
                out,
                "{:gutter$}{arrow} {}:{}:{}",
                "", source.path, position.line, position.column
            );
            let _ = writeln!(out, "{:gutter$} {bar}", "");
            let _ = writeln!(out, "{number} {bar} {line}");
            let _ = writeln!(out, "{:gutter$} {bar} {carets}{label}", "");
        }
        (Some(source), None) => {
            let _ = writeln!(out, " {} {}", paint.with(Style::Frame, "-->"), source.path);
            if !label.is_empty() {
                let _ = writeln!(out, "  {} {label}", paint.with(Style::Frame, "="));
            }
        }
        (None, _) => {
            if !label.is_empty() {
                let _ = writeln!(out, "  {} {label}", paint.with(Style::Frame, "="));
            }
        }
    }
    if let Some(help) = &diagnostic.help {
        let mut lines = help.lines();
        let first = lines.next().unwrap_or_default();
        let _ = writeln!(
            out,
            "{}: {}",
            paint.with(Style::Help, "help"),
            visible(first)
        );
        for line in lines {
            let _ = writeln!(out, "      {}", visible(line));
        }
    }
    out
}

/// Stable: diagnostics of one place stay in the order in which they were found.
fn sorted(diagnostics: &[Diagnostic]) -> Vec<&Diagnostic> {
    let mut all: Vec<&Diagnostic> = diagnostics.iter().collect();
    all.sort_by_key(|diagnostic| match diagnostic.place {
        Place::At(span) => (0, span.file, span.start),
        Place::File(role) => (0, role, usize::MAX),
        Place::Nowhere => (1, FileRole::Scenario, usize::MAX),
    });
    all
}

/// A position as people count: lines and characters, from 1.
struct Position<'a> {
    line: usize,
    column: usize,
    /// The whole line, without its ending.
    text: &'a str,
    /// Byte offsets into `text`.
    marked: Range<usize>,
}

fn locate(place: Place, sources: &impl Files) -> (Option<&Source>, Option<Position<'_>>) {
    match place {
        Place::Nowhere => (None, None),
        Place::File(role) => (sources.get(role), None),
        Place::At(span) => {
            let source = sources.get(span.file);
            (source, source.map(|source| position(&source.text, span)))
        }
    }
}

fn position(text: &str, span: Span) -> Position<'_> {
    let start = floor_boundary(text, span.start);
    let end = floor_boundary(text, span.end.max(start));
    let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let line_end = text[line_start..]
        .find('\n')
        .map_or(text.len(), |newline| line_start + newline);
    let line = text[line_start..line_end].trim_end_matches('\r');
    let from = (start - line_start).min(line.len());
    let to = (end - line_start).clamp(from, line.len());
    Position {
        line: text[..line_start].matches('\n').count() + 1,
        column: text[line_start..line_start + from].chars().count() + 1,
        text: line,
        marked: from..to,
    }
}

fn floor_boundary(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

struct Carets {
    indent: String,
    marks: String,
}

/// Longest part of a source line that is shown, in terminal columns: a generated file may have
/// one line of a megabyte.
const LINE_WIDTH: usize = 160;

/// The line as it is shown, and the carets under its marked part.
fn underline(position: &Position<'_>) -> (String, Carets) {
    // Masking keeps lengths, but a mark may begin or end inside what is hidden.
    let text = secret::mask(position.text);
    let start = floor_boundary(&text, position.marked.start);
    let end = floor_boundary(&text, position.marked.end);
    let before = shown(&text[..start]);
    let marked = shown(&text[start..end]);
    let after = shown(&text[end..]);
    let (before, dropped) = keep_end(&before, LINE_WIDTH / 2);
    let (marked, cut) = keep_start(&marked, LINE_WIDTH / 2);
    let mut line = format!("{}{before}{marked}", if dropped { "…" } else { "" });
    let indent = width(&line) - width(&marked);
    let marks = width(&marked).max(1);
    if cut {
        line.push('…');
    } else {
        let (after, cut) = keep_start(&after, LINE_WIDTH / 2);
        line.push_str(&after);
        if cut {
            line.push('…');
        }
    }
    (
        line.trim_end().to_owned(),
        Carets {
            indent: " ".repeat(indent),
            marks: "^".repeat(marks),
        },
    )
}

/// Source text with a tab as four columns and every other control character as its escape.
fn shown(text: &str) -> String {
    visible(&text.replace('\t', "    "))
}

/// Text in which nothing can move a terminal's cursor or change its colours.
fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

fn width(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

fn keep_start(text: &str, columns: usize) -> (String, bool) {
    let mut used = 0;
    let kept: String = text
        .chars()
        .take_while(|c| {
            used += c.width().unwrap_or(0);
            used <= columns
        })
        .collect();
    let cut = kept.len() < text.len();
    (kept, cut)
}

fn keep_end(text: &str, columns: usize) -> (String, bool) {
    let backwards: String = text.chars().rev().collect();
    let (kept, cut) = keep_start(&backwards, columns);
    (kept.chars().rev().collect(), cut)
}

#[derive(Clone, Copy)]
enum Style {
    Error,
    Warning,
    Help,
    Frame,
    Message,
}

struct Paint(Colour);

impl Paint {
    fn with(&self, style: Style, text: &str) -> String {
        let code = match (self.0, style) {
            (Colour::Plain, _) => return text.to_owned(),
            (Colour::Ansi, Style::Error) => "1;31",
            (Colour::Ansi, Style::Warning) => "1;33",
            (Colour::Ansi, Style::Help) => "1;36",
            (Colour::Ansi, Style::Frame) => "1;34",
            (Colour::Ansi, Style::Message) => "1",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(text: &str) -> Sources {
        Sources {
            experiment: Source {
                path: "e.toml".to_owned(),
                text: text.into(),
            },
            profile: None,
            data: Box::default(),
        }
    }

    fn at(text: &str, part: &str) -> Span {
        let start = text.find(part).unwrap();
        Span::new(FileRole::Experiment, start..start + part.len())
    }

    #[test]
    fn carets_stand_under_wide_characters_and_behind_tabs() {
        let text = "a = 1\n\tname = \"模型\" # x\n";
        let diagnostic = Diagnostic::error(at(text, "\"模型\""), "bad name")
            .label("expected ASCII")
            .help("write\nthis");
        let expected = concat!(
            "error: bad name\n",
            " --> e.toml:2:9\n",
            "  |\n",
            "2 |     name = \"模型\" # x\n",
            "  |            ^^^^^^ expected ASCII\n",
            "help: write\n",
            "      this\n",
        );
        assert_eq!(
            render(&[diagnostic], &sources(text), Colour::Plain),
            expected
        );
    }

    #[test]
    fn diagnostics_come_by_file_and_position_whatever_the_order_in_which_they_were_found() {
        let text = "a = 1\nb = 2\n";
        let all = [
            Diagnostic::error(None, "of no file"),
            Diagnostic::error(FileRole::Experiment, "missing"),
            Diagnostic::warning(at(text, "b"), "second"),
            Diagnostic::error(at(text, "a"), "first"),
        ];
        let listed = list(&all, &sources(text));
        let order: Vec<_> = listed
            .iter()
            .map(|d| (d.message.as_str(), d.line, d.column))
            .collect();
        assert_eq!(
            order,
            [
                ("first", Some(1), Some(1)),
                ("second", Some(2), Some(1)),
                ("missing", None, None),
                ("of no file", None, None)
            ]
        );
        assert_eq!(listed[2].file.as_deref(), Some("e.toml"));
        assert_eq!(listed[3].file, None);
        assert!(has_errors(&all) && !has_errors(&all[2..3]));
    }

    #[test]
    fn a_span_at_the_end_or_past_it_or_inside_a_character_is_still_shown() {
        let text = "é = \r\n";
        for (start, end) in [(1, 1), (5, 5), (7, 7), (99, 200), (3, 0)] {
            let span = Span {
                file: FileRole::Experiment,
                start,
                end,
            };
            let out = render(
                &[Diagnostic::error(span, "x")],
                &sources(text),
                Colour::Plain,
            );
            assert!(out.contains('^'), "{out}");
        }
    }

    #[test]
    fn escape_sequences_of_a_file_do_not_reach_the_terminal() {
        let text = "a = \"\u{1b}[31m\u{202e}\"\n";
        let out = render(
            &[Diagnostic::error(at(text, "\"\u{1b}"), "found \u{7}")],
            &sources(text),
            Colour::Plain,
        );
        assert!(out.chars().all(|c| c == '\n' || !c.is_control()), "{out:?}");
        assert!(!out.contains('\u{202e}'));
    }

    #[test]
    fn a_very_long_line_is_shown_around_its_caret() {
        let text = format!(
            "a = [{}, WRONG, {}]",
            "1, ".repeat(5000),
            "2, ".repeat(5000)
        );
        let out = render(
            &[Diagnostic::error(at(&text, "WRONG"), "x")],
            &sources(&text),
            Colour::Plain,
        );
        assert!(out.lines().all(|line| width(line) < 200), "{out}");
        let lines: Vec<&str> = out.lines().collect();
        let column = lines[4].find('^').unwrap();
        let under: String = lines[3].chars().skip(column).take(5).collect();
        assert_eq!(under, "WRONG");
    }

    #[test]
    fn colours_only_when_asked() {
        let text = "a = 1\n";
        let all = [Diagnostic::error(at(text, "a"), "x")];
        assert!(!render(&all, &sources(text), Colour::Plain).contains('\u{1b}'));
        assert!(
            render(&all, &sources(text), Colour::Ansi).starts_with("\u{1b}[1;31merror\u{1b}[0m: ")
        );
    }
}
