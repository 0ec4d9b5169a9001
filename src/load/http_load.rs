//! The `Load` port over HTTP: which engine is asked what, and which workload runs.

use std::sync::Arc;
use std::time::Duration;

use crate::load::client::{ClientError, new_client};
use crate::load::control::{Control, ControlError};
use crate::load::gauges::HttpGauges;
use crate::load::metrics::MetricsPage;
use crate::load::prompt::{PromptSearch, SearchStep};
use crate::load::stream::{LoopWatch, RequestLimits, Streamer};
use crate::load::workload;
use crate::load::workload::context::{NodeContext, failed};
use crate::measure::node::{NodeReport, NodeStatus};
use crate::measure::prompt::{NodePrompts, Prompt, PromptBook};
use crate::outcome::EngineFacts;
use crate::runner::meter::GaugeMeter;
use crate::runner::ports::{Load, LoadError, NodeRun, Observed, Probe, ReadyServer, Target};
use crate::spec::experiment::Workload;

/// What it means for a node that the client was late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lateness {
    /// The node counts for nothing: what was measured is the client.
    Invalidates,
    /// It is told. For stand-ins, which share this machine's cores with the client by design,
    /// and whose numbers say nothing of an engine anyway.
    IsNoted,
}

/// Talks to engines over HTTP/1.1.
#[derive(Debug, Clone)]
pub struct HttpLoad {
    client: reqwest::Client,
    limits: RequestLimits,
    lateness: Lateness,
}

impl HttpLoad {
    /// `request_timeout` bounds every measured request, in the time of the engine; within it, a stream that has begun may
    /// pause for the usual stall limit.
    ///
    /// # Errors
    /// When the HTTP client cannot be set up.
    pub fn new(request_timeout: Duration) -> Result<Self, ClientError> {
        Self::with_limits(RequestLimits::within(request_timeout))
    }

    /// The same with limits of the caller's choice.
    ///
    /// # Errors
    /// When the HTTP client cannot be set up.
    pub fn with_limits(limits: RequestLimits) -> Result<Self, ClientError> {
        Ok(Self {
            client: new_client()?,
            limits,
            lateness: Lateness::IsNoted,
        })
    }

    /// The same with another meaning of the client's lateness; it is only noted otherwise.
    #[must_use]
    pub fn when_late(self, lateness: Lateness) -> Self {
        Self { lateness, ..self }
    }

    /// How the client did during a node, and what follows from it.
    fn judge(&self, report: &mut NodeReport, streamer: &Streamer, watch: &LoopWatch) {
        report.client = streamer.health(watch);
        let Some(because) = report
            .client
            .and_then(|health| health.bottleneck(streamer.ttft_p50_ms()))
        else {
            return;
        };
        match (self.lateness, &report.status) {
            (Lateness::Invalidates, NodeStatus::Completed) => {
                report.status = NodeStatus::Invalid { because };
            }
            // Why a node failed matters more than how it was measured.
            (Lateness::Invalidates | Lateness::IsNoted, _) => report.notes.push(because),
        }
    }

    fn control<'a>(&'a self, target: &'a Target) -> Control<'a> {
        let patience = self.limits.scale.patience(self.limits.total);
        Control::new(&self.client, target).within(patience)
    }

    /// Cuts one prompt.
    async fn cut(
        &self,
        server: &ReadyServer,
        node: &str,
        mut search: PromptSearch,
    ) -> Result<Prompt, LoadError> {
        let control = self.control(server.target());
        loop {
            match search.step() {
                SearchStep::Count(text) => {
                    let tokens = control.count_tokens(&text).await;
                    search.learn(tokens.map_err(|error| cannot_cut(node, error))?);
                }
                SearchStep::Found(prompt) => return Ok(prompt),
                SearchStep::Failed(error) => return Err(cannot_cut(node, error)),
            }
        }
    }
}

impl Load for HttpLoad {
    async fn probe(&self, target: &Target) -> Probe {
        self.control(target).probe().await
    }

    async fn is_healthy(&self, target: &Target) -> bool {
        self.control(target).health().await.is_ok()
    }

    fn gauges(&self, target: &Target) -> Arc<dyn GaugeMeter> {
        Arc::new(HttpGauges::new(self.client.clone(), target.clone()))
    }

    async fn facts(&self, server: &ReadyServer) -> Result<Observed, LoadError> {
        let control = self.control(server.target());
        let cannot_ask = |error| load_error("cannot ask the engine what it is".to_owned(), error);
        let version = control.version().await.map_err(cannot_ask)?;
        let model = control.served_model().await.map_err(cannot_ask)?;
        let metrics_text = match control.metrics_text().await {
            Ok(text) => text,
            // An engine without this page can be measured; what the page would tell stays
            // unknown.
            Err(ControlError::Status { .. }) => String::new(),
            Err(error) => return Err(cannot_ask(error)),
        };
        let cache = MetricsPage::parse(&metrics_text).cache_info();
        let facts = EngineFacts {
            version,
            max_model_len: model.max_model_len,
            kv_cache_tokens: cache.kv_cache_tokens,
            block_size: cache.block_size,
            warnings: Vec::new(),
        };
        Ok(Observed {
            facts,
            metrics_text,
        })
    }

    async fn compose(
        &self,
        server: &ReadyServer,
        workloads: &[Workload],
        seed: u64,
    ) -> Result<PromptBook, LoadError> {
        // One count over all nodes, so that no two prompts of a run begin alike.
        let mut ordinals = 0..;
        let mut nodes = Vec::new();
        for workload in workloads {
            let node = workload.name.as_str();
            let needs = workload::needs(&workload.spec);
            let mut search =
                |length| PromptSearch::new(seed, ordinals.next().unwrap_or(u32::MAX), length);
            let warm_up = match needs.warm_up {
                Some(length) => Some(self.cut(server, node, search(length)).await?),
                None => None,
            };
            let mut prompts = Vec::new();
            for length in needs.prompts {
                prompts.push(self.cut(server, node, search(length)).await?);
            }
            nodes.push(NodePrompts {
                node: node.to_owned(),
                warm_up,
                prompts,
            });
        }
        let model = server.target().model.clone();
        Ok(PromptBook {
            version: PromptBook::VERSION,
            model,
            seed,
            nodes,
        })
    }

    async fn run(&self, server: &ReadyServer, node: NodeRun<'_>) -> NodeReport {
        let (name, kind) = (&node.workload.name, node.workload.kind());
        let streamer = match Streamer::for_server(server, self.limits) {
            Ok(streamer) => streamer,
            Err(error) => return failed(name, kind, error.to_string()),
        };
        let watch = LoopWatch::start();
        let context = NodeContext {
            streamer: &streamer,
            client: &self.client,
            server,
            limits: self.limits.at(server.scale()),
            node: name,
            kind,
            book: node.book,
            requests: node.requests,
            upstream: node.upstream,
            beside: node.beside,
            over: node.over,
        };
        let mut report = workload::run(&context, &node.workload.spec).await;
        self.judge(&mut report, &streamer, &watch);
        report
    }
}

fn cannot_cut(node: &str, error: impl std::error::Error + Send + Sync + 'static) -> LoadError {
    load_error(format!("cannot make the prompts of `{node}`"), error)
}

fn load_error(what: String, error: impl std::error::Error + Send + Sync + 'static) -> LoadError {
    LoadError {
        what,
        source: Some(Box::new(error)),
    }
}
