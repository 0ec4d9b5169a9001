//! Does the engine run what it was asked to run? Evidence (the log of its start, its metrics)
//! against the varied flags of a cell; pure.
//!
//! What follows from a contradiction is the runner's business.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::attest::shown::{Kind, Shown, shown};
use crate::attest::value::{Match, compare};
use crate::diagnose::line::{self, Level};
use crate::spec::flag::{FlagName, FlagValue};

pub mod repr;
pub mod shown;
pub mod value;

#[cfg(test)]
mod tests;

/// How well it is known that one flag took effect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "attested", rename_all = "kebab-case")]
pub enum Attested {
    /// The engine's own state shows it: `vllm:cache_config_info`, the config line, the
    /// scheduler line. `by` quotes the evidence.
    Confirmed { by: String },
    /// Only echoed among the arguments (`non-default args`).
    Accepted { by: String },
    /// The engine's state shows another value.
    Contradicted { found: String, by: String },
    /// Nothing speaks of it.
    Unattested,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attestation {
    pub flag: FlagName,
    pub asked: FlagValue,
    #[serde(flatten)]
    pub attested: Attested,
}

impl Attestation {
    /// The contradiction as a sentence; `None` where there is none.
    pub fn contradiction(&self) -> Option<String> {
        match &self.attested {
            Attested::Contradicted { found, by } => Some(format!(
                "`{}` was asked to be {} and the engine has {found} ({by})",
                self.flag, self.asked
            )),
            Attested::Confirmed { .. } | Attested::Accepted { .. } | Attested::Unattested => None,
        }
    }
}

/// Looks for evidence of every flag of a cell, in the order given.
///
/// `log` is the log of the start, of any age of vLLM; `metrics_text` is `/metrics`, and may be
/// empty. A flag that was left to its default ([`FlagValue::Default`]) is at most confirmed with
/// what it resolved to, never contradicted.
pub fn attest<'a>(
    cell_flags: impl Iterator<Item = (&'a FlagName, &'a FlagValue)>,
    log: &str,
    metrics_text: &str,
) -> Vec<Attestation> {
    let evidence = shown(log, metrics_text);
    cell_flags
        .map(|(flag, asked)| Attestation {
            flag: flag.clone(),
            asked: asked.clone(),
            attested: of_flag(flag, asked, &evidence),
        })
        .collect()
}

/// The engine's state speaks before the echo of its arguments, and the first state that says
/// anything decides: they are ordered by how late in the start they were true.
fn of_flag(flag: &FlagName, asked: &FlagValue, evidence: &[Shown]) -> Attested {
    let mut unreadable = None;
    for part in evidence {
        let Some((field, found)) = part.field(flag) else {
            continue;
        };
        let by = format!("{}: {field}={found}", part.place);
        match (compare(flag, asked, found), part.kind) {
            (Match::Same, Kind::State) => return Attested::Confirmed { by },
            (Match::Same, Kind::Echo) => return Attested::Accepted { by },
            (Match::Resolved, Kind::State) => {
                return Attested::Confirmed {
                    by: format!("resolved to {found} ({by})"),
                };
            }
            (Match::Resolved, Kind::Echo) => {
                return Attested::Accepted {
                    by: format!("resolved to {found} ({by})"),
                };
            }
            (Match::Different, Kind::State | Kind::Echo) => {
                return Attested::Contradicted {
                    found: found.to_owned(),
                    by,
                };
            }
            (Match::Unreadable, Kind::State | Kind::Echo) => {
                unreadable.get_or_insert(by);
            }
        }
    }
    match unreadable {
        Some(by) => Attested::Accepted { by },
        None => Attested::Unattested,
    }
}

/// The warnings that vLLM logged while it started, decorations stripped, each once, in their
/// order.
pub fn warnings(log: &str) -> Vec<String> {
    let mut seen = HashSet::new();
    let raw: Vec<&str> = log.lines().collect();
    line::read(log)
        .into_iter()
        .take_while(|line| !line.text.starts_with("Application startup complete"))
        // Python's and torch's own warnings go by other words.
        .filter(|line| line.level == Level::Warning && raw[line.row].contains("WARNING"))
        .map(|line| line.text.trim().to_owned())
        .filter(|text| !text.is_empty() && seen.insert(text.clone()))
        .collect()
}
