//! What the profile takes from the host: volumes, variables, the model, and what production
//! holds. Values of variables are never asked for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::doctor::errand::{Demand, Errand};
use crate::doctor::finding::{Check, Fault, Finding, Topic};
use crate::doctor::model;
use crate::spec::profile::{EngineProfile, EnvSource, Profile, RuntimeChoice};

/// What stands at a path, for this user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathState {
    Missing,
    /// This user may not look there.
    Closed,
    File,
    Folder {
        writable: bool,
        /// Bytes that this user may still write there.
        free: u64,
    },
}

/// The paths that were looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Paths(BTreeMap<PathBuf, PathState>);

impl Paths {
    pub fn set(&mut self, path: PathBuf, state: PathState) {
        self.0.insert(path, state);
    }

    /// A path that nobody looked at counts as closed: nothing is said of it.
    pub fn of(&self, path: &Path) -> PathState {
        self.0.get(path).copied().unwrap_or(PathState::Closed)
    }
}

/// Whether a variable of gridrun's own environment is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VariableState {
    Set,
    Empty,
    Unset,
}

/// Who listens on the port at which production serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortUse {
    Free,
    /// In words, where the process is to be seen.
    Held(Option<String>),
}

/// What was looked at for a profile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProfileFacts {
    pub paths: Paths,
    pub variables: BTreeMap<String, VariableState>,
    pub port: Option<(u16, PortUse)>,
}

/// Brings paths that begin with `~` into the user's own folder, if it is known.
pub fn absolute(engine: &mut EngineProfile, home: Option<&Path>) {
    let Some(home) = home else { return };
    for volume in &mut engine.volumes {
        if let Ok(rest) = volume.from.strip_prefix("~") {
            volume.from = home.join(rest);
        }
    }
}

/// The paths that [`examine`] asks for. Those of volumes must be absolute.
pub fn paths(engine: &EngineProfile) -> Vec<PathBuf> {
    if engine.runtime == RuntimeChoice::StandIn {
        return Vec::new();
    }
    let volumes = engine.volumes.iter().map(|volume| volume.from.clone());
    volumes.chain(model::paths(engine)).collect()
}

/// The variables that it asks for.
pub fn variables(profile: &Profile) -> Vec<String> {
    let mut names = engine_variables(&profile.engine);
    let production = profile.production.as_ref();
    names.extend(production.and_then(|production| production.api_key_env.clone()));
    names
}

fn engine_variables(engine: &EngineProfile) -> Vec<String> {
    let sources = engine.env.iter().filter_map(|(_, source)| match source {
        EnvSource::FromEnv(name) => Some(name.clone()),
        EnvSource::Literal(_) => None,
    });
    sources.collect()
}

/// The port at which production serves on this host, if its URL is one of this host.
pub fn production_port(profile: &Profile) -> Option<u16> {
    port_here(profile.production.as_ref()?.url.as_ref()?)
}

fn port_here(url: &str) -> Option<u16> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let authority = authority.rsplit('@').next()?;
    let by_scheme = if scheme.eq_ignore_ascii_case("https") {
        443
    } else {
        80
    };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (authority, by_scheme),
    };
    let is_here = host == "localhost" || host == "[::1]" || host.starts_with("127.");
    is_here.then_some(port)
}

const fn check(name: &'static str) -> Check {
    Check {
        topic: Topic::Profile,
        name,
    }
}

/// Nothing without an experiment.
pub fn examine(facts: &ProfileFacts, errand: Errand<'_>) -> Vec<Finding> {
    let Some(profile) = errand.profile() else {
        return Vec::new();
    };
    if profile.engine.runtime == RuntimeChoice::StandIn {
        return vec![
            check("engine")
                .ok("stand-in engines: image, model, GPUs, volumes and variables are not used"),
        ];
    }
    let mut found: Vec<Finding> = profile
        .engine
        .volumes
        .iter()
        .map(|volume| volume_of(&volume.from, facts.paths.of(&volume.from)))
        .collect();
    found.push(model::examine(&profile.engine, &facts.paths));
    let engine = engine_variables(&profile.engine);
    for name in variables(profile) {
        let state = facts.variables.get(&name).copied();
        let is_engines = engine.contains(&name);
        found.extend(state.map(|state| variable(&name, state, is_engines)));
    }
    if let Some((port, held)) = &facts.port {
        found.push(production(*port, held, errand));
    }
    found
}

fn volume_of(path: &Path, state: PathState) -> Finding {
    let check = check("volume");
    let shown = path.display();
    match state {
        PathState::Missing => check
            .fail(
                Fault::Missing,
                format!("volume {shown} does not exist"),
                "make it, or correct `volumes` in [engine]",
            )
            .command(format!(
                "mkdir -p {}",
                shell_words::quote(&shown.to_string())
            )),
        PathState::Closed => check.warn(
            format!("volume {shown}: this user cannot look into it"),
            "see that an engine may: most run as root",
        ),
        PathState::File | PathState::Folder { .. } => check.ok(format!("volume {shown} exists")),
    }
}

