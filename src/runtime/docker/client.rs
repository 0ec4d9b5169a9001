//! The connection to the Docker daemon.

use std::path::Path;
use std::time::Duration;

use bollard::Docker;

use crate::runner::ports::RuntimeError;
use crate::runtime::docker::refusal;

/// How long a daemon may take to answer a ping before it counts as gone. A daemon under socket
/// activation accepts connections while nobody serves them.
const PING_PATIENCE: Duration = Duration::from_secs(5);

const SYSTEM_SOCKET: &str = "/var/run/docker.sock";

/// A connection to one daemon.
#[derive(Debug, Clone)]
pub struct Client {
    docker: Docker,
    /// As `DOCKER_HOST` writes it.
    address: String,
}

/// Where the daemon is, seen from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nearness {
    /// It shares this host's files and its loopback.
    SameHost,
    Elsewhere,
}

impl Client {
    /// Connects to the daemon that `DOCKER_HOST` names, else to the system's or the user's own
    /// socket, and asks whether it answers.
    ///
    /// # Errors
    /// [`RuntimeError::Unreachable`] that says what to do; [`RuntimeError::NotPrepared`] for an
    /// address that gridrun cannot use.
    pub async fn connect() -> Result<Self, RuntimeError> {
        Self::connect_to(&default_address()).await
    }

    /// The same for a given address.
    pub async fn connect_to(address: &str) -> Result<Self, RuntimeError> {
        let docker = open(address)?;
        let docker = docker
            .negotiate_version()
            .await
            .map_err(|error| no_answer(address, error))?;
        Ok(Self {
            docker,
            address: address.to_owned(),
        })
    }

    pub fn docker(&self) -> &Docker {
        &self.docker
    }

    /// `docker 20.10.24, API 1.41`.
    pub async fn version(&self) -> Result<String, RuntimeError> {
        let version = self
            .docker
            .version()
            .await
            .map_err(|error| refusal::failed("asking for its version", error))?;
        Ok(format!(
            "docker {}, API {}",
            version.version.as_deref().unwrap_or("of unknown version"),
            version.api_version.as_deref().unwrap_or("unknown")
        ))
    }

    /// Whether the daemon accepts and answers a new connection. One that shuts down still
    /// serves the connections that it has, so the ones at hand prove nothing.
    pub async fn answers_anew(&self) -> bool {
        let Ok(fresh) = open(&self.address) else {
            return false;
        };
        matches!(
            tokio::time::timeout(PING_PATIENCE, fresh.ping()).await,
            Ok(Ok(_))
        )
    }

    /// The error that says that the daemon is gone.
    pub fn gone(&self, because: &str) -> RuntimeError {
        RuntimeError::Unreachable {
            what: format!(
                "the Docker daemon at {} went away ({because})",
                self.address
            ),
            source: None,
        }
    }

    pub fn nearness(&self) -> Nearness {
        let loopback = [
            "tcp://127.0.0.1",
            "tcp://localhost",
            "http://127.0.0.1",
            "http://localhost",
        ];
        if self.address.starts_with("unix://")
            || loopback.iter().any(|front| self.address.starts_with(front))
        {
            Nearness::SameHost
        } else {
            Nearness::Elsewhere
        }
    }

    pub fn address(&self) -> &str {
        &self.address
    }
}

fn open(address: &str) -> Result<Docker, RuntimeError> {
    Docker::connect_with_host(address).map_err(|error| {
        if refusal::is_broken(&error) {
            no_answer(address, error)
        } else {
            RuntimeError::NotPrepared {
                what: format!("the Docker address `{address}` cannot be used: {error}"),
                hint: "set DOCKER_HOST to unix:///PATH or tcp://HOST:PORT".to_owned(),
            }
        }
    })
}

fn no_answer(address: &str, error: bollard::errors::Error) -> RuntimeError {
    let advice = if refusal::is_forbidden(&error) {
        "this user may not use it: join the group `docker`, or run as one who may"
    } else {
        "start it, or name another one in DOCKER_HOST"
    };
    RuntimeError::Unreachable {
        what: format!("no Docker daemon answers at {address}; {advice}"),
        source: Some(Box::new(error)),
    }
}

/// `DOCKER_HOST`; else the first socket that exists of the system's and the user's own (as
/// rootless Docker makes it); else the system's.
pub fn default_address() -> String {
    if let Some(address) = std::env::var("DOCKER_HOST")
        .ok()
        .filter(|set| !set.is_empty())
    {
        return address;
    }
    let users_own = std::env::var_os("XDG_RUNTIME_DIR")
        .map(|folder| Path::new(&folder).join("docker.sock"))
        .filter(|socket| socket.exists() && !Path::new(SYSTEM_SOCKET).exists());
    match users_own {
        Some(socket) => format!("unix://{}", socket.display()),
        None => format!("unix://{SYSTEM_SOCKET}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_missing_daemon_is_one_sentence_with_what_to_do() {
        let error = Client::connect_to("unix:///nowhere/docker.sock")
            .await
            .unwrap_err();
        assert!(matches!(error, RuntimeError::Unreachable { .. }));
        assert_eq!(
            error.to_string(),
            "no Docker daemon answers at unix:///nowhere/docker.sock; start it, or name another \
             one in DOCKER_HOST"
        );
    }

    #[tokio::test]
    async fn an_address_of_an_unknown_kind_is_refused() {
        let error = Client::connect_to("ssh://somewhere").await.unwrap_err();
        assert!(matches!(error, RuntimeError::NotPrepared { .. }), "{error}");
    }
}
