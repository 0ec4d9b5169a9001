//! Watches the event loop that all streams of this process share: a timer that wakes up late
//! says that tokens were stamped late.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use crate::measure::histogram::Histogram;
use crate::measure::summary::Summary;

/// How often the loop is looked at.
const BEAT: Duration = Duration::from_millis(25);

/// Watches from its start until it is dropped. The timers of tokio are exact to a millisecond,
/// and always late rather than early: a loop at rest shows 0 to 2 ms.
#[derive(Debug)]
pub struct LoopWatch {
    lag: Arc<Mutex<Histogram>>,
    beat: JoinHandle<()>,
}

impl LoopWatch {
    pub fn start() -> Self {
        let lag = Arc::new(Mutex::new(Histogram::default()));
        let shared = Arc::clone(&lag);
        let beat = tokio::spawn(async move {
            loop {
                let due = Instant::now() + BEAT;
                sleep_until(due).await;
                let late = due.elapsed();
                lock(&shared).record(late.as_secs_f64() * 1e3);
            }
        });
        Self { lag, beat }
    }

    /// How much later than asked it woke up, in milliseconds; `None` before the first beat.
    pub fn summary(&self) -> Option<Summary> {
        lock(&self.lag).summary()
    }
}

impl Drop for LoopWatch {
    fn drop(&mut self) {
        self.beat.abort();
    }
}

fn lock(lag: &Mutex<Histogram>) -> std::sync::MutexGuard<'_, Histogram> {
    // A panic elsewhere leaves the counts whole enough to be read.
    lag.lock().unwrap_or_else(PoisonError::into_inner)
}
