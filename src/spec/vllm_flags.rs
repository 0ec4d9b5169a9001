//! The flags that `vllm serve` knows: their names, types, ranges, and how a value becomes
//! arguments.
//!
//! [`TABLE`](table) is generated from the help text in `docs/vllm-flags/` by `generator.rs`;
//! what the help does not say (types, ranges) is written down in `overlay.rs`. The table is one
//! version's, [`HELP_VERSION`]: an image of another version may know more flags or fewer, so
//! a flag that is not here is let through. Nothing here knows of experiments or engines.

use std::fmt;

use crate::spec::flag::{FlagName, FlagValue};

#[cfg(test)]
mod generator;
#[cfg(test)]
mod overlay;
mod table;
#[cfg(test)]
mod tests;

pub use table::HELP_VERSION;

/// One flag of `vllm serve`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KnownFlag {
    /// Long name without dashes in front (`max-num-seqs`).
    pub name: &'static str,
    /// vLLM's other spellings (`tp`) and gridrun's short name (`gpu-mem`), without dashes.
    pub aliases: &'static [&'static str],
    pub kind: FlagKind,
    /// First sentence of vLLM's help.
    pub help: &'static str,
}

/// What a flag takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FlagKind {
    /// Nothing: `--NAME`, and `--no-NAME` where it is `negatable`.
    Switch { negatable: bool },
    /// A whole number.
    Int { min: Option<i64> },
    /// A whole number that may be written with a suffix (`1k` = 1000, `1K` = 1024, `25.6k`);
    /// with `auto`, also the word `auto`, for which vLLM takes `-1` as well.
    Size { min: i64, auto: bool },
    /// A number; with `min_exclusive` it must be above `min`, not at it.
    Float {
        min: Option<f64>,
        max: Option<f64>,
        min_exclusive: bool,
    },
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Any text: also where vLLM lists words and takes others (plug-ins), or where the help
    /// does not say what it takes.
    Text,
    /// One or more words.
    List,
}

/// One line of the table.
const fn flag(
    name: &'static str,
    aliases: &'static [&'static str],
    kind: FlagKind,
    help: &'static str,
) -> KnownFlag {
    KnownFlag {
        name,
        aliases,
        kind,
        help,
    }
}

/// The short names that gridrun adds for the flags of nearly every matrix: short, long.
const SHORT_NAMES: &[(&str, &str)] = &[
    ("chunked", "enable-chunked-prefill"),
    ("gpu-mem", "gpu-memory-utilization"),
    ("prefix", "enable-prefix-caching"),
];

/// Flags that gridrun itself sets or that change how an engine is reached, and who sets them:
/// a file must not.
const RESERVED: &[(&str, &str)] = &[
    ("api-key", "every engine gets a key of its own"),
    ("config", "every flag must be visible to gridrun"),
    ("grpc", "gridrun measures over HTTP"),
    ("headless", "gridrun measures over HTTP"),
    ("host", "engines are bound to 127.0.0.1"),
    ("model", "the model is `engine.model` of the profile"),
    ("port", "every engine gets a free port"),
    (
        "ssl-certfile",
        "engines are reached over plain HTTP on 127.0.0.1",
    ),
    (
        "ssl-keyfile",
        "engines are reached over plain HTTP on 127.0.0.1",
    ),
    ("uds", "engines are reached over TCP on 127.0.0.1"),
];

/// Finds a flag by its long name, an alias, or gridrun's short name; `_` and `-` are one, upper
/// and lower case are not.
pub fn lookup(name: &str) -> Option<&'static KnownFlag> {
    let name = name.replace('_', "-");
    match table::TABLE.binary_search_by(|flag| flag.name.cmp(&name)) {
        Ok(found) => Some(&table::TABLE[found]),
        Err(_) => table::TABLE
            .iter()
            .find(|flag| flag.aliases.contains(&name.as_str())),
    }
}

/// The flag that `no-NAME` switches off, if `name` is of that form: files write `NAME = false`.
pub fn negated(name: &str) -> Option<&'static KnownFlag> {
    let name = name.replace('_', "-");
    lookup(name.strip_prefix("no-")?)
        .filter(|flag| matches!(flag.kind, FlagKind::Switch { negatable: true }))
}

/// Why a file may not set this flag (by its long name), if it may not.
pub fn reserved(name: &FlagName) -> Option<&'static str> {
    RESERVED
        .iter()
        .find(|(reserved, _)| *reserved == name.as_str())
        .map(|(_, why)| *why)
}

