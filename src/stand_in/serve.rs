//! The life of one stand-in engine, from its command line to its exit code, with the log that
//! vLLM would write on the way.

use std::convert::Infallible;
use std::future::Future;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt;
use tokio::net::{TcpListener, TcpSocket, lookup_host};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::spec::flag::FlagValue;
use crate::spec::scenario::{FrontEnd, LoadingDeath, Missing, OomStage, Victim};
use crate::stand_in::command::arguments::{Arguments, StdinEnd};
use crate::stand_in::command::settings::{ConfigError, Settings};
use crate::stand_in::engine::alarm::Alarm;
use crate::stand_in::engine::cache::BlockPool;
use crate::stand_in::engine::clock::Engine;
use crate::stand_in::engine::memory::{
    Exhausted, FailedAllocation, KvRoom, capture_graphs, free_while_serving, hold_weights,
    make_room, try_sampler,
};
use crate::stand_in::engine::scheduler::Scheduler;
use crate::stand_in::engine::time::Time;
use crate::stand_in::http::server::{DevMode, Server};
use crate::stand_in::log::writer::{Level, Log, Process};
use crate::stand_in::log::{death, fault, start, stop, throughput};
use crate::stand_in::scenario::faults::{Faults, Surroundings, faults_of};
use crate::stand_in::scenario::life::{End, Life};
use crate::stand_in::scenario::memory::{self, KILLED};
use crate::stand_in::scenario::serving::{Card, Serving};
use crate::stand_in::version::VllmVersion;

/// Connections that may wait to be accepted; uvicorn's default.
const BACKLOG: u32 = 2048;

/// How an engine ends that does not serve to its end.
#[derive(Debug)]
enum Death {
    Usage,
    Config(ConfigError),
    Address(std::io::Error),
    /// Bytes of host memory that could not be had.
    Host(u64),
    Device(Exhausted),
    Import(Missing),
    /// An exception while the weights were loaded.
    Loading,
    /// A worker was gone before it was ready.
    WorkerLost,
    /// Everything was killed, without a word.
    Killed,
    Serving(std::io::Error),
    /// The engine died under a server that then ended in an orderly way.
    Engine,
}

impl Death {
    fn exit_code(&self, version: VllmVersion) -> i32 {
        match self {
            Self::Usage => 2,
            Self::Config(_)
            | Self::Address(_)
            | Self::Host(_)
            | Self::Device(_)
            | Self::Import(_)
            | Self::Loading
            | Self::WorkerLost
            | Self::Serving(_) => 1,
            Self::Killed => KILLED,
            Self::Engine => version.exit_of_a_dead_engine(),
        }
    }
}

/// Runs `MODEL --flags...` as `vllm serve` would, until it is told to stop (SIGTERM, SIGINT, or
/// the end of standard input where that is asked for) or dies. Returns vLLM's exit code: 0 when
/// told to stop, 2 for arguments that it does not take, 1 for everything else, and what a
/// scenario wants. The key of the API is read from `VLLM_API_KEY` unless it is among the
/// arguments, `VLLM_SERVER_DEV_MODE` opens the routes of developers, and `GRIDRUN_SCENARIO` is a
/// scenario. The log goes to standard output, what Python itself would print to standard error,
/// both unbuffered.
pub async fn serve(args: Vec<String>) -> i32 {
    if let Some(bytes) = memory::as_child(&args) {
        return memory::live_as_child(bytes).await;
    }
    let log = Log::stdio();
    // First of all, so that an engine that is process 1 can be stopped at any moment.
    let (terminate, interrupt) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    );
    let (Ok(mut terminate), Ok(mut interrupt)) = (terminate, interrupt) else {
        log.python("RuntimeError: signal handlers could not be installed");
        return 1;
    };
    let told_to_stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    live(&args, Environment::read(), &log, told_to_stop).await
}

/// What the environment has to say beside the arguments.
#[derive(Debug, Clone, Default)]
pub(in crate::stand_in) struct Environment {
    /// The key of the API, unless the arguments have one.
    pub key: Option<String>,
    pub dev_mode: DevMode,
    /// What scenarios go by.
    pub around: Surroundings,
}

impl Environment {
    fn read() -> Self {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let dev_mode = match variable("VLLM_SERVER_DEV_MODE").map(|value| value.parse::<i64>()) {
            None | Some(Ok(0) | Err(_)) => DevMode::Off,
            Some(Ok(_)) => DevMode::On,
        };
        Self {
            key: variable("VLLM_API_KEY"),
            dev_mode,
            around: Surroundings::of_process(),
        }
    }
}

