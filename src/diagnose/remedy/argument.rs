//! Arguments that vLLM refused: the value that it would take, by what its message says.

use crate::diagnose::advice::Subject;
use crate::diagnose::extract::{between, count_after};
use crate::diagnose::remedy::parsers::TOOL_CALLS;
use crate::spec::near::nearest;
use crate::spec::vllm_flags::{self, FlagKind};

/// A list of more choices than this is shown as the nearest one and a count.
const CHOICES_SHOWN: usize = 12;

pub fn refused(subject: &Subject) -> String {
    let cause = subject.cause;
    lengths(subject)
        .or_else(|| parallel(cause))
        .or_else(|| parser(cause))
        .or_else(|| quantisation(cause))
        .or_else(|| argparse(cause))
        .or_else(|| feature(cause))
        .or_else(|| bounds(cause))
        .unwrap_or_else(|| "Correct the argument that the message names.".to_owned())
}

/// The lines to add to an experiment.
fn when(condition: &str, set: &str) -> String {
    format!("\n[[when]]\nwhere = {{ {condition} }}\nset   = {{ {set} }}")
}

fn lengths(subject: &Subject) -> Option<String> {
    let cause = subject.cause;
    if let Some(length) = count_after(cause, "is smaller than max_model_len") {
        let set = format!("max-num-batched-tokens = {length}");
        // What the cell or the log says of chunked prefill; where neither does, the message says
        // that it is off.
        return Some(
            if subject.facts.is_on("enable-chunked-prefill") == Some(true) {
                format!("Set `{set}`: here, a batch must hold a whole prompt.")
            } else {
                format!(
                    "Without chunked prefill a batch must hold a whole prompt. Add to the experiment:{}",
                    when("chunked = false", &set)
                )
            },
        );
    }
    if let Some(seqs) = count_after(cause, "must be greater than or equal to max_num_seqs") {
        let fewer = match count_after(cause, "max_num_batched_tokens (") {
            Some(tokens) => format!("`max-num-seqs = {}` or less", tokens.max(1)),
            None => "a smaller `max-num-seqs`".to_owned(),
        };
        return Some(format!(
            "A batch must have a token for each of its requests: {fewer}, or \
             `max-num-batched-tokens = {seqs}` or more. Add to the experiment:{}",
            when(
                &format!("max-num-seqs = {seqs}"),
                &format!("max-num-batched-tokens = {seqs}")
            )
        ));
    }
    if cause.contains("greater than the derived max_model_len") {
        let longest = count_after(cause, "max_position_embeddings=")
            .or_else(|| count_after(cause, "model_max_length="))
            .or_else(|| count_after(cause, "max_seq_len="))
            .or_else(|| count_after(cause, "sliding_window="));
        return Some(match longest {
            Some(longest) => {
                format!("Set `max-model-len = {longest}` or less: the model has no more.")
            }
            None => "Set `max-model-len` to at most what the model has.".to_owned(),
        });
    }
    if cause.contains("long_prefill_token_threshold") {
        return Some(match count_after(cause, "max_model_len (") {
            Some(length) => format!("Set `long-prefill-token-threshold = {length}` or less."),
            None => "Set `long-prefill-token-threshold` to at most `max-model-len`.".to_owned(),
        });
    }
    None
}

fn parallel(cause: &str) -> Option<String> {
    if let Some(heads) = count_after(cause, "attention heads").filter(|heads| *heads > 0) {
        let asked = count_after(cause, "tensor parallel size");
        return Some(divisors(heads, asked));
    }
    let gpus = count_after(cause, "number of available GPUs")
        .or_else(|| count_after(cause, "max local gpu count"))
        .or_else(|| count_after(cause, "number of visible devices"))?;
    Some(match gpus {
        0 => "The container sees no GPU: set `gpus = \"all\"` in `[engine]` of the profile."
            .to_owned(),
        _ => format!(
            "Set `tensor-parallel-size = {gpus}` or less (times `pipeline-parallel-size`), or give the \
             container more GPUs (`gpus` in `[engine]`): it sees {gpus}."
        ),
    })
}

