//! The `load` workload: how does the engine do under more and more requests at once, and what is
//! the most that keeps the bounds?
//!
//! Rung after rung of a ladder, or of a search. Each rung warms up, measures and runs out before
//! the next begins. What a rung comes to is `rung`'s to say, what the node comes to `report`'s.

mod report;
mod rung;

use std::time::Duration;

use tokio::time::{Instant, interval, sleep};

use crate::load::control::Control;
use crate::load::metrics::MetricsPage;
use crate::load::reason::reason;
use crate::load::stream::ChatRequest;
use crate::load::workload::context::{NodeContext, PromptNeeds};
use crate::load::workload::load::report::{Ending, Run, summarise};
use crate::load::workload::load::rung::{Queue, RungRun, is_good_alone};
use crate::load::workload::speed::judge;
use crate::load::workload::traffic::{Crew, Done, Orders, Pace, Sample, Task, Texts};
use crate::measure::climb::{Climb, Range};
use crate::measure::kind::load::Rung;
use crate::measure::node::{NodeDetail, NodeReport};
use crate::measure::request::{Request, RequestRole};
use crate::measure::running::RunningSummary;
use crate::measure::saturation::{Reading, Saturated, WINDOW_S, Watch};
use crate::measure::summary::Summary;
use crate::spec::workload::load::{Demand, Levels, LoadSpec};
use crate::time_scale::TimeScale;

/// Prompts that are cut; each request gets an opening of its own.
const N_PROMPTS: usize = 2;

/// Probes of the engine at rest.
const IDLE_PROBES: u32 = 5;

/// So many requests in a row without any answer, for each user: the engine has stopped answering.
const SILENT_REQUESTS: u32 = 2;

/// How often the requests in flight are counted, in the engine's time.
const COUNT_EVERY: Duration = Duration::from_secs(1);

/// How long the engine may take to be done with what was given up, in its time.
const RUNS_OUT_WITHIN: Duration = Duration::from_secs(60);

pub fn needs(spec: &LoadSpec) -> PromptNeeds {
    PromptNeeds {
        warm_up: None,
        prompts: vec![spec.prompt_tokens; N_PROMPTS],
    }
}

/// Runs it.
pub async fn run(context: &NodeContext<'_>, spec: &LoadSpec) -> NodeReport {
    let prompts = match context.prompts() {
        Some(prompts) if !prompts.prompts.is_empty() => &prompts.prompts,
        _ => return context.failed("the prompt book has no prompts for it".to_owned()),
    };
    let mut session = Session {
        context,
        spec,
        texts: Texts {
            seed: context.book.seed,
            model: context.server.target().model.clone(),
        },
        task: Task::new(prompts, spec.max_tokens),
        n_serials: 0,
        n_requests: 0,
        failures: Vec::new(),
    };
    session.run().await
}

/// One run of the workload against one engine.
struct Session<'a> {
    context: &'a NodeContext<'a>,
    spec: &'a LoadSpec,
    texts: Texts,
    task: Task,
    /// Prompts that were used.
    n_serials: u32,
    /// Requests that were kept.
    n_requests: u32,
    /// What failed requests met, the first of each rung's.
    failures: Vec<String>,
}

/// Why no further rung makes sense.
enum Stop {
    Silent { because: String },
}

