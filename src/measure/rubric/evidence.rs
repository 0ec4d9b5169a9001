//! What the outside world must find out for a check, and what came of a check.

use serde::{Deserialize, Serialize};

/// What a check needs beyond the answer's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// Code to be run against tests.
    Sandbox { code: String, tests: Vec<String> },
    /// A question to a judge.
    Judge { ask: String },
}

/// What was found out.
#[derive(Debug, Clone, PartialEq)]
pub enum Evidence {
    /// One entry a test: nothing, or why it failed.
    Tests(Vec<Option<String>>),
    /// From 0 to 1, and why.
    Score { share: f64, because: String },
    /// It could not be found out.
    Unknown { because: String },
}

/// What a check says of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    Passed,
    /// Some of the points, above 0 and below 1.
    Partly {
        share: f64,
        because: String,
    },
    Lost {
        because: String,
    },
    /// Nobody can say: counts for nothing, least of all as lost.
    NotGraded {
        because: String,
    },
}

impl Verdict {
    pub fn lost(because: impl Into<String>) -> Self {
        Self::Lost {
            because: because.into(),
        }
    }

    /// The share of its points; `None` where it was not graded.
    pub fn share(&self) -> Option<f64> {
        match self {
            Self::Passed => Some(1.0),
            Self::Partly { share, .. } => Some(*share),
            Self::Lost { .. } => Some(0.0),
            Self::NotGraded { .. } => None,
        }
    }

    /// Why it is not the whole; `None` where it passed.
    pub fn because(&self) -> Option<&str> {
        match self {
            Self::Passed => None,
            Self::Partly { because, .. } | Self::Lost { because } | Self::NotGraded { because } => {
                Some(because)
            }
        }
    }
}
