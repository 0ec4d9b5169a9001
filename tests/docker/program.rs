//! The program at work, stopped in the middle of what it does.

use std::process::{Child, ExitStatus};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use serde_json::Value;

use crate::bench::Bench;
use crate::daemon::Container;
use crate::folder::{eventually, wait};

/// Killed when it is dropped, so that a failed test leaves none.
pub struct Program {
    child: Child,
}

impl Program {
    pub fn new(child: Child) -> Self {
        Self { child }
    }

    /// Freezes it when `is_moment` holds of its journal and its containers: whatever a test
    /// does then, it does at that moment. The engines go on.
    #[track_caller]
    pub fn freeze_when(
        &mut self,
        bench: &Bench,
        is_moment: impl Fn(&[Value], &[Container]) -> bool,
    ) {
        let holds = || is_moment(&bench.events(), &bench.containers());
        let frozen = eventually(|| {
            assert!(
                self.child.try_wait().unwrap().is_none(),
                "it ended before its moment came"
            );
            if !holds() {
                return false;
            }
            // It went on while it was looked at, so that the moment may have passed.
            self.freeze();
            holds() || {
                self.thaw();
                false
            }
        });
        assert!(frozen, "the moment never came");
    }

    fn freeze(&self) {
        self.signal(Signal::STOP);
        let ended_or_stopped =
            WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(self.pid()), ended_or_stopped).unwrap();
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// As Ctrl-C does.
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// As `kill -9` does.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end.
    pub fn end(mut self) -> ExitStatus {
        wait(&mut self.child)
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A moment: a node runs against an engine that serves.
pub fn is_measuring(events: &[Value], containers: &[Container]) -> bool {
    let in_node = events
        .last()
        .is_some_and(|event| event["event"] == "node-started");
    in_node && containers.iter().any(|container| container.is_running)
}

/// How many attempts have settled.
pub fn n_settled(events: &[Value]) -> usize {
    events
        .iter()
        .filter(|event| event["event"] == "attempt-settled")
        .count()
}

/// The phase of the last attempt; empty before the first has one.
pub fn phase(events: &[Value]) -> &str {
    events
        .iter()
        .rev()
        .find(|event| event["event"] == "attempt-phase")
        .and_then(|event| event["phase"].as_str())
        .unwrap_or_default()
}
