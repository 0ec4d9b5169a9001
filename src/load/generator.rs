//! Sends a load to one server, in a closed loop (so many users, each of whom waits for its
//! answer) or an open one (so many requests a second, whatever becomes of them).
//!
//! Knows nothing of workloads and results; it tells a collector of every request that ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::load::arrival::Schedule;
use crate::load::pacer::wait_until;
use crate::load::prompt_source::PromptSource;
use crate::load::stream::{ChatRequest, Exchange, SpeedRequest, Streamer};
use crate::measure::request::{Request, RequestRole};
use crate::spec::workload::arrival::Arrival;

/// What a load is called in the records of its requests.
const NODE: &str = "load";

/// When requests are sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// Each user sends the next request after the answer to the last one.
    Closed {
        users: u32,
        /// Between an answer and the next request.
        think: Duration,
        /// The users begin spread over so long.
        ramp: Duration,
    },
    /// By a schedule that knows nothing of answers; a request that finds no free connection
    /// opens another.
    Open { rate: f64, arrival: Arrival },
}

/// What is to be sent.
#[derive(Debug)]
pub struct LoadPlan {
    pub pace: Pace,
    /// At most so many requests.
    pub requests: Option<u64>,
    /// Nothing is sent after so long.
    pub duration: Option<Duration>,
    pub model: String,
    pub max_tokens: u32,
    pub prompts: PromptSource,
    pub seed: u64,
}

/// Is told of every request that ended. Called from many tasks.
pub trait Collector: Send + Sync + 'static {
    fn take(&self, request: Request);
}

/// Sends a load.
#[derive(Debug)]
pub struct Generator<C> {
    streamer: Streamer,
    plan: Arc<LoadPlan>,
    collector: Arc<C>,
    n_started: Arc<AtomicU64>,
}

impl<C> Clone for Generator<C> {
    fn clone(&self) -> Self {
        Self {
            streamer: self.streamer.clone(),
            plan: Arc::clone(&self.plan),
            collector: Arc::clone(&self.collector),
            n_started: Arc::clone(&self.n_started),
        }
    }
}

impl<C: Collector> Generator<C> {
    pub fn new(streamer: Streamer, plan: LoadPlan, collector: Arc<C>) -> Self {
        Self {
            streamer,
            plan: Arc::new(plan),
            collector,
            n_started: Arc::default(),
        }
    }

    /// Sends so many requests that are not measured, one after the other; the last one's
    /// exchange.
    pub async fn warm_up(&self, n: u32) -> Option<Exchange> {
        let mut last = None;
        for number in 0..n {
            // Far away from the prompts that are measured.
            let request = self.request(u32::MAX - number);
            last = Some(self.streamer.send(&request).await);
        }
        last
    }

    /// Sends the load and returns when all of it has ended. Dropping the future closes the
    /// connections of what is in flight.
    pub async fn run(&self) {
        match self.plan.pace {
            Pace::Closed { users, think, ramp } => self.run_closed(users, think, ramp).await,
            Pace::Open { rate, arrival } => self.run_open(rate, arrival).await,
        }
    }

    async fn run_closed(&self, users: u32, think: Duration, ramp: Duration) {
        // Connecting is no part of what is measured.
        self.streamer.connect_ahead(users as usize).await;
        let end = self.end();
        let mut tasks = JoinSet::new();
        for user in 0..users {
            let this = self.clone();
            let begin = Instant::now() + ramp.mul_f64(f64::from(user) / f64::from(users));
            tasks.spawn(async move {
                if !ramp.is_zero() {
                    tokio::time::sleep_until(begin).await;
                }
                let mut is_first = true;
                while let Some(number) = this.ticket(end) {
                    if !is_first && !think.is_zero() {
                        sleep(think).await;
                    }
                    is_first = false;
                    let request = this.request(ordinal(number));
                    let exchange = this.streamer.send(&request).await;
                    this.collect(number, user, exchange);
                }
            });
        }
        while tasks.join_next().await.is_some() {}
    }

    async fn run_open(&self, rate: f64, arrival: Arrival) {
        let begin = Instant::now();
        let end = self.end();
        let mut tasks = JoinSet::new();
        for offset in Schedule::new(rate, arrival, self.plan.seed) {
            let due = begin + offset;
            if end.is_some_and(|end| due >= end) {
                break;
            }
            let Some(number) = self.ticket(None) else {
                break;
            };
            // Made before it is due: what it takes delays nobody.
            let request = self.request(ordinal(number)).due_at(due);
            wait_until(due).await;
            let this = self.clone();
            tasks.spawn(async move {
                let exchange = this.streamer.send(&request).await;
                this.collect(number, 0, exchange);
            });
            while tasks.try_join_next().is_some() {}
        }
        while tasks.join_next().await.is_some() {}
    }

    /// When nothing more is sent.
    fn end(&self) -> Option<Instant> {
        self.plan.duration.map(|duration| Instant::now() + duration)
    }

