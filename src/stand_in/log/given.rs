//! What an engine was given and how it says so: its arguments as Python writes them, and the
//! configuration that it makes of them.

use crate::spec::flag::FlagValue;
use crate::stand_in::command::arguments::Arguments;
use crate::stand_in::command::settings::{ModelLength, Settings};
use crate::stand_in::engine::cache::PrefixCaching;
use crate::stand_in::engine::memory::DERIVED_MAX_MODEL_LEN;
use crate::stand_in::engine::scheduler::ChunkedPrefill;
use crate::stand_in::version::VllmVersion;

/// Flags whose values the stand-in never logs.
const HIDDEN: &[&str] = &["api-key", "hf-token"];

/// Flags of the front end, which vLLM lists before the model.
const FRONT_END: &[&str] = &[
    "api-key",
    "chat-template",
    "disable-access-log-for-endpoints",
    "enable-auto-tool-choice",
    "enable-prompt-tokens-details",
    "host",
    "port",
    "root-path",
    "tool-call-parser",
    "uvicorn-log-level",
];

/// What the arguments of 0.6 and 0.8 are where they are not given, in the order of their parser:
/// those that say something.
const NAMESPACE: &[(&str, &str)] = &[
    ("host", "None"),
    ("port", "8000"),
    ("uvicorn-log-level", "'info'"),
    ("api-key", "None"),
    ("chat-template", "None"),
    ("response-role", "'assistant'"),
    ("root-path", "None"),
    ("enable-auto-tool-choice", "False"),
    ("tool-call-parser", "None"),
    ("enable-prompt-tokens-details", "False"),
    ("tokenizer", "None"),
    ("trust-remote-code", "False"),
    ("load-format", "'auto'"),
    ("dtype", "'auto'"),
    ("kv-cache-dtype", "'auto'"),
    ("max-model-len", "None"),
    ("pipeline-parallel-size", "1"),
    ("tensor-parallel-size", "1"),
    ("block-size", "None"),
    ("enable-prefix-caching", "None"),
    ("seed", "0"),
    ("swap-space", "4"),
    ("gpu-memory-utilization", "0.9"),
    ("max-num-batched-tokens", "None"),
    ("max-num-seqs", "256"),
    ("quantization", "None"),
    ("enforce-eager", "False"),
    ("enable-chunked-prefill", "None"),
    ("served-model-name", "None"),
];

/// The arguments in the form of a version, with the words in front of them.
pub fn arguments_line(version: VllmVersion, arguments: &Arguments) -> String {
    match version {
        VllmVersion::V0_6_4 | VllmVersion::V0_8_5 => format!("args: {}", namespace(arguments)),
        VllmVersion::V0_9_2
        | VllmVersion::V0_10_1
        | VllmVersion::V0_11_0
        | VllmVersion::V0_18_0
        | VllmVersion::V0_32_0 => {
            format!("non-default args: {}", non_default(version, arguments))
        }
    }
}

/// All arguments, as argparse shows them.
fn namespace(arguments: &Arguments) -> String {
    let model = quote(&arguments.model);
    let known = NAMESPACE.iter().map(|(flag, default)| {
        let value = arguments
            .get(flag)
            .map_or_else(|| (*default).to_owned(), |value| shown(flag, value));
        format!("{}={value}", field(flag))
    });
    let others = arguments
        .given
        .iter()
        .filter(|(flag, _)| NAMESPACE.iter().all(|(known, _)| *known != flag.name))
        .map(|(flag, value)| format!("{}={}", field(flag.name), shown(flag.name, value)));
    let entries: Vec<String> = [
        "subparser='serve'".to_owned(),
        format!("model_tag={model}"),
        "config=''".to_owned(),
        format!("model={model}"),
    ]
    .into_iter()
    .chain(known)
    .chain(others)
    .collect();
    format!("Namespace({})", entries.join(", "))
}

