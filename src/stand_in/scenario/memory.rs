//! Memory of the host that is really taken, until the kernel kills whoever takes it.

use std::fs::File;
use std::io::Read;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::oneshot;

use crate::spec::scenario::Victim;

/// The exit code of a process that SIGKILL ended, as a shell and Docker tell it. Process 1 of a
/// container cannot send itself that signal.
pub const KILLED: i32 = 137;

/// Makes a stand-in a child that does nothing but take so many bytes.
const TAKE: &str = "--stand-in-take=";

/// Large, because an engine at its limit crawls: it is killed within one of these steps.
const STEP: u64 = 64 << 20;

/// Docker learns of a kernel's kill from the control group, not from whom it hit: an engine that
/// ended at once would be gone before.
const DOCKER_LEARNS_WITHIN: Duration = Duration::from_millis(500);

/// So many bytes with something in every page, so that the kernel must back them; `None` if
/// they cannot be had. The kernel writes them itself: a process whose own pages were dropped at
/// its limit would crawl.
pub fn take(bytes: u64) -> Option<Vec<u8>> {
    let mut memory = Vec::new();
    memory
        .try_reserve_exact(usize::try_from(bytes).ok()?)
        .ok()?;
    let zeros = File::open("/dev/zero").ok()?;
    zeros.take(bytes).read_to_end(&mut memory).ok()?;
    Some(memory)
}

/// [`take`] in a thread of its own, so that the engine can be told to stop meanwhile.
pub async fn take_aside(bytes: u64) -> Option<Vec<u8>> {
    let (sender, taken) = oneshot::channel();
    std::thread::spawn(move || sender.send(take(bytes)));
    taken.await.ok().flatten()
}

/// Takes memory until the kernel kills the engine or its child, at most `up_to` bytes. Returns
/// when the child is dead, or when nobody was killed.
pub async fn exhaust(victim: Victim, up_to: u64) {
    match victim {
        Victim::Engine => {
            let mut taken = Vec::new();
            let mut left = up_to;
            while left > 0 {
                let step = left.min(STEP);
                let Some(memory) = take_aside(step).await else {
                    return;
                };
                taken.push(memory);
                left -= step;
            }
        }
        Victim::Worker => {
            let child = Command::new("/proc/self/exe")
                .args(["stand-in", "serve", &format!("{TAKE}{up_to}")])
                .stdin(Stdio::null())
                .kill_on_drop(true)
                .spawn();
            if let Ok(mut child) = child {
                // However it ended, it is gone.
                let _ = child.wait().await;
            }
            tokio::time::sleep(DOCKER_LEARNS_WITHIN).await;
        }
    }
}

/// The bytes that this process is a child to take, if it is one.
pub fn as_child(args: &[String]) -> Option<u64> {
    let [only] = args else { return None };
    only.strip_prefix(TAKE)?.parse().ok()
}

/// The whole life of such a child: its exit code, if nobody kills it.
pub async fn live_as_child(bytes: u64) -> i32 {
    // The kernel is to choose it and not its parent. Without the right to ask for that, its
    // size makes it likely.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    exhaust(Victim::Engine, bytes).await;
    KILLED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_that_one_argument_makes_a_child() {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(as_child(&words("--stand-in-take=4096")), Some(4096));
        assert_eq!(as_child(&words("m --stand-in-take=4096")), None);
        assert_eq!(as_child(&words("--stand-in-take=x")), None);
    }
}
