//! `gridrun doctor`: looks, and leaves everything as it was.

use crate::folder::Folder;

/// Where nobody listens.
const NOWHERE: (&str, &str) = ("DOCKER_HOST", "unix:///nowhere/docker.sock");

fn finding<'a>(found: &'a serde_json::Value, check: &str) -> &'a serde_json::Value {
    let findings = found["findings"].as_array().unwrap();
    findings
        .iter()
        .find(|finding| finding["check"] == check)
        .unwrap_or_else(|| panic!("there is no {check} in {found:#}"))
}

#[test]
fn stand_ins_need_no_docker_and_nothing_is_written() {
    let folder = Folder::new();
    let args = ["doctor", "experiments/small.toml"];
    let ran = folder.gridrun_with(&args, &[NOWHERE]).ends_with_code(0);
    assert!(
        ran.out
            .starts_with("small with profile fast: stand-in engines"),
        "{}",
        ran.out
    );
    assert!(
        ran.out.contains("skip  no Docker daemon answers"),
        "{}",
        ran.out
    );
    assert!(ran.out.contains("Nothing fails"), "{}", ran.out);
    let names: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");
    // Without an experiment nothing is needed either.
    folder
        .gridrun_with(&["doctor"], &[NOWHERE])
        .ends_with_code(0);
}

#[test]
fn containers_need_docker_and_secrets_stay_unseen() {
    let folder = Folder::new();
    let profile = folder.read("profiles/fast.toml").replace(
        "runtime = \"stand-in\"",
        "image = \"image:1\"\nenv = { A = { from-env = \"SET_ONE\" }, B = { from-env = \"UNSET_ONE\" } }",
    );
    folder.write("profiles/fast.toml", &profile);
    let args = ["doctor", "--format", "json", "experiments/small.toml"];
    let env = [NOWHERE, ("SET_ONE", "very-secret-value")];
    let ran = folder.gridrun_with(&args, &env).ends_with_code(4);
    let found: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(
        (&found["ok"], &found["exit_code"]),
        (&false.into(), &4.into())
    );
    let daemon = finding(&found, "daemon");
    assert_eq!(daemon["mark"], "fail");
    assert_eq!(daemon["command"], "sudo systemctl start docker");
    let variables: Vec<_> = found["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["check"] == "variable")
        .map(|finding| finding["mark"].as_str().unwrap())
        .collect();
    assert_eq!(variables, ["ok", "fail"]);
    assert!(!ran.out.contains("very-secret"), "{}", ran.out);
}

#[test]
fn a_run_that_is_going_on_is_heard() {
    let folder = Folder::new();
    let args = ["doctor", "--format", "json"];
    let run = folder.path().join("results/small/20261124T070014Z-f06e");
    std::fs::create_dir_all(&run).unwrap();
    std::fs::write(run.join("run.json"), "{}").unwrap();
    let lock = std::fs::File::create(run.join("run.lock")).unwrap();
    let look = || {
        let ran = folder.gridrun_with(&args, &[NOWHERE]).ends_with_code(0);
        let found: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        finding(&found, "other-runs").clone()
    };
    // Another run of this machine may be heard as well.
    let is_heard = |found: &serde_json::Value| {
        let said = found["found"].as_str().unwrap();
        said.contains("20261124T070014Z-f06e")
    };
    assert!(!is_heard(&look()));
    lock.lock().unwrap();
    let found = look();
    assert_eq!(found["mark"], "warn");
    assert!(is_heard(&found), "{found}");
}

#[test]
fn a_wrong_file_is_told_as_check_tells_it() {
    let folder = Folder::new();
    let text = folder
        .read("experiments/small.toml")
        .replace("repeats", "repeat");
    folder.write("experiments/small.toml", &text);
    let ran = folder
        .gridrun(&["doctor", "experiments/small.toml"])
        .ends_with_code(2);
    assert!(ran.err.contains("did you mean `repeats`?"), "{}", ran.err);
    assert_eq!(ran.out, "");
}
