//! The lines of vLLM's log from its banner to its shutdown: what a reader can find out about an
//! engine from its log, he finds here in the words of the version that is played.

use std::net::SocketAddr;
use std::time::Duration;

use crate::stand_in::command::arguments::Arguments;
use crate::stand_in::command::settings::Settings;
use crate::stand_in::engine::memory::KvRoom;
use crate::stand_in::engine::scheduler::ChunkedPrefill;
use crate::stand_in::log::given::{arguments_line, asked_length, config_line, is_eager};
use crate::stand_in::log::place;
use crate::stand_in::log::route::routes;
use crate::stand_in::log::size::{gib, gib_in_two_places};
use crate::stand_in::log::writer::{Level, Log, Process};
use crate::stand_in::version::VllmVersion::{
    V0_6_4, V0_8_5, V0_9_2, V0_10_1, V0_11_0, V0_18_0, V0_32_0,
};

/// Tokens of a batch that vLLM's configuration begins with.
const DEFAULT_BATCH: usize = 2048;

/// The banner and what was asked for.
pub fn banner(log: &Log, arguments: &Arguments) {
    let version = log.version();
    let number = version.name();
    let place = place::SERVER_VERSION;
    match version {
        V0_6_4 | V0_8_5 | V0_9_2 | V0_10_1 | V0_11_0 => {
            log.api(place, format_args!("vLLM API server version {number}"));
        }
        V0_18_0 | V0_32_0 => {
            let model = &arguments.model;
            log.api(place, "");
            log.api(place, "       █     █     █▄   ▄█");
            log.api(
                place,
                format_args!(" ▄▄ ▄█ █     █     █ ▀▄▀ █  version {number}"),
            );
            log.api(
                place,
                format_args!("  █▄█▀ █     █     █     █  model   {model}"),
            );
            log.api(place, "   ▀▀  ▀▀▀▀▀ ▀▀▀▀▀ ▀     ▀");
            log.api(place, "");
        }
    }
    log.api(place::ARGUMENTS, arguments_line(version, arguments));
}

/// What the front end makes of the configuration.
pub fn configuration(log: &Log, settings: &Settings) {
    let version = log.version();
    let length = asked_length(settings);
    match version {
        V0_6_4 => {
            let pid = std::process::id();
            log.api(
                place::IPC,
                format_args!(
                    "Multiprocessing frontend to use ipc:///tmp/stand-in-{pid} for IPC Path."
                ),
            );
            log.api(
                place::ENGINE_PROCESS,
                format_args!("Started engine process with PID {pid}"),
            );
            let tasks = "{'generate', 'embedding'}";
            log.api(place::TASKS_OF_THE_MODEL, many_tasks(tasks));
        }
        V0_8_5 => log.api(
            place::TASKS_OF_THE_MODEL,
            many_tasks("{'classify', 'embed', 'generate', 'reward', 'score'}"),
        ),
        V0_9_2 => {
            log.api(
                place::TASKS_OF_THE_MODEL,
                many_tasks("{'classify', 'embed', 'generate', 'reward'}"),
            );
            log.api(
                place::MODEL_LENGTH,
                format_args!("Using max model len {length}"),
            );
        }
        V0_10_1 | V0_11_0 | V0_18_0 | V0_32_0 => {
            log.api(
                place::ARCHITECTURE,
                "Resolved architecture: StandInForCausalLM",
            );
            log.api(
                place::MODEL_LENGTH,
                format_args!("Using max model len {length}"),
            );
        }
    }
    match settings.chunked {
        ChunkedPrefill::On => {
            let tokens = settings.max_num_batched_tokens;
            // The newest version says each sentence once, and has said this one to itself, with
            // its default, before there is a log.
            if version != V0_32_0 || tokens != DEFAULT_BATCH {
                log.api(
                    place::CHUNKED,
                    format_args!(
                        "Chunked prefill is enabled with max_num_batched_tokens={tokens}."
                    ),
                );
            }
        }
        ChunkedPrefill::Off => match version {
            V0_6_4 | V0_8_5 | V0_9_2 | V0_10_1 | V0_11_0 | V0_18_0 => {}
            V0_32_0 => log.line(
                Process::ApiServer,
                Level::Warning,
                place::NOT_CHUNKED,
                "This model does not officially support disabling chunked prefill. Disabling this \
                 manually may cause the engine to crash or produce incorrect outputs.",
            ),
        },
    }
    match version {
        V0_6_4 | V0_8_5 | V0_9_2 | V0_10_1 | V0_11_0 | V0_18_0 => {}
        V0_32_0 if is_eager(settings) => log.line(
            Process::ApiServer,
            Level::Warning,
            place::EAGER,
            "Enforce eager set, disabling torch.compile, CUDAGraphs, and JIT kernel warmup. This \
             is equivalent to setting -cc.mode=none -cc.cudagraph_mode=none and \
             --kernel_config.enable_jit_warmup=False",
        ),
        V0_32_0 => {}
    }
}

