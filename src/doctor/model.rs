//! Where the model's weights come from: a folder of the host, the hub's cache on it, or the hub.

use std::path::{Path, PathBuf};

use bytesize::ByteSize;

use crate::doctor::finding::{Check, Fault, Finding, Topic};
use crate::doctor::profile::{PathState, Paths};
use crate::spec::profile::{EngineProfile, EnvSource, Volume};

/// Weights of the models that people tune are between five and a hundred gigabytes.
const LITTLE: u64 = 20 << 30;

const CHECK: Check = Check {
    topic: Topic::Profile,
    name: "model",
};

/// Where an engine will look for its model.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source<'a> {
    /// In a folder of its own file system.
    Folder {
        /// On the host, if a volume leads there.
        host: Option<PathBuf>,
    },
    /// In the hub's cache, and then in the hub.
    Hub {
        cache: PathBuf,
        volume: Option<(&'a Volume, PathBuf)>,
        offline: bool,
    },
}

fn source(engine: &EngineProfile) -> Source<'_> {
    if engine.model.starts_with('/') {
        return Source::Folder {
            host: on_host(&engine.volumes, Path::new(&engine.model)).map(|(_, path)| path),
        };
    }
    let set = |name: &str| {
        engine.env.iter().find_map(|(given, source)| match source {
            EnvSource::Literal(value) if given == name => Some(value.as_str()),
            _ => None,
        })
    };
    let is_on = |name: &str| {
        set(name).is_some_and(|value| {
            ["1", "on", "yes", "true"].contains(&value.to_lowercase().as_str())
        })
    };
    let cache = match (set("HF_HUB_CACHE"), set("HF_HOME")) {
        (Some(cache), _) => PathBuf::from(cache),
        (None, Some(home)) => Path::new(home).join("hub"),
        (None, None) => PathBuf::from("/root/.cache/huggingface/hub"),
    };
    Source::Hub {
        volume: on_host(&engine.volumes, &cache),
        cache,
        offline: is_on("HF_HUB_OFFLINE") || is_on("TRANSFORMERS_OFFLINE"),
    }
}

/// Where a path of a container lies on the host, by the volume that is mounted nearest.
fn on_host<'a>(volumes: &'a [Volume], path: &Path) -> Option<(&'a Volume, PathBuf)> {
    volumes
        .iter()
        .filter(|volume| path.starts_with(&volume.to))
        .max_by_key(|volume| volume.to.components().count())
        .map(|volume| {
            let rest = path.strip_prefix(&volume.to).unwrap_or(Path::new(""));
            // Joining nothing would leave a slash behind.
            let host = if rest.as_os_str().is_empty() {
                volume.from.clone()
            } else {
                volume.from.join(rest)
            };
            (volume, host)
        })
}

/// The folder of a model in the hub's cache.
fn in_cache(cache: &Path, model: &str) -> PathBuf {
    cache
        .join(format!("models--{}", model.replace('/', "--")))
        .join("snapshots")
}

/// What must be looked at on the host.
pub(super) fn paths(engine: &EngineProfile) -> Vec<PathBuf> {
    match source(engine) {
        Source::Folder { host: Some(host) } => vec![host.join("config.json"), host],
        Source::Hub {
            volume: Some((_, cache)),
            ..
        } => vec![in_cache(&cache, &engine.model), cache],
        Source::Folder { host: None } | Source::Hub { volume: None, .. } => Vec::new(),
    }
}

pub(super) fn examine(engine: &EngineProfile, paths: &Paths) -> Finding {
    let model = &engine.model;
    match source(engine) {
        Source::Folder { host: None } => CHECK.warn(
            format!("model {model}: no volume leads there"),
            "mount it by `volumes` in [engine], unless the image has it",
        ),
        Source::Folder { host: Some(host) } => folder(model, &host, paths),
        Source::Hub {
            cache,
            volume: None,
            offline: true,
        } => CHECK.warn(
            format!(
                "model {model}: the hub is switched off, and no volume leads to {}",
                cache.display()
            ),
            "mount the hub's cache by `volumes` in [engine], unless the image has the model",
        ),
        Source::Hub {
            cache,
            volume: None,
            offline: false,
        } => CHECK.warn(
            format!(
                "model {model}: no volume leads to {}, so every start loads it from the hub",
                cache.display()
            ),
            format!(
                "add to [engine]: volumes = [{{ from = \"~/.cache/huggingface\", to = \"{}\" }}]",
                cache.parent().unwrap_or(&cache).display()
            ),
        ),
        Source::Hub {
            volume: Some((volume, cache)),
            offline,
            ..
        } => hub(model, volume, &cache, offline, paths),
    }
}

fn folder(model: &str, host: &Path, paths: &Paths) -> Finding {
    let shown = host.display();
    match (paths.of(host), paths.of(&host.join("config.json"))) {
        (PathState::Missing, _) => CHECK.fail(
            Fault::Missing,
            format!("model {model}: there is no {shown}"),
            "correct `model` or `volumes` in [engine], or bring the model there",
        ),
        (PathState::Closed, _) => CHECK.warn(
            format!("model {model}: this user cannot look into {shown}"),
            "see that an engine may read it: most run as root",
        ),
        (_, PathState::Missing) => CHECK.warn(
            format!("model {model}: {shown} has no config.json"),
            "see that it is the folder of one model",
        ),
        _ => CHECK.ok(format!("model {model} is in {shown}")),
    }
}

