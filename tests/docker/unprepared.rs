//! What is known to fail before the first start: it is named, nothing is blamed, and nothing is
//! left, not even a run directory.

use std::net::TcpListener;

use crate::bench::{Bench, FILE, PROFILE, boxed_folder, edit};
use crate::folder::{Folder, Ran};
use crate::turn;

/// The program's words, which are one line.
#[track_caller]
fn says(ran: &Ran, expected: &[&str]) {
    assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
    for words in expected {
        assert!(
            ran.err.contains(words),
            "`{words}` is missing in\n{}",
            ran.err
        );
    }
}

#[track_caller]
fn began_nothing(folder: &Folder) {
    assert!(!folder.path().join("results").exists());
}

#[test]
fn an_image_that_is_nowhere_is_named() {
    let _together = turn::together();
    let Some(bench) = Bench::set_up() else { return };
    // Where nobody listens any more, the registry is out of reach.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let image = format!("{}/none:1", nobody.local_addr().unwrap());
    drop(nobody);
    bench.edit(PROFILE, "nowhere.invalid/none:1", &image);
    let ran = bench.folder.gridrun(&["run", FILE]).ends_with_code(5);
    says(&ran, &[&image, "cannot be pulled", "docker pull"]);
    began_nothing(&bench.folder);
    assert_eq!(bench.containers().len(), 0);
}

#[test]
fn a_volume_that_is_not_there_is_named() {
    let _together = turn::together();
    let Some(bench) = Bench::set_up() else { return };
    let missing = bench.folder.path().join("models");
    let missing = missing.to_str().unwrap();
    bench.edit(
        PROFILE,
        "shm =",
        &format!("volumes = [{{ from = \"{missing}\", to = \"/models\" }}]\nshm ="),
    );
    let ran = bench.folder.gridrun(&["run", FILE]).ends_with_code(5);
    says(&ran, &[missing, "does not exist", "volumes"]);
    began_nothing(&bench.folder);
    assert!(
        !bench.folder.path().join("models").exists(),
        "a missing folder must not be made"
    );
}

#[test]
fn gpus_that_docker_cannot_hand_out_are_named() {
    let _together = turn::together();
    let Some(bench) = Bench::set_up() else { return };
    let made = bench
        .folder
        .gridrun(&["stand-in", "image"])
        .ends_with_code(0);
    bench.edit(PROFILE, "nowhere.invalid/none:1", made.out.trim());
    // No machine has the second.
    let mut wanted = vec!["[\"GPU-00000000-0000-0000-0000-000000000000\"]"];
    if bench.daemon.info()["Runtimes"].get("nvidia").is_none() {
        wanted.push("\"all\"");
    }
    let profile = bench.folder.read(PROFILE);
    for gpus in wanted {
        let with_gpus = profile.replace("shm =", &format!("gpus = {gpus}\nshm ="));
        bench.folder.write(PROFILE, &with_gpus);
        let ran = bench.folder.gridrun(&["run", FILE]).ends_with_code(5);
        says(
            &ran,
            &["no engine can be started with this profile", "GPUs"],
        );
        began_nothing(&bench.folder);
        assert_eq!(bench.containers().len(), 0, "of the probe");
    }
}

#[test]
fn a_variable_that_is_not_set_is_named() {
    let folder = boxed_folder();
    edit(
        &folder,
        PROFILE,
        "[stand-in]",
        "[engine.env]\nHF_TOKEN = { from-env = \"GRIDRUN_TEST_NOBODY_SETS_THIS\" }\n[stand-in]",
    );
    let ran = folder.gridrun(&["run", FILE]).ends_with_code(5);
    says(
        &ran,
        &["GRIDRUN_TEST_NOBODY_SETS_THIS", "not set", "set it"],
    );
    began_nothing(&folder);
}

#[test]
fn a_docker_that_is_not_there_is_one_sentence_with_what_to_do() {
    let folder = boxed_folder();
    let nowhere = [("DOCKER_HOST", "unix:///nonexistent.sock")];
    for args in [
        ["run", FILE].as_slice(),
        &["rehearse", FILE],
        &["stand-in", "image"],
    ] {
        let ran = folder.gridrun_with(args, &nowhere).ends_with_code(4);
        says(
            &ran,
            &["unix:///nonexistent.sock", "start it", "DOCKER_HOST"],
        );
        began_nothing(&folder);
    }
    // What is no container can be cleaned up nevertheless.
    let ran = folder.gridrun_with(&["clean"], &nowhere).ends_with_code(0);
    assert!(
        ran.out.contains("containers were not looked at"),
        "{}",
        ran.out
    );
}
