//! The scheduler with a clock: takes requests, lets each step take its time, and hands the
//! tokens to those who asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};

use crate::stand_in::engine::alarm::Alarm;
use crate::stand_in::engine::metrics::{Ended, Finish, Snapshot, Tally};
use crate::stand_in::engine::scheduler::{Event, Scheduler, SequenceId, Step};
use crate::stand_in::engine::time::{Moment, Time};
use crate::stand_in::model::answer::Answer;
use crate::stand_in::model::tokens::TokenId;

/// A handle to the running engine; clones are handles to the same one.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

struct Shared {
    time: Time,
    state: Mutex<State>,
    /// Rung when there may be something to do.
    bell: Notify,
}

struct State {
    scheduler: Scheduler,
    clients: HashMap<SequenceId, Client>,
    tally: Tally,
    next_id: SequenceId,
}

/// One who waits for an answer.
struct Client {
    sender: mpsc::UnboundedSender<Said>,
    prompt_tokens: usize,
    cached_tokens: usize,
    said: usize,
    /// How many tokens the answer might have had.
    max_tokens: usize,
    came: Moment,
    /// When its first step began.
    admitted: Moment,
    /// When the first token came out.
    opened: Moment,
    /// When the last token came out.
    spoke: Moment,
    preemptions: u32,
    end: Finish,
    siblings: Siblings,
}

/// The answers that one request wants to one prompt; clones are the same.
#[derive(Debug, Clone)]
pub struct Siblings {
    family: Arc<Mutex<Family>>,
}

#[derive(Debug)]
struct Family {
    n: usize,
    /// Those that are not over.
    open: usize,
    /// Tokens of the longest.
    longest: usize,
    /// None of them was aborted.
    complete: bool,
}

impl Siblings {
    /// `n` answers, which must all be asked for.
    pub fn new(n: usize) -> Self {
        let family = Family {
            n,
            open: n,
            longest: 0,
            complete: true,
        };
        Self {
            family: Arc::new(Mutex::new(family)),
        }
    }

    /// One of them is over. Returns how many they were and the tokens of the longest when that
    /// was the last, and all are complete.
    fn end(&self, how: Finish, said: usize) -> Option<(usize, usize)> {
        let mut family = self.family.lock().unwrap_or_else(PoisonError::into_inner);
        family.open = family.open.saturating_sub(1);
        family.longest = family.longest.max(said);
        family.complete &= how != Finish::Abort;
        (family.open == 0 && family.complete).then_some((family.n, family.longest))
    }
}

impl Client {
    fn ended(&self, how: Finish) -> Ended {
        Ended {
            how,
            prompt_tokens: self.prompt_tokens,
            cached_tokens: self.cached_tokens,
            said: self.said,
            max_tokens: self.max_tokens,
            queued: self.admitted - self.came,
            prefill: self.opened - self.admitted,
            decode: self.spoke - self.opened,
            preemptions: self.preemptions,
        }
    }
}

/// Is shown every step before its time passes.
pub trait Pace: Send {
    /// How many times as long as it should this step takes.
    fn factor(&mut self, step: &Step) -> f64;
}

/// Every step takes as long as it should.
#[cfg(test)]
pub struct Steady;

#[cfg(test)]
impl Pace for Steady {
    fn factor(&mut self, _: &Step) -> f64 {
        1.0
    }
}

/// A piece of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    pub token: TokenId,
    /// Prompt tokens that were taken from the cache.
    pub cached_tokens: usize,
    /// Set on the last piece.
    pub finish: Option<Finish>,
}

impl Engine {
    /// Sets the engine going; it stops with the tokio runtime. Without an alarm its steps end by
    /// tokio's timer.
    pub fn start(
        scheduler: Scheduler,
        time: Time,
        alarm: Option<Alarm>,
        pace: impl Pace + 'static,
    ) -> Self {
        let state = State {
            scheduler,
            clients: HashMap::new(),
            tally: Tally::new(),
            next_id: 0,
        };
        let shared = Arc::new(Shared {
            time,
            state: Mutex::new(state),
            bell: Notify::new(),
        });
        tokio::spawn(drive(Arc::clone(&shared), alarm, pace));
        Self { shared }
    }

