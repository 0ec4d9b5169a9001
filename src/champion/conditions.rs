//! What two runs must share before their numbers may be compared over time.

use serde::{Deserialize, Serialize};

use crate::id::sha256_hex;
use crate::manifest::Manifest;

/// Under what a number was measured. Nights are compared only where all of it is the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Conditions {
    pub stand_in: bool,
    /// `repository@sha256:..`, or the image's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    pub model: String,
    /// Name and driver of each GPU; empty where none could be seen.
    #[serde(default)]
    pub gpus: Vec<String>,
    pub hostname: String,
    /// SHA-256 of the workloads, the objectives, the seed and the speed of stand-ins.
    pub workloads: String,
}

impl Conditions {
    pub fn of(manifest: &Manifest) -> Self {
        let experiment = &manifest.experiment;
        let asked = serde_json::json!({
            "workloads": experiment.workloads,
            "objectives": experiment.objectives,
            "seed": experiment.run.seed,
            "speed": manifest.speed,
        });
        Self {
            stand_in: manifest.is_stand_in(),
            image: manifest.runtime.image_digest.clone(),
            model: experiment.profile.engine.model.clone(),
            gpus: manifest.host.gpus.clone(),
            hostname: manifest.host.hostname.clone(),
            workloads: sha256_hex(asked.to_string().as_bytes()),
        }
    }

    /// What is another one than in `before`, in words; empty where the two may be compared.
    pub fn changes_since(&self, before: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        if self.stand_in != before.stand_in {
            changes.push("stand-in engines on one side only".to_owned());
        }
        let image = |of: &Self| of.image.clone().unwrap_or_else(|| "unknown".to_owned());
        // The image of stand-ins is gridrun itself: each build is another one.
        if !self.stand_in && self.image != before.image {
            changes.push(format!(
                "image: {} before, {} now",
                image(before),
                image(self)
            ));
        }
        if self.model != before.model {
            changes.push(format!(
                "model: {} before, {} now",
                before.model, self.model
            ));
        }
        if self.gpus != before.gpus {
            let gpus = |of: &Self| match of.gpus.as_slice() {
                [] => "none seen".to_owned(),
                gpus => gpus.join(", "),
            };
            changes.push(format!(
                "GPUs or driver: {} before, {} now",
                gpus(before),
                gpus(self)
            ));
        }
        if self.hostname != before.hostname {
            changes.push(format!(
                "machine: {} before, {} now",
                before.hostname, self.hostname
            ));
        }
        if self.workloads != before.workloads {
            changes.push("workloads, objectives, seed or the speed of stand-ins".to_owned());
        }
        changes
    }
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
        assert_eq!(Conditions::of(&manifest).changes_since(&before), [""; 0]);
        manifest.runtime.image_digest = Some("repository@sha256:other".to_owned());
        manifest.experiment.run.seed += 1;
        manifest.experiment.run.repeats += 1;
        let changes = Conditions::of(&manifest).changes_since(&before);
        assert_eq!(changes.len(), 2, "{changes:?}");
        assert!(
            changes[0].contains("repository@sha256:other now"),
            "{changes:?}"
        );
        assert_eq!(
            changes[1],
            "workloads, objectives, seed or the speed of stand-ins"
        );
    }
}
