//! Settings of a `reasoning` workload.

use serde::{Deserialize, Serialize};

/// `kind = "reasoning"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReasoningSpec {}
