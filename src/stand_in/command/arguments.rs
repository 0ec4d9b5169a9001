//! The command line, read as `vllm serve` reads it: which flags were given with which values,
//! or the words in which Python's argument parser refuses them (exit code 2).
//!
//! What the values mean together is `settings`' business.

use std::path::PathBuf;

use crate::spec::flag::{FlagName, FlagValue};
use crate::spec::profile::StandInProfile;
use crate::spec::vllm_flags::{FlagKind, KnownFlag, lookup, negated, short_name, size};
use crate::stand_in::command::numbers::{self, EXIT_WITH_STDIN, PREFIX, Refused, SPEED};
use crate::stand_in::scenario::start::Start;
use crate::time_scale::TimeScale;

/// What the engine was started with.
#[derive(Debug, Clone, PartialEq)]
pub struct Arguments {
    pub model: String,
    /// In the order of the command line, each with a value of its kind; of a flag given twice
    /// the last counts.
    pub given: Vec<(&'static KnownFlag, FlagValue)>,
    pub numbers: StandInProfile,
    /// How fast its time runs.
    pub speed: TimeScale,
    pub stdin: StdinEnd,
    /// The file that says how the engine is to fail.
    pub scenario: Option<PathBuf>,
    pub start: Start,
}

/// What the end of standard input means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StdinEnd {
    Ignored,
    EndsTheEngine,
}

/// A command line that argparse refuses. Displays as the last line that vLLM then prints.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    #[error("vllm: error: unrecognized arguments: {words}")]
    Unrecognized { words: String },
    #[error("vllm serve: error: argument {flag}: {complaint}")]
    Value { flag: String, complaint: String },
}

impl UsageError {
    /// The `usage:` lines above the error.
    pub fn usage(&self) -> &'static str {
        match self {
            Self::Unrecognized { .. } => {
                "usage: vllm [-h] [-v]\n            {chat,complete,serve,launch,bench,collect-env,\
                 download-kernels,preload,run-batch,snapshot}\n            ..."
            }
            Self::Value { .. } => "usage: vllm serve [model_tag] [options]",
        }
    }
}

/// Names the file that says how the engine is to fail.
const SCENARIO: &str = "scenario";
/// Says whose start it is, and the how-manyth: `CELL-NUMBER`, or the number alone.
const START: &str = "stand-in-start";

/// What vLLM serves when it is told no model.
const DEFAULT_MODEL: &str = "Qwen/Qwen3-0.6B";

impl Arguments {
    /// Reads `MODEL --flag value --flag=value --switch --no-switch ...`.
    pub fn parse(words: &[String]) -> Result<Self, UsageError> {
        let mut read = Self {
            model: String::new(),
            given: Vec::new(),
            numbers: numbers::defaults(),
            speed: TimeScale::ONE,
            stdin: StdinEnd::Ignored,
            scenario: None,
            start: Start::default(),
        };
        let mut unknown: Vec<&str> = Vec::new();
        let mut rest = words.iter().map(String::as_str).peekable();
        let mut after_unknown = false;
        while let Some(word) = rest.next() {
            let Some(flag) = word.strip_prefix("--") else {
                if read.model.is_empty() && !after_unknown {
                    read.model = word.to_owned();
                } else {
                    unknown.push(word);
                }
                continue;
            };
            let (name, inline) = match flag.split_once('=') {
                Some((name, value)) => (name.replace('_', "-"), Some(value)),
                None => (flag.replace('_', "-"), None),
            };
            after_unknown = false;
            if word == EXIT_WITH_STDIN {
                read.stdin = StdinEnd::EndsTheEngine;
            } else if name == SPEED {
                let value = inline.or_else(|| rest.next()).unwrap_or_default();
                read.speed = value.parse().map_err(|error| UsageError::Value {
                    flag: format!("--{SPEED}"),
                    complaint: format!("invalid value: '{value}' ({error})"),
                })?;
            } else if name == SCENARIO {
                let value = inline.or_else(|| rest.next());
                let path = value.ok_or_else(|| UsageError::Value {
                    flag: format!("--{SCENARIO}"),
                    complaint: "expected one argument".to_owned(),
                })?;
                read.scenario = Some(path.into());
            } else if name == START {
                let value = inline.or_else(|| rest.next()).unwrap_or_default();
                read.start = value
                    .parse()
                    .map_err(|()| invalid(&name, "CELL-NUMBER", value))?;
            } else if let Some(number) = name.strip_prefix(PREFIX) {
                let value = inline.or_else(|| rest.next()).unwrap_or_default();
                match numbers::set(&mut read.numbers, number, value) {
                    Ok(()) => {}
                    Err(Refused::UnknownName) => unknown.push(word),
                    Err(Refused::BadValue(what)) => return Err(invalid(&name, what, value)),
                    Err(Refused::NotAmong(words)) => {
                        return Err(UsageError::Value {
                            flag: format!("--{name}"),
                            complaint: not_among(value, words),
                        });
                    }
                }
            } else if let Some(known) = vllm_knows(&name) {
                let mut values: Vec<&str> = inline.into_iter().collect();
                if inline.is_none() {
                    let most = match known.kind {
                        FlagKind::Switch { .. } => 0,
                        FlagKind::List => usize::MAX,
                        _ => 1,
                    };
                    while values.len() < most
                        && let Some(value) = rest.next_if(|next| !is_flag(next))
                    {
                        values.push(value);
                    }
                }
                read.give(known, value_of(known, &values)?);
            } else if let (Some(known), None) = (negated(&name), inline) {
                read.give(known, FlagValue::Bool(false));
            } else {
                unknown.push(word);
                after_unknown = true;
            }
        }
        if unknown.is_empty() {
            if read.model.is_empty() {
                read.model = DEFAULT_MODEL.to_owned();
            }
            Ok(read)
        } else {
            Err(UsageError::Unrecognized {
                words: unknown.join(" "),
            })
        }
    }

