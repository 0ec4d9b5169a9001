//! The faults of an engine that serves: which request is the how-manyth and what befalls it,
//! what leaks, and when the engine ends.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::spec::scenario::{
    Deafness, FaultSpec, Growth, LoadTrigger, MissingMetrics, RequestTrigger, Which,
};
use crate::stand_in::engine::memory::FailedAllocation;
use crate::stand_in::engine::time::Time;
use crate::stand_in::scenario::draw::Draw;
use crate::stand_in::scenario::faults::Faults;
use crate::stand_in::scenario::life::{End, Life};
use crate::stand_in::scenario::memory;
use crate::stand_in::scenario::pace::FaultyPace;
use crate::stand_in::scenario::stream::Twists;

/// Tokens that come out of the answer in the middle of which a worker dies.
const IN_THE_MIDDLE: u32 = 2;

/// How often what leaks with time is taken.
const LEAKS_EVERY: Duration = Duration::from_millis(100);

/// The card of an engine that serves, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Card {
    pub total: u64,
    /// What nobody has taken.
    pub free: u64,
}

impl Card {
    /// The allocation that finds it full.
    fn full(self) -> FailedAllocation {
        FailedAllocation {
            tried: self.free + (1 << 20),
            total: self.total,
            free: self.free,
        }
    }
}

/// What is done to a request before the engine hears of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The engine answers.
    Answered,
    /// Nobody ever does.
    Hangs,
    /// An HTTP error.
    Refused(u16),
    /// HTTP 500 in the words of a dead engine.
    Unanswered,
}

/// An engine that serves with its faults.
#[derive(Debug)]
pub struct Serving {
    faults: Faults,
    card: Card,
    pub time: Time,
    pub life: Arc<Life>,
    n_requests: AtomicU32,
    /// Bytes of the card that have leaked.
    leaked: AtomicU64,
    /// What has leaked of the host.
    taken: Mutex<Vec<Vec<u8>>>,
}

impl Serving {
    /// Begins to serve, in a tokio runtime.
    pub fn begin(faults: Faults, card: Card, time: Time) -> Arc<Self> {
        let serving = Arc::new(Self {
            faults,
            card,
            time,
            life: Arc::new(Life::begin()),
            n_requests: AtomicU32::new(0),
            leaked: AtomicU64::new(0),
            taken: Mutex::default(),
        });
        serving.start_timers();
        serving
    }

    /// True when no fault befalls it.
    pub fn is_harmless(&self) -> bool {
        self.faults.is_none()
    }

    /// The pace at which its engine steps.
    pub fn pace(&self) -> FaultyPace {
        let card = self.card;
        let life = Arc::clone(&self.life);
        FaultyPace::new(&self.faults, life, self.time, move |lingers| End::Gpu {
            allocation: card.full(),
            lingers,
        })
    }

    /// What ends by time.
    fn start_timers(self: &Arc<Self>) {
        let ends: Vec<(Duration, End)> = self
            .faults
            .each(|spec, _| match spec {
                FaultSpec::GpuOomUnderLoad {
                    trigger: LoadTrigger::After(time),
                    lingers,
                } => {
                    let allocation = self.card.full();
                    let lingers = *lingers;
                    Some((
                        *time,
                        End::Gpu {
                            allocation,
                            lingers,
                        },
                    ))
                }
                FaultSpec::WorkerDies {
                    trigger: RequestTrigger::After(time),
                    lingers,
                    front_end,
                } => {
                    let (lingers, front_end) = (*lingers, *front_end);
                    Some((*time, End::Worker { lingers, front_end }))
                }
                _ => None,
            })
            .collect();
        let time = self.time;
        for (after, end) in ends {
            let life = Arc::clone(&self.life);
            tokio::spawn(async move {
                time.sleep(after).await;
                life.end(end);
            });
        }
        if self.leaks_with_time() {
            let serving = Arc::clone(self);
            tokio::spawn(async move {
                loop {
                    time.sleep(LEAKS_EVERY).await;
                    serving
                        .leak(|growth| match growth {
                            Growth::PerSecond(bytes) => bytes.div_ceil(10),
                            Growth::PerRequest(_) => 0,
                        })
                        .await;
                }
            });
        }
    }

    fn leaks_with_time(&self) -> bool {
        self.faults
            .each(|spec, _| match spec {
                FaultSpec::GpuLeak { growth, .. } | FaultSpec::HostLeak { growth, .. } => {
                    Some(*growth)
                }
                _ => None,
            })
            .any(|growth| matches!(growth, Growth::PerSecond(_)))
    }

