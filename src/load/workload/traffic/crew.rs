//! Sends the requests: users that each wait for their answer, or a schedule that waits for
//! nothing. Results come back one by one as they end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::load::arrival::Schedule;
use crate::load::stream::{ChatRequest, Exchange, Streamer};
use crate::load::workload::speed::judge;
use crate::load::workload::traffic::office::Office;
use crate::load::workload::traffic::texts::{Task, Texts};
use crate::measure::request::RequestRole;
use crate::spec::workload::arrival::Arrival;
use crate::spec::workload::load::Extent;
use crate::time_scale::TimeScale;

/// After a failed request a user waits so long, in the engine's time: an engine that refuses at
/// once would be asked thousands of times a second.
const AFTER_FAILURE: Duration = Duration::from_millis(250);

/// From the end of a probe to the next, in the engine's time.
const BETWEEN_PROBES: Duration = Duration::from_secs(1);

/// Of an open loop, requests that are due in so much of the extent before it are its warm-up.
const WARM_UP_SHARE: f64 = 0.1;

/// Nothing is sent while so many requests are in flight: more sockets than a process may have.
const MOST_IN_FLIGHT: u32 = 8_000;

/// What is to be sent.
#[derive(Debug, Clone)]
pub struct Orders {
    pub pace: Pace,
    pub extent: Extent,
    /// Whether each user's first request, or the first tenth of a schedule, is a warm-up.
    pub warm_up: bool,
    pub probes: bool,
    pub tasks: Vec<Task>,
    /// Share of the requests that are of the second task, spread evenly.
    pub second_share: f64,
    /// Serial number of its first request within the node.
    pub first_serial: u32,
    /// Decides the schedule.
    pub seed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    Users(u32),
    Rate { per_second: f64, arrival: Arrival },
}

/// A request that has ended.
#[derive(Debug)]
pub struct Done {
    pub role: RequestRole,
    pub user: u32,
    /// Which task it was of; 0 for a probe.
    pub task: usize,
    /// Judged.
    pub exchange: Exchange,
}

/// The senders at work. Dropping it gives up what is in flight.
#[derive(Debug)]
pub struct Crew {
    shared: Arc<Shared>,
    senders: JoinSet<()>,
    /// Beside the load; given up when the load is over.
    probes: JoinSet<()>,
    done: UnboundedReceiver<Done>,
}

#[derive(Debug)]
struct Shared {
    streamer: Streamer,
    texts: Texts,
    orders: Orders,
    office: Office,
    scale: TimeScale,
    n_in_flight: AtomicU32,
    /// Serial numbers given out.
    n_serials: AtomicU32,
}

impl Crew {
    pub fn start(streamer: &Streamer, texts: &Texts, orders: Orders, scale: TimeScale) -> Self {
        let (users, warming) = match orders.pace {
            Pace::Users(n) => (n, if orders.warm_up { n } else { 0 }),
            Pace::Rate { .. } => (0, 0),
        };
        let shared = Arc::new(Shared {
            streamer: streamer.clone(),
            texts: texts.clone(),
            office: Office::new(orders.extent, |told| scale.real(told), warming),
            orders,
            scale,
            n_in_flight: AtomicU32::new(0),
            n_serials: AtomicU32::new(0),
        });
        let (tell, done) = mpsc::unbounded_channel();
        let (mut senders, mut probes) = (JoinSet::new(), JoinSet::new());
        for user in 0..users {
            senders.spawn(Arc::clone(&shared).user(user, tell.clone()));
        }
        if let Pace::Rate {
            per_second,
            arrival,
        } = shared.orders.pace
        {
            let schedule = Schedule::new(per_second, arrival, shared.orders.seed);
            senders.spawn(Arc::clone(&shared).schedule(schedule, tell.clone()));
        }
        if shared.orders.probes {
            probes.spawn(Arc::clone(&shared).probe(tell));
        }
        Self {
            shared,
            senders,
            probes,
            done,
        }
    }

    /// The next request that has ended; `None` when all have. May be dropped and called again.
    pub async fn next(&mut self) -> Option<Done> {
        loop {
            tokio::select! {
                biased;
                Some(done) = self.done.recv() => return Some(done),
                ended = self.senders.join_next() => if ended.is_none() {
                    self.probes.abort_all();
                    return self.done.try_recv().ok();
                },
            }
        }
    }

    /// No further request goes out; those in flight go on.
    pub fn close(&self) {
        self.shared.office.close();
    }

    /// Requests of the load in flight, probes not counted.
    pub fn n_in_flight(&self) -> u32 {
        self.shared.n_in_flight.load(Ordering::Relaxed)
    }

    /// Serial numbers that were used.
    pub fn n_serials(&self) -> u32 {
        self.shared.n_serials.load(Ordering::Relaxed)
    }
}