impl Session<'_> {
    async fn run(&mut self) -> NodeReport {
        let (context, scale) = (self.context, self.scale());
        let started = Instant::now();
        let idle_probe_ttft_ms = match self.spec.probes {
            true => self.idle_probes().await,
            false => None,
        };
        let started_from = self.found_before();
        let mut rungs = Vec::new();
        let ending = match &self.spec.levels {
            Levels::Ladder(levels) => self.ladder(levels, started_from, &mut rungs).await,
            Levels::Search { from, to } => {
                let step = match self.spec.demand {
                    Demand::Concurrency => 1.0,
                    Demand::Rate { .. } => 0.01,
                };
                let range = Range {
                    from: *from,
                    to: *to,
                    start: started_from.unwrap_or(*from),
                    step,
                };
                self.search(Climb::new(range), &mut rungs).await
            }
        };
        summarise(Run {
            node: context.node,
            spec: self.spec,
            rungs,
            idle_probe_ttft_ms,
            started_from,
            ending,
            failures: std::mem::take(&mut self.failures),
            took_ms: scale.told_ms(started.elapsed()),
        })
    }

    fn scale(&self) -> TimeScale {
        self.context.server.scale()
    }

    /// The level that the node named by `start-from` found.
    fn found_before(&self) -> Option<f64> {
        let former = self.context.found_by(self.spec.start_from.as_deref()?)?;
        match former.detail.as_ref()? {
            NodeDetail::Load(detail) => Some(detail.rungs.get(detail.judged?)?.level),
            NodeDetail::KvCache(_)
            | NodeDetail::Conversation(_)
            | NodeDetail::Reasoning(_)
            | NodeDetail::ToolCalling(_)
            | NodeDetail::Stability(_)
            | NodeDetail::Command(_) => None,
        }
    }

    async fn ladder(
        &mut self,
        levels: &[f64],
        started_from: Option<f64>,
        rungs: &mut Vec<Rung>,
    ) -> Ending {
        let lower = |level: &&f64| started_from.is_none_or(|found| **level > found);
        let first = started_from.into_iter();
        let levels: Vec<f64> = first.chain(levels.iter().filter(lower).copied()).collect();
        for level in levels {
            match self.rung(level).await {
                Ok(rung) => {
                    let saturated = rung.saturated.is_some();
                    rungs.push(rung);
                    if saturated {
                        return Ending::Saturated;
                    }
                }
                Err(Stop::Silent { because }) => return Ending::Early { because },
            }
        }
        Ending::Whole
    }

    async fn search(&mut self, mut climb: Climb, rungs: &mut Vec<Rung>) -> Ending {
        while let Some(level) = climb.next() {
            match self.rung(level).await {
                Ok(rung) => {
                    climb.learn(level, rung.broken.is_empty() && rung.saturated.is_none());
                    rungs.push(rung);
                }
                Err(Stop::Silent { because }) => return Ending::Early { because },
            }
        }
        Ending::Whole
    }

    /// Times to first token of an engine that does nothing else; the first one warms it up.
    async fn idle_probes(&mut self) -> Option<Summary> {
        let mut found = RunningSummary::default();
        for number in 0..=IDLE_PROBES {
            let request = ChatRequest::new(self.texts.probe());
            let mut exchange = self.context.streamer.send(&request).await;
            exchange.failure = judge(&exchange, 1);
            let role = match number {
                0 => RequestRole::WarmUp,
                _ => RequestRole::Probe,
            };
            let done = Done {
                role,
                user: 0,
                task: 0,
                exchange,
            };
            let request = self.keep(done, "at rest");
            if let Some(ttft) = request.ttft_ms(self.scale()).filter(|_| number > 0) {
                found.push(ttft);
            }
        }
        found.summary()
    }

    /// Measures one level.
    async fn rung(&mut self, level: f64) -> Result<Rung, Stop> {
        let (context, scale) = (self.context, self.scale());
        // Levels of concurrency are whole, and those that files can ask for fit.
        let pace = match self.spec.demand {
            Demand::Concurrency => Pace::Users(level as u32),
            Demand::Rate { arrival } => Pace::Rate {
                per_second: level,
                arrival,
            },
        };
        let label = match self.spec.demand {
            Demand::Concurrency => format!("concurrency {level}"),
            Demand::Rate { .. } => format!("rate {level}"),
        };
        let n_users = match pace {
            Pace::Users(n) => n,
            Pace::Rate { .. } => 1,
        };
        context
            .streamer
            .connect_ahead(n_users.min(256) as usize)
            .await;
        let orders = Orders {
            pace,
            extent: self.spec.rung,
            warm_up: true,
            probes: self.spec.probes,
            tasks: vec![self.task.clone()],
            second_share: 0.0,
            first_serial: self.n_serials,
            seed: context.book.seed.wrapping_add(level.to_bits()),
        };
        let before = self.queue().await;
        let started = Instant::now();
        let origin = u64::try_from((started - context.server.origin()).as_nanos())
            .expect("an attempt is shorter than 584 years");
        let mut crew = Crew::start(context.streamer, &self.texts, orders, scale);
        let mut run = RungRun::new(level, self.spec, scale);
        let mut falls_behind = FallsBehind::new(matches!(pace, Pace::Rate { .. }));
        let mut count = interval(scale.pause(COUNT_EVERY));
        let mut n_silent = 0;
        let silent_at = SILENT_REQUESTS * n_users.max(2);
        let silence = loop {
            tokio::select! {
                biased;
                _ = count.tick() => {
                    let now_s = scale.told(started.elapsed()).as_secs_f64();
                    run.saturated = falls_behind.look(now_s, crew.n_in_flight());
                    if run.saturated.is_some() {
                        break None;
                    }
                }
                done = crew.next() => {
                    let Some(done) = done else { break None };
                    let failure = done.exchange.failure.as_ref();
                    n_silent = match failure {
                        Some(failure) if failure.is_silence() => n_silent + 1,
                        Some(_) | None => 0,
                    };
                    let because = failure.filter(|_| n_silent >= silent_at).map(reason);
                    if let Some(because) = because {
                        break Some(because);
                    }
                    let role = done.role;
                    let request = self.keep(done, &label);
                    if let (Some(ttft), Some(first)) = (
                        request.ttft_ms(scale).filter(|_| role != RequestRole::Probe),
                        request.instants.first_token,
                    ) {
                        let at_s = scale.nanos_told_ms(first.saturating_sub(origin)) / 1e3;
                        falls_behind.answered(at_s, ttft);
                    }
                    let good = is_good_alone(&self.spec.slo, &request, scale);
                    run.take(&request, Sample::of(&request, good));
                }
            }
        };
        crew.close();
        self.n_serials = self.n_serials.wrapping_add(crew.n_serials());
        drop(crew);
        if let Some(because) = silence {
            return Err(Stop::Silent {
                because: format!("the engine stopped answering: {because}"),
            });
        }
        self.runs_out().await;
        run.queue = Queue::between(before, self.queue().await);
        self.failures.extend(run.first_failure.take());
        Ok(run.summarise())
    }

    /// Stores a request.
    fn keep(&mut self, done: Done, label: &str) -> Request {
        let Done {
            role,
            user,
            exchange,
            ..
        } = done;
        let request = Request {
            node: self.context.node.to_owned(),
            index: self.n_requests,
            role,
            prompt: None,
            user,
            turn: None,
            label: Some(label.to_owned()),
            instants: exchange.instants,
            usage: exchange.usage,
            counters: None,
            finish_reason: exchange.finish_reason,
            failure: exchange.failure,
            proof: None,
        };
        self.n_requests = self.n_requests.saturating_add(1);
        self.context.requests.push(request.clone());
        request
    }

    /// Waits until the engine has nothing left of what was given up, as far as it says.
    async fn runs_out(&self) {
        let scale = self.scale();
        let deadline = Instant::now() + scale.patience(RUNS_OUT_WITHIN);
        while Instant::now() < deadline {
            let busy = self.page().await.and_then(|page| {
                let running = page.counter("vllm:num_requests_running")?;
                Some(running + page.counter("vllm:num_requests_waiting")?)
            });
            match busy {
                Some(busy) if busy > 0.0 => sleep(scale.pause(COUNT_EVERY)).await,
                Some(_) | None => return,
            }
        }
    }

    async fn queue(&self) -> Option<Queue> {
        Queue::of(&self.page().await?)
    }

    async fn page(&self) -> Option<MetricsPage> {
        let control = Control::new(self.context.client, self.context.server.target());
        let text = control.metrics_text().await.ok()?;
        Some(MetricsPage::parse(&text))
    }
}

