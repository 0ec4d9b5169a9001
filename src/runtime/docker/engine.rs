//! An engine that runs in a container.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::ContainerState;
use bollard::query_parameters::{
    InspectContainerOptions, KillContainerOptions, RemoveContainerOptionsBuilder,
    StopContainerOptionsBuilder, WaitContainerOptions,
};
use futures_util::StreamExt;

use crate::outcome::EndState;
use crate::runner::meter::EngineMeter;
use crate::runner::ports::{Beside, Engine, RuntimeError, StopMode, Stopped};
use crate::runtime::docker::beside::BesideContainer;
use crate::runtime::docker::client::Client;
use crate::runtime::docker::meter::ContainerMeter;
use crate::runtime::docker::watch::DaemonWatch;
use crate::runtime::docker::{memory, refusal};
use crate::runtime::log::{LogPump, append_remark, read_log_or_say_why};
use crate::runtime::memory::{MemoryWatch, peak};

/// How long the log's end is waited for once the container has stopped.
const DRAIN_PATIENCE: Duration = Duration::from_secs(10);

/// How long a killed container may take to be gone. A process that hangs in a GPU driver takes
/// long; beyond this it is the machine's fault.
const KILL_PATIENCE: Duration = Duration::from_secs(60);

/// A daemon that is stopped takes its sockets away before it stops its containers, and breaks
/// its connections when it is done. This long after an engine's end both have happened.
const DOUBT: Duration = Duration::from_secs(1);

/// An engine in a container.
///
/// # When the daemon goes away
/// A daemon that is stopped or restarted stops its containers first. They then end as if by
/// themselves: with 0, 137 or 143, and an engine that is interrupted while it starts with
/// whatever its language makes of that. It must not be held against the cell. So only a kill
/// for want of memory is believed at once; any other end is believed if, a second later, the
/// connection held open since before the start still stands and the daemon accepts a new one.
/// Otherwise the error is [`RuntimeError::Unreachable`].
#[derive(Debug)]
pub struct DockerEngine {
    client: Client,
    container: String,
    base_url: String,
    log_path: PathBuf,
    /// Taken by [`Engine::stop`]; still there when the engine is dropped without it.
    log: Option<LogPump>,
    watch: DaemonWatch,
    memory: MemoryWatch,
    /// That it ended by itself, once that is past doubt.
    believed: bool,
    beside: Arc<BesideContainer>,
}

/// How the container stands.
enum Standing {
    Running,
    Stopped(Remains),
}

/// How a container that does not run stands.
enum Remains {
    Ended(Box<ContainerState>),
    /// Somebody else removed it.
    Gone,
}

impl DockerEngine {
    pub(in crate::runtime::docker) fn new(
        beside: BesideContainer,
        port: u16,
        log: LogPump,
        watch: DaemonWatch,
        log_path: PathBuf,
    ) -> Self {
        let (client, container) = (beside.client.clone(), beside.container.clone());
        let memory = MemoryWatch::start({
            let (client, container) = (client.clone(), container.clone());
            move || {
                let (client, container) = (client.clone(), container.clone());
                async move { memory::look(&client, &container).await }
            }
        });
        Self {
            client,
            container,
            base_url: format!("http://127.0.0.1:{port}"),
            log_path,
            log: Some(log),
            watch,
            memory,
            believed: false,
            beside: Arc::new(beside),
        }
    }

    async fn standing(&self) -> Result<Standing, RuntimeError> {
        let inspected = self
            .client
            .docker()
            .inspect_container(&self.container, None::<InspectContainerOptions>)
            .await;
        match inspected {
            Ok(container) => {
                let state = container.state.unwrap_or_default();
                if state.running == Some(true) {
                    Ok(Standing::Running)
                } else {
                    Ok(Standing::Stopped(Remains::Ended(Box::new(state))))
                }
            }
            Err(error) if refusal::is_not_found(&error) => Ok(Standing::Stopped(Remains::Gone)),
            Err(error) => Err(refusal::failed("asking how the engine stands", error)),
        }
    }

    /// How a container stands that the daemon said has ended.
    async fn stopped(&self) -> Result<Remains, RuntimeError> {
        match self.standing().await? {
            Standing::Stopped(stopped) => Ok(stopped),
            Standing::Running => Err(self.client.gone("it lost track of an engine")),
        }
    }

    /// Returns when the container does not run any more.
    async fn wait(&self) -> Result<(), RuntimeError> {
        loop {
            let mut answers = std::pin::pin!(
                self.client
                    .docker()
                    .wait_container(&self.container, None::<WaitContainerOptions>)
            );
            return match answers.next().await {
                // Any exit code but 0 is an error for the library.
                Some(Ok(_) | Err(Error::DockerContainerWaitError { .. })) => Ok(()),
                Some(Err(error)) if refusal::is_not_found(&error) => Ok(()),
                // The library's own patience is at an end, which says nothing of the engine.
                Some(Err(Error::RequestTimeoutError)) if self.client.answers_anew().await => {
                    continue;
                }
                Some(Err(error)) => Err(refusal::failed("waiting for the engine", error)),
                None => Err(self.client.gone("it stopped answering while an engine ran")),
            };
        }
    }

