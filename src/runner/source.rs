//! One source of readings on a task of its own: asked by the beat, never waited for longer than
//! the beat allows, and never asked twice while it still looks for its first answer.
//!
//! Some are slow by nature: older Docker daemons answer when their own beat of a second comes
//! round, and a busy engine makes its page when it finds the time. What they say late belongs to
//! the next sample, and they are asked ahead of it.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::measure::sample::{
    ContainerReading, EngineGauges, GpuReading, HostReading, Owner, Timed,
};
use crate::runner::meter::{EngineMeter, GaugeMeter, Gpu, Host};

/// The oldest reading that a sample may have, and how long a source is asked ahead for nobody.
const FRESH: Duration = Duration::from_secs(2);

/// What becomes of an answer for which nobody waits any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Late {
    /// It tells of another state than the one that the next sample is marked with.
    Drop,
    Keep,
}

/// Asks a task. The task ends when nobody can ask it any more.
#[derive(Debug)]
pub(super) struct Source<T> {
    questions: mpsc::Sender<oneshot::Sender<Timed<T>>>,
    kept: Arc<Mutex<Kept<T>>>,
    origin: Instant,
}

#[derive(Debug)]
struct Kept<T> {
    is_busy: bool,
    asked_at: Instant,
    /// What was said too late.
    reading: Option<Timed<T>>,
}

impl<T> Clone for Source<T> {
    fn clone(&self) -> Self {
        Self {
            questions: self.questions.clone(),
            kept: Arc::clone(&self.kept),
            origin: self.origin,
        }
    }
}

impl<T: Send + 'static> Source<T> {
    fn spawn<L, F>(origin: Instant, late: Late, mut look: L) -> Self
    where
        L: FnMut() -> F + Send + 'static,
        F: Future<Output = Option<T>> + Send,
    {
        let (questions, mut asked) = mpsc::channel::<oneshot::Sender<Timed<T>>>(1);
        let kept = Arc::new(Mutex::new(Kept {
            is_busy: false,
            asked_at: origin,
            reading: None,
        }));
        let here = Arc::clone(&kept);
        tokio::spawn(async move {
            while let Some(answer) = asked.recv().await {
                lock(&here).is_busy = true;
                let mut answer = Some(answer);
                while let Some(reading) = look().await {
                    let timed = Timed {
                        at_ns: nanos_since(origin),
                        reading,
                    };
                    let unheard = match answer.take() {
                        Some(answer) => answer.send(timed).err(),
                        None => Some(timed),
                    };
                    let mut here = lock(&here);
                    match (unheard, late) {
                        (Some(timed), Late::Keep) if here.asked_at.elapsed() <= FRESH => {
                            here.reading = Some(timed);
                        }
                        _ => break,
                    }
                }
                lock(&here).is_busy = false;
            }
        });
        Self {
            questions,
            kept,
            origin,
        }
    }

    /// `None` when it is still busy, has nothing to say, or takes longer than `patience`.
    pub async fn ask(&self, patience: Duration) -> Option<Timed<T>> {
        let (is_busy, kept) = {
            let mut kept = lock(&self.kept);
            kept.asked_at = Instant::now();
            (kept.is_busy, kept.reading.take())
        };
        let fresh = u64::try_from(FRESH.as_nanos()).unwrap_or(u64::MAX);
        let oldest = nanos_since(self.origin).saturating_sub(fresh);
        let kept = kept.filter(|kept| kept.at_ns >= oldest);
        if is_busy {
            return kept;
        }
        let (answer, answered) = oneshot::channel();
        self.questions.try_send(answer).ok()?;
        match kept {
            // What is asked now is for the next sample.
            Some(kept) => Some(kept),
            None => tokio::time::timeout(patience, answered).await.ok()?.ok(),
        }
    }
}

fn nanos_since(origin: Instant) -> u64 {
    u64::try_from(origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

fn lock<T>(kept: &Mutex<Kept<T>>) -> MutexGuard<'_, Kept<T>> {
    // A panic elsewhere leaves it whole: nothing is half done under the lock.
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn host(host: Arc<dyn Host>, origin: Instant) -> Source<HostReading> {
    Source::spawn(origin, Late::Drop, move || {
        std::future::ready(Some(host.read()))
    })
}

pub(super) fn engine(meter: Arc<dyn EngineMeter>, origin: Instant) -> Source<ContainerReading> {
    Source::spawn(origin, Late::Keep, move || {
        let meter = Arc::clone(&meter);
        async move { meter.read().await }
    })
}

pub(super) fn gauges(meter: Arc<dyn GaugeMeter>, origin: Instant) -> Source<EngineGauges> {
    Source::spawn(origin, Late::Keep, move || {
        let meter = Arc::clone(&meter);
        async move { meter.read().await }
    })
}

/// The cards, with the owners of the processes on them. Without cards there is nothing to say.
pub(super) fn cards(
    gpu: Arc<dyn Gpu>,
    engine: Arc<dyn EngineMeter>,
    origin: Instant,
) -> Source<Vec<Option<GpuReading>>> {
    let owners = Arc::new(tokio::sync::Mutex::new(HashMap::new()));
    Source::spawn(origin, Late::Drop, move || {
        let (gpu, engine, owners) = (Arc::clone(&gpu), Arc::clone(&engine), Arc::clone(&owners));
        async move {
            let mut readings = tokio::task::spawn_blocking(move || gpu.read()).await.ok()?;
            if readings.is_empty() {
                return None;
            }
            let mut owners = owners.lock().await;
            for process in readings
                .iter_mut()
                .flatten()
                .flat_map(|reading| reading.processes.iter_mut().flatten())
            {
                process.owner = owner(&mut owners, engine.as_ref(), process.pid).await;
            }
            Some(readings)
        }
    })
}

/// Whose a process is does not change, once it is known: it is asked once.
async fn owner(known: &mut HashMap<u32, Owner>, engine: &dyn EngineMeter, pid: u32) -> Owner {
    if let Some(owner) = known.get(&pid) {
        return *owner;
    }
    let owner = match engine.owns(pid).await {
        Some(true) => Owner::Engine,
        Some(false) => Owner::Stranger,
        None => return Owner::Unknown,
    };
    known.insert(pid, owner);
    owner
}
