//! Wires a run together: locks, runtime, journal, display, dispatcher, report.
//!
//! The order matters: nothing is written before the experiment is known to be right and the
//! runtime to be ready, and nothing is started before the run can be resumed.

use std::any::Any;
use std::io::Write;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use futures_util::FutureExt;
use tokio::sync::mpsc;

use crate::cli::args::{Format, RunOutput};
use crate::cli::fault::BadInput;
use crate::cli::{display, earlier, engine_choice, guard, host, report, signals, watch};
use crate::decide::prior;
use crate::event::{EventKind, RunEvent};
use crate::exit::Exit;
use crate::guard::stay::Stay;
use crate::host::proc::ProcHost;
use crate::id::{RunId, sha256_hex};
use crate::load::{HttpLoad, Lateness};
use crate::manifest::{Engines, Manifest, NightOrders, RunEnding, RunRecord, SourceCopy};
use crate::outcome::{Race, RuntimeFacts, Settled};
use crate::plan::ageing::planned;
use crate::plan::check::Checked;
use crate::plan::reuse::reusable;
use crate::runner::cancel::Cancel;
use crate::runner::dispatcher::{Dispatcher, Finished};
use crate::runner::meter::Gpu;
use crate::runner::ports::{Clock, Journal, Runtime};
use crate::runner::recorder::Recorder;
use crate::runtime::{DockerRuntime, EngineSpec, ProcessRuntime};
use crate::spec::diagnostic::{Source, Sources};
use crate::spec::profile::Profile;
use crate::spec::scenario::Scenario;
use crate::store::journal::FileJournal;
use crate::store::layout::RunDir;
use crate::store::lock::{self, Lock};
use crate::store::{durable, record};
use crate::time_scale::TimeScale;
use crate::ui::exposition::Exposition;
use crate::ui::metrics::MetricsServer;
use crate::ui::pull::Pull;
use crate::ui::tally::Tally;

/// Begins a new run and carries it out; with a scenario, as its file gives it.
pub(super) fn new_run(
    checked: Checked,
    engines: Engines,
    speed: TimeScale,
    scenario: Option<(Scenario, Source)>,
    output: &RunOutput,
) -> anyhow::Result<Exit> {
    new_run_in(checked, None, engines, speed, scenario, output).map(|(exit, _)| exit)
}

/// The same, perhaps as a night, and where the run lies; nowhere where none was begun.
pub(super) fn new_run_in(
    checked: Checked,
    night: Option<NightOrders>,
    engines: Engines,
    speed: TimeScale,
    scenario: Option<(Scenario, Source)>,
    output: &RunOutput,
) -> anyhow::Result<(Exit, Option<RunDir>)> {
    let started_at = jiff::Timestamp::now();
    let run = RunId::new(started_at, rand::random());
    let results =
        std::path::absolute(&output.results).context("cannot tell where the results go")?;
    let dir = RunDir::new(&results, &checked.experiment.name, &run);
    let exit = in_runtime(async {
        if let Some(exit) = owed().await? {
            return Ok(exit);
        }
        let _gpus = engine_choice::lock_gpus(&checked.experiment.profile, engines)?;
        let profile = checked.experiment.profile.clone();
        let (scenario, scenario_source) = scenario.unzip();
        let spec =
            engine_choice::engine_spec(&profile, engines, speed, scenario.as_ref(), dir.lock())?;
        let gpu = watch::gpu(&profile.engine.gpus, engines);
        let begin = |mut facts: RuntimeFacts| -> anyhow::Result<Begun> {
            durable::make_folder(dir.root())?;
            let lock = lock::lock_run(&dir.lock())?;
            let sources = copy_sources(&dir, &checked.sources, scenario_source.as_ref())?;
            if let Some(source) = &scenario_source {
                facts.notes.push(format!(
                    "scenario {}: the stand-ins fail on purpose",
                    source.path
                ));
            }
            let mut manifest = Manifest {
                format: Manifest::FORMAT,
                gridrun: env!("CARGO_PKG_VERSION").to_owned(),
                run,
                started_at,
                node_order: checked.node_order,
                experiment: checked.experiment,
                cells: checked.cells,
                sources,
                engines,
                speed,
                scenario,
                runtime: facts,
                host: host::facts(gpu.describe()),
                night,
                prior_noise: Vec::new(),
                consolidated: Vec::new(),
            };
            let mut earlier = earlier::comparable(&dir, &manifest);
            let reused = match manifest.experiment.run.reuse {
                Some(within) => reusable(&planned(&manifest), &manifest, &earlier, within),
                None => Vec::new(),
            };
            // What this run takes over tells its own noise already.
            let gave = |run: &RunId| {
                let mut origins = reused.iter().filter_map(|one| one.origin.as_ref());
                origins.any(|origin| origin.run == *run)
            };
            earlier.retain(|record| !gave(&record.manifest.run));
            manifest.prior_noise = prior::prior_noise(&manifest.experiment, earlier);
            record::write_manifest(&dir, &manifest)?;
            Ok(Begun {
                _lock: lock,
                stored: RunRecord {
                    manifest,
                    settled: Vec::new(),
                    skipped: Vec::new(),
                    race: Race::default(),
                    ending: RunEnding::Open,
                    production: None,
                    imported: Vec::new(),
                },
                reused,
            })
        };
        with_runtime(spec, &profile, engines, &gpu, &dir, output, begin).await
    })?;
    let is_there = dir.manifest().is_file();
    Ok((exit, is_there.then_some(dir)))
}

