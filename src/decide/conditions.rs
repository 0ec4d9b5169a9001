//! What two runs must share before their numbers may stand beside each other: noted of a run,
//! kept with a champion and with every night, and held against another's. Who may overlook which
//! difference is for whoever compares.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::sha256_hex;
use crate::manifest::Manifest;
use crate::time_scale::TimeScale;

/// Under what numbers were measured. What is `None` or empty in files of older versions was not
/// noted, and is no difference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Conditions {
    pub stand_in: bool,
    /// How fast stand-ins lived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speed: Option<TimeScale>,
    /// Version of the program that measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gridrun: Option<String>,
    /// `repository@sha256:..`, or the image's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    pub model: String,
    /// SHA-256 of the profile's flags and variables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Name and driver of each GPU; empty where none could be seen.
    #[serde(default)]
    pub gpus: Vec<String>,
    pub hostname: String,
    /// Processor, how many, memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// SHA-256 of the workloads, the objectives, the seed and the speed of stand-ins.
    pub workloads: String,
    /// As text: TOML has no number for the largest ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<String>,
    /// SHA-256 of the objectives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objectives: Option<String>,
    /// SHA-256 of each workload by its name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub nodes: BTreeMap<String, String>,
}

/// A thing that may be another one in another run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    StandIn,
    Speed,
    Gridrun,
    Image,
    Model,
    Profile,
    Gpus,
    Hostname,
    Machine,
    Workloads,
    Seed,
    Objectives,
}

/// A difference of two runs, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    pub what: What,
    pub text: String,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Conditions {
    pub fn of(manifest: &Manifest) -> Self {
        let experiment = &manifest.experiment;
        let engine = &experiment.profile.engine;
        let host = &manifest.host;
        let asked = serde_json::json!({
            "workloads": experiment.workloads,
            "objectives": experiment.objectives,
            "seed": experiment.run.seed,
            "speed": manifest.speed,
        });
        let memory = host.memory_bytes.map_or_else(
            || "unknown".to_owned(),
            |bytes| bytesize::ByteSize(bytes).display().iec().to_string(),
        );
        let nodes = experiment.workloads.iter();
        Self {
            stand_in: manifest.is_stand_in(),
            speed: Some(manifest.speed),
            gridrun: Some(manifest.gridrun.clone()),
            image: manifest.runtime.image_digest.clone(),
            model: engine.model.clone(),
            profile: Some(hash(&(&engine.flags, &engine.env))),
            gpus: host.gpus.clone(),
            hostname: host.hostname.clone(),
            machine: Some(format!(
                "{} x {}, memory {memory}",
                host.n_cpus,
                host.cpu.as_deref().unwrap_or("unknown processor"),
            )),
            workloads: sha256_hex(asked.to_string().as_bytes()),
            seed: Some(experiment.run.seed.to_string()),
            objectives: Some(hash(&experiment.objectives)),
            nodes: nodes
                .map(|workload| (workload.name.clone(), hash(workload)))
                .collect(),
        }
    }

    /// Everything that is another one than in `before`.
    pub fn changes_since(&self, before: &Self) -> Vec<Change> {
        let mut changes = Changes::default();
        if self.stand_in != before.stand_in {
            let text = "stand-in engines on one side only".to_owned();
            changes.add(What::StandIn, text);
        }
        let shown = |of: &Option<String>| of.clone().unwrap_or_else(|| "unknown".to_owned());
        // The image of stand-ins is gridrun itself: each build is another one.
        if !self.stand_in && self.image != before.image {
            changes.of(
                What::Image,
                "image",
                shown(&before.image),
                shown(&self.image),
            );
        }
        changes.of(What::Model, "model", &before.model, &self.model);
        let gpus = |of: &Self| match of.gpus.as_slice() {
            [] => "none seen".to_owned(),
            gpus => gpus.join(", "),
        };
        changes.of(What::Gpus, "GPUs or driver", gpus(before), gpus(self));
        changes.of(What::Hostname, "machine", &before.hostname, &self.hostname);
        changes.known(What::Machine, "hardware", &before.machine, &self.machine);
        changes.known(What::Gridrun, "gridrun", &before.gridrun, &self.gridrun);
        if let (Some(then), Some(now)) = (&before.profile, &self.profile)
            && then != now
        {
            let text = "flags or variables of the profile".to_owned();
            changes.add(What::Profile, text);
        }
        self.asked(before, &mut changes);
        changes.found
    }

    /// What was asked of the engines.
    fn asked(&self, before: &Self, changes: &mut Changes) {
        let n = changes.found.len();
        changes.known(
            What::Speed,
            "speed of the stand-ins",
            &before.speed,
            &self.speed,
        );
        changes.known(What::Seed, "seed of the prompts", &before.seed, &self.seed);
        if let (Some(then), Some(now)) = (&before.objectives, &self.objectives)
            && then != now
        {
            changes.add(What::Objectives, "objectives".to_owned());
        }
        let unlike = self.unlike(before);
        if !unlike.is_empty() {
            let text = format!("workloads: {}", unlike.join(", "));
            changes.add(What::Workloads, text);
        }
        if self.workloads != before.workloads && changes.found.len() == n {
            let text = "workloads, objectives, seed or the speed of stand-ins".to_owned();
            changes.add(What::Workloads, text);
        }
    }

    /// The workloads that one side lacks, or that ask something else there; none where one side
    /// did not note them.
    pub fn unlike(&self, before: &Self) -> Vec<String> {
        if self.nodes.is_empty() || before.nodes.is_empty() {
            return Vec::new();
        }
        let names = self.nodes.keys().chain(before.nodes.keys());
        let mut unlike: Vec<String> = names
            .filter(|name| self.nodes.get(*name) != before.nodes.get(*name))
            .cloned()
            .collect();
        unlike.sort_unstable();
        unlike.dedup();
        unlike
    }

    /// What keeps a champion's nights from being compared: all but the program's own version.
    pub fn breaks_since(&self, before: &Self) -> Vec<String> {
        let changes = self.changes_since(before).into_iter();
        changes
            .filter(|change| change.what != What::Gridrun)
            .map(|change| change.text)
            .collect()
    }

    /// What keeps two runs from being decided together: objectives are those of the latest, and
    /// a machine is its hardware, whatever it is called.
    pub fn apart_from(&self, before: &Self) -> Vec<String> {
        let overlooked = [What::Gridrun, What::Hostname, What::Objectives];
        let changes = self.changes_since(before).into_iter();
        changes
            .filter(|change| !overlooked.contains(&change.what))
            .map(|change| change.text)
            .collect()
    }
}

