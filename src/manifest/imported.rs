//! Numbers that gridrun did not measure: brought from another tool's export or a table, each with
//! where it comes from. Nothing proves what the engine behind them ran, so they are shown apart
//! and never ranked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One benchmark of an export, or one row of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Imported {
    /// What its bringer calls the configuration; `None` where the source has no name.
    pub cell: Option<String>,
    pub proof: Proof,
    /// `measured`, `estimated`, or the class of failure that a table names.
    pub outcome: String,
    pub from: Provenance,
    /// By names that are the same for all tools (`ttft_ms.p50`); columns of a table keep theirs.
    /// How each tool defines them is the tool's.
    pub numbers: BTreeMap<String, f64>,
}

/// What speaks for a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// Somebody measured it; that the engine ran what the name says is not attested.
    Unproved,
    /// Nobody measured it.
    Estimated,
}

impl Proof {
    pub fn name(self) -> &'static str {
        match self {
            Self::Unproved => "unproved",
            Self::Estimated => "estimated",
        }
    }
}

/// Where a row comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    pub file: String,
    /// Of the file's bytes.
    pub sha256: String,
    /// In the file: a JSON path, or `row 3`.
    pub place: String,
    /// `vllm bench serve`, `guidellm`, `aiperf`, `table`.
    pub tool: String,
    pub version: Option<String>,
    pub model: Option<String>,
    /// As the tool wrote it.
    pub at: Option<String>,
    /// What load was sent, in words.
    pub load: Option<String>,
    /// What a reader must know: a run that was not complete.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Provenance {
    /// `guidellm 0.8.1, bench.json $.benchmarks[0]`.
    pub fn told(&self) -> String {
        let version = self.version.as_ref();
        let version = version.map_or_else(String::new, |version| format!(" {version}"));
        format!("{}{version}, {} {}", self.tool, self.file, self.place)
    }
}
