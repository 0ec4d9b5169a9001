//! Wires the guard over production around a run: every check first, then the promise and the
//! stop, the run, the return.

use std::io::Write;
use std::time::Duration;

use anyhow::Context;

use crate::cli::fault::BadInput;
use crate::cli::watch;
use crate::doctor::gpu::{GpuUser, Nvml};
use crate::gpu::nvml;
use crate::guard::decide::{Opening, Seen, open};
use crate::guard::hours::{ClockTime, last_moment};
use crate::guard::stay::{Return, Stay, Taken};
use crate::load::HttpFront;
use crate::manifest::Engines;
use crate::runner::cancel::Cancel;
use crate::runner::guard::{Front, TakeError, Took, comes_back, restore, take};
use crate::runner::ports::{Probe, RuntimeError, Target};
use crate::runtime::{DockerKeeper, StandInImages, sweep_all};
use crate::spec::profile::{Gpus, Production, Profile};
use crate::store::guard::GuardFolder;
use crate::store::lock::{Lock, LockError};

/// Production as a run found it, with everything checked that can fail before the stop.
pub(super) struct Ready {
    keeper: DockerKeeper,
    records: GuardFolder,
    seen: Seen,
    /// `None` where it does not run: it stays stopped.
    held: Option<Held>,
    restore_by: Option<ClockTime>,
    _lock: Lock,
}

struct Held {
    front: HttpFront,
    production: Production,
    model: String,
    url: String,
    patience: Duration,
}

/// Production while a run has its GPUs.
pub(super) struct Guard {
    keeper: DockerKeeper,
    records: GuardFolder,
    seen: Seen,
    taken: Option<(Taken, HttpFront)>,
    restore_by: Option<ClockTime>,
    patience: Duration,
    _lock: Lock,
}

/// Looks at production and at whoever else holds the GPUs; stops nothing. `None` where no guard
/// is needed.
///
/// # Errors
/// When a run must not begin.
pub(super) async fn check(profile: &Profile, engines: Engines) -> anyhow::Result<Option<Ready>> {
    match engines {
        Engines::Docker => {}
        // They use no GPU, and production has nothing to fear from them.
        Engines::DockerStandIn | Engines::ProcessStandIn => return Ok(None),
    }
    let Some(production) = &profile.production else {
        strangers(&profile.engine.gpus, None)?;
        return Ok(None);
    };
    let keeper = DockerKeeper::connect().await?;
    let seen = keeper.find(&production.whom).await?;
    let whom = production.whom.to_string();
    let records = folder()?;
    let name = seen.as_ref().map_or(&whom, |seen| &seen.name);
    let lock = records.lock(name)?;
    let opening = open(seen.as_ref(), &whom);
    let Some(seen) = seen else {
        return Err(refused(match opening {
            Opening::Refuse { because } => because,
            Opening::Take | Opening::LeaveStopped => format!("there is no container {whom}"),
        }));
    };
    strangers(&profile.engine.gpus, Some(&seen.id))?;
    let held = match opening {
        Opening::Refuse { because } => return Err(refused(because)),
        Opening::LeaveStopped => None,
        Opening::Take => Some(hold(production, &seen, profile, &records).await?),
    };
    Ok(Some(Ready {
        keeper,
        records,
        seen,
        held,
        restore_by: production.restore_by,
        _lock: lock,
    }))
}

/// Everything that giving it back will need, tried while it still serves.
async fn hold(
    production: &Production,
    seen: &Seen,
    profile: &Profile,
    records: &GuardFolder,
) -> anyhow::Result<Held> {
    let name = &seen.name;
    let now = jiff::ZonedDateTime::now();
    if let Some(window) = production.blackout.iter().find(|window| window.holds(&now)) {
        return Err(refused(format!(
            "it is {}, and production {name} must not be stopped from {window} (`blackout` in [production])",
            now.strftime("%H:%M")
        )));
    }
    let patience = profile.engine.ready_timeout;
    if let Some(by) = production.restore_by {
        let last = last_moment(by, &now, records.last_start(name), patience);
        if last.is_none_or(|last| last <= now) {
            return Err(refused(format!(
                "it is {}, and production {name} must serve by {by}: no time is left to start it again",
                now.strftime("%H:%M")
            )));
        }
    }
    let Some(url) = production.url.clone() else {
        return Err(BadInput(format!(
            "[production] has no `url`: without it nobody could prove that {name} serves again after the run"
        ))
        .into());
    };
    let url = url.trim_end_matches('/').to_owned();
    let api_key = key(production.api_key_env.as_deref())?;
    let target = |model: &str| Target {
        base_url: url.clone(),
        model: model.to_owned(),
        api_key: api_key.clone(),
    };
    let broken = |because: String| {
        refused(format!(
            "production {name} does not serve at {url} as it should: {because}; after the run nobody could tell \
             whether it is as it was"
        ))
    };
    let model = HttpFront::new(target(""))?.model().await.map_err(broken)?;
    let front = HttpFront::new(target(&model))?;
    match front.probe().await {
        Probe::Ready => {}
        Probe::NotYet { because } | Probe::HealthyOnly { because } => return Err(broken(because)),
    }
    Ok(Held {
        front,
        production: production.clone(),
        model,
        url,
        patience,
    })
}

