//! Every moment of a production that is taken and given back, with fakes and a paused clock.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use crate::guard::decide::{Seen, State};
use crate::guard::stay::{Return, Taken};
use crate::runner::cancel::Cancel;
use crate::runner::guard::{Front, Keeper, Records, TakeError, Took, comes_back, restore, take};
use crate::runner::ports::{Probe, RuntimeError, StoreError};

/// A production and its daemon, and everything that was done to them, in order.
#[derive(Default)]
struct World {
    state: Mutex<Option<State>>,
    did: Mutex<Vec<String>>,
    /// What the daemon answers next instead of doing it.
    refuses: Mutex<VecDeque<RuntimeError>>,
    /// Requests in flight, look after look; then none.
    busy: Mutex<VecDeque<u64>>,
    /// What the probe finds before it finds production ready.
    not_yet: Mutex<u32>,
    /// Starts that end at once.
    deaths: Mutex<u32>,
    disk_is_full: bool,
}

impl World {
    fn running() -> Self {
        Self::seen_as(Some(State::Running))
    }

    fn stopped() -> Self {
        Self::seen_as(Some(State::Stopped {
            words: String::new(),
        }))
    }

    fn seen_as(state: Option<State>) -> Self {
        Self {
            state: Mutex::new(state),
            ..Self::default()
        }
    }

    fn did(&self) -> Vec<String> {
        self.did.lock().unwrap().clone()
    }

    fn note(&self, what: &str) {
        self.did.lock().unwrap().push(what.to_owned());
    }

    fn state(&self) -> Option<State> {
        self.state.lock().unwrap().clone()
    }
}

fn gone() -> RuntimeError {
    RuntimeError::Unreachable {
        what: "no daemon".to_owned(),
        source: None,
    }
}

impl Keeper for World {
    async fn look(&self, whom: &str) -> Result<Option<Seen>, RuntimeError> {
        if let Some(error) = self.refuses.lock().unwrap().pop_front() {
            return Err(error);
        }
        Ok(self.state().map(|state| Seen {
            id: "c1".to_owned(),
            name: whom.to_owned(),
            state,
        }))
    }

    async fn stop(&self, _: &str) -> Result<(), RuntimeError> {
        self.note("stop");
        if let Some(error) = self.refuses.lock().unwrap().pop_front() {
            return Err(error);
        }
        *self.state.lock().unwrap() = Some(State::Stopped {
            words: String::new(),
        });
        Ok(())
    }

    async fn start(&self, _: &str) -> Result<(), RuntimeError> {
        self.note("start");
        let mut deaths = self.deaths.lock().unwrap();
        let lives = *deaths == 0;
        *deaths = deaths.saturating_sub(1);
        if lives {
            *self.state.lock().unwrap() = Some(State::Running);
        }
        Ok(())
    }
}

impl Front for World {
    async fn busy(&self) -> Option<u64> {
        Some(self.busy.lock().unwrap().pop_front().unwrap_or(0))
    }

    async fn probe(&self) -> Probe {
        let mut left = self.not_yet.lock().unwrap();
        if *left == 0 {
            return Probe::Ready;
        }
        *left -= 1;
        Probe::NotYet {
            because: "/health: refused".to_owned(),
        }
    }
}

impl Records for World {
    fn keep(&self, _: &Taken) -> Result<(), StoreError> {
        if self.disk_is_full {
            return Err(StoreError {
                what: "the disk is full".to_owned(),
                path: "state".into(),
                source: "no space".into(),
            });
        }
        self.note("keep");
        Ok(())
    }

    fn forget(&self, _: &Taken) -> Result<(), StoreError> {
        self.note("forget");
        Ok(())
    }
}

fn taken() -> Taken {
    Taken {
        format: Taken::FORMAT,
        at: jiff::Timestamp::UNIX_EPOCH,
        container: "c1".to_owned(),
        name: "prod".to_owned(),
        url: "http://127.0.0.1:1".to_owned(),
        api_key_env: None,
        model: "m".to_owned(),
        patience: Duration::from_secs(60),
        run: "r".to_owned(),
    }
}

async fn try_take(world: &World, cancel: &Cancel) -> Result<Took, TakeError> {
    let drain = Duration::from_secs(10);
    take(world, world, world, &taken(), drain, cancel, &|_| {}).await
}

async fn give_back(world: &World) -> Return {
    restore(world, world, world, &taken(), &|_| {})
        .await
        .outcome
}

