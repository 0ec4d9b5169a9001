//! The lines with which an engine lets itself be stopped.

use crate::stand_in::log::place;
use crate::stand_in::log::writer::{Level, Log, Process};
use crate::stand_in::version::VllmVersion;

/// The engine was told to stop.
pub fn shutdown(log: &Log) {
    match log.version() {
        VllmVersion::V0_6_4
        | VllmVersion::V0_8_5
        | VllmVersion::V0_9_2
        | VllmVersion::V0_10_1
        | VllmVersion::V0_11_0 => {
            log.api(place::SHUTTING_DOWN, "Shutting down FastAPI HTTP server.");
        }
        VllmVersion::V0_18_0 => {
            log.core("core.py:1210", "Shutdown initiated (timeout=0)");
            log.core("core.py:1233", "Shutdown complete");
            log.api(place::SHUTTING_DOWN, "Shutting down FastAPI HTTP server.");
        }
        VllmVersion::V0_32_0 => in_steps(log),
    }
    log.uvicorn("Shutting down");
    log.uvicorn("Waiting for application shutdown.");
    log.uvicorn("Application shutdown complete.");
}

/// Newer engines say each step, as of the front end or of the engine core.
fn in_steps(log: &Log) {
    let pid = std::process::id();
    let api = |place: &'static str, text: &str| log.api(place, format_args!("[shutdown] {text}"));
    let core = |place: &'static str, text: &str| log.core(place, format_args!("[shutdown] {text}"));
    api("launcher.py:254", "API server: shutdown triggered");
    api(
        "launcher.py:270",
        "API server: stopping engine client mode=abort timeout=0s",
    );
    api("core_client.py:770", "MPClient: start timeout=0s");
    api("core_client.py:772", "MPClient: stopping engine manager");
    api(
        "utils.py:628",
        "Process manager: send sigterm to process EngineCore",
    );
    for (place, text) in [
        (
            "utils.py:648",
            "Process manager: force killing remaining processes count=1".to_owned(),
        ),
        (
            "utils.py:653",
            format!("Process manager: force killing remaining process EngineCore pid {pid}"),
        ),
    ] {
        let text = format!("[shutdown] {text}");
        log.line(Process::ApiServer, Level::Warning, place, text);
    }
    core(
        "core.py:1454",
        "EngineCore: trigger received signal=SIGTERM",
    );
    core("core.py:1635", "EngineCore: start mode=abort timeout=0s");
    core(
        "core.py:1666",
        "EngineCore: request processing complete; starting resource teardown",
    );
    core("core.py:1499", "EngineCore: exiting busy loop");
    api("core_client.py:774", "MPClient: engine manager stopped");
    api(
        "core_client.py:775",
        "MPClient: cleaning up background resources",
    );
    api("core_client.py:777", "MPClient: complete");
    api("launcher.py:279", "API server: engine client stopped");
    api(
        "launcher.py:282",
        "API server: signalling HTTP server shutdown",
    );
    log.api(
        place::SHUTTING_DOWN,
        "[shutdown] API server: shutting down FastAPI HTTP server",
    );
}
