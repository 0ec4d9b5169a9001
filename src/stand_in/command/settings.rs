//! What the command line means: every flag that the stand-in obeys with its value or vLLM's
//! default, and the combinations that vLLM refuses (exit code 1) in its own words.

use std::fmt::Display;

use crate::spec::flag::FlagValue;
use crate::spec::profile::StandInProfile;
use crate::spec::vllm_flags::{FlagKind, KnownFlag};
use crate::stand_in::command::arguments::{Arguments, StdinEnd};
use crate::stand_in::engine::cache::PrefixCaching;
use crate::stand_in::engine::memory::DERIVED_MAX_MODEL_LEN;
use crate::stand_in::engine::scheduler::{ChunkedPrefill, Limits, Speed};
use crate::stand_in::parser::reasoning::REASONING_PARSERS;
use crate::stand_in::parser::registry::TOOL_PARSERS;

/// How long a sequence may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelLength {
    Fixed(usize),
    /// `auto`: as long as the KV cache has room for, up to the model's own length.
    Fitted,
}

/// Whether usage says how many prompt tokens came from the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromptTokenDetails {
    Shown,
    Hidden,
}

/// Whether the chat template shows the tools of a request to the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemplateTools {
    Shown,
    /// The template that was given says nothing of tools: the model never learns of them.
    Ignored,
}

/// Whether requests may leave the choice of a tool to the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AutoToolChoice {
    Enabled,
    Disabled,
}

/// Whether `/load` counts the requests at work; vLLM does so only when told to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadTracking {
    On,
    Off,
}

/// Everything that decides what the engine does.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub model: String,
    /// Never empty; the first is the one that answers carry.
    pub served_names: Vec<String>,
    pub host: String,
    /// 0 lets the system pick one.
    pub port: u16,
    /// None: everyone may ask.
    pub api_keys: Vec<String>,
    pub gpu_memory_utilization: f64,
    /// Overrides what the utilisation would leave.
    pub kv_cache_memory_bytes: Option<u64>,
    pub kv_cache_dtype: String,
    pub max_model_len: ModelLength,
    pub max_num_seqs: usize,
    pub max_num_batched_tokens: usize,
    pub chunked: ChunkedPrefill,
    pub caching: PrefixCaching,
    pub block_size: usize,
    pub details: PromptTokenDetails,
    pub tools: AutoToolChoice,
    pub template_tools: TemplateTools,
    pub load_tracking: LoadTracking,
    /// What reads tool calls; `None` where they are not enabled.
    pub tool_parser: Option<&'static str>,
    /// What tells thinking from answers.
    pub reasoning_parser: Option<&'static str>,
    pub tensor_parallel_size: i64,
    pub seed: i64,
    pub numbers: StandInProfile,
    pub stdin: StdinEnd,
    /// What was given, for the log to repeat.
    pub arguments: Arguments,
}

/// A configuration that vLLM refuses. Displays as the end of its traceback.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ConfigError {
    #[error(
        "pydantic_core._pydantic_core.ValidationError: 1 validation error for {class}\n{field}\n  \
         Input should be {bound} [type={kind}, input_value={value}, input_type={value_type}]\n    \
         For further information visit https://errors.pydantic.dev/2.14/v/{kind}"
    )]
    OutOfRange {
        class: &'static str,
        field: String,
        bound: String,
        kind: &'static str,
        value: String,
        value_type: &'static str,
    },
    #[error(
        "pydantic_core._pydantic_core.ValidationError: 1 validation error for SchedulerConfig\n  \
         Value error, {complaint} [type=value_error, input_value=ArgsKwargs((), {{'runner_t..., \
         'stream_interval': 1}}), input_type=ArgsKwargs]\n    \
         For further information visit https://errors.pydantic.dev/2.14/v/value_error"
    )]
    Batch { complaint: String },
    #[error("TypeError: Error: --enable-auto-tool-choice requires --tool-call-parser")]
    NoToolParser,
    #[error("KeyError: 'invalid {kind} parser: {parser} (chose from {{ {known} }})'")]
    UnknownParser {
        kind: &'static str,
        parser: String,
        known: String,
    },
}

