//! Settings of a `tool-calling` workload.

use serde::{Deserialize, Serialize};

/// `kind = "tool-calling"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCallingSpec {}
