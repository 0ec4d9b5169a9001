//! The `tool-calling` workload: does a tool call of the model arrive as a call, and is it right?
//!
//! Short exchanges beside the scenarios look at the chat template, and at how the model writes a
//! call that no parser reads. Then every scenario is asked alone, streamed and whole, and again
//! by several users at once. What the answers are worth is judged in `judge.rs`, summed up in
//! `report.rs`.

mod conversation;
#[cfg(test)]
mod fixture;
mod judge;
mod leak;
mod report;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::future::join_all;
use serde_json::Value;
use tokio::time::Instant;

use crate::load::control::Control;
use crate::load::reason::reason;
use crate::load::stream::{ChatRequest, Exchange};
use crate::load::workload::context::NodeContext;
use crate::load::workload::tool_calling::conversation::{Conversation, Manner, Offer};
use crate::load::workload::tool_calling::judge::{Given, Judge, StepVerdict};
use crate::load::workload::tool_calling::report::{Came, Run, Turn, Whole, summarise};
use crate::measure::kind::tool_calling::{Probe, PromptTokens, Way};
use crate::measure::node::NodeReport;
use crate::measure::request::{Request, RequestFailure, RequestRole};
use crate::spec::workload::tool_calling::{Scenario, ScenarioClass, ToolCallingSpec};

/// So many requests in a row without any answer: the engine has stopped answering.
const SILENT_REQUESTS: u32 = 2;

/// Runs it. A refused request is a finding; it ends early when the engine stops answering.
pub async fn run(context: &NodeContext<'_>, spec: &ToolCallingSpec) -> NodeReport {
    let judge = match Judge::new(spec) {
        Ok(judge) => judge,
        Err(because) => return context.failed(because),
    };
    let started = Instant::now();
    let session = Session {
        context,
        spec,
        judge,
        index: AtomicU32::new(0),
        n_silent: AtomicU32::new(0),
    };
    let mut probe = session.probe().await;
    let mut runs = session.ask_alone().await;
    // What the engine counted when it was asked to call is worth more than what `/tokenize`
    // says: that of an older vLLM takes no tools.
    if let (Some(place), Some(tokens)) = (session.probed(), &mut probe.prompt_tokens)
        && let Some(with_tools) = first_prompt(&runs, place)
    {
        tokens.with_tools = with_tools;
    }
    runs.extend(session.ask_together().await);
    summarise(&Whole {
        node: context.node,
        spec,
        probe,
        runs: &runs,
        ended_early: session.silence(&runs),
        took_ms: context.server.scale().told_ms(started.elapsed()),
    })
}

/// One run of the workload against one engine.
#[derive(Debug)]
struct Session<'a> {
    context: &'a NodeContext<'a>,
    spec: &'a ToolCallingSpec,
    judge: Judge<'a>,
    /// Of the next request.
    index: AtomicU32,
    /// Requests in a row that found nobody.
    n_silent: AtomicU32,
}

/// Which request of which scenario is sent, and how.
#[derive(Debug, Clone, Copy)]
struct Errand<'s> {
    scenario: &'s Scenario,
    way: Way,
    user: u32,
    turn: u32,
}

