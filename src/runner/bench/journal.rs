//! A journal in memory, and a clock that stands still.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use crate::event::RunEvent;
use crate::id::AttemptId;
use crate::measure::profiling::Profiling;
use crate::measure::prompt::PromptBook;
use crate::measure::request::Request;
use crate::measure::sample::SamplePart;
use crate::runner::ports::{Clock, Journal, StoreError};

#[derive(Clone, Default)]
pub struct MemoryJournal {
    pub events: Arc<Mutex<Vec<RunEvent>>>,
    pub prompts: Arc<Mutex<Option<PromptBook>>>,
    /// Appending fails from this event on.
    pub full_after: Option<usize>,
}

impl Journal for MemoryJournal {
    fn append(&mut self, event: &RunEvent) -> Result<(), StoreError> {
        let mut events = self.events.lock().unwrap();
        if self.full_after.is_some_and(|limit| events.len() >= limit) {
            return Err(StoreError {
                what: "the disk is full: cannot write".to_owned(),
                path: PathBuf::from("journal.jsonl"),
                source: Box::new(std::io::Error::from(std::io::ErrorKind::StorageFull)),
            });
        }
        events.push(event.clone());
        Ok(())
    }

    fn log_path(&mut self, attempt: &AttemptId) -> Result<PathBuf, StoreError> {
        Ok(PathBuf::from(attempt.to_string()))
    }

    fn keep_requests(&mut self, _: &AttemptId, _: u32, _: &[Request]) -> Result<(), StoreError> {
        Ok(())
    }

    fn keep_samples(&mut self, _: &AttemptId, _: &SamplePart) -> Result<(), StoreError> {
        Ok(())
    }

    fn keep_profiling(&mut self, _: &AttemptId, _: &Profiling) -> Result<(), StoreError> {
        Ok(())
    }

    fn keep_metrics(&mut self, _: &AttemptId, _: &str) -> Result<(), StoreError> {
        Ok(())
    }

    fn prompts(&mut self) -> Result<Option<PromptBook>, StoreError> {
        Ok(self.prompts.lock().unwrap().clone())
    }

    fn keep_prompts(&mut self, book: &PromptBook) -> Result<(), StoreError> {
        *self.prompts.lock().unwrap() = Some(book.clone());
        Ok(())
    }
}

pub struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::UNIX_EPOCH
    }
}
