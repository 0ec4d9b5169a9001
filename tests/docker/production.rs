//! The guard over production: a real container stands for it, and is there again whatever ends
//! the run. A stand-in serves in it, and the engines of the runs are the same image by name.

use std::os::unix::process::ExitStatusExt;

use serde_json::{Value, json};

use crate::bench::{Bench, FILE, PROFILE};
use crate::daemon::Daemon;
use crate::folder::{Ran, eventually};
use crate::program::{Program, is_measuring};
use crate::turn;

const KEY: (&str, &str) = ("PRODUCTION_KEY", "sk-of-production");

/// A bench with a production beside it, which is removed with it.
struct House {
    bench: Bench,
    name: String,
    id: String,
}

impl House {
    fn set_up() -> Option<Self> {
        let bench = Bench::set_up()?;
        let made = bench
            .folder
            .gridrun(&["stand-in", "image"])
            .ends_with_code(0);
        let image = made.out.trim().to_owned();
        bench.edit(PROFILE, "nowhere.invalid/none:1", &image);
        let port = free_port();
        let name = format!("gridrun-test-production-{port}");
        let production = format!(
            "[production]\ncontainer = \"{name}\"\nurl = \"http://127.0.0.1:{port}\"\n\
             api-key-env = \"{}\"\n[stand-in]",
            KEY.0
        );
        bench.edit(PROFILE, "[stand-in]", &production);
        let body = json!({
            "Image": image,
            "Cmd": ["production/model", "--host", "127.0.0.1", "--port", port.to_string()],
            "Env": [format!("VLLM_API_KEY={}", KEY.1)],
            "HostConfig": { "NetworkMode": "host" },
        });
        let id = bench.daemon.start(&name, &body);
        let house = Self { bench, name, id };
        assert!(eventually(|| serves(port)), "production never served");
        Some(house)
    }

    fn gridrun(&self, args: &[&str]) -> Ran {
        self.bench.folder.gridrun_with(args, &[KEY])
    }

    fn start(&self, args: &[&str]) -> Program {
        Program::new(self.bench.folder.spawn_with(args, &[KEY]))
    }

    fn daemon(&self) -> &Daemon {
        &self.bench.daemon
    }

    fn runs(&self) -> bool {
        self.daemon().look(&self.id)["State"]["Running"] == true
    }

    fn promises(&self) -> usize {
        let folder = self.bench.folder.path().join("state");
        let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
        files
            .filter(|file| {
                file.path()
                    .extension()
                    .is_some_and(|ending| ending == "json")
            })
            .count()
    }

