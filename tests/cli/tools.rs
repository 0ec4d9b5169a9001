//! `kind = "tool-calling"` over whole runs: who is rejected, and what is advised.

use serde_json::Value;

use crate::folder::Folder;

const EXPERIMENT: &str = r#"
profile = "fast"
[matrix]
tool-call-parser = ["hermes", "mistral", "qwen3_xml"]
enable-auto-tool-choice = [true]
[[workload]]
name = "tools"
kind = "tool-calling"
only = ["forecast", "two-tools", "book-a-flight", "thanks"]
concurrency = 2
[[gate]]
require = "tools.solved >= 100 %"
[[gate]]
require = "tools.solved_concurrent >= 100 %"
[[objective]]
metric = "tools.ttft_ms.p50"
goal = "min"
[run]
repeats = 1
"#;

/// A workload of one's own in a file, whose one tool nobody reads for want of a parser.
const UNPARSED: &str = r#"
profile = "fast"
[matrix]
prefix = [true]
[[workload]]
name = "tools"
kind = "tool-calling"
tools = "data/own.toml"
[[gate]]
require = "tools.parsed >= 95 %"
[[objective]]
metric = "tools.ttft_ms.p50"
goal = "min"
[run]
repeats = 1
"#;

const OWN: &str = r#"
[[tool]]
name = "water_plants"
description = "Water the plants in a room."
parameters = { type = "object", required = ["room"], properties = { room = { type = "string" } } }
[[scenario]]
name = "water"
ask = "Water the plants in 'the kitchen'."
call = [{ tool = "water_plants", arguments = { room = "the kitchen" } }]
"#;

fn report(folder: &Folder) -> Value {
    let run = folder.runs().pop().unwrap();
    serde_json::from_str(&std::fs::read_to_string(run.join("report.json")).unwrap()).unwrap()
}

fn cell<'r>(report: &'r Value, list: &str, name: &str) -> &'r Value {
    let cells = match list {
        "cells" => &report["cells"],
        _ => &report["workloads"][0]["cells"],
    };
    let mut cells = cells.as_array().unwrap().iter();
    cells.find(|cell| cell["cell"] == name).unwrap()
}

#[test]
fn a_parser_that_does_not_fit_is_rejected_with_the_one_that_does() {
    let folder = Folder::new();
    folder.write("experiments/tools.toml", EXPERIMENT);
    let ran = folder
        .gridrun(&["run", "experiments/tools.toml"])
        .ends_with_code(0);
    let report = report(&folder);
    assert_eq!(
        cell(&report, "cells", "tool-call-parser-hermes")["standing"],
        "ranked"
    );
    // The calls stand in the text, or the parser takes their tags for its own.
    for (name, found) in [
        ("mistral", "carry the call as text in Hermes form"),
        ("qwen3_xml", "are empty though the model wrote something"),
    ] {
        let row = cell(&report, "cells", &format!("tool-call-parser-{name}"));
        assert_eq!(row["standing"], "rejected", "{row}");
        let why = row["gates"][0].as_str().unwrap();
        let advice = format!("{name} does not read it, try tool-call-parser = \"hermes\"");
        assert!(why.contains(found) && why.contains(&advice), "{why}");
        assert!(
            ran.out.replace("\n  ", " ").contains(&advice),
            "{}",
            ran.out
        );
        let in_workload = cell(&report, "workloads", &format!("tool-call-parser-{name}"));
        let paste = format!("[matrix]\ntool-call-parser = [\"hermes\", \"{name}\"]");
        assert_eq!(in_workload["paste"], paste);
    }
    let metric = |name: &str, metric: &str| {
        let metrics = report["workloads"][0]["metrics"].as_array().unwrap();
        let place = metrics
            .iter()
            .position(|one| one["name"] == metric)
            .unwrap();
        let values = &cell(&report, "workloads", &format!("tool-call-parser-{name}"))["values"];
        values[place]["mean"].as_f64()
    };
    // All requests of all succeed: only what came of them tells the cells apart.
    for name in ["hermes", "mistral", "qwen3_xml"] {
        assert_eq!(metric(name, "success_rate"), Some(1.0));
        assert_eq!(metric(name, "none_called"), Some(1.0));
    }
    assert_eq!(metric("hermes", "chain_completed"), Some(1.0));
    assert_eq!(metric("hermes", "stream_agreement"), Some(1.0));
    assert_eq!(metric("mistral", "right_arguments"), None);
    assert_eq!(metric("mistral", "leaked"), Some(0.75));
    assert_eq!(metric("qwen3_xml", "swallowed"), Some(0.75));
    let page = std::fs::read_to_string(folder.runs()[0].join("report.md")).unwrap();
    assert!(
        page.contains("Failed answers of `tool-call-parser-mistral`, to read:"),
        "{page}"
    );
}

