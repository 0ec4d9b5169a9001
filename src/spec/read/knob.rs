//! Tables of flags and environment variables (`[matrix]`, `where`, `set`, `[engine.flags]`):
//! every spelling of a flag becomes its long name, every value its flag's own type.

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use crate::spec::diagnostic::{Diagnostic, FileRole, Span};
use crate::spec::flag::{DEFAULT_MARK, FlagName, FlagValue, Knob};
use crate::spec::keys::RESERVED_VARIABLES;
use crate::spec::near::nearest;
use crate::spec::read::scalar::{float, integer, is_env_name, number, shown};
use crate::spec::read::walk::{Field, Node, Reader, in_file_order, with_help};
use crate::spec::secret::{is_secret_flag, is_secret_variable};
use crate::spec::vllm_flags::{self, FlagKind, HELP_VERSION, KnownFlag};

/// One flag or variable of a table, by its long name.
pub(super) struct Knobbed<'n> {
    pub knob: Knob,
    known: Option<&'static KnownFlag>,
    /// As the file spells it.
    written: &'n str,
    pub at: Span,
    pub node: &'n Node<'n>,
}

impl Knobbed<'_> {
    /// `None` for a variable.
    pub fn flag_name(&self) -> Option<FlagName> {
        match &self.knob {
            Knob::Flag(name) => Some(name.clone()),
            Knob::Env(_) => None,
        }
    }
}

