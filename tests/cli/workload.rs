//! Workloads through whole runs with stand-ins: what they leave, and what their files say.

use crate::folder::{Folder, KV_CACHE};
use crate::stored;

const REHEARSE: &[&str] = &[
    "rehearse",
    "--runtime",
    "process",
    "--speed",
    "20",
    "experiments/w.toml",
];

const HEAD: &str = "profile = \"fast\"\n\
    [matrix]\nprefix = [true, false]\n";

/// Reports of one node by cell, from the journal.
fn reports(folder: &Folder, node: &str) -> Vec<(String, serde_json::Value)> {
    folder
        .journal()
        .into_iter()
        .filter(|line| line["event"] == "attempt-settled")
        .map(|line| {
            let nodes = line["nodes"].as_array().unwrap_or_else(|| panic!("{line}"));
            let report = nodes.iter().find(|report| report["node"] == node).unwrap();
            let cell = line["cell_name"].as_str().unwrap().to_owned();
            (cell, report.clone())
        })
        .collect()
}

#[test]
fn conversations_of_a_file_are_held_and_their_history_comes_from_the_cache() {
    let folder = Folder::new();
    folder.write(
        "experiments/w.toml",
        &format!(
            "{HEAD}[[workload]]\nname = \"talk\"\nkind = \"conversation\"\n\
             turns = 3\niterations = 1\nusers = 2\nmax-tokens = 8\nsystem-tokens = 60\n\
             data = \"talk.jsonl\"\n\
             [[objective]]\nmetric = \"talk.ttft_later_ms.p50\"\ngoal = \"min\"\n"
        ),
    );
    let long = "words that a user says to fill a block or two of the cache ".repeat(4);
    let line = |n: u32| {
        let said = [0, 1, 2].map(|turn| {
            format!(r#"{{"role":"user","content":"{n} {turn} {long}"}},{{"role":"assistant","content":"x"}}"#)
        });
        format!("{{\"messages\":[{}]}}\n", said.join(","))
    };
    folder.write("experiments/talk.jsonl", &(line(1) + "\n" + &line(2)));
    folder.gridrun(REHEARSE).ends_with_code(0);

    let reports = reports(&folder, "talk");
    assert_eq!(reports.len(), 2);
    for (cell, report) in reports {
        assert_eq!(report["status"]["status"], "completed", "{report}");
        assert_eq!(report["n_requests"], 6);
        let share = report["metrics"]["eligible_cached_fraction"]
            .as_f64()
            .unwrap();
        if cell.contains("prefix-on") {
            assert!(share > 0.9, "{cell}: {share}");
        } else {
            assert_eq!(share, 0.0, "{cell}");
        }
        let turns = report["detail"]["turns"].as_array().unwrap();
        let tokens: Vec<f64> = turns
            .iter()
            .map(|turn| turn["prompt_tokens"].as_f64().unwrap())
            .collect();
        assert!(tokens.is_sorted() && tokens.len() == 3, "{tokens:?}");
        assert!(report["metrics"]["degradation_ratio"].as_f64().unwrap() > 0.0);
    }
    // The run can be repeated without the file.
    let run = folder.runs().remove(0);
    let manifest = std::fs::read_to_string(run.join("run.json")).unwrap();
    assert!(manifest.contains("1 0 words that a user says"));
    let report = std::fs::read_to_string(run.join("report.md")).unwrap();
    assert!(report.contains("Turn by turn"), "{report}");
}

#[test]
fn mistakes_in_a_file_of_conversations_are_shown_where_they_are() {
    let folder = Folder::new();
    let check = |settings: &str, data: &str| {
        folder.write(
            "experiments/w.toml",
            &format!(
                "{HEAD}[[workload]]\nname = \"talk\"\nkind = \"conversation\"\n{settings}\
                 data = \"talk.jsonl\"\n\
                 [[objective]]\nmetric = \"talk.ttft_ms\"\ngoal = \"min\"\n"
            ),
        );
        folder.write("experiments/talk.jsonl", data);
        let checked = folder.gridrun(&["check", "experiments/w.toml"]);
        checked.ends_with_code(2).err
    };
    let good = "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}\n";
    let wrong = check("turns = 1\n", &format!("{good}{{\"a\":1}}\n"));
    assert!(wrong.contains("talk.jsonl:2:1"), "{wrong}");
    assert!(
        wrong.contains("neither `messages` nor `conversations`"),
        "{wrong}"
    );
    let few = check("turns = 1\nusers = 2\n", good);
    assert!(
        few.contains(
            "6 conversations of 1 turns are needed (users x iterations), and the file has 1"
        ),
        "{few}"
    );
    let both = check("turns = 1\nprompt-tokens = 50\n", good);
    assert!(both.contains("exclude each other"), "{both}");
}

/// Two tasks, of whose checks an engine that makes its words up keeps one.
const THINK: &str = r#"
[[workload]]
name = "think"
kind = "reasoning"
built-in = []
max-tokens = 16
[[workload.task]]
name = "speak"
prompt = "Say something."
check = [{ kind = "regex", pattern = '\S' }]
[[workload.task]]
name = "capital"
prompt = "Which is the capital of Italy?"
check = [{ kind = "contains-all", texts = ["Rome"] }]
[[objective]]
metric = "think.e2e_ms.p50"
goal = "min"
"#;

/// This very program as an outside tool: four requests with prompts of 300 tokens. Whether any
/// of them is answered and whether the machine is busy decide its exit code, and are no mistake
/// of the tool.
const TOOL: &str = r#"
[[workload]]
name = "tool"
kind = "command"
where = "host"
after = ["think"]
run = [
    "/bin/sh", "-c",
    """"$0" load "$@"; case $? in 0|3|8) ;; *) exit 9 ;; esac""",
    "GRIDRUN", "--url", "{url}", "--model", "{model}", "--api-key-env", "OPENAI_API_KEY",
    "--requests", "4", "--prompt-tokens", "300", "--max-tokens", "4", "--json", "{out}",
]
output = "file"
[[workload.metric]]
name = "answered"
path = "succeeded"
scale = "signed"
[[workload.metric]]
name = "first_token_ms"
path = "/ttft_ms/p50"
unit = "ms"
[[gate]]
require = "tool.answered >= 4"
"#;

#[test]
fn a_cell_whose_outside_tool_misses_its_gate_is_rejected_whatever_else_it_did() {
    let folder = Folder::new();
    let profile = folder.read("profiles/fast.toml");
    let open = profile.replace("max-model-len = 4096\n", "");
    assert_ne!(open, profile);
    folder.write("profiles/fast.toml", &open);
    let tool = TOOL.replace("GRIDRUN", env!("CARGO_BIN_EXE_gridrun"));
    folder.write(
        "experiments/w.toml",
        &format!("profile = \"fast\"\n[matrix]\nmax-model-len = [256, 4096]\n{THINK}{tool}"),
    );
    folder
        .gridrun(&["rehearse", "--runtime", "process", "experiments/w.toml"])
        .ends_with_code(0);

    let is_short = |cell: &str| cell.contains("256");
    let thought = reports(&folder, "think");
    assert_eq!(thought.len(), 2);
    for (cell, report) in thought {
        assert_eq!(report["status"]["status"], "completed", "{report}");
        assert_eq!(report["metrics"]["quality"], 0.5, "{cell}: {report}");
        assert_eq!(report["metrics"]["quality_own"], 0.5, "{cell}: {report}");
        assert_eq!(report["n_requests"], 2);
        let answers = report["detail"]["answers"].as_array().unwrap();
        let shares: Vec<_> = answers.iter().map(|answer| &answer["share"]).collect();
        assert_eq!(shares, [&1.0, &0.0], "{report}");
    }
    let measured = reports(&folder, "tool");
    assert_eq!(measured.len(), 2);
    for (cell, report) in measured {
        assert_eq!(report["status"]["status"], "completed", "{report}");
        let answered = if is_short(&cell) { 0.0 } else { 4.0 };
        assert_eq!(report["metrics"]["answered"], answered, "{cell}: {report}");
        let first = report["metrics"]["first_token_ms"].as_f64();
        assert_eq!(first.is_some(), !is_short(&cell), "{cell}: {report}");
        assert_eq!(report["detail"]["exit_code"], 0);
    }

    let run = folder.runs().remove(0);
    let report = std::fs::read_to_string(run.join("report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let cells = report["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 2);
    for cell in cells {
        let standing = match is_short(cell["cell"].as_str().unwrap()) {
            true => "rejected",
            false => "ranked",
        };
        assert_eq!(cell["standing"], standing, "{cell:#}");
        let gate = &cell["gate_results"][0];
        assert_eq!(gate["gate"], "tool.answered >= 4", "{cell:#}");
        assert_eq!(gate["held"], standing == "ranked", "{cell:#}");
    }
    let markdown = std::fs::read_to_string(run.join("report.md")).unwrap();
    for expected in [
        "Answers that lost points, or could not be graded:",
        "`capital`: ",
        "` ended with 0",
        "0 succeeded, 4 FAILED",
        "4 succeeded, none failed",
    ] {
        assert!(markdown.contains(expected), "{expected}: {markdown}");
    }
}

#[test]
fn requests_are_stored_without_the_instants_of_their_tokens_where_the_file_says_so() {
    let run = |run_settings: &str| {
        let folder = Folder::new();
        let text =
            format!("profile = \"fast\"\n[matrix]\ngpu-mem = [0.9]\n{KV_CACHE}{run_settings}");
        folder.write("experiments/w.toml", &text);
        folder.gridrun(REHEARSE).ends_with_code(0);
        let run = folder.runs().remove(0);
        let mut attempts = std::fs::read_dir(run.join("attempts")).unwrap();
        let attempt = attempts.next().unwrap().unwrap().path();
        let requests = stored::read(&attempt.join("requests.parquet"));
        let first = requests.column("first_token_ns").unwrap();
        assert_eq!(first.null_count(), 0);
        (requests.height(), stored::n_token_times(&requests))
    };
    // Two pairs and the warm-up, four tokens each.
    assert_eq!(run(""), (5, 20));
    assert_eq!(run("[run]\ntoken-times = false\n"), (5, 0));
}
