//! A stand-in that runs as a child process.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process_group};
use tokio::process::{Child, ChildStdin};

use crate::outcome::EndState;
use crate::runner::meter::EngineMeter;
use crate::runner::ports::{
    Beside, BesideError, Engine, NothingBeside, OutsideCommand, ProgramEnd, RuntimeError,
    SandboxProgram, StopMode, Stopped,
};
use crate::runtime::command::on_host;
use crate::runtime::log::{LogPump, append_remark, read_log_or_say_why};
use crate::runtime::memory::{MemoryWatch, peak};
use crate::runtime::process::memory;
use crate::runtime::process::meter::GroupMeter;

/// How long the log is waited for once the process group is dead.
const DRAIN_PATIENCE: Duration = Duration::from_secs(5);

/// How long members of a killed group may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A running, or ended and not yet collected, child process.
#[derive(Debug)]
pub struct ProcessEngine {
    child: Child,
    /// Held open: the stand-in ends when it closes.
    stdin: Option<ChildStdin>,
    /// Taken by [`Engine::stop`]; still there when the engine is dropped without it.
    log: Option<LogPump>,
    group: Pid,
    base_url: String,
    reference: String,
    log_path: PathBuf,
    memory: MemoryWatch,
}

impl ProcessEngine {
    pub(in crate::runtime::process) fn new(
        mut child: Child,
        log: LogPump,
        port: u16,
        log_path: PathBuf,
    ) -> Result<Self, RuntimeError> {
        let id = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let group = id.expect("a child that nobody has waited for has an id above zero");
        Ok(Self {
            // Waiting for a child closes its standard input, unless it is taken out.
            stdin: child.stdin.take(),
            child,
            log: Some(log),
            group,
            base_url: format!("http://127.0.0.1:{port}"),
            reference: format!("process {}", group.as_raw_nonzero()),
            log_path,
            memory: MemoryWatch::start(move || std::future::ready(memory::look(group))),
        })
    }

    async fn wait(&mut self) -> Result<ExitStatus, RuntimeError> {
        self.child
            .wait()
            .await
            .map_err(|source| RuntimeError::Host {
                what: format!("{} could not be waited for", self.reference),
                source,
            })
    }

    /// Asks the engine itself to end, as Docker does; its children are its own to end.
    fn terminate(&self) {
        // That it has just ended is no failure.
        let _ = kill_process(self.group, Signal::TERM);
    }

    /// Kills the engine and all its children.
    fn kill(&self) {
        // That nobody is left to be killed is no failure.
        let _ = kill_process_group(self.group, Signal::KILL);
    }

    /// Kills what the engine left behind in its group, and waits until it is gone.
    async fn kill_stragglers(&self) {
        self.kill();
        let mut waited = Duration::ZERO;
        // A zombie that nobody collects stays a member, so the waiting has an end.
        while test_kill_process_group(self.group).is_ok() && waited < GONE_WITHIN {
            tokio::time::sleep(LOOK_EVERY).await;
            waited += LOOK_EVERY;
        }
    }
}

impl Engine for ProcessEngine {
    fn base_url(&self) -> &str {
        &self.base_url
    }

    fn reference(&self) -> &str {
        &self.reference
    }

    async fn exited(&mut self) -> Result<(), RuntimeError> {
        self.wait().await.map(|_| ())
    }

    fn meter(&self) -> Arc<dyn EngineMeter> {
        Arc::new(GroupMeter::new(self.group))
    }

    fn log(&self) -> String {
        read_log_or_say_why(&self.log_path)
    }

    fn beside(&self) -> Arc<dyn Beside> {
        Arc::new(BesideProcess)
    }

    async fn stop(mut self, how: StopMode) -> Result<Stopped, RuntimeError> {
        let ended = self.child.try_wait().map_err(|source| RuntimeError::Host {
            what: format!("{} could not be waited for", self.reference),
            source,
        })?;
        let kept_peak = match ended {
            Some(_) => None,
            None => memory::kept_peak(self.group),
        };
        let status = match (ended, how) {
            (Some(status), _) => status,
            (None, StopMode::Kill) => {
                self.kill();
                self.wait().await?
            }
            (None, StopMode::Gracefully(grace)) => {
                self.terminate();
                match tokio::time::timeout(grace, self.wait()).await {
                    Ok(status) => status?,
                    Err(_) => {
                        self.kill();
                        self.wait().await?
                    }
                }
            }
        };
        self.kill_stragglers().await;
        self.stdin = None;
        let drained = match self.log.take() {
            Some(log) => log.drain(DRAIN_PATIENCE).await,
            None => Ok(()),
        };
        drained.map_err(|source| RuntimeError::Host {
            what: format!("the log {} could not be written", self.log_path.display()),
            source,
        })?;
        let memory = self.memory.samples();
        let end = EndState {
            by_itself: ended.is_some(),
            exit_code: exit_code(status),
            oom_killed: None,
            error: None,
            peak_memory: peak(kept_peak, &memory),
            memory,
        };
        let log = self.log();
        Ok(Stopped { end, log })
    }
}

/// What runs beside a child process: commands, as child processes too. There is no sandbox: a
/// process of this user could harm whatever the user can.
#[derive(Debug)]
struct BesideProcess;

impl Beside for BesideProcess {
    fn sandbox<'a>(
        &'a self,
        program: &'a SandboxProgram,
    ) -> BoxFuture<'a, Result<ProgramEnd, BesideError>> {
        NothingBeside.sandbox(program)
    }

    fn command<'a>(
        &'a self,
        command: &'a OutsideCommand,
    ) -> BoxFuture<'a, Result<ProgramEnd, BesideError>> {
        Box::pin(on_host(command))
    }
}

impl Drop for ProcessEngine {
    /// Whoever forgets to stop an engine is told in its log; the group is killed, because
    /// that needs no waiting.
    fn drop(&mut self) {
        if self.log.is_some() {
            append_remark(
                &self.log_path,
                "the engine was dropped without being stopped",
            );
            self.kill();
        }
    }
}

/// The exit code as a shell tells it: a death by signal is 128 and the signal's number.
fn exit_code(status: ExitStatus) -> Option<i64> {
    status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .map(i64::from)
}
