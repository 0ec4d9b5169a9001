//! The beat, on a clock that stands still until everybody waits.

use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::*;
use crate::measure::activity::EngineState;
use crate::measure::profiling::AlertBounds;
use crate::measure::sample::{GpuCard, GpuContext, GpuProcess, HostReading, Owner};
use crate::time_scale::TimeScale;

const SECOND: Duration = Duration::from_secs(1);

/// Answers after a while; `None` is never.
#[derive(Clone, Copy)]
struct Slow(Option<Duration>);

impl Slow {
    async fn wait(self) {
        match self.0 {
            Some(time) => tokio::time::sleep(time).await,
            None => std::future::pending().await,
        }
    }
}

struct Meter {
    slow: Slow,
    n_read: AtomicU32,
    /// The engine's own process.
    own: u32,
    n_asked: AtomicU32,
}

impl Meter {
    fn new(slow: Slow) -> Arc<Self> {
        Arc::new(Self {
            slow,
            n_read: AtomicU32::new(0),
            own: 7,
            n_asked: AtomicU32::new(0),
        })
    }
}

impl EngineMeter for Meter {
    fn read(&self) -> BoxFuture<'_, Option<ContainerReading>> {
        async {
            let n = self.n_read.fetch_add(1, Ordering::Relaxed) + 1;
            self.slow.wait().await;
            Some(ContainerReading {
                cpu_s: Some(f64::from(n) * 0.5),
                memory_bytes: Some(u64::from(n)),
                ..ContainerReading::default()
            })
        }
        .boxed()
    }

    fn owns(&self, pid: u32) -> BoxFuture<'_, Option<bool>> {
        self.n_asked.fetch_add(1, Ordering::Relaxed);
        std::future::ready((pid != 9).then_some(pid == self.own)).boxed()
    }
}

impl GaugeMeter for Meter {
    fn read(&self) -> BoxFuture<'_, Option<EngineGauges>> {
        async {
            let n = self.n_read.fetch_add(1, Ordering::Relaxed) + 1;
            self.slow.wait().await;
            Some(EngineGauges {
                running: Some(f64::from(n)),
                ..EngineGauges::default()
            })
        }
        .boxed()
    }
}

struct Machine;

impl Host for Machine {
    fn read(&self) -> HostReading {
        HostReading {
            memory_used_bytes: Some(11),
            ..HostReading::default()
        }
    }
}

/// Cards with these processes.
struct Cards(Vec<u32>);

impl Gpu for Cards {
    fn describe(&self) -> Vec<String> {
        Vec::new()
    }

    fn cards(&self) -> Vec<GpuCard> {
        vec![GpuCard::default(); usize::from(!self.0.is_empty())]
    }

    fn absence(&self) -> Option<String> {
        None
    }

    fn read(&self) -> Vec<Option<GpuReading>> {
        let process = |pid: &u32| GpuProcess {
            pid: *pid,
            name: None,
            memory_bytes: None,
            context: GpuContext::Compute,
            owner: Owner::Unknown,
        };
        let reading = GpuReading {
            processes: Some(self.0.iter().map(process).collect()),
            ..GpuReading::default()
        };
        vec![Some(reading); self.cards().len()]
    }
}

fn sampler(cards: &[u32], engine: &Arc<Meter>, beat: Duration) -> Sampler {
    let gpu = Cards(cards.to_vec());
    let profile = ProfilingBuilder::new(
        gpu.cards(),
        None,
        beat,
        AlertBounds::default(),
        TimeScale::ONE,
        false,
    );
    let watched = Watched {
        gpu: Arc::new(gpu),
        host: Arc::new(Machine),
        engine: Arc::clone(engine) as Arc<dyn EngineMeter>,
    };
    Sampler::start(watched, profile, beat, Instant::now())
}

