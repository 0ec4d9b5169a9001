//! The gauges on an engine's `/metrics`, read beside its requests.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::load::control::Control;
use crate::load::metrics::MetricsPage;
use crate::measure::sample::EngineGauges;
use crate::runner::meter::GaugeMeter;
use crate::runner::ports::Target;

/// Reads one engine's page.
#[derive(Debug, Clone)]
pub struct HttpGauges {
    client: reqwest::Client,
    target: Target,
}

impl HttpGauges {
    pub fn new(client: reqwest::Client, target: Target) -> Self {
        Self { client, target }
    }
}

impl GaugeMeter for HttpGauges {
    fn read(&self) -> BoxFuture<'_, Option<EngineGauges>> {
        async {
            let control = Control::new(&self.client, &self.target);
            let text = control.metrics_text().await.ok()?;
            Some(MetricsPage::parse(&text).gauges())
        }
        .boxed()
    }
}
