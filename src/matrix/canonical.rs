//! The canonical form of an engine's input: equal text, equal engine.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::id::CellId;
use crate::matrix::cell::Setting;
use crate::spec::flag::{FlagName, FlagValue};
use crate::spec::vllm_flags::{Rendered, render};

/// The canonical text of what an engine is given, one line each, every line ended:
///
/// ```text
/// flag NAME VALUE        long names, in byte order
/// env NAME VALUE         varied variables, in byte order
/// memory BYTES           only where the cell has a limit of its own
/// ```
///
/// A value is written in its shortest form: `true`, `32`, `0.9` (a whole float without its
/// fraction: `1`), a text or a list of texts as JSON writes it (`"fp8"`, `["a","b"]`). The value
/// of a variable is always a text. A flag that is not handed over (its value is the default, or
/// it is a false switch without a `--no-` form) has no line. Image, model, port, paths, keys
/// and GPU ids are no part of it.
pub fn canonical(
    flags: &BTreeMap<FlagName, Setting>,
    env: &BTreeMap<String, Setting>,
    memory: Option<u64>,
) -> String {
    let mut text = String::new();
    let mut line = |line: std::fmt::Arguments<'_>| {
        text.write_fmt(line).expect("writing to a string succeeds");
    };
    for (name, setting) in flags {
        if let Rendered::Args(_) = render(name, &setting.value) {
            line(format_args!("flag {name} {}\n", shortest(&setting.value)));
        }
    }
    for (name, setting) in env {
        if setting.value != FlagValue::Default {
            line(format_args!(
                "env {name} {}\n",
                quoted(&setting.value.to_string())
            ));
        }
    }
    if let Some(bytes) = memory {
        line(format_args!("memory {bytes}\n"));
    }
    text
}

/// The id of a cell with this input.
pub fn cell_id(
    flags: &BTreeMap<FlagName, Setting>,
    env: &BTreeMap<String, Setting>,
    memory: Option<u64>,
) -> CellId {
    CellId::of(&canonical(flags, env, memory))
}

/// Whether two values are the same to an engine.
pub(in crate::matrix) fn same_value(a: &FlagValue, b: &FlagValue) -> bool {
    shortest(a) == shortest(b)
}

fn shortest(value: &FlagValue) -> String {
    match value {
        FlagValue::Bool(_) | FlagValue::Int(_) | FlagValue::Float(_) | FlagValue::Default => {
            value.to_string()
        }
        FlagValue::Text(text) => quoted(text),
        FlagValue::List(texts) => {
            let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
            format!("[{}]", texts.join(","))
        }
    }
}

/// A text as JSON writes it, which TOML reads as well; that keeps line ends and quotes from being
/// mistaken for structure.
pub(in crate::matrix) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::cell::SetBy;

    fn setting(value: FlagValue) -> Setting {
        Setting {
            value,
            by: SetBy::Axis,
        }
    }

    fn flags(pairs: &[(&str, FlagValue)]) -> BTreeMap<FlagName, Setting> {
        pairs
            .iter()
            .map(|(name, value)| (FlagName((*name).to_owned()), setting(value.clone())))
            .collect()
    }

    #[test]
    fn the_canonical_text_is_sorted_typed_and_short() {
        let flags = flags(&[
            ("max-num-seqs", FlagValue::Int(32)),
            ("enable-prefix-caching", FlagValue::Bool(false)),
            ("gpu-memory-utilization", FlagValue::Float(0.90)),
            ("cpu-offload-gb", FlagValue::Float(1.0)),
            ("kv-cache-dtype", FlagValue::Text("fp8".to_owned())),
            (
                "served-model-name",
                FlagValue::List(vec!["a".to_owned(), "b\"".to_owned()]),
            ),
            ("tool-call-parser", FlagValue::Default),
            ("grpc", FlagValue::Bool(false)),
        ]);
        let env = BTreeMap::from([
            ("B".to_owned(), setting(FlagValue::Int(1))),
            (
                "A".to_owned(),
                setting(FlagValue::Text("x\nmemory 1".to_owned())),
            ),
            ("C".to_owned(), setting(FlagValue::Default)),
        ]);
        assert_eq!(
            canonical(&flags, &env, Some(1024)),
            "flag cpu-offload-gb 1\n\
             flag enable-prefix-caching false\n\
             flag gpu-memory-utilization 0.9\n\
             flag kv-cache-dtype \"fp8\"\n\
             flag max-num-seqs 32\n\
             flag served-model-name [\"a\",\"b\\\"\"]\n\
             env A \"x\\nmemory 1\"\n\
             env B \"1\"\n\
             memory 1024\n"
        );
        assert_eq!(canonical(&BTreeMap::new(), &BTreeMap::new(), None), "");
    }

    #[test]
    fn off_and_default_are_two_inputs_where_vllm_has_both() {
        let with = |value| {
            cell_id(
                &flags(&[("enable-prefix-caching", value)]),
                &BTreeMap::new(),
                None,
            )
        };
        assert_ne!(with(FlagValue::Bool(false)), with(FlagValue::Default));
        let without_form = |value| cell_id(&flags(&[("grpc", value)]), &BTreeMap::new(), None);
        assert_eq!(
            without_form(FlagValue::Bool(false)),
            without_form(FlagValue::Default)
        );
    }
}
