//! A waker that does not send a task to the back of the queue for what the task itself did.
//!
//! The halves of a connection wake each other: what hyper reads wakes whoever waits for the
//! body, and taking it wakes hyper. Here both are the same task, which is running at that moment
//! and polls both again before it rests. Handed to the runtime, each of those wakes would be one
//! more turn of the task for every token, and a call to another thread to come and take it.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// The task is inside of a poll.
const POLLING: u8 = 1;
/// Something is to be polled again.
const WOKEN: u8 = 2;

/// Stands between a connection and the task that uses it.
#[derive(Debug)]
pub struct Rouser {
    state: AtomicU8,
    /// The task that waits.
    task: Mutex<Waker>,
}

impl Rouser {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            state: AtomicU8::new(0),
            task: Mutex::new(Waker::noop().clone()),
        })
    }

    /// Polls until there is an output, or until nothing has asked to be polled again since the
    /// last time. `waker` is one of this rouser.
    pub fn poll<T>(
        &self,
        cx: &Context<'_>,
        waker: &Waker,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.wakes(cx.waker());
        loop {
            self.state.store(POLLING, Ordering::SeqCst);
            if let Poll::Ready(output) = poll(&mut Context::from_waker(waker)) {
                self.state.store(0, Ordering::SeqCst);
                return Poll::Ready(output);
            }
            // Whoever wakes from here on wakes the task.
            let rests = self
                .state
                .compare_exchange(POLLING, 0, Ordering::SeqCst, Ordering::SeqCst);
            if rests.is_ok() {
                return Poll::Pending;
            }
        }
    }

    fn wakes(&self, waker: &Waker) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        task.clone_from(waker);
    }
}

impl Wake for Rouser {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.fetch_or(WOKEN, Ordering::SeqCst) & POLLING == 0 {
            let task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
            task.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn what_the_task_wakes_itself_is_polled_at_once_and_what_others_wake_wakes_it() {
        let count = Arc::new(Count::default());
        let task = Waker::from(Arc::clone(&count));
        let rouser = Rouser::new();
        let waker = Waker::from(Arc::clone(&rouser));
        let mut polls = 0;
        let polled = rouser.poll(&Context::from_waker(&task), &waker, |cx| {
            polls += 1;
            if polls < 3 {
                cx.waker().wake_by_ref();
            }
            Poll::<()>::Pending
        });
        assert_eq!((polled, polls), (Poll::Pending, 3));
        assert_eq!(count.0.load(Ordering::SeqCst), 0);
        waker.wake_by_ref();
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
        // After an output nothing is owed; the next poll looks at everything anyway.
        let polled = rouser.poll(&Context::from_waker(&task), &waker, |cx| {
            cx.waker().wake_by_ref();
            Poll::Ready(7)
        });
        assert_eq!(polled, Poll::Ready(7));
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
    }
}
