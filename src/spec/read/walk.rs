//! Walks a parsed file along its table of keys: syntax errors, unknown, doubled and missing
//! keys, and plain values of the wrong type or range. What the keys mean together is for the
//! readers of the kinds of file.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use crate::measure::metric::WorkloadKind;
use crate::spec::diagnostic::{Diagnostic, FileRole, Place, Source, Span};
use crate::spec::keys::{Key, Presence, Shape};
use crate::spec::near::{nearest, suggestion};
use crate::spec::read::scalar::{Scalar, scalar, shown};
use crate::spec::scenario::FaultKind;
use crate::spec::vllm_flags;

/// A value with its place.
pub(super) type Node<'n> = Spanned<DeValue<'n>>;

/// One file while it is read, with all that was found wrong so far.
pub(super) struct Reader<'t> {
    pub role: FileRole,
    pub text: &'t str,
    pub diagnostics: Vec<Diagnostic>,
    /// Lines on which the syntax is broken, from 0: what the parser made of them is a guess.
    broken_lines: BTreeSet<usize>,
    /// Flags that were warned about; once is enough.
    pub warned: BTreeSet<String>,
    /// Files with data by their names in the experiment, or why there is none.
    pub data: BTreeMap<String, Result<DataFile, String>>,
}

/// A file with data for a workload.
#[derive(Debug, Clone)]
pub(super) struct DataFile {
    pub role: FileRole,
    pub source: Source,
}

/// The keys of one table that are in the file, and the defaults of those that are not.
pub(super) struct Fields<'n> {
    /// Where a missing key is reported.
    place: Place,
    present: Vec<Field<'n>>,
    /// By name: the plain values, read or by default.
    scalars: BTreeMap<&'static str, Scalar>,
}

/// What a key is that the table of keys does not have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Others {
    Unknown,
    /// Of a kind that is unknown itself, so that nobody can say.
    Unclear,
}

/// One key as it stands in the file.
#[derive(Clone, Copy)]
pub(super) struct Field<'n> {
    pub key: &'static Key,
    /// The key itself.
    pub at: Span,
    pub node: &'n Node<'n>,
}

impl<'t> Reader<'t> {
    /// Parses a text as far as that is possible.
    pub fn open(role: FileRole, text: &'t str) -> (Self, Spanned<DeTable<'t>>) {
        let (tree, errors) = DeTable::parse_recoverable(text);
        let mut reader = Self {
            role,
            text,
            diagnostics: Vec::new(),
            broken_lines: BTreeSet::new(),
            warned: BTreeSet::new(),
            data: BTreeMap::new(),
        };
        let mut errors: Vec<(Range<usize>, String)> = errors
            .iter()
            .map(|error| (error.span().unwrap_or_default(), error.message().to_owned()))
            .collect();
        errors.sort_by_key(|(span, _)| span.start);
        for (span, message) in errors {
            // What follows a mistake on its line follows from it.
            if !reader.broken_lines.insert(reader.line(span.start)) {
                continue;
            }
            let at = Span::new(role, span);
            let (what, expected) = match message.split_once(", expected ") {
                Some((what, expected)) => (what, Some(expected)),
                None => (message.as_str(), None),
            };
            let diagnostic = Diagnostic::error(at, format!("not valid TOML: {what}"));
            reader.diagnostics.push(match expected {
                Some(expected) if expected != "nothing" => {
                    diagnostic.label(format!("expected {expected}"))
                }
                _ => diagnostic,
            });
        }
        (reader, tree)
    }

    /// True when the whole file could be parsed, so that what is absent from the tree is absent
    /// from the file.
    pub fn is_whole(&self) -> bool {
        self.broken_lines.is_empty()
    }

    pub fn span(&self, range: Range<usize>) -> Span {
        Span::new(self.role, range)
    }