/// Watches an open loop for an engine that falls ever further behind. A closed loop cannot.
struct FallsBehind {
    open: bool,
    watch: Watch,
    next_look_s: f64,
    in_flight: Vec<Reading>,
    ttft_ms: Vec<Reading>,
}

impl FallsBehind {
    fn new(open: bool) -> Self {
        Self {
            open,
            watch: Watch::default(),
            next_look_s: Watch::PAUSE_S,
            in_flight: Vec::new(),
            ttft_ms: Vec::new(),
        }
    }

    fn answered(&mut self, at_s: f64, ttft_ms: f64) {
        if self.open {
            self.ttft_ms.push(Reading {
                at_s,
                value: ttft_ms,
            });
        }
    }

    fn look(&mut self, now_s: f64, in_flight: u32) -> Option<Saturated> {
        if !self.open {
            return None;
        }
        self.in_flight.push(Reading {
            at_s: now_s,
            value: f64::from(in_flight),
        });
        if now_s < self.next_look_s {
            return None;
        }
        self.next_look_s = now_s + Watch::PAUSE_S;
        for readings in [&mut self.in_flight, &mut self.ttft_ms] {
            readings.retain(|reading| reading.at_s >= now_s - WINDOW_S);
        }
        self.watch.look(now_s, &self.in_flight, &self.ttft_ms)
    }
}

#[cfg(test)]
mod tests;
