//! Advice can be acted on: what stands between backticks as `name = value`, and every section
//! behind the sentence, is TOML that a profile or an experiment takes. Over all stored logs.

use std::path::Path;

use crate::diagnose::tests::{cases, compact, logs, run};
use crate::spec::flag::FlagValue;
use crate::spec::keys;
use crate::spec::vllm_flags;

/// What is wrong with a piece of advice as something to paste.
fn complaint(advice: &str) -> Option<String> {
    let (sentence, section) = match advice.split_once("\n[[") {
        Some((sentence, section)) => (sentence, Some(format!("[[{section}"))),
        None => (advice, None),
    };
    if !sentence.matches('`').count().is_multiple_of(2) {
        return Some("a backtick is open".to_owned());
    }
    let wrong = sentence
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|code| code.contains(" = "))
        .find_map(|code| {
            assignments(code)
                .err()
                .map(|why| format!("`{code}`: {why}"))
        });
    wrong.or_else(|| {
        let section = section?;
        let table: toml::Table = match toml::from_str(&section) {
            Ok(table) => table,
            Err(error) => return Some(error.to_string()),
        };
        let when = table.get("when")?.as_array()?.first()?.as_table()?;
        ["where", "set"]
            .into_iter()
            .find_map(|part| match when.get(part) {
                Some(toml::Value::Table(flags)) => {
                    let wrong = flags
                        .iter()
                        .find_map(|(name, value)| flag(name, value).err());
                    wrong.map(|why| format!("{part}: {why}"))
                }
                other => Some(format!("{part} is {other:?}")),
            })
    })
}

fn assignments(code: &str) -> Result<(), String> {
    let table: toml::Table = toml::from_str(code).map_err(|error| error.to_string())?;
    for (name, value) in &table {
        let is_variable = name
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
            || name.starts_with("RAY_");
        let is_of_engine = keys::ENGINE.iter().any(|key| key.name == name);
        if is_variable || is_of_engine {
            continue;
        }
        flag(name, value)?;
    }
    Ok(())
}

/// A flag that vLLM has, with a value that it takes.
fn flag(name: &str, value: &toml::Value) -> Result<(), String> {
    let known = vllm_flags::lookup(name).ok_or_else(|| format!("no flag `{name}`"))?;
    let value = match value {
        toml::Value::Boolean(value) => FlagValue::Bool(*value),
        toml::Value::Integer(value) => FlagValue::Int(*value),
        toml::Value::Float(value) => FlagValue::Float(*value),
        toml::Value::String(value) => FlagValue::Text(value.clone()),
        other => return Err(format!("`{name}` is {other}")),
    };
    vllm_flags::accept(known, value)
        .map(|_| ())
        .map_err(|takes| format!("`{name}` takes {takes}"))
}

#[test]
fn all_that_is_advised_can_be_pasted() {
    let stored = cases().into_iter().map(|case| {
        let log = std::fs::read_to_string(logs().join(Path::new(&case.log))).unwrap();
        (case.log.clone(), run(&case, &log))
    });
    let compact = compact::cases()
        .into_iter()
        .map(|case| (case.name.clone(), case.run(&case.log)));
    let mut n_settings = 0;
    let mut wrong = Vec::new();
    for (name, failure) in stored.chain(compact) {
        let Some(advice) = failure.suggestion else {
            assert!(!failure.class.is_failure(), "{name}: nothing is advised");
            continue;
        };
        n_settings += usize::from(advice.contains(" = "));
        wrong.extend(complaint(&advice).map(|why| format!("{name}: {why}\n  in: {advice}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        n_settings > 100,
        "only {n_settings} pieces of advice have a setting"
    );
}

#[test]
fn what_cannot_be_pasted_is_found() {
    for bad in [
        "Set `max-num-seqs = many`.",
        "Set `max-num-sequences = 3`.",
        "Set `max-num-seqs = 0`.",
        "Set `dtype = \"fp7\"`.",
        "Set `max-num-seqs = 3.",
        "Add:\n[[when]]\nwhere = { chunked = 3 }\nset = { max-num-seqs = 3 }",
        "Add:\n[[when]]\nwhere = { chunked = false }",
    ] {
        assert!(complaint(bad).is_some(), "{bad}");
    }
    assert_eq!(
        complaint("Set `shm = \"8GiB\"` or `HF_HUB_OFFLINE = \"1\"`."),
        None
    );
}
