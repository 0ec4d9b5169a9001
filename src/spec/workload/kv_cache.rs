//! Settings of a `kv-cache` workload.

use serde::{Deserialize, Serialize};

use crate::spec::workload::LongestRequest;

/// `kind = "kv-cache"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KvCacheSpec {
    /// Pairs of a first and a repeated request, each pair with a prompt of its own. Default 5.
    pub iterations: u32,
    /// Length of each prompt in tokens, as the engine's tokenizer counts the rendered chat.
    /// Default 1200.
    pub prompt_tokens: u32,
    /// Tokens that each request generates. Default 16.
    pub max_tokens: u32,
}

impl KvCacheSpec {
    pub fn longest_request(&self) -> LongestRequest {
        LongestRequest {
            prompt_tokens: u64::from(self.prompt_tokens),
            max_tokens: u64::from(self.max_tokens),
        }
    }
}
