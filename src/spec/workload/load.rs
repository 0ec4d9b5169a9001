//! Settings of a `load` workload.

use serde::{Deserialize, Serialize};

/// `kind = "load"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadSpec {}
