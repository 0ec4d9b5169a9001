//! Where an engine shows its settings: in its metrics, and in the log of its start.

use crate::attest::repr::{assignments, dictionary};
use crate::diagnose::line::read;
use crate::spec::flag::FlagName;

/// One place that shows settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    pub kind: Kind,
    /// How the place is called when it is quoted.
    pub place: &'static str,
    /// Names and values as they are written there.
    pub fields: Vec<(String, String)>,
}

/// What a place proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What the engine decided.
    State,
    /// What it was given.
    Echo,
}

/// Flags that have other names inside the engine. All others are written with `_` for `-`.
const OTHER_NAMES: [(&str, &[&str]); 5] = [
    ("max-model-len", &["max_seq_len"]),
    ("enable-chunked-prefill", &["chunked_prefill_enabled"]),
    ("kv-cache-dtype", &["cache_dtype"]),
    ("device-memory-utilization", &["gpu_memory_utilization"]),
    ("enable-expert-parallel", &["expert_parallel"]),
];

impl Shown {
    /// The field of a flag, with its value; `None` also where the engine had not decided yet.
    pub fn field(&self, flag: &FlagName) -> Option<(&str, &str)> {
        let usual = flag.as_str().replace('-', "_");
        let others = OTHER_NAMES
            .iter()
            .find(|(name, _)| *name == flag.as_str())
            .map_or(&[][..], |(_, names)| *names);
        std::iter::once(usual.as_str())
            .chain(others.iter().copied())
            .find_map(|name| self.fields.iter().find(|(field, _)| field == name))
            .map(|(field, value)| (field.as_str(), value.as_str()))
            .filter(|(_, value)| *value != "None" && !value.is_empty())
    }
}

/// All places of a log and its metrics: state first, the latest state foremost, then echoes.
pub fn shown(log: &str, metrics_text: &str) -> Vec<Shown> {
    let mut places: Vec<Shown> = metrics_text
        .lines()
        .filter_map(|line| line.strip_prefix("vllm:cache_config_info{"))
        .map(|labels| Shown {
            kind: Kind::State,
            place: "/metrics",
            fields: labels_of(labels),
        })
        .collect();
    let lines = read(log);
    let text_after = |marks: &[&str]| {
        // A log of several starts: the last one runs.
        lines.iter().rev().find_map(|line| {
            marks
                .iter()
                .find_map(|mark| line.text.split_once(mark))
                .map(|(_, rest)| rest)
        })
    };
    let config = lines.iter().rev().find_map(|line| {
        let (_, rest) = line.text.split_once("LLM engine")?;
        let (head, config) = rest.split_once("with config:")?;
        // A crash dumps the same words; its fields are the same, too.
        (head.len() < 100).then_some(config)
    });
    if let Some(config) = config {
        // The two forms: pairs after each other, or the whole as `Config(..)`.
        let fields = assignments(config.trim());
        places.push(Shown {
            kind: Kind::State,
            place: "config line",
            fields,
        });
    }
    if let Some(rest) = text_after(&["Chunked prefill is enabled with max_num_batched_tokens="]) {
        let tokens: String = rest.chars().take_while(char::is_ascii_digit).collect();
        let fields = vec![
            ("max_num_batched_tokens".to_owned(), tokens),
            ("enable_chunked_prefill".to_owned(), "True".to_owned()),
        ];
        places.push(Shown {
            kind: Kind::State,
            place: "scheduler line",
            fields,
        });
    }
    if let Some(rest) = text_after(&["Using max model len "]) {
        let length: String = rest.chars().take_while(char::is_ascii_digit).collect();
        let fields = vec![("max_model_len".to_owned(), length)];
        places.push(Shown {
            kind: Kind::State,
            place: "log",
            fields,
        });
    }
    if let Some(rest) = text_after(&["non-default args: "]) {
        let fields = if rest.starts_with('{') {
            dictionary(rest)
        } else {
            namespace(rest)
        };
        places.push(Shown {
            kind: Kind::Echo,
            place: "non-default args",
            fields,
        });
    } else if let Some(rest) = text_after(&["args: Namespace("]) {
        places.push(Shown {
            kind: Kind::Echo,
            place: "args",
            fields: assignments(rest),
        });
    }
    places
}

fn namespace(text: &str) -> Vec<(String, String)> {
    assignments(text.split_once('(').map_or(text, |(_, inner)| inner))
}

/// The labels of a metric: `name="value",..}`.
fn labels_of(text: &str) -> Vec<(String, String)> {
    let mut labels = Vec::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once("=\"") {
        let mut value = String::new();
        let mut chars = after.char_indices();
        let end = loop {
            match chars.next() {
                Some((at, '"')) => break at + 1,
                Some((_, '\\')) => match chars.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, escaped)) => value.push(escaped),
                    None => break after.len(),
                },
                Some((_, c)) => value.push(c),
                None => break after.len(),
            }
        };
        labels.push((name.trim_start_matches([',', ' ']).to_owned(), value));
        rest = &after[end..];
        if rest.starts_with('}') {
            break;
        }
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_with_their_escapes() {
        let labels = labels_of(r#"a="1",b="x\"y\\z",c="[]"} 1.0"#);
        assert_eq!(labels.len(), 3);
        assert_eq!(labels[1], ("b".to_owned(), "x\"y\\z".to_owned()));
        for broken in ["", "a", "a=\"", "a=\"\\", "a=\"1\",b"] {
            labels_of(broken);
        }
    }
}
