//! `gridrun replay`.

use crate::folder::Folder;

/// The table of the reference case, as its source has it.
const REFERENCE: &str = include_str!("../../experiments/reference-case.csv");

#[test]
fn the_reference_case_has_a_leader_and_no_champion() {
    let folder = Folder::new();
    folder.write("reference.csv", REFERENCE);
    let args = [
        "replay",
        "reference.csv",
        "--objective",
        "ttft_repeat_ms:min",
    ];
    let ran = folder
        .gridrun(&[&args[..], &["--format", "json"]].concat())
        .ends_with_code(0);
    let told: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(told["leader"], "chunked_only_safe");
    for unknown in [
        "champion",
        "p_equivalent",
        "p_best",
        "engine_seconds",
        "engine_seconds_living",
    ] {
        assert!(told[unknown].is_null(), "{unknown}: {told}");
    }
    assert_eq!(
        (&told["starts"], &told["n_unnamed_dead"]),
        (&2.into(), &8.into())
    );
    let warnings = told["warnings"].to_string();
    for words in [
        "single starts",
        "chunked_only_safe has the prefix cache off and claims hits all the same (acceleration = 3.22): they are unproved",
        "refused: first_estimated (row 3), second_estimated (row 4)",
        "8 deaths have no name",
    ] {
        assert!(warnings.contains(words), "{words}: {warnings}");
    }
    let ran = folder.gridrun(&args).ends_with_code(0);
    assert!(
        ran.out
            .starts_with("no champion; leader: chunked_only_safe\n"),
        "{}",
        ran.out
    );
}

#[test]
fn a_run_is_played_again_and_a_wrong_table_is_named() {
    let folder = Folder::new();
    folder
        .gridrun(&["experiments/small.toml"])
        .ends_with_code(0);
    let run = folder.runs().remove(0);
    let ran = folder
        .gridrun(&[
            "replay",
            run.to_str().unwrap(),
            "--strategy",
            "race",
            "--format",
            "json",
        ])
        .ends_with_code(0);
    let told: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert!(told["engine_seconds"].as_f64().unwrap() > 0.0, "{told}");
    assert!(
        told["exhaustive_engine_seconds"].as_f64().unwrap()
            >= told["engine_seconds"].as_f64().unwrap()
    );

    let wrong = REFERENCE.replace("2397", "slow");
    folder.write("wrong.csv", &wrong);
    let ran = folder
        .gridrun(&["replay", "wrong.csv", "--objective", "ttft_repeat_ms:min"])
        .ends_with_code(2);
    let expected = "error: wrong.csv: row 2, column metric.ttft_repeat_ms: `slow` is not a number";
    assert!(ran.err.contains(expected), "{}", ran.err);
}

#[test]
fn what_is_no_table_is_the_users_mistake_in_words_for_users() {
    let folder = Folder::new();
    folder.write("ragged.csv", "cell,attempt\na,1,2,3\n");
    for (file, expected) in [
        ("ragged.csv", "not a CSV table: ragged.csv"),
        ("nowhere.csv", "cannot read nowhere.csv"),
    ] {
        let ran = folder
            .gridrun(&["replay", file, "--objective", "x:min"])
            .ends_with_code(2);
        assert!(ran.err.contains(expected), "{}", ran.err);
        assert!(!ran.err.contains("truncate_ragged_lines"), "{}", ran.err);
    }
}
