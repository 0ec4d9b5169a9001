//! Production as its users see it: how busy it is, and whether it really serves.

use crate::load::client::{ClientError, new_client};
use crate::load::control::Control;
use crate::load::metrics::MetricsPage;
use crate::runner::guard::Front;
use crate::runner::ports::{Probe, Target};

/// A production that serves over HTTP on this host or elsewhere.
#[derive(Debug)]
pub struct HttpFront {
    client: reqwest::Client,
    target: Target,
}

impl HttpFront {
    /// # Errors
    /// When the HTTP client cannot be set up.
    pub fn new(target: Target) -> Result<Self, ClientError> {
        Ok(Self {
            client: new_client()?,
            target,
        })
    }

    /// The first model that it lists.
    ///
    /// # Errors
    /// When it lists none, in words.
    pub async fn model(&self) -> Result<String, String> {
        let control = Control::new(&self.client, &self.target);
        control
            .first_model()
            .await
            .map_err(|error| error.to_string())
    }
}

impl Front for HttpFront {
    async fn busy(&self) -> Option<u64> {
        let control = Control::new(&self.client, &self.target);
        let text = control.metrics_text().await.ok()?;
        let gauges = MetricsPage::parse(&text).gauges();
        let total = gauges.running? + gauges.waiting.unwrap_or(0.0);
        Some(total.max(0.0).round() as u64)
    }

    async fn probe(&self) -> Probe {
        Control::new(&self.client, &self.target).probe().await
    }
}
