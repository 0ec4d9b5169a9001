//! How vLLM tells of what a scenario does to it: what breaks its start without a word of memory,
//! and how the engine under a serving front end ends.

use crate::spec::scenario::Missing;
use crate::stand_in::engine::memory::FailedAllocation;
use crate::stand_in::log::cause::{Cause, Frame, Raised, torch_sentence};
use crate::stand_in::log::death::{WAIT_FOR_READY, core_failed, engine_failed, traceback};
use crate::stand_in::log::place;
use crate::stand_in::log::writer::{Level, Log, Process};
use crate::stand_in::version::{Generation, VllmVersion};

const LOAD_WEIGHTS: Frame = (
    "model_executor/models/qwen3.py",
    412,
    "load_weights",
    "return loader.load_weights(weights)",
);
const RUN_CORE: &[Frame] = &[
    (
        "v1/engine/core.py",
        1496,
        "run_engine_core",
        "engine_core.run_busy_loop()",
    ),
    (
        "v1/engine/core.py",
        1551,
        "run_busy_loop",
        "self._process_input_queue()",
    ),
];
const HANDLE_REQUEST: Frame = (
    "v1/engine/core.py",
    1702,
    "_handle_client_request",
    "raise RuntimeError(\"Executor failed.\")",
);
const EXECUTE_MODEL: Frame = (
    "v1/worker/gpu_model_runner.py",
    3950,
    "execute_model",
    "model_output = self._model_forward(",
);
const OUTPUT_HANDLER: &[Frame] = &[
    (
        "v1/engine/async_llm.py",
        849,
        "output_handler",
        "outputs = await engine_core.get_output_async()",
    ),
    (
        "v1/engine/core_client.py",
        1235,
        "get_output_async",
        "raise self._format_exception(outputs) from None",
    ),
];
const V0_LOOP: &[Frame] = &[
    (
        "engine/multiprocessing/engine.py",
        159,
        "start",
        "self.run_engine_loop()",
    ),
    (
        "engine/multiprocessing/engine.py",
        222,
        "run_engine_loop",
        "request_outputs = self.engine_step()",
    ),
];
const V0_EXECUTE: Frame = (
    "worker/model_runner.py",
    1654,
    "execute_model",
    "hidden_or_intermediate_states = model_executable(",
);

/// Python cannot even load vLLM.
pub fn import_error(log: &Log, missing: Missing) {
    let cause = match missing {
        Missing::Libcuda => {
            "ImportError: libcuda.so.1: cannot open shared object file: No such file or directory"
        }
        Missing::Module => "ModuleNotFoundError: No module named 'vllm._C'",
    };
    log.python(format_args!(
        "Traceback (most recent call last):\n  File \"/usr/local/bin/vllm\", line 4, in <module>\n    \
         from vllm.entrypoints.cli.main import main\n{cause}"
    ));
}

/// The weights are not those of the model.
pub fn loading_failed(log: &Log) {
    engine_failed(log, |_| Cause {
        raised: Raised::NewWorkers,
        frame: LOAD_WEIGHTS,
        class: "KeyError",
        message: "'model.layers.0.mlp.gate_up_proj.qweight'".to_owned(),
    });
}

/// A worker was gone before it was ready: nothing in the log says why.
pub fn worker_lost(log: &Log) {
    match log.version().generation() {
        Generation::V0 => engine_failed(log, |_| Cause {
            raised: Raised::Core,
            frame: WAIT_FOR_READY,
            class: "ChildProcessError",
            message: "worker died".to_owned(),
        }),
        Generation::V1 => core_failed(
            log,
            WAIT_FOR_READY,
            "Exception: WorkerProc initialization failed due to an exception in a background \
             process. See stack trace for root cause.",
        ),
    }
}

/// A worker of a serving engine was killed.
pub fn worker_killed(log: &Log) {
    let pid = std::process::id();
    let words = match log.version() {
        VllmVersion::V0_6_4 => format!("Worker VllmWorkerProcess pid {pid} died, exit code: -9"),
        VllmVersion::V0_8_5
        | VllmVersion::V0_9_2
        | VllmVersion::V0_10_1
        | VllmVersion::V0_11_0
        | VllmVersion::V0_18_0 => {
            "Worker proc VllmWorker-0 died unexpectedly, shutting down executor.".to_owned()
        }
        VllmVersion::V0_32_0 => {
            "Worker proc VllmWorker-0 died unexpectedly (exit code: -9), shutting down executor."
                .to_owned()
        }
    };
    let place = place::WORKER_GONE;
    log.line(Process::EngineCore, Level::Error, place, words);
    core_died(log, HANDLE_REQUEST, "RuntimeError", "Executor failed.");
}

