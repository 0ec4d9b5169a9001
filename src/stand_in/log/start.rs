//! The lines of vLLM's log from its banner to its shutdown: what a reader can find out about an
//! engine from its log, he finds here in the same words.

use std::net::SocketAddr;
use std::time::Duration;

use crate::spec::flag::FlagValue;
use crate::stand_in::command::arguments::Arguments;
use crate::stand_in::command::settings::{ModelLength, Settings};
use crate::stand_in::engine::cache::PrefixCaching;
use crate::stand_in::engine::memory::{DERIVED_MAX_MODEL_LEN, KvRoom};
use crate::stand_in::engine::scheduler::ChunkedPrefill;
use crate::stand_in::log::death::gib;
use crate::stand_in::log::writer::{Level, Log, Process};

/// Flags whose values vLLM never logs.
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

/// The banner and what was asked for.
pub fn banner(log: &Log, arguments: &Arguments) {
    let place = "api_utils.py:347";
    log.api(place, "");
    log.api(place, "       █     █     █▄   ▄█");
    log.api(
        place,
        format_args!(
            " ▄▄ ▄█ █     █     █ ▀▄▀ █  version {}",
            log.version().name()
        ),
    );
    log.api(
        place,
        format_args!("  █▄█▀ █     █     █     █  model   {}", arguments.model),
    );
    log.api(place, "   ▀▀  ▀▀▀▀▀ ▀▀▀▀▀ ▀     ▀");
    log.api(place, "");
    log.api(
        "api_utils.py:286",
        format_args!("non-default args: {}", non_default_args(arguments)),
    );
}

/// The flags that differ from their defaults, as a Python dictionary.
fn non_default_args(arguments: &Arguments) -> String {
    let shown = |front_end: bool| {
        arguments
            .given
            .iter()
            .filter(move |(flag, _)| FRONT_END.contains(&flag.name) == front_end)
            .filter(|(flag, value)| !is_default(flag.name, value))
            .map(|(flag, value)| {
                let value = if HIDDEN.contains(&flag.name) {
                    "'***'".to_owned()
                } else {
                    python(value)
                };
                format!("'{}': {value}", flag.name.replace('-', "_"))
            })
    };
    let model = quote(&arguments.model);
    let entries: Vec<String> = std::iter::once(format!("'model_tag': {model}"))
        .chain(shown(true))
        .chain(std::iter::once(format!("'model': {model}")))
        .chain(shown(false))
        .collect();
    format!("{{{}}}", entries.join(", "))
}

