//! The engine behind a server: it lives until something ends it, and everybody who waits for it
//! is told at once. What the server does then is `serve`'s business.

use std::time::Duration;

use tokio::sync::watch;

use crate::spec::scenario::FrontEnd;
use crate::stand_in::engine::memory::FailedAllocation;

/// What ended it, and what the server does after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// A worker was killed by a signal.
    Worker {
        lingers: Duration,
        front_end: FrontEnd,
    },
    /// The card was full.
    Gpu {
        allocation: FailedAllocation,
        lingers: Duration,
    },
    /// The whole process is killed.
    Killed,
}

/// Alive until it is ended; the first end counts.
#[derive(Debug)]
pub struct Life {
    end: watch::Sender<Option<End>>,
}

impl Life {
    pub fn begin() -> Self {
        Self {
            end: watch::Sender::new(None),
        }
    }

    pub fn end(&self, how: End) {
        self.end.send_if_modified(|end| {
            let first = end.is_none();
            end.get_or_insert(how);
            first
        });
    }

    /// Comes when it has ended.
    pub async fn ended(&self) -> End {
        let mut end = self.end.subscribe();
        let ended = end.wait_for(Option::is_some).await;
        ended
            .ok()
            .and_then(|end| *end)
            .expect("the sender lives as long as this call, and what was waited for is there")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_end_counts_and_everybody_is_told() {
        let life = Life::begin();
        let killed = async {
            tokio::task::yield_now().await;
            life.end(End::Killed);
            life.end(End::Worker {
                lingers: Duration::ZERO,
                front_end: FrontEnd::Exits,
            });
        };
        let (first, second, ()) = tokio::join!(life.ended(), life.ended(), killed);
        assert_eq!((first, second), (End::Killed, End::Killed));
        assert_eq!(life.ended().await, End::Killed);
    }
}
