//! The beat of an attempt: on every beat one sample of the cards, the host, the engine's
//! container and the engine's gauges, marked with the node and with what the engine does.
//!
//! It never holds up what is measured: it runs beside, asks every source on a task of its own, and
//! does without one that does not answer within the beat. What the samples mean is
//! `measure::profiling`'s business, where they go the attempt's.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

use crate::measure::activity::Activity;
use crate::measure::kind::stability::Drift;
use crate::measure::memory_course::{self, MemoryPoint};
use crate::measure::profiling::{Flaw, ProfilingBuilder};
use crate::measure::sample::{
    ContainerReading, CpuTime, EngineGauges, GpuReading, HostReading, InFlight, Sample, SamplePart,
    Timed, engine_cpu_pct, host_cpu_pct,
};
use crate::measure::thinned::Thinned;
use crate::runner::meter::{EngineMeter, GaugeMeter, Gpu, Host};
use crate::runner::source::{self, Source};
use crate::time_scale::TimeScale;

/// The longest that a sample waits for its sources, however long the beat is.
const PATIENCE: Duration = Duration::from_secs(1);

/// The engine's own gauges are read no more often than this, however short the beat is: the page
/// is made by the very loop that sends our tokens.
const GAUGES_AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// A part is full at so many samples: some megabytes.
const PART: usize = 10_000;

/// Memory of a node is remembered at so many instants, evenly spread, however long it takes.
const MEMORY_POINTS: usize = 4_000;

/// What is watched.
pub struct Watched {
    pub gpu: Arc<dyn Gpu>,
    pub host: Arc<dyn Host>,
    pub engine: Arc<dyn EngineMeter>,
}

/// Samples until it is finished or dropped.
pub struct Sampler {
    shared: Arc<Shared>,
    wishes: mpsc::Sender<oneshot::Sender<()>>,
    beating: JoinHandle<()>,
    origin: Instant,
}

/// What the beat and the attempt have in common.
struct Shared {
    held: Mutex<Held>,
    filled: Notify,
}

struct Held {
    profile: ProfilingBuilder,
    /// Samples that were not handed over yet.
    samples: Vec<Sample>,
    n_parts: u32,
    node: Option<String>,
    /// Of the node that runs or ran last.
    memory: Thinned<MemoryPoint>,
    /// Once the engine is ready.
    activity: Option<Arc<Activity>>,
    gauges: Option<Source<EngineGauges>>,
}

impl Sampler {
    /// Begins at once. `origin` is the instant at which the engine was ordered.
    pub fn start(
        watched: Watched,
        profile: ProfilingBuilder,
        beat: Duration,
        origin: Instant,
    ) -> Self {
        let shared = Arc::new(Shared {
            held: Mutex::new(Held {
                profile,
                samples: Vec::new(),
                n_parts: 0,
                node: None,
                memory: Thinned::new(MEMORY_POINTS),
                activity: None,
                gauges: None,
            }),
            filled: Notify::new(),
        });
        let (wishes, wished) = mpsc::channel(1);
        let beat = Beat {
            shared: Arc::clone(&shared),
            gpus: source::cards(watched.gpu, Arc::clone(&watched.engine), origin),
            host: source::host(watched.host, origin),
            engine: source::engine(watched.engine, origin),
            every: beat,
            origin,
            last_host: None,
            last_engine: None,
            last_gauges: None,
        };
        Self {
            shared,
            wishes,
            beating: tokio::spawn(beat.run(wished)),
            origin,
        }
    }

    /// The engine is ready since `since`: from now on its state is known, and its gauges are read.
    pub fn serving(&self, since: Instant, activity: Arc<Activity>, meter: Arc<dyn GaugeMeter>) {
        let ready = nanos(since.saturating_duration_since(self.origin));
        let mut held = self.shared.held();
        held.profile.ready(ready);
        held.activity = Some(activity);
        held.gauges = Some(source::gauges(meter, self.origin));
    }

    /// A node begins: it has a sample at once, besides those of the beat.
    pub async fn node_begins(&self, node: &str) {
        {
            let mut held = self.shared.held();
            held.node = Some(node.to_owned());
            held.memory = Thinned::new(MEMORY_POINTS);
        }
        self.sample_now().await;
    }

    /// The node has ended: it has a last sample, and nothing more belongs to it. Says why it
    /// measured something else than its configuration; empty for a valid node.
    pub async fn node_ends(&self, node: &str) -> Vec<Flaw> {
        self.sample_now().await;
        let mut held = self.shared.held();
        held.node = None;
        held.profile.flaws(node)
    }

    async fn sample_now(&self) {
        let (done, is_done) = oneshot::channel();
        if self.wishes.send(done).await.is_ok() {
            // A beat that ended early has nothing more to say.
            let _ = is_done.await;
        }
    }

