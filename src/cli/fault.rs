//! Whose fault an error is, as an exit code.

use crate::exit::Exit;
use crate::runner::dispatcher::RunError;
use crate::runner::ports::RuntimeError;
use crate::store::lock::LockError;

/// The user asked for something that cannot be; the message says what would do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct BadInput(pub String);

/// The exit code that an error asks for: that of the first of its causes which has one.
pub fn exit_of(error: &anyhow::Error) -> Exit {
    error.chain().find_map(of_cause).unwrap_or(Exit::Internal)
}

/// True when nobody reads what is printed any more, as after `| head`: no fault of anybody.
pub fn reader_is_gone(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<std::io::Error>();
    error.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

fn of_cause(cause: &(dyn std::error::Error + 'static)) -> Option<Exit> {
    if cause.is::<BadInput>() {
        return Some(Exit::BadInput);
    }
    if let Some(error) = cause.downcast_ref::<LockError>() {
        return Some(match error {
            LockError::RunHeld { .. }
            | LockError::GpuHeld { .. }
            | LockError::ProductionHeld { .. } => Exit::Locked,
            LockError::Io { .. } => Exit::Internal,
        });
    }
    if let Some(error) = cause.downcast_ref::<RuntimeError>() {
        return Some(of_runtime(error));
    }
    cause.downcast_ref::<RunError>().map(of_run)
}

fn of_runtime(error: &RuntimeError) -> Exit {
    match error {
        RuntimeError::Unreachable { .. } => Exit::NoDocker,
        RuntimeError::NotPrepared { .. } | RuntimeError::Refused { .. } => Exit::NotPrepared,
        RuntimeError::Host { .. } => Exit::Internal,
    }
}

/// A run that had begun stops; whatever stopped it, `resume` goes on.
fn of_run(error: &RunError) -> Exit {
    match error {
        RunError::Store(_)
        | RunError::Runtime(_)
        | RunError::RuntimeLost { .. }
        | RunError::RuntimeFlaps { .. }
        | RunError::Fuse { .. }
        | RunError::GpuMemoryHeld { .. } => Exit::Stopped,
    }
}
