//! Every scenario of `experiments/scenarios/` through the whole program, and what must come of
//! it. Each one befalls a cell of its own in one and the same run, so that a run which goes on
//! after all of them is proved with them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use serde_json::Value;

/// Where the engines run: processes have no memory limit, and nobody knows who killed them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engines {
    Process,
    Docker,
}

/// Scenarios that can share a run.
pub struct Group {
    /// Settings of the profile that they need. READY stands for a time that a healthy start
    /// surely keeps.
    profile: &'static str,
    scenarios: &'static [Played],
}

/// A scenario and the attempts that it makes of one place of the plan.
struct Played {
    file: &'static str,
    as_process: &'static [&'static str],
    /// Where that differs.
    in_docker: Option<&'static [&'static str]>,
}

const fn played(file: &'static str, attempts: &'static [&'static str]) -> Played {
    Played {
        file,
        as_process: attempts,
        in_docker: None,
    }
}

const fn differently(
    file: &'static str,
    as_process: &'static [&'static str],
    in_docker: &'static [&'static str],
) -> Played {
    Played {
        file,
        as_process,
        in_docker: Some(in_docker),
    }
}

const ALL_WELL: &str = "measured 6/6, stopped with 0";
const ONE_FAILED: &str = "measured 4/5, stopped with 0";
const WORKER_DIED: &str = "failed engine_died serving in kv-cache, ended with 0";
const KILLED_SERVING: &str = "infeasible host_oom serving in kv-cache, ended with 137";

/// What comes to an end by itself.
pub const QUICK: Group = Group {
    profile: "",
    scenarios: &[
        played(
            "import-error",
            &["failed gpu_unavailable starting, ended with 1"; 2],
        ),
        played(
            "port-held",
            &["failed port_in_use starting, ended with 1", ALL_WELL],
        ),
        played(
            "dies-while-loading",
            &["failed engine_died starting, ended with 1", ALL_WELL],
        ),
        played(
            "dies-while-loading-worker",
            &["failed engine_died starting, ended with 1"; 2],
        ),
        differently(
            "dies-while-loading-killed",
            &["infeasible host_oom starting, ended with 137"],
            &["failed engine_died starting, ended with 137"; 2],
        ),
        played("slow-start", &[ALL_WELL]),
        played(
            "kv-cache-too-small",
            &["infeasible kv_cache_too_small starting, ended with 1"],
        ),
        played(
            "gpu-oom-at-start",
            &["infeasible gpu_oom_startup starting, ended with 1"],
        ),
        differently(
            "host-oom",
            &["infeasible host_oom starting, ended with 137"],
            &["infeasible host_oom starting, ended with 137, oom-killed"],
        ),
        differently(
            "host-oom-worker",
            &["failed engine_died starting, ended with 1"; 2],
            &["infeasible host_oom starting, ended with 1, oom-killed"],
        ),
        played(
            "wrong-config",
            &["infeasible not_as_configured starting, stopped with 0"],
        ),
        played(
            "gpu-oom-under-load",
            &["infeasible gpu_oom_serving serving in kv-cache, ended with 0"],
        ),
        played(
            "gpu-leak",
            &["infeasible gpu_oom_serving serving in kv-cache, ended with 0"],
        ),
        differently(
            "host-leak",
            &[KILLED_SERVING],
            &["infeasible host_oom serving in kv-cache, ended with 137, oom-killed"],
        ),
        differently(
            "worker-dies",
            &["infeasible host_oom serving in kv-cache, ended with 0"],
            &[WORKER_DIED; 2],
        ),
        played("http-errors", &[ONE_FAILED]),
        played("http-errors-late", &["measured 5/6, stopped with 0"]),
        played("cut-stream", &[ONE_FAILED]),
        played(
            "garbled-stream",
            &["failed unknown serving, stopped with 0"; 2],
        ),
        played("garbled-stream-utf-8", &[ONE_FAILED]),
        played("garbled-stream-split", &[ALL_WELL]),
        played("start-noise", &[ALL_WELL]),
        played("request-noise", &[ALL_WELL]),
        played("ageing", &[ALL_WELL]),
        played("metrics-missing", &[ALL_WELL]),
        played("metrics-missing-counters", &[ALL_WELL]),
        played("dirty-stop", &["measured 6/6, stopped with 1"]),
    ],
};

/// What ends by a deadline of the profile.
pub const PATIENT: Group = Group {
    profile: "ready-timeout = \"READY\"\nrequest-timeout = \"3s\"\nstop-timeout = \"2s\"\n",
    scenarios: &[
        played(
            "hangs-while-loading",
            &["failed not_ready starting, stopped with 0", ALL_WELL],
        ),
        played(
            "wrong-model-name",
            &["failed unresponsive starting, stopped with 0"; 2],
        ),
        played(
            "no-completion",
            &["failed unresponsive starting, stopped with 0"; 2],
        ),
        played(
            "no-completion-later",
            &["failed unresponsive serving in kv-cache, stopped with 0"; 2],
        ),
        differently(
            "worker-dies-stays",
            &["infeasible host_oom serving in kv-cache, stopped with 0"],
            &["failed engine_died serving in kv-cache, stopped with 0"; 2],
        ),
        played("stalled-stream", &[ONE_FAILED]),
        played("ignores-sigterm", &["measured 6/6, stopped with 137"]),
    ],
};

/// Played alone, because chance decides it.
const BY_CHANCE: &[&str] = &["flaky-start"];