impl Shared {
    /// One user of a closed loop.
    async fn user(self: Arc<Self>, user: u32, tell: UnboundedSender<Done>) {
        let mut warm = !self.orders.warm_up;
        loop {
            let (role, number) = if !warm {
                (RequestRole::WarmUp, user)
            } else if let Some(number) = self.office.take() {
                (RequestRole::Measured, number)
            } else {
                return;
            };
            let done = self.send(role, user, number, None).await;
            if !warm {
                warm = true;
                self.office.warm();
            }
            let failed = done.exchange.failure.is_some();
            if tell.send(done).is_err() {
                return;
            }
            if failed && !self.office.is_closed() {
                sleep(self.scale.pause(AFTER_FAILURE)).await;
            }
        }
    }

    /// The schedule of an open loop.
    async fn schedule(self: Arc<Self>, schedule: Schedule, tell: UnboundedSender<Done>) {
        let origin = Instant::now();
        // The office's clock runs from the first request, the warm-up in front of it.
        let warm = |number: u32, at: Duration| match self.orders.extent {
            _ if !self.orders.warm_up => false,
            Extent::Requests(n) => f64::from(number) < (f64::from(n) * WARM_UP_SHARE).ceil(),
            Extent::Lasting(lasts) => at < lasts.mul_f64(WARM_UP_SHARE),
        };
        let mut n_measured = 0;
        let mut flights = JoinSet::new();
        for (number, at) in (0..).zip(schedule) {
            let warms = warm(number, at);
            let over = match self.orders.extent {
                Extent::Requests(n) => n_measured >= n,
                Extent::Lasting(lasts) => {
                    at > lasts.mul_f64(
                        1.0 + if self.orders.warm_up {
                            WARM_UP_SHARE
                        } else {
                            0.0
                        },
                    )
                }
            };
            if over || self.office.is_closed() {
                break;
            }
            let due = origin + self.scale.real(at);
            sleep_until(due).await;
            // What has ended needs no place any more.
            while flights.try_join_next().is_some() {}
            if self.n_in_flight.load(Ordering::Relaxed) >= MOST_IN_FLIGHT {
                continue;
            }
            let role = match warms {
                true => RequestRole::WarmUp,
                false => RequestRole::Measured,
            };
            n_measured += u32::from(!warms);
            let (this, tell) = (Arc::clone(&self), tell.clone());
            flights.spawn(async move {
                let done = this.send(role, 0, number, Some(due)).await;
                // Nobody listens any more when the load was given up.
                let _ = tell.send(done);
            });
        }
        while flights.join_next().await.is_some() {}
    }

    async fn probe(self: Arc<Self>, tell: UnboundedSender<Done>) {
        loop {
            sleep(self.scale.pause(BETWEEN_PROBES)).await;
            let request = ChatRequest::new(self.texts.probe());
            let mut exchange = self.streamer.send(&request).await;
            exchange.failure = judge(&exchange, 1);
            let done = Done {
                role: RequestRole::Probe,
                user: 0,
                task: 0,
                exchange,
            };
            if tell.send(done).is_err() {
                return;
            }
        }
    }

    /// Sends the `number`-th request of its role.
    async fn send(&self, role: RequestRole, user: u32, number: u32, due: Option<Instant>) -> Done {
        let serial = self.n_serials.fetch_add(1, Ordering::Relaxed);
        let which =
            usize::from(self.orders.tasks.len() > 1 && is_second(number, self.orders.second_share));
        let task = &self.orders.tasks[which];
        let serial = self.orders.first_serial.wrapping_add(serial);
        let mut request = ChatRequest::new(self.texts.body(task, serial));
        if let Some(due) = due {
            request = request.due_at(due);
        }
        self.n_in_flight.fetch_add(1, Ordering::Relaxed);
        let mut exchange = self.streamer.send(&request).await;
        self.n_in_flight.fetch_sub(1, Ordering::Relaxed);
        exchange.failure = judge(&exchange, task.max_tokens);
        Done {
            role,
            user,
            task: which,
            exchange,
        }
    }
}

/// Whether the `number`-th request is of the second task: as evenly spread as whole numbers can
/// be.
fn is_second(number: u32, share: f64) -> bool {
    let before = |number: u32| (f64::from(number) * share).floor();
    before(number + 1) > before(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_task_is_spread_evenly() {
        let mix = |share: f64, n: u32| -> String {
            let letters = (0..n).map(|number| if is_second(number, share) { 'L' } else { 's' });
            letters.collect()
        };
        assert_eq!(mix(0.5, 8), "sLsLsLsL");
        assert_eq!(mix(0.25, 8), "sssLsssL");
        assert_eq!(mix(0.0, 4), "ssss");
        assert_eq!(mix(0.1, 100).matches('L').count(), 10);
    }
}