/// The flags that differ from their defaults, as a Python dictionary.
fn non_default(version: VllmVersion, arguments: &Arguments) -> String {
    let entries_of = |front_end: bool| {
        arguments
            .given
            .iter()
            .filter(move |(flag, _)| FRONT_END.contains(&flag.name) == front_end)
            .filter(move |(flag, value)| !is_default(version, flag.name, value))
            .map(|(flag, value)| format!("'{}': {}", field(flag.name), shown(flag.name, value)))
    };
    let model = quote(&arguments.model);
    let entries: Vec<String> = std::iter::once(format!("'model_tag': {model}"))
        .chain(entries_of(true))
        .chain(std::iter::once(format!("'model': {model}")))
        .chain(entries_of(false))
        .collect();
    format!("{{{}}}", entries.join(", "))
}

/// Is this what vLLM takes anyway? Flags that decide for themselves have no default to equal.
fn is_default(version: VllmVersion, flag: &str, value: &FlagValue) -> bool {
    match (flag, value) {
        ("port", FlagValue::Int(8000))
        | ("tensor-parallel-size", FlagValue::Int(1))
        | ("seed", FlagValue::Int(0)) => true,
        ("gpu-memory-utilization", FlagValue::Float(value)) => {
            value.to_bits() == version.gpu_memory_utilization().to_bits()
        }
        ("kv-cache-dtype" | "dtype" | "load-format", FlagValue::Text(value)) => value == "auto",
        (
            "enable-auto-tool-choice"
            | "enable-prompt-tokens-details"
            | "enforce-eager"
            | "trust-remote-code",
            FlagValue::Bool(false),
        ) => true,
        _ => false,
    }
}

fn field(flag: &str) -> String {
    flag.replace('-', "_")
}

fn shown(flag: &str, value: &FlagValue) -> String {
    if HIDDEN.contains(&flag) {
        "'***'".to_owned()
    } else {
        python(value)
    }
}

/// A value as Python prints it.
fn python(value: &FlagValue) -> String {
    match value {
        FlagValue::Bool(true) => "True".to_owned(),
        FlagValue::Bool(false) => "False".to_owned(),
        FlagValue::Int(value) => value.to_string(),
        FlagValue::Float(value) => format!("{value:?}"),
        FlagValue::Text(text) => quote(text),
        FlagValue::List(values) => {
            let values: Vec<String> = values.iter().map(|value| quote(value)).collect();
            format!("[{}]", values.join(", "))
        }
        FlagValue::Default => "None".to_owned(),
    }
}

fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn truth(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}

/// The longest sequence that was asked for, or that of the model.
pub fn asked_length(settings: &Settings) -> usize {
    match settings.max_model_len {
        ModelLength::Fixed(length) => length,
        ModelLength::Fitted => DERIVED_MAX_MODEL_LEN,
    }
}

/// The line in which an engine says what it is, with the words in front of it.
pub fn config_line(version: VllmVersion, settings: &Settings) -> String {
    let engine = match version {
        VllmVersion::V0_6_4 => "an LLM",
        VllmVersion::V0_8_5
        | VllmVersion::V0_9_2
        | VllmVersion::V0_10_1
        | VllmVersion::V0_11_0
        | VllmVersion::V0_18_0
        | VllmVersion::V0_32_0 => "a V1 LLM",
    };
    format!(
        "Initializing {engine} engine (v{}) with config: {}",
        version.name(),
        config(version, settings)
    )
}

