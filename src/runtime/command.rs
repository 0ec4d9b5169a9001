//! Commands of an experiment on the host, and what all runtimes share of running programs beside
//! an engine: bounded output with secrets replaced.

use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

use crate::runner::ports::{BesideError, OutsideCommand, ProgramEnd};
use crate::runtime::redact::Redactor;

/// Most of one output that is kept, in bytes: a result of `vllm bench serve` with every single
/// latency in it is below.
const KEPT_BYTES: usize = 4 << 20;

/// How long the output of a killed group is still read.
const DRAIN: Duration = Duration::from_secs(2);

/// Variables of gridrun's own environment that programs need to run at all.
pub const HANDED_DOWN: [&str; 6] = [
    "PATH",
    "HOME",
    "TMPDIR",
    "LANG",
    "LD_LIBRARY_PATH",
    "RUST_BACKTRACE",
];

/// One output, of which the end is kept, with secrets replaced.
#[derive(Debug)]
pub struct Kept {
    redactor: Redactor,
    bytes: Vec<u8>,
}

impl Kept {
    pub fn new(secrets: &[String]) -> Self {
        Self {
            redactor: Redactor::new(secrets),
            bytes: Vec::new(),
        }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend(self.redactor.push(bytes));
        // By halves, so that a long output is not moved with every piece.
        if self.bytes.len() > 2 * KEPT_BYTES {
            self.bytes.drain(..self.bytes.len() - KEPT_BYTES);
        }
    }

    pub fn finish(mut self) -> String {
        self.bytes.extend(self.redactor.finish());
        let from = self.bytes.len().saturating_sub(KEPT_BYTES);
        String::from_utf8_lossy(&self.bytes[from..]).into_owned()
    }
}

/// Kills a process group when it is dropped: whatever ends the wait, nothing stays.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // That nobody is left to be killed is no failure.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Runs a command as a child process in a process group of its own, which is killed with it.
///
/// # Errors
/// When it cannot be started.
pub async fn on_host(command: &OutsideCommand) -> Result<ProgramEnd, BesideError> {
    let (program, arguments) = command.arguments.split_first().ok_or_else(|| BesideError {
        because: "there is no program".to_owned(),
    })?;
    let cannot = |error: std::io::Error| BesideError {
        because: format!("{program} cannot be started: {error}"),
    };
    let mut child = Command::new(program);
    child
        .args(arguments)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    for name in HANDED_DOWN {
        if let Some(value) = std::env::var_os(name) {
            child.env(name, value);
        }
    }
    child.envs(command.env.iter().map(|(name, value)| (name, value)));
    let mut child = child.spawn().map_err(cannot)?;
    let id = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    let group = Group(id);
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let mut kept = (Kept::new(&command.secrets), Kept::new(&command.secrets));
    let (status, timed_out) = {
        let reading = async {
            tokio::join!(read(out, &mut kept.0), read(err, &mut kept.1));
        };
        tokio::pin!(reading);
        let all_read = AtomicBool::new(false);
        let waiting = async {
            tokio::select! {
                status = child.wait() => status,
                () = async {
                    (&mut reading).await;
                    all_read.store(true, Ordering::Relaxed);
                    std::future::pending().await
                } => unreachable!("it never ends"),
            }
        };
        let waited = tokio::time::timeout(command.timeout, waiting).await;
        drop(group);
        // What the group left in its pipes; somebody who left the group may hold them open.
        if !all_read.load(Ordering::Relaxed) {
            let _ = tokio::time::timeout(DRAIN, reading).await;
        }
        match waited {
            Ok(status) => (Some(status.map_err(cannot)?), false),
            Err(_) => (None, true),
        }
    };
    if timed_out {
        let _ = child.wait().await;
    }
    let output = command.output.as_ref().and_then(|path| {
        let bytes = std::fs::read(path).ok()?;
        let _ = std::fs::remove_file(path);
        let mut kept = Kept::new(&command.secrets);
        kept.push(&bytes);
        Some(kept.finish())
    });
    Ok(ProgramEnd {
        exit_code: status.and_then(|status| status.code()).map(i64::from),
        timed_out,
        out_of_memory: false,
        stdout: kept.0.finish(),
        stderr: kept.1.finish(),
        output,
    })
}

async fn read(stream: Option<impl AsyncRead + Unpin>, kept: &mut Kept) {
    let Some(mut stream) = stream else { return };
    let mut chunk = vec![0; 16 * 1024];
    while let Ok(n @ 1..) = stream.read(&mut chunk).await {
        kept.push(&chunk[..n]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::ports::CommandPlace;

    fn command(script: &str, timeout: Duration) -> OutsideCommand {
        OutsideCommand {
            arguments: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
            place: CommandPlace::Host,
            env: vec![("OPENAI_API_KEY".to_owned(), "sk-secret".to_owned())],
            timeout,
            output: None,
            secrets: vec!["sk-secret".to_owned()],
        }
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn its_end_and_its_words_come_back_without_secrets() {
        let script = "echo said $OPENAI_API_KEY; echo bad >&2; exit 3";
        let end = on_host(&command(script, LONG)).await.unwrap();
        assert_eq!((end.exit_code, end.timed_out), (Some(3), false));
        assert_eq!(
            (end.stdout.as_str(), end.stderr.as_str()),
            ("said [hidden]\n", "bad\n")
        );
        let missing = OutsideCommand {
            arguments: vec!["/nowhere/tool".to_owned()],
            ..command("", LONG)
        };
        let error = on_host(&missing).await.unwrap_err().to_string();
        assert!(
            error.starts_with("/nowhere/tool cannot be started"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn its_file_is_read_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.json").display().to_string();
        let with_output = OutsideCommand {
            output: Some(path.clone()),
            ..command(&format!("echo '{{}}' > {path}"), LONG)
        };
        let end = on_host(&with_output).await.unwrap();
        assert_eq!(end.output.as_deref(), Some("{}\n"));
        assert!(!std::path::Path::new(&path).exists());
    }

    #[tokio::test]
    async fn the_whole_group_is_killed_when_its_time_is_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pid").display().to_string();
        let script = format!("sleep 1000 & echo $! > {path}; echo begun; wait");
        let end = on_host(&command(&script, Duration::from_millis(500)))
            .await
            .unwrap();
        assert!(end.timed_out);
        assert_eq!(end.stdout, "begun\n");
        let pid: i32 = std::fs::read_to_string(&path)
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        let pid = Pid::from_raw(pid).unwrap();
        // A killed process is gone, or a zombie that waits for whoever inherits it.
        let mut looks = 0;
        while rustix::process::test_kill_process(pid).is_ok() && looks < 500 {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
            if stat.is_ok_and(|stat| stat.contains(") Z ")) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
            looks += 1;
        }
        assert!(looks < 500);
    }
}