    /// The place of a part of a text value: exact where the file writes it without escapes.
    pub fn inside(&self, node: &Node<'_>, text: &str, part: Range<usize>) -> Span {
        let whole = node.span();
        let raw = self.text.get(whole.clone()).unwrap_or_default();
        let literal = raw.len() == text.len() + 2 && raw.get(1..raw.len() - 1) == Some(text);
        if literal {
            let start = whole.start + 1;
            self.span(start + part.start..start + part.end)
        } else {
            self.span(whole)
        }
    }

    /// Counted from 1, for messages.
    pub fn line_number(&self, span: Span) -> usize {
        self.line(span.start) + 1
    }

    fn line(&self, offset: usize) -> usize {
        self.text
            .bytes()
            .take(offset)
            .filter(|byte| *byte == b'\n')
            .count()
    }

    /// Adds a finding, unless it stands where the syntax is broken.
    pub fn report(&mut self, diagnostic: Diagnostic) {
        if let Place::At(span) = diagnostic.place
            && span.file == self.role
            && self.broken_lines.contains(&self.line(span.start))
        {
            return;
        }
        self.diagnostics.push(diagnostic);
    }

    /// Adds a finding that something is not there, unless it may be in a part of the file that
    /// could not be parsed.
    pub fn report_absence(&mut self, diagnostic: Diagnostic) {
        if self.is_whole() {
            self.report(diagnostic);
        }
    }

    /// A value that its key does not take.
    pub fn mismatch(&self, name: &str, node: &Node<'_>, expected: &str) -> Diagnostic {
        Diagnostic::error(
            self.span(node.span()),
            format!("`{name}` cannot be {}", shown(self.text, node)),
        )
        .label(format!("expected {expected}"))
    }

