//! Is what the engine shows what it was asked for? By type and by what vLLM means with a value,
//! not by its letters: `0.9` is `"0.90"`, `8K` is `8192`, `half` is `torch.float16`.

use crate::attest::repr::{list, unquoted};
use crate::spec::flag::{FlagName, FlagValue};
use crate::spec::vllm_flags::size;

/// How a value that is shown stands to the one that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    Same,
    Different,
    /// The engine was left to decide, and this is what it decided.
    Resolved,
    /// They are written in forms that cannot be held against each other.
    Unreadable,
}

/// Numbers that differ by less than this share are one number, written twice.
const ROUNDING: f64 = 1e-9;

/// Names that mean the same to vLLM.
const SYNONYMS: [(&str, &str); 4] = [
    ("half", "float16"),
    ("float", "float32"),
    ("fp8_e4m3", "fp8"),
    ("bfloat", "bfloat16"),
];

/// Compares a value that was asked for with one as the engine writes it.
pub fn compare(flag: &FlagName, asked: &FlagValue, found: &str) -> Match {
    let found = found.trim();
    match asked {
        FlagValue::Default => Match::Resolved,
        FlagValue::Bool(wanted) => match truth(unquoted(found)) {
            Some(is) => same_if(is == *wanted),
            None => Match::Unreadable,
        },
        // vLLM's own mark for "as much as fits".
        FlagValue::Int(-1) if flag.as_str() == "max-model-len" => Match::Resolved,
        FlagValue::Int(wanted) => number(*wanted as f64, found),
        FlagValue::Float(wanted) => number(*wanted, found),
        FlagValue::Text(wanted) => text(flag, wanted, found),
        FlagValue::List(wanted) => words(wanted, found),
    }
}

fn same_if(same: bool) -> Match {
    if same { Match::Same } else { Match::Different }
}

fn truth(text: &str) -> Option<bool> {
    match text {
        "True" | "true" => Some(true),
        "False" | "false" => Some(false),
        _ => None,
    }
}

fn as_number(text: &str) -> Option<f64> {
    let plain: Option<f64> = text.parse().ok().filter(|number: &f64| number.is_finite());
    plain.or_else(|| size(text).map(|whole| whole as f64))
}

fn number(wanted: f64, found: &str) -> Match {
    match as_number(unquoted(found)) {
        Some(is) => same_if((is - wanted).abs() <= ROUNDING * wanted.abs().max(is.abs())),
        None => Match::Unreadable,
    }
}

fn text(flag: &FlagName, wanted: &str, found: &str) -> Match {
    let bare = unquoted(found);
    if wanted == bare {
        return Match::Same;
    }
    if wanted == "auto" {
        return Match::Resolved;
    }
    let is_structure = |text: &str| text.contains(['{', '(', '<']);
    if is_structure(wanted) || is_structure(found) {
        return Match::Unreadable;
    }
    if let (Some(wanted), Some(is)) = (truth(wanted), truth(bare)) {
        return same_if(wanted == is);
    }
    if let Some(wanted) = as_number(wanted) {
        return number(wanted, found);
    }
    if let Some(elements) = list(found) {
        return same_if(elements == [wanted]);
    }
    let meaning = normal(bare);
    let same = meaning == normal(wanted)
        // vLLM names the kernel that it chose for the method (`marlin` becomes `awq_marlin`).
        || (flag.as_str() == "quantization" && meaning.ends_with(&format!("_{}", normal(wanted))));
    same_if(same)
}

/// Without the class in front of an enumeration's or torch's name, in one spelling.
fn normal(text: &str) -> String {
    let is_path = text.contains('/');
    let name = if is_path {
        text
    } else {
        text.rsplit('.').next().unwrap_or(text)
    };
    let name = name.to_ascii_lowercase().replace('-', "_");
    SYNONYMS
        .iter()
        .find(|(synonym, _)| *synonym == name)
        .map_or(name, |(_, usual)| (*usual).to_owned())
}

fn words(wanted: &[String], found: &str) -> Match {
    match list(found) {
        Some(elements) => same_if(elements == wanted),
        // The config line shows the first of several names.
        None => match wanted.first() {
            Some(first) => same_if(first == unquoted(found)),
            None => Match::Unreadable,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(flag: &str, asked: FlagValue, found: &str) -> Match {
        compare(&FlagName(flag.to_owned()), &asked, found)
    }

    fn worded(text: &str) -> FlagValue {
        FlagValue::Text(text.to_owned())
    }

    #[test]
    fn values_are_compared_by_meaning() {
        let cases = [
            (
                "gpu-memory-utilization",
                FlagValue::Float(0.9),
                "0.90",
                Match::Same,
            ),
            (
                "gpu-memory-utilization",
                FlagValue::Float(0.9),
                "'0.9'",
                Match::Same,
            ),
            (
                "gpu-memory-utilization",
                FlagValue::Int(1),
                "1.0",
                Match::Same,
            ),
            (
                "gpu-memory-utilization",
                FlagValue::Float(0.9),
                "0.92",
                Match::Different,
            ),
            (
                "enable-prefix-caching",
                FlagValue::Bool(true),
                "True",
                Match::Same,
            ),
            (
                "enable-prefix-caching",
                FlagValue::Bool(false),
                "true",
                Match::Different,
            ),
            (
                "enable-prefix-caching",
                FlagValue::Bool(false),
                "maybe",
                Match::Unreadable,
            ),
            ("max-model-len", worded("8K"), "8192", Match::Same),
            ("max-model-len", worded("8k"), "8000", Match::Same),
            ("max-model-len", worded("8k"), "8192", Match::Different),
            ("max-model-len", FlagValue::Int(-1), "8192", Match::Resolved),
            ("max-model-len", worded("auto"), "8192", Match::Resolved),
            (
                "kv-cache-memory-bytes",
                worded("100M"),
                "104857600",
                Match::Same,
            ),
            ("dtype", worded("half"), "torch.float16", Match::Same),
            ("dtype", worded("auto"), "torch.bfloat16", Match::Resolved),
            (
                "dtype",
                worded("bfloat16"),
                "torch.float16",
                Match::Different,
            ),
            ("kv-cache-dtype", worded("fp8"), "fp8_e4m3", Match::Same),
            ("kv-cache-dtype", worded("fp8"), "auto", Match::Different),
            (
                "load-format",
                worded("safetensors"),
                "LoadFormat.SAFETENSORS",
                Match::Same,
            ),
            ("quantization", worded("marlin"), "awq_marlin", Match::Same),
            ("quantization", worded("awq"), "gptq", Match::Different),
            ("served-model-name", worded("tiny"), "['tiny']", Match::Same),
            (
                "served-model-name",
                FlagValue::List(vec!["a".into(), "b".into()]),
                "a",
                Match::Same,
            ),
            (
                "served-model-name",
                FlagValue::List(vec!["a".into()]),
                "['a', 'b']",
                Match::Different,
            ),
            (
                "compilation-config",
                worded("{\"level\": 3}"),
                "{'level': 3}",
                Match::Unreadable,
            ),
            ("max-num-seqs", FlagValue::Default, "256", Match::Resolved),
            ("tokenizer", worded("/m/v1.5"), "'/m/v1.5'", Match::Same),
            (
                "tokenizer",
                worded("/m/v1.5"),
                "'/n/v2.5'",
                Match::Different,
            ),
        ];
        for (flag, asked, found, expected) in cases {
            assert_eq!(
                of(flag, asked.clone(), found),
                expected,
                "{flag} {asked} {found}"
            );
        }
    }
}