/// Goes on with a run that is on disk, at an absolute path.
pub(super) fn go_on(dir: RunDir, output: &RunOutput) -> anyhow::Result<Exit> {
    let stored = record::read(&dir)?;
    let (engines, speed, profile) = (
        stored.manifest.engines,
        stored.manifest.speed,
        stored.manifest.experiment.profile.clone(),
    );
    let scenario = stored.manifest.scenario.as_ref();
    let spec = engine_choice::engine_spec(&profile, engines, speed, scenario, dir.lock())?;
    in_runtime(async {
        if let Some(exit) = owed().await? {
            return Ok(exit);
        }
        let lock = lock::lock_run(&dir.lock())?;
        let _gpus = engine_choice::lock_gpus(&profile, engines)?;
        let gpu = watch::gpu(&profile.engine.gpus, engines);
        let begin = |facts: RuntimeFacts| -> anyhow::Result<Begun> {
            // Read again under the lock: the run may have gone on in between.
            let stored = record::read(&dir)?;
            engine_choice::same_engine(&stored.manifest.runtime, &facts)?;
            let here = host::facts(gpu.describe());
            engine_choice::same_machine(&stored.manifest.host, &here)?;
            Ok(Begun {
                _lock: lock,
                stored,
                reused: Vec::new(),
            })
        };
        with_runtime(spec, &profile, engines, &gpu, &dir, output, begin).await
    })
}

/// A run that may start engines.
struct Begun {
    /// Held until it ends.
    _lock: Lock,
    stored: RunRecord,
    /// What earlier runs settled for it.
    reused: Vec<Settled>,
}

/// Gives productions back that dead runs stopped; an exit code where one of them does not serve.
pub(super) fn keep_promises() -> anyhow::Result<Option<Exit>> {
    in_runtime(owed())
}

/// Productions that dead runs stopped come first. An exit code where one of them does not serve.
async fn owed() -> anyhow::Result<Option<Exit>> {
    let restored = guard::keep_promises().await?;
    let mut exit = None;
    for stay in restored.stays {
        guard::say(stay.told());
        if stay.is_down() {
            exit = Some(Exit::ProductionDown);
        }
    }
    Ok(exit)
}

fn in_runtime<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the asynchronous runtime")?
        .block_on(work)
}

