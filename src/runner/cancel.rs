//! The wish to stop: asked once, asked twice; the user's, or that of whoever guards production.
//!
//! Which signals carry it is the command line's business.

use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

/// Shared by whoever may ask and whoever must obey.
#[derive(Debug, Clone, Default)]
pub struct Cancel {
    stop: CancellationToken,
    at_once: CancellationToken,
    /// Why, where it is not the user's wish.
    because: Arc<OnceLock<String>>,
}

impl Cancel {
    pub fn new() -> Self {
        Self::default()
    }

    /// The first call asks to stop after cleaning up, every further one to clean up at once.
    pub fn ask(&self) {
        if self.stop.is_cancelled() {
            self.at_once.cancel();
        }
        self.stop.cancel();
    }

    /// Asks to stop after cleaning up for another reason than the user's wish. A wish that was
    /// there before stays the reason.
    pub fn ask_because(&self, because: String) {
        if !self.stop.is_cancelled() {
            let _ = self.because.set(because);
            self.stop.cancel();
        }
    }

    /// Why to stop; `None` where it is the user's wish.
    pub fn because(&self) -> Option<&str> {
        self.because.get().map(String::as_str)
    }

    pub fn is_asked(&self) -> bool {
        self.stop.is_cancelled()
    }

    pub fn is_asked_twice(&self) -> bool {
        self.at_once.is_cancelled()
    }

    /// Returns when the user has asked.
    pub async fn asked(&self) {
        self.stop.cancelled().await;
    }

    /// Returns when the user has asked again.
    pub async fn asked_twice(&self) {
        self.at_once.cancelled().await;
    }
}