    /// What the journal says became of it.
    fn returned(&self) -> Value {
        let mut events = self.bench.events();
        events.retain(|event| event["event"] == "production-returned");
        events.pop().unwrap_or_default()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = self.daemon().remove(&self.id);
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn serves(port: u16) -> bool {
    use std::io::{Read, Write};
    let Ok(mut stream) = std::net::TcpStream::connect(("127.0.0.1", port)) else {
        return false;
    };
    let mut answer = String::new();
    write!(stream, "GET /health HTTP/1.0\r\nHost: p\r\n\r\n").is_ok()
        && stream.read_to_string(&mut answer).is_ok()
        && answer.contains("200")
}

#[test]
fn production_is_away_while_the_engines_run_and_healthy_afterwards() {
    let _together = turn::together();
    let Some(house) = House::set_up() else { return };
    let before = house.daemon().look(&house.id);
    let mut program = house.start(&["run", FILE]);
    program.freeze_when(&house.bench, is_measuring);
    assert!(!house.runs());
    assert_eq!(house.promises(), 1);
    program.thaw();
    assert_eq!(program.end().code(), Some(0));
    assert!(house.runs());
    assert_eq!(house.promises(), 0);
    assert_eq!(house.returned()["return"], "healthy");
    let after = house.daemon().look(&house.id);
    assert_eq!(
        before["Created"], after["Created"],
        "it is the same container"
    );
    assert!(house.bench.report().contains("serves again, healthy"));
    let run = std::fs::read_to_string(house.bench.run().join("run.json")).unwrap();
    assert!(!run.contains(KEY.1), "the production key is in no file");
}

#[test]
fn ctrl_c_gives_production_back() {
    let _together = turn::together();
    let Some(house) = House::set_up() else { return };
    let mut program = house.start(&["run", FILE]);
    program.freeze_when(&house.bench, is_measuring);
    program.interrupt();
    program.thaw();
    let status = program.end();
    assert_eq!((status.code(), status.signal()), (Some(130), None));
    assert!(house.runs());
    assert_eq!(house.promises(), 0);
}

#[test]
fn after_a_kill_restore_clears_the_engine_away_and_gives_production_back() {
    let _alone = turn::alone();
    let Some(house) = House::set_up() else { return };
    let mut program = house.start(&["run", FILE]);
    program.freeze_when(&house.bench, is_measuring);
    program.kill();
    assert!(!house.runs());
    let restored = house.gridrun(&["restore"]).ends_with_code(0);
    assert!(restored.out.contains("serves again"), "{}", restored.out);
    assert!(house.runs());
    assert_eq!(house.promises(), 0);
    assert_eq!(house.bench.containers().len(), 0);
    let nothing = house.gridrun(&["restore"]).ends_with_code(0);
    assert!(
        nothing.out.contains("no production waits"),
        "{}",
        nothing.out
    );
}

#[test]
fn after_a_kill_the_next_run_keeps_the_promise_whatever_it_runs() {
    let _alone = turn::alone();
    let Some(house) = House::set_up() else { return };
    let mut program = house.start(&["run", FILE]);
    program.freeze_when(&house.bench, is_measuring);
    program.kill();
    let args = ["rehearse", "--runtime", "process", "experiments/small.toml"];
    house.gridrun(&args).ends_with_code(0);
    assert!(house.runs());
    assert_eq!(house.promises(), 0);
}

#[test]
fn a_run_yields_when_production_is_started_by_other_hands() {
    let _together = turn::together();
    let Some(house) = House::set_up() else { return };
    // Long enough to be noticed.
    house.bench.edit(FILE, "iterations = 3", "iterations = 300");
    let mut program = house.start(&["run", FILE]);
    program.freeze_when(&house.bench, is_measuring);
    house.daemon().order(&house.id, "start");
    program.thaw();
    assert_eq!(program.end().code(), Some(7));
    assert!(house.runs());
    assert_eq!(house.returned()["return"], "by-other-hands");
    let events = house.bench.events();
    let ended = events
        .iter()
        .find(|event| event["event"] == "run-ended")
        .unwrap();
    let because = ended["ending"]["because"].as_str().unwrap();
    assert!(because.contains("by other hands"), "{because}");
    assert_eq!(house.bench.containers().len(), 0);
}

#[test]
fn what_was_stopped_stays_stopped_and_what_is_broken_is_not_touched() {
    let _together = turn::together();
    let Some(house) = House::set_up() else { return };
    let wrong = house
        .bench
        .folder
        .gridrun_with(&["run", FILE], &[(KEY.0, "sk-wrong")])
        .ends_with_code(5);
    assert!(wrong.err.contains("nothing was stopped"), "{}", wrong.err);
    assert!(house.runs());
    let unset = house.bench.folder.gridrun(&["run", FILE]).ends_with_code(2);
    assert!(unset.err.contains(KEY.0), "{}", unset.err);
    house.daemon().order(&house.id, "stop");
    house.gridrun(&["run", FILE]).ends_with_code(0);
    assert!(!house.runs());
    assert_eq!(house.returned()["return"], "left-stopped");
}

#[test]
fn a_production_that_does_not_come_back_is_the_loudest_line_and_an_exit_code() {
    let _together = turn::together();
    let Some(house) = House::set_up() else { return };
    let mut program = house.start(&["run", FILE]);
    program.freeze_when(&house.bench, is_measuring);
    house.daemon().remove(&house.id).unwrap();
    program.thaw();
    assert_eq!(program.end().code(), Some(9));
    let report = house.bench.report();
    let first = report.lines().next().unwrap();
    assert!(first.contains("IS DOWN"), "{first}");
    assert!(first.contains(&house.name), "{first}");
    assert_eq!(house.promises(), 1, "restore may still be asked");
    house.gridrun(&["restore"]).ends_with_code(9);
}