impl Reader<'_> {
    /// The flags of a table in file order; with `env`, its table `env` gives variables among
    /// them. A knob that comes twice is reported and taken once.
    pub fn knobs<'n>(&mut self, field: Field<'n>, env: bool) -> Vec<Knobbed<'n>> {
        let Some(table) = self.table(field) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for (key, node) in in_file_order(table) {
            if env && key.get_ref() == "env" {
                match node.get_ref() {
                    DeValue::Table(variables) => found.extend(self.variables(variables)),
                    _ => {
                        let wrong = self.mismatch("env", node, "a table of variables");
                        self.report(wrong);
                    }
                }
            } else if let Some(knob) = self.flag(key, node) {
                found.push(knob);
            }
        }
        found.sort_by_key(|knob| knob.at.start);
        let mut once: Vec<Knobbed<'n>> = Vec::new();
        for knob in found {
            match once.iter().find(|earlier| earlier.knob == knob.knob) {
                Some(earlier) => {
                    let label = format!(
                        "the same {} as `{}` in line {}",
                        match knob.knob {
                            Knob::Flag(_) => "flag",
                            Knob::Env(_) => "variable",
                        },
                        earlier.written,
                        self.line_number(earlier.at)
                    );
                    let message = format!("`{}` is given twice", knob.knob);
                    self.report(Diagnostic::error(knob.at, message).label(label));
                }
                None => once.push(knob),
            }
        }
        once
    }

    fn variables<'n>(&mut self, table: &'n DeTable<'n>) -> Vec<Knobbed<'n>> {
        let mut found = Vec::new();
        for (key, node) in in_file_order(table) {
            let name = key.get_ref().as_ref();
            let at = self.span(key.span());
            if !self.env_name(name, at) {
                continue;
            }
            if is_secret_variable(name) {
                self.report(
                    Diagnostic::error(at, format!("`{name}` looks like a secret and cannot vary"))
                        .help(format!(
                            "give it in the profile: [engine.env] {name} = {{ from-env = \"{name}\" }}"
                        )),
                );
                continue;
            }
            found.push(Knobbed {
                knob: Knob::Env(name.to_owned()),
                known: None,
                written: name,
                at,
                node,
            });
        }
        found
    }

    /// True for a name that an engine may be given as a variable.
    pub fn env_name(&mut self, name: &str, at: Span) -> bool {
        if !is_env_name(name) {
            self.report(
                Diagnostic::error(at, format!("`{name}` is not the name of a variable"))
                    .label("expected letters, digits and _, no digit first"),
            );
            return false;
        }
        match RESERVED_VARIABLES
            .iter()
            .find(|(reserved, _)| *reserved == name)
        {
            Some((_, why)) => {
                self.report(Diagnostic::error(
                    at,
                    format!("gridrun sets `{name}` itself: {why}"),
                ));
                false
            }
            None => true,
        }
    }

    fn flag<'n>(
        &mut self,
        key: &'n Spanned<DeString<'n>>,
        node: &'n Node<'n>,
    ) -> Option<Knobbed<'n>> {
        let written = key.get_ref().as_ref();
        let at = self.span(key.span());
        let plain = written.replace('_', "-");
        if let Some(bare) = plain.strip_prefix('-') {
            self.report(
                Diagnostic::error(at, format!("`{written}` begins with a dash"))
                    .help(format!("write `{}`", bare.trim_start_matches('-'))),
            );
            return None;
        }
        if plain.is_empty()
            || !plain
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'))
        {
            self.report(
                Diagnostic::error(at, format!("`{written}` is not the name of a flag"))
                    .label("expected letters, digits and -"),
            );
            return None;
        }
        let known = vllm_flags::lookup(&plain);
        let name = FlagName(known.map_or(plain, |known| known.name.to_owned()));
        if let Some(why) = vllm_flags::reserved(&name) {
            self.report(Diagnostic::error(
                at,
                format!("`{written}` cannot be set here: {why}"),
            ));
            return None;
        }
        if is_secret_flag(name.as_str()) {
            self.report(
                Diagnostic::error(at, format!("`{written}` would put a secret into the engine's arguments")).help(
                    "give it as a variable in the profile:\n[engine.env]\nHF_TOKEN = { from-env = \"HF_TOKEN\" }",
                ),
            );
            return None;
        }
        if known.is_none() {
            if let Some(positive) = vllm_flags::negated(name.as_str()) {
                self.report(
                    Diagnostic::error(at, format!("`{written}` is the negative form of a flag"))
                        .help(format!("write `{}` with the value false", positive.name)),
                );
                return None;
            }
            if self.warned.insert(name.0.clone()) {
                let follows = match self.role {
                    FileRole::Experiment | FileRole::Profile => "it is passed on as it is",
                    FileRole::Scenario => "no stand-in takes it",
                    FileRole::Data(_) => "no file of data takes it",
                };
                let found = Diagnostic::warning(
                    at,
                    format!("vLLM {HELP_VERSION} has no flag `{written}`; {follows}"),
                );
                let near = nearest(name.as_str(), vllm_flags::names());
                self.report(with_help(
                    found,
                    near.map(|near| format!("did you mean `{near}`?")),
                ));
            }
        }
        Some(Knobbed {
            knob: Knob::Flag(name),
            known,
            written,
            at,
            node,
        })
    }

    /// The values of an axis: a list of at least one, none twice.
    pub fn axis_values(&mut self, knob: &Knobbed<'_>) -> Vec<FlagValue> {
        let DeValue::Array(items) = knob.node.get_ref() else {
            let found = self.mismatch(knob.written, knob.node, "the list of values to try");
            let help = match knob.known {
                None => !matches!(knob.node.get_ref(), DeValue::Table(_)),
                Some(known) => plain_value(knob.node.get_ref(), Some(known.kind))
                    .is_some_and(|value| vllm_flags::accept(known, value).is_ok()),
            };
            let raw = self.text.get(knob.node.span()).unwrap_or_default();
            self.report(found.help(if help {
                format!("write [{raw}]; what never varies belongs in the profile")
            } else {
                "what never varies belongs in the profile".to_owned()
            }));
            return Vec::new();
        };
        if items.is_empty() {
            self.report(
                Diagnostic::error(
                    self.span(knob.node.span()),
                    format!("`{}` has no value to try", knob.written),
                )
                .label("expected at least one value"),
            );
        }
        let mut values: Vec<(FlagValue, &Node<'_>)> = Vec::new();
        for item in items.iter() {
            let Some(value) = self.value(knob, item) else {
                continue;
            };
            match values.iter().find(|(earlier, _)| *earlier == value) {
                Some((_, earlier)) => {
                    let label = format!("the same value as {}", shown(self.text, earlier));
                    self.report(
                        Diagnostic::error(
                            self.span(item.span()),
                            format!("`{}` has the value {value} twice", knob.written),
                        )
                        .label(label),
                    );
                }
                None => values.push((value, item)),
            }
        }
        values.into_iter().map(|(value, _)| value).collect()
    }

    /// The values of a term of a `where`: one, or a list of at least one.
    pub fn any_of(&mut self, knob: &Knobbed<'_>) -> Vec<FlagValue> {
        match knob.node.get_ref() {
            DeValue::Array(items) if items.is_empty() => {
                self.report(
                    Diagnostic::error(
                        self.span(knob.node.span()),
                        format!("`{}` matches nothing", knob.written),
                    )
                    .label("expected at least one value"),
                );
                Vec::new()
            }
            DeValue::Array(items) => items
                .iter()
                .filter_map(|item| self.value(knob, item))
                .collect(),
            _ => self.value(knob, knob.node).into_iter().collect(),
        }
    }

    /// One value, in its flag's own type and form.
    pub fn value(&mut self, knob: &Knobbed<'_>, node: &Node<'_>) -> Option<FlagValue> {
        match &knob.knob {
            Knob::Env(_) => self.variable_value(knob.written, node),
            Knob::Flag(_) => self.flag_value(knob, node),
        }
    }

    /// The text of a variable; a whole number is taken for its digits.
    fn variable_value(&mut self, name: &str, node: &Node<'_>) -> Option<FlagValue> {
        match node.get_ref() {
            DeValue::String(text) if text == DEFAULT_MARK => Some(FlagValue::Default),
            DeValue::String(text) => Some(FlagValue::Text(text.clone().into_owned())),
            value => match integer(value) {
                Some(number) => Some(FlagValue::Text(number.to_string())),
                None => {
                    let found = self.mismatch(name, node, "a text in quotes");
                    self.report(with_help(found, quoted_help(value)));
                    None
                }
            },
        }
    }

    fn flag_value(&mut self, knob: &Knobbed<'_>, node: &Node<'_>) -> Option<FlagValue> {
        let Some(value) = plain_value(node.get_ref(), knob.known.map(|known| known.kind)) else {
            let found = match node.get_ref() {
                DeValue::Integer(_) => self.mismatch(knob.written, node, "a number within 64 bits"),
                DeValue::Float(_) => self.mismatch(knob.written, node, "a finite number"),
                DeValue::Datetime(_) => self.mismatch(knob.written, node, "a text in quotes"),
                _ => self.mismatch(knob.written, node, "true, false, a number or a text"),
            };
            self.report(found);
            return None;
        };
        let Some(known) = knob.known else {
            return Some(value);
        };
        let refused = match vllm_flags::accept(known, value.clone()) {
            Ok(value) => return Some(value),
            Err(refused) => refused,
        };
        // Another version of vLLM may know more words.
        if let (false, FlagValue::Text(_) | FlagValue::Int(_)) =
            (refused.choices().is_empty(), &value)
        {
            if self.warned.insert(format!("{}={value}", known.name)) {
                let found = Diagnostic::warning(
                    self.span(node.span()),
                    format!(
                        "vLLM {HELP_VERSION} does not list {} for `{}`",
                        shown(self.text, node),
                        known.name
                    ),
                );
                let near = nearest(&value.to_string(), refused.choices().iter().copied());
                let help = match near {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None => format!("it lists {}", refused.choices().join(", ")),
                };
                self.report(found.help(help));
            }
            return Some(value);
        }
        let found = self.mismatch(knob.written, node, &refused.to_string());
        let help = match node.get_ref() {
            DeValue::Array(_) => {
                Some("write one value; what varies belongs in [matrix]".to_owned())
            }
            value => meant(known.kind, value),
        };
        self.report(with_help(found, help));
        None
    }
}

