//! Settings of a `stability` workload.

use serde::{Deserialize, Serialize};

/// `kind = "stability"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StabilitySpec {}