impl Settings {
    /// Resolves the command line; `env_key` is the value of `VLLM_API_KEY`, which counts where
    /// no `--api-key` is given.
    pub fn resolve(arguments: &Arguments, env_key: Option<String>) -> Result<Self, ConfigError> {
        for (flag, value) in &arguments.given {
            check_range(flag, value)?;
        }
        let given = Given(arguments);
        let max_model_len = match given.int("max-model-len") {
            None => ModelLength::Fixed(DERIVED_MAX_MODEL_LEN),
            Some(-1) => ModelLength::Fitted,
            Some(length) => ModelLength::Fixed(count(length)),
        };
        let length = match max_model_len {
            ModelLength::Fixed(length) => length,
            ModelLength::Fitted => DERIVED_MAX_MODEL_LEN,
        };
        let version = arguments.numbers.vllm_version;
        let chunked = match given.choice("enable-chunked-prefill") {
            None => version.chunked_prefill(length),
            Some(true) => ChunkedPrefill::On,
            Some(false) => ChunkedPrefill::Off,
        };
        let settings = Self {
            model: arguments.model.clone(),
            served_names: given
                .list("served-model-name")
                .unwrap_or_else(|| vec![arguments.model.clone()]),
            host: given.text("host").unwrap_or_else(|| "0.0.0.0".to_owned()),
            port: given
                .int("port")
                .map_or(8000, |port| u16::try_from(port).unwrap_or(u16::MAX)),
            api_keys: given
                .list("api-key")
                .unwrap_or_else(|| env_key.into_iter().collect()),
            gpu_memory_utilization: given
                .float("gpu-memory-utilization")
                .unwrap_or(version.gpu_memory_utilization()),
            kv_cache_memory_bytes: given
                .int("kv-cache-memory-bytes")
                .map(|bytes| bytes.unsigned_abs()),
            kv_cache_dtype: given
                .text("kv-cache-dtype")
                .unwrap_or_else(|| "auto".to_owned()),
            max_model_len,
            max_num_seqs: given.int("max-num-seqs").map_or(256, count),
            max_num_batched_tokens: given
                .int("max-num-batched-tokens")
                .map_or_else(|| version.max_num_batched_tokens(chunked, length), count),
            chunked,
            caching: match given.choice("enable-prefix-caching") {
                None => version.prefix_caching(),
                Some(true) => PrefixCaching::On,
                Some(false) => PrefixCaching::Off,
            },
            block_size: given.int("block-size").map_or(16, count),
            details: if given.switch("enable-prompt-tokens-details", false) {
                PromptTokenDetails::Shown
            } else {
                PromptTokenDetails::Hidden
            },
            tools: if given.switch("enable-auto-tool-choice", false) {
                AutoToolChoice::Enabled
            } else {
                AutoToolChoice::Disabled
            },
            load_tracking: if given.switch("enable-server-load-tracking", false) {
                LoadTracking::On
            } else {
                LoadTracking::Off
            },
            template_tools: template_tools(&given),
            tool_parser: tool_parser(&given)?,
            reasoning_parser: reasoning_parser(&given)?,
            tensor_parallel_size: given.int("tensor-parallel-size").unwrap_or(1),
            seed: given.int("seed").unwrap_or(0),
            numbers: arguments.numbers.clone(),
            stdin: arguments.stdin,
            arguments: arguments.clone(),
        };
        check_batch(&settings, length)?;
        Ok(settings)
    }

    /// The bounds of one step.
    pub fn limits(&self) -> Limits {
        Limits {
            max_num_seqs: self.max_num_seqs,
            max_num_batched_tokens: self.max_num_batched_tokens,
            chunked: self.chunked,
        }
    }

