//! Rules between flags that vLLM is known to enforce: found here before anything starts, instead
//! of as the death of an engine that has been loading for a minute.

use crate::matrix::cell::{Cell, SetBy, Setting};
use crate::matrix::resolve::index_of;
use crate::matrix::wording::{add_distinct, flag_text, n_cells, one_of_text, value_text};
use crate::spec::diagnostic::{Diagnostic, FileRole, Place};
use crate::spec::experiment::Experiment;
use crate::spec::flag::{FlagName, FlagValue, Knob};
use crate::spec::vllm_flags::size;

const AUTO_TOOLS: &str = "enable-auto-tool-choice";
const BATCHED_TOKENS: &str = "max-num-batched-tokens";
const CHUNKED: &str = "enable-chunked-prefill";
const MODEL_LEN: &str = "max-model-len";
const SEQS: &str = "max-num-seqs";
const TOOL_PARSER: &str = "tool-call-parser";

/// One rule.
struct Rule {
    /// What must hold, for a person.
    says: &'static str,
    /// Another way out than the `[[when]]` that is shown, if there is one.
    or_else: Option<&'static str>,
    broken_by: fn(&Cell) -> Option<Breach>,
}

/// How one cell breaks a rule.
struct Breach {
    /// The values that break it, for a person.
    found: String,
    /// What tells such cells from others, for a `where`; the first is always shown.
    terms: Vec<(&'static str, FlagValue)>,
    /// What mends it, for a `set`. Of two numbers for one flag the higher one mends both.
    mend: (&'static str, FlagValue),
}

/// The rules, with where each is known from.
const RULES: &[Rule] = &[
    // vllm/config/scheduler.py, `verify_max_model_len`: "max_num_batched_tokens (2048) is smaller
    // than max_model_len (8192). This effectively limits the maximum sequence length ...", raised
    // where chunked prefill is off. Seen with vLLM 0.32.0. Where max-num-batched-tokens is not
    // given, vLLM raises its default to max-model-len by itself.
    Rule {
        says: "with chunked prefill off, max-num-batched-tokens must be at least max-model-len",
        or_else: None,
        broken_by: |cell| {
            let (batched, length) = (number(cell, BATCHED_TOKENS)?, number(cell, MODEL_LEN)?);
            (value(cell, CHUNKED) == Some(&FlagValue::Bool(false)) && batched < length).then(|| {
                Breach {
                    found: format!("{batched} < {length}"),
                    terms: vec![
                        (CHUNKED, FlagValue::Bool(false)),
                        (BATCHED_TOKENS, FlagValue::Int(batched)),
                    ],
                    mend: (BATCHED_TOKENS, FlagValue::Int(length)),
                }
            })
        },
    },
    // vllm/config/scheduler.py: "max_num_batched_tokens (16) must be greater than or equal to
    // max_num_seqs (32)." Seen with vLLM 0.32.0.
    Rule {
        says: "max-num-batched-tokens must be at least max-num-seqs",
        or_else: None,
        broken_by: |cell| {
            let (batched, seqs) = (number(cell, BATCHED_TOKENS)?, number(cell, SEQS)?);
            (batched < seqs).then(|| Breach {
                found: format!("{batched} < {seqs}"),
                terms: vec![
                    (SEQS, FlagValue::Int(seqs)),
                    (BATCHED_TOKENS, FlagValue::Int(batched)),
                ],
                mend: (BATCHED_TOKENS, FlagValue::Int(seqs)),
            })
        },
    },
    // vLLM starts with a parser alone, and answers every request that leaves the choice of tools
    // to the model with 400: "\"auto\" tool choice requires --enable-auto-tool-choice and
    // --tool-call-parser to be set". Seen with vLLM 0.32.0.
    Rule {
        says: "a tool-call-parser needs enable-auto-tool-choice = true",
        or_else: None,
        broken_by: |cell| {
            let parser = value(cell, TOOL_PARSER)?;
            (value(cell, AUTO_TOOLS) != Some(&FlagValue::Bool(true))).then(|| Breach {
                found: format!("tool-call-parser = {}", value_text(parser)),
                terms: vec![(TOOL_PARSER, parser.clone())],
                mend: (AUTO_TOOLS, FlagValue::Bool(true)),
            })
        },
    },
    // vllm/entrypoints/openai/cli_args.py, `validate_parsed_serve_args`: "Error:
    // --enable-auto-tool-choice requires --tool-call-parser".
    Rule {
        says: "enable-auto-tool-choice = true needs a tool-call-parser",
        or_else: Some("give these cells a `tool-call-parser`"),
        broken_by: |cell| {
            let asked = value(cell, AUTO_TOOLS) == Some(&FlagValue::Bool(true));
            (asked && value(cell, TOOL_PARSER).is_none()).then(|| Breach {
                found: "no tool-call-parser".to_owned(),
                terms: vec![(TOOL_PARSER, FlagValue::Default)],
                mend: (AUTO_TOOLS, FlagValue::Bool(false)),
            })
        },
    },
];

fn setting<'a>(cell: &'a Cell, flag: &str) -> Option<&'a Setting> {
    cell.flags.get(&FlagName(flag.to_owned()))
}

/// The value that vLLM is given; `None` where the flag is left away.
fn value<'a>(cell: &'a Cell, flag: &str) -> Option<&'a FlagValue> {
    setting(cell, flag)
        .map(|setting| &setting.value)
        .filter(|value| **value != FlagValue::Default)
}