/// The sizes that divide the heads, and the nearest that needs no more GPUs.
fn divisors(heads: u64, asked: Option<u64>) -> String {
    // No machine has more GPUs than this for one model.
    const MOST: u64 = 64;
    let sizes: Vec<u64> = (1..=heads.min(MOST))
        .filter(|size| heads.is_multiple_of(*size))
        .collect();
    let nearest = sizes
        .iter()
        .rev()
        .find(|size| asked.is_none_or(|asked| **size < asked))
        .unwrap_or(&1);
    let listed: Vec<String> = sizes.iter().map(u64::to_string).collect();
    let set = match asked {
        Some(_) => format!("Set `tensor-parallel-size = {nearest}`, which needs no more GPUs: "),
        None => "Set another `tensor-parallel-size`: ".to_owned(),
    };
    format!(
        "{set}{heads} heads can be divided by {}.",
        listed.join(", ")
    )
}

fn parser(cause: &str) -> Option<String> {
    if cause.contains("requires --tool-call-parser") {
        return Some(format!(
            "Set `tool-call-parser` to the format of the model, one of {} (vLLM {}); or leave \
             `enable-auto-tool-choice` out.",
            TOOL_CALLS.join(", "),
            vllm_flags::HELP_VERSION
        ));
    }
    let (flag, written) = if let Some(written) = between(cause, "invalid tool call parser: ", " (")
    {
        ("tool-call-parser", Some(written))
    } else if let Some(written) = between(cause, "nvalid reasoning parser: ", " (") {
        ("reasoning-parser", Some(written))
    } else if cause.contains("tool parser") || cause.contains("tool_parsers") {
        ("tool-call-parser", between(cause, "'", "'"))
    } else if cause.contains("easoning parser") || cause.contains("reasoning_parser") {
        ("reasoning-parser", between(cause, "'", "'"))
    } else {
        return None;
    };
    let listed = list(cause);
    let choice = written.and_then(|written| one_of(flag, written, &listed));
    Some(choice.unwrap_or_else(|| format!("Set `{flag}` to one that this version of vLLM has.")))
}

fn quantisation(cause: &str) -> Option<String> {
    if !cause.contains("uantization") {
        return None;
    }
    if let Some(own) = between(cause, "specified in the model config (", ")") {
        return Some(format!(
            "Set `quantization = \"{own}\"`, or leave it out: the model's files say what it is."
        ));
    }
    if let Some(supported) = between(cause, "Supported dtypes: [", "]") {
        let first = supported.split(',').next().unwrap_or(supported).trim();
        let dtype = first.trim_start_matches("torch.");
        return Some(format!(
            "Set `dtype = \"{dtype}\"`: the quantised weights take {supported}."
        ));
    }
    if let (Some(needed), Some(has)) = (
        count_after(cause, "Minimum capability:"),
        count_after(cause, "Current capability:"),
    ) {
        return Some(format!(
            "The method needs a GPU of compute capability {}.{}, and this one has {}.{}: use a model that \
             is quantised otherwise.",
            needed / 10,
            needed % 10,
            has / 10,
            has % 10
        ));
    }
    let written = between(cause, "Unknown quantization method: ", ". ");
    let choice = written.and_then(|written| one_of("quantization", written, &list(cause)));
    Some(choice.unwrap_or_else(|| {
        "Leave `quantization` out, so that vLLM takes what the model's files say, or choose one that the \
         GPU and `dtype` support."
            .to_owned()
    }))
}

