//! The architecture as a test: modules may use only what stands above them, and each outside
//! crate has one home.

use std::fs;
use std::path::{Path, PathBuf};

/// Rooms from the top (pure) to the bottom (shell). `use` may point to the same room or one
/// with a smaller level; edges share a level and must not see each other.
const LEVELS: &[(&str, u8)] = &[
    ("id", 0),
    ("time_scale", 0),
    ("random", 0),
    ("spec", 1),
    ("measure", 1),
    ("matrix", 2),
    ("diagnose", 2),
    ("attest", 2),
    ("outcome", 3),
    ("guard", 0),
    ("manifest", 4),
    ("event", 5),
    ("plan", 5),
    ("decide", 6),
    ("report", 7),
    ("champion", 7),
    ("pack", 8),
    ("doctor", 7),
    ("runner", 8),
    ("runtime", 9),
    ("load", 9),
    ("gpu", 9),
    ("host", 9),
    ("notify", 9),
    ("store", 9),
    ("ui", 9),
    ("stand_in", 9),
    ("exit", 10),
    ("cli", 11),
];

/// The stand-in plays vLLM: it may know flags, hashes and its speed, and nothing of the runner.
const STAND_IN_MAY_USE: &[&str] = &["stand_in", "spec", "id", "time_scale"];

/// The edges share a level; none may see another.
const EDGES: &[&str] = &[
    "runtime", "load", "gpu", "host", "notify", "store", "ui", "stand_in",
];

/// Outside crates with one home, and the files that may name them.
const HOMES: &[(&str, &[&str])] = &[
    ("bollard", &["runtime/docker/"]),
    ("polars", &["decide/frame", "store/parquet"]),
    ("petgraph", &["plan/dag.rs"]),
    (
        "indicatif",
        &["ui/load_progress.rs", "ui/progress.rs", "ui/pull.rs"],
    ),
    ("reqwest", &["load/", "notify/"]),
    ("hyper", &["load/stream/"]),
    ("hdrhistogram", &["measure/histogram.rs"]),
    ("axum", &["stand_in/"]),
    ("clap", &["cli/", "main.rs"]),
    ("clap_complete", &["cli/args.rs", "cli/completions.rs"]),
    ("clap_mangen", &["cli/man.rs"]),
    ("anyhow", &["cli/", "main.rs"]),
    ("nvml_wrapper", &["gpu/"]),
    ("toml", &["spec/", "champion/text.rs"]),
    (
        "boon",
        &[
            "measure/rubric/json.rs",
            "spec/workload/tool_calling/argument_schema.rs",
        ],
    ),
    ("aho_corasick", &["diagnose/vocabulary.rs"]),
];

/// Files that exist in test builds only and are not named like tests.
const TEST_FILES: &[&str] = &[
    "spec/vllm_flags/generator.rs",
    "decide/fixture.rs",
    "decide/fixture/crowd.rs",
    "decide/fixture/spared.rs",
    "load/fake_vllm.rs",
    "report/workload/fixture.rs",
    "runner/bench.rs",
    "runner/bench/journal.rs",
    "runner/bench/short.rs",
    "runner/bench/watched.rs",
];

/// Rooms that must stay synchronous and without I/O.
const PURE: u8 = 7;
const IMPURE: &[&str] = &[
    "tokio::",
    "std::fs",
    "std::net",
    "std::process",
    "std::env",
    "Instant::now",
    "SystemTime",
];

fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files
        .into_iter()
        .map(|path| {
            let name = path
                .strip_prefix(&root)
                .expect("found below the root")
                .to_string_lossy()
                .into_owned();
            let text = fs::read_to_string(&path).expect("a source file is text");
            (name, text)
        })
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder)
        .expect("a folder of the crate")
        .map(Result::unwrap)
    {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
}

/// The room of a file: its first path component, without `.rs`.
fn room(file: &str) -> &str {
    file.split('/')
        .next()
        .expect("a path has a first part")
        .trim_end_matches(".rs")
}

fn level(room: &str) -> u8 {
    LEVELS
        .iter()
        .find(|(name, _)| *name == room)
        .unwrap_or_else(|| panic!("`{room}` has no level: add it to LEVELS"))
        .1
}

/// Code without its test module and test files: tests may reach everywhere.
fn code<'a>(file: &str, text: &'a str) -> &'a str {
    let is_test =
        file.ends_with("tests.rs") || file.contains("/tests/") || TEST_FILES.contains(&file);
    if is_test {
        ""
    } else {
        text.split("#[cfg(test)]").next().unwrap_or(text)
    }
}

/// Rooms that a file names as `crate::ROOM`.
fn rooms_used(text: &str) -> Vec<String> {
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| {
            line.split("crate::")
                .skip(1)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .map(|rest| {
            rest.chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect()
        })
        .filter(|room: &String| !room.is_empty())
        .collect()
}

#[test]
fn use_points_only_upward() {
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        let here = room(&file);
        if ["lib", "main"].contains(&here) {
            continue;
        }
        for there in rooms_used(code(&file, &text)) {
            let sideways =
                EDGES.contains(&here) && EDGES.contains(&there.as_str()) && here != there;
            if level(&there) > level(here) || sideways {
                wrong.push(format!("{file} uses crate::{there}"));
            }
            if here == "stand_in" && !STAND_IN_MAY_USE.contains(&there.as_str()) {
                wrong.push(format!(
                    "{file} uses crate::{there}: the stand-in knows nothing of the runner"
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "arrows that point the wrong way:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn outside_crates_have_one_home() {
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        for (vendor, homes) in HOMES {
            let named = code(&file, &text)
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .any(|line| names_crate(line, vendor));
            if named && !homes.iter().any(|home| file.starts_with(home)) {
                wrong.push(format!(
                    "{file} names {vendor}, whose home is {}",
                    homes.join(", ")
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn names_crate(line: &str, vendor: &str) -> bool {
    let path = format!("{vendor}::");
    line.match_indices(&path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':' || c == '"')
    })
}

#[test]
fn the_core_is_pure() {
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        let here = room(&file);
        if ["lib", "main"].contains(&here) || level(here) > PURE {
            continue;
        }
        for line in code(&file, &text)
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
        {
            for word in IMPURE {
                if line.contains(word) {
                    wrong.push(format!("{file}: {}", line.trim()));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "the core does I/O or reads a clock:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn mod_files_declare_only() {
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        if file.ends_with("mod.rs")
            && code(&file, &text)
                .lines()
                .any(|line| line.starts_with("impl") || line.starts_with("struct"))
        {
            wrong.push(file);
        }
    }
    assert!(
        wrong.is_empty(),
        "mod.rs files with more than declarations: {}",
        wrong.join(", ")
    );
}

#[test]
fn no_file_is_a_maze() {
    let long: Vec<String> = sources()
        .into_iter()
        .filter(|(file, _)| !file.ends_with("table.rs"))
        .filter(|(_, text)| text.lines().count() > 600)
        .map(|(file, text)| format!("{file}: {} lines", text.lines().count()))
        .collect();
    assert!(long.is_empty(), "files over 600 lines: {}", long.join(", "));
}
