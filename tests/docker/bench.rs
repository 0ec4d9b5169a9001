//! A project folder whose engines run in containers. What its runs leave in Docker goes with
//! it, also when a test fails.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use serde_json::Value;

use crate::daemon::{Container, Daemon};
use crate::folder::Folder;
use crate::program::Program;

/// The experiment of every bench: two cells that live and one that has no room for its KV cache.
pub const FILE: &str = "experiments/boxed.toml";
pub const PROFILE: &str = "profiles/boxed.toml";

pub struct Bench {
    pub folder: Folder,
    pub daemon: Daemon,
}

impl Bench {
    /// `None`, and a line that says why, where no daemon answers.
    pub fn set_up() -> Option<Self> {
        let daemon = match Daemon::connect() {
            Ok(daemon) => daemon,
            Err(why) => {
                // Past the test harness, which keeps to itself what a passing test prints.
                let _ = writeln!(
                    std::io::stderr(),
                    "skipped: no Docker reachable, because {why}"
                );
                return None;
            }
        };
        Some(Self {
            folder: boxed_folder(),
            daemon,
        })
    }

    /// Replaces text of a file, which must be there.
    pub fn edit(&self, name: &str, from: &str, to: &str) {
        edit(&self.folder, name, from, to);
    }

    /// Starts the program and leaves it running.
    pub fn start(&self, args: &[&str]) -> Program {
        Program::new(self.folder.spawn(args))
    }

    /// Everything that runs in this folder have in Docker now, in any state.
    pub fn containers(&self) -> Vec<Container> {
        self.containers_of(self.daemon.containers().unwrap())
    }

    fn containers_of(&self, all: Vec<Container>) -> Vec<Container> {
        let root = self.folder.path().canonicalize().unwrap();
        let mut ours = all;
        ours.retain(|container| PathBuf::from(container.label("gridrun.lock")).starts_with(&root));
        ours
    }

    /// The only run's directory.
    #[track_caller]
    pub fn run(&self) -> PathBuf {
        let runs = self.folder.runs();
        assert_eq!(runs.len(), 1, "one run expected: {runs:?}");
        runs.into_iter().next().unwrap()
    }

    /// The only run's id.
    pub fn run_id(&self) -> String {
        let run = self.run();
        run.file_name().unwrap().to_str().unwrap().to_owned()
    }

    /// The events so far; none as long as there is no run.
    pub fn events(&self) -> Vec<Value> {
        match self.folder.runs().as_slice() {
            [] => Vec::new(),
            _ => self.folder.journal(),
        }
    }

    /// The settled attempts, in order.
    pub fn settled(&self) -> Vec<Value> {
        let mut events = self.events();
        events.retain(|event| event["event"] == "attempt-settled");
        events
    }

    /// The outcomes of each cell, in order. A cancelled attempt settles nothing.
    pub fn outcomes(&self) -> BTreeMap<String, Vec<String>> {
        let mut found: BTreeMap<_, Vec<String>> = BTreeMap::new();
        for event in self.settled() {
            let outcome = text(&event["outcome"]);
            if outcome != "cancelled" {
                let cell = text(&event["cell_name"]);
                found.entry(cell).or_default().push(outcome);
            }
        }
        found
    }

    /// The only run's report.
    pub fn report(&self) -> String {
        std::fs::read_to_string(self.run().join("report.md")).unwrap()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let Ok(all) = self.daemon.containers() else {
            return;
        };
        for container in self.containers_of(all) {
            let _ = self.daemon.remove(&container.id);
        }
    }
}

/// The folder of a bench, for tests that need no daemon.
pub fn boxed_folder() -> Folder {
    let folder = Folder::new();
    folder.write(PROFILE, PROFILE_TEXT);
    folder.write(FILE, EXPERIMENT_TEXT);
    folder
}

/// Replaces text of a file, which must be there.
#[track_caller]
pub fn edit(folder: &Folder, name: &str, from: &str, to: &str) {
    let text = folder.read(name);
    assert!(text.contains(from), "`{from}` is not in {name}");
    folder.write(name, &text.replace(from, to));
}

/// How the cells of [`FILE`] end, each started once.
pub fn expected_outcomes() -> BTreeMap<String, Vec<String>> {
    [
        ("gpu-mem-0.6_prefix-on", "infeasible"),
        ("gpu-mem-0.9_prefix-off", "measured"),
        ("gpu-mem-0.9_prefix-on", "measured"),
    ]
    .into_iter()
    .map(|(cell, outcome)| (cell.to_owned(), vec![outcome.to_owned()]))
    .collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The image is nowhere: a rehearsal must not look for it.
const PROFILE_TEXT: &str = r#"
[engine]
image = "nowhere.invalid/none:1"
model = "stand-in/tiny"
shm = "64MiB"
memory = "1GiB"
[engine.flags]
max-model-len = 4096
enable-prompt-tokens-details = true
[stand-in]
gpu-memory = "8GiB"
weights = "4GiB"
kv-bytes-per-token = "256KiB"
start-up = "20ms"
prefill-tokens-per-second = 20000
decode-tokens-per-second = 100
"#;

/// A node takes about a second: long enough to be met in the middle.
const EXPERIMENT_TEXT: &str = r#"
profile = "boxed"
[matrix]
gpu-mem = [0.6, 0.9]
prefix = [true, false]
[[exclude]]
where = { gpu-mem = 0.6, prefix = false }
[[workload]]
name = "kv-cache"
kind = "kv-cache"
iterations = 3
prompt-tokens = 200
max-tokens = 16
[[objective]]
metric = "kv-cache.ttft_repeat_ms.p50"
goal = "min"
[run]
seed = 7
"#;
