//! One source of readings on a task of its own: asked by the beat, never waited for longer than
//! the beat allows, and never asked twice while it still looks for its first answer.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::measure::sample::{
    ContainerReading, EngineGauges, GpuReading, HostReading, Owner, Timed,
};
use crate::runner::meter::{EngineMeter, GaugeMeter, Gpu, Host};

/// Asks a task. The task ends when nobody can ask it any more.
#[derive(Debug)]
pub(super) struct Source<T> {
    questions: mpsc::Sender<oneshot::Sender<Timed<T>>>,
}

impl<T> Clone for Source<T> {
    fn clone(&self) -> Self {
        Self {
            questions: self.questions.clone(),
        }
    }
}

impl<T: Send + 'static> Source<T> {
    fn spawn<L, F>(origin: Instant, mut look: L) -> Self
    where
        L: FnMut() -> F + Send + 'static,
        F: Future<Output = Option<T>> + Send,
    {
        let (questions, mut asked) = mpsc::channel::<oneshot::Sender<Timed<T>>>(1);
        tokio::spawn(async move {
            while let Some(answer) = asked.recv().await {
                // Asked while it was busy, by somebody who has stopped waiting.
                if answer.is_closed() {
                    continue;
                }
                if let Some(reading) = look().await {
                    let at = origin.elapsed().as_nanos();
                    let at_ns = u64::try_from(at).unwrap_or(u64::MAX);
                    // Too late is nobody's loss.
                    let _ = answer.send(Timed { at_ns, reading });
                }
            }
        });
        Self { questions }
    }

    /// `None` when it is still busy, has nothing to say, or takes longer than `patience`.
    pub async fn ask(&self, patience: Duration) -> Option<Timed<T>> {
        let (answer, answered) = oneshot::channel();
        self.questions.try_send(answer).ok()?;
        tokio::time::timeout(patience, answered).await.ok()?.ok()
    }
}

pub(super) fn host(host: Arc<dyn Host>, origin: Instant) -> Source<HostReading> {
    Source::spawn(origin, move || std::future::ready(Some(host.read())))
}

pub(super) fn engine(meter: Arc<dyn EngineMeter>, origin: Instant) -> Source<ContainerReading> {
    Source::spawn(origin, move || {
        let meter = Arc::clone(&meter);
        async move { meter.read().await }
    })
}

pub(super) fn gauges(meter: Arc<dyn GaugeMeter>, origin: Instant) -> Source<EngineGauges> {
    Source::spawn(origin, move || {
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
    Source::spawn(origin, move || {
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