fn argparse(cause: &str) -> Option<String> {
    if let Some((_, names)) = cause.split_once("unrecognized arguments: ") {
        return Some(unknown(names));
    }
    if let Some((_, names)) = cause.split_once("the following arguments are required: ") {
        return Some(format!("Give what is missing: {names}."));
    }
    if let Some(option) = between(cause, "ambiguous option: ", " could match ") {
        let option = option.split('=').next().unwrap_or(option);
        let (_, names) = cause.split_once(" could match ")?;
        return Some(format!(
            "Write `{}` out: it could be {names}.",
            option.trim_start_matches('-')
        ));
    }
    let (_, rest) = cause.split_once(": error: argument ")?;
    let (names, said) = rest.split_once(": ")?;
    let flag = long_name(names)?;
    if let Some(written) = between(said, "invalid choice: ", " (") {
        let listed = list(said);
        return one_of(&flag, written, &listed);
    }
    if said.contains("expected one argument") || said.contains("expected at least one argument") {
        return Some(format!("Give `{flag}` a value."));
    }
    if let (Some(kind), Some((_, written))) = (
        between(said, "invalid ", " value"),
        said.split_once(" value: "),
    ) {
        let kind = match kind {
            "int" => "a whole number",
            "float" => "a number",
            _ => "another form of value",
        };
        let written = written.trim().trim_matches(['\'', '"']);
        return Some(format!("Set `{flag}` to {kind}: `{written}` is none."));
    }
    Some(format!("Correct `{flag}`: {said}."))
}

/// Flags that this version of vLLM does not know.
fn unknown(names: &str) -> String {
    let flags: Vec<&str> = names
        .split_whitespace()
        .filter_map(|word| word.strip_prefix("--"))
        .map(|word| word.split('=').next().unwrap_or(word))
        .collect();
    let near: Vec<String> = flags
        .iter()
        .filter_map(|flag| {
            // A flag that the table knows is one of another version of vLLM.
            vllm_flags::lookup(flag).is_none().then_some(())?;
            let meant = nearest(flag, vllm_flags::names())?;
            Some(format!(
                "`{flag}` is perhaps `{}`",
                vllm_flags::lookup(meant)?.name
            ))
        })
        .collect();
    let listed: Vec<String> = flags.iter().map(|flag| format!("`{flag}`")).collect();
    let what = match listed.as_slice() {
        [] => "the argument".to_owned(),
        _ => listed.join(", "),
    };
    if near.is_empty() {
        format!("Take {what} out: this version of vLLM does not know it.")
    } else {
        format!(
            "This version of vLLM does not know {what}: {}.",
            near.join(", ")
        )
    }
}

fn feature(cause: &str) -> Option<String> {
    if cause.contains("compute capability") || cause.contains("Bfloat16") {
        return Some("Set `dtype = \"half\"`, or use a newer GPU.".to_owned());
    }
    if let Some(rank) = count_after(cause, "max_lora_rank (") {
        let listed = list(cause);
        let next = listed
            .iter()
            .filter_map(|choice| choice.parse::<u64>().ok())
            .filter(|choice| *choice >= rank)
            .min();
        return Some(match next {
            Some(next) => format!("Set `max-lora-rank = {next}`: the next that there is."),
            None => format!("Set `max-lora-rank` to one of {}.", listed.join(", ")),
        });
    }
    if cause.contains("Pipeline parallelism is") {
        return Some(
            "Set `pipeline-parallel-size = 1`, and `tensor-parallel-size` to the number of GPUs."
                .to_owned(),
        );
    }
    if cause.contains("Prefix caching is not supported") {
        return Some("Set `enable-prefix-caching = false` for this model.".to_owned());
    }
    if cause.contains("Chunked prefill is not supported") {
        return Some("Set `enable-chunked-prefill = false` for this model.".to_owned());
    }
    if cause.contains("attention backend") || cause.contains("Selected backend") {
        return Some(match between(cause, "Reason: [", "]") {
            Some(reason) => format!(
                "Leave `attention-backend` out, so that vLLM chooses one, or change what it gives as the \
                 reason: {}.",
                reason.trim_matches(['\'', '"'])
            ),
            None => "Leave `attention-backend` out, so that vLLM chooses one, or change what the message \
                     gives as the reason."
                .to_owned(),
        });
    }
    for (words, flag) in [
        ("Unknown kv cache dtype", "kv-cache-dtype"),
        ("Unknown dtype", "dtype"),
        ("Unknown load format", "load-format"),
    ] {
        if cause.contains(words) {
            let written = cause
                .rsplit([':', ' '])
                .next()
                .unwrap_or("")
                .trim_end_matches('.');
            return Some(
                one_of(flag, written, &[]).unwrap_or_else(|| {
                    format!("Set `{flag}` to one that this version of vLLM has.")
                }),
            );
        }
    }
    None
}