    /// The number of the next request; `None` when there is no further one.
    fn ticket(&self, end: Option<Instant>) -> Option<u64> {
        if end.is_some_and(|end| Instant::now() >= end) {
            return None;
        }
        let number = self.n_started.fetch_add(1, Ordering::Relaxed);
        self.plan
            .requests
            .is_none_or(|most| number < most)
            .then_some(number)
    }

    fn request(&self, ordinal: u32) -> ChatRequest {
        let plan = &self.plan;
        let request = SpeedRequest {
            content: &plan.prompts.text(ordinal),
            max_tokens: plan.max_tokens,
            seed: plan.seed,
        };
        ChatRequest::new(request.body(&plan.model))
    }

    fn collect(&self, number: u64, user: u32, exchange: Exchange) {
        self.collector.take(Request {
            node: NODE.to_owned(),
            index: u32::try_from(number).unwrap_or(u32::MAX),
            role: RequestRole::Measured,
            prompt: None,
            user,
            turn: None,
            label: None,
            instants: exchange.instants,
            usage: exchange.usage,
            counters: None,
            finish_reason: exchange.finish_reason,
            failure: exchange.failure,
            proof: None,
        });
    }
}

/// Which prompt a request gets: they begin anew after four billions.
fn ordinal(number: u64) -> u32 {
    number as u32
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::load::bench::LIMITS;
    use crate::load::fake_vllm::{FakeVllm, MODEL, Reply};

    #[derive(Default)]
    struct Kept(Mutex<Vec<Request>>);

    impl Collector for Kept {
        fn take(&self, request: Request) {
            self.0.lock().unwrap().push(request);
        }
    }

    async fn sent(fake: &FakeVllm, pace: Pace, requests: u64) -> Vec<Request> {
        let streamer = Streamer::new(&fake.target, LIMITS, Instant::now(), Arc::default()).unwrap();
        let plan = LoadPlan {
            pace,
            requests: Some(requests),
            duration: None,
            model: MODEL.to_owned(),
            max_tokens: 3,
            prompts: PromptSource::approximate(1, 20),
            seed: 1,
        };
        let kept = Arc::new(Kept::default());
        let generator = Generator::new(streamer, plan, Arc::clone(&kept));
        generator.run().await;
        std::mem::take(&mut *kept.0.lock().unwrap())
    }

    fn users(users: u32) -> Pace {
        Pace::Closed {
            users,
            think: Duration::ZERO,
            ramp: Duration::ZERO,
        }
    }

    #[tokio::test]
    async fn each_user_waits_for_its_answer_and_no_request_is_sent_twice() {
        let fake = FakeVllm::start().await;
        let mut requests = sent(&fake, users(4), 14).await;
        assert!(requests.iter().all(|request| request.failure.is_none()));
        requests.sort_by_key(|request| request.index);
        let indices: Vec<u32> = requests.iter().map(|request| request.index).collect();
        assert_eq!(indices, (0..14).collect::<Vec<_>>());
        for user in 0..4 {
            let mut of_user: Vec<&Request> = requests.iter().filter(|r| r.user == user).collect();
            of_user.sort_by_key(|request| request.instants.due);
            for pair in of_user.windows(2) {
                assert!(pair[1].instants.due >= pair[0].instants.end);
            }
        }
        let engine = fake.engine();
        let contents: std::collections::HashSet<String> = engine
            .streamed
            .iter()
            .map(|body| body["messages"][0]["content"].to_string())
            .collect();
        assert_eq!((engine.streamed.len(), contents.len()), (14, 14));
        assert_eq!(engine.n_connections, 4);
    }

    #[tokio::test]
    async fn an_open_loop_waits_for_no_answer() {
        let fake = FakeVllm::start().await;
        // Nobody is answered: a loop that waited would never send the second one.
        fake.reply_with(vec![Reply::Stall(0); 5]);
        let pace = Pace::Open {
            rate: 500.0,
            arrival: Arrival::Constant,
        };
        let sending = sent(&fake, pace, 5);
        let all_are_there = async {
            while fake.engine().streamed.len() < 5 {
                sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            _ = sending => panic!("nobody answers"),
            () = all_are_there => {}
        }
        assert_eq!(fake.engine().n_connections, 5);
    }

    #[tokio::test]
    async fn instants_are_due_by_the_schedule_and_sent_no_earlier() {
        let fake = FakeVllm::start().await;
        let pace = Pace::Open {
            rate: 200.0,
            arrival: Arrival::Constant,
        };
        let mut requests = sent(&fake, pace, 6).await;
        requests.sort_by_key(|request| request.index);
        for pair in requests.windows(2) {
            let gap = pair[1].instants.due - pair[0].instants.due;
            assert_eq!(gap, 5_000_000);
        }
        assert!(requests.iter().all(|r| r.instants.sent >= r.instants.due));
    }

    #[tokio::test]
    async fn a_failed_request_is_told_like_any_other_and_the_load_goes_on() {
        let fake = FakeVllm::start().await;
        fake.reply_with([Reply::Reset, Reply::Status(500, "no".to_owned())]);
        let requests = sent(&fake, users(1), 5).await;
        let failed = requests.iter().filter(|r| r.failure.is_some()).count();
        assert_eq!((requests.len(), failed), (5, 2));
    }
}
