//! `gridrun pack`: what a production that runs the champion needs around it.

use crate::folder::Folder;

const FILE: &str = "experiments/small.toml";

#[test]
fn a_champion_in_force_is_packed_and_nobody_else() {
    let folder = Folder::new();
    let nobody = folder.gridrun(&["pack", "small"]).ends_with_code(2);
    assert!(nobody.err.contains("gridrun promote RUN"), "{}", nobody.err);

    folder.gridrun(&[FILE]).ends_with_code(0);
    let run = folder.runs().remove(0);
    let args = ["promote", run.to_str().unwrap(), "--accept-leader"];
    folder.gridrun(&args).ends_with_code(0);
    let args = [
        "pack",
        "small",
        "--out",
        "around",
        "--job",
        "day",
        "--service",
        "chat",
    ];
    let ran = folder.gridrun(&args).ends_with_code(0);
    assert!(
        ran.out.contains("STAND-IN: around/alerts.yml"),
        "{}",
        ran.out
    );
    assert!(
        ran.out.contains("fewer than 8 comparable nights"),
        "{}",
        ran.out
    );
    let champion = folder.read("results/small/champion.toml");
    let champion: toml::Table = champion.parse().unwrap();
    let alerts = folder.read("around/alerts.yml");
    assert!(alerts.contains(r#"job=\"day\""#), "{alerts}");
    let compose = folder.read("around/compose.override.yml");
    assert!(compose.contains("\"chat\":"), "{compose}");
    let memory = champion["flags"]["gpu-memory-utilization"].to_string();
    assert!(compose.contains(&memory), "{memory}: {compose}");
    let dashboard = folder.read("around/dashboard.json");
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    assert!(!dashboard["panels"].as_array().unwrap().is_empty());
    // The run is there, and with it the whole command.
    assert!(
        folder
            .read("around/docker-run.sh")
            .starts_with("#!/bin/sh\n")
    );

    std::fs::rename(&run, folder.path().join("elsewhere")).unwrap();
    let ran = folder.gridrun(&["pack", "small"]).ends_with_code(0);
    assert!(ran.out.contains("docker-run.sh is left out"), "{}", ran.out);
}
