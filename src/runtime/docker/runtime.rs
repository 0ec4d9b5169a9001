//! Starts engines in containers.

use std::io;
use std::path::PathBuf;
use std::sync::Mutex;

use bollard::query_parameters::{
    CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder, StartContainerOptions,
};
use tokio::sync::OnceCell;

use crate::outcome::RuntimeFacts;
use crate::runner::ports::{Launch, Runtime, RuntimeError};
use crate::runtime::binary;
use crate::runtime::docker::beside::BesideContainer;
use crate::runtime::docker::client::{Client, Nearness};
use crate::runtime::docker::container::{body, inner_url, labels, name};
use crate::runtime::docker::engine::DockerEngine;
use crate::runtime::docker::image::{Image, PullListener, PullProgress, find_or_pull};
use crate::runtime::docker::logs::follow;
use crate::runtime::docker::probe::probe;
use crate::runtime::docker::refusal;
use crate::runtime::docker::stand_in_image::find_or_make;
use crate::runtime::docker::sweep::sweep;
use crate::runtime::docker::watch::DaemonWatch;
use crate::runtime::engine_spec::{EngineSpec, ImageChoice};
use crate::runtime::lock::Sweeper;
use crate::runtime::log::{LogPump, LogWriter};
use crate::runtime::port;
use crate::spec::profile::Network;

/// How many ports are tried when others take them before the container does.
const PORT_TRIES: usize = 5;

/// Starts engines as containers of one daemon.
#[derive(Debug)]
pub struct DockerRuntime {
    client: Client,
    spec: EngineSpec,
    listener: PullListener,
    /// Known once it was looked for: every engine of a run is of the same image.
    image: OnceCell<Image>,
    /// What the stand-in image is made of.
    stand_in: Option<PathBuf>,
    pick_port: fn() -> io::Result<u16>,
}

impl DockerRuntime {
    /// Connects to the daemon that `DOCKER_HOST` names, else to the local one.
    ///
    /// # Errors
    /// [`RuntimeError::Unreachable`] with what to do when nobody answers.
    pub async fn connect(spec: EngineSpec) -> Result<Self, RuntimeError> {
        Ok(Self::of(Client::connect().await?, spec))
    }

    /// The same for the daemon at `address`, as `DOCKER_HOST` writes it.
    pub async fn connect_to(address: &str, spec: EngineSpec) -> Result<Self, RuntimeError> {
        Ok(Self::of(Client::connect_to(address).await?, spec))
    }

    fn of(client: Client, spec: EngineSpec) -> Self {
        Self {
            client,
            spec,
            listener: PullListener::nobody(),
            image: OnceCell::new(),
            stand_in: None,
            pick_port: port::pick,
        }
    }

    /// Tells `listener` how far the pull of the image is, every time the daemon says so.
    #[must_use]
    pub fn with_pull_listener(
        mut self,
        listener: impl Fn(&PullProgress) + Send + Sync + 'static,
    ) -> Self {
        self.listener = PullListener::new(listener);
        self
    }

    /// Makes the stand-in image of another binary than the running one.
    #[must_use]
    pub fn with_stand_in(mut self, program: PathBuf) -> Self {
        self.stand_in = Some(program);
        self
    }

    #[cfg(test)]
    pub(in crate::runtime::docker) fn with_port_picker(
        mut self,
        pick_port: fn() -> io::Result<u16>,
    ) -> Self {
        self.pick_port = pick_port;
        self
    }

    /// The image of the engines, found, pulled or made.
    pub async fn image(&self) -> Result<&Image, RuntimeError> {
        self.image
            .get_or_try_init(|| async {
                match &self.spec.image {
                    ImageChoice::Named(name) => {
                        find_or_pull(&self.client, name, &self.listener).await
                    }
                    ImageChoice::StandIn => {
                        let program = match &self.stand_in {
                            Some(program) => program.clone(),
                            None => binary::running().map_err(|source| RuntimeError::Host {
                                what: "gridrun's own binary could not be found".to_owned(),
                                source,
                            })?,
                        };
                        find_or_make(&self.client, &program).await
                    }
                }
            })
            .await
    }

    /// Refuses what is known to fail before anything is asked of the daemon.
    fn check_volumes(&self) -> Result<(), RuntimeError> {
        let missing: Vec<String> = self
            .spec
            .volumes
            .iter()
            .filter(|volume| !volume.from.exists())
            .map(|volume| volume.from.display().to_string())
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let verb = if missing.len() == 1 { "does" } else { "do" };
        Err(RuntimeError::NotPrepared {
            what: format!("{} {verb} not exist", missing.join(", ")),
            hint: "make it, or correct `volumes` in [engine]".to_owned(),
        })
    }