    /// Comes when a part of the samples is full.
    pub async fn filled(&self) {
        while self.shared.held().samples.len() < PART {
            self.shared.filled.notified().await;
        }
    }

    /// Hands over the samples that are there, as the next part.
    pub fn drain(&self) -> SamplePart {
        let mut held = self.shared.held();
        let number = held.n_parts;
        held.n_parts += 1;
        SamplePart {
            number,
            samples: std::mem::take(&mut held.samples),
            cards: held.profile.cards().to_vec(),
            ready_ns: held.profile.ready_ns(),
        }
    }

    /// How memory changed beside the node that ran last.
    pub fn memory_drifts(&self, scale: TimeScale) -> Vec<Drift> {
        let held = self.shared.held();
        let cards = held.profile.cards();
        memory_course::drifts(held.memory.points(), cards, scale.factor())
    }

    /// Works with the profile as it is.
    pub fn with_profiling<T>(&self, work: impl FnOnce(&ProfilingBuilder) -> T) -> T {
        work(&self.shared.held().profile)
    }

    /// Takes no further sample.
    pub fn stop(&self) {
        self.beating.abort();
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.beating.abort();
    }
}

impl Shared {
    fn held(&self) -> MutexGuard<'_, Held> {
        // A panic elsewhere leaves everything whole: nothing is half done under the lock.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Beat {
    shared: Arc<Shared>,
    gpus: Source<Vec<Option<GpuReading>>>,
    host: Source<HostReading>,
    engine: Source<ContainerReading>,
    every: Duration,
    origin: Instant,
    last_host: Option<CpuTime>,
    last_engine: Option<Timed<ContainerReading>>,
    last_gauges: Option<Instant>,
}

impl Beat {
    async fn run(mut self, mut wished: mpsc::Receiver<oneshot::Sender<()>>) {
        // Every beat is a whole number of beats after the origin: what one is late, the next is
        // not, and beats that nobody could keep are left out.
        let mut beats = tokio::time::interval_at(self.origin, self.every);
        beats.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut expected: Option<Instant> = None;
        loop {
            tokio::select! {
                biased;
                wish = wished.recv() => {
                    let Some(done) = wish else { return };
                    self.sample().await;
                    // Whoever wished may have gone away.
                    let _ = done.send(());
                }
                at = beats.tick() => {
                    if let Some(expected) = expected {
                        let late = at.saturating_duration_since(expected);
                        let missed = late.as_nanos() / self.every.as_nanos().max(1);
                        self.shared.held().profile.missed(u64::try_from(missed).unwrap_or(u64::MAX));
                    }
                    expected = Some(at + self.every);
                    self.sample().await;
                }
            }
        }
    }

    async fn sample(&mut self) {
        let now = Instant::now();
        let patience = self.every.min(PATIENCE);
        let (node, activity, gauges) = {
            let held = self.shared.held();
            (
                held.node.clone(),
                held.activity.clone(),
                held.gauges.clone(),
            )
        };
        let in_flight = activity.map(|activity| InFlight {
            waiting: activity.n_waiting(),
            streaming: activity.n_streaming(),
        });
        let is_due = self.last_gauges.is_none_or(|last| {
            // A timer may fire a little early.
            now.saturating_duration_since(last) + Duration::from_millis(50) >= GAUGES_AT_MOST_EVERY
        });
        let gauges = gauges.filter(|_| is_due);
        if gauges.is_some() {
            self.last_gauges = Some(now);
        }
        let gauging = async {
            match &gauges {
                Some(gauges) => gauges.ask(patience).await,
                None => None,
            }
        };
        let (gpus, host, engine, gauges) = tokio::join!(
            self.gpus.ask(patience),
            self.host.ask(patience),
            self.engine.ask(patience),
            gauging,
        );
        let sample = Sample {
            at_ns: nanos(now.saturating_duration_since(self.origin)),
            node,
            in_flight,
            gpus: gpus.map(|gpus| gpus.reading),
            host: host.map(|host| host.reading),
            host_cpu_pct: self.host_cpu(host.and_then(|host| host.reading.cpu)),
            container: engine.map(|engine| engine.reading),
            engine_cpu_pct: self.engine_cpu(engine),
            gauges: gauges.map(|gauges| gauges.reading),
        };
        let mut held = self.shared.held();
        held.profile.push(sample.clone());
        if sample.node.is_some() {
            held.memory.push(MemoryPoint::of(&sample));
        }
        held.samples.push(sample);
        if held.samples.len() >= PART {
            self.shared.filled.notify_one();
        }
    }

    fn host_cpu(&mut self, now: Option<CpuTime>) -> Option<f64> {
        let now = now?;
        let before = self.last_host.replace(now);
        host_cpu_pct(before?, now)
    }

    fn engine_cpu(&mut self, now: Option<Timed<ContainerReading>>) -> Option<f64> {
        let now = now?;
        let before = self.last_engine.replace(now);
        engine_cpu_pct(before?, now)
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
