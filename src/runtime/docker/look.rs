//! Asks the daemon what it is and what it has, and changes nothing there.

use std::time::Duration;

use bollard::errors::Error;
use bollard::models::{ImageInspect, SystemInfo};
use bollard::query_parameters::InspectContainerOptions;
use jiff::{SignedDuration, Timestamp};

use crate::doctor::docker::{
    Absence, ContainerState, DockerFacts, DockerState, FoundImage, ImageState, Why,
};
use crate::runner::ports::RuntimeError;
use crate::runtime::docker::client::{Client, Nearness, default_address};
use crate::runtime::docker::image::{own_digest, with_tag};
use crate::runtime::docker::refusal;
use crate::runtime::docker::sweep::leftovers;

/// Somebody waits at a terminal; a daemon that is well answers within a second.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is asked for beside the daemon itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// As a profile names it.
    pub image: Option<&'a str>,
    /// The name of a container.
    pub production: Option<&'a str>,
}

/// Looks at the daemon that `DOCKER_HOST` names, else at the local one.
pub async fn look(wanted: Wanted<'_>) -> DockerState {
    look_at(&default_address(), wanted, PATIENCE).await
}

async fn look_at(address: &str, wanted: Wanted<'_>, patience: Duration) -> DockerState {
    let why = match tokio::time::timeout(patience, ask(address, wanted)).await {
        Ok(Ok(facts)) => return DockerState::There(Box::new(facts)),
        Ok(Err(error)) => why(error),
        Err(_) => Why::Silent,
    };
    DockerState::Absent(Absence {
        address: address.to_owned(),
        why,
    })
}

fn why(error: RuntimeError) -> Why {
    match error {
        RuntimeError::Unreachable { what, source } => {
            match source
                .as_ref()
                .and_then(|source| source.downcast_ref::<Error>())
            {
                Some(error) if refusal::is_forbidden(error) => Why::Forbidden,
                Some(error) if refusal::is_broken(error) => Why::NoDaemon,
                Some(error) => Why::Other(refusal::words(error)),
                None => Why::Other(what),
            }
        }
        RuntimeError::NotPrepared { what, .. } => Why::Other(what),
        RuntimeError::Refused { words } => Why::Other(words),
        RuntimeError::Host { what, source } => Why::Other(format!("{what}: {source}")),
    }
}

async fn ask(address: &str, wanted: Wanted<'_>) -> Result<DockerFacts, RuntimeError> {
    let failed = |error| refusal::failed("asking what it is", error);
    let client = Client::connect_to(address).await?;
    let docker = client.docker();
    let version = docker.version().await.map_err(failed)?;
    let info = docker.info().await.map_err(failed)?;
    let now = Timestamp::now();
    let image = match wanted.image {
        Some(name) => Some(image(&client, name).await?),
        None => None,
    };
    let production = match wanted.production {
        Some(name) => Some(container(&client, name).await?),
        None => None,
    };
    Ok(DockerFacts {
        version: version.version,
        api: version.api_version,
        image,
        production,
        leftovers: leftovers(&client).await?,
        ..by_its_own_account(address, client.nearness(), info, now)
    })
}

fn by_its_own_account(
    address: &str,
    nearness: Nearness,
    info: SystemInfo,
    now: Timestamp,
) -> DockerFacts {
    let operating_system = info.operating_system.unwrap_or_default();
    let mut runtimes: Vec<String> = info.runtimes.unwrap_or_default().into_keys().collect();
    runtimes.sort();
    DockerFacts {
        address: address.to_owned(),
        is_here: nearness == Nearness::SameHost,
        version: None,
        api: None,
        is_virtual: refusal::is_virtual_machine(&operating_system),
        operating_system,
        rootless: info
            .security_options
            .unwrap_or_default()
            .iter()
            .any(|option| option == "name=rootless"),
        storage_driver: info.driver,
        root: info.docker_root_dir,
        cgroup_version: info
            .cgroup_version
            .map(|version| version.to_string())
            .filter(|version| !version.is_empty()),
        limits_memory: info.memory_limit,
        limits_swap: info.swap_limit,
        runtimes,
        devices: info
            .discovered_devices
            .unwrap_or_default()
            .into_iter()
            .filter_map(|device| device.id)
            .collect(),
        ahead: info
            .system_time
            .as_deref()
            .and_then(|time| ahead(time, now)),
        image: None,
        production: None,
        leftovers: Vec::new(),
    }
}

fn ahead(time: &str, now: Timestamp) -> Option<SignedDuration> {
    Some(time.parse::<Timestamp>().ok()?.duration_since(now))
}

async fn image(client: &Client, name: &str) -> Result<ImageState, RuntimeError> {
    let name = with_tag(name);
    let found = match client.docker().inspect_image(&name).await {
        Ok(found) => Some(describe(&name, found)),
        Err(error) if refusal::is_not_found(&error) => None,
        Err(error) => return Err(refusal::failed("looking for the image", error)),
    };
    Ok(ImageState { name, found })
}

fn describe(name: &str, found: ImageInspect) -> FoundImage {
    let id = found.id.unwrap_or_default();
    let digests = found.repo_digests.unwrap_or_default();
    let labels = found.config.and_then(|config| config.labels);
    // Other versions among the labels are those of the image's base.
    let mut labels: Vec<(String, String)> = labels
        .unwrap_or_default()
        .into_iter()
        .filter(|(label, _)| label.to_lowercase().contains("vllm"))
        .collect();
    labels.sort();
    FoundImage {
        digest: own_digest(name, &digests).unwrap_or(&id).to_owned(),
        id,
        bytes: found.size.and_then(|bytes| u64::try_from(bytes).ok()),
        labels,
    }
}

