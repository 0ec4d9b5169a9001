//! Single values: what a key's [`Shape`] accepts, how it is read, and how an error names what
//! stands there instead.

use std::time::Duration;

use bytesize::ByteSize;
use toml::Spanned;
use toml::de::DeValue;

use crate::measure::metric::WorkloadKind;
use crate::spec::keys::Shape;
use crate::spec::near::nearest;
use crate::spec::scenario::FaultKind;

/// A value of one of the plain shapes.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scalar {
    Text(String),
    Bool(bool),
    Whole(i64),
    Number(f64),
    Bytes(u64),
    Duration(Duration),
}

/// Why a value is not what its key takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mismatch {
    /// What the key takes: goes behind `expected`.
    pub expected: String,
    pub help: Option<String>,
}

impl Mismatch {
    fn new(expected: impl Into<String>) -> Self {
        Self {
            expected: expected.into(),
            help: None,
        }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Reads a value of a plain shape; `None` for the shapes that have a structure of their own.
pub(super) fn scalar(shape: Shape, value: &DeValue<'_>) -> Option<Result<Scalar, Mismatch>> {
    let read = match shape {
        Shape::Text | Shape::File | Shape::Metric | Shape::Condition => text(value),
        Shape::Name { dots } => name(value, dots),
        Shape::EnvName => env_name(value),
        Shape::Bool => boolean(value),
        Shape::Whole { min, max } => whole(value, min, max),
        Shape::Positive => positive(value),
        Shape::Bytes { zero } => bytes(value, zero),
        Shape::Duration => duration(value),
        Shape::Percent => percent(value),
        Shape::Choice(words) => choice(value, words),
        Shape::Kind => kind(value, &WorkloadKind::ALL.map(WorkloadKind::name)),
        Shape::FaultKind => kind(value, &FaultKind::ALL.map(FaultKind::name)),
        Shape::Texts
        | Shape::Anything
        | Shape::Numbers { .. }
        | Shape::Table(_)
        | Shape::Tables(_)
        | Shape::Workloads(_)
        | Shape::Knobs { .. }
        | Shape::Env
        | Shape::Gpus
        | Shape::Ulimits
        | Shape::Faults(_)
        | Shape::Starts => return None,
    };
    Some(read)
}

fn text(value: &DeValue<'_>) -> Result<Scalar, Mismatch> {
    match value.as_str() {
        Some(text) if !text.trim().is_empty() => Ok(Scalar::Text(text.to_owned())),
        Some(_) => Err(Mismatch::new("a text that is not empty")),
        None => Err(Mismatch::new("a text in quotes")),
    }
}

fn name(value: &DeValue<'_>, dots: bool) -> Result<Scalar, Mismatch> {
    let expected = if dots {
        "up to 64 of a-z 0-9 _ . - with a letter or digit first"
    } else {
        "up to 64 of a-z 0-9 _ - with a letter or digit first"
    };
    let Some(text) = value.as_str() else {
        return Err(Mismatch::new("a name in quotes"));
    };
    if is_name(text, dots) {
        return Ok(Scalar::Text(text.to_owned()));
    }
    let mismatch = Mismatch::new(expected);
    let safe = safe_name(text, dots);
    Err(if is_name(&safe, dots) {
        mismatch.help(format!("write \"{safe}\""))
    } else {
        mismatch
    })
}

/// Is it safe as a file name and as a label, and the same on file systems that fold case?
pub(super) fn is_name(text: &str, dots: bool) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.len() <= 64
        && text.starts_with(plain)
        && text
            .chars()
            .all(|c| plain(c) || matches!(c, '_' | '-') || (dots && c == '.'))
}

fn safe_name(text: &str, dots: bool) -> String {
    let safe: String = text
        .to_lowercase()
        .chars()
        .map(|c| {
            let keep = c.is_ascii_alphanumeric() || matches!(c, '_' | '-') || (dots && c == '.');
            if keep { c } else { '-' }
        })
        .collect();
    safe.trim_matches(['-', '.', '_']).to_owned()
}

fn env_name(value: &DeValue<'_>) -> Result<Scalar, Mismatch> {
    match value.as_str() {
        Some(text) if is_env_name(text) => Ok(Scalar::Text(text.to_owned())),
        _ => Err(Mismatch::new("letters, digits and _, no digit first")),
    }
}

pub(super) fn is_env_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn boolean(value: &DeValue<'_>) -> Result<Scalar, Mismatch> {
    let mismatch = Mismatch::new("true or false");
    match value {
        DeValue::Boolean(value) => Ok(Scalar::Bool(*value)),
        DeValue::String(text) => match text.to_lowercase().as_str() {
            "true" | "yes" | "on" => Err(mismatch.help("write true, without quotes")),
            "false" | "no" | "off" => Err(mismatch.help("write false, without quotes")),
            _ => Err(mismatch),
        },
        _ => Err(mismatch),
    }
}

fn whole(value: &DeValue<'_>, min: i64, max: i64) -> Result<Scalar, Mismatch> {
    if let Some(number) = integer(value).filter(|number| (min..=max).contains(number)) {
        return Ok(Scalar::Whole(number));
    }
    let mut expected = format!("a whole number of at least {min}");
    if integer(value).is_some_and(|number| number > max) {
        expected.push_str(&format!(" and at most {max}"));
    }
    let mismatch = Mismatch::new(expected);
    let meant = match value {
        DeValue::Float(number) => float(number.as_str())
            .filter(|number| number.fract() == 0.0)
            .map(|number| number.to_string()),
        DeValue::String(text) => text
            .trim()
            .parse::<i64>()
            .ok()
            .map(|number| number.to_string()),
        _ => None,
    };
    Err(
        match meant
            .and_then(|text| text.parse::<i64>().ok())
            .filter(|n| (min..=max).contains(n))
        {
            Some(number) => mismatch.help(format!("write {number}")),
            None => mismatch,
        },
    )
}

fn positive(value: &DeValue<'_>) -> Result<Scalar, Mismatch> {
    number(value)
        .filter(|number| *number > 0.0)
        .map(Scalar::Number)
        .ok_or_else(|| {
            let mismatch = Mismatch::new("a number above 0");
            match value
                .as_str()
                .and_then(|text| float(text.trim()))
                .filter(|number| *number > 0.0)
            {
                Some(number) => mismatch.help(format!("write {number}")),
                None => mismatch,
            }
        })
}

fn bytes(value: &DeValue<'_>, zero: bool) -> Result<Scalar, Mismatch> {
    let expected = if zero {
        "a size such as \"512MiB\""
    } else {
        "a size above 0, such as \"24GiB\""
    };
    let mismatch = Mismatch::new(expected);
    let text = match value {
        DeValue::String(text) => text.trim(),
        DeValue::Integer(number) if number.radix() == 10 => {
            let help = format!(
                "write the unit: \"{0}GiB\", \"{0}MiB\" or \"{0}B\"",
                number.as_str()
            );
            return Err(mismatch.help(help));
        }
        _ => return Err(mismatch),
    };
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number = &text[..text.len() - unit.len()];
    let unit = unit.trim();
    if number.parse::<f64>().is_err() {
        return Err(mismatch);
    }
    if unit.is_empty() {
        let help = format!("write the unit: \"{number}GiB\", \"{number}MiB\" or \"{number}B\"");
        return Err(mismatch.help(help));
    }
    // Docker reads `8g` as 8 GiB, other tools as 8 GB: the file must say which.
    if unit.len() == 1 && !unit.eq_ignore_ascii_case("b") {
        let letter = unit.to_uppercase();
        let help = format!(
            "write \"{number}{letter}iB\" (what docker means by {unit}) or \"{number}{letter}B\""
        );
        return Err(mismatch.help(help));
    }
    match text.parse::<ByteSize>() {
        // The parser saturates.
        Ok(size) if size.0 == u64::MAX => Err(mismatch),
        Ok(size) if size.0 > 0 || zero => Ok(Scalar::Bytes(size.0)),
        Ok(_) => Err(mismatch),
        Err(_) => {
            Err(mismatch.help("units are KiB, MiB, GiB, TiB (1024) and kB, MB, GB, TB (1000)"))
        }
    }
}

fn duration(value: &DeValue<'_>) -> Result<Scalar, Mismatch> {
    let mismatch = Mismatch::new("a time above 0, such as \"90s\", \"20m\" or \"8h\"");
    match value {
        DeValue::String(text) => match humantime::parse_duration(text.trim()) {
            Ok(duration) if !duration.is_zero() => Ok(Scalar::Duration(duration)),
            _ => Err(mismatch),
        },
        DeValue::Integer(number) if number.radix() == 10 => Err(mismatch.help(format!(
            "write the unit: \"{0}s\", \"{0}m\" or \"{0}h\"",
            number.as_str()
        ))),
        _ => Err(mismatch),
    }
}

fn percent(value: &DeValue<'_>) -> Result<Scalar, Mismatch> {
    let mismatch = Mismatch::new("a percentage of at least 0 and below 100, such as \"2%\"");
    match value {
        DeValue::String(text) => text
            .trim()
            .strip_suffix('%')
            .and_then(|number| number.trim().parse::<f64>().ok())
            .filter(|percent| (0.0..100.0).contains(percent))
            .map(|percent| Scalar::Number(percent / 100.0))
            .ok_or(mismatch),
        _ => Err(match number(value) {
            Some(share) if share > 0.0 && share < 1.0 => {
                mismatch.help(format!("write \"{}%\"", round(share * 100.0)))
            }
            Some(percent) if (1.0..100.0).contains(&percent) => {
                mismatch.help(format!("write \"{percent}%\""))
            }
            _ => mismatch,
        }),
    }
}

/// A product of floats as a person would write it.
fn round(number: f64) -> f64 {
    (number * 1e9).round() / 1e9
}

fn choice(value: &DeValue<'_>, words: &[&str]) -> Result<Scalar, Mismatch> {
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    let mismatch = Mismatch::new(quoted.join(" or "));
    match value.as_str() {
        Some(text) if words.contains(&text) => Ok(Scalar::Text(text.to_owned())),
        // A beginning (`0.11`) is meant before a word that only looks alike.
        Some(text) => Err(
            match words
                .iter()
                .copied()
                .find(|word| !text.is_empty() && word.starts_with(text))
                .or_else(|| nearest(text, words.iter().copied()))
            {
                Some(near) => mismatch.help(format!("did you mean \"{near}\"?")),
                None => mismatch,
            },
        ),
        None => Err(mismatch),
    }
}

fn kind(value: &DeValue<'_>, names: &[&str]) -> Result<Scalar, Mismatch> {
    choice(value, names).map_err(|mismatch| Mismatch {
        expected: format!("a kind of this version: {}", names.join(", ")),
        ..mismatch
    })
}

/// A whole number that fits into 64 bits.
pub(super) fn integer(value: &DeValue<'_>) -> Option<i64> {
    match value {
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok(),
        _ => None,
    }
}

/// A finite number, written whole or not.
pub(super) fn number(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Float(number) => float(number.as_str()),
        _ => integer(value).map(|number| number as f64),
    }
}

/// A finite number.
pub(super) fn float(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

/// What stands in the file, short enough for a message.
pub(super) fn shown(source: &str, value: &Spanned<DeValue<'_>>) -> String {
    match value.get_ref() {
        DeValue::Table(_) => "a table".to_owned(),
        DeValue::Array(items) if items.is_empty() => "an empty list".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        _ => {
            let text = source.get(value.span()).unwrap_or_default();
            let line = text.lines().next().unwrap_or_default();
            if line.chars().count() > 60 || line.len() < text.len() {
                format!("{}…", line.chars().take(60).collect::<String>())
            } else {
                line.to_owned()
            }
        }
    }
}
