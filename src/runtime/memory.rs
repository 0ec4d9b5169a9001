//! Looks at an engine's memory for as long as it lives. How one looks is the runtimes' business.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::measure::memory::{MemoryHistory, MemorySample};

/// Often enough to see a leak and the last seconds before a kill; a look costs the daemon about a
/// millisecond.
const EVERY: Duration = Duration::from_secs(1);

/// What one look finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Bytes.
    pub used: u64,
    pub limit: Option<u64>,
}

/// Looks until it is dropped.
#[derive(Debug)]
pub struct MemoryWatch {
    history: Arc<Mutex<MemoryHistory>>,
    looking: JoinHandle<()>,
}

impl MemoryWatch {
    /// Begins at once. A look that finds nothing (the engine is gone, nobody can know) leaves no
    /// reading.
    pub fn start<L, F>(look: L) -> Self
    where
        L: Fn() -> F + Send + 'static,
        F: Future<Output = Option<Memory>> + Send,
    {
        let history = Arc::new(Mutex::new(MemoryHistory::default()));
        let kept = Arc::clone(&history);
        let start = Instant::now();
        let looking = tokio::spawn(async move {
            loop {
                if let Some(memory) = look().await {
                    let sample = MemorySample {
                        at_ms: start.elapsed().as_secs_f64() * 1000.0,
                        bytes: memory.used,
                        limit: memory.limit,
                    };
                    let mut history = kept.lock().unwrap_or_else(PoisonError::into_inner);
                    history.push(sample);
                }
                tokio::time::sleep(EVERY).await;
            }
        });
        Self { history, looking }
    }

    /// The readings so far.
    pub fn samples(&self) -> Vec<MemorySample> {
        let history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        history.samples()
    }
}

impl Drop for MemoryWatch {
    fn drop(&mut self) {
        self.looking.abort();
    }
}

/// The highest of what the runtime kept itself and what was read, in bytes.
pub fn peak(kept: Option<u64>, samples: &[MemorySample]) -> Option<u64> {
    kept.into_iter()
        .chain(samples.iter().map(|sample| sample.bytes))
        .max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn looks_that_find_nothing_leave_no_reading() {
        let looks = Arc::new(Mutex::new(0));
        let watch = MemoryWatch::start(move || {
            let mut n = looks.lock().unwrap();
            *n += 1;
            let used = *n;
            std::future::ready((used % 2 == 1).then_some(Memory {
                used,
                limit: Some(9),
            }))
        });
        tokio::time::sleep(EVERY * 4 + EVERY / 2).await;
        let samples = watch.samples();
        let bytes: Vec<u64> = samples.iter().map(|sample| sample.bytes).collect();
        assert_eq!(bytes, [1, 3, 5]);
        assert!((samples[1].at_ms - 2000.0).abs() < 1.0);
        assert_eq!((peak(Some(4), &samples), peak(None, &[])), (Some(5), None));
    }
}