    /// Makes sure that an end is the engine's own, and not the daemon's.
    async fn believe(&mut self, state: &ContainerState) -> Result<(), RuntimeError> {
        if self.believed {
            return Ok(());
        }
        if state.oom_killed != Some(true) {
            tokio::time::sleep(DOUBT).await;
            if self.watch.is_broken() || !self.client.answers_anew().await {
                return Err(self.client.gone("its containers were stopped with it"));
            }
        }
        self.believed = true;
        Ok(())
    }

    /// Ends a running container.
    async fn end(&self, how: StopMode) -> Result<(), RuntimeError> {
        let docker = self.client.docker();
        let asked = match how {
            StopMode::Gracefully(grace) => {
                // Docker counts whole seconds, and answers when the container has ended.
                let seconds = grace.as_millis().div_ceil(1000);
                let t = i32::try_from(seconds).unwrap_or(i32::MAX);
                let options = StopContainerOptionsBuilder::new().t(t).build();
                let patient = docker.clone().with_timeout(grace + KILL_PATIENCE);
                patient.stop_container(&self.container, Some(options)).await
            }
            StopMode::Kill => {
                docker
                    .kill_container(&self.container, None::<KillContainerOptions>)
                    .await
            }
        };
        match asked {
            Ok(()) => {}
            Err(error) if refusal::is_conflict(&error) || refusal::is_not_found(&error) => {}
            Err(error) => return Err(refusal::failed("stopping the engine", error)),
        }
        tokio::time::timeout(KILL_PATIENCE, self.wait())
            .await
            .unwrap_or_else(|_| {
                Err(RuntimeError::Host {
                    what: format!("{} does not die", self.container),
                    source: std::io::ErrorKind::TimedOut.into(),
                })
            })
    }

    /// Ends the container if it still runs, and says how it ended.
    async fn collect(&mut self, how: StopMode) -> Result<EndState, RuntimeError> {
        let (by_itself, kept_peak, remains) = match self.standing().await? {
            Standing::Running => {
                let kept_peak = memory::kept_peak(&self.client, &self.container).await;
                self.end(how).await?;
                (false, kept_peak, self.stopped().await?)
            }
            Standing::Stopped(remains) => {
                if let Remains::Ended(state) = &remains {
                    self.believe(state).await?;
                }
                (true, None, remains)
            }
        };
        let memory = self.memory.samples();
        let peak_memory = peak(kept_peak, &memory);
        Ok(match remains {
            Remains::Ended(state) => EndState {
                memory,
                by_itself,
                exit_code: state.exit_code,
                oom_killed: state.oom_killed,
                error: state.error.filter(|words| !words.is_empty()),
                peak_memory,
            },
            Remains::Gone => EndState {
                memory,
                by_itself,
                exit_code: None,
                oom_killed: None,
                error: Some("the container was removed by somebody else".to_owned()),
                peak_memory,
            },
        })
    }

    /// Says in the engine's log that its container is still there.
    fn remark(&self) {
        append_remark(
            &self.log_path,
            &format!(
                "container {} was not stopped; the next sweep removes it",
                self.container
            ),
        );
    }

    async fn remove(&self) -> Result<(), RuntimeError> {
        let options = RemoveContainerOptionsBuilder::new()
            .force(true)
            .v(true)
            .build();
        match self
            .client
            .docker()
            .remove_container(&self.container, Some(options))
            .await
        {
            Ok(()) => Ok(()),
            Err(error) if refusal::is_not_found(&error) || refusal::is_conflict(&error) => Ok(()),
            Err(error) => Err(refusal::failed("removing the engine", error)),
        }
    }
}

impl Engine for DockerEngine {
    fn base_url(&self) -> &str {
        &self.base_url
    }

    fn reference(&self) -> &str {
        // As `docker ps` shows it.
        self.container.get(..12).unwrap_or(&self.container)
    }

    async fn exited(&mut self) -> Result<(), RuntimeError> {
        if self.believed {
            return Ok(());
        }
        self.wait().await?;
        match self.stopped().await? {
            Remains::Ended(state) => self.believe(&state).await,
            Remains::Gone => Ok(()),
        }
    }

    fn meter(&self) -> Arc<dyn EngineMeter> {
        Arc::new(ContainerMeter::new(
            self.client.clone(),
            self.container.clone(),
        ))
    }

    fn log(&self) -> String {
        read_log_or_say_why(&self.log_path)
    }

    fn beside(&self) -> Arc<dyn Beside> {
        Arc::clone(&self.beside) as Arc<dyn Beside>
    }

    async fn stop(mut self, how: StopMode) -> Result<Stopped, RuntimeError> {
        self.beside.remove_all().await;
        let collected = self.collect(how).await;
        let drained = match self.log.take() {
            Some(log) => log.drain(DRAIN_PATIENCE).await,
            None => Ok(()),
        };
        // Whatever went wrong before, nothing may be left behind; and a log that cannot be
        // written keeps nobody from cleaning up.
        let removed = self.remove().await;
        if removed.is_err() {
            self.remark();
        }
        let end = collected?;
        removed?;
        drained.map_err(|source| RuntimeError::Host {
            what: format!("the log {} could not be written", self.log_path.display()),
            source,
        })?;
        let log = self.log();
        Ok(Stopped { end, log })
    }
}

impl Drop for DockerEngine {
    /// Whoever forgets to stop an engine is told in its log. The container is left to the next
    /// sweep.
    fn drop(&mut self) {
        if self.log.is_some() {
            self.remark();
        }
    }
}