async fn container(client: &Client, name: &str) -> Result<ContainerState, RuntimeError> {
    let found = client
        .docker()
        .inspect_container(name, None::<InspectContainerOptions>)
        .await;
    let running = match found {
        Ok(found) => found.state.and_then(|state| state.running).or(Some(false)),
        Err(error) if refusal::is_not_found(&error) => None,
        Err(error) => return Err(refusal::failed("looking for a container", error)),
    };
    Ok(ContainerState {
        name: name.to_owned(),
        running,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    use tokio::net::UnixListener;

    /// Answers every request by its path until the test ends; what has no answer is not found.
    fn daemon(folder: &std::path::Path, answers: &'static [(&str, &str)]) -> String {
        let socket = folder.join("docker.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut stream = BufReader::new(stream);
                    loop {
                        let mut head = String::new();
                        while !head.ends_with("\r\n\r\n") {
                            if stream.read_line(&mut head).await.unwrap_or(0) == 0 {
                                return;
                            }
                        }
                        let path = head.split([' ', '?']).nth(1).unwrap_or_default();
                        let known = answers.iter().find(|(known, _)| *known == path);
                        let (status, body) = match known {
                            Some((_, body)) => ("200 OK", *body),
                            None => ("404 Not Found", r#"{"message":"no such thing"}"#),
                        };
                        let answer = format!(
                            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: \
                             {}\r\n\r\n{body}",
                            body.len()
                        );
                        if stream.write_all(answer.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        format!("unix://{}", socket.display())
    }

    const VERSION: (&str, &str) = ("/version", r#"{"Version":"29.1.0","ApiVersion":"1.52"}"#);

    #[tokio::test]
    async fn a_daemon_is_told_as_it_tells_itself() {
        let folder = tempfile::tempdir().unwrap();
        let address = daemon(
            folder.path(),
            &[
                VERSION,
                (
                    "/info",
                    r#"{"Driver":"overlay2","DockerRootDir":"/d","CgroupVersion":"2",
                        "MemoryLimit":true,"SwapLimit":false,"OperatingSystem":"Docker Desktop",
                        "Runtimes":{"runc":{"path":"runc"},"nvidia":{"path":"n"}},
                        "DiscoveredDevices":[{"Source":"cdi","ID":"nvidia.com/gpu=0"}],
                        "SystemTime":"2020-01-01T00:00:00Z",
                        "SecurityOptions":["name=seccomp,profile=default","name=rootless"]}"#,
                ),
                (
                    "/images/vllm:latest/json",
                    r#"{"Id":"sha256:aa","Size":7,"RepoDigests":["vllm@sha256:bb"],
                        "Config":{"Labels":{"ai.vllm.version":"0.11","os.version":"22.04"}}}"#,
                ),
                ("/containers/prod/json", r#"{"State":{"Running":true}}"#),
                ("/containers/json", "[]"),
            ],
        );
        let wanted = Wanted {
            image: Some("vllm"),
            production: Some("prod"),
        };
        let DockerState::There(facts) = look_at(&address, wanted, PATIENCE).await else {
            panic!("it was not reached")
        };
        assert_eq!(facts.version.as_deref(), Some("29.1.0"));
        assert!(facts.is_here && facts.is_virtual && facts.rootless);
        assert_eq!(facts.cgroup_version.as_deref(), Some("2"));
        assert_eq!(
            (facts.limits_memory, facts.limits_swap),
            (Some(true), Some(false))
        );
        assert_eq!(facts.runtimes, ["nvidia", "runc"]);
        assert_eq!(facts.devices, ["nvidia.com/gpu=0"]);
        assert!(facts.ahead.unwrap().is_negative());
        let image = facts.image.unwrap();
        assert_eq!(image.name, "vllm:latest");
        assert_eq!(
            image.found,
            Some(FoundImage {
                id: "sha256:aa".to_owned(),
                digest: "vllm@sha256:bb".to_owned(),
                bytes: Some(7),
                labels: vec![("ai.vllm.version".to_owned(), "0.11".to_owned())],
            })
        );
        assert_eq!(facts.production.unwrap().running, Some(true));
    }

    #[tokio::test]
    async fn what_is_not_there_is_told_as_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let answers = &[VERSION, ("/info", "{}"), ("/containers/json", "[]")];
        let address = daemon(folder.path(), answers);
        let wanted = Wanted {
            image: Some("a:1"),
            production: Some("p"),
        };
        let DockerState::There(facts) = look_at(&address, wanted, PATIENCE).await else {
            panic!("it was not reached")
        };
        assert_eq!(facts.image.unwrap().found, None);
        assert_eq!(facts.production.unwrap().running, None);
        assert_eq!(facts.cgroup_version, None);
    }

    #[tokio::test]
    async fn who_does_not_answer_is_told_by_why() {
        let folder = tempfile::tempdir().unwrap();
        let why =
            async |address: String, patience| match look_at(&address, Wanted::default(), patience)
                .await
            {
                DockerState::Absent(absence) => {
                    assert_eq!(absence.address, address);
                    absence.why
                }
                DockerState::There(facts) => panic!("{facts:?}"),
            };
        let nowhere = format!("unix://{}/none.sock", folder.path().display());
        assert_eq!(why(nowhere, PATIENCE).await, Why::NoDaemon);
        assert!(matches!(
            why("ssh://somewhere".to_owned(), PATIENCE).await,
            Why::Other(_)
        ));
        // It listens, and nobody ever accepts.
        let silent = folder.path().join("silent.sock");
        let _listener = UnixListener::bind(&silent).unwrap();
        let address = format!("unix://{}", silent.display());
        assert_eq!(why(address, Duration::from_millis(200)).await, Why::Silent);
        let sick = daemon(folder.path(), &[VERSION]);
        assert!(matches!(why(sick, PATIENCE).await, Why::Other(_)));
    }
}
