//! Removes the containers that dead runs left behind, by their labels.

use std::collections::HashMap;
use std::path::PathBuf;

use bollard::models::ContainerSummary;
use bollard::query_parameters::{ListContainersOptionsBuilder, RemoveContainerOptionsBuilder};

use crate::runner::ports::RuntimeError;
use crate::runtime::docker::client::Client;
use crate::runtime::docker::container::{
    LABEL_ATTEMPT, LABEL_HOST, LABEL_LOCK, LABEL_OURS, LABEL_RUN, hostname,
};
use crate::runtime::docker::refusal;
use crate::runtime::lock::{Fate, Sweeper, unclear};

/// Removes the containers of this host that are the `sweeper`'s to remove, running or not, and
/// says of each which it was.
///
/// Containers of another host (its label differs) stay: whether their runs live cannot be seen
/// from here.
pub async fn sweep(client: &Client, sweeper: Sweeper<'_>) -> Result<Vec<String>, RuntimeError> {
    let mut said = Vec::new();
    for left in find(client).await? {
        let Left {
            id,
            run,
            lock,
            whose,
        } = left;
        match sweeper.fate(&run, &lock) {
            Fate::Stays => {}
            Fate::AskUser => said.push(unclear(&whose)),
            Fate::MustGo => said.extend(remove(client, &id, &whose).await?),
            // What another run left must not keep this one from running.
            Fate::MayGo => match remove(client, &id, &whose).await {
                Ok(line) => said.extend(line),
                Err(error @ RuntimeError::Unreachable { .. }) => return Err(error),
                Err(error) => said.push(format!("could not remove {whose}: {error}")),
            },
        }
    }
    Ok(said)
}

/// The containers that the user's own sweep would remove, each in words; nothing is removed.
pub async fn leftovers(client: &Client) -> Result<Vec<String>, RuntimeError> {
    let found = find(client).await?.into_iter();
    let goes = found.filter(|left| Sweeper::User.fate(&left.run, &left.lock) == Fate::MustGo);
    Ok(goes.map(|left| left.whose).collect())
}

/// A container of gridrun.
struct Left {
    id: String,
    run: String,
    lock: PathBuf,
    /// Which it is, in words.
    whose: String,
}

/// Every container that gridrun made on this host, running or not.
async fn find(client: &Client) -> Result<Vec<Left>, RuntimeError> {
    let ours = HashMap::from([(
        "label",
        vec![
            format!("{LABEL_OURS}=1"),
            format!("{LABEL_HOST}={}", hostname()),
        ],
    )]);
    let options = ListContainersOptionsBuilder::new()
        .all(true)
        .filters(&ours)
        .build();
    let containers = client
        .docker()
        .list_containers(Some(options))
        .await
        .map_err(|error| refusal::failed("listing the containers", error))?;
    let mut found = Vec::new();
    for container in &containers {
        let (Some(id), Some(lock)) = (&container.id, label(container, LABEL_LOCK)) else {
            continue;
        };
        let run = label(container, LABEL_RUN).unwrap_or("unknown");
        let whose = format!(
            "container {} of attempt {} of run {run}",
            id.get(..12).unwrap_or(id),
            label(container, LABEL_ATTEMPT).unwrap_or("none (a probe)"),
        );
        found.push(Left {
            id: id.clone(),
            run: run.to_owned(),
            lock: PathBuf::from(lock),
            whose,
        });
    }
    Ok(found)
}

/// Removes one container, whose line is given unless somebody else was faster.
async fn remove(client: &Client, id: &str, whose: &str) -> Result<Option<String>, RuntimeError> {
    let options = RemoveContainerOptionsBuilder::new()
        .force(true)
        .v(true)
        .build();
    match client.docker().remove_container(id, Some(options)).await {
        Ok(()) => Ok(Some(format!("removed {whose}"))),
        Err(error) if refusal::is_not_found(&error) || refusal::is_conflict(&error) => Ok(None),
        Err(error) => Err(refusal::failed(&format!("removing {whose}"), error)),
    }
}

fn label<'a>(container: &'a ContainerSummary, name: &str) -> Option<&'a str> {
    container.labels.as_ref()?.get(name).map(String::as_str)
}