#[test]
fn a_chat_template_that_ignores_the_tools_is_named() {
    let folder = Folder::new();
    let template = "{% for m in messages %}{{ m.content }}{% endfor %}";
    let matrix =
        format!("tool-call-parser = [\"hermes\"]\nchat-template = [\"(default)\", \"{template}\"]");
    let parsers = "tool-call-parser = [\"hermes\", \"mistral\", \"qwen3_xml\"]";
    folder.write(
        "experiments/tools.toml",
        &EXPERIMENT.replace(parsers, &matrix),
    );
    folder
        .gridrun(&["run", "experiments/tools.toml"])
        .ends_with_code(0);
    let report = report(&folder);
    let standings: Vec<(&str, String)> = report["cells"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["standing"].as_str().unwrap(), row["gates"].to_string()))
        .collect();
    let [("ranked", _), ("rejected", gates)] = &standings[..] else {
        panic!("{standings:?}");
    };
    assert!(
        gates.contains("the chat template ignores the tools"),
        "{gates}"
    );
}

#[test]
fn a_refused_call_is_a_finding_in_the_words_of_the_engine() {
    let folder = Folder::new();
    folder.write("experiments/own.toml", UNPARSED);
    folder.write("experiments/data/own.toml", OWN);
    folder
        .gridrun(&["check", "experiments/own.toml"])
        .ends_with_code(0);
    folder.gridrun(&["run", "experiments/own.toml"]);
    let report = report(&folder);
    let row = cell(&report, "cells", "prefix-on");
    assert_eq!(row["standing"], "rejected", "{row}");
    let why = row["gates"][0].as_str().unwrap();
    assert!(why.contains("tools.parsed >= 95 %: 0 "), "{why}");
    assert!(
        why.contains("no parser is in force, try tool-call-parser = \"hermes\" with enable-auto-tool-choice = true"),
        "{why}"
    );
    let notes = report["workloads"][0]["notes"][0]["text"].as_str().unwrap();
    assert!(
        notes.contains("HTTP 400") && notes.contains("--tool-call-parser"),
        "{notes}"
    );
    // The run repeats without the file.
    let run = folder.runs().pop().unwrap();
    let manifest = std::fs::read_to_string(run.join("run.json")).unwrap();
    assert!(manifest.contains("water_plants") && manifest.contains("the kitchen"));
}

#[test]
fn a_mistake_in_the_file_of_tools_is_shown_there() {
    let folder = Folder::new();
    folder.write("experiments/own.toml", UNPARSED);
    folder.write(
        "experiments/data/own.toml",
        &OWN.replace("tool = \"water", "tool = \"weter"),
    );
    let ran = folder
        .gridrun(&["check", "experiments/own.toml"])
        .ends_with_code(2);
    assert!(ran.err.contains("data/own.toml:9:"), "{}", ran.err);
    assert!(
        ran.err.contains("did you mean `water_plants`?"),
        "{}",
        ran.err
    );
    std::fs::remove_file(folder.path().join("experiments/data/own.toml")).unwrap();
    let ran = folder
        .gridrun(&["check", "experiments/own.toml"])
        .ends_with_code(2);
    assert!(ran.err.contains("the file cannot be read"), "{}", ran.err);
}
