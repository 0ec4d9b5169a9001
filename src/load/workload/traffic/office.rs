//! Who may send the next request: so many in all, or until a time is over.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::spec::workload::load::Extent;

/// Gives out numbers from 0, one for each request, until it closes.
#[derive(Debug)]
pub struct Office {
    next: AtomicU32,
    most: u32,
    /// In this machine's time, from when the last warm-up had ended.
    lasts: Option<Duration>,
    /// Users whose warm-up has not ended.
    warming: AtomicU32,
    closes: Mutex<Option<Instant>>,
    closed: AtomicBool,
}

impl Office {
    /// `lasts` is what a time of `extent` really takes; its clock starts when `n_warming` users
    /// are warm.
    pub fn new(extent: Extent, real: impl Fn(Duration) -> Duration, n_warming: u32) -> Self {
        let (most, lasts) = match extent {
            Extent::Requests(n) => (n, None),
            Extent::Lasting(told) => (u32::MAX, Some(real(told))),
        };
        let office = Self {
            next: AtomicU32::new(0),
            most,
            lasts,
            warming: AtomicU32::new(n_warming),
            closes: Mutex::default(),
            closed: AtomicBool::new(false),
        };
        if n_warming == 0 {
            office.start();
        }
        office
    }

    /// One more user is warm.
    pub fn warm(&self) {
        if self.warming.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.start();
        }
    }

    /// The number of the next request; `None` when there is to be none.
    pub fn take(&self) -> Option<u32> {
        let over = || self.closes().is_some_and(|at| Instant::now() >= at);
        if self.closed.load(Ordering::Relaxed) || over() {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        (number < self.most).then_some(number)
    }

    /// No further request.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    fn start(&self) {
        *self.closes() = self.lasts.map(|lasts| Instant::now() + lasts);
    }

    fn closes(&self) -> MutexGuard<'_, Option<Instant>> {
        // Under the lock a value is only copied.
        self.closes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_and_no_more() {
        let office = Office::new(Extent::Requests(2), |told| told, 0);
        let taken: Vec<Option<u32>> = (0..4).map(|_| office.take()).collect();
        assert_eq!(taken, [Some(0), Some(1), None, None]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_time_counts_from_when_all_are_warm() {
        let second = Duration::from_secs(1);
        let office = Office::new(Extent::Lasting(20 * second), |told| told / 10, 2);
        tokio::time::advance(60 * second).await;
        office.warm();
        assert_eq!(office.take(), Some(0));
        office.warm();
        tokio::time::advance(second).await;
        assert_eq!(office.take(), Some(1));
        tokio::time::advance(second).await;
        assert_eq!(office.take(), None);
    }

    #[test]
    fn a_closed_office_stays_closed() {
        let office = Office::new(Extent::Requests(9), |told| told, 0);
        office.close();
        assert_eq!((office.take(), office.is_closed()), (None, true));
    }
}
