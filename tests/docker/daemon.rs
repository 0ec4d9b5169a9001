//! As much of the Docker Engine's API as it takes to look behind the program's back. Spoken by
//! hand, so that the tests need neither the `docker` command nor the program's own client.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use serde_json::Value;

use crate::folder::PATIENCE;

/// A daemon on this host.
pub struct Daemon {
    address: Address,
}

enum Address {
    Socket(PathBuf),
    /// `HOST:PORT`.
    Tcp(String),
}

/// One container that gridrun made.
#[derive(Debug)]
pub struct Container {
    pub id: String,
    pub is_running: bool,
    labels: Value,
}

impl Container {
    /// The value of a label; empty where there is none.
    pub fn label(&self, name: &str) -> &str {
        self.labels[name].as_str().unwrap_or_default()
    }
}

impl Daemon {
    /// The daemon that the program would use, if it answers; else why there is none.
    pub fn connect() -> Result<Self, String> {
        let daemon = Self {
            address: address()?,
        };
        match daemon.ask("GET", "/_ping") {
            Ok((200, _)) => Ok(daemon),
            Ok((status, _)) => Err(format!("its daemon answers a ping with {status}")),
            Err(error) => Err(format!("its daemon does not answer: {error}")),
        }
    }

    /// What the daemon says of itself.
    pub fn info(&self) -> Value {
        self.get("/info").unwrap()
    }

    /// All containers of gridrun's, in any state, whoever made them.
    pub fn containers(&self) -> io::Result<Vec<Container>> {
        let ours = r#"{"label":["gridrun=1"]}"#;
        let listed = self.get(&format!(
            "/containers/json?all=true&filters={}",
            escaped(ours)
        ))?;
        let listed = listed.as_array().cloned().unwrap_or_default();
        Ok(listed
            .into_iter()
            .map(|mut container| Container {
                id: container["Id"].as_str().unwrap_or_default().to_owned(),
                is_running: container["State"] == "running",
                labels: container["Labels"].take(),
            })
            .collect())
    }

    /// Sends a signal to a container's program.
    pub fn signal(&self, container: &str, signal: &str) {
        let path = format!("/containers/{container}/kill?signal={signal}");
        let (status, body) = self.ask("POST", &path).unwrap();
        assert_eq!(status, 204, "{body}");
    }

    /// Makes a container of no label and starts it.
    #[track_caller]
    pub fn start(&self, name: &str, body: &Value) -> String {
        let path = format!("/containers/create?name={name}");
        let (status, answer) = self.send("POST", &path, &body.to_string()).unwrap();
        assert_eq!(status, 201, "{answer}");
        let made: Value = serde_json::from_str(&answer).unwrap();
        let id = made["Id"].as_str().unwrap().to_owned();
        self.order(&id, "start");
        id
    }

    /// Starts or stops a container.
    #[track_caller]
    pub fn order(&self, container: &str, what: &str) {
        let path = format!("/containers/{container}/{what}");
        let (status, body) = self.ask("POST", &path).unwrap();
        assert!([204, 304].contains(&status), "{body}");
    }

    /// What the daemon says of one container.
    pub fn look(&self, container: &str) -> Value {
        self.get(&format!("/containers/{container}/json")).unwrap()
    }

    /// Removes a container, running or not.
    pub fn remove(&self, container: &str) -> io::Result<()> {
        let path = format!("/containers/{container}?force=true&v=true");
        self.ask("DELETE", &path).map(drop)
    }

    fn get(&self, path: &str) -> io::Result<Value> {
        let (status, body) = self.ask("GET", path)?;
        if status != 200 {
            return Err(io::Error::other(format!("{path}: {status} {body}")));
        }
        Ok(serde_json::from_str(&body)?)
    }

    fn ask(&self, method: &str, path: &str) -> io::Result<(u16, String)> {
        self.send(method, path, "")
    }

    fn send(&self, method: &str, path: &str, body: &str) -> io::Result<(u16, String)> {
        match &self.address {
            Address::Socket(socket) => {
                let stream = UnixStream::connect(socket)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                exchange(stream, method, path, body)
            }
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                exchange(stream, method, path, body)
            }
        }
    }
}

/// In HTTP/1.0 an answer comes in one piece and ends with its connection.
fn exchange(
    mut stream: impl Read + Write,
    method: &str,
    path: &str,
    body: &str,
) -> io::Result<(u16, String)> {
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: docker\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let garbled = || io::Error::new(io::ErrorKind::InvalidData, answer.clone());
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(garbled)?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Ok((status.ok_or_else(garbled)?, body.to_owned()))
}

/// As the program looks for it.
fn address() -> Result<Address, String> {
    if let Some(host) = std::env::var("DOCKER_HOST")
        .ok()
        .filter(|host| !host.is_empty())
    {
        return match host.split_once("://") {
            Some(("unix", socket)) => Ok(Address::Socket(socket.into())),
            Some(("tcp" | "http", address))
                if address.starts_with("127.") || address.starts_with("localhost") =>
            {
                Ok(Address::Tcp(address.trim_end_matches('/').to_owned()))
            }
            _ => Err(format!("{host} is not on this host")),
        };
    }
    let system = PathBuf::from("/var/run/docker.sock");
    let users_own = std::env::var_os("XDG_RUNTIME_DIR")
        .map(|folder| PathBuf::from(folder).join("docker.sock"))
        .filter(|socket| socket.exists() && !system.exists());
    Ok(Address::Socket(users_own.unwrap_or(system)))
}

fn escaped(query: &str) -> String {
    query
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}