/// The whole number that vLLM is given; `None` where it is left away or not a plain number.
fn number(cell: &Cell, flag: &str) -> Option<i64> {
    match value(cell, flag)? {
        FlagValue::Int(number) => Some(*number),
        FlagValue::Text(text) => size(text),
        _ => None,
    }
    .filter(|number| *number > 0)
}

/// Checks all cells against all rules. A broken rule is reported once, with the `[[when]]` that
/// mends it, and once more for the cells whose `[[cell]]` sets the flag itself, which no
/// `[[when]]` can change.
pub(in crate::matrix) fn check(experiment: &Experiment, cells: &[Cell]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for rule in RULES {
        let breaches: Vec<(&Cell, Breach)> = cells
            .iter()
            .filter_map(|cell| (rule.broken_by)(cell).map(|breach| (cell, breach)))
            .collect();
        let (own, linked): (Vec<_>, Vec<_>) = breaches.into_iter().partition(|(cell, breach)| {
            setting(cell, breach.mend.0).is_some_and(|setting| setting.by == SetBy::Cell)
        });
        if let Some((example, breach)) = linked.first() {
            let help = when_to_paste(rule, cells, &linked);
            found.push(broken(experiment, rule, example, breach, linked.len()).help(help));
        }
        if let Some((example, breach)) = own.first() {
            let names: Vec<String> = own
                .iter()
                .map(|(cell, _)| format!("`{}`", cell.name))
                .collect();
            let help = format!(
                "set `{}` in the `[[cell]]` of {}",
                assignment(&own.iter().map(|(_, breach)| breach).collect::<Vec<_>>()),
                names.join(", ")
            );
            found.push(broken(experiment, rule, example, breach, own.len()).help(help));
        }
    }
    found
}

fn broken(
    experiment: &Experiment,
    rule: &Rule,
    example: &Cell,
    breach: &Breach,
    count: usize,
) -> Diagnostic {
    let place = [breach.mend.0]
        .into_iter()
        .chain(breach.terms.iter().map(|(flag, _)| *flag))
        .find_map(|flag| origin(experiment, example, flag))
        .unwrap_or(Place::File(FileRole::Experiment));
    let breaks = match count {
        1 => format!("`{}` breaks it", example.name),
        _ => format!(
            "{} break it, for example `{}`",
            n_cells(count),
            example.name
        ),
    };
    Diagnostic::error(place, format!("{}: {breaks}", rule.says)).label(breach.found.clone())
}

/// Where the files give this flag of the cell its value.
fn origin(experiment: &Experiment, cell: &Cell, flag: &str) -> Option<Place> {
    let knob = Knob::Flag(FlagName(flag.to_owned()));
    let span = match setting(cell, flag)?.by {
        SetBy::Base => {
            experiment
                .profile
                .engine
                .flags
                .iter()
                .find(|base| base.name.as_str() == flag)?
                .at
        }
        SetBy::Axis => experiment.axes.iter().find(|axis| axis.knob == knob)?.at,
        SetBy::When(number) => {
            let when = experiment.whens.get(index_of(number))?;
            when.set
                .values
                .iter()
                .find(|assigned| assigned.knob == knob)?
                .at
        }
        SetBy::Cell => {
            let named = experiment
                .named_cells
                .iter()
                .find(|named| named.name == cell.name)?;
            named
                .set
                .values
                .iter()
                .find(|assigned| assigned.knob == knob)?
                .at
        }
    };
    Some(Place::At(span))
}

fn when_to_paste(rule: &Rule, cells: &[Cell], breaches: &[(&Cell, Breach)]) -> String {
    let mut terms: Vec<(&'static str, Vec<FlagValue>)> = Vec::new();
    for (flag, value) in breaches.iter().flat_map(|(_, breach)| &breach.terms) {
        match terms.iter_mut().find(|(known, _)| known == flag) {
            Some((_, values)) => add_distinct(values, value),
            None => terms.push((flag, vec![value.clone()])),
        }
    }
    for (_, values) in &mut terms {
        values.sort_by_key(|value| match value {
            FlagValue::Int(number) => *number,
            _ => 0,
        });
    }
    let terms: Vec<String> = terms
        .iter()
        .enumerate()
        // A flag that is the same everywhere tells no cells apart.
        .filter(|(index, (flag, _))| *index == 0 || varies(cells, flag))
        .map(|(_, (flag, values))| format!("{} = {}", flag_text(flag), one_of_text(values)))
        .collect();
    let breaches: Vec<&Breach> = breaches.iter().map(|(_, breach)| breach).collect();
    let first = match rule.or_else {
        None => "add this after the other `[[when]]`s:".to_owned(),
        Some(other) => format!("{other}, or add this after the other `[[when]]`s:"),
    };
    format!(
        "{first}\n[[when]]\nwhere = {{ {} }}\nset   = {{ {} }}",
        terms.join(", "),
        assignment(&breaches)
    )
}

/// `max-num-batched-tokens = 40960`: what mends all of them.
fn assignment(breaches: &[&Breach]) -> String {
    let (flag, first) = &breaches[0].mend;
    let numbers = breaches.iter().filter_map(|breach| match breach.mend.1 {
        FlagValue::Int(number) => Some(number),
        _ => None,
    });
    let value = numbers.max().map_or_else(|| first.clone(), FlagValue::Int);
    format!("{} = {}", flag_text(flag), value_text(&value))
}

fn varies(cells: &[Cell], flag: &str) -> bool {
    let mut values = Vec::new();
    for cell in cells {
        add_distinct(
            &mut values,
            value(cell, flag).unwrap_or(&FlagValue::Default),
        );
    }
    values.len() > 1
}