fn down(outcome: Return) -> String {
    match outcome {
        Return::Down { because } => because,
        other => panic!("it serves: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_promise_is_durable_before_the_stop() {
    let world = World::running();
    assert_eq!(
        try_take(&world, &Cancel::new()).await.unwrap(),
        Took::Stopped
    );
    assert_eq!(world.did(), ["keep", "stop"]);
}

#[tokio::test(start_paused = true)]
async fn where_the_promise_cannot_be_written_nothing_is_stopped() {
    let world = World {
        disk_is_full: true,
        ..World::running()
    };
    assert!(matches!(
        try_take(&world, &Cancel::new()).await,
        Err(TakeError::Store(_))
    ));
    assert_eq!(world.did(), [""; 0]);
    assert_eq!(world.state(), Some(State::Running));
}

#[tokio::test(start_paused = true)]
async fn requests_may_end_first_but_not_for_ever() {
    let world = World {
        busy: Mutex::new([3, 1].into()),
        ..World::running()
    };
    let begun = tokio::time::Instant::now();
    try_take(&world, &Cancel::new()).await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), 2);
    let world = World {
        busy: Mutex::new([3; 100].into()),
        ..World::running()
    };
    let begun = tokio::time::Instant::now();
    try_take(&world, &Cancel::new()).await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_wish_to_stop_while_it_drains_leaves_it_alone() {
    let world = World {
        busy: Mutex::new([3; 100].into()),
        ..World::running()
    };
    let cancel = Cancel::new();
    let (took, ()) = tokio::join!(try_take(&world, &cancel), async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        cancel.ask();
    });
    assert_eq!(took.unwrap(), Took::Cancelled);
    assert_eq!(world.did(), ["keep", "forget"]);
    assert_eq!(world.state(), Some(State::Running));
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_is_refused_leaves_no_promise_and_one_that_is_lost_does() {
    let world = World::running();
    world.refuses.lock().unwrap().push_back(gone());
    let error = try_take(&world, &Cancel::new()).await.unwrap_err();
    assert!(matches!(error, TakeError::NotStopped { .. }), "{error}");
    assert_eq!(world.did(), ["keep", "stop", "forget"]);

    let world = World::running();
    world.refuses.lock().unwrap().extend([gone(), gone()]);
    let error = try_take(&world, &Cancel::new()).await.unwrap_err();
    assert!(matches!(error, TakeError::Unknown { .. }), "{error}");
    assert_eq!(world.did(), ["keep", "stop"]);
}

#[tokio::test(start_paused = true)]
async fn it_is_started_once_and_the_promise_forgotten_when_it_serves() {
    let world = World::stopped();
    *world.not_yet.lock().unwrap() = 5;
    assert!(matches!(give_back(&world).await, Return::Healthy { .. }));
    assert_eq!(world.did(), ["start", "forget"]);
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_restarts_is_waited_for() {
    let world = World::stopped();
    world
        .refuses
        .lock()
        .unwrap()
        .extend((0..30).map(|_| gone()));
    assert!(matches!(give_back(&world).await, Return::Healthy { .. }));
    let world = World::stopped();
    world
        .refuses
        .lock()
        .unwrap()
        .extend((0..300).map(|_| gone()));
    assert!(down(give_back(&world).await).contains("no daemon"));
    assert_eq!(world.did(), [""; 0], "the promise is not forgotten");
}

#[tokio::test(start_paused = true)]
async fn what_runs_already_is_proved_and_not_started() {
    let world = World::running();
    assert_eq!(give_back(&world).await, Return::ByOtherHands);
    assert_eq!(world.did(), ["forget"]);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_ends_at_once_is_tried_again_twice() {
    let world = World::stopped();
    *world.deaths.lock().unwrap() = 2;
    assert!(matches!(give_back(&world).await, Return::Healthy { .. }));
    let world = World::stopped();
    *world.deaths.lock().unwrap() = 100;
    assert!(down(give_back(&world).await).contains("3 times"));
    assert_eq!(world.did(), ["start"; 3]);
}

#[tokio::test(start_paused = true)]
async fn one_that_runs_and_does_not_serve_is_down_after_the_patience_of_its_promise() {
    let world = World::stopped();
    *world.not_yet.lock().unwrap() = u32::MAX;
    let begun = tokio::time::Instant::now();
    let because = down(give_back(&world).await);
    assert_eq!(because, "not healthy within 60 s: /health: refused");
    assert_eq!(begun.elapsed().as_secs(), 60);
    assert_eq!(world.did(), ["start"]);
}

#[tokio::test(start_paused = true)]
async fn one_that_was_removed_is_never_made_anew() {
    let world = World::seen_as(None);
    assert!(down(give_back(&world).await).contains("removed"));
    assert_eq!(world.did(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn its_return_by_other_hands_is_noticed_also_past_a_daemon_that_does_not_answer() {
    let world = World::stopped();
    world
        .refuses
        .lock()
        .unwrap()
        .extend([gone(), gone(), gone()]);
    let watch = comes_back(&world, "c1", "prod");
    let patience = Duration::from_secs(60);
    assert!(tokio::time::timeout(patience, watch).await.is_err());
    *world.state.lock().unwrap() = Some(State::Running);
    let watch = comes_back(&world, "c1", "prod");
    tokio::time::timeout(patience, watch).await.unwrap();
}
