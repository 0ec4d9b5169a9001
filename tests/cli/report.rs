//! `gridrun report`.

use crate::folder::Folder;

#[test]
fn a_report_is_made_again_byte_for_byte_from_what_is_stored() {
    let folder = Folder::new();
    folder
        .gridrun(&["experiments/small.toml"])
        .ends_with_code(0);
    let run = folder.runs().remove(0);
    let files = [
        "report.md",
        "report.html",
        "report.json",
        "frame.csv",
        "frame.parquet",
    ];
    let first: Vec<Vec<u8>> = files
        .iter()
        .map(|file| std::fs::read(run.join(file)).unwrap())
        .collect();
    for file in files {
        std::fs::remove_file(run.join(file)).unwrap();
    }
    folder.gridrun(&["report"]).ends_with_code(0);
    for (file, bytes) in files.iter().zip(first) {
        let again = std::fs::read(run.join(file)).unwrap();
        assert!(again == bytes, "{file} is another one");
    }
}

#[test]
fn the_folder_of_an_experiment_is_answered_with_its_latest_run() {
    let folder = Folder::new();
    folder
        .gridrun(&["experiments/small.toml"])
        .ends_with_code(0);
    let run = folder.runs().remove(0);
    let ran = folder
        .gridrun(&["report", "results/small"])
        .ends_with_code(2);
    let name = run.file_name().unwrap().to_str().unwrap();
    let latest = format!("the latest in it is results/small/{name}");
    assert!(ran.err.contains(&latest), "{}", ran.err);
}

#[test]
fn a_reader_that_goes_away_is_nobodys_fault() {
    let folder = Folder::new();
    let (ended, words) = folder.unread(&["plan", "experiments/small.toml"]);
    assert_eq!((ended.code(), words.as_str()), (Some(0), ""));
}

#[test]
fn results_of_another_format_are_refused() {
    let folder = Folder::new();
    folder
        .gridrun(&["experiments/small.toml"])
        .ends_with_code(0);
    let run = folder.runs().remove(0);
    let text = std::fs::read_to_string(run.join("run.json"))
        .unwrap()
        .replace("\"format\": 1", "\"format\": 99");
    std::fs::write(run.join("run.json"), text).unwrap();
    let ran = folder.gridrun(&["report", run.to_str().unwrap()]);
    assert_ne!(ran.code, 0);
    assert!(
        ran.err.contains("99") && ran.err.contains("run.json"),
        "{}",
        ran.err
    );
}

#[test]
fn the_example_of_this_project_is_what_this_version_makes_of_it() {
    let example = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("results/quickstart");
    let folder = Folder::new();
    let mut n_runs = 0;
    for run in std::fs::read_dir(example)
        .unwrap()
        .map(|run| run.unwrap().path())
    {
        // Runs that somebody made here since are not the example.
        if !run.join("EXAMPLE").is_file() {
            continue;
        }
        n_runs += 1;
        let name = run.file_name().unwrap().to_str().unwrap();
        for file in ["run.json", "journal.jsonl"] {
            let text = std::fs::read_to_string(run.join(file)).unwrap();
            folder.write(&format!("results/quickstart/{name}/{file}"), &text);
        }
        folder.gridrun(&["report"]).ends_with_code(0);
        for file in ["report.md", "report.html", "report.json", "frame.csv"] {
            let stored = std::fs::read_to_string(run.join(file)).unwrap();
            let made = folder.read(format!("results/quickstart/{name}/{file}"));
            assert!(
                made == stored,
                "{file} of {name}: make it again with `gridrun report`"
            );
        }
    }
    assert_eq!(n_runs, 1);
}