/// The fields of the configuration in the order and with the slips of each version.
fn config(version: VllmVersion, settings: &Settings) -> String {
    let Given {
        trust_remote_code,
        dtype,
        load_format,
        pipeline,
        data,
        quantization,
        eager,
    } = Given::of(settings);
    let model = quote(&settings.model);
    let length = asked_length(settings);
    let tensor = settings.tensor_parallel_size;
    let cache = &settings.kv_cache_dtype;
    let seed = settings.seed;
    let name = &settings.served_names[0];
    let caching = truth(settings.caching == PrefixCaching::On);
    let chunked = truth(settings.chunked == ChunkedPrefill::On);
    let head = format!("model={model}, speculative_config=None, tokenizer={model}");
    let tokenizer = "skip_tokenizer_init=False, tokenizer_mode=auto, revision=None";
    let decoding = "decoding_config=DecodingConfig(guided_decoding_backend='xgrammar')";
    let observability = "observability_config=ObservabilityConfig(otlp_traces_endpoint=None)";
    let loaded = format!("download_dir=None, load_format={load_format}");
    let parallel = format!("tensor_parallel_size={tensor}, pipeline_parallel_size={pipeline}");
    let served = format!("seed={seed}, served_model_name={name}");
    match version {
        VllmVersion::V0_6_4 => format!(
            "{head}, {tokenizer}, override_neuron_config=None, tokenizer_revision=None, \
             trust_remote_code={trust_remote_code}, dtype={dtype}, max_seq_len={length}, {loaded}, \
             {parallel}, disable_custom_all_reduce=False, quantization={quantization}, \
             enforce_eager={eager}, kv_cache_dtype={cache}, quantization_param_path=None, \
             device_config=cuda, {decoding}, {observability}, {served}, num_scheduler_steps=1, \
             chunked_prefill_enabled={chunked} multi_step_stream_outputs=True, \
             enable_prefix_caching={caching}, use_async_output_proc=True, use_cached_outputs=True, \
             chat_template_text_format=string, mm_processor_kwargs=None, pooler_config=None)"
        ),
        VllmVersion::V0_8_5 | VllmVersion::V0_9_2 => format!(
            "{head}, {tokenizer}, override_neuron_config={{}}, tokenizer_revision=None, \
             trust_remote_code={trust_remote_code}, dtype={dtype}, max_seq_len={length}, {loaded}, \
             {parallel}, disable_custom_all_reduce=False, quantization={quantization}, \
             enforce_eager={eager}, kv_cache_dtype={cache},  device_config=cuda, {decoding}, \
             {observability}, {served}, num_scheduler_steps=1, multi_step_stream_outputs=True, \
             enable_prefix_caching={caching}, chunked_prefill_enabled={chunked}, \
             use_async_output_proc=True, pooler_config=None"
        ),
        VllmVersion::V0_10_1 | VllmVersion::V0_11_0 => format!(
            "{head}, {tokenizer}, tokenizer_revision=None, trust_remote_code={trust_remote_code}, \
             dtype={dtype}, max_seq_len={length}, {loaded}, {parallel}, \
             disable_custom_all_reduce=False, quantization={quantization}, enforce_eager={eager}, \
             kv_cache_dtype={cache}, device_config=cuda, {observability}, {served}, \
             enable_prefix_caching={caching}, chunked_prefill_enabled={chunked}, pooler_config=None"
        ),
        VllmVersion::V0_18_0 | VllmVersion::V0_32_0 => format!(
            "{head}, {tokenizer}, tokenizer_revision=None, trust_remote_code={trust_remote_code}, \
             dtype={dtype}, max_seq_len={length}, {loaded}, {parallel}, data_parallel_size={data}, \
             decode_context_parallel_size=1, dcp_comm_backend=ag_rs, \
             disable_custom_all_reduce=False, quantization={quantization}, enforce_eager={eager}, \
             kv_cache_dtype={cache}, device_config=cuda, {observability}, {served}, \
             enable_prefix_caching={caching}, enable_chunked_prefill={chunked}, pooler_config=None"
        ),
    }
}

/// Flags that decide nothing here and are shown all the same.
struct Given {
    trust_remote_code: &'static str,
    dtype: String,
    load_format: String,
    pipeline: i64,
    data: i64,
    quantization: String,
    eager: &'static str,
}

impl Given {
    fn of(settings: &Settings) -> Self {
        let given = &settings.arguments;
        let text = |flag: &str| match given.get(flag) {
            Some(FlagValue::Text(text)) => Some(text.clone()),
            _ => None,
        };
        let number = |flag: &str| match given.get(flag) {
            Some(FlagValue::Int(number)) => *number,
            _ => 1,
        };
        let dtype = match text("dtype").as_deref() {
            None | Some("auto" | "bfloat16") => "bfloat16".to_owned(),
            Some("half") => "float16".to_owned(),
            Some("float") => "float32".to_owned(),
            Some(other) => other.to_owned(),
        };
        Self {
            trust_remote_code: truth(
                given.get("trust-remote-code") == Some(&FlagValue::Bool(true)),
            ),
            dtype: format!("torch.{dtype}"),
            load_format: text("load-format").unwrap_or_else(|| "auto".to_owned()),
            pipeline: number("pipeline-parallel-size"),
            data: number("data-parallel-size"),
            quantization: text("quantization").unwrap_or_else(|| "None".to_owned()),
            eager: truth(is_eager(settings)),
        }
    }
}