fn at(samples: &[Sample]) -> Vec<u64> {
    samples
        .iter()
        .map(|sample| sample.at_ns / 1_000_000)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn beats_are_whole_multiples_and_mark_node_and_state() {
    let meter = Meter::new(Slow(Some(Duration::from_millis(3))));
    let sampler = sampler(&[], &meter, SECOND);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let activity = Arc::new(Activity::default());
    let gauges = Meter::new(Slow(Some(Duration::ZERO)));
    sampler.serving(Instant::now(), Arc::clone(&activity), gauges);
    tokio::time::sleep(Duration::from_millis(200)).await;
    sampler.node_begins("n").await;
    let request = activity.sent();
    tokio::time::sleep(Duration::from_millis(1000)).await;
    let mut second = activity.sent();
    second.has_begun();
    tokio::time::sleep(Duration::from_millis(1000)).await;
    drop((request, second));
    assert!(sampler.node_ends("n").await.is_empty());
    tokio::time::sleep(Duration::from_millis(1000)).await;
    let part = sampler.drain();
    assert_eq!(part.ready_ns, Some(1_500_000_000));
    let seen: Vec<(u64, Option<&str>, Option<EngineState>)> = part
        .samples
        .iter()
        .map(|sample| {
            (
                sample.at_ns / 1_000_000,
                sample.node.as_deref(),
                sample.state(),
            )
        })
        .collect();
    use EngineState::{Idle, Mixed, Prefill};
    assert_eq!(
        seen,
        [
            (0, None, None),
            (1000, None, None),
            (1700, Some("n"), Some(Idle)),
            (2000, Some("n"), Some(Prefill)),
            (3000, Some("n"), Some(Mixed)),
            (3703, Some("n"), Some(Idle)),
            (4000, None, Some(Idle)),
        ]
    );
    let host = part.samples[0].host.unwrap();
    assert_eq!(
        (host.memory_used_bytes, &part.samples[0].gpus),
        (Some(11), &None)
    );
    // 0.5 s of processor time between two readings, one second apart.
    assert_eq!(
        (
            part.samples[0].engine_cpu_pct,
            part.samples[1].engine_cpu_pct
        ),
        (None, Some(50.0))
    );
    assert_eq!(sampler.drain().number, 1);
    let profile = sampler.with_profiling(ProfilingBuilder::profiling);
    assert_eq!((profile.n_missed, profile.n_samples), (0, 7));
    assert_eq!(profile.nodes["n"].all.n_samples, 4);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_hangs_is_done_without_and_holds_nobody_up() {
    let meter = Meter::new(Slow(None));
    let sampler = sampler(&[7], &meter, SECOND);
    tokio::time::sleep(Duration::from_millis(4500)).await;
    let samples = sampler.drain().samples;
    // The beat is kept, and what answers is there.
    assert_eq!(at(&samples), [0, 1000, 2000, 3000, 4000]);
    assert!(samples.iter().all(|sample| sample.container.is_none()));
    for sample in &samples {
        assert!(sample.host.is_some() && sample.gpus.is_some());
    }
    assert_eq!(meter.n_read.load(Ordering::Relaxed), 1);
}

/// The number of the engine's reading in each of ten samples.
async fn readings(took: u64, beat: u64) -> Vec<Option<u64>> {
    let meter = Meter::new(Slow(Some(Duration::from_millis(took))));
    let sampler = sampler(&[], &meter, Duration::from_millis(beat));
    tokio::time::sleep(Duration::from_millis(10 * beat - 1)).await;
    let samples = sampler.drain().samples;
    let readings = samples.iter().map(|sample| sample.container?.memory_bytes);
    readings.collect()
}

#[tokio::test(start_paused = true)]
async fn what_a_slow_source_says_late_belongs_to_the_next_sample() {
    // As an older Docker daemon, which answers at its own beat of a second.
    let daemon = readings(1001, 1000).await;
    assert_eq!(daemon[..5], [None, None, Some(1), Some(2), Some(3)]);
    let in_time = readings(990, 1000).await;
    assert_eq!(in_time[..4], [Some(1), Some(2), Some(3), Some(4)]);
    // An answer stands in one sample, however many beats it took.
    let short = readings(350, 100).await;
    assert_eq!(short.iter().flatten().count(), 2, "{short:?}");
    // Nobody waits a minute for an answer, and none is told a minute late.
    let long = readings(2500, 60_000).await;
    assert!(long.iter().all(Option::is_none), "{long:?}");
}

#[tokio::test(start_paused = true)]
async fn beats_that_nobody_could_keep_are_counted_and_not_made_up_for() {
    let meter = Meter::new(Slow(Some(Duration::ZERO)));
    let sampler = sampler(&[], &meter, Duration::from_millis(100));
    tokio::time::sleep(Duration::from_millis(250)).await;
    // The machine was suspended.
    tokio::time::advance(Duration::from_millis(500)).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let samples = sampler.drain().samples;
    let late = at(&samples);
    assert_eq!(late[..3], [0, 100, 200]);
    assert!(late[3] >= 750 && late[4] == 800, "{late:?}");
    let profile = sampler.with_profiling(ProfilingBuilder::profiling);
    assert!((4..=5).contains(&profile.n_missed), "{}", profile.n_missed);
}

#[tokio::test(start_paused = true)]
async fn the_engines_own_page_is_read_once_a_second_at_most() {
    let meter = Meter::new(Slow(Some(Duration::ZERO)));
    let gauges = Meter::new(Slow(Some(Duration::ZERO)));
    let sampler = sampler(&[], &meter, Duration::from_millis(100));
    sampler.serving(
        Instant::now(),
        Arc::default(),
        Arc::clone(&gauges) as Arc<dyn GaugeMeter>,
    );
    tokio::time::sleep(Duration::from_millis(2950)).await;
    assert_eq!(meter.n_read.load(Ordering::Relaxed), 30);
    assert_eq!(gauges.n_read.load(Ordering::Relaxed), 3);
}

#[tokio::test(start_paused = true)]
async fn strangers_are_found_by_the_engines_own_word_and_asked_for_once() {
    let meter = Meter::new(Slow(Some(Duration::ZERO)));
    let sampler = sampler(&[7, 8, 9], &meter, SECOND);
    sampler.serving(Instant::now(), Arc::default(), Meter::new(Slow(None)));
    sampler.node_begins("n").await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let flaws = sampler.node_ends("n").await;
    let texts: Vec<String> = flaws.iter().map(Flaw::text).collect();
    assert_eq!(texts, ["a foreign process used GPU 0: unknown (process 8)"]);
    let n_samples = sampler.drain().samples.len() as u32;
    // The two that are known once, the third at every sample.
    assert_eq!(meter.n_asked.load(Ordering::Relaxed), 2 + n_samples);
}

#[tokio::test(start_paused = true)]
async fn a_full_part_asks_to_be_stored_and_nothing_is_sampled_after_the_stop() {
    let meter = Meter::new(Slow(Some(Duration::ZERO)));
    let sampler = sampler(&[], &meter, Duration::from_millis(100));
    sampler.filled().await;
    assert_eq!(sampler.drain().samples.len(), PART);
    sampler.stop();
    tokio::time::sleep(SECOND).await;
    assert!(sampler.drain().samples.is_empty());
    // Whoever still asks is not kept waiting.
    sampler.node_begins("n").await;
}
