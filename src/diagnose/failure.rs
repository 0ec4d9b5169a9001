//! A named failure, as it is stored and shown.

use serde::{Deserialize, Serialize};

use crate::diagnose::class::{Consequence, FailureClass, Phase};

/// A failure with its cause, its evidence and what to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    pub class: FailureClass,
    pub phase: Phase,
    pub consequence: Consequence,
    /// The root-cause line as the engine wrote it, decorations stripped.
    pub cause: Option<String>,
    /// What happened, for a person.
    pub explanation: String,
    /// What to change.
    pub suggestion: Option<String>,
    /// The node that ran when the engine died.
    pub node: Option<String>,
    pub exit_code: Option<i64>,
    pub oom_killed: Option<bool>,
    /// Last lines of the log.
    pub log_tail: Vec<String>,
}
