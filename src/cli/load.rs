//! `gridrun load --url URL`: the streaming client alone against any OpenAI-compatible server.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

use crate::cli::args::{ArrivalChoice, LoadArgs};
use crate::cli::fault::BadInput;
use crate::cli::signals;
use crate::exit::Exit;
use crate::load::RequestLimits;
use crate::load::client::new_client;
use crate::load::control::{Control, ControlError};
use crate::load::generator::{Collector, Generator, LoadPlan, Pace};
use crate::load::prompt_source::{PromptSource, PromptSourceError};
use crate::load::reason::reason;
use crate::load::stream::{LoopWatch, Streamer};
use crate::measure::load_run::{Asked, ClientSide, LoadEnding, LoadRun, LoadTally};
use crate::measure::request::Request;
use crate::measure::token_instants::TokenTimes;
use crate::report::load_run;
use crate::runner::cancel::Cancel;
use crate::runner::ports::{RequestSink, RuntimeError, Target};
use crate::spec::workload::arrival::Arrival;
use crate::store::{durable, parquet};
use crate::ui::load_progress::LoadProgress;

/// Streams need little time; a second core keeps one of them from waiting for another's.
const WORKERS: usize = 2;

pub(super) fn load(args: &LoadArgs) -> anyhow::Result<Exit> {
    let key = api_key(args.api_key_env.as_deref())?;
    allow_many_connections();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .context("cannot start the event loop")?;
    let run = runtime.block_on(measure(args, key))?;
    print(args, &run)?;
    Ok(match (&run.client.bottleneck, run.ending) {
        (_, LoadEnding::Interrupted) => Exit::Interrupted,
        _ if run.succeeded == 0 => Exit::NothingMeasured,
        (Some(_), LoadEnding::Whole) => Exit::ClientBound,
        (None, LoadEnding::Whole) => Exit::Success,
    })
}

async fn measure(args: &LoadArgs, api_key: String) -> anyhow::Result<LoadRun> {
    let cancel = Cancel::default();
    signals::listen(cancel.clone()).context("cannot listen for Ctrl-C")?;
    let limits = RequestLimits::within(args.timeout);
    let mut target = Target {
        base_url: base_url(&args.url).to_owned(),
        model: args.model.clone().unwrap_or_default(),
        api_key,
    };
    let origin = Instant::now();
    // Refused before anything is asked of anybody.
    Streamer::new(&target, limits, origin, Arc::default())
        .map_err(|error| BadInput(format!("--url: {error}")))?;
    let client = new_client()?;
    if args.model.is_none() {
        let first = Control::new(&client, &target).first_model().await;
        target.model = first.map_err(not_there)?;
    }
    let streamer = Streamer::new(&target, limits, origin, Arc::default())?;
    let (prompts, is_exact) = prompts(args, Control::new(&client, &target)).await?;
    let (requests, duration) = ends(args);
    let plan = LoadPlan {
        pace: pace(args),
        requests,
        duration,
        model: target.model.clone(),
        max_tokens: args.max_tokens,
        prompts,
        seed: args.seed,
    };
    let collected = Arc::new(Collected::new(args));
    let generator = Generator::new(streamer.clone(), plan, Arc::clone(&collected));
    generator.warm_up(args.warmup).await;

    let watch = LoopWatch::start();
    let cpu_before = cpu_s();
    let storing = args.record.as_deref().map(|folder| {
        let storing = store(Arc::clone(&collected), folder.to_owned());
        tokio::spawn(storing)
    });
    let progress = LoadProgress::new(requests);
    let ending = {
        let mut running = std::pin::pin!(generator.run());
        loop {
            tokio::select! {
                () = &mut running => break LoadEnding::Whole,
                () = cancel.asked() => break LoadEnding::Interrupted,
                () = tokio::time::sleep(LoadProgress::BEAT) => {
                    let tally = collected.tally();
                    let (done, failed) = tally.counts();
                    progress.show(done, failed, tally.output_tokens());
                }
            }
        }
    };
    progress.finish();
    let side = ClientSide {
        health: streamer.health(&watch),
        cpu_s: cpu_s()
            .zip(cpu_before)
            .map(|(after, before)| after - before),
        peak_memory_mib: peak_memory_mib(),
    };
    if let Some(storing) = storing {
        collected.end();
        storing.await.context("storing the requests broke off")??;
    }
    let asked = asked(args, &target, is_exact);
    Ok(collected.tally().finish(asked, ending, side))
}

/// Where requests go when they have ended.
struct Collected {
    tally: Mutex<LoadTally>,
    /// Where they wait until they are stored; `None` where they are not.
    sink: Option<RequestSink>,
    /// No further request comes.
    ended: tokio::sync::Notify,
}

impl Collected {
    fn new(args: &LoadArgs) -> Self {
        let token_times = match args.no_token_times {
            true => TokenTimes::Dropped,
            false => TokenTimes::Kept,
        };
        Self {
            tally: Mutex::default(),
            sink: args.record.is_some().then(|| RequestSink::new(token_times)),
            ended: tokio::sync::Notify::new(),
        }
    }

    fn tally(&self) -> MutexGuard<'_, LoadTally> {
        // A panic elsewhere leaves the counts whole enough to be told.
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self) {
        self.ended.notify_one();
    }
}

impl Collector for Collected {
    fn take(&self, request: Request) {
        let why = request.failure.as_ref().map(reason);
        self.tally().take(&request, why);
        if let Some(sink) = &self.sink {
            sink.push(request);
        }
    }
}