/// Every flag, in the order of their names.
pub fn all() -> impl Iterator<Item = &'static KnownFlag> {
    table::TABLE.iter()
}

/// Every valid spelling, for near names.
pub fn names() -> impl Iterator<Item = &'static str> {
    table::TABLE
        .iter()
        .flat_map(|flag| std::iter::once(flag.name).chain(flag.aliases.iter().copied()))
}

/// The name that a person reads fastest: gridrun's short name if there is one, else the flag's.
pub fn short_name(name: &FlagName) -> &str {
    SHORT_NAMES
        .iter()
        .find(|(_, long)| *long == name.as_str())
        .map_or(name.as_str(), |(short, _)| short)
}

/// A value that a flag does not take. Displays as what it takes instead (`a whole number of at
/// least 1`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NotTaken {
    kind: FlagKind,
}

impl NotTaken {
    /// The words to choose from, for near names; empty where the flag takes no fixed words.
    pub fn choices(&self) -> &'static [&'static str] {
        match self.kind {
            FlagKind::Choice(choices) => choices,
            _ => &[],
        }
    }
}

impl fmt::Display for NotTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            FlagKind::Switch { .. } => f.write_str("true or false"),
            FlagKind::Int { min: None } => f.write_str("a whole number"),
            FlagKind::Int { min: Some(min) } => write!(f, "a whole number of at least {min}"),
            FlagKind::Size { min, auto } => {
                write!(
                    f,
                    "a whole number of at least {min}, also as \"1k\" or \"1K\""
                )?;
                if auto {
                    f.write_str(", or \"auto\"")
                } else {
                    Ok(())
                }
            }
            FlagKind::Float {
                min,
                max,
                min_exclusive,
            } => {
                f.write_str("a number")?;
                match (min, min_exclusive) {
                    (Some(min), true) => write!(f, " above {min}")?,
                    (Some(min), false) => write!(f, " of at least {min}")?,
                    (None, _) => {}
                }
                match (min, max) {
                    (Some(_), Some(max)) => write!(f, " and at most {max}"),
                    (None, Some(max)) => write!(f, " of at most {max}"),
                    (_, None) => Ok(()),
                }
            }
            FlagKind::Choice(choices) => write!(f, "one of {}", choices.join(", ")),
            FlagKind::Text => f.write_str("a text or a number"),
            FlagKind::List => f.write_str("a text or a list of texts"),
        }
    }
}

/// Checks a value as a file gives it and brings it into the flag's own type, so that equal
/// engine inputs are equal values: `1` becomes `1.0` for a float, `"8K"` becomes 8192 for a
/// size, `-1` becomes `auto` where vLLM means that by it, a number becomes a text for a flag that
/// takes texts, a single word becomes a list of one.
pub fn accept(flag: &KnownFlag, value: FlagValue) -> Result<FlagValue, NotTaken> {
    let taken = match (flag.kind, value) {
        (_, FlagValue::Default) => Some(FlagValue::Default),
        (FlagKind::Switch { .. }, value @ FlagValue::Bool(_)) => Some(value),
        (FlagKind::Int { min }, FlagValue::Int(value)) => min
            .is_none_or(|min| value >= min)
            .then_some(FlagValue::Int(value)),
        (FlagKind::Size { auto: true, .. }, FlagValue::Int(-1)) => Some(auto_size()),
        (FlagKind::Size { auto: true, .. }, FlagValue::Text(text)) if is_auto(&text) => {
            Some(auto_size())
        }
        (FlagKind::Size { min, .. }, FlagValue::Int(value)) => {
            (value >= min).then_some(FlagValue::Int(value))
        }
        (FlagKind::Size { min, .. }, FlagValue::Text(text)) => size(&text)
            .filter(|value| *value >= min)
            .map(FlagValue::Int),
        #[expect(
            clippy::cast_precision_loss,
            reason = "no flag takes floats beyond 2^53"
        )]
        (kind @ FlagKind::Float { .. }, FlagValue::Int(value)) => float(kind, value as f64),
        (kind @ FlagKind::Float { .. }, FlagValue::Float(value)) => float(kind, value),
        (FlagKind::Choice(choices), value @ (FlagValue::Text(_) | FlagValue::Int(_))) => {
            let word = value.to_string();
            choices
                .contains(&word.as_str())
                .then_some(FlagValue::Text(word))
        }
        (FlagKind::Text, FlagValue::Float(value)) if !value.is_finite() => None,
        (
            FlagKind::Text,
            value @ (FlagValue::Text(_) | FlagValue::Int(_) | FlagValue::Float(_)),
        ) => Some(FlagValue::Text(value.to_string())),
        (FlagKind::List, FlagValue::List(values)) => {
            (!values.is_empty()).then_some(FlagValue::List(values))
        }
        (FlagKind::List, value @ (FlagValue::Text(_) | FlagValue::Int(_))) => {
            Some(FlagValue::List(vec![value.to_string()]))
        }
        _ => None,
    };
    taken.ok_or(NotTaken { kind: flag.kind })
}

