//! How vLLM dies at its start: the cause on the lines of the process that failed, wrapped in
//! tracebacks, handed up from process to process, and the front end's last line that says
//! nothing of it.

use crate::stand_in::command::settings::ConfigError;
use crate::stand_in::engine::memory::Exhausted;
use crate::stand_in::log::cause::{
    Cause, Frame, LOAD_MODEL, Raised, advice_on_weights, cause_of, refusal,
};
use crate::stand_in::log::place;
use crate::stand_in::log::writer::{Level, Log, Process};
use crate::stand_in::version::{Generation, VllmVersion};

const SITE: &str = "/usr/local/lib/python3.12/dist-packages/vllm";

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
const V0_FRONT_END: &[Frame] = &[
    ("scripts.py", 195, "main", "args.dispatch_function(args)"),
    ("scripts.py", 41, "serve", "uvloop.run(run_server(args))"),
];
const ENGINE_CLIENT: &[Frame] = &[
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
const V0_ENGINE_CLIENT: &[Frame] = &[(
    "entrypoints/openai/api_server.py",
    210,
    "build_async_engine_client_from_engine_args",
    "raise RuntimeError(",
)];
const CONFIG: &[Frame] = &[(
    "engine/arg_utils.py",
    2617,
    "create_engine_config",
    "scheduler_config = SchedulerConfig(",
)];
const SOCKET: &[Frame] = &[
    (
        "entrypoints/openai/api_server.py",
        398,
        "setup_server",
        "sock = create_server_socket(sock_addr)",
    ),
    (
        "entrypoints/openai/api_server.py",
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
        "engine_core = EngineCoreProc(*args, **kwargs)",
    ),
    (
        "v1/engine/core.py",
        157,
        "__init__",
        "kv_cache_config = self._initialize_kv_caches(vllm_config)",
    ),
];
const V0_ENGINE: &[Frame] = &[
    (
        "engine/multiprocessing/engine.py",
        357,
        "run_mp_engine",
        "engine = MQLLMEngine.from_engine_args(engine_args=engine_args,",
    ),
    (
        "engine/llm_engine.py",
        348,
        "__init__",
        "self._initialize_kv_caches()",
    ),
];
const NEW_WORKER: &[Frame] = &[(
    "v1/executor/multiproc_executor.py",
    920,
    "worker_main",
    "worker = WorkerProc(*args, **kwargs)",
)];
pub const WORKER: &[Frame] = &[(
    "v1/executor/multiproc_executor.py",
    1055,
    "worker_busy_loop",
    "output = func(*args, **kwargs)",
)];
const V0_WORKER: &[Frame] = &[(
    "executor/multiproc_worker_utils.py",
    223,
    "_run_worker_process",
    "output = executor(*args, **kwargs)",
)];
pub const WAIT_FOR_READY: Frame = (
    "v1/executor/multiproc_executor.py",
    815,
    "wait_for_ready",
    "raise e from None",
);
const GET_RESPONSE: Frame = (
    "v1/executor/multiproc_executor.py",
    443,
    "get_response",
    "raise RuntimeError(",
);

/// A traceback that ends in `cause`.
pub fn traceback(frames: &[&[Frame]], cause: &str) -> String {
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
    let cause = refusal(log.version(), error);
    log.python(traceback(&[front_end(log.version()), CONFIG], &cause));
}

/// The address cannot be bound; `error` is the system's.
pub fn not_bound(log: &Log, error: &std::io::Error) {
    let cause = match error.raw_os_error() {
        // Linux' EADDRINUSE, in Python's words.
        Some(98) => "OSError: [Errno 98] Address already in use".to_owned(),
        Some(code) => format!("OSError: [Errno {code}] {error}"),
        None => format!("OSError: {error}"),
    };
    log.python(traceback(&[front_end(log.version()), SOCKET], &cause));
}

fn front_end(version: VllmVersion) -> &'static [Frame] {
    match version.generation() {
        Generation::V0 => V0_FRONT_END,
        Generation::V1 => FRONT_END,
    }
}

/// The host would not give the memory that the weights pass through, in bytes.
pub fn host_exhausted(log: &Log, bytes: u64) {
    engine_failed(log, |_| Cause {
        raised: Raised::NewWorkers,
        frame: LOAD_MODEL,
        class: "RuntimeError",
        message: format!(
            "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate \
             memory: you tried to allocate {bytes} bytes. Error code 12 (Cannot allocate memory)"
        ),
    });
}

