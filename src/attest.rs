//! Does the engine run what it was asked to run? Evidence (the log of its start, its metrics)
//! against the varied flags of a cell; pure.

use serde::{Deserialize, Serialize};

use crate::spec::flag::{FlagName, FlagValue};

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