    /// Walks one table along its keys. `what` names it in messages (`[engine]`); `at` is where
    /// a missing key is reported.
    pub fn walk<'n>(
        &mut self,
        table: &'n DeTable<'n>,
        what: &str,
        at: impl Into<Place>,
        keys: &[&'static [Key]],
    ) -> Fields<'n> {
        self.walk_with(table, what, at, keys, Others::Unknown)
    }

    /// As [`Reader::walk`], with a say about keys that are not in the table of keys.
    pub fn walk_with<'n>(
        &mut self,
        table: &'n DeTable<'n>,
        what: &str,
        at: impl Into<Place>,
        keys: &[&'static [Key]],
        others: Others,
    ) -> Fields<'n> {
        let all = || keys.iter().flat_map(|keys| keys.iter());
        let at = at.into();
        let mut present: Vec<Field<'n>> = Vec::new();
        let mut misspelt = BTreeSet::new();
        let mut scalars = BTreeMap::new();
        for (written, node) in in_file_order(table) {
            let key_at = self.span(written.span());
            let plain = written.get_ref().replace('_', "-");
            let Some(key) = all().find(|key| key.name == plain) else {
                if others == Others::Unknown {
                    misspelt.extend(nearest(&plain, all().map(|key| key.name)));
                    let found = self.unknown_key(written, what, at, keys);
                    self.report(found);
                }
                continue;
            };
            if let Some(first) = present.iter().find(|field| field.key.name == key.name) {
                let label = format!("the same key as in line {}", self.line_number(first.at));
                self.report(
                    Diagnostic::error(key_at, format!("`{}` is given twice", key.name))
                        .label(label),
                );
                continue;
            }
            present.push(Field {
                key,
                at: key_at,
                node,
            });
            match scalar(key.shape, node.get_ref()) {
                Some(Ok(value)) => {
                    scalars.insert(key.name, value);
                }
                Some(Err(mismatch)) => {
                    let found = match key.shape {
                        // Somebody may have put the secret where its variable's name belongs.
                        Shape::EnvName => Diagnostic::error(
                            self.span(node.span()),
                            format!("`{}` does not name a variable", key.name),
                        )
                        .label(format!("expected {}", mismatch.expected)),
                        _ => self.mismatch(key.name, node, &mismatch.expected),
                    };
                    self.report(with_help(found, mismatch.help));
                }
                None => {}
            }
        }
        for key in all() {
            let absent = !present.iter().any(|field| field.key.name == key.name)
                && !misspelt.contains(key.name);
            match key.presence {
                Presence::Required if absent => {
                    let found =
                        Diagnostic::error(at, format!("{what} has no `{}`", key.name)).help(
                            format!("add\n{}", snippet(key, matches!(at, Place::File(_)))),
                        );
                    self.report_absence(found);
                }
                Presence::Required | Presence::Optional => {}
                Presence::Default(value) => {
                    if let (false, Some(value)) =
                        (scalars.contains_key(key.name), default_scalar(key, value))
                    {
                        scalars.insert(key.name, value);
                    }
                }
            }
        }
        Fields {
            place: at,
            present,
            scalars,
        }
    }

    fn unknown_key(
        &self,
        written: &Spanned<DeString<'_>>,
        what: &str,
        at: Place,
        keys: &[&'static [Key]],
    ) -> Diagnostic {
        let name = written.get_ref().as_ref();
        let found = Diagnostic::error(
            self.span(written.span()),
            format!("{what} has no key `{name}`"),
        );
        let names: Vec<&str> = keys
            .iter()
            .flat_map(|keys| keys.iter())
            .map(|key| key.name)
            .collect();
        let help = suggestion(name, names.iter().copied(), "its keys");
        if help
            .as_ref()
            .is_some_and(|help| help.starts_with("did you mean"))
        {
            return with_help(found, help);
        }
        let is_top = matches!(at, Place::File(_));
        if (is_top || what == "[engine]") && vllm_flags::lookup(name).is_some() {
            return found.help(match self.role {
                FileRole::Experiment => "flags of vLLM belong in [matrix]",
                FileRole::Profile => "flags of vLLM belong in [engine.flags]",
                FileRole::Scenario => "flags of vLLM belong in the `where` of a [[fault]]",
                FileRole::Data(_) => "flags of vLLM belong in the experiment's [matrix]",
            });
        }
        // A key of a section that stands before the section's header.
        let sections = keys
            .iter()
            .flat_map(|keys| keys.iter())
            .filter_map(|section| match section.shape {
                Shape::Table(inner) => {
                    nearest(name, inner.iter().map(|key| key.name)).map(|near| (section, near))
                }
                _ => None,
            });
        match sections.into_iter().next().filter(|_| is_top) {
            Some((section, near)) => {
                found.help(format!("did you mean `{near}` in [{}]?", section.name))
            }
            None => with_help(found, help),
        }
    }

    /// The table that a key holds.
    pub fn table<'n>(&mut self, field: Field<'n>) -> Option<&'n DeTable<'n>> {
        if let DeValue::Table(table) = field.node.get_ref() {
            return Some(table);
        }
        let found = self.mismatch(field.key.name, field.node, "a table");
        self.report(match self.has_header(field.node) {
            true => found.help(format!("write `[{}]`", field.key.name)),
            false => found,
        });
        None
    }

    /// True for a table or a list of tables that is written under headers.
    fn has_header(&self, node: &Node<'_>) -> bool {
        matches!(node.get_ref(), DeValue::Table(_) | DeValue::Array(_))
            && self.text[..node.span().start.min(self.text.len())]
                .rsplit('\n')
                .next()
                .is_some_and(|before| before.trim().is_empty())
    }

    /// The tables that a key holds, each with its place.
    pub fn tables<'n>(&mut self, field: Field<'n>) -> Vec<(&'n DeTable<'n>, Span)> {
        let name = field.key.name;
        let DeValue::Array(items) = field.node.get_ref() else {
            let found = self.mismatch(name, field.node, "a list of tables");
            let raw = self.text.get(field.node.span()).unwrap_or_default();
            self.report(if self.has_header(field.node) {
                found.help(format!("write `[[{name}]]`, once for each"))
            } else if raw.starts_with('{') && !raw.contains('\n') {
                found.help(format!("write [{raw}]"))
            } else {
                found
            });
            return Vec::new();
        };
        let mut tables = Vec::new();
        for item in items.iter() {
            match item.get_ref() {
                DeValue::Table(table) => tables.push((table, self.span(item.span()))),
                _ => {
                    let found =
                        self.mismatch(name, item, &format!("a table {}", outline(field.key)));
                    self.report(found);
                }
            }
        }
        tables
    }

    /// The file that a key names; reported and `None` when it cannot be read.
    pub fn data_file(&mut self, fields: &Fields<'_>, name: &str) -> Option<DataFile> {
        let path = fields.text(name)?;
        let field = fields.get(name)?;
        match self.data.get(&path) {
            Some(Ok(file)) => Some(file.clone()),
            Some(Err(why)) => {
                let at = self.span(field.node.span());
                let found = Diagnostic::error(at, format!("the file cannot be read: {why}"));
                self.report(found);
                None
            }
            None => unreachable!("every file that a workload names was looked for"),
        }
    }

    /// The texts that a key holds, each with its node.
    pub fn texts<'n>(&mut self, field: Field<'n>) -> Vec<(&'n str, &'n Node<'n>)> {
        let name = field.key.name;
        let DeValue::Array(items) = field.node.get_ref() else {
            let found = self.mismatch(name, field.node, "a list of texts");
            self.report(match field.node.get_ref().as_str() {
                Some(text) => found.help(format!("write [\"{text}\"]")),
                None => found,
            });
            return Vec::new();
        };
        let mut texts = Vec::new();
        for item in items.iter() {
            match item.get_ref().as_str() {
                Some(text) => texts.push((text, item)),
                None => {
                    let found = self.mismatch(name, item, "a text in quotes");
                    self.report(found);
                }
            }
        }
        texts
    }
}