/// No graphs are captured.
pub fn is_eager(settings: &Settings) -> bool {
    settings.arguments.get("enforce-eager") == Some(&FlagValue::Bool(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(line: &str) -> Arguments {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Arguments::parse(&words).unwrap()
    }

    #[test]
    fn only_what_differs_is_listed_and_no_key_is() {
        let line = "some/model --max-num-seqs 8 --host 127.0.0.1 --port 18002 --api-key hush \
                    --gpu-memory-utilization 0.92 --no-enable-chunked-prefill --enforce-eager \
                    --served-model-name a b --gpu-memory-utilization 0.9 --seed 0";
        let common = "{'model_tag': 'some/model', 'host': '127.0.0.1', 'port': 18002, 'api_key': \
                      '***', 'model': 'some/model', 'max_num_seqs': 8, 'enable_chunked_prefill': \
                      False, 'enforce_eager': True, 'served_model_name': ['a', 'b']";
        let new = arguments_line(VllmVersion::V0_32_0, &arguments(line));
        assert_eq!(
            new,
            format!("non-default args: {common}, 'gpu_memory_utilization': 0.9}}")
        );
        // 0.9 was the default before.
        let old = arguments_line(VllmVersion::V0_11_0, &arguments(line));
        assert_eq!(old, format!("non-default args: {common}}}"));
    }

    #[test]
    fn the_old_front_ends_show_everything() {
        let line = "m --max-num-seqs 8 --api-key hush --no-enable-prefix-caching --load-format dummy --max-log-len 5";
        let shown = arguments_line(VllmVersion::V0_8_5, &arguments(line));
        assert!(
            shown.starts_with("args: Namespace(subparser='serve', model_tag='m', config=''"),
            "{shown}"
        );
        for part in [
            ", api_key='***', ",
            ", gpu_memory_utilization=0.9, ",
            ", max_num_seqs=8, ",
            ", enable_prefix_caching=False, ",
            ", max_num_batched_tokens=None, ",
            ", load_format='dummy', ",
            ", max_log_len=5)",
        ] {
            assert!(shown.contains(part), "{part} is not in {shown}");
        }
        assert!(!shown.contains("hush"));
    }

    #[test]
    fn a_configuration_shows_what_was_given_or_taken() {
        let line = "m --dtype half --quantization awq --enforce-eager --tensor-parallel-size 2 \
                    --max-model-len 4096 --kv-cache-dtype fp8";
        for (version, parts) in [
            (
                VllmVersion::V0_6_4,
                [
                    "Initializing an LLM engine (v0.6.4) with config: model='m'",
                    "chunked_prefill_enabled=False multi_step_stream_outputs=True, \
                     enable_prefix_caching=False,",
                ],
            ),
            (
                VllmVersion::V0_8_5,
                [
                    "Initializing a V1 LLM engine (v0.8.5) with config: model='m'",
                    "enable_prefix_caching=True, chunked_prefill_enabled=True,",
                ],
            ),
            (
                VllmVersion::V0_32_0,
                [
                    "Initializing a V1 LLM engine (v0.32.0) with config: model='m'",
                    "enable_prefix_caching=True, enable_chunked_prefill=True,",
                ],
            ),
        ] {
            let line = format!("{line} --stand-in-version {}", version.name());
            let settings = Settings::resolve(&arguments(&line), None).unwrap();
            let shown = config_line(version, &settings);
            for part in parts.into_iter().chain([
                "dtype=torch.float16, max_seq_len=4096,",
                "tensor_parallel_size=2, pipeline_parallel_size=1",
                "quantization=awq, enforce_eager=True",
                "kv_cache_dtype=fp8,",
            ]) {
                assert!(shown.contains(part), "{part} is not in {shown}");
            }
        }
    }
}
