//! Production's container: looked at, stopped, started; never made, changed or removed.

use std::collections::HashMap;

use bollard::models::{ContainerInspectResponse, ContainerStateStatusEnum};
use bollard::query_parameters::{
    InspectContainerOptions, ListContainersOptionsBuilder, StartContainerOptions,
    StopContainerOptions,
};

use crate::guard::decide::{Seen, State};
use crate::runner::guard::Keeper;
use crate::runner::ports::RuntimeError;
use crate::runtime::docker::client::Client;
use crate::runtime::docker::refusal;
use crate::spec::profile::Whom;

/// The containers of one daemon, as a guard may touch them.
#[derive(Debug, Clone)]
pub struct DockerKeeper {
    client: Client,
}

impl DockerKeeper {
    /// # Errors
    /// When no daemon answers.
    pub async fn connect() -> Result<Self, RuntimeError> {
        Ok(Self {
            client: Client::connect().await?,
        })
    }

    /// The container that `[production]` means; `None` where there is none.
    ///
    /// # Errors
    /// When the daemon does not answer, or a Compose service has several containers.
    pub async fn find(&self, whom: &Whom) -> Result<Option<Seen>, RuntimeError> {
        let (project, service) = match whom {
            Whom::Container(name) => return self.look(name).await,
            Whom::Compose { project, service } => (project, service),
        };
        let labels = vec![
            format!("com.docker.compose.project={project}"),
            format!("com.docker.compose.service={service}"),
            // Containers of `docker compose run` are none of the service's.
            "com.docker.compose.oneoff=False".to_owned(),
        ];
        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&HashMap::from([("label", labels)]))
            .build();
        let listed = self.client.docker().list_containers(Some(options)).await;
        let listed = listed.map_err(|error| refusal::failed("listing containers", error))?;
        let ids: Vec<String> = listed.into_iter().filter_map(|found| found.id).collect();
        match ids.as_slice() {
            [] => Ok(None),
            [only] => self.look(only).await,
            several => Err(RuntimeError::NotPrepared {
                what: format!("{whom} has {} containers", several.len()),
                hint: "a run can look after one: name it as `container` in [production]".to_owned(),
            }),
        }
    }
}

impl Keeper for DockerKeeper {
    async fn look(&self, whom: &str) -> Result<Option<Seen>, RuntimeError> {
        let docker = self.client.docker();
        match docker
            .inspect_container(whom, None::<InspectContainerOptions>)
            .await
        {
            Ok(found) => Ok(Some(seen(found))),
            Err(error) if refusal::is_not_found(&error) => Ok(None),
            Err(error) => Err(refusal::failed("looking at production", error)),
        }
    }

    async fn stop(&self, container: &str) -> Result<(), RuntimeError> {
        // Without a time of ours it is the container's own, which may be long: so is the answer.
        let docker = self.client.docker().clone().with_timeout(LONGEST_STOP);
        match docker
            .stop_container(container, None::<StopContainerOptions>)
            .await
        {
            Ok(()) => Ok(()),
            Err(error) if refusal::is_conflict(&error) => Ok(()),
            Err(error) => Err(refusal::failed("stopping production", error)),
        }
    }

    async fn start(&self, container: &str) -> Result<(), RuntimeError> {
        let docker = self.client.docker();
        match docker
            .start_container(container, None::<StartContainerOptions>)
            .await
        {
            Ok(()) => Ok(()),
            Err(error) if refusal::is_conflict(&error) => Ok(()),
            Err(error) => Err(refusal::refused("starting production", error)),
        }
    }
}

/// How long the daemon's answer to a stop is awaited.
const LONGEST_STOP: std::time::Duration = std::time::Duration::from_secs(3600);

fn seen(found: ContainerInspectResponse) -> Seen {
    let state = found.state.unwrap_or_default();
    let words = || {
        let exit = state.exit_code.map(|code| format!("exit code {code}"));
        let error = state.error.clone().filter(|error| !error.is_empty());
        [exit, error]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(", ")
    };
    Seen {
        id: found.id.unwrap_or_default(),
        name: found
            .name
            .unwrap_or_default()
            .trim_start_matches('/')
            .to_owned(),
        state: match state.status {
            Some(ContainerStateStatusEnum::RUNNING) => State::Running,
            Some(ContainerStateStatusEnum::RESTARTING) => State::Restarting,
            Some(ContainerStateStatusEnum::PAUSED) => State::Paused,
            Some(ContainerStateStatusEnum::EXITED | ContainerStateStatusEnum::CREATED) => {
                State::Stopped { words: words() }
            }
            // Docker before 20.10 tells only the flags.
            None | Some(ContainerStateStatusEnum::EMPTY) if state.running == Some(true) => {
                State::Running
            }
            None | Some(_) => State::Dead,
        },
    }
}