impl Group {
    /// The files of a run in which each scenario befalls a cell of its own, and one cell is left
    /// in peace: their paths and texts.
    pub fn files(&self, engines: Engines) -> [(&'static str, String); 3] {
        let (runtime, ready) = match engines {
            Engines::Process => ("runtime = \"stand-in\"", "3s"),
            // The image is nowhere: a rehearsal must not look for it.
            Engines::Docker => (
                "image = \"nowhere.invalid/none:1\"\nmemory = \"192MiB\"",
                "6s",
            ),
        };
        let mut profile = PROFILE.to_owned();
        profile.insert_str(PROFILE.find("[engine.flags]").unwrap(), self.profile);
        let profile = profile
            .replace("[engine]\n", &format!("[engine]\n{runtime}\n"))
            .replace("READY", ready);
        let mut experiment = EXPERIMENT.to_owned();
        let mut scenario = String::new();
        for (cell, played) in self.scenarios.iter().enumerate() {
            // The cell in peace has the first number.
            let mark = format!("max-num-seqs = {}", cell + 2);
            let text = library(played.file);
            let prefix = !text.contains("where = { prefix = false }");
            write!(
                experiment,
                "[[cell]]\nname = \"{}\"\nset = {{ {mark}, prefix = {prefix} }}\n",
                played.file
            )
            .unwrap();
            for line in text.lines().filter(|line| !line.starts_with("seed = ")) {
                let own = line.strip_prefix("where = {");
                match own {
                    Some(own) => writeln!(scenario, "where = {{ {mark},{own}").unwrap(),
                    None => writeln!(scenario, "{line}").unwrap(),
                }
                if line == "[[fault]]" && !text.contains("where = {") {
                    writeln!(scenario, "where = {{ {mark} }}").unwrap();
                }
            }
        }
        [
            ("profiles/rough.toml", profile),
            ("experiments/rough.toml", experiment),
            ("scenarios/rough.toml", scenario),
        ]
    }

    /// Every attempt of every cell must be what the table says, in order.
    #[track_caller]
    pub fn check(&self, journal: &[Value], engines: Engines) {
        let mut expected: BTreeMap<String, Vec<String>> = self
            .scenarios
            .iter()
            .map(|played| {
                let attempts = match (engines, played.in_docker) {
                    (Engines::Docker, Some(attempts)) => attempts,
                    (Engines::Docker, None) | (Engines::Process, _) => played.as_process,
                };
                let attempts = attempts.iter().map(|attempt| (*attempt).to_owned());
                (played.file.to_owned(), attempts.collect())
            })
            .collect();
        expected.insert("in-peace".to_owned(), vec![ALL_WELL.to_owned()]);
        let found = attempts(journal);
        for (cell, attempts) in &expected {
            assert_eq!(
                found.get(cell).unwrap_or(&Vec::new()),
                attempts,
                "the attempts of {cell}"
            );
        }
        assert_eq!(found.len(), expected.len());
        let last = journal.last().unwrap();
        assert_eq!(
            (&last["event"], &last["ending"]["how"]),
            (&"run-ended".into(), &"complete".into())
        );
    }
}

/// The attempts of each cell, each in a line.
pub fn attempts(journal: &[Value]) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for event in journal
        .iter()
        .filter(|event| event["event"] == "attempt-settled")
    {
        let cell = event["cell_name"].as_str().unwrap().to_owned();
        found.entry(cell).or_default().push(told(event));
    }
    found
}

fn told(attempt: &Value) -> String {
    let text = |name: &str| attempt[name].as_str().unwrap_or_default().to_owned();
    let mut line = text("outcome");
    if line == "measured" {
        let node = &attempt["nodes"][0];
        let count = |name: &str| node[name].as_u64().unwrap();
        let (n, failed) = (count("n_requests"), count("n_failed"));
        write!(line, " {}/{n}", n - failed).unwrap();
    } else {
        write!(line, " {} {}", text("class"), text("phase")).unwrap();
        if attempt["node"].is_string() {
            write!(line, " in {}", text("node")).unwrap();
        }
    }
    let end = &attempt["end"];
    let how = if end["by_itself"] == true {
        "ended"
    } else {
        "stopped"
    };
    write!(line, ", {how} with {}", end["exit_code"]).unwrap();
    if end["oom_killed"] == true {
        line.push_str(", oom-killed");
    }
    line
}

/// A file of the library.
pub fn library(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("experiments/scenarios")
        .join(format!("{name}.toml"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every file of the library is in a table above.
#[test]
fn every_scenario_of_the_library_is_played() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/scenarios");
    let mut there: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            path.file_stem().unwrap().to_str().unwrap().to_owned()
        })
        .collect();
    there.sort();
    let groups = [QUICK, PATIENT];
    let mut known: Vec<&str> = groups
        .iter()
        .flat_map(|group| group.scenarios.iter().map(|played| played.file))
        .chain(BY_CHANCE.iter().copied())
        .collect();
    known.sort_unstable();
    assert_eq!(there, known);
}

const PROFILE: &str = r#"
[engine]
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

/// Its requests by their numbers: 1 is the readiness check, 2 the warm-up, then three pairs of
/// a first and a repeated one. A pair whose first fails has no second.
const EXPERIMENT: &str = r#"
profile = "rough"
[[workload]]
name = "kv-cache"
kind = "kv-cache"
iterations = 3
prompt-tokens = 200
max-tokens = 4
[[objective]]
metric = "kv-cache.ttft_repeat_ms.p50"
goal = "min"
[[cell]]
name = "in-peace"
set = { max-num-seqs = 1, prefix = true }
"#;
