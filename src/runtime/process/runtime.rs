//! Starts the stand-in as a child process in a process group of its own.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use bytes::BytesMut;
use futures_util::{Stream, stream};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::process::Command;

use crate::outcome::RuntimeFacts;
use crate::runner::ports::{Launch, Runtime, RuntimeError};
use crate::runtime::binary;
use crate::runtime::command::HANDED_DOWN;
use crate::runtime::engine_spec::EngineSpec;
use crate::runtime::lock::Sweeper;
use crate::runtime::log::{Channel, LogPump, LogWriter};
use crate::runtime::port;
use crate::runtime::process::engine::ProcessEngine;
use crate::runtime::process::sweep::{ATTEMPT_MARK, LOCK_MARK, RUN_MARK, sweep};

/// The stand-in's option by which it ends when its standard input does: the pipe's other end
/// is gridrun's, so a killed gridrun leaves no engine behind.
const EXIT_WITH_STDIN: &str = "--stand-in-exit-with-stdin";

/// How much of an engine's output is read at once, in bytes.
const CHUNK: usize = 16 * 1024;

/// Starts stand-in engines as child processes.
#[derive(Debug, Clone)]
pub struct ProcessRuntime {
    spec: EngineSpec,
    program: Program,
}

/// What is executed.
#[derive(Debug, Clone)]
pub struct Program {
    pub path: PathBuf,
    /// What comes before the model.
    pub leading: Vec<OsString>,
}

impl Program {
    /// This very binary, as `gridrun stand-in serve`.
    pub fn stand_in() -> Self {
        Self {
            // The kernel's link leads to the same file in the child that is to become it.
            path: binary::running().unwrap_or_else(|_| PathBuf::from("/proc/self/exe")),
            leading: vec!["stand-in".into(), "serve".into()],
        }
    }
}

impl ProcessRuntime {
    /// Engines that are this binary's stand-in.
    pub fn new(spec: EngineSpec) -> Self {
        Self::with_program(spec, Program::stand_in())
    }

    /// Engines that are another program, called as the stand-in is.
    pub fn with_program(spec: EngineSpec, program: Program) -> Self {
        Self { spec, program }
    }
}

impl Runtime for ProcessRuntime {
    type Engine = ProcessEngine;

    async fn prepare(&self) -> Result<RuntimeFacts, RuntimeError> {
        std::fs::metadata(&self.program.path).map_err(|source| RuntimeError::Host {
            what: format!("the program {} is not there", self.program.path.display()),
            source,
        })?;
        Ok(RuntimeFacts {
            runtime: "process".to_owned(),
            image_digest: None,
            stand_in: true,
            notes: vec!["child processes: memory limits are not enforced".to_owned()],
        })
    }

    async fn start(&self, launch: &Launch) -> Result<ProcessEngine, RuntimeError> {
        let log_failed = |source| RuntimeError::Host {
            what: format!("the log {} could not be opened", launch.log_path.display()),
            source,
        };
        let spawn_failed = |source| RuntimeError::Host {
            what: format!("{} could not be started", self.program.path.display()),
            source,
        };
        let writer =
            LogWriter::create(&launch.log_path, &self.spec.secrets(launch)).map_err(log_failed)?;
        let port = port::pick_or_fail(port::pick)?;
        // One pipe for both of the child's streams keeps their order.
        let (output, input) = std::io::pipe().map_err(spawn_failed)?;
        let receiver = Receiver::from_owned_fd(output.into()).map_err(spawn_failed)?;
        let mut command = self.command(launch, port);
        command
            .stdin(Stdio::piped())
            .stdout(input.try_clone().map_err(spawn_failed)?)
            .stderr(input);
        let child = command.spawn().map_err(spawn_failed)?;
        // The command holds gridrun's own ends of the pipe; while they are open the log has
        // no end.
        drop(command);
        let log = LogPump::start(chunks(receiver), writer);
        ProcessEngine::new(child, log, port, launch.log_path.clone())
    }

    async fn sweep(&self) -> Result<Vec<String>, RuntimeError> {
        sweep(Path::new("/proc"), Sweeper::Run(&self.spec.lock_path)).await
    }

    async fn reachable(&self) -> bool {
        true
    }
}

impl ProcessRuntime {
    fn command(&self, launch: &Launch, port: u16) -> Command {
        let mut command = Command::new(&self.program.path);
        command
            .args(&self.program.leading)
            .args(self.spec.arguments(launch, "127.0.0.1", port))
            .arg(EXIT_WITH_STDIN)
            .process_group(0)
            .env_clear();
        // Nothing else is handed down: an engine must not depend on the shell that gridrun was
        // started from.
        for name in HANDED_DOWN {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
            .envs(self.spec.environment(launch))
            .env(RUN_MARK, launch.run.as_str())
            .env(ATTEMPT_MARK, launch.attempt.to_string())
            .env(LOCK_MARK, &self.spec.lock_path);
        command
    }
}

/// What comes out of the child's pipe, until every holder of its other end has closed it.
fn chunks(
    receiver: Receiver,
) -> impl Stream<Item = Result<(Channel, bytes::Bytes), std::io::Error>> + Send {
    stream::unfold(receiver, |mut receiver| async move {
        let mut buffer = BytesMut::with_capacity(CHUNK);
        match receiver.read_buf(&mut buffer).await {
            Ok(0) => None,
            Ok(_) => Some((Ok((Channel::Out, buffer.freeze())), receiver)),
            Err(error) => Some((Err(error), receiver)),
        }
    })
}
