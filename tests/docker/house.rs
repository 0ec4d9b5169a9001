//! Production in a container of its own beside a bench: a stand-in serves in it.

use serde_json::{Value, json};

use crate::bench::{Bench, PROFILE};
use crate::daemon::Daemon;
use crate::folder::{Ran, eventually};
use crate::program::Program;

pub const KEY: (&str, &str) = ("PRODUCTION_KEY", "sk-of-production");

/// A bench with a production beside it, which is removed with it.
pub struct House {
    pub bench: Bench,
    pub name: String,
    pub id: String,
}

impl House {
    /// The profile names its container.
    pub fn set_up() -> Option<Self> {
        Self::of(|name| (format!("container = \"{name}\""), json!({})))
    }

    /// The profile names a project of Compose and a service, by whose labels it is found.
    pub fn of_compose() -> Option<Self> {
        Self::of(|name| {
            let labels = json!({
                "com.docker.compose.project": name,
                "com.docker.compose.service": "vllm",
                "com.docker.compose.oneoff": "False",
            });
            (format!("project = \"{name}\"\nservice = \"vllm\""), labels)
        })
    }

    fn of(named: impl Fn(&str) -> (String, Value)) -> Option<Self> {
        let bench = Bench::set_up()?;
        let made = bench
            .folder
            .gridrun(&["stand-in", "image"])
            .ends_with_code(0);
        let image = made.out.trim().to_owned();
        bench.edit(PROFILE, "nowhere.invalid/none:1", &image);
        let port = free_port();
        let name = format!("gridrun-test-production-{port}");
        let (whom, labels) = named(&name);
        let production = format!(
            "[production]\n{whom}\nurl = \"http://127.0.0.1:{port}\"\n\
             api-key-env = \"{}\"\n[stand-in]",
            KEY.0
        );
        bench.edit(PROFILE, "[stand-in]", &production);
        let body = json!({
            "Image": image,
            "Cmd": ["production/model", "--host", "127.0.0.1", "--port", port.to_string()],
            "Labels": labels,
            "Env": [format!("VLLM_API_KEY={}", KEY.1)],
            "HostConfig": { "NetworkMode": "host" },
        });
        let id = bench.daemon.start(&name, &body);
        let house = Self { bench, name, id };
        assert!(eventually(|| serves(port)), "production never served");
        Some(house)
    }

    pub fn gridrun(&self, args: &[&str]) -> Ran {
        self.bench.folder.gridrun_with(args, &[KEY])
    }

    pub fn start(&self, args: &[&str]) -> Program {
        Program::new(self.bench.folder.spawn_with(args, &[KEY]))
    }

    pub fn daemon(&self) -> &Daemon {
        &self.bench.daemon
    }

    pub fn runs(&self) -> bool {
        self.daemon().look(&self.id)["State"]["Running"] == true
    }

    pub fn promises(&self) -> usize {
        let folder = self.bench.folder.path().join("state");
        let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
        files
            .filter(|file| {
                file.path()
                    .extension()
                    .is_some_and(|ending| ending == "json")
            })
            .count()
    }

    /// What the journal says became of it.
    pub fn returned(&self) -> Value {
        let mut events = self.bench.events();
        events.retain(|event| event["event"] == "production-returned");
        events.pop().unwrap_or_default()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = self.daemon().remove(&self.id);
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn serves(port: u16) -> bool {
    use std::io::{Read, Write};
    let Ok(mut stream) = std::net::TcpStream::connect(("127.0.0.1", port)) else {
        return false;
    };
    let mut answer = String::new();
    write!(stream, "GET /health HTTP/1.0\r\nHost: p\r\n\r\n").is_ok()
        && stream.read_to_string(&mut answer).is_ok()
        && answer.contains("200")
}