/// The engine failed for want of GPU memory.
pub fn exhausted(log: &Log, why: &Exhausted) {
    if let Exhausted::Weights { .. } = why {
        for (rank, worker) in log.workers().enumerate() {
            let message = cause_of(log.version(), rank, why).message;
            if let Some(advice) = advice_on_weights(log.version(), &message) {
                log.line(worker, Level::Error, place::LOAD_FAILED, advice);
            }
        }
    }
    engine_failed(log, |rank| cause_of(log.version(), rank, why));
}

/// The failure of an engine, told by those who see it: each worker of several, then the engine
/// core, which knows a cause of its workers only by hearsay.
pub fn engine_failed(log: &Log, cause: impl Fn(usize) -> Cause) {
    let first = cause(0);
    match log.version().generation() {
        Generation::V0 => {
            // The first worker is the engine itself.
            for (rank, worker) in log.workers().enumerate().skip(1) {
                let cause = cause(rank);
                let method = match cause.raised {
                    Raised::NewWorkers => "load_model",
                    Raised::Core | Raised::Workers => "initialize_cache",
                };
                worker_raised(
                    log,
                    worker,
                    format_args!(
                        "Exception in worker VllmWorkerProcess while processing method {method}."
                    ),
                    &traceback(&[V0_WORKER, &[cause.frame]], &cause.line()),
                );
            }
            v0_failed(log, &first);
        }
        Generation::V1 if log.workers().count() == 1 => {
            core_failed(log, first.frame, &first.line());
        }
        Generation::V1 => match first.raised {
            Raised::Core => core_failed(log, first.frame, &first.line()),
            Raised::NewWorkers => {
                for (rank, worker) in log.workers().enumerate() {
                    let cause = cause(rank);
                    let trace = traceback(&[NEW_WORKER, &[cause.frame]], &cause.line());
                    let place = place::WORKER_FAILED;
                    log.line(worker, Level::Error, place, "WorkerProc failed to start.");
                    log.line(worker, Level::Error, place, trace);
                }
                core_failed(
                    log,
                    WAIT_FOR_READY,
                    "Exception: WorkerProc initialization failed due to an exception in a \
                     background process. See stack trace for root cause.",
                );
            }
            Raised::Workers => {
                for (rank, worker) in log.workers().enumerate() {
                    let cause = cause(rank);
                    let trace = traceback(&[WORKER, &[cause.frame]], &cause.line());
                    worker_raised(log, worker, "WorkerProc hit an exception.", &trace);
                }
                let hearsay = format!(
                    "RuntimeError: Worker failed with error '{}', please check the stack trace \
                     above for the root cause",
                    first.message
                );
                core_failed(log, GET_RESPONSE, &hearsay);
            }
        },
    }
}

fn worker_raised(log: &Log, worker: Process, words: impl std::fmt::Display, trace: &str) {
    let place = place::WORKER_RAISED;
    log.line(worker, Level::Error, place, words);
    log.line(worker, Level::Error, place, trace);
}

/// The failure of the engine core, and what the front end then says.
pub fn core_failed(log: &Log, failing: Frame, cause: &str) {
    let version = log.version();
    let name = version.engine_core();
    let trace = traceback(&[ENGINE_CORE, &[failing]], cause);
    let core = Process::EngineCore;
    let place = place::CORE_FAILED;
    log.line(core, Level::Error, place, "EngineCore failed to start.");
    log.line(core, Level::Error, place, &trace);
    log.python_in(core, format_args!("Process {name}:"));
    log.python_in(core, &trace);
    let failed = match version {
        VllmVersion::V0_6_4 | VllmVersion::V0_8_5 => String::new(),
        VllmVersion::V0_9_2
        | VllmVersion::V0_10_1
        | VllmVersion::V0_11_0
        | VllmVersion::V0_18_0
        | VllmVersion::V0_32_0 => format!(" Failed core proc(s): {{'{name}': 1}}"),
    };
    let last =
        format!("RuntimeError: Engine core initialization failed. See root cause above.{failed}");
    log.python(traceback(&[FRONT_END, ENGINE_CLIENT], &last));
}

