//! `gridrun plan`.

use crate::folder::Folder;

#[test]
fn a_plan_shows_cells_flags_with_their_origin_nodes_starts_and_time() {
    let folder = Folder::new();
    let ran = folder
        .gridrun(&["plan", "experiments/small.toml"])
        .ends_with_code(0);
    for expected in [
        "3 cells",
        "gpu-memory-utilization",
        "axis",
        "base",
        "--no-enable-prefix-caching",
        "kv-cache",
        "6 starts",
    ] {
        assert!(
            ran.out.contains(expected),
            "`{expected}` is missing in\n{}",
            ran.out
        );
    }
    assert!(!folder.path().join("results").exists());
}

#[test]
fn a_plan_for_machines_has_every_cell_with_its_id() {
    let folder = Folder::new();
    let ran = folder
        .gridrun(&["plan", "--format", "json", "experiments/small.toml"])
        .ends_with_code(0);
    let plan: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(plan["cells"].as_array().unwrap().len(), 3);
    assert_eq!(plan["n_starts"], 6);
    assert_eq!(plan["cells"][0]["id"].as_str().unwrap().len(), 12);
}

#[test]
fn a_cycle_is_shown_whole() {
    let folder = Folder::new();
    let text = folder.read("experiments/small.toml").replace(
        "[[objective]]",
        "after = [\"third\"]\n[[workload]]\nname = \"second\"\nkind = \"kv-cache\"\nafter = [\"kv-cache\"]\n\
         [[workload]]\nname = \"third\"\nkind = \"kv-cache\"\nafter = [\"second\"]\n[[objective]]",
    );
    folder.write("experiments/small.toml", &text);
    let ran = folder
        .gridrun(&["plan", "experiments/small.toml"])
        .ends_with_code(2);
    assert!(
        ran.err.contains("kv-cache -> second -> third -> kv-cache"),
        "{}",
        ran.err
    );
}

#[test]
fn a_plan_says_what_its_deadline_has_room_for() {
    let folder = Folder::new();
    let text = folder.read("experiments/small.toml");
    // Nothing was measured: a start of a stand-in and its node are assumed.
    for (deadline, expected) in [
        ("10h", "deadline 10 h 00 min: room for all of it"),
        (
            "1ms",
            "room for about 0 of 6 starts, so not every cell is started once",
        ),
    ] {
        let with = text.replace("seed = 7", &format!("seed = 7\ndeadline = \"{deadline}\""));
        folder.write("experiments/small.toml", &with);
        let ran = folder
            .gridrun(&["plan", "experiments/small.toml"])
            .ends_with_code(0);
        assert!(ran.out.contains(expected), "{}", ran.out);
    }
}
