//! Settings of a `conversation` workload.

use serde::{Deserialize, Serialize};

/// `kind = "conversation"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConversationSpec {}