impl Session<'_> {
    /// How long is a prompt with tools and without, and how does the model write a call that
    /// nobody reads?
    async fn probe(&self) -> Probe {
        let Some(scenario) = self.probed().map(|place| &self.spec.scenarios[place]) else {
            return Probe::default();
        };
        let (context, limits) = (self.context, self.context.limits);
        let patience = limits.scale.patience(limits.total);
        let control = Control::new(context.client, context.server.target()).within(patience);
        let said = Conversation::new(self.spec, scenario);
        // What cannot be asked stays unknown.
        let without = control.tokens_of(said.chat(Offer::Nothing)).await.ok();
        let with = control.tokens_of(said.chat(Offer::Tools)).await.ok();
        let mut probe = Probe {
            prompt_tokens: with
                .as_ref()
                .zip(without)
                .map(|(with, without)| PromptTokens {
                    with_tools: with.len() as u64,
                    without_tools: without.len() as u64,
                }),
            writes: None,
        };
        if let Some(prompt) = with {
            let written = control.written_behind(&prompt, self.spec.max_tokens).await;
            let names: Vec<&str> = scenario.tools.iter().map(String::as_str).collect();
            let leak = written.ok().and_then(|text| leak::find(&text, &names));
            probe.writes = leak.map(|leak| leak.format);
        }
        probe
    }

    /// The scenario with which the probe asks: the first that needs a call.
    fn probed(&self) -> Option<usize> {
        let scenarios = &self.spec.scenarios;
        scenarios
            .iter()
            .position(|scenario| scenario.class() != ScenarioClass::NoTool)
    }

    /// Every scenario, one request at a time.
    async fn ask_alone(&self) -> Vec<Run> {
        let mut runs = Vec::new();
        for round in 0..self.spec.rounds {
            for place in 0..self.spec.scenarios.len() {
                for way in [Way::Streamed, Way::Whole] {
                    if self.is_silent() {
                        return runs;
                    }
                    runs.push(self.ask(place, way, round, 0).await);
                }
            }
        }
        runs
    }

    /// Every scenario by every user, all users at once, each from another one on.
    async fn ask_together(&self) -> Vec<Run> {
        if self.spec.concurrency < 2 {
            return Vec::new();
        }
        let n_scenarios = self.spec.scenarios.len();
        let users = (0..self.spec.concurrency).map(|user| async move {
            let mut runs = Vec::new();
            for place in 0..n_scenarios {
                if self.is_silent() {
                    break;
                }
                let place = (place + user as usize) % n_scenarios;
                runs.push(self.ask(place, Way::Concurrent, user, user).await);
            }
            runs
        });
        join_all(users).await.into_iter().flatten().collect()
    }

    /// Asks one scenario to its end, or to the first answer that leads nowhere.
    async fn ask(&self, place: usize, way: Way, round: u32, user: u32) -> Run {
        let scenario = &self.spec.scenarios[place];
        let mut run = Run {
            scenario: place,
            way,
            round,
            turns: Vec::new(),
        };
        let mut said = Conversation::new(self.spec, scenario);
        let mut errand = Errand {
            scenario,
            way,
            user,
            turn: 0,
        };
        for expected in &scenario.steps {
            let (exchange, ttft_ms) = self.send_timed(&said, errand).await;
            errand.turn += 1;
            if let Some(failure) = exchange.failure {
                let needs_call = true;
                let came = Came::Nothing {
                    failure,
                    needs_call,
                };
                run.turns.push(Turn { came, ttft_ms });
                return run;
            }
            let given = given(&exchange);
            let verdict = self.judge.step(scenario, expected, &given);
            let leads_on = leads_on(&given, &verdict);
            said.feed_back(&given, &verdict, expected);
            let came = Came::Calls { given, verdict };
            run.turns.push(Turn { came, ttft_ms });
            if !leads_on {
                return run;
            }
        }
        let words = match scenario.class() {
            ScenarioClass::Simple | ScenarioClass::Parallel => return run,
            ScenarioClass::NoTool | ScenarioClass::Chained => &scenario.answer,
        };
        let (exchange, ttft_ms) = self.send_timed(&said, errand).await;
        let came = match exchange.failure {
            Some(failure) => Came::Nothing {
                failure,
                needs_call: false,
            },
            None => {
                let given = given(&exchange);
                let verdict = self.judge.words(scenario, words, &given);
                Came::Words { given, verdict }
            }
        };
        run.turns.push(Turn { came, ttft_ms });
        run
    }

    /// Sends a request, and says when its first delta came, if it did.
    async fn send_timed(&self, said: &Conversation, errand: Errand<'_>) -> (Exchange, Option<f64>) {
        let exchange = self.send(said, errand).await;
        let instants = &exchange.instants;
        let waited = instants.first_token.filter(|_| exchange.failure.is_none());
        let scale = self.context.server.scale();
        let ttft_ms = waited.map(|at| scale.nanos_told_ms(at.saturating_sub(instants.due)));
        (exchange, ttft_ms)
    }

    async fn send(&self, said: &Conversation, errand: Errand<'_>) -> Exchange {
        let context = self.context;
        let streamed = errand.way != Way::Whole;
        let request = ChatRequest::new(said.body(Manner {
            model: &context.server.target().model,
            max_tokens: self.spec.max_tokens,
            seed: context.book.seed,
            streamed,
        }))
        .keeping_answer();
        let exchange = if streamed {
            context.streamer.send(&request).await
        } else {
            context.streamer.send_whole(&request).await
        };
        let failure = exchange.failure.as_ref();
        if failure.is_some_and(RequestFailure::is_silence) {
            self.n_silent.fetch_add(1, Ordering::Relaxed);
        } else {
            self.n_silent.store(0, Ordering::Relaxed);
        }
        context.requests.push(Request {
            node: context.node.to_owned(),
            index: self.index.fetch_add(1, Ordering::Relaxed),
            role: RequestRole::Measured,
            prompt: None,
            user: errand.user,
            turn: Some(errand.turn),
            label: Some(format!("{} {}", errand.scenario.name, errand.way.name())),
            instants: exchange.instants.clone(),
            usage: exchange.usage,
            counters: None,
            finish_reason: exchange.finish_reason.clone(),
            failure: exchange.failure.clone(),
            proof: None,
        });
        exchange
    }

    fn is_silent(&self) -> bool {
        self.n_silent.load(Ordering::Relaxed) >= SILENT_REQUESTS
    }

    /// Why it ended early, if it did.
    fn silence(&self, runs: &[Run]) -> Option<String> {
        if !self.is_silent() {
            return None;
        }
        let last = runs.iter().rev().flat_map(|run| run.turns.iter().rev());
        let failure = last.filter_map(|turn| match &turn.came {
            Came::Nothing { failure, .. } => Some(reason(failure)),
            Came::Calls { .. } | Came::Words { .. } => None,
        });
        let because = failure.into_iter().next();
        Some(match because {
            Some(because) => format!("the engine stopped answering: {because}"),
            None => "the engine does not answer".to_owned(),
        })
    }
}

/// Tokens of the prompt of a scenario's first answer.
fn first_prompt(runs: &[Run], place: usize) -> Option<u64> {
    let runs = runs.iter().filter(|run| run.scenario == place);
    runs.filter_map(|run| run.turns.first()?.came.given()?.prompt_tokens)
        .next()
}

/// Whether the results of an answer's calls can be fed back.
fn leads_on(given: &Given, verdict: &StepVerdict) -> bool {
    verdict.right_function == Some(true)
        && given.calls.iter().all(|call| {
            let arguments = call.arguments.trim();
            arguments.is_empty() || matches!(serde_json::from_str(arguments), Ok(Value::Object(_)))
        })
}

fn given(exchange: &Exchange) -> Given {
    let answer = exchange.answer.clone().unwrap_or_default();
    Given {
        content: answer.content,
        reasoning: answer.reasoning,
        calls: answer.tool_calls,
        prompt_tokens: exchange.usage.map(|usage| usage.prompt),
        output_tokens: exchange.usage.map(|usage| usage.output),
        finish_reason: exchange.finish_reason.clone(),
    }
}