    fn give(&mut self, flag: &'static KnownFlag, value: FlagValue) {
        self.given.retain(|(given, _)| given.name != flag.name);
        self.given.push((flag, value));
    }

    /// The value given for a flag (by its long name), if it was given.
    pub fn get(&self, name: &str) -> Option<&FlagValue> {
        self.given
            .iter()
            .find(|(flag, _)| flag.name == name)
            .map(|(_, value)| value)
    }
}

/// Finds a flag as vLLM spells it; gridrun's short names mean nothing to an engine.
fn vllm_knows(name: &str) -> Option<&'static KnownFlag> {
    lookup(name)
        .filter(|flag| name == flag.name || name != short_name(&FlagName(flag.name.to_owned())))
}

/// Negative numbers are values, everything else with a dash in front is a flag.
fn is_flag(word: &str) -> bool {
    word.starts_with('-') && word.parse::<f64>().is_err()
}

fn value_of(flag: &KnownFlag, values: &[&str]) -> Result<FlagValue, UsageError> {
    let complain = |complaint: String| UsageError::Value {
        flag: spelling(flag),
        complaint,
    };
    let value = match (flag.kind, values.first().copied()) {
        (FlagKind::Switch { .. }, None) => return Ok(FlagValue::Bool(true)),
        (FlagKind::List, None) => {
            return Err(complain("expected at least one argument".to_owned()));
        }
        (_, None) => return Err(complain("expected one argument".to_owned())),
        (_, Some(value)) => value,
    };
    let invalid = |kind: &str| complain(format!("invalid {kind} value: '{value}'"));
    match flag.kind {
        FlagKind::Switch { .. } => Err(complain(format!("ignored explicit argument '{value}'"))),
        FlagKind::Int { .. } => value
            .parse()
            .map(FlagValue::Int)
            .map_err(|_| invalid("int")),
        FlagKind::Size { auto: true, .. }
            if value == "-1" || value.eq_ignore_ascii_case("auto") =>
        {
            Ok(FlagValue::Int(-1))
        }
        FlagKind::Size { auto, .. } => size(value).map(FlagValue::Int).ok_or_else(|| {
            invalid(if auto {
                "human_readable_int_or_auto"
            } else {
                "human_readable_int"
            })
        }),
        FlagKind::Float { .. } => value
            .parse()
            .map(FlagValue::Float)
            .map_err(|_| invalid("float")),
        FlagKind::Choice(choices) => {
            if choices.contains(&value) {
                return Ok(FlagValue::Text(value.to_owned()));
            }
            Err(complain(not_among(value, choices)))
        }
        FlagKind::Text => Ok(FlagValue::Text(value.to_owned())),
        FlagKind::List => Ok(FlagValue::List(
            values.iter().map(|value| (*value).to_owned()).collect(),
        )),
    }
}

/// All of vLLM's spellings of a flag, as argparse names it in a complaint.
fn spelling(flag: &KnownFlag) -> String {
    let short = FlagName(flag.name.to_owned());
    let short = short_name(&short);
    std::iter::once(flag.name)
        .chain(flag.aliases.iter().copied().filter(|alias| *alias != short))
        .map(|name| {
            if name.len() <= 3 {
                format!("-{name}")
            } else {
                format!("--{name}")
            }
        })
        .collect::<Vec<_>>()
        .join("/")
}

fn not_among(value: &str, choices: &[&str]) -> String {
    let listed: Vec<String> = choices.iter().map(|choice| format!("'{choice}'")).collect();
    let listed = listed.join(", ");
    format!("invalid choice: '{value}' (choose from {listed})")
}