    pub fn now(&self) -> Moment {
        self.shared.time.now()
    }

    /// [`Engine::ask_one_of`] for an answer that is alone, to a request that comes now.
    #[cfg(test)]
    pub fn ask(&self, prompt: Vec<TokenId>, answer: Answer, max_tokens: usize) -> Reply {
        self.ask_one_of(&Siblings::new(1), self.now(), prompt, answer, max_tokens)
    }

    /// Asks for one of several answers that belong together, which might have had up to
    /// `max_tokens`, to a request that `came` then: reading it costs this machine's time and none
    /// of the engine's. Prompt and answer must not be empty.
    pub fn ask_one_of(
        &self,
        siblings: &Siblings,
        came: Moment,
        prompt: Vec<TokenId>,
        answer: Answer,
        max_tokens: usize,
    ) -> Reply {
        let (sender, pieces) = mpsc::unbounded_channel();
        let client = Client {
            sender,
            prompt_tokens: prompt.len(),
            cached_tokens: 0,
            said: 0,
            max_tokens,
            came,
            admitted: came,
            opened: came,
            spoke: came,
            preemptions: 0,
            siblings: siblings.clone(),
            end: if answer.stops {
                Finish::Stop
            } else {
                Finish::Length
            },
        };
        let id = {
            let mut state = self.shared.lock();
            let id = state.next_id;
            state.next_id += 1;
            state.scheduler.submit(id, prompt, answer.tokens);
            state.clients.insert(id, client);
            id
        };
        self.shared.bell.notify_one();
        Reply {
            engine: self.clone(),
            id,
            pieces,
        }
    }

    /// Forgets the prefix cache; false while requests run, unless `preempt` sends them back to
    /// the queue first.
    pub fn reset_prefix_cache(&self, preempt: bool) -> bool {
        let done = self.shared.lock().scheduler.reset_prefix_cache(preempt);
        self.shared.bell.notify_one();
        done
    }

    /// The engine's own time.
    pub fn time(&self) -> Time {
        self.shared.time
    }

    /// How things stand.
    pub fn snapshot(&self) -> Snapshot {
        let state = self.shared.lock();
        Snapshot {
            gauges: state.scheduler.gauges(),
            counts: state.scheduler.counts(),
            tally: state.tally.clone(),
        }
    }
}

/// An answer as it comes. Dropping it before its end aborts the request.
pub struct Reply {
    engine: Engine,
    id: SequenceId,
    pieces: mpsc::UnboundedReceiver<Said>,
}

