//! The user's wish to stop: asked once, asked twice.
//!
//! Which signals carry it is the command line's business.

use tokio_util::sync::CancellationToken;

/// Shared by whoever may ask and whoever must obey.
#[derive(Debug, Clone, Default)]
pub struct Cancel {
    stop: CancellationToken,
    at_once: CancellationToken,
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