/// [`serve`] with the environment and the order to stop handed in.
pub(in crate::stand_in) async fn live(
    args: &[String],
    environment: Environment,
    log: &Log,
    told_to_stop: impl Future<Output = ()>,
) -> i32 {
    let arguments = Arguments::parse(args);
    let log = &match &arguments {
        Ok(arguments) => log.playing(arguments.numbers.vllm_version, n_workers(arguments)),
        Err(_) => log.clone(),
    };
    log.line(
        Process::ApiServer,
        Level::Warning,
        "stand_in",
        "This is gridrun's stand-in engine: it loads no model, and its answers and speeds are made up.",
    );
    let arguments = match arguments {
        Ok(arguments) => arguments,
        Err(error) => {
            log.python(error.usage());
            log.python(&error);
            return Death::Usage.exit_code(log.version());
        }
    };
    if !arguments.speed.is_one() {
        let times = arguments.speed.factor();
        let text =
            format!("Its time runs {times} times as fast as a clock: durations are in its time.");
        log.line(Process::ApiServer, Level::Warning, "stand_in", text);
    }
    let faults = match faults_of(&arguments, &environment.around) {
        Ok(faults) => faults,
        Err(error) => {
            log.python(&error);
            return Death::Usage.exit_code(log.version());
        }
    };
    let stdin_ended = end_of_stdin(arguments.stdin);
    let told_to_stop = async {
        told_to_stop.await;
        if faults.ignores_sigterm() {
            std::future::pending().await
        }
    };
    tokio::select! {
        death = start_and_serve(&arguments, &faults, environment, log) => {
            match &death {
                Death::Usage => {}
                Death::Config(error) => death::refused(log, error),
                Death::Address(error) | Death::Serving(error) => death::not_bound(log, error),
                Death::Host(bytes) => death::host_exhausted(log, *bytes),
                Death::Device(why) => death::exhausted(log, why),
                Death::Import(missing) => fault::import_error(log, *missing),
                Death::Loading => fault::loading_failed(log),
                Death::WorkerLost => fault::worker_lost(log),
                Death::Killed => {}
                Death::Engine => fault::front_end_gone(log),
            }
            death.exit_code(log.version())
        }
        () = told_to_stop => stop(log, &faults),
        () = stdin_ended => stop(log, &faults),
    }
}

fn n_workers(arguments: &Arguments) -> usize {
    match arguments.get("tensor-parallel-size") {
        Some(FlagValue::Int(size)) => usize::try_from(*size).unwrap_or(1),
        _ => 1,
    }
}

fn stop(log: &Log, faults: &Faults) -> i32 {
    stop::shutdown(log);
    faults.stop_code()
}

/// Comes when standard input has ended, or never. A thread of its own reads, because tokio
/// would wait for a blocked read before it lets the process end.
async fn end_of_stdin(wanted: StdinEnd) {
    if wanted == StdinEnd::Ignored {
        return std::future::pending().await;
    }
    let (sender, ended) = oneshot::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 1024];
        let mut stdin = std::io::stdin().lock();
        while stdin.read(&mut buffer).is_ok_and(|n| n > 0) {}
        let _ = sender.send(());
    });
    // A sender that is gone has ended as well.
    let _ = ended.await;
}

/// Serves for ever, unless the engine dies.
async fn start_and_serve(
    arguments: &Arguments,
    faults: &Faults,
    environment: Environment,
    log: &Log,
) -> Death {
    match try_serve(arguments, faults, environment, log).await {
        Ok(never) => match never {},
        Err(death) => death,
    }
}

async fn try_serve(
    arguments: &Arguments,
    faults: &Faults,
    environment: Environment,
    log: &Log,
) -> Result<Infallible, Death> {
    let time = Time::begin(arguments.speed);
    if let Some(missing) = faults.import_error() {
        return Err(Death::Import(missing));
    }
    start::banner(log, arguments);
    let mut settings =
        Settings::resolve(&faults.taken(arguments), environment.key).map_err(Death::Config)?;
    faults.bend(&mut settings);
    let address = address_of(&settings).await.map_err(Death::Address)?;
    // Somebody else who listens there, for as long as this engine lives.
    let _other = match faults.holds_port() {
        true => std::net::TcpListener::bind(address).ok(),
        false => None,
    };
    // vLLM takes its address first and listens when all is well: until then it refuses clients.
    let (socket, address) = bind(address).map_err(Death::Address)?;
    start::configuration(log, &settings);
    let began = time.now();
    let pause = settings.numbers.start_up;
    time.sleep(pause / 10).await;
    start::engine(log, &settings);
    // Kept for as long as the engine lives.
    let host_memory = load_weights(&settings, faults, pause.mul_f64(0.6), time, log).await?;
    let at = |stage| full_at(stage, faults, &settings);
    at(OomStage::KvCache)?;
    let room = make_room(&settings).map_err(Death::Device)?;
    start::kv_room(log, &settings, &room);
    start::capturing(log, &settings);
    time.sleep(pause.mul_f64(0.3)).await;
    at(OomStage::Graphs)?;
    capture_graphs(&settings).map_err(Death::Device)?;
    start::captured(log, &settings, time.since(began));
    at(OomStage::Sampler)?;
    try_sampler(&settings).map_err(Death::Device)?;
    start::initialized(log, &settings, &room, time.since(began));

    let card = Card {
        total: settings.numbers.gpu_memory,
        free: free_while_serving(&settings, &room),
    };
    let serving = Serving::begin(faults.clone(), card, time);
    let scheduler = scheduler(&settings, &room);
    let engine = Engine::start(scheduler, time, Alarm::new().ok(), serving.pace());
    let listener = socket.listen(BACKLOG).map_err(Death::Address)?;
    start::serving(log, &room, address);
    let beat = tokio::spawn(throughput::report(engine.clone(), log.clone(), time));
    let dev_mode = environment.dev_mode;
    let server = Server::new(settings, &room, engine, log.clone(), dev_mode);
    let routes = server.routes(Arc::clone(&serving));
    let death = tokio::select! {
        ended = listen(listener, routes) => Death::Serving(ended),
        death = outlive(&serving.life, time, log) => death,
    };
    beat.abort();
    drop(host_memory);
    Err(death)
}