/// A value as the file gives it, before its flag has a say. `None` for what no flag can take.
///
/// Where the flag's type does not decide (a word, a text, or a flag that nobody knows), a whole
/// number has one form however it is written: `1`, `1.0` and `"1"` give the same argument.
fn plain_value(value: &DeValue<'_>, kind: Option<FlagKind>) -> Option<FlagValue> {
    let undecided = matches!(kind, None | Some(FlagKind::Choice(_) | FlagKind::Text));
    match value {
        DeValue::String(text) if text == DEFAULT_MARK => Some(FlagValue::Default),
        DeValue::String(text) => {
            let whole = text
                .parse::<i64>()
                .ok()
                .filter(|whole| whole.to_string() == **text);
            Some(match whole {
                Some(whole) if undecided => FlagValue::Int(whole),
                _ => FlagValue::Text(text.clone().into_owned()),
            })
        }
        DeValue::Integer(_) => integer(value).map(FlagValue::Int),
        DeValue::Float(written) => {
            let number = float(written.as_str())?;
            // Floats count without gaps up to 2^53.
            let whole = number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0;
            Some(if undecided && whole {
                FlagValue::Int(number as i64)
            } else {
                FlagValue::Float(number)
            })
        }
        DeValue::Boolean(value) => Some(FlagValue::Bool(*value)),
        DeValue::Array(items) => items
            .iter()
            .map(|item| match item.get_ref() {
                DeValue::String(text) => Some(text.clone().into_owned()),
                DeValue::Boolean(value) => Some(value.to_string()),
                item => number(item).map(|number| number.to_string()),
            })
            .collect::<Option<Vec<String>>>()
            .map(FlagValue::List),
        DeValue::Table(_) => json(value).map(|json| FlagValue::Text(json.to_string())),
        DeValue::Datetime(_) => None,
    }
}