fn many_tasks(tasks: &str) -> String {
    format!("This model supports multiple tasks: {tasks}. Defaulting to 'generate'.")
}

/// The configuration as the engine has it, and its workers as they meet.
pub fn engine(log: &Log, settings: &Settings) {
    let version = log.version();
    log.core(place::CONFIG, config_line(version, settings));
    let n = log.workers().count();
    match version {
        V0_6_4 => {}
        V0_8_5 => rank_lines(log, |rank| {
            format!(
                "rank {rank} in world size {n} is assigned as DP rank 0, PP rank 0, TP rank {rank}"
            )
        }),
        V0_9_2 | V0_10_1 | V0_11_0 => rank_lines(log, |rank| {
            format!(
                "rank {rank} in world size {n} is assigned as DP rank 0, PP rank 0, TP rank {rank}, \
                 EP rank {rank}"
            )
        }),
        V0_18_0 | V0_32_0 => {
            for rank in 0..n {
                let text = format!(
                    "world_size={n} rank={rank} local_rank={rank} \
                     distributed_init_method=tcp://127.0.0.1:29500 backend=nccl"
                );
                log.line(Process::Newborn, Level::Info, place::WORLD, text);
            }
            let expert = match version {
                V0_32_0 => "ETP rank 0, EP rank N/A",
                V0_6_4 | V0_8_5 | V0_9_2 | V0_10_1 | V0_11_0 | V0_18_0 => "EP rank N/A",
            };
            rank_lines(log, |rank| {
                format!(
                    "rank {rank} in world size {n} is assigned as DP rank 0, PP rank 0, PCP rank 0, \
                     TP rank {rank}, {expert}, EPLB rank N/A"
                )
            });
        }
    }
}

fn rank_lines(log: &Log, text: impl Fn(usize) -> String) {
    for (rank, worker) in log.speakers().enumerate() {
        log.line(worker, Level::Info, place::RANK, text(rank));
    }
}

/// The workers begin to load.
pub fn loading(log: &Log, settings: &Settings) {
    let text = format!("Starting to load model {}...", settings.model);
    for worker in log.speakers() {
        log.line(worker, Level::Info, place::LOADING, &text);
    }
    match log.version() {
        V0_6_4 | V0_8_5 | V0_9_2 | V0_10_1 | V0_11_0 | V0_18_0 => {}
        V0_32_0 => log.line(
            Process::Worker(0),
            Level::Info,
            place::INITIALIZED_MODEL,
            "Initializing model took 0.191632 seconds",
        ),
    }
    shards(log, 0);
}

/// The bar that tqdm draws over itself.
fn shards(log: &Log, percent: u32) {
    let done = percent / 100;
    log.python_in(
        Process::Worker(0),
        format_args!(
            "\rLoading safetensors checkpoint shards: {percent:>3}% Completed | {done}/1 \
             [00:00<00:00,  1.91it/s]"
        ),
    );
}

/// The workers have loaded.
pub fn loaded(log: &Log, settings: &Settings, took: Duration) {
    shards(log, 100);
    log.python_in(Process::Worker(0), "");
    let version = log.version();
    let seconds = took.as_secs_f64();
    let bytes = settings.numbers.weights;
    let (exact, short) = (bytes as f64 / f64::from(1 << 30), gib(bytes));
    let weights = format!("Loading weights took {seconds:.2} seconds");
    let text = match version {
        V0_6_4 => format!("Loading model weights took {exact:.4} GB"),
        V0_8_5 | V0_9_2 | V0_10_1 | V0_11_0 => {
            format!("Model loading took {exact:.4} GiB and {seconds:.6} seconds")
        }
        V0_18_0 | V0_32_0 => {
            format!("Model loading took {short} GiB memory and {seconds:.6} seconds")
        }
    };
    for worker in log.speakers() {
        match version {
            V0_6_4 => {}
            V0_8_5 | V0_9_2 | V0_10_1 | V0_11_0 | V0_18_0 | V0_32_0 => {
                log.line(worker, Level::Info, place::LOADED_WEIGHTS, &weights);
            }
        }
        log.line(worker, Level::Info, place::LOADED, &text);
    }
}