/// Picks the runtime, proves that it can start engines, and only then begins.
async fn with_runtime(
    spec: EngineSpec,
    profile: &Profile,
    engines: Engines,
    gpu: &Arc<dyn Gpu>,
    dir: &RunDir,
    output: &RunOutput,
    begin: impl FnOnce(RuntimeFacts) -> anyhow::Result<Begun>,
) -> anyhow::Result<Exit> {
    let ready = guard::check(profile, engines).await?;
    match engines {
        Engines::Docker | Engines::DockerStandIn => {
            let pull = Arc::new(Pull::new(display::look_of_pull(output.progress)));
            let shown = Arc::clone(&pull);
            let runtime = DockerRuntime::connect(spec)
                .await?
                .with_pull_listener(move |progress| shown.show(display::pulled(progress)));
            let begin = |facts: RuntimeFacts| {
                pull.finish();
                begin(facts)
            };
            drive(runtime, ready, gpu, dir, output, begin).await
        }
        Engines::ProcessStandIn => {
            drive(ProcessRuntime::new(spec), ready, gpu, dir, output, begin).await
        }
    }
}

fn copy_sources(
    dir: &RunDir,
    sources: &Sources,
    scenario: Option<&Source>,
) -> anyhow::Result<Vec<SourceCopy>> {
    let files = [
        ("experiment.toml", Some(&sources.experiment)),
        ("profile.toml", sources.profile.as_ref()),
        ("scenario.toml", scenario),
    ];
    let mut copies = Vec::new();
    for (copy, source) in files {
        let Some(source) = source else { continue };
        durable::write(&dir.root().join(copy), source.text.as_bytes())?;
        copies.push(SourceCopy {
            path: source.path.clone(),
            sha256: sha256_hex(source.text.as_bytes()),
            copy: copy.to_owned(),
        });
    }
    Ok(copies)
}

struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }
}

async fn drive<R: Runtime>(
    runtime: R,
    ready: Option<guard::Ready>,
    gpu: &Arc<dyn Gpu>,
    dir: &RunDir,
    output: &RunOutput,
    begin: impl FnOnce(RuntimeFacts) -> anyhow::Result<Begun>,
) -> anyhow::Result<Exit> {
    let cancel = Cancel::new();
    signals::listen(cancel.clone()).context("cannot listen for signals")?;
    let metrics = match output.metrics {
        None => None,
        Some(address) => {
            let server = MetricsServer::listen(address).await;
            let server = server.map_err(|error| {
                BadInput(format!("cannot answer Prometheus at {address}: {error}"))
            })?;
            Some(Arc::new(server))
        }
    };
    let prepared = tokio::select! {
        biased;
        () = cancel.asked() => None,
        facts = runtime.prepare() => Some(facts),
    };
    let Some(facts) = prepared else {
        // Preparing may have made something to try the engine's settings with.
        runtime.sweep().await?;
        return Ok(Exit::Interrupted);
    };
    let Begun {
        _lock,
        stored,
        reused,
    } = begin(facts?)?;
    let planned = planned(&stored.manifest);
    let journal = FileJournal::open(dir.clone())?;
    // Everything that can fail lies behind.
    let guard = match ready {
        None => None,
        Some(ready) => match ready
            .take(dir.root().display().to_string(), &cancel)
            .await?
        {
            Some(guard) => Some(guard),
            None => return Ok(Exit::Interrupted),
        },
    };
    let begun = Instant::now();
    let (watchers, events) = mpsc::unbounded_channel();
    let tally = Tally::new(stored.clone(), planned.clone());
    let manifest = stored.manifest;
    if let Some(metrics) = &metrics {
        metrics.begin(Exposition::of(&manifest));
    }
    let showing = tokio::spawn(display::show(
        events,
        tally,
        output.format,
        output.progress,
        metrics.clone(),
    ));
    let lateness = match manifest.is_stand_in() {
        true => Lateness::IsNoted,
        false => Lateness::Invalidates,
    };
    let request_timeout = manifest.experiment.profile.engine.request_timeout;
    let load = HttpLoad::new(request_timeout)?.when_late(lateness);
    let dispatcher = Dispatcher {
        runtime: &runtime,
        load: &load,
        gpu: Arc::clone(gpu),
        host: Arc::new(ProcHost::new()),
        recorder: Recorder::new(journal, Box::new(WallClock), watchers),
        cancel: &cancel,
        manifest: &manifest,
        plan: &planned,
        settled: stored.settled,
        reused,
        skipped: stored.skipped,
        race: stored.race,
        new_key: &throw_away_key,
        level: None,
    };
    let finished = guarded(dispatcher.run(), guard.as_ref(), &cancel).await;
    if finished.is_err() {
        // Nobody else stops the engine of a run that broke, and production needs its GPUs.
        let _ = runtime.sweep().await;
    }
    // First the return, then whatever is to be written: the disk may be full.
    let stay = match &guard {
        Some(guard) => Some(guard.give_back().await),
        None => None,
    };
    if let Some(stay) = &stay {
        record_return(dir, stay, begun);
    }
    let finished = match finished {
        Ok(finished) => finished,
        Err(panic) => {
            if let Some(stay) = &stay {
                guard::say(stay.told());
            }
            std::panic::resume_unwind(panic)
        }
    };
    let shown = showing.await;
    let concluded = conclude(dir, &manifest, finished, stay.clone(), &cancel, output);
    let Some(stay) = stay else {
        let exit = concluded?;
        // Told last: what went wrong with the display keeps nobody from the report.
        shown.context("the display failed")?;
        return Ok(exit);
    };
    if !stay.is_down() {
        guard::say(stay.told());
        return concluded;
    }
    if let Err(error) = concluded {
        guard::say(format!("gridrun: {error:#}"));
    }
    guard::say(format!("\n{}", stay.told()));
    Ok(Exit::ProductionDown)
}