/// The entries of a table as the file lists them.
pub(super) fn in_file_order<'n>(
    table: &'n DeTable<'n>,
) -> Vec<(&'n Spanned<DeString<'n>>, &'n Node<'n>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

pub(super) fn with_help(diagnostic: Diagnostic, help: Option<String>) -> Diagnostic {
    match help {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}

fn default_scalar(key: &Key, value: &str) -> Option<Scalar> {
    let node = DeValue::parse(value).expect("defaults in the key table are TOML");
    scalar(key.shape, node.get_ref())
        .map(|read| read.expect("defaults in the key table are of their key's shape"))
}

/// Lines to paste that give a missing key, with headers where the file may have them.
fn snippet(key: &Key, is_top: bool) -> String {
    let lines = |keys: &[Key]| {
        required(keys)
            .map(|key| format!("\n{}", snippet(key, false)))
            .collect::<String>()
    };
    match key.shape {
        Shape::Table(keys) if is_top => format!("[{}]{}", key.name, lines(keys)),
        Shape::Tables(keys) | Shape::Workloads(keys) | Shape::Faults(keys) if is_top => {
            format!("[[{}]]{}", key.name, lines(keys))
        }
        shape => format!("{} = {}    # {}", key.name, example(shape), key.help),
    }
}

fn required(keys: &[Key]) -> impl Iterator<Item = &Key> {
    keys.iter().filter(|key| key.presence == Presence::Required)
}

/// `{ from, to }`: the keys that each table of a list must have.
fn outline(key: &Key) -> String {
    match key.shape {
        Shape::Tables(keys) | Shape::Workloads(keys) | Shape::Faults(keys) => {
            let names: Vec<&str> = required(keys).map(|key| key.name).collect();
            format!("{{ {} }}", names.join(", "))
        }
        _ => "{ }".to_owned(),
    }
}

fn example(shape: Shape) -> String {
    match shape {
        Shape::Text | Shape::Name { .. } | Shape::Bytes { .. } => "\"...\"".to_owned(),
        Shape::File => "\"data.toml\"".to_owned(),
        Shape::EnvName => "\"NAME\"".to_owned(),
        Shape::Bool => "true".to_owned(),
        Shape::Whole { min, .. } => min.to_string(),
        Shape::Positive => "1.0".to_owned(),
        Shape::Duration => "\"20m\"".to_owned(),
        Shape::Percent => "\"2%\"".to_owned(),
        Shape::Choice(words) => format!("\"{}\"", words.first().copied().unwrap_or_default()),
        Shape::Kind => format!("\"{}\"", WorkloadKind::KvCache.name()),
        Shape::Metric => "\"kv-cache.ttft_repeat_ms.p50\"".to_owned(),
        Shape::Condition => "\"kv-cache.success_rate >= 99 %\"".to_owned(),
        Shape::Texts => "[]".to_owned(),
        Shape::Numbers { whole: true } => "[1, 2, 4]".to_owned(),
        Shape::Numbers { whole: false } => "[0.5, 1.0]".to_owned(),
        Shape::Tables(keys) | Shape::Workloads(keys) | Shape::Faults(keys) => {
            let inner: Vec<String> = required(keys)
                .map(|key| format!("{} = {}", key.name, example(key.shape)))
                .collect();
            format!("[{{ {} }}]", inner.join(", "))
        }
        Shape::Knobs { .. } => "{ gpu-mem = 0.9 }".to_owned(),
        Shape::Table(_) | Shape::Env | Shape::Ulimits | Shape::Anything => "{ }".to_owned(),
        Shape::Gpus => "\"all\"".to_owned(),
        Shape::FaultKind => format!("\"{}\"", FaultKind::WorkerDies.name()),
        Shape::Starts => "\"first\"".to_owned(),
    }
}

impl<'n> Fields<'n> {
    /// Where a missing key is reported.
    pub fn place(&self) -> Place {
        self.place
    }

    /// The key as it stands in the file.
    pub fn get(&self, name: &str) -> Option<Field<'n>> {
        self.present
            .iter()
            .find(|field| field.key.name == name)
            .copied()
    }

    /// A text, a name or a chosen word. `None` where the key is absent without a default, or
    /// was wrong and has been reported.
    pub fn text(&self, name: &str) -> Option<String> {
        self.scalar(name).map(|value| match value {
            Scalar::Text(text) => text.clone(),
            other => unreachable!("the key table does not give `{name}` a text: {other:?}"),
        })
    }

    pub fn bool(&self, name: &str) -> Option<bool> {
        self.scalar(name).map(|value| match value {
            Scalar::Bool(value) => *value,
            other => unreachable!("the key table does not make `{name}` a boolean: {other:?}"),
        })
    }

    pub fn whole(&self, name: &str) -> Option<i64> {
        self.scalar(name).map(|value| match value {
            Scalar::Whole(number) => *number,
            other => unreachable!("the key table does not make `{name}` whole: {other:?}"),
        })
    }

    /// A whole number whose shape keeps it within 32 bits.
    pub fn count(&self, name: &str) -> Option<u32> {
        self.whole(name)
            .map(|number| u32::try_from(number).expect("the key table keeps counts within 32 bits"))
    }

    pub fn number(&self, name: &str) -> Option<f64> {
        self.scalar(name).map(|value| match value {
            Scalar::Number(number) => *number,
            other => unreachable!("the key table does not make `{name}` a number: {other:?}"),
        })
    }

    pub fn bytes(&self, name: &str) -> Option<u64> {
        self.scalar(name).map(|value| match value {
            Scalar::Bytes(bytes) => *bytes,
            other => unreachable!("the key table does not make `{name}` a size: {other:?}"),
        })
    }

    pub fn duration(&self, name: &str) -> Option<Duration> {
        self.scalar(name).map(|value| match value {
            Scalar::Duration(duration) => *duration,
            other => unreachable!("the key table does not make `{name}` a time: {other:?}"),
        })
    }

    fn scalar(&self, name: &str) -> Option<&Scalar> {
        self.scalars.get(name)
    }
}