/// What the server does when its engine has ended.
async fn outlive(life: &Life, time: Time, log: &Log) -> Death {
    let lingers = match life.ended().await {
        End::Killed => return Death::Killed,
        End::Gpu {
            allocation,
            lingers,
        } => {
            fault::card_full(log, allocation);
            lingers
        }
        End::Worker { lingers, front_end } => {
            fault::worker_killed(log);
            match front_end {
                FrontEnd::Exits => lingers,
                FrontEnd::Stays => return std::future::pending().await,
            }
        }
    };
    time.sleep(lingers).await;
    Death::Engine
}

/// Dies here if a scenario wants the card to be full at this stage.
fn full_at(stage: OomStage, faults: &Faults, settings: &Settings) -> Result<(), Death> {
    if faults.oom_stage() == Some(stage) {
        return Err(Death::Device(full(stage, settings)));
    }
    Ok(())
}

/// A card that is full at some stage of the start, by the will of a scenario: there is a little
/// left, and more is asked for.
fn full(stage: OomStage, settings: &Settings) -> Exhausted {
    let total = settings.numbers.gpu_memory;
    let allocation = FailedAllocation {
        tried: total / 16,
        total,
        free: total / 64,
    };
    match stage {
        OomStage::Weights => Exhausted::Weights { allocation },
        OomStage::KvCache => Exhausted::Device { allocation },
        OomStage::Graphs => Exhausted::Graphs { allocation },
        OomStage::Sampler => Exhausted::SamplerWarmUp {
            max_num_seqs: settings.max_num_seqs,
            allocation,
        },
    }
}

fn scheduler(settings: &Settings, room: &KvRoom) -> Scheduler {
    let pool = BlockPool::new(room.n_blocks, room.block_size, settings.caching);
    Scheduler::new(settings.limits(), settings.speed(), pool)
}

async fn address_of(settings: &Settings) -> std::io::Result<SocketAddr> {
    let host = match settings.host.as_str() {
        // The root file system of a stand-in container may have no names at all.
        "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
        name => match name.parse() {
            Ok(address) => address,
            Err(_) => {
                let mut found = lookup_host((name, settings.port)).await?;
                found.next().map(|address| address.ip()).ok_or_else(|| {
                    std::io::Error::new(std::io::ErrorKind::NotFound, "Name or service not known")
                })?
            }
        },
    };
    Ok(SocketAddr::new(host, settings.port))
}

fn bind(address: SocketAddr) -> std::io::Result<(TcpSocket, SocketAddr)> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let bound = socket.local_addr()?;
    Ok((socket, bound))
}

/// Takes as long as loading would and really fills the host memory that was asked for.
async fn load_weights(
    settings: &Settings,
    faults: &Faults,
    pause: Duration,
    time: Time,
    log: &Log,
) -> Result<Vec<u8>, Death> {
    let began = time.now();
    start::loading(log, settings);
    if faults.hangs_while_loading() {
        return std::future::pending().await;
    }
    match faults.loading_death() {
        Some(LoadingDeath::Exception) => return Err(Death::Loading),
        Some(LoadingDeath::WorkerKilled) => return Err(Death::WorkerLost),
        Some(LoadingDeath::Killed) => return Err(Death::Killed),
        None => {}
    }
    if let Some((victim, up_to)) = faults.host_oom() {
        memory::exhaust(victim, up_to).await;
        return Err(match victim {
            Victim::Engine => Death::Killed,
            Victim::Worker => Death::WorkerLost,
        });
    }
    let bytes = settings.numbers.host_memory;
    let memory = if bytes == 0 {
        Vec::new()
    } else {
        memory::take_aside(bytes).await.ok_or(Death::Host(bytes))?
    };
    time.sleep_until(began + pause).await;
    full_at(OomStage::Weights, faults, settings)?;
    hold_weights(settings).map_err(Death::Device)?;
    start::loaded(log, settings, time.since(began));
    Ok(memory)
}

/// Accepts connections until that fails.
async fn listen(listener: TcpListener, routes: axum::Router) -> std::io::Error {
    let listener = listener.tap_io(|connection| {
        // Small events must not wait for each other; a connection that refuses is closing.
        let _ = connection.set_nodelay(true);
    });
    let service = routes.into_make_service_with_connect_info::<SocketAddr>();
    match axum::serve(listener, service).await {
        Ok(()) => std::io::Error::other("the server has ended"),
        Err(error) => error,
    }
}
