//! Waits until an engine truly serves, at its start or again: a race between ready, exited,
//! deadline and the user.
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

/// What became of an engine that was looked at.
#[derive(Debug)]
pub enum Looked {
    Serves,
    Exited,
    /// As in [`Readiness::Deadline`].
    Deadline {
        because: String,
        healthy: bool,
    },
    Cancelled,
}

/// Waits until a started engine serves. `timeout` is in the time of the engine, which runs at
/// `scale`.
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
    let looked = look(engine, load, &target, timeout, scale, cancel).await?;
    Ok(match looked {
        Looked::Serves => Readiness::Ready(ReadyServer::new(target, scale)),
        Looked::Exited => Readiness::Exited,
        Looked::Deadline { because, healthy } => Readiness::Deadline { because, healthy },
        Looked::Cancelled => Readiness::Cancelled,
    })
}

/// Looks again and again until one of the four has won.
///
/// # Errors
/// When the runtime can no longer say whether the engine lives.
pub async fn look<E: Engine, L: Load>(
    engine: &mut E,
    load: &L,
    target: &Target,
    timeout: Duration,
    scale: TimeScale,
    cancel: &Cancel,
) -> Result<Looked, RuntimeError> {
    let deadline = Instant::now() + scale.patience(timeout);
    let mut last = ("nothing answered".to_owned(), false);
    // One future for the whole race: a runtime may need longer than a look to be sure of an end.
    let exited = engine.exited();
    tokio::pin!(exited);
    loop {
        let look = async {
            let probe = load.probe(target).await;
            if probe != Probe::Ready {
                tokio::time::sleep(scale.pause(BETWEEN_LOOKS)).await;
            }
            probe
        };
        tokio::select! {
            biased;
            () = cancel.asked() => return Ok(Looked::Cancelled),
            exited = &mut exited => return exited.map(|()| Looked::Exited),
            () = tokio::time::sleep_until(deadline) => {
                return Ok(late(load, target, last, cancel).await);
            }
            probe = look => match probe {
                Probe::Ready => return Ok(Looked::Serves),
                Probe::NotYet { because } => last = (because, false),
                Probe::HealthyOnly { because } => last = (because, true),
            },
        }
    }
}

/// What to say at the deadline. The look that it cut short may have waited for a completion of
/// an engine whose `/health` turned green after the look before.
async fn late<L: Load>(load: &L, target: &Target, last: (String, bool), cancel: &Cancel) -> Looked {
    let (because, healthy) = last;
    if healthy {
        return Looked::Deadline { because, healthy };
    }
    tokio::select! {
        biased;
        () = cancel.asked() => Looked::Cancelled,
        healthy = load.is_healthy(target) => Looked::Deadline {
            because: match healthy {
                true => "/health is green, and no completion came in time".to_owned(),
                false => because,
            },
            healthy,
        },
    }
}
