//! What runs beside an engine in a container: a sandbox for a model's code in a container of its
//! own, and the commands of an experiment inside the engine's.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use bollard::models::{ContainerCreateBody, HostConfig, HostConfigLogConfig};
use bollard::query_parameters::{
    CreateContainerOptions, InspectContainerOptions, LogsOptionsBuilder,
    RemoveContainerOptionsBuilder, StartContainerOptions, WaitContainerOptions,
};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;

use crate::runner::ports::{
    Beside, BesideError, CommandPlace, OutsideCommand, ProgramEnd, SandboxProgram,
};
use crate::runtime::command::{Kept, on_host};
use crate::runtime::docker::client::Client;
use crate::runtime::docker::refusal;

/// Memory of a sandbox in bytes; there is no swap beside it.
const SANDBOX_MEMORY: i64 = 512 << 20;

/// Processes and threads of a sandbox.
const SANDBOX_PROCESSES: i64 = 64;

/// The one place that a sandbox may write to: in memory, and nothing in it can be executed.
const SANDBOX_TMP: &str = "rw,noexec,nosuid,nodev,size=16m,mode=1777";

/// Nobody, in every image.
const NOBODY: &str = "65534:65534";

/// How long the daemon may take to end what was killed.
const KILL_PATIENCE: Duration = Duration::from_secs(10);

/// Tells which process to kill, on the first line of the standard error, and becomes the
/// command.
const TELLING_PID: &str = "echo \"gridrun-pid $$\" >&2; exec \"$@\"";
const PID_FRONT: &str = "gridrun-pid ";

/// Runs programs beside one engine.
#[derive(Debug)]
pub struct BesideContainer {
    pub client: Client,
    /// The engine's.
    pub container: String,
    /// The engine's, by its id.
    pub image: String,
    /// Of every container of the attempt, so that a sweep knows them.
    pub labels: HashMap<String, String>,
    /// Inside a bridge network the engine listens elsewhere.
    pub inner_url: Option<String>,
    /// Its image holds gridrun and nothing else.
    pub is_stand_in: bool,
    /// Sandboxes that are there now.
    pub live: Mutex<BTreeSet<String>>,
}

impl BesideContainer {
    /// Removes what a call that was dropped has left.
    pub async fn remove_all(&self) {
        let live: Vec<String> = self.live().iter().cloned().collect();
        for container in live {
            self.remove(&container).await;
        }
    }

    fn live(&self) -> MutexGuard<'_, BTreeSet<String>> {
        // Nothing is half done under the lock.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What stays although it should not is the next sweep's.
    async fn remove(&self, container: &str) {
        let options = RemoveContainerOptionsBuilder::new()
            .force(true)
            .v(true)
            .build();
        let docker = self.client.docker();
        if docker
            .remove_container(container, Some(options))
            .await
            .is_ok()
        {
            self.live().remove(container);
        }
    }

    async fn run_sandbox(&self, program: &SandboxProgram) -> Result<ProgramEnd, BesideError> {
        if self.is_stand_in {
            return Err(BesideError {
                because: "a stand-in's image has no Python to run code with".to_owned(),
            });
        }
        let docker = self.client.docker();
        let container = docker
            .create_container(None::<CreateContainerOptions>, self.sandbox_body(program))
            .await
            .map_err(|error| cannot("make a sandbox", &error))?
            .id;
        self.live().insert(container.clone());
        let end = self.wait_for(&container, program.timeout).await;
        self.remove(&container).await;
        end
    }

    fn sandbox_body(&self, program: &SandboxProgram) -> ContainerCreateBody {
        let arguments = ["-I", "-c", &program.source, &program.argument];
        ContainerCreateBody {
            image: Some(self.image.clone()),
            entrypoint: Some(vec!["python3".to_owned()]),
            cmd: Some(arguments.map(str::to_owned).to_vec()),
            // Where NVIDIA's runtime is the daemon's own, an image's variable gives it GPUs.
            env: Some(vec![
                "NVIDIA_VISIBLE_DEVICES=void".to_owned(),
                "HOME=/tmp".to_owned(),
            ]),
            user: Some(NOBODY.to_owned()),
            working_dir: Some("/tmp".to_owned()),
            network_disabled: Some(true),
            labels: Some(self.labels.clone()),
            host_config: Some(sandbox_host_config()),
            ..ContainerCreateBody::default()
        }
    }