    /// Lets every leak grow by what `by` makes of it, in bytes, and ends what is full.
    async fn leak(&self, by: impl Fn(Growth) -> u64) {
        let mut of_host = 0;
        let mut limit = u64::MAX;
        for spec in self.faults.each(|spec, _| Some(spec)) {
            match spec {
                FaultSpec::GpuLeak { growth, lingers } => {
                    let bytes = by(*growth);
                    let before = self.leaked.fetch_add(bytes, Ordering::Relaxed);
                    if before + bytes > self.card.free {
                        let card = Card {
                            free: self.card.free.saturating_sub(before),
                            ..self.card
                        };
                        self.life.end(End::Gpu {
                            allocation: FailedAllocation {
                                tried: bytes,
                                ..card.full()
                            },
                            lingers: *lingers,
                        });
                    }
                }
                FaultSpec::HostLeak { growth, up_to } => {
                    of_host += by(*growth);
                    limit = limit.min(*up_to);
                }
                _ => {}
            }
        }
        if of_host == 0 {
            return;
        }
        let memory = memory::take_aside(of_host).await;
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = memory.is_none();
        taken.extend(memory);
        let total: usize = taken.iter().map(Vec::len).sum();
        if refused || total as u64 >= limit {
            self.life.end(End::Killed);
        }
    }

    /// Counts a request, and says which number it has, from 1.
    pub async fn count(&self) -> u32 {
        let number = self.n_requests.fetch_add(1, Ordering::Relaxed) + 1;
        self.leak(|growth| match growth {
            Growth::PerRequest(bytes) => bytes,
            Growth::PerSecond(_) => 0,
        })
        .await;
        number
    }

    /// What is done to the request of this number.
    pub fn verdict(&self, number: u32) -> Verdict {
        let mut verdicts = self.faults.each(|spec, draw| match spec {
            FaultSpec::NoCompletion { how, from_request } if number >= *from_request => {
                Some(match how {
                    Deafness::Hang => Verdict::Hangs,
                    Deafness::Error => Verdict::Unanswered,
                })
            }
            FaultSpec::HttpErrors { status, which } if is_one_of(which, draw, number) => {
                Some(Verdict::Refused(*status))
            }
            _ => None,
        });
        verdicts.next().unwrap_or(Verdict::Answered)
    }

    /// The end that the answer to the request of this number meets in its middle.
    pub fn end_within(&self, number: u32) -> Option<End> {
        let mut ends = self.faults.each(|spec, _| match spec {
            FaultSpec::WorkerDies {
                trigger: RequestTrigger::AtRequest(at),
                lingers,
                front_end,
            } if *at == number => Some(End::Worker {
                lingers: *lingers,
                front_end: *front_end,
            }),
            _ => None,
        });
        ends.next()
    }

    /// What is done to the stream that answers the request of this number.
    pub fn twists(&self, number: u32) -> Twists {
        let mut twists = Twists {
            end: self.end_within(number).map(|end| (IN_THE_MIDDLE, end)),
            ..Twists::default()
        };
        for (spec, draw) in self.faults.each(|spec, draw| Some((spec, draw))) {
            match spec {
                FaultSpec::CutStream {
                    after_tokens,
                    which,
                } if is_one_of(which, draw, number) => {
                    twists.cut_after.get_or_insert(*after_tokens);
                }
                FaultSpec::GarbledStream { how, which } if is_one_of(which, draw, number) => {
                    twists.garbling.get_or_insert(*how);
                }
                FaultSpec::StalledStream {
                    after_tokens,
                    silent_for,
                    which,
                } if is_one_of(which, draw, number) => {
                    twists.stall.get_or_insert((*after_tokens, *silent_for));
                }
                _ => {}
            }
        }
        twists
    }

    /// What `/metrics` does not show.
    pub fn missing_metrics(&self) -> Option<MissingMetrics> {
        let mut missing = self.faults.each(|spec, _| match spec {
            FaultSpec::MetricsMissing { what } => Some(*what),
            _ => None,
        });
        missing.next()
    }
}

/// Is the request of this number one of those that were asked for?
fn is_one_of(which: &Which, draw: &Draw, number: u32) -> bool {
    let place = number.checked_sub(which.from);
    place.is_some_and(|place| which.count.is_none_or(|count| place < count))
        && draw.hits(which.share, "request", u64::from(number))
}
