//! The `kv-cache` workload: how much faster is a prompt that the engine has seen before?
//!
//! After a warm-up, each prompt is sent twice, one request at a time: its first request, which
//! no cache can serve, and the same again. The engine's prefix cache counters are read around
//! each request, outside of its timed span.

mod report;

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::load::control::Control;
use crate::load::metrics::{MetricsPage, PrefixCounters, difference};
use crate::load::proof::prove;
use crate::load::reason::reason;
use crate::load::stream::{ChatRequest, Exchange, SpeedRequest};
use crate::load::workload::context::{NodeContext, PromptNeeds};
use crate::load::workload::kv_cache::report::{Ending, Run, summarise};
use crate::load::workload::speed::judge;
use crate::measure::node::NodeReport;
use crate::measure::prompt::{NodePrompts, Prompt};
use crate::measure::request::{CacheCounters, Request, RequestRole};
use crate::spec::workload::kv_cache::KvCacheSpec;

/// So many requests in a row without any answer: the engine has stopped answering.
const SILENT_REQUESTS: u32 = 2;

/// The counters are written by another task of the server than the one that ends the response:
/// so often, and after such a pause, they are looked at again.
const COUNTER_READINGS: u32 = 10;
const COUNTER_PAUSE: Duration = Duration::from_millis(50);

/// Runs it. Failed requests are counted in the report; it ends early when the engine stops
/// answering.
pub async fn run(context: &NodeContext<'_>, spec: &KvCacheSpec) -> NodeReport {
    Session { context, spec }.run().await
}

/// The prompts that it needs, by their lengths in tokens.
pub fn needs(spec: &KvCacheSpec) -> PromptNeeds {
    PromptNeeds {
        warm_up: Some(spec.prompt_tokens),
        prompts: vec![spec.prompt_tokens; spec.iterations as usize],
    }
}

/// One run of the workload against one engine.
#[derive(Debug, Clone, Copy)]
struct Session<'a> {
    context: &'a NodeContext<'a>,
    spec: &'a KvCacheSpec,
}

impl Session<'_> {
    async fn run(&self) -> NodeReport {
        let (context, scale) = (self.context, self.context.server.scale());
        let started = Instant::now();
        let (requests, ending) = match self.prompts() {
            Ok(prompts) => self.send_all(prompts).await,
            Err(because) => (Vec::new(), Ending::Early { because }),
        };
        summarise(&Run {
            node: context.node,
            prompts: context.book.node(context.node),
            block_size: context.server.facts().block_size,
            requests: &requests,
            ending,
            scale,
            took_ms: scale.told_ms(started.elapsed()),
        })
    }

    fn prompts(&self) -> Result<&NodePrompts, String> {
        let prompts = self
            .context
            .prompts()
            .ok_or("the prompt book has no prompts for it")?;
        let (has, needs) = (prompts.prompts.len(), self.spec.iterations as usize);
        if has < needs {
            return Err(format!(
                "the prompt book has {has} prompts for it, it needs {needs}"
            ));
        }
        Ok(prompts)
    }

    async fn send_all(&self, prompts: &NodePrompts) -> (Vec<Request>, Ending) {
        let mut sender = Sender {
            session: self,
            requests: Vec::new(),
            n_silent: 0,
        };
        // The warm-up has a prompt of its own; the number says nothing there.
        let mut silence = match &prompts.warm_up {
            Some(prompt) => sender.send(RequestRole::WarmUp, 0, prompt).await.err(),
            None => None,
        };
        for (number, prompt) in (0..self.spec.iterations).zip(&prompts.prompts) {
            if silence.is_some() {
                break;
            }
            silence = sender.send_pair(number, prompt).await.err();
        }
        let ending = silence.map_or(Ending::Whole, |because| Ending::Early { because });
        (sender.requests, ending)
    }

    async fn send(&self, prompt: &Prompt) -> (Exchange, Option<CacheCounters>) {
        let (context, server) = (self.context, self.context.server);
        let target = server.target();
        let content = prompt.text.as_str();
        let request = SpeedRequest {
            content,
            max_tokens: self.spec.max_tokens,
            seed: context.book.seed,
        };
        let request = ChatRequest::new(request.body(&target.model));
        let before = self.read_counters().await;
        let mut exchange = context.streamer.send(&request).await;
        exchange.failure = judge(&exchange, self.spec.max_tokens);
        let counters = match (before, &exchange.failure) {
            (Some(before), None) => self.counters_since(before).await,
            _ => None,
        };
        (exchange, counters)
    }

    async fn read_counters(&self) -> Option<PrefixCounters> {
        let context = self.context;
        let control = Control::new(context.client, context.server.target());
        let text = control.metrics_text().await.ok()?;
        Some(MetricsPage::parse(&text).prefix_counters())
    }

    /// How far the counters moved, once they tell of the request at all; `None` when they do
    /// not.
    async fn counters_since(&self, before: PrefixCounters) -> Option<CacheCounters> {
        for reading in 0..COUNTER_READINGS {
            if reading > 0 {
                sleep(COUNTER_PAUSE).await;
            }
            let after = self.read_counters().await?;
            let queries = difference(before.queries, after.queries)?;
            let hits = difference(before.hits, after.hits)?;
            // Where prefix caching is off only the prompt tokens move.
            let prompt_tokens = difference(before.prompt_tokens, after.prompt_tokens);
            if prompt_tokens.unwrap_or(queries) > 0 {
                return Some(CacheCounters { queries, hits });
            }
        }
        None
    }
}

/// Sends requests one after the other and keeps what came of them.
struct Sender<'a> {
    session: &'a Session<'a>,
    requests: Vec<Request>,
    /// Requests in a row that found nobody.
    n_silent: u32,
}

impl Sender<'_> {
    /// A first request and, unless it failed, its repeat: without a first, the repeat would be
    /// one itself.
    async fn send_pair(&mut self, number: u32, prompt: &Prompt) -> Result<(), String> {
        let succeeded = self.send(RequestRole::First, number, prompt).await?;
        if succeeded {
            self.send(RequestRole::Repeat, number, prompt).await?;
        }
        Ok(())
    }

    /// Sends one request; says whether it succeeded. The error says why no further request
    /// makes sense.
    async fn send(
        &mut self,
        role: RequestRole,
        number: u32,
        prompt: &Prompt,
    ) -> Result<bool, String> {
        let context = self.session.context;
        let (exchange, counters) = self.session.send(prompt).await;
        let proof = match (&exchange.failure, exchange.usage) {
            (None, Some(usage)) => Some(prove(usage, counters, context.server.facts().block_size)),
            _ => None,
        };
        let failure = exchange.failure.clone();
        let request = Request {
            node: context.node.to_owned(),
            index: u32::try_from(self.requests.len()).expect("iterations are counted in 32 bits"),
            role,
            prompt: Some(number),
            user: 0,
            turn: None,
            label: None,
            instants: exchange.instants,
            usage: exchange.usage,
            counters,
            finish_reason: exchange.finish_reason,
            failure: exchange.failure,
            proof,
        };
        context.requests.push(request.clone());
        self.requests.push(request);
        match failure {
            Some(failure) if failure.is_silence() => {
                self.n_silent += 1;
                if self.n_silent >= SILENT_REQUESTS {
                    return Err(format!(
                        "the engine stopped answering: {}",
                        reason(&failure)
                    ));
                }
                Ok(false)
            }
            failure => {
                self.n_silent = 0;
                Ok(failure.is_none())
            }
        }
    }
}
