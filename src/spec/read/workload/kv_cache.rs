//! Reads the settings of a `kv-cache` workload.

use crate::spec::read::walk::Fields;
use crate::spec::workload::kv_cache::KvCacheSpec;

pub fn read(fields: &Fields<'_>) -> Option<KvCacheSpec> {
    Some(KvCacheSpec {
        iterations: fields.count("iterations")?,
        prompt_tokens: fields.count("prompt-tokens")?,
        max_tokens: fields.count("max-tokens")?,
    })
}
