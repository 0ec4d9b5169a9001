//! Settings of a `command` workload.

use serde::{Deserialize, Serialize};

/// `kind = "command"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommandSpec {}