#[derive(Default)]
struct Changes {
    found: Vec<Change>,
}

impl Changes {
    fn add(&mut self, what: What, text: String) {
        self.found.push(Change { what, text });
    }

    fn of<T: PartialEq + fmt::Display>(&mut self, what: What, name: &str, before: T, now: T) {
        if before != now {
            self.add(what, format!("{name}: {before} before, {now} now"));
        }
    }

    /// Only where both sides noted it.
    fn known<T>(&mut self, what: What, name: &str, before: &Option<T>, now: &Option<T>)
    where
        T: PartialEq + fmt::Display,
    {
        if let (Some(before), Some(now)) = (before, now) {
            self.of(what, name, before, now);
        }
    }
}

/// Of a thing as `run.json` has it: without its place in the file.
fn hash(value: &impl Serialize) -> String {
    let stored = serde_json::to_value(value).expect("a manifest is plain data");
    sha256_hex(stored.to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture;

    #[test]
    fn what_changed_is_named_and_what_did_not_is_not() {
        let mut manifest = fixture::full().manifest;
        manifest.runtime.stand_in = false;
        let before = Conditions::of(&manifest);
        assert_eq!(Conditions::of(&manifest).changes_since(&before), []);
        manifest.runtime.image_digest = Some("repository@sha256:other".to_owned());
        manifest.experiment.run.seed += 1;
        manifest.experiment.run.repeats += 1;
        manifest.gridrun = "9.9.9".to_owned();
        let now = Conditions::of(&manifest);
        let changes = now.breaks_since(&before);
        assert_eq!(changes.len(), 2, "{changes:?}");
        assert!(
            changes[0].contains("repository@sha256:other now"),
            "{changes:?}"
        );
        assert!(
            changes[1].starts_with("seed of the prompts: "),
            "{changes:?}"
        );
        assert_eq!(now.changes_since(&before).len(), 3);
    }

    #[test]
    fn workloads_that_differ_are_named_and_moved_ones_do_not() {
        let mut manifest = fixture::full().manifest;
        let before = Conditions::of(&manifest);
        manifest.experiment.workloads[0].at.start += 7;
        assert_eq!(Conditions::of(&manifest).changes_since(&before), []);
        let mut renamed = manifest.experiment.workloads[0].clone();
        renamed.name = "another".to_owned();
        manifest.experiment.workloads.push(renamed);
        let now = Conditions::of(&manifest);
        assert_eq!(now.unlike(&before), ["another"]);
        assert_eq!(now.apart_from(&before), ["workloads: another"]);
        manifest.experiment.objectives.clear();
        let now = Conditions::of(&manifest);
        assert_eq!(now.apart_from(&before), ["workloads: another"]);
        assert_eq!(
            now.breaks_since(&before),
            ["objectives", "workloads: another"]
        );
    }

    #[test]
    fn what_an_older_version_did_not_note_is_no_difference() {
        let manifest = fixture::full().manifest;
        let now = Conditions::of(&manifest);
        let mut stored = serde_json::to_value(&now).unwrap();
        let members = stored.as_object_mut().unwrap();
        for new in [
            "speed",
            "gridrun",
            "profile",
            "machine",
            "seed",
            "objectives",
            "nodes",
        ] {
            assert!(members.remove(new).is_some(), "{new}");
        }
        let mut before: Conditions = serde_json::from_value(stored).unwrap();
        assert_eq!(now.changes_since(&before), []);
        before.workloads = "other".to_owned();
        assert_eq!(
            now.breaks_since(&before),
            ["workloads, objectives, seed or the speed of stand-ins"]
        );
    }
}
