//! Carries out what the guard over production decides: takes it, watches that it stays away,
//! gives it back. Knows ports, not Docker.

use std::time::Duration;

use tokio::time::Instant;

use crate::guard::decide::{Next, Seen, give_back, is_back};
use crate::guard::stay::{Return, Stay, Taken};
use crate::runner::cancel::Cancel;
use crate::runner::ports::{Probe, RuntimeError, StoreError};

/// Pause between two looks while production is stopped or started.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Pause between two looks whether production came back by other hands.
const WATCH_EVERY: Duration = Duration::from_secs(5);

/// What keeps production's container: starts it and stops it, and nothing else.
pub trait Keeper: Send + Sync {
    /// The container of this id or name; `None` where there is none.
    fn look(&self, whom: &str) -> impl Future<Output = Result<Option<Seen>, RuntimeError>> + Send;

    /// Stops it with its own stop timeout.
    fn stop(&self, container: &str) -> impl Future<Output = Result<(), RuntimeError>> + Send;

    fn start(&self, container: &str) -> impl Future<Output = Result<(), RuntimeError>> + Send;
}

/// Production as its users see it.
pub trait Front: Send + Sync {
    /// Requests in flight and waiting; `None` where it does not say.
    fn busy(&self) -> impl Future<Output = Option<u64>> + Send;

    /// Health, model, and one completion.
    fn probe(&self) -> impl Future<Output = Probe> + Send;
}

/// Where the promise is written down.
pub trait Records: Send + Sync {
    /// Durable when it returns.
    fn keep(&self, taken: &Taken) -> Result<(), StoreError>;

    fn forget(&self, taken: &Taken) -> Result<(), StoreError>;
}

/// What became of the attempt to take production.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Took {
    Stopped,
    /// The user wanted it otherwise; it still runs.
    Cancelled,
}

/// Production could not be taken; it serves as before, or was given back.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("production {name} could not be stopped; it runs")]
    NotStopped {
        name: String,
        #[source]
        source: RuntimeError,
    },
    /// It was stopped in part: the caller must give it back.
    #[error("nobody knows whether production {name} was stopped")]
    Unknown {
        name: String,
        #[source]
        source: RuntimeError,
    },
}

/// Writes the promise down, lets requests end for at most `drain`, and stops production.
///
/// # Errors
/// When the promise cannot be written, or production not be stopped.
pub async fn take(
    keeper: &impl Keeper,
    front: &impl Front,
    records: &impl Records,
    taken: &Taken,
    drain: Duration,
    cancel: &Cancel,
    say: &(dyn Fn(String) + Send + Sync),
) -> Result<Took, TakeError> {
    records.keep(taken)?;
    let name = &taken.name;
    let deadline = Instant::now() + drain;
    let mut told = false;
    while let Some(n @ 1..) = front.busy().await {
        if Instant::now() >= deadline {
            say(format!(
                "production {name} still has {n} requests after {} s: stopping it all the same",
                drain.as_secs()
            ));
            break;
        }
        if !told {
            told = true;
            say(format!("waiting for {n} requests of production {name}"));
        }
        tokio::select! {
            () = cancel.asked() => break,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
    if cancel.is_asked() {
        records.forget(taken)?;
        return Ok(Took::Cancelled);
    }
    say(format!("stopping production {name}"));
    let Err(source) = keeper.stop(&taken.container).await else {
        return Ok(Took::Stopped);
    };
    let name = name.clone();
    match keeper.look(&taken.container).await {
        Ok(Some(seen)) if is_back(Some(&seen), None) => {
            records.forget(taken)?;
            Err(TakeError::NotStopped { name, source })
        }
        _ => Err(TakeError::Unknown { name, source }),
    }
}

/// Returns when production runs although we have its GPUs. A daemon that does not answer says
/// nothing.
pub async fn comes_back(keeper: &impl Keeper, container: &str, name: &str) {
    loop {
        tokio::time::sleep(WATCH_EVERY).await;
        let by_id = keeper.look(container).await.ok().flatten();
        let by_name = keeper.look(name).await.ok().flatten();
        if is_back(by_id.as_ref(), by_name.as_ref()) {
            return;
        }
    }
}

/// Starts production and proves it healthy, within the patience of the record. The record is
/// forgotten only when it serves: whoever finds it tries again.
pub async fn restore(
    keeper: &impl Keeper,
    front: &impl Front,
    records: &impl Records,
    taken: &Taken,
    say: &(dyn Fn(String) + Send + Sync),
) -> Stay {
    let begun = Instant::now();
    let deadline = begun + taken.patience;
    let mut started = 0;
    let mut last = "it has not been looked at".to_owned();
    let outcome = loop {
        match step(keeper, taken, started).await {
            Err(because) => last = because,
            Ok(Next::Wait) => last = "Docker restarts it again and again".to_owned(),
            Ok(Next::GiveUp { because }) => break Return::Down { because },
            Ok(Next::Start { container }) => {
                started += 1;
                say(format!("starting production {}", taken.name));
                if let Err(error) = keeper.start(&container).await {
                    last = error.to_string();
                    if started >= 3 && !matches!(error, RuntimeError::Unreachable { .. }) {
                        break Return::Down { because: last };
                    }
                }
            }
            Ok(Next::Prove { by_other_hands }) => match front.probe().await {
                Probe::Ready if by_other_hands => break Return::ByOtherHands,
                Probe::Ready => {
                    break Return::Healthy {
                        took_ms: begun.elapsed().as_secs_f64() * 1e3,
                    };
                }
                Probe::NotYet { because } | Probe::HealthyOnly { because } => last = because,
            },
        }
        if Instant::now() >= deadline {
            let within = taken.patience.as_secs();
            break Return::Down {
                because: format!("not healthy within {within} s: {last}"),
            };
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    let stay = Stay {
        name: taken.name.clone(),
        stopped_at: Some(taken.at),
        outcome,
        settled_at: jiff::Timestamp::now(),
    };
    if !stay.is_down()
        && let Err(error) = records.forget(taken)
    {
        say(format!(
            "production serves, and its record could not be removed: {error}"
        ));
    }
    stay
}

async fn step(keeper: &impl Keeper, taken: &Taken, started: u32) -> Result<Next, String> {
    let by_id = keeper
        .look(&taken.container)
        .await
        .map_err(|error| error.to_string())?;
    let by_name = match &by_id {
        Some(_) => None,
        None => keeper
            .look(&taken.name)
            .await
            .map_err(|error| error.to_string())?,
    };
    Ok(give_back(taken, by_id.as_ref(), by_name.as_ref(), started))
}

#[cfg(test)]
mod tests;