/// The card of a serving engine was full.
pub fn card_full(log: &Log, allocation: FailedAllocation) {
    let version = log.version();
    let frame = match version.generation() {
        Generation::V0 => V0_EXECUTE,
        Generation::V1 => EXECUTE_MODEL,
    };
    let message = torch_sentence(version, 0, allocation);
    core_died(log, frame, "torch.OutOfMemoryError", &message);
}

/// The engine's last words, and what the front end makes of them.
fn core_died(log: &Log, failing: Frame, class: &str, message: &str) {
    let cause = format!("{class}: {message}");
    let core = Process::EngineCore;
    let front_end = Process::ApiServer;
    match log.version().generation() {
        Generation::V0 => {
            let name = class.rsplit('.').next().unwrap_or(class);
            let repr = format!("{name}('{message}')");
            let place = place::CORE_DIED;
            log.line(core, Level::Error, place, &repr);
            let trace = traceback(&[V0_LOOP, &[failing]], &cause);
            log.line(core, Level::Error, place, trace);
            let told = format!(
                "MQEngineDeadError: Engine loop is not running. Inspect the stacktrace to find the \
                 original error: {repr}."
            );
            log.line(front_end, Level::Error, place::CLIENT_TOLD, told);
        }
        Generation::V1 => {
            let trace = traceback(&[RUN_CORE, &[failing]], &cause);
            let place = place::CORE_DIED;
            let fatal = "EngineCore encountered a fatal error.";
            log.line(core, Level::Error, place, fatal);
            log.line(core, Level::Error, place, &trace);
            let place = place::CLIENT_TOLD;
            log.line(
                front_end,
                Level::Error,
                place,
                "AsyncLLM output_handler failed.",
            );
            let told = traceback(
                &[OUTPUT_HANDLER],
                "vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue. See \
                 stack trace (above) for the root cause.",
            );
            log.line(front_end, Level::Error, place, told);
            let name = log.version().engine_core();
            log.python_in(core, format_args!("Process {name}:"));
            log.python_in(core, &trace);
        }
    }
}

/// The front end ends in an orderly way, as if nothing had happened.
pub fn front_end_gone(log: &Log) {
    if log.version().generation() == Generation::V0 {
        log.line(
            Process::ApiServer,
            Level::Error,
            "launcher.py:98",
            "MQLLMEngine is already dead, terminating server process",
        );
    }
    log.uvicorn("Shutting down");
    log.uvicorn("Waiting for application shutdown.");
    log.uvicorn("Application shutdown complete.");
    let pid = std::process::id();
    log.uvicorn(format_args!("Finished server process [{pid}]"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::{Evidence, FailureClass, Phase, diagnose};
    use crate::stand_in::log::writer::tests::Captured;

    /// What gridrun makes of a log that `write` wrote, in the form of each version.
    fn classes(
        phase: Phase,
        exit_code: i64,
        write: impl Fn(&Log),
    ) -> Vec<(VllmVersion, FailureClass)> {
        VllmVersion::ALL
            .into_iter()
            .map(|version| {
                let captured = Captured::default();
                write(&Log::to(captured.clone()).playing(version, 2));
                let failure = diagnose(&Evidence {
                    exit_code: Some(exit_code),
                    oom_killed: Some(false),
                    phase: Some(phase),
                    ..Evidence::of(&captured.text())
                });
                (version, failure.class)
            })
            .collect()
    }

    #[test]
    fn every_age_is_understood() {
        let allocation = FailedAllocation {
            tried: 1 << 30,
            total: 24 << 30,
            free: 1 << 29,
        };
        let died = FailureClass::EngineDied;
        let starting = |write: fn(&Log)| classes(Phase::Starting, 1, write);
        let serving = |write: &dyn Fn(&Log)| {
            classes(Phase::Serving, 0, |log| {
                write(log);
                front_end_gone(log);
            })
        };
        for (found, expected) in [
            (
                starting(|log| import_error(log, Missing::Libcuda)),
                FailureClass::GpuUnavailable,
            ),
            (starting(|log| import_error(log, Missing::Module)), died),
            (starting(loading_failed), died),
            (starting(worker_lost), died),
            (serving(&worker_killed), died),
            (
                serving(&|log| card_full(log, allocation)),
                FailureClass::GpuOomServing,
            ),
        ] {
            for (version, class) in found {
                assert_eq!(class, expected, "{version:?}");
            }
        }
    }
}
