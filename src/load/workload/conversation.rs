//! The `conversation` workload: what do long conversations cost, turn after turn?
//!
//! Every user holds conversations one after the other, all users at once. Each turn sends the
//! whole history, the engine's own answers included. A failed turn ends its conversation,
//! because the history is broken from there on.

mod report;

use std::sync::OnceLock;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::load::control::Control;
use crate::load::metrics::{MetricsPage, PrefixCounters};
use crate::load::reason::reason;
use crate::load::stream::ChatRequest;
use crate::load::workload::context::{NodeContext, PromptNeeds};
use crate::load::workload::conversation::report::{Run, Sent, summarise};
use crate::load::workload::speed::{Silence, judge};
use crate::measure::node::NodeReport;
use crate::measure::request::{Request, RequestRole};
use crate::spec::workload::conversation::{ConversationSpec, Script};

/// So many requests in a row, for each user, found nobody: the engine has stopped answering.
const SILENT_REQUESTS: u32 = 2;

/// The counters are written by another task of the server than the one that ends a response.
const COUNTERS_SETTLE: Duration = Duration::from_millis(300);

/// Length of the warm-up where the messages are a file's.
const WARM_UP_TOKENS: u32 = 100;

/// Holds all conversations. Failed turns are counted in the report; it ends early when the
/// engine stops answering.
pub async fn run(context: &NodeContext<'_>, spec: &ConversationSpec) -> NodeReport {
    let scale = context.server.scale();
    let started = Instant::now();
    let talk = match Talk::new(context, spec) {
        Ok(talk) => talk,
        Err(because) => return context.failed(because),
    };
    talk.warm_up().await;
    let before = talk.counters().await;
    let users = (0..spec.users).map(|user| talk.converse(user));
    let sent: Vec<Sent> = join_all(users).await.into_iter().flatten().collect();
    sleep(COUNTERS_SETTLE).await;
    let counters = before.zip(talk.counters().await);
    summarise(&Run {
        node: context.node,
        turns: spec.turns,
        block_size: context.server.facts().block_size,
        sent: &sent,
        counters,
        ended_early: talk.ended_early.get().cloned(),
        took_ms: scale.told_ms(started.elapsed()),
    })
}

/// The prompts that it needs: one for each message of each conversation, none alike.
pub fn needs(spec: &ConversationSpec) -> PromptNeeds {
    let (warm_up, messages) = match spec.script {
        Script::Seeded { prompt_tokens } => {
            let n_messages = spec.n_conversations() as usize * spec.turns as usize;
            (prompt_tokens, vec![prompt_tokens; n_messages])
        }
        Script::Given(_) => (WARM_UP_TOKENS, Vec::new()),
    };
    PromptNeeds {
        warm_up: Some(warm_up),
        prompts: spec.system_tokens.into_iter().chain(messages).collect(),
    }
}

/// All conversations against one engine.
struct Talk<'a> {
    context: &'a NodeContext<'a>,
    spec: &'a ConversationSpec,
    warm_up: Option<&'a str>,
    system: Option<&'a str>,
    /// What is said, by conversation; with its place in the prompt book where it has one.
    messages: Vec<Vec<(Option<u32>, &'a str)>>,
    silence: Silence,
    ended_early: OnceLock<String>,
}

impl<'a> Talk<'a> {
    fn new(context: &'a NodeContext<'a>, spec: &'a ConversationSpec) -> Result<Self, String> {
        let cut = context
            .prompts()
            .ok_or("the prompt book has no prompts for it")?;
        let needed = needs(spec).prompts.len();
        let has = cut.prompts.len();
        if has < needed {
            return Err(format!(
                "the prompt book has {has} prompts for it, it needs {needed}"
            ));
        }
        let texts: Vec<(Option<u32>, &str)> = (0..)
            .map(Some)
            .zip(cut.prompts.iter().map(|prompt| prompt.text.as_str()))
            .collect();
        let (system, cut_messages) = match spec.system_tokens {
            Some(_) => (texts.first().map(|(_, text)| *text), &texts[1..]),
            None => (None, &texts[..]),
        };
        let messages = match &spec.script {
            Script::Seeded { .. } => cut_messages
                .chunks(spec.turns as usize)
                .map(<[_]>::to_vec)
                .collect(),
            Script::Given(conversations) => conversations
                .iter()
                .map(|said| said.iter().map(|text| (None, text.as_str())).collect())
                .collect(),
        };
        Ok(Self {
            context,
            spec,
            warm_up: cut.warm_up.as_ref().map(|prompt| prompt.text.as_str()),
            system,
            messages,
            silence: Silence::default(),
            ended_early: OnceLock::new(),
        })
    }