    async fn wait_for(
        &self,
        container: &str,
        timeout: Duration,
    ) -> Result<ProgramEnd, BesideError> {
        let docker = self.client.docker();
        docker
            .start_container(container, None::<StartContainerOptions>)
            .await
            .map_err(|error| cannot("start a sandbox", &error))?;
        let mut waiting = docker.wait_container(container, None::<WaitContainerOptions>);
        // A program that ends with another code than 0 ends the stream with an error.
        let timed_out = tokio::time::timeout(timeout, waiting.next()).await.is_err();
        let state = docker
            .inspect_container(container, None::<InspectContainerOptions>)
            .await
            .map_err(|error| cannot("look at a sandbox", &error))?
            .state
            .unwrap_or_default();
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).build();
        let mut logs = docker.logs(container, Some(options));
        let (mut out, mut err) = (Kept::new(&[]), Kept::new(&[]));
        while let Some(Ok(piece)) = logs.next().await {
            keep(piece, &mut out, &mut err);
        }
        Ok(ProgramEnd {
            exit_code: state.exit_code.filter(|_| !timed_out),
            timed_out,
            out_of_memory: state.oom_killed == Some(true),
            stdout: out.finish(),
            stderr: err.finish(),
            output: None,
        })
    }

    async fn run_inside(&self, command: &OutsideCommand) -> Result<ProgramEnd, BesideError> {
        let mut arguments = ["/bin/sh", "-c", TELLING_PID, "sh"]
            .map(str::to_owned)
            .to_vec();
        arguments.extend(command.arguments.iter().cloned());
        let env = command.env.iter();
        let env = env.map(|(name, value)| format!("{name}={value}")).collect();
        let mut end = self
            .exec(arguments, env, &command.secrets, command.timeout)
            .await?;
        if let Some(path) = command.output.as_ref().filter(|_| !end.timed_out) {
            let read = ["/bin/cat", path].map(str::to_owned).to_vec();
            let file = self
                .exec(read, Vec::new(), &command.secrets, KILL_PATIENCE)
                .await?;
            end.output = (file.exit_code == Some(0)).then_some(file.stdout);
        }
        Ok(end)
    }

    async fn exec(
        &self,
        arguments: Vec<String>,
        env: Vec<String>,
        secrets: &[String],
        timeout: Duration,
    ) -> Result<ProgramEnd, BesideError> {
        let docker = self.client.docker();
        let options = CreateExecOptions {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(arguments),
            env: Some(env),
            ..CreateExecOptions::default()
        };
        let exec = docker
            .create_exec(&self.container, options)
            .await
            .map_err(|error| cannot("run a command in the engine's container", &error))?
            .id;
        let started = docker
            .start_exec(&exec, None::<StartExecOptions>)
            .await
            .map_err(|error| cannot("run a command in the engine's container", &error))?;
        let StartExecResults::Attached { mut output, .. } = started else {
            return Err(BesideError {
                because: "the daemon let go of the command".to_owned(),
            });
        };
        let (mut out, mut err) = (Kept::new(secrets), Kept::new(secrets));
        let mut front = Vec::new();
        let mut pid = None;
        let reading = async {
            while let Some(piece) = output.next().await {
                let piece = piece.map_err(|error| cannot("read what the command says", &error))?;
                match piece {
                    LogOutput::StdErr { message } if pid.is_none() => {
                        front.extend_from_slice(&message);
                        if let Some((found, rest)) = pid_in(&front) {
                            pid = Some(found);
                            err.push(&front[rest..]);
                        }
                    }
                    piece => keep(piece, &mut out, &mut err),
                }
            }
            Ok(())
        };
        let timed_out = match tokio::time::timeout(timeout, reading).await {
            Ok(read) => {
                read?;
                false
            }
            Err(_) => true,
        };
        if timed_out && let Some(pid) = &pid {
            self.kill_inside(pid).await;
        }
        if pid.is_none() {
            err.push(&front);
        }
        let inspected = docker
            .inspect_exec(&exec)
            .await
            .map_err(|error| cannot("ask how the command ended", &error))?;
        Ok(ProgramEnd {
            exit_code: inspected.exit_code.filter(|_| !timed_out),
            timed_out,
            out_of_memory: false,
            stdout: out.finish(),
            stderr: err.finish(),
            output: None,
        })
    }

    /// The API cannot kill what it has executed; the container's own shell can. What resists
    /// ends with the container.
    async fn kill_inside(&self, pid: &str) {
        let script = format!("kill -9 -- -{pid} || kill -9 {pid}");
        let options = CreateExecOptions {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(["/bin/sh", "-c", &script].map(str::to_owned).to_vec()),
            ..CreateExecOptions::default()
        };
        let docker = self.client.docker();
        let Ok(exec) = docker.create_exec(&self.container, options).await else {
            return;
        };
        let killing = async {
            if let Ok(StartExecResults::Attached { mut output, .. }) =
                docker.start_exec(&exec.id, None::<StartExecOptions>).await
            {
                while output.next().await.is_some() {}
            }
        };
        let _ = tokio::time::timeout(KILL_PATIENCE, killing).await;
    }
}

