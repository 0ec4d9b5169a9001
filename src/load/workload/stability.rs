//! The `stability` workload: does the engine answer the thousandth request as it answered the
//! first? Short and long requests mixed, by count or for hours. `age` is the same by time, under
//! a light load.
//!
//! Of each request a few numbers are kept, however many there are; the engine's own gauges are
//! read on a beat. What becomes of the numbers is `report`'s to say.

mod course;
mod report;

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::load::control::Control;
use crate::load::metrics::MetricsPage;
use crate::load::reason::reason;
use crate::load::workload::context::{NodeContext, PromptNeeds};
use crate::load::workload::stability::course::{Course, Gauges};
use crate::load::workload::stability::report::{Ending, Run, summarise};
use crate::load::workload::traffic::{Crew, Done, Orders, Pace, Task, Texts};
use crate::measure::node::NodeReport;
use crate::measure::request::{Request, RequestRole};
use crate::spec::workload::load::Extent;
use crate::spec::workload::stability::{Source, StabilitySpec};

/// Prompts that are cut of each length; each request gets an opening of its own.
const N_PROMPTS: usize = 2;

/// So many requests in a row without any answer, for each user: the engine has stopped answering.
const SILENT_REQUESTS: u32 = 3;

/// The shortest and the longest from one reading of the gauges to the next, in the engine's time;
/// between them a soak is read five hundred times.
const BEAT: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));
const BEATS: u32 = 500;

pub fn needs(spec: &StabilitySpec) -> PromptNeeds {
    let lengths = [spec.short, spec.long].map(|task| task.prompt_tokens);
    PromptNeeds {
        warm_up: None,
        prompts: lengths
            .iter()
            .flat_map(|length| [*length; N_PROMPTS])
            .collect(),
    }
}

/// Runs it.
pub async fn run(context: &NodeContext<'_>, spec: &StabilitySpec) -> NodeReport {
    let tasks = context.prompts().and_then(|prompts| {
        let (short, long) = prompts.prompts.split_at_checked(N_PROMPTS)?;
        let long = long.get(..N_PROMPTS)?;
        Some(vec![
            Task::new(short, spec.short.max_tokens),
            Task::new(long, spec.long.max_tokens),
        ])
    });
    match tasks {
        Some(tasks) => soak(context, spec, tasks).await,
        None => context.failed("the prompt book has not all prompts for it".to_owned()),
    }
}

async fn soak(context: &NodeContext<'_>, spec: &StabilitySpec, tasks: Vec<Task>) -> NodeReport {
    let scale = context.server.scale();
    let texts = Texts {
        seed: context.book.seed,
        model: context.server.target().model.clone(),
    };
    let (pace, n_users) = match spec.source {
        Source::Users(n) => (Pace::Users(n), n),
        Source::Rate {
            per_second,
            arrival,
        } => (
            Pace::Rate {
                per_second,
                arrival,
            },
            1,
        ),
    };
    context
        .streamer
        .connect_ahead(n_users.min(256) as usize)
        .await;
    let started = Instant::now();
    let origin = u64::try_from((started - context.server.origin()).as_nanos())
        .expect("an attempt is shorter than 584 years");
    let orders = Orders {
        pace,
        extent: spec.extent,
        warm_up: true,
        probes: false,
        tasks,
        second_share: spec.long_share,
        first_serial: 0,
        seed: context.book.seed,
    };
    let mut crew = Crew::start(context.streamer, &texts, orders, scale);
    let mut course = Course::new(origin, scale, context.limits.total);
    let mut beat = interval(scale.pause(beat(spec.extent)));
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut n_requests, mut n_silent) = (0_u32, 0_u32);
    let ending = loop {
        tokio::select! {
            biased;
            _ = beat.tick() => {
                // Reading waits for nobody's answer longer than a control request may.
                let at = scale.told(started.elapsed());
                if let Some(gauges) = gauges(context).await {
                    course.read(at, gauges);
                }
            }
            done = crew.next() => {
                let Some(done) = done else { break Ending::Whole };
                let failure = done.exchange.failure.as_ref();
                n_silent = match failure {
                    Some(failure) if failure.is_silence() => n_silent + 1,
                    Some(_) | None => 0,
                };
                let silent = failure
                    .filter(|_| n_silent >= SILENT_REQUESTS * n_users.max(2))
                    .map(reason);
                let task = done.task;
                let request = request(context.node, n_requests, done);
                n_requests = n_requests.saturating_add(1);
                course.take(task, &request);
                context.requests.push(request);
                if let Some(because) = silent {
                    break Ending::Early {
                        because: format!("the engine stopped answering: {because}"),
                    };
                }
            }
            () = context.over.cancelled() => {
                break Ending::Early {
                    because: "it was ended before its time".to_owned(),
                };
            }
        }
    };
    drop(crew);
    if let Some(gauges) = gauges(context).await {
        course.read(scale.told(started.elapsed()), gauges);
    }
    summarise(&Run {
        node: context.node,
        kind: context.kind,
        course: &course,
        ending,
        took_ms: scale.told_ms(started.elapsed()),
    })
}

/// From one reading of the gauges to the next, in the engine's time.
fn beat(extent: Extent) -> Duration {
    let (shortest, longest) = BEAT;
    match extent {
        Extent::Requests(_) => shortest,
        Extent::Lasting(lasts) => (lasts / BEATS).clamp(shortest, longest),
    }
}

async fn gauges(context: &NodeContext<'_>) -> Option<Gauges> {
    let control = Control::new(context.client, context.server.target());
    let text = control.metrics_text().await.ok()?;
    Some(Gauges::of(&MetricsPage::parse(&text)))
}

fn request(node: &str, index: u32, done: Done) -> Request {
    let Done {
        role,
        user,
        task,
        exchange,
    } = done;
    Request {
        node: node.to_owned(),
        index,
        role,
        prompt: None,
        user,
        turn: None,
        label: Some(if task == 0 { "short" } else { "long" }.to_owned()),
        instants: exchange.instants,
        usage: exchange.usage,
        counters: None,
        finish_reason: exchange.finish_reason,
        failure: exchange.failure,
        proof: None,
    }
}

/// Whether a request is measured.
pub(in crate::load::workload::stability) fn is_measured(request: &Request) -> bool {
    request.role == RequestRole::Measured
}

#[cfg(test)]
mod tests;
