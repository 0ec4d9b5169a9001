//! Proves before the first start that starts can succeed: a container as the engines' own,
//! whose program does not exist.
//!
//! The daemon puts mounts, limits and devices in place and only then looks for the program.
//! When that is all it misses, everything else is right; nothing was executed.

use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{
    CreateContainerOptions, RemoveContainerOptionsBuilder, StartContainerOptions,
};

use crate::runner::ports::RuntimeError;
use crate::runtime::docker::client::Client;
use crate::runtime::docker::container::{host_config, owner_labels};
use crate::runtime::docker::image::Image;
use crate::runtime::docker::refusal;
use crate::runtime::engine_spec::EngineSpec;

const MISSING_PROGRAM: &str = "/gridrun-probe";
const DURING: &str = "trying what a start needs";
const WHAT: &str = "no engine can be started with this profile";

/// Tries what every start needs.
///
/// # Errors
/// [`RuntimeError::NotPrepared`] in the daemon's words, with what to do.
pub async fn probe(client: &Client, spec: &EngineSpec, image: &Image) -> Result<(), RuntimeError> {
    let body = ContainerCreateBody {
        image: Some(image.id.clone()),
        entrypoint: Some(vec![MISSING_PROGRAM.to_owned()]),
        labels: Some(owner_labels(spec)),
        host_config: Some(host_config(spec, spec.memory)),
        ..ContainerCreateBody::default()
    };
    let container = client
        .docker()
        .create_container(None::<CreateContainerOptions>, body)
        .await
        .map_err(|error| refusal::not_prepared(DURING, WHAT, error))?
        .id;
    let started = client
        .docker()
        .start_container(&container, None::<StartContainerOptions>)
        .await;
    let options = RemoveContainerOptionsBuilder::new()
        .force(true)
        .v(true)
        .build();
    let removed = client
        .docker()
        .remove_container(&container, Some(options))
        .await;
    match started {
        Ok(()) => {}
        Err(error) if refusal::lacks_only(MISSING_PROGRAM, &refusal::words(&error)) => {}
        Err(error) => return Err(refusal::not_prepared(DURING, WHAT, error)),
    }
    removed.map_err(|error| refusal::failed("removing a container", error))
}