fn auto_size() -> FlagValue {
    FlagValue::Text("auto".to_owned())
}

fn is_auto(text: &str) -> bool {
    text.eq_ignore_ascii_case("auto") || text == "-1"
}

fn float(kind: FlagKind, value: f64) -> Option<FlagValue> {
    let FlagKind::Float {
        min,
        max,
        min_exclusive,
    } = kind
    else {
        return None;
    };
    let above = min.is_none_or(|min| {
        if min_exclusive {
            value > min
        } else {
            value >= min
        }
    });
    let below = max.is_none_or(|max| value <= max);
    (value.is_finite() && above && below).then_some(FlagValue::Float(value))
}

/// Reads `8192`, `1k` (1000), `1K` (1024), `25.6k` as vLLM does (`human_readable_int`): decimal
/// suffixes take fractions, binary ones do not.
pub fn size(text: &str) -> Option<i64> {
    if let Ok(plain) = text.parse::<i64>() {
        return Some(plain);
    }
    let suffix = text.chars().last()?;
    let number = &text[..text.len() - suffix.len_utf8()];
    if !number.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let power = |base: i64, name: char| match name {
        'k' => Some(base),
        'm' => base.checked_pow(2),
        'g' => base.checked_pow(3),
        't' => base.checked_pow(4),
        _ => None,
    };
    let unit = power(
        if suffix.is_ascii_lowercase() {
            1000
        } else {
            1024
        },
        suffix.to_ascii_lowercase(),
    )?;
    if let Ok(whole) = number.parse::<i64>() {
        return whole.checked_mul(unit);
    }
    if suffix.is_ascii_uppercase() {
        return None;
    }
    let (whole, fraction) = number.split_once('.')?;
    let digits = fraction.parse::<u32>().ok().map(i64::from)?;
    if fraction.starts_with('+') {
        return None;
    }
    let places = 10_i64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let part = digits.checked_mul(unit)? / places;
    whole
        .parse::<i64>()
        .ok()?
        .checked_mul(unit)?
        .checked_add(part)
}

/// How a flag with a value is handed to `vllm serve`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rendered {
    Args(Vec<String>),
    /// Nothing is handed over; `why` is a clause for a person (`vLLM has no --no-grpc`).
    LeftOut {
        why: String,
    },
}

/// Turns a flag and its value into arguments: true gives `--FLAG`; false gives `--no-FLAG`
/// where vLLM has that form and nothing where it has not; [`FlagValue::Default`] gives nothing.
/// Of a flag that the table does not know, a boolean is taken for a switch with both forms.
pub fn render(flag: &FlagName, value: &FlagValue) -> Rendered {
    let kind = lookup(flag.as_str()).map(|known| known.kind);
    match (kind, value) {
        (_, FlagValue::Default) => Rendered::LeftOut {
            why: "vLLM's default is asked for".to_owned(),
        },
        (Some(FlagKind::Switch { negatable: false }), FlagValue::Bool(false)) => {
            Rendered::LeftOut {
                why: format!("vLLM has no --no-{flag}; without --{flag} it is off"),
            }
        }
        (None | Some(FlagKind::Switch { .. }), FlagValue::Bool(true)) => {
            Rendered::Args(vec![format!("--{flag}")])
        }
        (None | Some(FlagKind::Switch { .. }), FlagValue::Bool(false)) => {
            Rendered::Args(vec![format!("--no-{flag}")])
        }
        (_, FlagValue::List(values)) => Rendered::Args(
            std::iter::once(format!("--{flag}"))
                .chain(values.iter().cloned())
                .collect(),
        ),
        (_, value) => {
            let value = value.to_string();
            // Python's argument parser takes a separate word that begins with a dash for a flag.
            if value.starts_with('-') {
                Rendered::Args(vec![format!("--{flag}={value}")])
            } else {
                Rendered::Args(vec![format!("--{flag}"), value])
            }
        }
    }
}