impl Ready {
    /// Stops production, after writing the promise down. `None` when the user wanted it
    /// otherwise; then it still serves.
    ///
    /// # Errors
    /// When it could not be stopped; it has been given back as far as that was possible.
    pub(super) async fn take(self, run: String, cancel: &Cancel) -> anyhow::Result<Option<Guard>> {
        let Self {
            keeper,
            records,
            seen,
            held,
            restore_by,
            _lock,
        } = self;
        let mut guard = Guard {
            keeper,
            records,
            taken: None,
            restore_by,
            patience: held.as_ref().map_or(Duration::ZERO, |held| held.patience),
            seen,
            _lock,
        };
        let Some(held) = held else {
            return Ok(Some(guard));
        };
        let taken = Taken {
            format: Taken::FORMAT,
            at: jiff::Timestamp::now(),
            container: guard.seen.id.clone(),
            name: guard.seen.name.clone(),
            url: held.url,
            api_key_env: held.production.api_key_env.clone(),
            model: held.model,
            patience: held.patience,
            run,
        };
        let drain = held.production.drain;
        let took = take(
            &guard.keeper,
            &held.front,
            &guard.records,
            &taken,
            drain,
            cancel,
            &say,
        );
        let took = took.await;
        guard.taken = Some((taken, held.front));
        match took {
            Ok(Took::Stopped) => Ok(Some(guard)),
            Ok(Took::Cancelled) => Ok(None),
            Err(error @ TakeError::Unknown { .. }) => {
                let stay = guard.give_back().await;
                say(stay.told());
                Err(error.into())
            }
            Err(error @ (TakeError::Store(_) | TakeError::NotStopped { .. })) => Err(error.into()),
        }
    }
}

impl Guard {
    /// Asks the run to end when production comes back by other hands, and in time for
    /// `restore-by`. Never returns otherwise.
    pub(super) async fn watch(&self, cancel: &Cancel) {
        let because = tokio::select! {
            () = comes_back(&self.keeper, &self.seen.id, &self.seen.name) => format!(
                "production {} was started by other hands: its GPUs are left to it",
                self.seen.name
            ),
            by = self.time_is_up() => format!(
                "production {} must serve by {by}, and its start takes its time",
                self.seen.name
            ),
        };
        cancel.ask_because(because);
    }