impl Beside for BesideContainer {
    fn sandbox<'a>(
        &'a self,
        program: &'a SandboxProgram,
    ) -> BoxFuture<'a, Result<ProgramEnd, BesideError>> {
        Box::pin(self.run_sandbox(program))
    }

    fn command<'a>(
        &'a self,
        command: &'a OutsideCommand,
    ) -> BoxFuture<'a, Result<ProgramEnd, BesideError>> {
        match command.place {
            CommandPlace::Host => Box::pin(on_host(command)),
            CommandPlace::Engine => Box::pin(self.run_inside(command)),
        }
    }

    fn engine_url(&self) -> Option<String> {
        self.inner_url.clone()
    }
}

/// No network, no privileges, nothing to write to but a small part of memory, no mounts and no
/// GPU; limits on processes, memory and processors.
fn sandbox_host_config() -> HostConfig {
    HostConfig {
        network_mode: Some("none".to_owned()),
        readonly_rootfs: Some(true),
        tmpfs: Some(HashMap::from([("/tmp".to_owned(), SANDBOX_TMP.to_owned())])),
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(vec!["no-new-privileges".to_owned()]),
        pids_limit: Some(SANDBOX_PROCESSES),
        memory: Some(SANDBOX_MEMORY),
        memory_swap: Some(SANDBOX_MEMORY),
        nano_cpus: Some(1_000_000_000),
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".to_owned()),
            config: Some(HashMap::from([("max-size".to_owned(), "4m".to_owned())])),
        }),
        auto_remove: Some(false),
        ..HostConfig::default()
    }
}

fn keep(piece: LogOutput, out: &mut Kept, err: &mut Kept) {
    match piece {
        LogOutput::StdErr { message } => err.push(&message),
        LogOutput::StdOut { message }
        | LogOutput::StdIn { message }
        | LogOutput::Console { message } => out.push(&message),
    }
}

/// The process that the first line tells, and where the line behind it begins; `None` until the
/// line is whole.
fn pid_in(front: &[u8]) -> Option<(String, usize)> {
    let end = front.iter().position(|byte| *byte == b'\n')?;
    let line = String::from_utf8_lossy(&front[..end]);
    let pid = line.strip_prefix(PID_FRONT)?;
    let is_number = !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| (pid.to_owned(), end + 1))
}

fn cannot(what: &str, error: &bollard::errors::Error) -> BesideError {
    BesideError {
        because: format!("cannot {what}: {}", refusal::words(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_tells_the_process() {
        assert_eq!(pid_in(b"gridrun-pid 17\nmore"), Some(("17".to_owned(), 15)));
        for front in [
            b"gridrun-pid 1".as_slice(),
            b"gridrun-pid x\n",
            b"sh: not found\n",
        ] {
            assert_eq!(pid_in(front), None);
        }
    }

    #[test]
    fn a_sandbox_can_harm_nothing() {
        let config = sandbox_host_config();
        assert_eq!(config.network_mode.as_deref(), Some("none"));
        assert_eq!(config.readonly_rootfs, Some(true));
        assert_eq!(config.cap_drop, Some(vec!["ALL".to_owned()]));
        assert_eq!(
            config.security_opt,
            Some(vec!["no-new-privileges".to_owned()])
        );
        assert_eq!(config.memory, config.memory_swap);
        assert!(config.pids_limit.is_some_and(|limit| limit <= 64));
        assert!(config.mounts.is_none() && config.binds.is_none());
        assert!(config.device_requests.is_none() && config.devices.is_none());
        assert_ne!(config.privileged, Some(true));
    }
}
