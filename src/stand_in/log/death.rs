//! How vLLM dies at its start, in its own words: the cause on the lines of the process that
//! failed, wrapped in tracebacks, and the front end's last line that says nothing of it.

use crate::stand_in::command::settings::ConfigError;
use crate::stand_in::engine::memory::{Exhausted, FailedAllocation};
use crate::stand_in::log::writer::{Level, Log, Process};

const SITE: &str = "/usr/local/lib/python3.12/dist-packages/vllm";
const MORE: &str =
    "See https://docs.vllm.ai/en/latest/configuration/conserving_memory/ for more details.";

/// One call of a traceback: file under [`SITE`], line, function, code.
type Frame = (&'static str, u32, &'static str, &'static str);

const FRONT_END: &[Frame] = &[
    (
        "entrypoints/cli/main.py",
        120,
        "main",
        "args.dispatch_function(args)",
    ),
    (
        "entrypoints/cli/serve.py",
        156,
        "cmd",
        "uvloop.run(run_server(args))",
    ),
];
const ENGINE_CLIENT: &[Frame] = &[
    (
        "entrypoints/launchers/api_server/entry.py",
        61,
        "build_async_engine_client",
        "async with build_async_engine_client_from_engine_args(",
    ),
    (
        "v1/engine/core_client.py",
        682,
        "__init__",
        "with launch_core_engines(",
    ),
    (
        "v1/engine/utils.py",
        1431,
        "wait_for_engine_startup",
        "raise RuntimeError(",
    ),
];
const CONFIG: &[Frame] = &[(
    "engine/arg_utils.py",
    2617,
    "create_engine_config",
    "scheduler_config = SchedulerConfig(",
)];
const SOCKET: &[Frame] = &[
    (
        "entrypoints/launchers/launcher.py",
        398,
        "setup_server",
        "sock = create_server_socket(sock_addr, reuse_port=reuse_port)",
    ),
    (
        "entrypoints/launchers/launcher.py",
        348,
        "create_server_socket",
        "sock.bind(addr)",
    ),
];
const ENGINE_CORE: &[Frame] = &[
    (
        "v1/engine/core.py",
        1482,
        "run_engine_core",
        "engine_core = EngineCoreProc(*args, engine_index=dp_rank, **kwargs)",
    ),
    (
        "v1/engine/core.py",
        157,
        "__init__",
        "kv_cache_config = self._initialize_kv_caches(vllm_config)",
    ),
];

const LOAD_MODEL: Frame = (
    "v1/worker/gpu_model_runner.py",
    5090,
    "load_model",
    "self.model = model_loader.load_model(",
);

fn traceback(frames: &[&[Frame]], cause: &str) -> String {
    let calls: String = frames
        .iter()
        .flat_map(|part| part.iter())
        .map(|(file, line, function, code)| {
            format!("  File \"{SITE}/{file}\", line {line}, in {function}\n    {code}\n")
        })
        .collect();
    format!("Traceback (most recent call last):\n{calls}{cause}")
}

/// The configuration was refused before any engine was started.
pub fn refused(log: &Log, error: &ConfigError) {
    log.python(traceback(&[FRONT_END, CONFIG], &error.to_string()));
}

/// The address cannot be bound; `error` is the system's.
pub fn not_bound(log: &Log, error: &std::io::Error) {
    let cause = match error.raw_os_error() {
        // Linux' EADDRINUSE, in Python's words.
        Some(98) => "OSError: [Errno 98] Address already in use".to_owned(),
        Some(code) => format!("OSError: [Errno {code}] {error}"),
        None => format!("OSError: {error}"),
    };
    log.python(traceback(&[FRONT_END, SOCKET], &cause));
}

/// The host would not give the memory that the weights pass through, in bytes.
pub fn host_exhausted(log: &Log, bytes: u64) {
    let cause = format!(
        "RuntimeError: [enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't \
         allocate memory: you tried to allocate {bytes} bytes. Error code 12 (Cannot allocate \
         memory)"
    );
    core_failed(log, LOAD_MODEL, &cause);
}

/// The engine core failed for want of GPU memory.
pub fn exhausted(log: &Log, why: &Exhausted) {
    let (failing, cause) = cause_of(why);
    if let Exhausted::Weights { allocation } = why {
        log.line(
            Process::Worker(0),
            Level::Error,
            "gpu_model_runner.py:5139",
            format!(
                "Failed to load model - not enough GPU memory. Try lowering \
                 --gpu-memory-utilization to free memory for weights, increasing \
                 --tensor-parallel-size, or using --quantization. See \
                 https://docs.vllm.ai/en/latest/configuration/conserving_memory/ for more tips. \
                 (original error: {})",
                torch_sentence(*allocation)
            ),
        );
    }
    core_failed(log, failing, &cause);
}

/// The failure of the engine core, and what the front end then says.
fn core_failed(log: &Log, failing: Frame, cause: &str) {
    let trace = traceback(&[ENGINE_CORE, &[failing]], cause);
    let place = "core.py:1510";
    log.line(
        Process::EngineCore,
        Level::Error,
        place,
        "EngineCore failed to start.",
    );
    log.line(Process::EngineCore, Level::Error, place, &trace);
    log.python("Process EngineCore:");
    log.python(&trace);
    let last = "RuntimeError: Engine core initialization failed. See root cause above. \
                Failed core proc(s): {}";
    log.python(traceback(&[FRONT_END, ENGINE_CLIENT], last));
}

/// The innermost call and the exception that it raised.
fn cause_of(why: &Exhausted) -> (Frame, String) {
    let check: Frame = (
        "v1/core/kv_cache_utils.py",
        1030,
        "_check_enough_kv_cache_memory",
        "raise ValueError(",
    );
    match *why {
        Exhausted::NoCacheBlocks => (
            check,
            format!(
                "ValueError: No available memory for the cache blocks. Try increasing \
                 `gpu_memory_utilization` when initializing the engine (this flag also controls \
                 CPU memory reservation on the CPU backend, despite its name). {MORE}"
            ),
        ),
        Exhausted::CacheTooSmall {
            needed,
            available,
            max_model_len,
            longest,
        } => {
            let estimate = if longest == 0 {
                String::new()
            } else {
                format!(
                    "Based on the available memory, the estimated maximum model length is {longest}. "
                )
            };
            let cause = format!(
                "ValueError: To serve at least one request with the model's max seq len \
                 ({max_model_len}), ({} GiB KV cache is needed, which is larger than the available \
                 KV cache memory ({} GiB). {estimate}Try increasing `gpu_memory_utilization` (which \
                 also controls CPU memory on the CPU backend) or decreasing `max_model_len` when \
                 initializing the engine. {MORE}",
                gib(needed),
                gib(available)
            );
            (check, cause)
        }
        Exhausted::SamplerWarmUp { max_num_seqs } => (
            (
                "v1/worker/gpu_model_runner.py",
                5990,
                "_dummy_sampler_run",
                "raise RuntimeError(",
            ),
            format!(
                "RuntimeError: CUDA out of memory occurred when warming up sampler with \
                 {max_num_seqs} dummy requests. Please try lowering `max_num_seqs` or \
                 `gpu_memory_utilization` when initializing the engine."
            ),
        ),
        Exhausted::Weights { allocation } => (
            LOAD_MODEL,
            format!("torch.OutOfMemoryError: {}", torch_sentence(allocation)),
        ),
        Exhausted::Device { allocation } => (
            (
                "v1/worker/gpu_model_runner.py",
                6480,
                "_allocate_kv_cache_tensors",
                "tensor = torch.zeros(",
            ),
            format!("torch.OutOfMemoryError: {}", torch_sentence(allocation)),
        ),
    }
}

fn torch_sentence(allocation: FailedAllocation) -> String {
    let FailedAllocation { tried, total, free } = allocation;
    let used = total - free;
    format!(
        "CUDA out of memory. Tried to allocate {}. GPU 0 has a total capacity of {} of which {} is \
         free. Including non-PyTorch memory, this process has {} memory in use. Of the allocated \
         memory {} is allocated by PyTorch, and {} is reserved by PyTorch but unallocated. If \
         reserved but unallocated memory is large try setting \
         PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True to avoid fragmentation.  See \
         documentation for Memory Management  \
         (https://pytorch.org/docs/stable/notes/cuda.html#environment-variables)",
        torch_size(tried),
        torch_size(total),
        torch_size(free),
        torch_size(used),
        torch_size(used),
        torch_size(0)
    )
}

/// Sizes as torch prints them.
fn torch_size(bytes: u64) -> String {
    let in_units = |power: i32| bytes as f64 / 1024_f64.powi(power);
    match bytes {
        0..=1024 => format!("{bytes} bytes"),
        1025..=0x10_0000 => format!("{:.2} KiB", in_units(1)),
        0x10_0001..=0x4000_0000 => format!("{:.2} MiB", in_units(2)),
        _ => format!("{:.2} GiB", in_units(3)),
    }
}

/// GiB as vLLM prints them: rounded to two places, one at least shown.
pub fn gib(bytes: u64) -> String {
    let rounded = (bytes as f64 / f64::from(1 << 30) * 100.0).round() / 100.0;
    format!("{rounded:?}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stand_in::log::writer::tests::Captured;

    const GIB: u64 = 1 << 30;

    fn death(why: &Exhausted) -> String {
        let captured = Captured::default();
        exhausted(&Log::to(captured.clone()), why);
        captured.text()
    }

    #[test]
    fn a_cache_that_is_too_small_is_named_with_the_length_that_fits() {
        let why = Exhausted::CacheTooSmall {
            needed: 193_273_528,
            available: 96_636_764,
            max_model_len: 8192,
            longest: 4352,
        };
        let text = death(&why);
        let cause = "ValueError: To serve at least one request with the model's max seq len (8192), \
                     (0.18 GiB KV cache is needed, which is larger than the available KV cache \
                     memory (0.09 GiB). Based on the available memory, the estimated maximum model \
                     length is 4352. Try increasing `gpu_memory_utilization` (which also controls \
                     CPU memory on the CPU backend) or decreasing `max_model_len` when initializing \
                     the engine. See \
                     https://docs.vllm.ai/en/latest/configuration/conserving_memory/ for more details.";
        assert!(
            text.contains(&format!("[core.py:1510] {cause}\n")),
            "{text}"
        );
        assert!(text.contains("[core.py:1510] EngineCore failed to start.\n"));
        assert!(text.ends_with(
            "\nRuntimeError: Engine core initialization failed. See root cause above. Failed core \
             proc(s): {}\n"
        ));
    }

    #[test]
    fn no_room_at_all_and_the_sampler_have_their_own_words() {
        let text = death(&Exhausted::NoCacheBlocks);
        assert!(text.contains(
            "ValueError: No available memory for the cache blocks. Try increasing \
             `gpu_memory_utilization` when initializing the engine"
        ));
        let text = death(&Exhausted::SamplerWarmUp { max_num_seqs: 48 });
        assert!(text.contains(
            "RuntimeError: CUDA out of memory occurred when warming up sampler with 48 dummy \
             requests. Please try lowering `max_num_seqs` or `gpu_memory_utilization` when \
             initializing the engine."
        ));
    }

    #[test]
    fn torch_says_how_full_the_card_is() {
        let allocation = FailedAllocation {
            tried: 3 * GIB / 2,
            total: 24 * GIB,
            free: GIB + GIB / 5,
        };
        let text = death(&Exhausted::Device { allocation });
        assert!(
            text.contains(
                "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.50 GiB. GPU 0 has a \
                 total capacity of 24.00 GiB of which 1.20 GiB is free. Including non-PyTorch \
                 memory, this process has 22.80 GiB memory in use. Of the allocated memory 22.80 \
                 GiB is allocated by PyTorch, and 0 bytes is reserved by PyTorch but unallocated."
            ),
            "{text}"
        );
        let loading = death(&Exhausted::Weights { allocation });
        assert!(loading.contains("Failed to load model - not enough GPU memory."));
    }

    #[test]
    fn sizes_read_as_torch_and_vllm_print_them() {
        assert_eq!(torch_size(1000), "1000 bytes");
        assert_eq!(torch_size(20 << 20), "20.00 MiB");
        assert_eq!(torch_size(25_769_803_776), "24.00 GiB");
        assert_eq!(
            (gib(2 * GIB), gib(107_374_182)),
            ("2.0".to_owned(), "0.1".to_owned())
        );
    }
}
