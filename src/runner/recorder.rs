//! Where events go: first into the journal, durably, then to whoever watches.

use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

use crate::event::{EventKind, RunEvent};
use crate::runner::ports::{Clock, Journal, StoreError};

/// Owns the journal of a run and the stream of its events.
pub struct Recorder<J> {
    journal: J,
    clock: Box<dyn Clock>,
    origin: Instant,
    watchers: UnboundedSender<RunEvent>,
}

impl<J: Journal> Recorder<J> {
    pub fn new(journal: J, clock: Box<dyn Clock>, watchers: UnboundedSender<RunEvent>) -> Self {
        Self {
            journal,
            clock,
            origin: Instant::now(),
            watchers,
        }
    }

    /// Records that something happened now.
    ///
    /// # Errors
    /// When it could not be written durably; nobody is told of it then.
    pub fn record(&mut self, kind: EventKind) -> Result<(), StoreError> {
        let event = RunEvent {
            at: self.clock.now(),
            elapsed_ms: self.elapsed_ms(),
            kind,
        };
        self.journal.append(&event)?;
        // Nobody watching is no reason to stop.
        let _ = self.watchers.send(event);
        Ok(())
    }

    pub fn journal(&mut self) -> &mut J {
        &mut self.journal
    }

    pub fn now(&self) -> jiff::Timestamp {
        self.clock.now()
    }

    /// Milliseconds since this recorder began.
    pub fn elapsed_ms(&self) -> f64 {
        self.origin.elapsed().as_secs_f64() * 1e3
    }
}
