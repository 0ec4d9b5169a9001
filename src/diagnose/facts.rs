//! What a log tells of an engine beside its death: the settings that it was started with and the
//! sizes of memory that it counted. Advice quotes them, and has no number that stands nowhere.
//!
//! Knows where vLLM writes them over its ages, and nothing of what they are good for.

use std::collections::BTreeMap;

use crate::diagnose::evidence::Evidence;
use crate::diagnose::extract::{count_after, fraction, gib_after, number_after};
use crate::diagnose::line::Line;

/// Settings and sizes; sizes are GiB of one device. What nobody said is `None`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// Values by the flag's long name, as text.
    settings: BTreeMap<String, String>,
    /// Share of the device that the engine may use.
    pub utilisation: Option<f64>,
    /// Memory of the device.
    pub total: Option<f64>,
    /// Tokens of one batch that vLLM settled on.
    pub batched_tokens: Option<u64>,
    /// Left for the KV cache after the trial run; negative where even that did not fit.
    pub cache_room: Option<f64>,
    /// Was the KV cache sized already?
    pub is_cache_sized: bool,
}

/// Settings that the line with the engine's configuration calls by other names.
const CONFIG_NAMES: &[(&str, &str)] = &[
    (", max_seq_len=", "max-model-len"),
    (", tensor_parallel_size=", "tensor-parallel-size"),
    (", kv_cache_dtype=", "kv-cache-dtype"),
    (", enforce_eager=", "enforce-eager"),
];

impl Facts {
    /// What the lines say, and what the evidence knows without them, which counts for more.
    pub fn of(lines: &[Line], evidence: &Evidence) -> Self {
        let mut facts = Self::default();
        for line in lines {
            facts.read(&line.text);
        }
        for (name, value) in evidence.flags {
            facts.settings.insert((*name).to_owned(), value.to_string());
        }
        if let Some(stated) = facts.number("gpu-memory-utilization") {
            facts.utilisation = Some(stated);
        }
        facts
    }

    fn read(&mut self, text: &str) {
        if let Some(dump) = text.strip_prefix("non-default args: {") {
            self.settings.extend(dictionary(dump));
        } else if let Some(dump) = text.strip_prefix("args: Namespace(") {
            self.settings.extend(namespace(dump));
        } else if text.starts_with("Initializing a") && text.contains(" with config: ") {
            for (mark, name) in CONFIG_NAMES {
                let value = text
                    .split_once(mark)
                    .and_then(|(_, rest)| rest.split([',', ')']).next());
                if let Some(value) = value.map(bare).filter(|value| is_plain(value)) {
                    self.settings
                        .entry((*name).to_owned())
                        .or_insert_with(|| value.to_owned());
                }
            }
        } else if text.starts_with("Chunked prefill is enabled with") {
            self.batched_tokens = count_after(text, "max_num_batched_tokens=");
        } else if text.starts_with("the current vLLM instance can use") {
            self.total = number_after(text, "total_gpu_memory (");
            self.utilisation = number_after(text, "gpu_memory_utilization (");
        } else if text.starts_with("Memory profiling results: ") {
            self.total = number_after(text, "total_gpu_memory=");
            self.utilisation = number_after(text, "gpu_memory_utilization=");
            self.cache_room = number_after(text, "kv_cache_size=");
        } else if text.contains("Free memory on device") {
            self.total = fraction(text).map(|(_, total)| total).or(self.total);
            self.utilisation =
                number_after(text, "GPU memory utilization is (").or(self.utilisation);
        } else if text.starts_with("CUDA graph memory profiling is enabled") {
            self.utilisation = number_after(text, "--gpu-memory-utilization=");
        } else if text.starts_with("Available KV cache memory:") {
            self.cache_room = gib_after(text, "memory:");
        } else if text.contains("the rest of the memory reserved for KV Cache is") {
            self.cache_room = gib_after(text, "KV Cache is");
        }
        self.is_cache_sized |= ["GPU KV cache size", "# GPU blocks: ", "# cuda blocks: "]
            .iter()
            .any(|words| text.starts_with(words));
    }

    /// The value of a flag, by its long name, as text.
    pub fn setting(&self, flag: &str) -> Option<&str> {
        self.settings.get(flag).map(String::as_str)
    }

    pub fn number(&self, flag: &str) -> Option<f64> {
        self.setting(flag)?
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite())
    }

    pub fn count(&self, flag: &str) -> Option<u64> {
        self.setting(flag)?.parse().ok()
    }

    pub fn is_on(&self, flag: &str) -> Option<bool> {
        match self.setting(flag)? {
            "True" | "true" => Some(true),
            "False" | "false" => Some(false),
            _ => None,
        }
    }
}

/// `'max_num_seqs': 32, 'served_model_name': ['a', 'b'], ..}`: the simple values of Python's
/// notation, by the flags' names.
fn dictionary(dump: &str) -> Vec<(String, String)> {
    items(dump)
        .into_iter()
        .filter_map(|item| {
            let (name, value) = item.strip_prefix('\'')?.split_once("': ")?;
            setting(name, value)
        })
        .collect()
}

/// `host=None, max_num_seqs=32, ..)`.
fn namespace(dump: &str) -> Vec<(String, String)> {
    items(dump)
        .into_iter()
        .filter_map(|item| {
            let (name, value) = item.split_once('=')?;
            // The old way to list every argument: what was not given is None.
            (value != "None").then_some(())?;
            setting(name, value)
        })
        .collect()
}

fn setting(name: &str, value: &str) -> Option<(String, String)> {
    let value = bare(value);
    let is_name = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (is_name && is_plain(value)).then(|| (name.replace('_', "-"), value.to_owned()))
}