/// What there is for the KV cache.
pub fn kv_room(log: &Log, settings: &Settings, room: &KvRoom) {
    let version = log.version();
    let profiled = match version {
        V0_6_4 => Some(profiling(settings, room)),
        V0_8_5 => None,
        V0_9_2 | V0_10_1 | V0_11_0 => Some(format!(
            "Available KV cache memory: {} GiB",
            gib_in_two_places(room.bytes)
        )),
        V0_18_0 | V0_32_0 => Some(format!(
            "Available KV cache memory: {} GiB",
            gib(room.bytes)
        )),
    };
    if let Some(text) = profiled {
        for worker in log.speakers() {
            log.line(worker, Level::Info, place::PROFILED, &text);
        }
    }
    let tokens = thousands(room.n_tokens());
    let length = thousands(room.max_model_len);
    let times = room.max_concurrency();
    match version {
        V0_6_4 => {
            // Where it would swap to: 4 GiB of the host.
            let swap = (4_u64 << 30) * room.n_blocks as u64 / room.bytes.max(1);
            let length = room.max_model_len;
            let times = room.n_tokens() as f64 / length as f64;
            log.core(
                place::CACHE_SIZE,
                format_args!("# GPU blocks: {}, # CPU blocks: {swap}", room.n_blocks),
            );
            log.core(
                place::CONCURRENCY,
                format_args!("Maximum concurrency for {length} tokens per request: {times:.2}x"),
            );
        }
        V0_8_5 | V0_9_2 | V0_10_1 | V0_11_0 | V0_18_0 => {
            log.core(
                place::CACHE_SIZE,
                format_args!("GPU KV cache size: {tokens} tokens"),
            );
            log.core(
                place::CONCURRENCY,
                format_args!("Maximum concurrency for {length} tokens per request: {times:.2}x"),
            );
        }
        V0_32_0 => log.core(
            place::CACHE_SIZE,
            format_args!(
                "GPU KV cache size: {tokens} tokens, Maximum concurrency for {length} tokens per \
                 request: {times:.2}x"
            ),
        ),
    }
}

/// What V0 says when it has tried the largest batch.
fn profiling(settings: &Settings, room: &KvRoom) -> String {
    let numbers = &settings.numbers;
    let used = share(settings).saturating_sub(room.bytes);
    format!(
        "Memory profiling results: total_gpu_memory={}GiB initial_memory_usage={}GiB \
         peak_torch_memory={}GiB memory_usage_post_profile={}GiB non_torch_memory={}GiB \
         kv_cache_size={}GiB gpu_memory_utilization={:.2}",
        gib_in_two_places(numbers.gpu_memory),
        gib_in_two_places(numbers.weights),
        gib_in_two_places(used),
        gib_in_two_places(numbers.weights),
        gib_in_two_places(0),
        gib_in_two_places(room.bytes),
        settings.gpu_memory_utilization
    )
}

/// Bytes of the card that the utilisation asks for.
fn share(settings: &Settings) -> u64 {
    (settings.numbers.gpu_memory as f64 * settings.gpu_memory_utilization) as u64
}

/// The workers begin to capture graphs.
pub fn capturing(log: &Log, settings: &Settings) {
    if is_eager(settings) {
        return;
    }
    match log.version() {
        V0_6_4 => {
            for worker in log.speakers() {
                log.line(
                    worker,
                    Level::Info,
                    place::CAPTURING,
                    "Capturing cudagraphs for decoding. This may lead to unexpected consequences \
                     if the model is not static. To run the model in eager mode, set \
                     'enforce_eager=True' or use '--enforce-eager' in the CLI. If out-of-memory \
                     error occurs during cudagraph capture, consider decreasing \
                     `gpu_memory_utilization` or switching to eager mode. You can also reduce the \
                     `max_num_seqs` as needed to decrease memory usage.",
                );
            }
        }
        V0_8_5 => {}
        V0_9_2 => bar(log, "Capturing CUDA graph shapes"),
        V0_10_1 | V0_11_0 | V0_18_0 | V0_32_0 => {
            bar(
                log,
                "Capturing CUDA graphs (mixed prefill-decode, PIECEWISE)",
            );
        }
    }
}

/// The bar of something that begins.
fn bar(log: &Log, what: &str) {
    log.python_in(
        Process::Worker(0),
        format_args!("\r{what}:   0%|          | 0/35 [00:00<?, ?it/s]"),
    );
}

/// The graphs are captured.
pub fn captured(log: &Log, settings: &Settings, took: Duration) {
    if is_eager(settings) {
        return;
    }
    let seconds = took.as_secs_f64();
    let graphs = gib_in_two_places(settings.numbers.overhead);
    let text = format!("Graph capturing finished in {seconds:.0} secs, took {graphs} GiB");
    for worker in log.speakers() {
        log.line(worker, Level::Info, place::CAPTURED, &text);
    }
}

/// The engine is ready.
pub fn initialized(log: &Log, settings: &Settings, room: &KvRoom, took: Duration) {
    let seconds = took.as_secs_f64();
    match log.version() {
        V0_6_4 => {}
        V0_8_5 | V0_9_2 | V0_10_1 | V0_11_0 | V0_18_0 => log.core(
            place::INITIALIZED,
            format_args!(
                "init engine (profile, create kv cache, warmup model) took {seconds:.2} seconds"
            ),
        ),
        V0_32_0 => {
            memory_use(log, settings, room);
            let compiled = if is_eager(settings) {
                ""
            } else {
                " (compilation: 0.00 s)"
            };
            log.core(
                place::INITIALIZED,
                format_args!(
                    "init engine (profile, create kv cache, warmup model) took {seconds:.2} \
                     s{compiled}"
                ),
            );
        }
    }
}