/// Is this what vLLM takes anyway? Flags that decide for themselves have no default to equal.
fn is_default(flag: &str, value: &FlagValue) -> bool {
    match (flag, value) {
        ("port", FlagValue::Int(8000))
        | ("tensor-parallel-size", FlagValue::Int(1))
        | ("seed", FlagValue::Int(0)) => true,
        ("gpu-memory-utilization", FlagValue::Float(value)) => {
            value.to_bits() == 0.92_f64.to_bits()
        }
        ("kv-cache-dtype", FlagValue::Text(value)) => value == "auto",
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

/// What the front end makes of the configuration.
pub fn configuration(log: &Log, settings: &Settings) {
    log.api("model.py:733", "Resolved architecture: StandInForCausalLM");
    log.api(
        "model.py:2152",
        format_args!("Using max model len {}", asked_length(settings)),
    );
    match settings.chunked {
        ChunkedPrefill::On => log.api(
            "scheduler.py:307",
            format_args!(
                "Chunked prefill is enabled with max_num_batched_tokens={}.",
                settings.max_num_batched_tokens
            ),
        ),
        ChunkedPrefill::Off => log.line(
            Process::ApiServer,
            Level::Warning,
            "arg_utils.py:3005",
            "This model does not officially support disabling chunked prefill. Disabling this \
             manually may cause the engine to crash or produce incorrect outputs.",
        ),
    }
}

fn asked_length(settings: &Settings) -> usize {
    match settings.max_model_len {
        ModelLength::Fixed(length) => length,
        ModelLength::Fitted => DERIVED_MAX_MODEL_LEN,
    }
}

/// The configuration as the engine core has it.
pub fn engine(log: &Log, settings: &Settings) {
    let model = quote(&settings.model);
    log.core(
        "core.py:133",
        format_args!(
            "Initializing a V1 LLM engine (v{}) with config: model={model}, \
             speculative_config=None, tokenizer={model}, skip_tokenizer_init=False, \
             tokenizer_mode=auto, revision=None, tokenizer_revision=None, trust_remote_code=False, \
             dtype=torch.bfloat16, max_seq_len={}, download_dir=None, load_format=auto, \
             tensor_parallel_size={}, pipeline_parallel_size=1, data_parallel_size=1, \
             disable_custom_all_reduce=False, quantization=None, kv_cache_dtype={}, \
             device_config=cuda, seed={}, served_model_name={}, enable_prefix_caching={}, \
             enable_chunked_prefill={}, pooler_config=None",
            log.version().name(),
            asked_length(settings),
            settings.tensor_parallel_size,
            settings.kv_cache_dtype,
            settings.seed,
            settings.served_names[0],
            truth(settings.caching == PrefixCaching::On),
            truth(settings.chunked == ChunkedPrefill::On),
        ),
    );
}

/// The workers begin to load.
pub fn loading(log: &Log, settings: &Settings) {
    let text = format!("Starting to load model {}...", settings.model);
    for worker in log.workers() {
        log.line(worker, Level::Info, "gpu_model_runner.py:5040", &text);
    }
}

/// The workers have loaded.
pub fn loaded(log: &Log, settings: &Settings, took: Duration) {
    let seconds = took.as_secs_f64();
    let weights = gib(settings.numbers.weights);
    for worker in log.workers() {
        let text = format!("Loading weights took {seconds:.2} seconds");
        log.line(worker, Level::Info, "default_loader.py:501", text);
        let text = format!("Model loading took {weights} GiB memory and {seconds:.6} seconds");
        log.line(worker, Level::Info, "gpu_model_runner.py:5149", text);
    }
}

/// What there is for the KV cache.
pub fn kv_room(log: &Log, room: &KvRoom) {
    let text = format!("Available KV cache memory: {} GiB", gib(room.bytes));
    log.line(Process::Worker(0), Level::Info, "gpu_worker.py:759", text);
    log.core(
        "kv_cache_utils.py:2327",
        format_args!(
            "GPU KV cache size: {} tokens, Maximum concurrency for {} tokens per request: {:.2}x",
            thousands(room.n_tokens()),
            thousands(room.max_model_len),
            room.max_concurrency()
        ),
    );
}

/// The engine core is ready.
pub fn initialized(log: &Log, took: Duration) {
    log.core(
        "core.py:402",
        format_args!(
            "init engine (profile, create kv cache, warmup model) took {:.2} s",
            took.as_secs_f64()
        ),
    );
}

/// The server listens on `address`.
pub fn serving(log: &Log, address: SocketAddr) {
    log.api("entry.py:136", "Supported tasks: ['generate']");
    log.api(
        "entry.py:140",
        format_args!("Starting vLLM server on http://{address}"),
    );
    log.uvicorn(format_args!(
        "Started server process [{}]",
        std::process::id()
    ));
    log.uvicorn("Waiting for application startup.");
    log.uvicorn("Application startup complete.");
    log.uvicorn(format_args!(
        "Uvicorn running on http://{address} (Press CTRL+C to quit)"
    ));
}

/// The engine was told to stop.
pub fn shutdown(log: &Log) {
    log.api(
        "launcher.py:254",
        "[shutdown] API server: shutdown triggered",
    );
    log.api(
        "launcher.py:304",
        "[shutdown] API server: shutting down FastAPI HTTP server",
    );
    log.uvicorn("Shutting down");
    log.uvicorn("Waiting for application shutdown.");
    log.uvicorn("Application shutdown complete.");
}

/// `46592` as `46,592`.
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_listed_and_no_key_is() {
        let line = "some/model --max-num-seqs 8 --host 127.0.0.1 --port 18002 --api-key hush \
                    --gpu-memory-utilization 0.92 --no-enable-chunked-prefill --enforce-eager \
                    --served-model-name a b --gpu-memory-utilization 0.9 --seed 0";
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        assert_eq!(
            non_default_args(&Arguments::parse(&words).unwrap()),
            "{'model_tag': 'some/model', 'host': '127.0.0.1', 'port': 18002, 'api_key': '***', \
             'model': 'some/model', 'max_num_seqs': 8, 'enable_chunked_prefill': False, \
             'enforce_eager': True, 'served_model_name': ['a', 'b'], 'gpu_memory_utilization': 0.9}"
        );
    }

    #[test]
    fn thousands_are_set_apart() {
        let shown = [5, 999, 1000, 46_592, 4_194_304].map(thousands);
        assert_eq!(shown, ["5", "999", "1,000", "46,592", "4,194,304"]);
    }
}