    async fn time_is_up(&self) -> ClockTime {
        let Some((by, _)) = self.restore_by.zip(self.taken.as_ref()) else {
            return std::future::pending().await;
        };
        let last_start = self.records.last_start(&self.seen.name);
        let now = jiff::ZonedDateTime::now();
        let Some(last) = last_moment(by, &now, last_start, self.patience) else {
            return by;
        };
        // In short steps by the wall clock: a machine that sleeps, or whose clock is set, must
        // not be late.
        while jiff::ZonedDateTime::now() < last {
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        by
    }

    /// Starts production and proves it. Nothing is written before that is over.
    pub(super) async fn give_back(&self) -> Stay {
        let Some((taken, front)) = &self.taken else {
            return Stay {
                name: self.seen.name.clone(),
                stopped_at: None,
                outcome: Return::LeftStopped,
                settled_at: jiff::Timestamp::now(),
            };
        };
        let stay = restore(&self.keeper, front, &self.records, taken, &say).await;
        learn(&self.records, &stay);
        stay
    }
}

fn learn(records: &GuardFolder, stay: &Stay) {
    if let Return::Healthy { took_ms } = stay.outcome {
        records.learn(&stay.name, Duration::from_secs_f64(took_ms / 1e3));
    }
}

/// What became of the promises of dead runs.
#[derive(Debug, Default)]
pub(super) struct Restored {
    pub stays: Vec<Stay>,
    /// Productions that a living run looks after.
    pub looked_after: Vec<String>,
}

/// Keeps the promises of dead runs: what they left holds the GPUs, so it goes first.
///
/// # Errors
/// When Docker cannot be asked, or a promise not be read.
pub(super) async fn keep_promises() -> anyhow::Result<Restored> {
    let Some(records) = GuardFolder::known() else {
        return Ok(Restored::default());
    };
    let promises = records.promises()?;
    let mut restored = Restored::default();
    for taken in promises {
        let _lock = match records.lock(&taken.name) {
            Ok(lock) => lock,
            Err(LockError::ProductionHeld { .. }) => {
                restored.looked_after.push(taken.name);
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        say(format!(
            "production {} was stopped by a run that died ({}): giving it back",
            taken.name, taken.run
        ));
        for line in sweep_all(StandInImages::Keep).await?.said {
            say(line);
        }
        let keeper = DockerKeeper::connect().await?;
        let front = HttpFront::new(Target {
            base_url: taken.url.clone(),
            model: taken.model.clone(),
            // Without its key nothing can be proved; starting it comes first all the same.
            api_key: key(taken.api_key_env.as_deref()).unwrap_or_default(),
        })?;
        let stay = restore(&keeper, &front, &records, &taken, &say).await;
        learn(&records, &stay);
        restored.stays.push(stay);
    }
    Ok(restored)
}

/// The production key of this process's environment.
fn key(variable: Option<&str>) -> Result<String, BadInput> {
    let Some(variable) = variable else {
        return Ok(String::new());
    };
    std::env::var(variable).map_err(|_| {
        BadInput(format!(
            "variable {variable} is not set, and [production] names it: without the key nobody could prove that \
             production serves"
        ))
    })
}

fn folder() -> anyhow::Result<GuardFolder> {
    GuardFolder::known().context(
        "no place is known that outlives a reboot: set HOME, XDG_STATE_HOME or GRIDRUN_STATE",
    )
}

/// Nobody but production may compute on the cards of a run.
fn strangers(gpus: &Gpus, production: Option<&str>) -> anyhow::Result<()> {
    let wanted: Option<Vec<String>> = match gpus {
        Gpus::None => return Ok(()),
        Gpus::All | Gpus::Count(_) => None,
        Gpus::Ids(ids) => Some(ids.clone()),
    };
    let Nvml::There { gpus, .. } = nvml::look(watch::library().as_deref()) else {
        return Ok(());
    };
    let mut held = Vec::new();
    for gpu in gpus {
        let named = |id: &String| *id == gpu.index.to_string() || Some(id) == gpu.uuid.as_ref();
        if wanted
            .as_ref()
            .is_some_and(|wanted| !wanted.iter().any(named))
        {
            continue;
        }
        let users = gpu.users.iter();
        let foreign =
            users.filter(|user| !production.is_some_and(|id| belongs_to(user.process, id)));
        held.extend(foreign.map(|user| told(gpu.index, user)));
    }
    if held.is_empty() {
        return Ok(());
    }
    let advice = match production {
        None => {
            "stop it, or name it in a section [production] of the profile: then it is stopped for the run and \
             started again"
        }
        Some(_) => "stop it: it is not the container that [production] names",
    };
    Err(RuntimeError::NotPrepared {
        what: format!("somebody holds the GPUs: {}", held.join("; ")),
        hint: advice.to_owned(),
    }
    .into())
}

/// Whether a process runs in a container, by its control group.
fn belongs_to(process: u32, container: &str) -> bool {
    !container.is_empty()
        && std::fs::read_to_string(format!("/proc/{process}/cgroup"))
            .is_ok_and(|groups| groups.contains(container))
}

fn told(gpu: u32, user: &GpuUser) -> String {
    let name = user.name.as_deref().unwrap_or("name unknown");
    let memory = user
        .memory
        .map_or_else(String::new, |bytes| format!(", {} MiB", bytes >> 20));
    format!("process {} ({name}{memory}) on GPU {gpu}", user.process)
}

fn refused(what: String) -> anyhow::Error {
    RuntimeError::NotPrepared {
        what,
        hint: "nothing was stopped".to_owned(),
    }
    .into()
}

/// Progress of the guard; nobody may be listening.
pub(super) fn say(line: String) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
