//! Names for cells that the file does not name: made of the values that vary, short, and safe
//! as a file name, a container name and a label.

use crate::id::CellId;
use crate::spec::flag::{FlagValue, Knob};
use crate::spec::vllm_flags::short_name;

/// Longest name that is made; a longer one is cut and told apart by its id.
const NAME_CHARS: usize = 80;
/// Longest part that one value has in a name.
const VALUE_CHARS: usize = 24;

/// `gpu-mem-0.85_chunked-on_prefix-off`: short name and value of each coordinate given.
pub(in crate::matrix) fn made_of<'a>(
    coordinates: impl Iterator<Item = (&'a Knob, &'a FlagValue)>,
    id: &CellId,
) -> String {
    let parts: Vec<String> = coordinates
        .map(|(knob, value)| {
            let knob = match knob {
                Knob::Flag(flag) => short_name(flag),
                Knob::Env(name) => name,
            };
            format!(
                "{}-{}",
                safe(knob, NAME_CHARS),
                safe(&word(value), VALUE_CHARS)
            )
        })
        .collect();
    let name = parts.join("_");
    if name.is_empty() {
        "base".to_owned()
    } else if name.len() > NAME_CHARS {
        told_apart(&name[..NAME_CHARS], id)
    } else {
        name
    }
}

/// A name that another cell has already, with the front of this cell's id.
pub(in crate::matrix) fn told_apart(name: &str, id: &CellId) -> String {
    format!("{}_{id}", name.trim_end_matches(['-', '_', '.']))
}

/// How people speak of a value: `on`, `0.85`, `fp8`.
pub(in crate::matrix) fn word(value: &FlagValue) -> String {
    match value {
        FlagValue::Bool(true) => "on".to_owned(),
        FlagValue::Bool(false) => "off".to_owned(),
        FlagValue::Default => "default".to_owned(),
        FlagValue::List(texts) => texts.join("."),
        FlagValue::Int(_) | FlagValue::Float(_) | FlagValue::Text(_) => value.to_string(),
    }
}

fn safe(text: &str, longest: usize) -> String {
    text.chars()
        .take(longest)
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') {
                c
            } else {
                '-'
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::flag::FlagName;

    fn name(coordinates: &[(&str, FlagValue)]) -> String {
        let owned: Vec<(Knob, FlagValue)> = coordinates
            .iter()
            .map(|(flag, value)| (Knob::Flag(FlagName((*flag).to_owned())), value.clone()))
            .collect();
        made_of(
            owned.iter().map(|(knob, value)| (knob, value)),
            &CellId::of("x"),
        )
    }

    #[test]
    fn names_are_short_and_safe() {
        assert_eq!(
            name(&[
                ("gpu-memory-utilization", FlagValue::Float(0.85)),
                ("enable-chunked-prefill", FlagValue::Bool(true)),
                ("enable-prefix-caching", FlagValue::Bool(false)),
                ("kv-cache-dtype", FlagValue::Default),
            ]),
            "gpu-mem-0.85_chunked-on_prefix-off_kv-cache-dtype-default"
        );
        assert_eq!(
            name(&[(
                "quantization",
                FlagValue::Text("../a b/é\u{1b}[".to_owned())
            )]),
            "quantization-..-a-b----"
        );
        assert_eq!(name(&[]), "base");
        let long = name(&[
            ("compilation-config", FlagValue::Text("x".repeat(100))),
            ("speculative-config", FlagValue::Text("y".repeat(100))),
        ]);
        assert_eq!(long.len(), NAME_CHARS + 1 + 12);
        assert!(long.ends_with("_2d711642b726"));
    }
}
