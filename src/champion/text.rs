//! `champion.toml`: the configuration in force with its evidence, as a file that people read.
//!
//! gridrun writes it and reads it back; a hand that changes flags in it makes another
//! configuration of it, which is noticed by its id.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::decide::conditions::Conditions;
use crate::id::{CellId, RunId};
use crate::matrix::canonical::cell_id;
use crate::matrix::cell::{Cell, SetBy, Setting};
use crate::spec::experiment::Goal;
use crate::spec::flag::{FlagName, FlagValue, Knob};

/// A configuration with what speaks for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Champion {
    /// Version of this file.
    pub format: u32,
    pub experiment: String,
    /// The cell's name.
    pub cell: String,
    pub cell_id: CellId,
    /// What it rests on, in one sentence.
    pub because: String,
    /// A first of single starts or by its mean, which somebody accepted.
    pub accepted_leader: bool,
    /// Memory limit of its container in bytes, where it differs from the profile's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Every flag that the engine is given, the profile's own included.
    pub flags: BTreeMap<FlagName, FlagValue>,
    /// Varied environment variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, FlagValue>,
    pub evidence: Evidence,
    /// By objective: what was measured, and where a change is worth a look.
    pub guard: Vec<Bound>,
}

/// Where the numbers come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Evidence {
    pub run: RunId,
    pub started_at: jiff::Timestamp,
    pub gridrun: String,
    /// Engine starts of this configuration that were measured.
    pub starts: u32,
    /// Probability to be within the equivalence margin of the best; absent where the run could
    /// not state one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// The score's mean over the starts: the weighted logarithms of the objectives.
    pub score: f64,
    pub conditions: Conditions,
}

/// One objective, and where it becomes conspicuous.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Bound {
    pub metric: String,
    pub unit: String,
    pub goal: Goal,
    /// Scaled so that all weights sum to 1.
    pub weight: f64,
    pub mean: f64,
    /// Of the starts; absent for a single one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sd: Option<f64>,
    /// [`WARN`] worse than the mean.
    pub warn: f64,
    /// [`ALERT`] worse than the mean.
    pub alert: f64,
}

/// How much worse than its champion the reference case lets production be before it warns, as a
/// fraction.
pub const WARN: f64 = 0.10;

/// Before it raises an alert.
pub const ALERT: f64 = 0.15;

/// A number that is worse by a fraction, in the direction of its goal.
pub fn worse(mean: f64, goal: Goal, by: f64) -> f64 {
    match goal {
        Goal::Min => mean * (1.0 + by),
        Goal::Max => mean / (1.0 + by),
    }
}

/// Why a `champion.toml` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ChampionError {
    #[error("not a champion: {0}")]
    Garbled(#[from] toml::de::Error),
    #[error(
        "champion format {found}; this gridrun reads format {}",
        Champion::FORMAT
    )]
    Format { found: u32 },
    #[error(
        "its flags are those of cell {found}, and it says {said}: somebody changed them; put a run in force \
         with `gridrun promote RUN` instead"
    )]
    Changed { found: CellId, said: CellId },
}

impl Champion {
    pub const FORMAT: u32 = 1;

    /// The whole file.
    pub fn toml(&self) -> String {
        let stamp = match self.evidence.conditions.stand_in {
            true => {
                "# STAND-IN: no real model answered; no number here says anything about a model or a GPU.\n"
            }
            false => "",
        };
        let body = toml::to_string(self).expect("a champion is plain data");
        format!(
            "# Written by gridrun: the configuration {} of the experiment {}.\n\
             # Put in force by `gridrun promote`, taken back by `gridrun rollback`.\n{stamp}{body}",
            one_line(&self.cell),
            one_line(&self.experiment),
        )
    }

    /// Reads one back.
    ///
    /// # Errors
    /// When it is none, or of another version.
    pub fn read(text: &str) -> Result<Self, ChampionError> {
        // Asked first, so that a later version is named as such.
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let Version { format } = toml::from_str(text)?;
        if format != Self::FORMAT {
            return Err(ChampionError::Format { found: format });
        }
        Ok(toml::from_str(text)?)
    }

    /// The configuration as a cell, for an experiment whose matrix no longer has it.
    ///
    /// # Errors
    /// When its flags are not those of its id.
    pub fn as_cell(&self) -> Result<Cell, ChampionError> {
        let set = |value: &FlagValue| Setting {
            value: value.clone(),
            by: SetBy::Cell,
        };
        let flags: BTreeMap<FlagName, Setting> = self
            .flags
            .iter()
            .map(|(name, value)| (name.clone(), set(value)))
            .collect();
        let env: BTreeMap<String, Setting> = self
            .env
            .iter()
            .map(|(name, value)| (name.clone(), set(value)))
            .collect();
        let found = cell_id(&flags, &env, self.memory);
        if found != self.cell_id {
            return Err(ChampionError::Changed {
                found,
                said: self.cell_id.clone(),
            });
        }
        let coordinates = self.flags.iter();
        Ok(Cell {
            id: found,
            name: self.cell.clone(),
            coordinates: coordinates
                .map(|(name, value)| (Knob::Flag(name.clone()), value.clone()))
                .collect(),
            flags,
            env,
            memory: self.memory,
        })
    }
}

fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::champion::select::{Claim, select};
    use crate::decide::fixture;

    fn champion() -> Champion {
        select(&fixture::full(), Claim::AcceptLeader).unwrap()
    }

    #[test]
    fn what_is_written_is_read_back_whole() {
        let champion = champion();
        let text = champion.toml();
        assert_eq!(Champion::read(&text).unwrap(), champion, "{text}");
        assert!(text.starts_with("# Written by gridrun"), "{text}");
    }

    #[test]
    fn a_stand_in_is_stamped_in_the_file() {
        let mut champion = champion();
        champion.evidence.conditions.stand_in = true;
        assert!(champion.toml().contains("STAND-IN"));
        champion.evidence.conditions.stand_in = false;
        assert!(!champion.toml().contains("STAND-IN"));
    }

    #[test]
    fn another_version_and_changed_flags_are_refused() {
        let mut champion = champion();
        let text = champion.toml().replace("format = 1", "format = 2");
        let error = Champion::read(&text).unwrap_err().to_string();
        assert_eq!(error, "champion format 2; this gridrun reads format 1");
        let name = FlagName("max-num-seqs".to_owned());
        champion.flags.insert(name, FlagValue::Int(4711));
        let error = champion.as_cell().unwrap_err();
        assert!(matches!(error, ChampionError::Changed { .. }), "{error}");
    }

    #[test]
    fn bounds_are_worse_in_the_direction_of_the_goal() {
        assert!((worse(100.0, Goal::Min, WARN) - 110.0).abs() < 1e-9);
        assert!((worse(115.0, Goal::Max, ALERT) - 100.0).abs() < 1e-9);
    }
}
