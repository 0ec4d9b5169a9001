//! Do the requests of the workloads fit into the engines? Found here, instead of as a node whose
//! every request is refused.

use crate::matrix::cell::Cell;
use crate::spec::diagnostic::Diagnostic;
use crate::spec::experiment::Experiment;
use crate::spec::flag::FlagValue;
use crate::spec::vllm_flags::size;

/// One error per workload whose longest request is longer than some cell's `max-model-len`.
/// Where a cell leaves that to the model, nothing is known.
///
/// vLLM 0.32 answers such a request with 400: "This model's maximum context length is 8192
/// tokens. However, ...".
pub fn check(experiment: &Experiment, cells: &[Cell]) -> Vec<Diagnostic> {
    experiment
        .workloads
        .iter()
        .filter_map(|workload| {
            let longest = workload.spec.longest_request()?;
            let needed = longest.prompt_tokens + longest.max_tokens;
            let short: Vec<(&Cell, u64)> = cells
                .iter()
                .filter_map(|cell| Some((cell, max_model_len(cell)?)))
                .filter(|(_, length)| needed > *length)
                .collect();
            let (example, length) = short.first()?;
            let cells = match short.len() {
                1 => "one cell takes".to_owned(),
                n => format!("{n} cells take"),
            };
            let message = format!(
                "`{}` needs {needed} tokens (prompt-tokens {} + max-tokens {}), and {cells} fewer: \
                 `{}` has max-model-len {length}",
                workload.name, longest.prompt_tokens, longest.max_tokens, example.name
            );
            Some(
                Diagnostic::error(workload.at, message)
                    .help("shorten the prompts, or raise max-model-len"),
            )
        })
        .collect()
}

fn max_model_len(cell: &Cell) -> Option<u64> {
    let (_, setting) = cell
        .flags
        .iter()
        .find(|(name, _)| name.as_str() == "max-model-len")?;
    let length = match &setting.value {
        FlagValue::Int(length) => Some(*length),
        FlagValue::Text(text) => size(text),
        FlagValue::Bool(_) | FlagValue::Float(_) | FlagValue::List(_) | FlagValue::Default => None,
    };
    length
        .and_then(|length| u64::try_from(length).ok())
        .filter(|length| *length > 0)
}