/// Each worker says how full its card is, in words that are close to those of a death. Nothing
/// is said where the size of the cache was given.
fn memory_use(log: &Log, settings: &Settings, room: &KvRoom) {
    if settings.kv_cache_memory_bytes.is_some() {
        return;
    }
    let numbers = &settings.numbers;
    let (total, wanted) = (numbers.gpu_memory, share(settings));
    let peak = wanted.saturating_sub(room.bytes + numbers.weights);
    let others = numbers.weights + peak + numbers.overhead;
    let (to_share, to_card) = (wanted.saturating_sub(others), total.saturating_sub(others));
    let text = format!(
        "Free memory on device ({}/{} GiB) on startup. Desired GPU memory utilization is ({:?}, {} \
         GiB). Actual usage is {} GiB for consumed memory (weights + non-torch), {} GiB for peak \
         activation, and {} GiB for CUDAGraph memory. Replace gpu_memory_utilization config with \
         `--kv-cache-memory={to_share}` ({} GiB) to fit into requested memory, or \
         `--kv-cache-memory={to_card}` ({} GiB) to fully utilize gpu memory. Current kv cache \
         memory in use is {} GiB.",
        gib(total),
        gib(total),
        settings.gpu_memory_utilization,
        gib(wanted),
        gib(numbers.weights),
        gib(peak),
        gib(numbers.overhead),
        gib(to_share),
        gib(to_card),
        gib(room.bytes)
    );
    for worker in log.workers() {
        log.line(worker, Level::Info, place::MEMORY_USE, &text);
    }
}

/// The server listens on `address`.
pub fn serving(log: &Log, room: &KvRoom, address: SocketAddr) {
    let version = log.version();
    let blocks = room.n_blocks;
    match version {
        V0_6_4 => {}
        V0_8_5 => log.api(place::CORE_READY, "Core engine process 0 ready."),
        V0_9_2 | V0_10_1 | V0_11_0 => log.api(
            place::CACHE_INFO,
            format_args!(
                "Engine 000: vllm cache_config_info with initialization after num_gpu_blocks is: \
                 {blocks}"
            ),
        ),
        V0_18_0 | V0_32_0 => {}
    }
    match version {
        V0_6_4 | V0_8_5 | V0_9_2 => {}
        V0_10_1 | V0_11_0 => log.api(place::TASKS, "Supported_tasks: ['generate']"),
        V0_18_0 => log.api(place::TASKS, "Supported tasks: ['generate']"),
        V0_32_0 => {
            log.api(place::TASKS, "Supported tasks: ['generate']");
            log.api(
                place::SCALE_OUT,
                "Scale-out endpoints are disabled. Restart vllm serve with --enable-scale-out to \
                 enable them.",
            );
            log.api(
                place::TEMPLATE,
                "Detected the chat template content format to be 'string'. You can set \
                 `--chat-template-content-format` to override this.",
            );
        }
    }
    match version {
        V0_6_4 => {}
        V0_8_5 => log.api(
            place::STARTING,
            format_args!("Starting vLLM API server on http://{address}"),
        ),
        V0_9_2 | V0_10_1 | V0_11_0 => log.api(
            place::STARTING,
            format_args!("Starting vLLM API server 0 on http://{address}"),
        ),
        V0_18_0 | V0_32_0 => log.api(
            place::STARTING,
            format_args!("Starting vLLM server on http://{address}"),
        ),
    }
    log.api(place::ROUTES, "Available routes are:");
    for (path, methods) in routes(version) {
        log.api(
            place::ROUTE,
            format_args!("Route: {path}, Methods: {methods}"),
        );
    }
    log.uvicorn(format_args!(
        "Started server process [{}]",
        std::process::id()
    ));
    log.uvicorn("Waiting for application startup.");
    log.uvicorn("Application startup complete.");
    match version {
        V0_6_4 => log.uvicorn(format_args!(
            "Uvicorn running on http://{address} (Press CTRL+C to quit)"
        )),
        // From here on the socket is not uvicorn's own, and it says nothing of it.
        V0_8_5 | V0_9_2 | V0_10_1 | V0_11_0 | V0_18_0 | V0_32_0 => {}
    }
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
    fn thousands_are_set_apart() {
        let shown = [5, 999, 1000, 46_592, 4_194_304].map(thousands);
        assert_eq!(shown, ["5", "999", "1,000", "46,592", "4,194,304"]);
    }
}
