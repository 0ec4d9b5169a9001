//! Ctrl-C and SIGTERM as the user's wish to stop.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::runner::cancel::Cancel;

/// Listens from now on; every signal is passed on as one wish.
///
/// # Errors
/// When the process may not listen.
pub(super) fn listen(cancel: Cancel) -> std::io::Result<()> {
    let mut interrupts = signal(SignalKind::interrupt())?;
    let mut terms = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        while next(&mut interrupts, &mut terms).await {
            cancel.ask();
        }
    });
    Ok(())
}

async fn next(interrupts: &mut Signal, terms: &mut Signal) -> bool {
    tokio::select! {
        got = interrupts.recv() => got.is_some(),
        got = terms.recv() => got.is_some(),
    }
}