/// The failure of a V0 engine, and what the front end then says.
fn v0_failed(log: &Log, cause: &Cause) {
    let engine = Process::EngineCore;
    let trace = traceback(&[V0_ENGINE, &[cause.frame]], &cause.line());
    let place = place::CORE_FAILED;
    log.line(engine, Level::Error, place, &cause.message);
    log.line(engine, Level::Error, place, &trace);
    log.python_in(engine, "Process SpawnProcess-1:");
    log.python_in(engine, &trace);
    let last = "RuntimeError: Engine process failed to start. See stack trace for the root cause.";
    log.python(traceback(&[V0_FRONT_END, V0_ENGINE_CLIENT], last));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stand_in::engine::memory::FailedAllocation;
    use crate::stand_in::log::writer::tests::Captured;

    const WHY: Exhausted = Exhausted::Device {
        allocation: FailedAllocation {
            tried: 1 << 30,
            total: 24 << 30,
            free: 1 << 29,
        },
    };

    /// What is written, decorations off: process names and texts of lines that matter.
    fn death(version: VllmVersion, n_workers: usize, why: &Exhausted) -> Vec<String> {
        let captured = Captured::default();
        exhausted(&Log::to(captured.clone()).playing(version, n_workers), why);
        captured
            .text()
            .replace("\u{1b}[1;36m", "")
            .replace("\u{1b}[0;0m", "")
            .lines()
            .map(|line| match line.split_once(" pid=") {
                Some((name, rest)) => {
                    let text = rest.split_once("] ").map_or(rest, |(_, text)| text);
                    format!("{name}) {text}")
                }
                None => line.to_owned(),
            })
            .collect()
    }

    #[test]
    fn a_single_process_tells_the_cause_and_the_front_end_does_not() {
        let lines = death(VllmVersion::V0_32_0, 1, &WHY);
        assert_eq!(lines[0], "(EngineCore) EngineCore failed to start.");
        assert!(
            lines
                .iter()
                .any(|line| line.starts_with("(EngineCore) torch.OutOfMemoryError: CUDA out of")),
            "{lines:#?}"
        );
        assert!(lines.iter().any(|line| line == "Process EngineCore:"));
        assert_eq!(
            lines.last().unwrap(),
            "RuntimeError: Engine core initialization failed. See root cause above. Failed core \
             proc(s): {'EngineCore': 1}"
        );
    }

    #[test]
    fn several_workers_each_have_their_card() {
        let lines = death(VllmVersion::V0_11_0, 2, &WHY);
        let position = |text: &str| {
            lines
                .iter()
                .position(|line| line.contains(text))
                .unwrap_or_else(|| panic!("no {text} in {lines:#?}"))
        };
        assert_eq!(lines[0], "(Worker_TP0) WorkerProc hit an exception.");
        let one = position("(Worker_TP1) torch.OutOfMemoryError: CUDA out of memory. Tried");
        assert!(lines[one].contains("GPU 1 has a total capacity"));
        let core = position("(EngineCore_DP0) RuntimeError: Worker failed with error 'CUDA out of");
        assert!(one < core);
        assert!(lines.last().unwrap().ends_with("{'EngineCore_DP0': 1}"));

        let Exhausted::Device { allocation } = WHY else {
            unreachable!("it is what it is set to");
        };
        let loading = death(VllmVersion::V0_18_0, 2, &Exhausted::Weights { allocation });
        for text in [
            "(Worker_TP1) Failed to load model - not enough GPU memory.",
            "(Worker_TP1) WorkerProc failed to start.",
            "(EngineCore) Exception: WorkerProc initialization failed due to an exception in a \
             background process. See stack trace for root cause.",
        ] {
            assert!(
                loading.iter().any(|line| line.starts_with(text)),
                "{text} is not in {loading:#?}"
            );
        }
    }

    #[test]
    fn v0_has_words_of_its_own() {
        let lines = death(VllmVersion::V0_6_4, 2, &Exhausted::NoCacheBlocks);
        assert_eq!(
            lines[0],
            "(VllmWorkerProcess) Exception in worker VllmWorkerProcess while processing method \
             initialize_cache."
        );
        for text in [
            "] No available memory for the cache blocks. Try increasing",
            "] ValueError: No available memory for the cache blocks.",
            "Process SpawnProcess-1:",
        ] {
            assert!(
                lines.iter().any(|line| line.contains(text)),
                "{text} is not in {lines:#?}"
            );
        }
        assert_eq!(
            lines.last().unwrap(),
            "RuntimeError: Engine process failed to start. See stack trace for the root cause."
        );
    }

    #[test]
    fn the_first_v1_engines_did_not_name_who_failed() {
        let lines = death(VllmVersion::V0_8_5, 1, &Exhausted::NoCacheBlocks);
        assert!(lines.iter().any(|line| line == "Process EngineCore_0:"));
        assert!(lines.last().unwrap().ends_with("See root cause above."));
    }
}