impl Reply {
    /// The next piece; `None` after the last.
    pub async fn next(&mut self) -> Option<Said> {
        self.pieces.recv().await
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.engine.shared.lock().abort(self.id);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Since when an engine that was idle has had something to do; it did not notice before now.
    fn work_since(&self, now: Moment, made_good: Duration) -> Moment {
        let came = self.clients.values().map(|client| client.came).min();
        came.filter(|came| now - *came <= made_good).unwrap_or(now)
    }

    fn abort(&mut self, id: SequenceId) {
        if let Some(client) = self.clients.remove(&id) {
            self.scheduler.abort(id);
            self.finished(&client, Finish::Abort);
        }
    }

    fn finished(&mut self, client: &Client, how: Finish) {
        self.tally.finished(client.ended(how));
        if let Some((n, longest)) = client.siblings.end(how, client.said) {
            self.tally.answered(n, longest);
        }
    }

    /// Hands out what a step that took from `began` to `now` brought.
    fn deliver(&mut self, step: Step, began: Moment, now: Moment) {
        for id in step.preempted {
            if let Some(client) = self.clients.get_mut(&id) {
                client.preemptions += 1;
            }
        }
        let tokens: usize = step
            .events
            .into_iter()
            .map(|event| self.deliver_one(event, began, now))
            .sum();
        if tokens > 0 {
            self.tally.step(tokens);
        }
    }

    /// Returns the tokens that were computed for this, as far as something came out.
    fn deliver_one(&mut self, event: Event, began: Moment, now: Moment) -> usize {
        match event {
            Event::Admitted { id, cached_tokens } => {
                if let Some(client) = self.clients.get_mut(&id) {
                    client.cached_tokens = cached_tokens;
                    client.admitted = began.max(client.came);
                }
                0
            }
            Event::Token { id, token, last } => {
                let Some(client) = self.clients.get_mut(&id) else {
                    return 0;
                };
                let (prompt, cached) = (client.prompt_tokens, client.cached_tokens);
                let computed = if client.said == 0 {
                    self.tally.first_token(prompt, cached, now - client.came);
                    client.opened = now;
                    prompt - cached + 1
                } else {
                    self.tally.next_token(now - client.spoke);
                    1
                };
                client.said += 1;
                client.spoke = now;
                let finish = last.then_some(client.end);
                // A client that has gone away aborts its request itself.
                let _ = client.sender.send(Said {
                    token,
                    cached_tokens: cached,
                    finish,
                });
                if let Some(finish) = finish
                    && let Some(client) = self.clients.remove(&id)
                {
                    self.finished(&client, finish);
                }
                computed
            }
        }
    }
}

/// How long a busy machine may keep the engine from running, by a clock: so much is made good by
/// later steps. A scheduler gives each of some dozen other processes a few milliseconds before
/// it comes round.
const MADE_GOOD: Duration = Duration::from_millis(50);

/// Runs step after step. Each is due when the one before was due plus its own time, so that the
/// coarseness of the timer and the delays of a busy machine do not add up; an engine that was
/// stopped for longer does not catch up.
async fn drive(shared: Arc<Shared>, mut alarm: Option<Alarm>, mut pace: impl Pace) {
    let time = shared.time;
    let made_good = time.told(MADE_GOOD);
    let mut due = time.now();
    let mut was_idle = true;
    loop {
        let step = shared.lock().scheduler.step();
        let Some(step) = step else {
            shared.bell.notified().await;
            due = shared.lock().work_since(time.now(), made_good).max(due);
            was_idle = true;
            continue;
        };
        let (began, took) = (due, step.took.mul_f64(pace.factor(&step)));
        due += took;
        time.wake_at(due, &mut alarm).await;
        let now = time.now();
        // Tokens that follow the first must not hurry because the reading took longer than it.
        if was_idle && now > due || now > due + took.max(made_good) {
            due = now;
        }
        was_idle = false;
        shared.lock().deliver(step, began, now);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::stand_in::engine::cache::{BlockPool, PrefixCaching};
    use crate::stand_in::engine::scheduler::{ChunkedPrefill, Limits, Speed};
    use crate::time_scale::TimeScale;

    fn engine() -> Engine {
        engine_at(TimeScale::ONE)
    }

    fn engine_at(scale: TimeScale) -> Engine {
        let limits = Limits {
            max_num_seqs: 2,
            max_num_batched_tokens: 64,
            chunked: ChunkedPrefill::On,
        };
        let speed = Speed {
            prefill_tokens_per_second: 100.0,
            decode_tokens_per_second: 10.0,
        };
        let pool = BlockPool::new(64, 4, PrefixCaching::On);
        let scheduler = Scheduler::new(limits, speed, pool);
        Engine::start(scheduler, Time::begin(scale), None, Steady)
    }

    fn answer(n: usize, stops: bool) -> Answer {
        Answer {
            tokens: vec![7; n],
            stops,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn tokens_come_when_the_scheduler_says() {
        let engine = engine();
        let start = Instant::now();
        let mut reply = engine.ask((0..50).collect(), answer(3, true), 5);
        let mut instants = Vec::new();
        let mut finishes = Vec::new();
        while let Some(said) = reply.next().await {
            instants.push(start.elapsed().as_millis());
            finishes.push(said.finish);
        }
        assert_eq!(instants, [500, 600, 700]);
        assert_eq!(finishes, [None, None, Some(Finish::Stop)]);
        let (prompt, said) = engine.snapshot().tally.tokens();
        assert_eq!((prompt, said), (50, 3));
    }

    #[tokio::test(start_paused = true)]
    async fn at_a_speed_of_20_they_come_20_times_as_early_and_are_told_in_the_engines_time() {
        let engine = engine_at(TimeScale::new(20.0).unwrap());
        let start = Instant::now();
        let mut reply = engine.ask((0..50).collect(), answer(3, true), 5);
        let mut instants = Vec::new();
        while reply.next().await.is_some() {
            instants.push(start.elapsed().as_millis());
        }
        assert_eq!(instants, [25, 30, 35]);
        let mut slow = Tally::new();
        slow.first_token(50, 0, Duration::from_millis(500));
        slow.next_token(Duration::from_millis(100));
        slow.next_token(Duration::from_millis(100));
        for tokens in [51, 1, 1] {
            slow.step(tokens);
        }
        slow.finished(Ended {
            how: Finish::Stop,
            prompt_tokens: 50,
            cached_tokens: 0,
            said: 3,
            max_tokens: 5,
            queued: Duration::ZERO,
            prefill: Duration::from_millis(500),
            decode: Duration::from_millis(200),
            preemptions: 0,
        });
        slow.answered(1, 3);
        let told = engine.snapshot().tally;
        assert_eq!(format!("{told:?}"), format!("{slow:?}"));
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_busy_machine_delays_is_made_good_and_a_long_halt_is_not() {
        let engine = engine_at(TimeScale::new(20.0).unwrap());
        let start = Instant::now();
        let mut reply = engine.ask((0..50).collect(), answer(100, true), 100);
        let mut next = async || {
            reply.next().await.unwrap();
            start.elapsed().as_millis()
        };
        assert_eq!(next().await, 25);
        tokio::time::advance(Duration::from_millis(20)).await;
        let mut instants = Vec::new();
        for _ in 0..5 {
            instants.push(next().await);
        }
        assert_eq!(instants, [45, 45, 45, 45, 50]);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!([next().await, next().await], [10_050, 10_055]);
    }

    #[tokio::test(start_paused = true)]
    async fn reading_a_request_is_no_work_of_the_engine_and_hurries_no_token() {
        // By its own law the engine needs 25 ms to the first token and 5 ms to each further one.
        for (reading, expected) in [(10, [25, 30, 35]), (40, [40, 45, 50])] {
            let engine = engine_at(TimeScale::new(20.0).unwrap());
            // It is idle before the request comes.
            tokio::task::yield_now().await;
            let (start, came) = (Instant::now(), engine.now());
            tokio::time::advance(Duration::from_millis(reading)).await;
            let mut reply = engine.ask_one_of(
                &Siblings::new(1),
                came,
                (0..50).collect(),
                answer(3, true),
                3,
            );
            let mut instants = Vec::new();
            while reply.next().await.is_some() {
                instants.push(start.elapsed().as_millis());
            }
            assert_eq!(instants, expected, "{reading} ms");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_cached_tokens_are_told() {
        let engine = engine();
        for cached in [0, 48] {
            let mut reply = engine.ask((0..50).collect(), answer(1, false), 1);
            let said = reply.next().await.unwrap();
            assert_eq!(
                (said.cached_tokens, said.finish),
                (cached, Some(Finish::Length))
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_reply_aborts_its_request() {
        let engine = engine();
        let mut reply = engine.ask((0..50).collect(), answer(1000, false), 1000);
        reply.next().await.unwrap();
        assert_eq!(engine.snapshot().gauges.running, 1);
        drop(reply);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = engine.snapshot();
        assert_eq!(now.gauges.running, 0);
        assert!(now.gauges.kv_usage.abs() < 1e-9);
    }
}