    /// How fast the engine is.
    pub fn speed(&self) -> Speed {
        Speed {
            prefill_tokens_per_second: self.numbers.prefill_tokens_per_second,
            decode_tokens_per_second: self.numbers.decode_tokens_per_second,
        }
    }
}

/// Typed access to what was given.
struct Given<'a>(&'a Arguments);

impl Given<'_> {
    fn int(&self, name: &str) -> Option<i64> {
        match self.0.get(name) {
            Some(FlagValue::Int(value)) => Some(*value),
            _ => None,
        }
    }

    fn float(&self, name: &str) -> Option<f64> {
        match self.0.get(name) {
            Some(FlagValue::Float(value)) => Some(*value),
            _ => None,
        }
    }

    fn text(&self, name: &str) -> Option<String> {
        match self.0.get(name) {
            Some(FlagValue::Text(value)) => Some(value.clone()),
            _ => None,
        }
    }

    fn list(&self, name: &str) -> Option<Vec<String>> {
        match self.0.get(name) {
            Some(FlagValue::List(values)) => Some(values.clone()),
            _ => None,
        }
    }

    /// What was chosen for a switch, if anything was.
    fn choice(&self, name: &str) -> Option<bool> {
        match self.0.get(name) {
            Some(FlagValue::Bool(value)) => Some(*value),
            _ => None,
        }
    }

    fn switch(&self, name: &str, default: bool) -> bool {
        self.choice(name).unwrap_or(default)
    }
}

/// A number of which `check_range` has seen that it is at least 1.
fn count(value: i64) -> usize {
    usize::try_from(value).unwrap_or(1)
}

