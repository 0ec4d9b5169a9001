//! A project folder of its own for each test, and the program run in it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// Long enough for any run of these tests on a busy machine; a hang fails instead of blocking.
pub const PATIENCE: Duration = Duration::from_secs(240);

/// `experiments/` and `profiles/` in a temporary folder; results go beside them.
pub struct Folder {
    root: tempfile::TempDir,
}

impl Folder {
    /// With a stand-in profile whose engines start at once, and an experiment of two cells that
    /// live and one that has no room for its KV cache.
    pub fn new() -> Self {
        let folder = Self {
            root: tempfile::tempdir().unwrap(),
        };
        folder.write("profiles/fast.toml", PROFILE);
        folder.write(
            "experiments/small.toml",
            &format!("{MATRIX}{KV_CACHE}{RUN}"),
        );
        folder
    }

    pub fn path(&self) -> &Path {
        self.root.path()
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.root.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn read(&self, name: impl AsRef<Path>) -> String {
        std::fs::read_to_string(self.root.path().join(name)).unwrap()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gridrun"));
        command
            .args(args)
            .current_dir(self.root.path())
            .env("NO_COLOR", "1")
            .env("GRIDRUN_STATE", self.root.path().join("state"))
            .stdin(Stdio::null());
        command
    }

    /// Runs to the end.
    pub fn gridrun(&self, args: &[&str]) -> Ran {
        self.gridrun_with(args, &[])
    }

    /// Runs to the end with some variables set.
    pub fn gridrun_with(&self, args: &[&str], env: &[(&str, &str)]) -> Ran {
        let mut child = self
            .command(args)
            .envs(env.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let out = drain(child.stdout.take().unwrap());
        let err = drain(child.stderr.take().unwrap());
        let status = wait(&mut child);
        Ran::new(Output {
            status,
            stdout: out.join().unwrap(),
            stderr: err.join().unwrap(),
        })
    }

    /// Runs to the end with nobody to read its standard output; what it says of that.
    pub fn unread(&self, args: &[&str]) -> (ExitStatus, String) {
        let mut child = self
            .command(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let err = drain(child.stderr.take().unwrap());
        let status = wait(&mut child);
        (status, String::from_utf8(err.join().unwrap()).unwrap())
    }

    /// Starts and leaves it running.
    pub fn spawn(&self, args: &[&str]) -> Child {
        self.spawn_with(args, &[])
    }

    /// The same with some variables set.
    pub fn spawn_with(&self, args: &[&str], env: &[(&str, &str)]) -> Child {
        self.command(args)
            .envs(env.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// The run directories, oldest first.
    pub fn runs(&self) -> Vec<PathBuf> {
        let Ok(experiments) = std::fs::read_dir(self.root.path().join("results")) else {
            return Vec::new();
        };
        let mut runs: Vec<PathBuf> = experiments
            .flat_map(|experiment| std::fs::read_dir(experiment.unwrap().path()).unwrap())
            .map(|run| run.unwrap().path())
            .filter(|run| run.join("run.json").exists())
            .collect();
        // Names tell the second alone, in which more than one may begin.
        runs.sort_by_cached_key(|run| {
            let text = std::fs::read_to_string(run.join("run.json")).unwrap_or_default();
            let run: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
            run["started_at"].as_str().unwrap_or_default().to_owned()
        });
        runs
    }

    /// Events of the only run's journal.
    pub fn journal(&self) -> Vec<serde_json::Value> {
        let runs = self.runs();
        let [run] = runs.as_slice() else {
            panic!("one run expected: {runs:?}")
        };
        let text = std::fs::read_to_string(run.join("journal.jsonl")).unwrap_or_default();
        text.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// Processes of engines that runs in this folder started.
    pub fn engines(&self) -> Vec<u32> {
        let mark = format!("GRIDRUN_LOCK={}", self.root.path().display());
        std::fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
            .filter(|pid| {
                let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
                environment
                    .split(|byte| *byte == 0)
                    .any(|one| one.starts_with(mark.as_bytes()))
            })
            .collect()
    }

    /// Waits until no engine of this folder is left.
    pub fn engines_are_gone(&self) -> bool {
        eventually(|| self.engines().is_empty())
    }
}

/// Waits until something holds, at most [`PATIENCE`].
pub fn eventually(mut holds: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if holds() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

/// What a finished command left.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    fn new(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    #[track_caller]
    pub fn ends_with_code(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "stdout:\n{}\nstderr:\n{}",
            self.out, self.err
        );
        self
    }
}

fn drain(mut pipe: impl std::io::Read + Send + 'static) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).unwrap();
        bytes
    })
}

/// Waits for the end; kills what hangs, so that the test fails and nothing is left.
pub fn wait(child: &mut Child) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
            return child.wait().unwrap();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

const PROFILE: &str = r#"
[engine]
runtime = "stand-in"
model = "stand-in/tiny"
[engine.flags]
max-model-len = 4096
enable-prompt-tokens-details = true
[stand-in]
gpu-memory = "8GiB"
weights = "4GiB"
kv-bytes-per-token = "256KiB"
start-up = "20ms"
prefill-tokens-per-second = 20000
decode-tokens-per-second = 1000
"#;

/// 0.6 x 8 GiB - 4 GiB = 0.8 GiB: 3,276 tokens, fewer than max-model-len.
const MATRIX: &str = r#"
profile = "fast"
[matrix]
gpu-mem = [0.6, 0.9]
prefix = [true, false]
[[exclude]]
where = { gpu-mem = 0.6, prefix = false }
"#;

/// The least that can be ranked: a node of two pairs of requests, and an objective on it.
pub const KV_CACHE: &str = r#"
[[workload]]
name = "kv-cache"
kind = "kv-cache"
iterations = 2
prompt-tokens = 200
max-tokens = 4
[[objective]]
metric = "kv-cache.ttft_repeat_ms.p50"
goal = "min"
"#;

const RUN: &str = r#"
[run]
repeats = 2
seed = 7
"#;