    /// Engines are reached over this host's loopback, and not every daemon shares it.
    async fn check_network(&self) -> Result<(), RuntimeError> {
        if self.client.nearness() == Nearness::Elsewhere {
            return Err(RuntimeError::NotPrepared {
                what: format!(
                    "the Docker daemon at {} is not on this host",
                    self.client.address()
                ),
                hint: "run gridrun there: it talks to engines over 127.0.0.1".to_owned(),
            });
        }
        let info = self
            .client
            .docker()
            .info()
            .await
            .map_err(|error| refusal::failed("asking what it is", error))?;
        let operating_system = info.operating_system.unwrap_or_default();
        if self.spec.network == Network::Host && refusal::is_virtual_machine(&operating_system) {
            return Err(RuntimeError::NotPrepared {
                what: format!("{operating_system} does not share this host's network"),
                hint: "set `network = \"bridge\"` in [engine]".to_owned(),
            });
        }
        Ok(())
    }

    async fn try_start(
        &self,
        launch: &Launch,
        image: &Image,
        port: u16,
    ) -> Result<String, StartFailure> {
        let options = CreateContainerOptionsBuilder::new()
            .name(&name(launch))
            .build();
        let docker = self.client.docker();
        let container = docker
            .create_container(Some(options), body(&self.spec, launch, image, port))
            .await
            .map_err(|error| StartFailure::Final(refusal::refused("creating", error)))?
            .id;
        let Err(error) = docker
            .start_container(&container, None::<StartContainerOptions>)
            .await
        else {
            return Ok(container);
        };
        // A container that was refused its start stays behind. When removing it fails too,
        // the next sweep does it; the first failure is the one to tell.
        let options = RemoveContainerOptionsBuilder::new()
            .force(true)
            .v(true)
            .build();
        let _ = docker.remove_container(&container, Some(options)).await;
        if refusal::is_port_taken(&refusal::words(&error)) {
            Err(StartFailure::PortTaken(refusal::refused("starting", error)))
        } else {
            Err(StartFailure::Final(refusal::refused("starting", error)))
        }
    }
}

/// Why a container did not start.
enum StartFailure {
    /// Somebody took the port before the container did: another one may do.
    PortTaken(RuntimeError),
    Final(RuntimeError),
}

impl Runtime for DockerRuntime {
    type Engine = DockerEngine;

    async fn prepare(&self) -> Result<RuntimeFacts, RuntimeError> {
        let version = self.client.version().await?;
        self.check_volumes()?;
        self.check_network().await?;
        let image = self.image().await?;
        let mut notes = Vec::new();
        match &self.spec.image {
            ImageChoice::Named(_) => probe(&self.client, &self.spec, image).await?,
            ImageChoice::StandIn => {}
        }
        if self.spec.network == Network::Bridge {
            notes.push("bridge network: a port proxy is in the measured path".to_owned());
        }
        if let Some(words) = &image.entrypoint_override {
            notes.push(format!(
                "the image's own entry point was replaced by {}",
                words.join(" ")
            ));
        }
        Ok(RuntimeFacts {
            runtime: version,
            image_digest: Some(image.digest.clone()),
            stand_in: self.spec.image == ImageChoice::StandIn || image.is_stand_in,
            notes,
        })
    }

    /// Dropping this future half-way can leave a container behind, which the next sweep
    /// removes.
    async fn start(&self, launch: &Launch) -> Result<DockerEngine, RuntimeError> {
        let image = self.image().await?;
        let writer =
            LogWriter::create(&launch.log_path, &self.spec.secrets(launch)).map_err(|source| {
                RuntimeError::Host {
                    what: format!("the log {} could not be opened", launch.log_path.display()),
                    source,
                }
            })?;
        let watch = DaemonWatch::start(&self.client);
        let mut tries = 1;
        loop {
            let port = port::pick_or_fail(self.pick_port)?;
            match self.try_start(launch, image, port).await {
                Ok(container) => {
                    let log = LogPump::start(follow(&self.client, &container), writer);
                    let beside = BesideContainer {
                        client: self.client.clone(),
                        container,
                        image: image.id.clone(),
                        labels: labels(&self.spec, launch),
                        inner_url: inner_url(&self.spec),
                        is_stand_in: self.spec.image == ImageChoice::StandIn || image.is_stand_in,
                        live: Mutex::default(),
                    };
                    return Ok(DockerEngine::new(
                        beside,
                        port,
                        log,
                        watch,
                        launch.log_path.clone(),
                    ));
                }
                Err(StartFailure::PortTaken(_)) if tries < PORT_TRIES => tries += 1,
                Err(StartFailure::PortTaken(error) | StartFailure::Final(error)) => {
                    return Err(error);
                }
            }
        }
    }

    async fn sweep(&self) -> Result<Vec<String>, RuntimeError> {
        sweep(&self.client, Sweeper::Run(&self.spec.lock_path)).await
    }

    async fn reachable(&self) -> bool {
        self.client.answers_anew().await
    }
}
