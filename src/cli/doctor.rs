//! `gridrun doctor [FILE]`: looks at this machine, and changes nothing on it.
//!
//! Gathers facts here and in the edges; what they mean is `crate::doctor`'s.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::cli::args::{DoctorArgs, Format};
use crate::cli::{check, report, source, watch};
use crate::doctor::docker::DockerState;
use crate::doctor::errand::Errand;
use crate::doctor::examination::{Facts, examine};
use crate::doctor::finding::{Fault, Finding, as_json, worst};
use crate::doctor::gpu::GpuState;
use crate::doctor::profile::{Paths, ProfileFacts, VariableState};
use crate::doctor::{profile, text};
use crate::exit::Exit;
use crate::gpu::nvml;
use crate::plan::check::Checked;
use crate::runtime::docker::{Wanted, look};
use crate::runtime::process::leftovers;
use crate::spec::profile::RuntimeChoice;
use crate::store::{holder, lock};

mod host;
mod path;
mod port;

pub(super) fn doctor(args: &DoctorArgs) -> anyhow::Result<Exit> {
    let checked = match &args.file {
        None => None,
        Some(file) => match source::load(file)? {
            Ok(checked) => Some(at_home(checked)),
            Err(rejected) => return Ok(check::reject(&rejected)),
        },
    };
    let errand = checked.as_ref().map_or(Errand::None, Errand::Run);
    let facts = gather(errand, &args.results)?;
    let findings = examine(&facts, errand);
    let exit = exit_of(&findings);
    let mut out = std::io::stdout().lock();
    match args.format {
        Format::Json => writeln!(
            out,
            "{:#}",
            serde_json::json!({
                "ok": exit == Exit::Success,
                "exit_code": exit.code(),
                "findings": as_json(&findings),
            })
        )?,
        Format::Text => {
            let colour = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
            let page = text::render(&errand.title(), &findings, report::width(), colour);
            write!(out, "{page}")?;
        }
    }
    Ok(exit)
}

/// The code with which a run would end before it begins.
fn exit_of(findings: &[Finding]) -> Exit {
    match worst(findings) {
        None => Exit::Success,
        Some(Fault::NoDocker) => Exit::NoDocker,
        Some(Fault::Missing) => Exit::NotPrepared,
        Some(Fault::Locked) => Exit::Locked,
    }
}

/// With volumes that begin with `~` in the user's own folder.
fn at_home(mut checked: Checked) -> Checked {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    profile::absolute(&mut checked.experiment.profile.engine, home.as_deref());
    checked
}

fn gather(errand: Errand<'_>, results: &Path) -> anyhow::Result<Facts> {
    let engine = errand
        .engine()
        .filter(|engine| engine.runtime == RuntimeChoice::Docker);
    let production = errand
        .profile()
        .and_then(|profile| profile.production.as_ref());
    let wanted = Wanted {
        image: engine.and_then(|engine| engine.image.as_deref()),
        production: production.and_then(|production| production.container()),
    };
    let docker = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the asynchronous runtime")?
        .block_on(look(wanted));
    let docker_space = match &docker {
        // What a daemon elsewhere calls its root is another folder here.
        DockerState::There(facts) if facts.is_here && !facts.is_virtual => facts
            .root
            .as_ref()
            .and_then(|root| path::space(Path::new(root))),
        DockerState::There(_) | DockerState::Absent(_) => None,
    };
    Ok(Facts {
        host: host::look(results),
        docker,
        docker_space,
        gpu: GpuState {
            nvml: nvml::look(watch::library().as_deref()),
            cards: host::cards(),
            toolkit: nvml::toolkit(&program_folders()),
        },
        profile: errand
            .profile()
            .map_or_else(ProfileFacts::default, |profile| ProfileFacts {
                paths: paths(profile::paths(&profile.engine)),
                variables: variables(profile::variables(profile)),
                port: profile::production_port(profile).map(|port| (port, port::look(port))),
            }),
        results: results.to_owned(),
        folder: path::results(results),
        held: holder::held(&lock::known_gpu_lock_folder(), results),
        processes: leftovers(Path::new("/proc")),
    })
}

fn paths(paths: Vec<PathBuf>) -> Paths {
    let mut states = Paths::default();
    for path in paths {
        let state = path::state(&path);
        states.set(path, state);
    }
    states
}

/// Whether they are set; what their values are is nobody's business.
fn variables(names: Vec<String>) -> BTreeMap<String, VariableState> {
    names
        .into_iter()
        .map(|name| {
            let state = match std::env::var_os(&name) {
                None => VariableState::Unset,
                Some(value) if value.is_empty() => VariableState::Empty,
                Some(_) => VariableState::Set,
            };
            (name, state)
        })
        .collect()
}

/// Where programs lie, for this user and for a daemon.
fn program_folders() -> OsString {
    let own = std::env::var_os("PATH").unwrap_or_default();
    let daemons = ["/usr/bin", "/usr/local/bin", "/usr/sbin", "/usr/local/sbin"];
    let folders = std::env::split_paths(&own).chain(daemons.map(PathBuf::from));
    std::env::join_paths(folders).unwrap_or(own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::{Check, Topic};

    #[test]
    fn what_fails_ends_with_the_code_of_the_run_that_would_not_begin() {
        let check = Check {
            topic: Topic::Docker,
            name: "any",
        };
        for (fault, exit) in [
            (Fault::NoDocker, Exit::NoDocker),
            (Fault::Missing, Exit::NotPrepared),
            (Fault::Locked, Exit::Locked),
        ] {
            let findings = [check.warn("w", "a"), check.fail(fault, "f", "a")];
            assert_eq!(exit_of(&findings), exit);
        }
        assert_eq!(exit_of(&[check.warn("w", "a")]), Exit::Success);
    }
}
