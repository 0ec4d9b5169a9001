//! Workloads through whole runs with stand-ins: what they leave, and what their files say.

use crate::folder::Folder;

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