/// The items of a list up to the bracket that closes it, cut at the commas that stand outside of
/// inner brackets and quotes.
fn items(dump: &str) -> Vec<&str> {
    let mut items = Vec::new();
    let (mut depth, mut quote, mut start) = (0_usize, None, 0);
    let mut escaped = false;
    for (at, c) in dump.char_indices() {
        if let Some(open) = quote {
            if c == open && !escaped {
                quote = None;
            }
            escaped = c == '\\' && !escaped;
            continue;
        }
        match c {
            '\'' | '"' => quote = Some(c),
            '[' | '(' | '{' | '<' => depth += 1,
            ']' | ')' | '}' | '>' if depth > 0 => depth -= 1,
            ')' | '}' => {
                items.push(dump[start..at].trim());
                return items;
            }
            ',' if depth == 0 => {
                items.push(dump[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    // The line was cut off: its last item may be, too.
    items
}

fn bare(value: &str) -> &str {
    value.trim().trim_matches(['\'', '"'])
}

/// A number or a word: what may be quoted in a sentence.
fn is_plain(value: &str) -> bool {
    !value.is_empty()
        && value.len() <= 100
        && value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-./:+".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::line::read;
    use crate::spec::flag::FlagValue;

    fn facts(log: &str) -> Facts {
        Facts::of(&read(log), &Evidence::of(log))
    }

    #[test]
    fn settings_are_read_in_both_notations() {
        let new = facts(
            "(APIServer pid=1) INFO 09-30 12:00:01 [utils.py:233] non-default args: {'model_tag': 'Q/w', 'chat_template': 'it\\'s, {', \
             'max_num_seqs': 32, 'served_model_name': ['a', 'b'], 'gpu_memory_utilization': 0.95, 'enable_chunked_prefill': False}",
        );
        assert_eq!(new.setting("model-tag"), Some("Q/w"));
        assert_eq!(new.count("max-num-seqs"), Some(32));
        assert_eq!(new.utilisation, Some(0.95));
        assert_eq!(new.is_on("enable-chunked-prefill"), Some(false));
        assert_eq!(new.setting("served-model-name"), None);
        assert_eq!(new.setting("chat-template"), None);
        let old = facts(
            "INFO 08-14 10:20:40 api_server.py:460] args: Namespace(host=None, port=8000, allowed_origins=['*'], max_num_seqs=256, \
             ssl_keyfile=None, dispatch_function=<function serve at 0x7f, x>, enforce_eager=True)",
        );
        assert_eq!(old.count("port"), Some(8000));
        assert_eq!(old.count("max-num-seqs"), Some(256));
        assert_eq!(old.is_on("enforce-eager"), Some(true));
        assert_eq!(old.setting("host"), None);
        let cut = facts("non-default args: {'max_num_seqs': 32, 'max_model_len': 40");
        assert_eq!(cut.count("max-num-seqs"), Some(32));
        assert_eq!(cut.setting("max-model-len"), None);
    }

    #[test]
    fn the_configuration_fills_in_and_the_cell_knows_best() {
        let log = "INFO [core.py:77] non-default args: {'max_model_len': 4096}\n\
                   INFO 09-30 12:00:15 [core.py:77] Initializing a V1 LLM engine (v0.11.0) with config: model='Q', max_seq_len=8192, tensor_parallel_size=2, kv_cache_dtype=auto)";
        let lines = read(&log.replace("INFO [core.py:77] non", "non"));
        let told = Facts::of(&lines, &Evidence::of(log));
        assert_eq!(told.count("max-model-len"), Some(4096));
        assert_eq!(told.count("tensor-parallel-size"), Some(2));
        assert_eq!(told.setting("kv-cache-dtype"), Some("auto"));
        let of_cell = FlagValue::Float(0.9);
        let known = Evidence {
            flags: &[("gpu-memory-utilization", &of_cell)],
            ..Evidence::of(log)
        };
        assert_eq!(Facts::of(&lines, &known).utilisation, Some(0.9));
    }

    #[test]
    fn sizes_are_read_over_the_ages() {
        let v06 = facts(
            "INFO 11-20 10:00:00 worker.py:232] Memory profiling results: total_gpu_memory=23.69GiB initial_memory_usage=14.60GiB \
             peak_torch_memory=15.40GiB memory_usage_post_profile=14.70GiB non_torch_memory=0.30GiB kv_cache_size=5.62GiB gpu_memory_utilization=0.90",
        );
        assert_eq!(
            (v06.total, v06.utilisation, v06.cache_room),
            (Some(23.69), Some(0.9), Some(5.62))
        );
        let v08 = facts(
            "INFO 05-10 12:00:30 [worker.py:287] the current vLLM instance can use total_gpu_memory (23.69GiB) x gpu_memory_utilization (0.95) = 22.50GiB\n\
             INFO 05-10 12:00:30 [worker.py:287] model weights take 18.14GiB; non_torch_memory takes 0.06GiB; PyTorch activation peak memory takes 1.42GiB; the rest of the memory reserved for KV Cache is -0.21GiB.",
        );
        assert_eq!(
            (v08.total, v08.utilisation, v08.cache_room),
            (Some(23.69), Some(0.95), Some(-0.21))
        );
        let v1 = facts(
            "(Worker_TP0 pid=9) INFO 09-30 12:01:30 [gpu_worker.py:298] Available KV cache memory: -1.46 GiB\n\
             (EngineCore_DP0 pid=8) INFO 09-30 12:01:31 [kv_cache_utils.py:1087] GPU KV cache size: 9,152 tokens\n\
             INFO 09-30 12:00:08 [scheduler.py:205] Chunked prefill is enabled with max_num_batched_tokens=2048.",
        );
        assert_eq!(
            (v1.cache_room, v1.is_cache_sized, v1.batched_tokens),
            (Some(-1.46), true, Some(2048))
        );
    }
}