    /// One request that is not measured: it has the prompt of nobody else.
    async fn warm_up(&self) {
        if let Some(text) = self.warm_up {
            let history = [json!({ "role": "user", "content": text })];
            let request = ChatRequest::new(self.body(&history));
            let exchange = self.context.streamer.send(&request).await;
            let failure = judge(&exchange, self.spec.max_tokens);
            self.context.requests.push(Request {
                node: self.context.node.to_owned(),
                index: 0,
                role: RequestRole::WarmUp,
                prompt: None,
                user: 0,
                turn: None,
                label: None,
                instants: exchange.instants,
                usage: exchange.usage,
                counters: None,
                finish_reason: exchange.finish_reason,
                failure,
                proof: None,
            });
        }
    }

    /// What the engine counts of its cache; `None` where it does not say.
    async fn counters(&self) -> Option<PrefixCounters> {
        let control = Control::new(self.context.client, self.context.server.target());
        let text = control.metrics_text().await.ok()?;
        Some(MetricsPage::parse(&text).prefix_counters())
    }

    /// One user's conversations, one after the other.
    async fn converse(&self, user: u32) -> Vec<Sent> {
        let mut sent = Vec::new();
        for iteration in 0..self.spec.iterations {
            if self.ended_early.get().is_some() {
                break;
            }
            let conversation = user * self.spec.iterations + iteration;
            self.hold(user, conversation, &mut sent).await;
        }
        sent
    }

    /// One conversation, up to its first failed turn.
    async fn hold(&self, user: u32, conversation: u32, sent: &mut Vec<Sent>) {
        let scale = self.context.server.scale();
        let mut history: Vec<Value> = self
            .system
            .map(|text| json!({ "role": "system", "content": text }))
            .into_iter()
            .collect();
        let messages = &self.messages[conversation as usize];
        for (turn, (prompt, text)) in (0..).zip(messages) {
            if turn > 0
                && let Some(pause) = self.spec.think_time
            {
                sleep(scale.real(pause)).await;
            }
            if self.ended_early.get().is_some() {
                return;
            }
            history.push(json!({ "role": "user", "content": text }));
            let request = ChatRequest::new(self.body(&history)).keeping_answer();
            let exchange = self.context.streamer.send(&request).await;
            let failure = judge(&exchange, self.spec.max_tokens);
            let most = SILENT_REQUESTS * self.spec.users;
            if self.silence.is_final(failure.as_ref(), most)
                && let Some(failure) = &failure
            {
                let because = format!("the engine stopped answering: {}", reason(failure));
                // Whoever says it first.
                let _ = self.ended_early.set(because);
            }
            let request = Request {
                node: self.context.node.to_owned(),
                // In the order of the conversations, whatever the order of their ends; the
                // warm-up comes before.
                index: 1 + conversation * self.spec.turns + turn,
                role: RequestRole::Measured,
                prompt: *prompt,
                user,
                turn: Some(turn),
                label: None,
                instants: exchange.instants,
                usage: exchange.usage,
                counters: None,
                finish_reason: exchange.finish_reason,
                failure,
                proof: None,
            };
            sent.push(Sent::of(&request, conversation, scale));
            let failed = request.failure.is_some();
            self.context.requests.push(request);
            if failed {
                return;
            }
            let answer = exchange.answer.unwrap_or_default();
            history.push(json!({ "role": "assistant", "content": answer.content }));
        }
    }

    fn body(&self, history: &[Value]) -> String {
        let context = self.context;
        json!({
            "model": context.server.target().model,
            "messages": history,
            "max_tokens": self.spec.max_tokens,
            "temperature": 0,
            // vLLM takes seeds as signed 64-bit integers.
            "seed": context.book.seed & i64::MAX as u64,
            "ignore_eos": true,
            "stream": true,
            "stream_options": { "include_usage": true },
        })
        .to_string()
    }
}
