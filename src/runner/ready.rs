//! Waits until an engine truly serves: a race between ready, exited, deadline and the user.
//!
//! The only place that makes a [`ReadyServer`].

use std::time::Duration;

use tokio::time::Instant;

use crate::runner::cancel::Cancel;
use crate::runner::ports::{Engine, Load, Probe, ReadyServer, RuntimeError, Target};
use crate::time_scale::TimeScale;

/// Pause between two looks, in the time of the engine. Short against any start (0.3 s for a stand-in, minutes for a
/// model), long enough not to be a load.
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// How the race ended.
#[derive(Debug)]
pub enum Readiness {
    Ready(ReadyServer),
    /// The engine ended by itself.
    Exited,
    /// The deadline passed. `because` is what the last look found; `healthy` tells whether
    /// `/health` was green.
    Deadline {
        because: String,
        healthy: bool,
    },
    Cancelled,
}

/// Looks again and again until one of the four has won. `timeout` is in the time of the engine,
/// which runs at `scale`.
///
/// # Errors
/// When the runtime can no longer say whether the engine lives.
pub async fn ready<E: Engine, L: Load>(
    engine: &mut E,
    load: &L,
    target: Target,
    timeout: Duration,
    scale: TimeScale,
    cancel: &Cancel,
) -> Result<Readiness, RuntimeError> {
    let deadline = Instant::now() + scale.patience(timeout);
    let mut last = ("nothing answered".to_owned(), false);
    // One future for the whole race: a runtime may need longer than a look to be sure of an end.
    let exited = engine.exited();
    tokio::pin!(exited);
    loop {
        let look = async {
            let probe = load.probe(&target).await;
            if probe != Probe::Ready {
                tokio::time::sleep(scale.pause(BETWEEN_LOOKS)).await;
            }
            probe
        };
        tokio::select! {
            biased;
            () = cancel.asked() => return Ok(Readiness::Cancelled),
            exited = &mut exited => return exited.map(|()| Readiness::Exited),
            () = tokio::time::sleep_until(deadline) => {
                let (because, healthy) = last;
                return Ok(Readiness::Deadline { because, healthy });
            }
            probe = look => match probe {
                Probe::Ready => return Ok(Readiness::Ready(ReadyServer::new(target, scale))),
                Probe::NotYet { because } => last = (because, false),
                Probe::HealthyOnly { because } => last = (because, true),
            },
        }
    }
}
