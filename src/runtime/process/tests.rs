//! Child processes for real: `/bin/sh` in the place of the stand-in.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::runner::ports::{Engine, Launch, Runtime, StopMode};
use crate::runtime::engine_spec::EngineSpec;
use crate::runtime::engine_spec::tests::{launch, profile};
use crate::runtime::lock::Sweeper;
use crate::runtime::process::sweep::{self, ATTEMPT_MARK, LOCK_MARK, RUN_MARK};
use crate::runtime::process::{ProcessEngine, ProcessRuntime, Program};

/// A runtime whose engine is a shell script. Its lock is held while this lives, so that no
/// other test's sweep takes its processes for leftovers.
struct Shell {
    folder: TempDir,
    _lock: File,
    runtime: ProcessRuntime,
}

impl Shell {
    fn running(script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lock_path = folder.path().join("lock");
        let lock = File::create(&lock_path).unwrap();
        lock.lock().unwrap();
        let program = Program {
            path: PathBuf::from("/bin/sh"),
            leading: vec!["-c".into(), script.into(), "stand-in".into()],
        };
        let spec = EngineSpec::rehearsal(&profile(), vec![], lock_path);
        Self {
            folder,
            _lock: lock,
            runtime: ProcessRuntime::with_program(spec, program),
        }
    }

    fn launch(&self) -> Launch {
        launch(&self.folder.path().join("engine.log"))
    }

    async fn start(&self) -> ProcessEngine {
        self.runtime.start(&self.launch()).await.unwrap()
    }
}

/// Waits until the engine has said something; what it says does not depend on time.
async fn until_it_says(engine: &ProcessEngine, words: &str) {
    while !engine.log().contains(words) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn the_log_is_whole_in_order_and_without_the_key_and_the_exit_code_is_kept() {
    let shell = Shell::running("echo \"$@\"; echo key $VLLM_API_KEY >&2; echo last; exit 3");
    let mut engine = shell.start().await;
    engine.exited().await.unwrap();
    engine.exited().await.unwrap();
    let port = engine
        .base_url()
        .strip_prefix("http://127.0.0.1:")
        .unwrap()
        .to_owned();
    let end = engine.stop(StopMode::Kill).await.unwrap().end;
    assert!(end.by_itself);
    assert_eq!(end.exit_code, Some(3));
    assert_eq!(end.oom_killed, None);
    let log = std::fs::read_to_string(shell.launch().log_path).unwrap();
    assert_eq!(
        log,
        format!(
            "Qwen/Qwen3-32B-AWQ --max-num-seqs 32 --host 127.0.0.1 --port {port} \
             --stand-in-exit-with-stdin\nkey [hidden]\nlast\n"
        )
    );
}

#[tokio::test]
async fn a_graceful_stop_lets_the_engine_say_its_last_words() {
    let shell =
        Shell::running("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.02; done");
    let engine = shell.start().await;
    until_it_says(&engine, "up").await;
    let end = engine
        .stop(StopMode::Gracefully(Duration::from_secs(30)))
        .await
        .unwrap()
        .end;
    assert!(!end.by_itself);
    assert_eq!(end.exit_code, Some(0));
    assert!(end.peak_memory.is_some_and(|bytes| bytes > 0));
    assert_eq!(
        std::fs::read_to_string(shell.launch().log_path).unwrap(),
        "up\nbye\n"
    );
}

#[tokio::test]
async fn an_engine_that_ignores_sigterm_is_killed_with_its_children() {
    let shell = Shell::running("trap '' TERM; sleep 600 & echo $! is the child; wait; wait");
    let engine = shell.start().await;
    until_it_says(&engine, "is the child").await;
    let child = engine.log().split_whitespace().next().unwrap().to_owned();
    let end = engine
        .stop(StopMode::Gracefully(Duration::from_millis(50)))
        .await
        .unwrap()
        .end;
    assert_eq!(end.exit_code, Some(137));
    let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
    assert!(
        stat.is_empty() || stat.contains(") Z "),
        "the child still runs: {stat}"
    );
}

#[tokio::test]
async fn the_engine_ends_with_gridrun_by_its_standard_input() {
    let shell = Shell::running("echo up; cat; echo input ended; exit 5");
    let mut engine = shell.start().await;
    until_it_says(&engine, "up").await;
    tokio::select! {
        _ = engine.exited() => panic!("waiting must not close the engine's input"),
        () = tokio::time::sleep(Duration::from_millis(50)) => {}
    }
    let end = engine.stop(StopMode::Kill).await.unwrap().end;
    assert_eq!(end.exit_code, Some(137));
    assert!(!end.by_itself);
}

#[tokio::test]
async fn a_program_that_is_not_there_is_the_hosts_fault() {
    let mut shell = Shell::running("");
    let program = Program {
        path: PathBuf::from("/nowhere/gridrun"),
        leading: vec![],
    };
    let spec = EngineSpec::rehearsal(&profile(), vec![], shell.folder.path().join("lock"));
    shell.runtime = ProcessRuntime::with_program(spec, program);
    let error = shell.runtime.start(&shell.launch()).await.unwrap_err();
    assert_eq!(error.to_string(), "/nowhere/gridrun could not be started");
    assert!(shell.runtime.prepare().await.is_err());
}

/// A process with the marks of a run whose lock is `lock`, in a group of its own.
fn leave_behind(lock: &Path) -> std::process::Child {
    Command::new("/bin/sleep")
        .arg("600")
        .env(RUN_MARK, "run")
        .env(ATTEMPT_MARK, "cell-1")
        .env(LOCK_MARK, lock)
        .process_group(0)
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn a_sweep_kills_what_dead_runs_left_and_spares_the_living() {
    let folder = tempfile::tempdir().unwrap();
    let alive_lock = folder.path().join("alive");
    let held = File::create(&alive_lock).unwrap();
    held.lock().unwrap();
    let own_lock = folder.path().join("own");
    let own_held = File::create(&own_lock).unwrap();
    own_held.lock().unwrap();
    let dead_lock = folder.path().join("dead");
    File::create(&dead_lock).unwrap();
    let mut dead = leave_behind(&dead_lock);
    let mut own = leave_behind(&own_lock);
    let mut alive = leave_behind(&alive_lock);

    let said = sweep::sweep(Path::new("/proc"), Sweeper::Run(&own_lock))
        .await
        .unwrap();

    let spared = alive.try_wait().unwrap();
    alive.kill().unwrap();
    alive.wait().unwrap();
    assert_eq!(spared, None);
    for (id, child) in [(dead.id(), &mut dead), (own.id(), &mut own)] {
        let line = format!("killed process {id} of attempt cell-1 of run run");
        assert!(said.contains(&line), "{said:?}");
        child.wait().unwrap();
    }
    assert!(
        !said
            .iter()
            .any(|line| line.contains(&alive.id().to_string())),
        "{said:?}"
    );
}
