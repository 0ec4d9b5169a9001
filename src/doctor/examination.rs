//! All topics together.

use std::path::PathBuf;

use crate::doctor::docker::{self, DockerState};
use crate::doctor::errand::Errand;
use crate::doctor::finding::Finding;
use crate::doctor::folder::{self, FolderState, Space};
use crate::doctor::gpu::{self, GpuState};
use crate::doctor::host::{self, HostState};
use crate::doctor::lock::{self, Held};
use crate::doctor::profile::{self, ProfileFacts};

/// Everything that was looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    pub host: HostState,
    pub docker: DockerState,
    /// Of the folder in which the daemon keeps its data.
    pub docker_space: Option<Space>,
    pub gpu: GpuState,
    pub profile: ProfileFacts,
    /// As the user names the results folder.
    pub results: PathBuf,
    /// `None` where nothing of it could be seen.
    pub folder: Option<FolderState>,
    pub held: Vec<Held>,
    /// Processes of dead runs, each in words.
    pub processes: Vec<String>,
}

/// The findings, topic by topic.
pub fn examine(facts: &Facts, errand: Errand<'_>) -> Vec<Finding> {
    let swap = facts.host.memory.map_or(0, |memory| memory.swap);
    let mut leftovers = facts.processes.clone();
    if let DockerState::There(docker) = &facts.docker {
        leftovers.extend(docker.leftovers.iter().cloned());
    }
    let mut found = host::examine(&facts.host, errand);
    found.extend(docker::examine(
        &facts.docker,
        facts.docker_space,
        swap,
        errand,
    ));
    found.extend(gpu::examine(&facts.gpu, &facts.docker, errand));
    found.extend(profile::examine(&facts.profile, errand));
    found.extend(folder::examine(facts.folder.as_ref(), &facts.results));
    found.extend(lock::examine(
        &facts.held,
        &leftovers,
        facts.host.now,
        errand,
    ));
    found
}