fn check_range(flag: &KnownFlag, value: &FlagValue) -> Result<(), ConfigError> {
    let error = |bound: String, kind, value: &dyn Display, value_type| {
        Err(ConfigError::OutOfRange {
            class: config_class(flag.name),
            field: flag.name.replace('-', "_"),
            bound,
            kind,
            value: value.to_string(),
            value_type,
        })
    };
    match (flag.kind, value) {
        // Port 0 is no vLLM's idea of a good port, but the system's.
        (FlagKind::Int { .. }, FlagValue::Int(0)) if flag.name == "port" => Ok(()),
        (FlagKind::Size { auto: true, .. }, FlagValue::Int(-1)) => Ok(()),
        (FlagKind::Int { min: Some(min) } | FlagKind::Size { min, .. }, FlagValue::Int(value))
            if *value < min =>
        {
            error(
                format!("greater than or equal to {min}"),
                "greater_than_equal",
                value,
                "int",
            )
        }
        (
            FlagKind::Float {
                min,
                max,
                min_exclusive,
            },
            FlagValue::Float(value),
        ) => {
            let shown = format!("{value:?}");
            match (min, max) {
                (Some(min), _) if min_exclusive && *value <= min => error(
                    format!("greater than {min}"),
                    "greater_than",
                    &shown,
                    "float",
                ),
                (Some(min), _) if *value < min => error(
                    format!("greater than or equal to {min}"),
                    "greater_than_equal",
                    &shown,
                    "float",
                ),
                (_, Some(max)) if *value > max => error(
                    format!("less than or equal to {max}"),
                    "less_than_equal",
                    &shown,
                    "float",
                ),
                _ => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// The part of vLLM's configuration that a flag belongs to.
fn config_class(flag: &str) -> &'static str {
    match flag {
        "gpu-memory-utilization" | "block-size" | "kv-cache-memory-bytes" => "CacheConfig",
        "max-num-seqs" | "max-num-batched-tokens" => "SchedulerConfig",
        "max-model-len" | "seed" => "ModelConfig",
        "tensor-parallel-size" | "pipeline-parallel-size" | "data-parallel-size" => {
            "ParallelConfig"
        }
        _ => "VllmConfig",
    }
}

/// A template is given as a file or in one line. What cannot be read is not judged.
fn template_tools(given: &Given<'_>) -> TemplateTools {
    let Some(named) = given.text("chat-template") else {
        return TemplateTools::Shown;
    };
    let text = if named.contains('{') {
        Some(named)
    } else {
        std::fs::read_to_string(named).ok()
    };
    match text {
        Some(text) if !text.contains("tools") => TemplateTools::Ignored,
        Some(_) | None => TemplateTools::Shown,
    }
}

/// The tool call parser, which is only looked at where tool calls are enabled.
fn tool_parser(given: &Given<'_>) -> Result<Option<&'static str>, ConfigError> {
    if !given.switch("enable-auto-tool-choice", false) {
        return Ok(None);
    }
    let parser = given
        .text("tool-call-parser")
        .ok_or(ConfigError::NoToolParser)?;
    let names = || TOOL_PARSERS.iter().map(|parser| parser.name);
    known_parser("tool call", parser, names).map(Some)
}

fn reasoning_parser(given: &Given<'_>) -> Result<Option<&'static str>, ConfigError> {
    let names = || REASONING_PARSERS.iter().map(|(name, _)| *name);
    match given
        .text("reasoning-parser")
        .filter(|name| !name.is_empty())
    {
        None => Ok(None),
        Some(parser) => known_parser("reasoning", parser, names).map(Some),
    }
}

fn known_parser<I: Iterator<Item = &'static str>>(
    kind: &'static str,
    parser: String,
    names: impl Fn() -> I,
) -> Result<&'static str, ConfigError> {
    names().find(|name| *name == parser).ok_or_else(|| {
        let mut known: Vec<&str> = names().collect();
        known.sort_unstable();
        ConfigError::UnknownParser {
            kind,
            parser,
            known: known.join(","),
        }
    })
}

fn check_batch(settings: &Settings, max_model_len: usize) -> Result<(), ConfigError> {
    let (batch, seqs) = (settings.max_num_batched_tokens, settings.max_num_seqs);
    if settings.chunked == ChunkedPrefill::Off && batch < max_model_len {
        let complaint = format!(
            "max_num_batched_tokens ({batch}) is smaller than max_model_len ({max_model_len}). This \
             effectively limits the maximum sequence length to max_num_batched_tokens and makes \
             vLLM reject longer sequences. Please increase max_num_batched_tokens or decrease \
             max_model_len."
        );
        return Err(ConfigError::Batch { complaint });
    }
    if batch < seqs {
        let complaint = format!(
            "max_num_batched_tokens ({batch}) must be greater than or equal to max_num_seqs ({seqs})."
        );
        return Err(ConfigError::Batch { complaint });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(line: &str) -> Result<Settings, ConfigError> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Settings::resolve(&Arguments::parse(&words).unwrap(), None)
    }

    #[test]
    fn defaults_are_those_of_vllm() {
        let settings = resolve("some/model").unwrap();
        assert_eq!(settings.served_names, ["some/model"]);
        assert_eq!((settings.host.as_str(), settings.port), ("0.0.0.0", 8000));
        assert!((settings.gpu_memory_utilization - 0.92).abs() < 1e-12);
        assert_eq!(settings.max_model_len, ModelLength::Fixed(8192));
        assert_eq!(
            (settings.max_num_seqs, settings.max_num_batched_tokens),
            (256, 2048)
        );
        assert_eq!(
            (settings.chunked, settings.caching),
            (ChunkedPrefill::On, PrefixCaching::On)
        );
        assert_eq!(
            (settings.block_size, settings.kv_cache_dtype.as_str()),
            (16, "auto")
        );
        assert_eq!(settings.details, PromptTokenDetails::Hidden);
    }

    #[test]
    fn without_chunks_the_default_batch_holds_a_whole_sequence() {
        let settings = resolve("m --no-enable-chunked-prefill --max-model-len 4096").unwrap();
        assert_eq!(
            (settings.chunked, settings.max_num_batched_tokens),
            (ChunkedPrefill::Off, 4096)
        );
    }

    #[test]
    fn the_key_of_the_command_line_counts_before_that_of_the_environment() {
        let words =
            |line: &str| -> Vec<String> { line.split_whitespace().map(str::to_owned).collect() };
        let keys = |line: &str| {
            let arguments = Arguments::parse(&words(line)).unwrap();
            Settings::resolve(&arguments, Some("env".to_owned()))
                .unwrap()
                .api_keys
        };
        assert_eq!(keys("m --api-key a b"), ["a", "b"]);
        assert_eq!(keys("m"), ["env"]);
    }

    #[test]
    fn refusals_are_in_the_words_of_vllm() {
        for (line, words) in [
            (
                "m --gpu-memory-utilization 1.5",
                "pydantic_core._pydantic_core.ValidationError: 1 validation error for CacheConfig\n\
                 gpu_memory_utilization\n  Input should be less than or equal to 1 \
                 [type=less_than_equal, input_value=1.5, input_type=float]\n    For further \
                 information visit https://errors.pydantic.dev/2.14/v/less_than_equal",
            ),
            (
                "m --max-num-seqs 0",
                "pydantic_core._pydantic_core.ValidationError: 1 validation error for SchedulerConfig\n\
                 max_num_seqs\n  Input should be greater than or equal to 1 \
                 [type=greater_than_equal, input_value=0, input_type=int]\n    For further \
                 information visit https://errors.pydantic.dev/2.14/v/greater_than_equal",
            ),
            (
                "m --max-num-batched-tokens 16 --max-num-seqs 32",
                "pydantic_core._pydantic_core.ValidationError: 1 validation error for SchedulerConfig\n  \
                 Value error, max_num_batched_tokens (16) must be greater than or equal to \
                 max_num_seqs (32). [type=value_error, input_value=ArgsKwargs((), {'runner_t..., \
                 'stream_interval': 1}), input_type=ArgsKwargs]\n    For further information \
                 visit https://errors.pydantic.dev/2.14/v/value_error",
            ),
            (
                "m --no-enable-chunked-prefill --max-num-batched-tokens 2048",
                "pydantic_core._pydantic_core.ValidationError: 1 validation error for SchedulerConfig\n  \
                 Value error, max_num_batched_tokens (2048) is smaller than max_model_len (8192). \
                 This effectively limits the maximum sequence length to max_num_batched_tokens and \
                 makes vLLM reject longer sequences. Please increase max_num_batched_tokens or \
                 decrease max_model_len. [type=value_error, input_value=ArgsKwargs((), \
                 {'runner_t..., 'stream_interval': 1}), input_type=ArgsKwargs]\n    For further \
                 information visit https://errors.pydantic.dev/2.14/v/value_error",
            ),
            (
                "m --enable-auto-tool-choice",
                "TypeError: Error: --enable-auto-tool-choice requires --tool-call-parser",
            ),
        ] {
            assert_eq!(resolve(line).unwrap_err().to_string(), words);
        }
        let unknown = resolve("m --enable-auto-tool-choice --tool-call-parser nope")
            .unwrap_err()
            .to_string();
        assert!(
            unknown.starts_with("KeyError: 'invalid tool call parser: nope (chose from { apertus,")
        );
        let unknown = resolve("m --reasoning-parser nope")
            .unwrap_err()
            .to_string();
        assert!(unknown.starts_with(
            "KeyError: 'invalid reasoning parser: nope (chose from { cohere_command3,"
        ));
        let both =
            "m --enable-auto-tool-choice --tool-call-parser qwen3_xml --reasoning-parser qwen3";
        let settings = resolve(both).unwrap();
        assert_eq!(
            (settings.tool_parser, settings.reasoning_parser),
            (Some("qwen3_xml"), Some("qwen3"))
        );
        // A parser that nobody asks is not looked at.
        assert_eq!(
            resolve("m --tool-call-parser nope").unwrap().tool_parser,
            None
        );
    }
}