/// pydantic: `gpu_memory_utilization: Input should be less than or equal to 1`.
fn bounds(cause: &str) -> Option<String> {
    if cause.contains("GPU memory utilization must be less than") {
        return Some("Set `gpu-memory-utilization` above 0 and below 1.".to_owned());
    }
    let (field, bound) = cause.split_once(": Input should be ")?;
    let flag = field
        .rsplit(['.', ' '])
        .next()
        .unwrap_or(field)
        .replace('_', "-");
    let known = vllm_flags::lookup(&flag)?;
    let written = bound.trim_end_matches('.');
    // `'auto', 'fp8' or 'fp8_e4m3'`: the words of a choice.
    if written.starts_with('\'') {
        return Some(format!("Set `{}` to one of {written}.", known.name));
    }
    Some(format!(
        "Set `{}` to a value that is {written}.",
        known.name
    ))
}

/// The name that a message of argparse gives a flag: `--tensor-parallel-size/-tp`.
fn long_name(names: &str) -> Option<String> {
    let name = names
        .split(['/', ',', ' '])
        .filter_map(|name| name.strip_prefix("--"))
        .max_by_key(|name| name.len())?;
    let is_name = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    is_name.then(|| {
        let name = name.replace('_', "-");
        vllm_flags::lookup(&name).map_or(name, |known| known.name.to_owned())
    })
}

/// The words of `(choose from 'a', 'b')`, `(chose from { a,b })`, `Must be one of ['a', 'b']`.
fn list(text: &str) -> Vec<String> {
    let start = ["choose from ", "chose from ", "ust be one of "]
        .iter()
        .find_map(|mark| text.split_once(mark).map(|(_, rest)| rest));
    let Some(rest) = start else {
        return Vec::new();
    };
    rest.split([',', ' '])
        .map(|word| word.trim_matches(['\'', '"', '(', ')', '[', ']', '{', '}', '.']))
        .filter(|word| !word.is_empty() && is_word(word))
        .map(str::to_owned)
        .collect()
}

fn is_word(text: &str) -> bool {
    text.len() <= 60
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

/// The choice that was probably meant, and the others; from the message, else from the table of
/// flags.
fn one_of(flag: &str, written: &str, listed: &[String]) -> Option<String> {
    let written = match written.trim().trim_matches(['\'', '"']) {
        // Nobody's slip of the pen, and far from the word in letters.
        "fp16" => "float16",
        "bf16" => "bfloat16",
        "fp32" => "float32",
        written => written,
    };
    let known = vllm_flags::lookup(flag);
    let choices: Vec<&str> = if listed.is_empty() {
        match known.map(|known| known.kind) {
            Some(FlagKind::Choice(choices)) => choices.to_vec(),
            _ => Vec::new(),
        }
    } else {
        listed.iter().map(String::as_str).collect()
    };
    if choices.is_empty() {
        return None;
    }
    let shown = match choices.get(..CHOICES_SHOWN) {
        Some(front) if choices.len() > CHOICES_SHOWN => {
            format!(
                "{} and {} more",
                front.join(", "),
                choices.len() - CHOICES_SHOWN
            )
        }
        _ => choices.join(", "),
    };
    let is_number = known.is_some_and(|known| {
        matches!(
            known.kind,
            FlagKind::Int { .. } | FlagKind::Float { .. } | FlagKind::Size { .. }
        )
    });
    Some(match nearest(written, choices.iter().copied()) {
        Some(near) if is_number => format!("Set `{flag} = {near}`. There are: {shown}."),
        Some(near) => format!("Set `{flag} = \"{near}\"`. There are: {shown}."),
        None => format!("Set `{flag}` to one of {shown}."),
    })
}
