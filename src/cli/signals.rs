//! Ctrl-C, SIGTERM and a closed terminal as the user's wish to stop.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::runner::cancel::Cancel;

/// Listens from now on; every signal is passed on as one wish.
///
/// # Errors
/// When the process may not listen.
pub(super) fn listen(cancel: Cancel) -> std::io::Result<()> {
    let mut signals = vec![
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    ];
    // Under nohup a closed terminal is nobody's wish.
    if !hangup_is_ignored() {
        signals.push(signal(SignalKind::hangup())?);
    }
    for signal in signals {
        tokio::spawn(pass_on(signal, cancel.clone()));
    }
    Ok(())
}

async fn pass_on(mut signal: Signal, cancel: Cancel) {
    while signal.recv().await.is_some() {
        cancel.ask();
    }
}

/// Whether this process was started with SIGHUP ignored: bit 0 of the mask in /proc.
fn hangup_is_ignored() -> bool {
    std::fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| {
            let mask = status
                .lines()
                .find_map(|line| line.strip_prefix("SigIgn:"))?;
            u64::from_str_radix(mask.trim(), 16).ok()
        })
        .is_some_and(|mask| mask & 1 == 1)
}
