//! Flags, values and counts as diagnostics write them: as the user would write them in the file.

use crate::matrix::canonical::{quoted, same_value};
use crate::spec::flag::{FlagName, FlagValue, Knob};
use crate::spec::vllm_flags::short_name;

/// `chunked`, `max-num-seqs`, `env.VLLM_X`.
pub(in crate::matrix) fn knob_text(knob: &Knob) -> String {
    match knob {
        Knob::Flag(name) => short_name(name).to_owned(),
        Knob::Env(_) => knob.to_string(),
    }
}

/// The same for a flag by its long name.
pub(in crate::matrix) fn flag_text(long: &str) -> String {
    short_name(&FlagName(long.to_owned())).to_owned()
}

/// The value as TOML writes it.
pub(in crate::matrix) fn value_text(value: &FlagValue) -> String {
    match value {
        FlagValue::Bool(_) | FlagValue::Int(_) | FlagValue::Float(_) => value.to_string(),
        FlagValue::Text(_) | FlagValue::Default => quoted(&value.to_string()),
        FlagValue::List(texts) => {
            let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
            format!("[{}]", texts.join(", "))
        }
    }
}

/// One value as it is, several as a list: what a `where` takes.
pub(in crate::matrix) fn one_of_text(values: &[FlagValue]) -> String {
    let texts = list_text(values);
    match values {
        [_] => texts,
        _ => format!("[{texts}]"),
    }
}

/// `0.85, 0.9`.
pub(in crate::matrix) fn list_text(values: &[FlagValue]) -> String {
    let texts: Vec<String> = values.iter().map(value_text).collect();
    texts.join(", ")
}

/// `1 cell`, `12 cells`.
pub(in crate::matrix) fn n_cells(count: usize) -> String {
    match count {
        1 => "1 cell".to_owned(),
        _ => format!("{count} cells"),
    }
}

/// Adds a value that is not in the list yet.
pub(in crate::matrix) fn add_distinct(values: &mut Vec<FlagValue>, value: &FlagValue) {
    if !values.iter().any(|known| same_value(known, value)) {
        values.push(value.clone());
    }
}
