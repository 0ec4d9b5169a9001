//! Finds and kills the child processes that dead runs left behind, by the marks in their
//! environment.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, getpgid, getpgrp, kill_process, kill_process_group};

use crate::runner::ports::RuntimeError;
use crate::runtime::lock::{Fate, Sweeper, unclear};

/// Names of the variables that mark every process of an engine.
pub const RUN_MARK: &str = "GRIDRUN_RUN";
pub const ATTEMPT_MARK: &str = "GRIDRUN_ATTEMPT";
pub const LOCK_MARK: &str = "GRIDRUN_LOCK";

/// How long a killed process may take to be gone: beyond it, it hangs in the kernel.
const GONE_WITHIN: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A live process that carries the marks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkedProcess {
    pub id: Pid,
    pub run: String,
    pub attempt: String,
    pub lock: PathBuf,
}

impl MarkedProcess {
    /// Which it is, in words.
    fn whose(&self) -> String {
        format!(
            "process {} of attempt {} of run {}",
            self.id.as_raw_nonzero(),
            self.attempt,
            self.run
        )
    }
}

/// The processes that the user's own sweep would kill, each in words; none is touched. What
/// cannot be listed is not there.
pub fn leftovers(proc: &Path) -> Vec<String> {
    find(proc)
        .unwrap_or_default()
        .iter()
        .filter(|process| Sweeper::User.fate(&process.run, &process.lock) == Fate::MustGo)
        .map(MarkedProcess::whose)
        .collect()
}

/// Kills the processes that are the `sweeper`'s to kill, and says of each which it was.
///
/// Sees only processes whose environment this user may read, so its own ones.
///
/// # Errors
/// [`RuntimeError::Host`] when the processes cannot be listed, or one does not die.
pub async fn sweep(proc: &Path, sweeper: Sweeper<'_>) -> Result<Vec<String>, RuntimeError> {
    let marked = find(proc).map_err(|source| RuntimeError::Host {
        what: format!("the processes under {} could not be listed", proc.display()),
        source,
    })?;
    let mut said = Vec::new();
    for process in marked {
        let whose = process.whose();
        match sweeper.fate(&process.run, &process.lock) {
            Fate::Stays => {}
            Fate::AskUser => said.push(unclear(&whose)),
            Fate::MustGo => {
                kill(proc, &process).await?;
                said.push(format!("killed {whose}"));
            }
            Fate::MayGo => said.push(match kill(proc, &process).await {
                Ok(()) => format!("killed {whose}"),
                Err(error) => format!("could not kill {whose}: {error}"),
            }),
        }
    }
    Ok(said)
}

/// Every process under `proc` that carries all three marks, without this one.
pub fn find(proc: &Path) -> io::Result<Vec<MarkedProcess>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(proc)? {
        let Some(id): Option<i32> = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        if i64::from(id) == i64::from(std::process::id()) {
            continue;
        }
        // A process may have ended since it was listed, or be another user's.
        let Ok(environment) = std::fs::read(proc.join(id.to_string()).join("environ")) else {
            continue;
        };
        if let Some(process) = Pid::from_raw(id).and_then(|id| marks(id, &environment)) {
            found.push(process);
        }
    }
    Ok(found)
}

/// The marks in a process's environment, if all are there.
fn marks(id: Pid, environment: &[u8]) -> Option<MarkedProcess> {
    let value = |name: &str| {
        environment.split(|byte| *byte == 0).find_map(|variable| {
            variable
                .strip_prefix(name.as_bytes())?
                .strip_prefix(b"=")
                .map(<[u8]>::to_vec)
        })
    };
    Some(MarkedProcess {
        id,
        run: String::from_utf8_lossy(&value(RUN_MARK)?).into_owned(),
        attempt: String::from_utf8_lossy(&value(ATTEMPT_MARK)?).into_owned(),
        lock: PathBuf::from(OsString::from_vec(value(LOCK_MARK)?)),
    })
}

/// Kills a process and the group that it leads or belongs to, and waits until it is gone.
async fn kill(proc: &Path, process: &MarkedProcess) -> Result<(), RuntimeError> {
    // An engine leads a group of its own. A process that sits in this one's group was not
    // started as an engine, and a signal to the group would end the sweep itself.
    let _ = match getpgid(Some(process.id)) {
        Ok(group) if group != getpgrp() => kill_process_group(group, Signal::KILL),
        Ok(_) => kill_process(process.id, Signal::KILL),
        Err(gone) => Err(gone),
    };
    let mut waited = Duration::ZERO;
    while is_alive(proc, process.id) {
        if waited >= GONE_WITHIN {
            return Err(RuntimeError::Host {
                what: format!("process {} of a dead run", process.id.as_raw_nonzero()),
                source: io::Error::new(io::ErrorKind::TimedOut, "it does not die"),
            });
        }
        tokio::time::sleep(LOOK_EVERY).await;
        waited += LOOK_EVERY;
    }
    Ok(())
}

/// Whether a process still runs; one that is dead and not yet waited for has ended.
fn is_alive(proc: &Path, id: Pid) -> bool {
    let path = proc.join(id.as_raw_nonzero().to_string()).join("stat");
    std::fs::read_to_string(path)
        .ok()
        .and_then(|stat| {
            stat.rsplit_once(')')
                .map(|(_, rest)| rest.trim_start().to_owned())
        })
        .is_some_and(|state| !state.starts_with(['Z', 'X']))
}