fn hub(model: &str, volume: &Volume, cache: &Path, offline: bool, paths: &Paths) -> Finding {
    let shown = cache.display();
    let there = paths.of(&in_cache(cache, model));
    if matches!(there, PathState::Folder { .. }) {
        return CHECK.ok(format!("model {model} is in the hub's cache {shown}"));
    }
    if there == PathState::Closed {
        return CHECK.warn(
            format!("model {model}: this user cannot look into the hub's cache {shown}"),
            "see that the model is there",
        );
    }
    if offline {
        return CHECK.fail(
            Fault::Missing,
            format!("model {model} is not in {shown}, and the profile switches the hub off"),
            "load it there first, or take HF_HUB_OFFLINE out of [engine.env]",
        );
    }
    if volume.read_only {
        return CHECK.fail(
            Fault::Missing,
            format!("model {model} is not in {shown}, and the volume is read-only"),
            "load it there first, or take `read-only` out of the volume",
        );
    }
    match paths.of(cache) {
        PathState::Folder { free, .. } if free < LITTLE => CHECK.warn(
            format!(
                "model {model} is loaded from the hub into {shown} at the first start; {} are free \
                 there",
                ByteSize(free)
            ),
            "make room for it",
        ),
        PathState::Folder {
            writable: false, ..
        } => CHECK.warn(
            format!(
                "model {model} is loaded from the hub into {shown}, where this user may not write"
            ),
            "load it there first, or see that an engine may write there: most run as root",
        ),
        _ => CHECK.warn(
            format!("model {model} is not in {shown}: the first start loads it from the hub"),
            "load it before the run: the start waits for it, and its timeout may be over before",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Mark;
    use crate::doctor::fixture::checked;
    use crate::doctor::profile::absolute;

    const FOLDER: PathState = PathState::Folder {
        writable: true,
        free: 500 << 30,
    };

    fn mark(profile: &str, states: &[(&str, PathState)]) -> (Mark, String) {
        let mut checked = checked(profile);
        let engine = &mut checked.experiment.profile.engine;
        absolute(engine, Some(Path::new("/home/u")));
        let mut paths = Paths::default();
        for path in super::paths(engine) {
            let state = states
                .iter()
                .find(|(known, _)| Path::new(known) == path)
                .map_or(PathState::Missing, |(_, state)| *state);
            paths.set(path, state);
        }
        let found = examine(engine, &paths);
        (found.mark, found.found)
    }

    #[test]
    fn a_model_of_the_hub_is_looked_for_in_the_cache_that_is_mounted() {
        const VOLUME: &str = "volumes = [{ from = \"~/hf\", to = \"/root/.cache/huggingface\" }]";
        const THERE: &str = "/home/u/hf/hub/models--org--model/snapshots";
        let missing = Mark::Fail(Fault::Missing);
        let off = format!("{VOLUME}\nenv = {{ HF_HUB_OFFLINE = \"1\" }}");
        let read_only = VOLUME.replace(" }", ", read-only = true }");
        let moved =
            "volumes = [{ from = \"/srv\", to = \"/cache\" }]\nenv = { HF_HOME = \"/cache/a\" }";
        let cache = ("/home/u/hf/hub", FOLDER);
        for (profile, states, expected) in [
            (VOLUME, vec![(THERE, FOLDER), cache], Mark::Ok),
            (VOLUME, vec![cache], Mark::Warn),
            (&off, vec![cache], missing),
            (&off, vec![(THERE, FOLDER)], Mark::Ok),
            (&read_only, vec![cache], missing),
            (
                moved,
                vec![("/srv/a/hub/models--org--model/snapshots", FOLDER)],
                Mark::Ok,
            ),
            ("", vec![], Mark::Warn),
            ("env = { HF_HUB_OFFLINE = \"1\" }", vec![], Mark::Warn),
        ] {
            let (mark, found) = mark(profile, &states);
            assert_eq!(mark, expected, "{profile}: {found}");
        }
    }

    #[test]
    fn a_model_in_a_folder_is_looked_for_behind_its_volume() {
        let profile = "model = \"/models/a\"\nvolumes = [{ from = \"/srv/m\", to = \"/models\" }]";
        let config = ("/srv/m/a/config.json", PathState::File);
        for (states, expected) in [
            (vec![], Mark::Fail(Fault::Missing)),
            (vec![("/srv/m/a", FOLDER)], Mark::Warn),
            (vec![("/srv/m/a", PathState::Closed)], Mark::Warn),
            (vec![("/srv/m/a", FOLDER), config], Mark::Ok),
        ] {
            let (mark, found) = mark(profile, &states);
            assert_eq!(mark, expected, "{found}");
        }
        let (mark, _) = mark("model = \"/models/a\"", &[]);
        assert_eq!(mark, Mark::Warn);
    }
}