fn invalid(name: &str, what: &str, value: &str) -> UsageError {
    UsageError::Value {
        flag: format!("--{name}"),
        complaint: format!("invalid {what} value: '{value}'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, UsageError> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Arguments::parse(&words)
    }

    fn refusal(line: &str) -> String {
        parse(line).unwrap_err().to_string()
    }

    #[test]
    fn flags_are_read_in_every_form() {
        let read = parse(
            "some/model --max-num-seqs 32 --gpu_memory_utilization=0.9 --no-enable-prefix-caching \
             --enable-chunked-prefill --served-model-name a b --max-model-len 8K --seed -3",
        )
        .unwrap();
        assert_eq!(read.model, "some/model");
        assert_eq!(read.get("max-num-seqs"), Some(&FlagValue::Int(32)));
        assert_eq!(
            read.get("gpu-memory-utilization"),
            Some(&FlagValue::Float(0.9))
        );
        assert_eq!(
            read.get("enable-prefix-caching"),
            Some(&FlagValue::Bool(false))
        );
        assert_eq!(
            read.get("enable-chunked-prefill"),
            Some(&FlagValue::Bool(true))
        );
        let names = FlagValue::List(vec!["a".to_owned(), "b".to_owned()]);
        assert_eq!(read.get("served-model-name"), Some(&names));
        assert_eq!(read.get("max-model-len"), Some(&FlagValue::Int(8192)));
        assert_eq!(read.get("seed"), Some(&FlagValue::Int(-3)));
        assert_eq!(read.get("port"), None);
    }

    #[test]
    fn of_a_flag_given_twice_the_last_counts() {
        let read = parse("m --max-num-seqs 1 --max-num-seqs 2").unwrap();
        assert_eq!(read.given.len(), 1);
        assert_eq!(read.get("max-num-seqs"), Some(&FlagValue::Int(2)));
    }

    #[test]
    fn the_stand_ins_own_options_are_read() {
        let read =
            parse("m --stand-in-weights 1GiB --stand-in-start-up=5ms --stand-in-exit-with-stdin --speed 2.5")
                .unwrap();
        assert_eq!(read.numbers.weights, 1 << 30);
        assert_eq!(read.numbers.start_up.as_millis(), 5);
        assert_eq!(read.stdin, StdinEnd::EndsTheEngine);
        assert_eq!(read.speed, TimeScale::new(2.5).unwrap());
        assert_eq!(parse("m").unwrap().speed, TimeScale::ONE);
    }

    #[test]
    fn a_scenario_and_the_number_of_the_start_are_read() {
        let read = parse("m --scenario bad.toml --stand-in-start=0b8f1cca5537-2").unwrap();
        assert_eq!(read.scenario, Some(PathBuf::from("bad.toml")));
        assert_eq!(read.start, "0b8f1cca5537-2".parse().unwrap());
        assert_eq!(parse("m").unwrap().start.number, 1);
        assert_eq!(
            refusal("m --scenario"),
            "vllm serve: error: argument --scenario: expected one argument"
        );
        assert_eq!(
            refusal("m --stand-in-start=x"),
            "vllm serve: error: argument --stand-in-start: invalid CELL-NUMBER value: 'x'"
        );
    }

    #[test]
    fn refusals_are_in_the_words_of_argparse() {
        for (line, words) in [
            (
                "m --no-such-flag 3",
                "vllm: error: unrecognized arguments: --no-such-flag 3",
            ),
            (
                "m --gpu-mem 0.9",
                "vllm: error: unrecognized arguments: --gpu-mem 0.9",
            ),
            ("m other", "vllm: error: unrecognized arguments: other"),
            (
                "m --max-num-seqs abc",
                "vllm serve: error: argument --max-num-seqs: invalid int value: 'abc'",
            ),
            (
                "m --max-num-seqs",
                "vllm serve: error: argument --max-num-seqs: expected one argument",
            ),
            (
                "m --max-model-len 1.5K",
                "vllm serve: error: argument --max-model-len: invalid human_readable_int_or_auto value: '1.5K'",
            ),
            (
                "m --gpu-memory-utilization high",
                "vllm serve: error: argument --gpu-memory-utilization/--device-memory-utilization: \
                 invalid float value: 'high'",
            ),
            (
                "m --kv-cache-dtype fp7",
                "vllm serve: error: argument --kv-cache-dtype: invalid choice: 'fp7' (choose from \
                 'auto', 'bfloat16', 'float16', 'fp8', 'fp8_ds_mla', 'fp8_e4m3', 'fp8_e5m2', \
                 'fp8_inc', 'fp8_per_token_head', 'int4_per_token_head', 'int8_per_token_head', \
                 'nvfp4', 'nvfp4_4over6', 'nvfp4_ds_mla', 'turboquant_3bit_nc', \
                 'turboquant_4bit_nc', 'turboquant_k3v4_nc', 'turboquant_k8v4', 'ultraquant_4bit')",
            ),
            (
                "m --stand-in-version 0.32",
                "vllm serve: error: argument --stand-in-version: invalid choice: '0.32' (choose \
                 from '0.6.4', '0.8.5', '0.9.2', '0.10.1', '0.11.0', '0.18.0', '0.32.0')",
            ),
            (
                "m --stand-in-weights big",
                "vllm serve: error: argument --stand-in-weights: invalid size value: 'big'",
            ),
            (
                "m --speed 0.5",
                "vllm serve: error: argument --speed: invalid value: '0.5' (a speed is a number from \
                 1 to 1000)",
            ),
            (
                "m --speed",
                "vllm serve: error: argument --speed: invalid value: '' (a speed is a number from 1 \
                 to 1000)",
            ),
        ] {
            assert_eq!(refusal(line), words);
        }
    }
}