/// Stores the requests part by part until they end.
async fn store(collected: Arc<Collected>, folder: PathBuf) -> anyhow::Result<()> {
    let sink = collected.sink.as_ref().expect("requests are recorded");
    for part in 0.. {
        let has_ended = tokio::select! {
            biased;
            () = sink.filled() => false,
            () = collected.ended.notified() => true,
        };
        let requests = sink.drain();
        let path = folder.join(part_name(part));
        let written = tokio::task::spawn_blocking(move || {
            std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
            durable::write(&path, &parquet::requests(&requests, &path)?)?;
            anyhow::Ok(())
        });
        written.await.context("storing the requests broke off")??;
        if has_ended {
            break;
        }
    }
    Ok(())
}

/// As the parts of an attempt are called.
fn part_name(part: u32) -> String {
    match part {
        0 => "requests.parquet".to_owned(),
        part => format!("requests.{part}.parquet"),
    }
}

fn print(args: &LoadArgs, run: &LoadRun) -> anyhow::Result<()> {
    let json = || -> anyhow::Result<Vec<u8>> {
        let mut json = serde_json::to_vec_pretty(run)?;
        json.push(b'\n');
        Ok(json)
    };
    let mut out = std::io::stdout().lock();
    match &args.json {
        Some(path) if path == Path::new("-") => out.write_all(&json()?)?,
        Some(path) => {
            std::fs::write(path, json()?)
                .with_context(|| format!("cannot write {}", path.display()))?;
            out.write_all(load_run(run).as_bytes())?;
        }
        None => out.write_all(load_run(run).as_bytes())?,
    }
    Ok(())
}

/// What comes before `/v1`, which people copy with it or without.
fn base_url(url: &str) -> &str {
    let url = url.trim_end_matches('/');
    url.strip_suffix("/v1").unwrap_or(url).trim_end_matches('/')
}

/// Without a number of requests and a duration, so many are sent.
const USUAL_REQUESTS: u64 = 100;

fn ends(args: &LoadArgs) -> (Option<u64>, Option<Duration>) {
    match (args.requests, args.duration) {
        (None, None) => (Some(USUAL_REQUESTS), None),
        ends => ends,
    }
}

fn pace(args: &LoadArgs) -> Pace {
    match args.rate {
        Some(rate) => Pace::Open {
            rate,
            arrival: match args.arrival {
                ArrivalChoice::Poisson => Arrival::Poisson,
                ArrivalChoice::Constant => Arrival::Constant,
            },
        },
        None => Pace::Closed {
            users: args.concurrency,
            think: args.think_time,
            ramp: args.ramp,
        },
    }
}

/// The prompts, and whether the server's tokenizer cut them.
async fn prompts(args: &LoadArgs, control: Control<'_>) -> anyhow::Result<(PromptSource, bool)> {
    let n = ends(args).0.unwrap_or(u64::MAX);
    let n = u32::try_from(n).unwrap_or(u32::MAX);
    match PromptSource::exact(control, args.seed, args.prompt_tokens, n).await {
        Ok(prompts) => Ok((prompts, true)),
        Err(PromptSourceError::Control(
            ControlError::Status { .. } | ControlError::Garbled { .. },
        )) => Ok((
            PromptSource::approximate(args.seed, args.prompt_tokens),
            false,
        )),
        Err(PromptSourceError::Control(error)) => Err(not_there(error)),
        Err(PromptSourceError::Prompt(error)) => Err(BadInput(error.to_string()).into()),
    }
}

fn asked(args: &LoadArgs, target: &Target, prompt_tokens_exact: bool) -> Asked {
    let (requests, duration) = ends(args);
    Asked {
        url: base_url(&args.url).to_owned(),
        model: target.model.clone(),
        concurrency: args.rate.is_none().then_some(args.concurrency),
        rate: args.rate,
        arrival: args.rate.map(|_| match args.arrival {
            ArrivalChoice::Poisson => "poisson".to_owned(),
            ArrivalChoice::Constant => "constant".to_owned(),
        }),
        requests,
        duration_s: duration.map(|duration| duration.as_secs_f64()),
        max_tokens: args.max_tokens,
        prompt_tokens: args.prompt_tokens,
        prompt_tokens_exact,
        seed: args.seed,
    }
}

fn not_there(error: ControlError) -> anyhow::Error {
    let what = format!("the server cannot be asked: {error}");
    let hint = "is it up, and is the address right?".to_owned();
    RuntimeError::NotPrepared { what, hint }.into()
}

fn api_key(variable: Option<&str>) -> anyhow::Result<String> {
    let Some(variable) = variable else {
        return Ok(String::new());
    };
    std::env::var(variable).map_err(|_| {
        let what = format!("the variable {variable} is not set");
        let hint = "it is to hold the API key".to_owned();
        RuntimeError::NotPrepared { what, hint }.into()
    })
}

/// Every stream is an open file; the usual limit of 1024 may be raised without asking anybody.
fn allow_many_connections() {
    let limit = getrlimit(Resource::Nofile);
    // Where it may not be raised, connections that fail for it are failures with that reason.
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    );
}

/// Processor time of this process so far, in seconds.
fn cpu_s() -> Option<f64> {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let (seconds, nanos) = (time.tv_sec as f64, time.tv_nsec as f64);
    Some(seconds + nanos / 1e9)
}

/// Most memory that this process had resident, where the kernel tells it.
fn peak_memory_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_with_and_without_its_version() {
        for url in [
            "http://h:1",
            "http://h:1/",
            "http://h:1/v1",
            "http://h:1/v1/",
        ] {
            assert_eq!(base_url(url), "http://h:1");
        }
        assert_eq!(base_url("http://h/llm/v1"), "http://h/llm");
    }
}