/// Runs to the end while production is watched; a panic is caught, because production comes
/// first.
async fn guarded(
    run: impl Future<Output = Finished>,
    guard: Option<&guard::Guard>,
    cancel: &Cancel,
) -> Result<Finished, Box<dyn Any + Send>> {
    let run = AssertUnwindSafe(run).catch_unwind();
    let Some(guard) = guard else {
        return run.await;
    };
    tokio::pin!(run);
    tokio::select! {
        finished = &mut run => return finished,
        () = guard.watch(cancel) => {}
    }
    run.await
}

/// Adds to the journal what became of production. It has been given back by now, and the report
/// is made whether or not this can be written.
fn record_return(dir: &RunDir, stay: &Stay, begun: Instant) {
    let event = RunEvent {
        at: jiff::Timestamp::now(),
        elapsed_ms: begun.elapsed().as_secs_f64() * 1e3,
        kind: EventKind::ProductionReturned { stay: stay.clone() },
    };
    let written = FileJournal::open(dir.clone()).and_then(|mut journal| journal.append(&event));
    if let Err(error) = written {
        guard::say(format!(
            "what became of production is not in the journal: {error}"
        ));
    }
}

/// Writes the report whatever happened, then says how it ended.
fn conclude(
    dir: &RunDir,
    manifest: &Manifest,
    finished: Finished,
    production: Option<Stay>,
    cancel: &Cancel,
    output: &RunOutput,
) -> anyhow::Result<Exit> {
    let Finished {
        settled,
        skipped,
        race,
        ending,
        error,
    } = finished;
    let stopped = matches!(ending, RunEnding::Stopped { .. });
    let written = report::write(
        dir,
        &RunRecord {
            manifest: manifest.clone(),
            settled,
            skipped,
            race,
            ending,
            production,
            imported: Vec::new(),
        },
    );
    if let Some(error) = error {
        return Err(anyhow::Error::new(error).context(kept(dir)));
    }
    let report = written?;
    if output.format == Format::Text {
        // A reader that went away, as `head` does, takes nothing from the run.
        let _ = report::print(&report, dir);
        if stopped {
            let _ = writeln!(std::io::stderr(), "{}", kept(dir));
        }
    }
    Ok(
        match (
            stopped,
            cancel.is_asked() && cancel.because().is_none(),
            report.measured_anything(),
        ) {
            (true, true, _) => Exit::Interrupted,
            (true, false, _) => Exit::Stopped,
            (false, _, true) => Exit::Success,
            (false, _, false) => Exit::NothingMeasured,
        },
    )
}

/// What to do about a run that stopped.
fn kept(dir: &RunDir) -> String {
    format!(
        "the run is kept; go on with `gridrun resume {}`",
        shell_words::quote(&dir.root().to_string_lossy())
    )
}

/// 128 random bits, so that nobody else on this machine can talk to the engine under test.
fn throw_away_key() -> String {
    format!("gridrun-{:032x}", rand::random::<u128>())
}
