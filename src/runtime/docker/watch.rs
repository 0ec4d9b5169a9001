//! Did the daemon go away while an engine ran?
//!
//! A daemon that is stopped or restarted stops its containers first, and they end with exit
//! codes that look like their own. One connection that is held open from before the start of
//! an engine breaks when the daemon's process ends, even when a new one answers right after.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bollard::errors::Error;
use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::StreamExt;
use tokio::task::JoinHandle;

use crate::runtime::docker::client::Client;
use crate::runtime::docker::refusal;

/// A stream of events that ends no earlier than the daemon does.
#[derive(Debug)]
pub struct DaemonWatch {
    broken: Arc<AtomicBool>,
    listening: JoinHandle<()>,
}

impl DaemonWatch {
    /// Begins to listen. What the events say does not matter; a filter that nothing passes
    /// keeps the stream silent.
    pub fn start(client: &Client) -> Self {
        let docker = client.docker().clone();
        let broken = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&broken);
        let listening = tokio::spawn(async move {
            let silence = HashMap::from([("label", vec!["gridrun.watch=silent"])]);
            let options = EventsOptionsBuilder::new().filters(&silence).build();
            let mut events = std::pin::pin!(docker.events(Some(options)));
            let end = loop {
                match events.next().await {
                    Some(Ok(_)) => {}
                    Some(Err(error)) => break Some(error),
                    None => break None,
                }
            };
            flag.store(tells_of_a_break(end.as_ref()), Ordering::Release);
        });
        Self { broken, listening }
    }

    /// Whether the connection has broken since.
    pub fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }
}

/// A stream that was never opened tells nothing: a proxy before the daemon may refuse it, or
/// hold it back until there is an event.
fn tells_of_a_break(end: Option<&Error>) -> bool {
    match end {
        None => true,
        Some(Error::RequestTimeoutError) => false,
        Some(error) => refusal::is_broken(error),
    }
}

impl Drop for DaemonWatch {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn only_a_stream_that_was_open_can_break() {
        let forbidden = Error::DockerResponseServerError {
            status_code: 403,
            message: String::new(),
        };
        assert!(!tells_of_a_break(Some(&forbidden)));
        assert!(!tells_of_a_break(Some(&Error::RequestTimeoutError)));
        let cut = Error::IOError {
            err: io::ErrorKind::UnexpectedEof.into(),
        };
        assert!(tells_of_a_break(Some(&cut)));
        assert!(tells_of_a_break(None));
    }
}