/// A table as the JSON text that vLLM's structured flags take (`speculative-config`).
fn json(value: &DeValue<'_>) -> Option<serde_json::Value> {
    Some(match value {
        DeValue::String(text) => serde_json::Value::String(text.clone().into_owned()),
        DeValue::Integer(_) => integer(value)?.into(),
        DeValue::Float(written) => float(written.as_str())?.into(),
        DeValue::Boolean(value) => (*value).into(),
        DeValue::Array(items) => items
            .iter()
            .map(|item| json(item.get_ref()))
            .collect::<Option<Vec<_>>>()?
            .into(),
        // Sorted by key, so that equal tables are equal texts.
        DeValue::Table(table) => {
            let mut entries: Vec<_> = table.iter().collect();
            entries.sort_by(|(a, _), (b, _)| a.get_ref().cmp(b.get_ref()));
            entries
                .into_iter()
                .map(|(key, item)| {
                    Some((key.get_ref().clone().into_owned(), json(item.get_ref())?))
                })
                .collect::<Option<serde_json::Map<_, _>>>()?
                .into()
        }
        DeValue::Datetime(_) => return None,
    })
}

/// What somebody who wrote this for that kind of flag probably meant.
fn meant(kind: FlagKind, value: &DeValue<'_>) -> Option<String> {
    match (kind, value) {
        (FlagKind::Switch { .. }, DeValue::String(text)) => match text.to_lowercase().as_str() {
            "true" | "on" | "yes" => Some("write true, without quotes".to_owned()),
            "false" | "off" | "no" => Some("write false, without quotes".to_owned()),
            _ => None,
        },
        (FlagKind::Switch { .. }, _) => match integer(value) {
            Some(1) => Some("write true".to_owned()),
            Some(0) => Some("write false".to_owned()),
            _ => None,
        },
        (FlagKind::Int { min }, DeValue::Float(_)) => whole_number(value, min),
        (FlagKind::Size { min, .. }, DeValue::Float(_)) => whole_number(value, Some(min)),
        (FlagKind::Int { min }, DeValue::String(text)) => {
            let number = text.trim().parse::<i64>().ok()?;
            min.is_none_or(|min| number >= min)
                .then(|| format!("write {number}"))
        }
        (FlagKind::Float { max, .. }, DeValue::String(text)) => {
            let number = float(text.trim())?;
            max.is_none_or(|max| number <= max)
                .then(|| format!("write {number}"))
        }
        (FlagKind::Float { max: Some(1.0), .. }, _) => {
            let percent = number(value)?;
            (percent > 1.0 && percent <= 100.0 && percent.fract() == 0.0)
                .then(|| format!("write {} for {percent} %", percent / 100.0))
        }
        _ => None,
    }
}

fn whole_number(value: &DeValue<'_>, min: Option<i64>) -> Option<String> {
    let number = number(value)?;
    (number.fract() == 0.0 && min.is_none_or(|min| number >= min as f64))
        .then(|| format!("write {number}"))
}

/// How a value that is no text becomes one.
pub(super) fn quoted_help(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::Boolean(value) => Some(format!("write \"{value}\", or \"{}\"", u8::from(*value))),
        DeValue::Float(number) => Some(format!("write \"{}\"", number.as_str())),
        _ => None,
    }
}
