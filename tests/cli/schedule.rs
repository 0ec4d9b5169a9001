//! `gridrun schedule`: units of systemd, lines of cron.

use crate::folder::Folder;

const FILE: &str = "experiments/small.toml";

#[test]
fn units_are_shown_and_written_nowhere() {
    let folder = Folder::new();
    let ran = folder
        .gridrun(&[
            "schedule",
            FILE,
            "--at",
            "02:05",
            "--user",
            "--",
            "--challengers",
            "3",
        ])
        .ends_with_code(0);
    for expected in [
        "# gridrun-nightly-small.service",
        "# gridrun-nightly-small.timer",
        "# gridrun-restore.service",
        "OnCalendar=*-*-* 02:05:00",
        " nightly /",
        "experiments/small.toml --challengers 3\n",
        "WantedBy=default.target",
    ] {
        assert!(ran.out.contains(expected), "{expected}: {}", ran.out);
    }
    assert!(!ran.out.contains("docker.service"), "{}", ran.out);
    assert!(ran.out.contains(" restore\n"), "{}", ran.out);
}

#[test]
fn installing_writes_the_units_of_the_user_and_says_what_enables_them() {
    let folder = Folder::new();
    folder.write("night.env", "HOOK=https://example.invalid/hook\n");
    let config = folder.path().join("config");
    let args = [
        "schedule",
        FILE,
        "--at",
        "02:00",
        "--user",
        "--install",
        "--env-file",
        "night.env",
        "--",
        "--notify-env",
        "HOOK",
    ];
    let env = [("XDG_CONFIG_HOME", config.to_str().unwrap())];
    let ran = folder.gridrun_with(&args, &env).ends_with_code(0);
    let units = config.join("systemd/user");
    let mut written: Vec<String> = std::fs::read_dir(&units)
        .unwrap()
        .map(|unit| unit.unwrap().file_name().into_string().unwrap())
        .collect();
    written.sort();
    assert_eq!(
        written,
        [
            "gridrun-nightly-small.service",
            "gridrun-nightly-small.timer",
            "gridrun-restore.service"
        ]
    );
    let service = std::fs::read_to_string(units.join(&written[0])).unwrap();
    assert!(service.contains("EnvironmentFile=/"), "{service}");
    assert!(service.contains("--notify-env HOOK"), "{service}");
    assert!(service.contains("ExecStopPost="), "{service}");
    assert!(!service.contains("example.invalid"), "{service}");
    assert!(
        ran.out
            .contains("systemctl --user enable --now gridrun-nightly-small.timer"),
        "{}",
        ran.out
    );
}

#[test]
fn cron_has_a_line_for_the_night_and_one_for_the_boot() {
    let folder = Folder::new();
    let ran = folder
        .gridrun(&["schedule", FILE, "--at", "00:07", "--cron"])
        .ends_with_code(0);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines.len(), 2, "{}", ran.out);
    assert!(lines[0].starts_with("7 0 * * * cd /"), "{}", lines[0]);
    assert!(lines[0].ends_with(" restore"), "{}", lines[0]);
    assert!(lines[1].starts_with("@reboot /"), "{}", lines[1]);
}

#[test]
fn what_cannot_be_scheduled_is_refused() {
    let folder = Folder::new();
    let args = ["schedule", FILE, "--at", "25:00"];
    let ran = folder.gridrun(&args).ends_with_code(2);
    assert!(ran.err.contains("`25:00` is no time of day"), "{}", ran.err);
    let args = ["schedule", FILE, "--at", "02:00", "--env-file", "nowhere"];
    let ran = folder.gridrun(&args).ends_with_code(2);
    assert!(ran.err.contains("there is no file nowhere"), "{}", ran.err);
}
