//! `gridrun report`.

use crate::folder::Folder;

#[test]
fn a_report_is_made_again_byte_for_byte_from_what_is_stored() {
    let folder = Folder::new();
    folder
        .gridrun(&["experiments/small.toml"])
        .ends_with_code(0);
    let run = folder.runs().remove(0);
    let files = ["report.md", "report.json", "frame.csv", "frame.parquet"];
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