fn variable(name: &str, state: VariableState, is_engines: bool) -> Finding {
    let check = check("variable");
    let command = format!("export {name}=...");
    match (state, is_engines) {
        (VariableState::Set, _) => check.ok(format!("variable {name} is set")),
        (VariableState::Empty, _) => check
            .warn(
                format!("variable {name} is set and empty"),
                "give it its value",
            )
            .command(command),
        (VariableState::Unset, true) => check
            .fail(
                Fault::Missing,
                format!("variable {name} is not set, and the profile hands it to the engine"),
                "set it, or take it out of [engine.env]",
            )
            .command(command),
        (VariableState::Unset, false) => check
            .warn(
                format!("variable {name} is not set, and [production] names it"),
                "set it; nothing uses it yet",
            )
            .command(command),
    }
}

fn production(port: u16, held: &PortUse, errand: Errand<'_>) -> Finding {
    let check = check("production-port");
    match held {
        PortUse::Free => check.ok(format!("nobody listens on port {port} of [production]")),
        PortUse::Held(by) => {
            let by = by.as_deref().unwrap_or("a process of another user");
            let found = format!("{by} listens on port {port} of [production]");
            if errand.gpus() == Demand::Needed {
                check.warn(
                    found,
                    "stop what serves there before the run: it may hold the GPUs",
                )
            } else {
                check.ok(found)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Mark;
    use crate::doctor::fixture::checked;

    /// Puts one thing out of order.
    type Harm = fn(&mut ProfileFacts);

    #[test]
    fn a_port_of_production_counts_only_on_this_host() {
        for (url, port) in [
            ("http://127.0.0.1:5002", Some(5002)),
            ("http://localhost:5002/v1", Some(5002)),
            ("http://[::1]:5002", Some(5002)),
            ("http://[::1]", Some(80)),
            ("https://localhost/v1", Some(443)),
            ("http://user@localhost:81", Some(81)),
            ("http://elsewhere:5002", None),
            ("localhost:5002", None),
            ("http://localhost:many", None),
        ] {
            assert_eq!(port_here(url), port, "{url}");
        }
    }

    #[test]
    fn volumes_variables_and_the_port_are_judged_each_alone() {
        let checked = checked(
            "gpus = 1\nvolumes = [{ from = \"/a b\", to = \"/b\" }]\n\
             env = { A = { from-env = \"A\" }, B = \"x\" }\n\
             [production]\ncontainer = \"c\"\nurl = \"http://127.0.0.1:1\"\napi-key-env = \"K\"",
        );
        let profile = &checked.experiment.profile;
        assert_eq!(variables(profile), ["A", "K"]);
        assert_eq!(production_port(profile), Some(1));
        let good = || ProfileFacts {
            paths: {
                let mut paths = Paths::default();
                paths.set("/a b".into(), PathState::File);
                paths
            },
            variables: variables(profile)
                .into_iter()
                .map(|name| (name, VariableState::Set))
                .collect(),
            port: Some((1, PortUse::Free)),
        };
        let missing = Mark::Fail(Fault::Missing);
        let cases: [(Harm, Option<(&str, Mark)>); 6] = [
            (|_| {}, None),
            (
                |facts| facts.paths.set("/a b".into(), PathState::Missing),
                Some(("volume", missing)),
            ),
            (
                |facts| {
                    facts.variables.insert("A".to_owned(), VariableState::Unset);
                },
                Some(("variable", missing)),
            ),
            (
                |facts| {
                    facts.variables.insert("A".to_owned(), VariableState::Empty);
                },
                Some(("variable", Mark::Warn)),
            ),
            (
                |facts| {
                    facts.variables.insert("K".to_owned(), VariableState::Unset);
                },
                Some(("variable", Mark::Warn)),
            ),
            (
                |facts| facts.port = Some((1, PortUse::Held(None))),
                Some(("production-port", Mark::Warn)),
            ),
        ];
        for (change, expected) in cases {
            let mut facts = good();
            change(&mut facts);
            let found: Vec<_> = examine(&facts, Errand::Run(&checked))
                .into_iter()
                .filter(|finding| finding.mark != Mark::Ok && finding.check != "model")
                .collect();
            let marks: Vec<_> = found.iter().map(|it| (it.check, it.mark)).collect();
            assert_eq!(marks, expected.into_iter().collect::<Vec<_>>());
            if marks == [("volume", missing)] {
                assert_eq!(found[0].command.as_deref(), Some("mkdir -p '/a b'"));
            }
        }
    }

    #[test]
    fn stand_ins_ask_for_nothing() {
        let checked = checked("runtime = \"stand-in\"\nvolumes = [{ from = \"/a\", to = \"/b\" }]");
        assert!(paths(&checked.experiment.profile.engine).is_empty());
        let found = examine(&ProfileFacts::default(), Errand::Run(&checked));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].mark, Mark::Ok);
    }
}
