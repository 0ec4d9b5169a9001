//! Which engines a run starts and on what, and whether that is still what it was when the run
//! began.

use std::path::{Path, PathBuf};

use crate::cli::fault::BadInput;
use crate::manifest::{Engines, HostFacts};
use crate::outcome::RuntimeFacts;
use crate::runtime::EngineSpec;
use crate::spec::profile::{Gpus, Profile};
use crate::spec::scenario::Scenario;
use crate::stand_in;
use crate::store::lock::{self, Lock};
use crate::time_scale::TimeScale;

/// In bytes, below the kernel's limit with its name.
const LONGEST_SCENARIO: usize = 120 << 10;

pub(super) fn engine_spec(
    profile: &Profile,
    engines: Engines,
    speed: TimeScale,
    scenario: Option<&Scenario>,
    lock_path: PathBuf,
) -> anyhow::Result<EngineSpec> {
    let mut engine = profile.engine.clone();
    for volume in &mut engine.volumes {
        volume.from = at_home(&volume.from)?;
    }
    match engines {
        Engines::Docker => Ok(EngineSpec::from_profile(
            &engine,
            |name| std::env::var(name).ok(),
            lock_path,
        )?),
        Engines::DockerStandIn | Engines::ProcessStandIn => {
            let numbers = profile.stand_in.as_ref().ok_or_else(|| {
                BadInput(format!(
                    "profile `{}` has no [stand-in] section: a stand-in needs gpu-memory, weights and \
                     kv-bytes-per-token there",
                    profile.name
                ))
            })?;
            let options = stand_in::options(numbers, speed);
            let spec = EngineSpec::rehearsal(&engine, options, lock_path);
            Ok(match scenario {
                Some(scenario) => spec.with_scenario(scenario_text(scenario)?),
                None => spec,
            })
        }
    }
}

/// The scenario as the stand-in reads it from its environment, where Linux takes texts of less
/// than 128 KiB.
fn scenario_text(scenario: &Scenario) -> Result<String, BadInput> {
    let text = serde_json::to_string(scenario).expect("a scenario is plain data");
    if text.len() > LONGEST_SCENARIO {
        return Err(BadInput(format!(
            "the scenario is too large to be handed to an engine: {} bytes, at most {LONGEST_SCENARIO}",
            text.len()
        )));
    }
    Ok(text)
}

/// `~/models` is the user's.
fn at_home(path: &Path) -> anyhow::Result<PathBuf> {
    match path.strip_prefix("~") {
        Ok(rest) => {
            let home = std::env::var_os("HOME").ok_or_else(|| {
                BadInput(format!("{} needs HOME, which is not set", path.display()))
            })?;
            Ok(Path::new(&home).join(rest))
        }
        Err(_) => Ok(path.to_owned()),
    }
}

pub(super) fn lock_gpus(profile: &Profile, engines: Engines) -> anyhow::Result<Vec<Lock>> {
    let gpus = match engines {
        Engines::Docker => &profile.engine.gpus,
        Engines::DockerStandIn | Engines::ProcessStandIn => &Gpus::None,
    };
    Ok(lock::lock_gpus(gpus, &lock::gpu_lock_folder())?)
}

/// A run must not mix two images.
pub(super) fn same_engine(before: &RuntimeFacts, now: &RuntimeFacts) -> anyhow::Result<()> {
    if before.image_digest != now.image_digest && !before.stand_in {
        return Err(BadInput(format!(
            "the image has changed since this run began ({} then, {} now): attempts of two images cannot be \
             compared; start a new run, or bring the old image back",
            before.image_digest.as_deref().unwrap_or("unknown"),
            now.image_digest.as_deref().unwrap_or("unknown"),
        ))
        .into());
    }
    Ok(())
}

/// Nor two machines.
pub(super) fn same_machine(before: &HostFacts, now: &HostFacts) -> anyhow::Result<()> {
    let told = |host: &HostFacts| {
        let cpu = host.cpu.as_deref().unwrap_or("CPU unknown");
        let gpus = match host.gpus.as_slice() {
            [] => "no GPU seen".to_owned(),
            gpus => gpus.join(", "),
        };
        format!("{}, {} x {cpu}, {gpus}", host.hostname, host.n_cpus)
    };
    // Older versions looked at no card.
    let now = match before.gpus.as_slice() {
        [] => HostFacts {
            gpus: Vec::new(),
            ..now.clone()
        },
        _ => now.clone(),
    };
    let (before, now) = (told(before), told(&now));
    if before != now {
        return Err(BadInput(format!(
            "this run began on another machine ({before}; this is {now}): attempts of two machines cannot be \
             compared; start a new run here, or resume it there"
        ))
        .into());
    }
    Ok(())
}
