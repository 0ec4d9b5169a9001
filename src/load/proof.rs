//! Did the engine take a prompt from its prefix cache? Its own counts decide, never the speed.
//!
//! Pure. The bounds: of a prompt of n tokens, `floor((n - 1) / block) * block` tokens are
//! eligible, because hits come in whole blocks and at least one token is always computed. A hit
//! is proved by at least 90 % of them, a miss by at most one block or 5 % of the prompt, so that
//! neither a chat template that all prompts share nor a block that was evicted decides.

use crate::measure::request::{CacheCounters, CacheProof, Usage};

const HIT_SHARE: f64 = 0.9;
const MISS_SHARE: f64 = 0.05;

/// How many prompt tokens of one request came from the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CachedTokens {
    Known(u64),
    Unknown { because: String },
}

/// Prompt tokens from the cache, by the request's own usage, else by the counters around it.
/// Both must agree within a block where both speak.
pub fn cached_tokens(usage: Usage, counters: Option<CacheCounters>, block: u64) -> CachedTokens {
    let counted = counters.map(|counters| by_counters(usage.prompt, counters, block));
    match (usage.cached, counted) {
        (Some(said), Some(CachedTokens::Known(counted))) if said.abs_diff(counted) > block => {
            let because =
                format!("usage says {said} cached tokens, the prefix cache counters say {counted}");
            CachedTokens::Unknown { because }
        }
        (Some(said), _) => CachedTokens::Known(said),
        (None, Some(counted)) => counted,
        (None, None) => CachedTokens::Unknown {
            because: "the engine tells neither cached tokens nor prefix cache counters".to_owned(),
        },
    }
}

/// The counters speak for one request only if they moved by its prompt, or, where prefix caching
/// is off, not at all.
fn by_counters(n_prompt: u64, counters: CacheCounters, block: u64) -> CachedTokens {
    let CacheCounters { queries, hits } = counters;
    if queries == 0 && hits == 0 {
        return CachedTokens::Known(0);
    }
    if queries.abs_diff(n_prompt) <= block && hits <= queries {
        return CachedTokens::Known(hits);
    }
    let because = format!(
        "the prefix cache counters moved by {queries} queried and {hits} hit tokens around a \
         prompt of {n_prompt}"
    );
    CachedTokens::Unknown { because }
}

/// What is proved of one request that succeeded. `counters` are the differences around it, with
/// no other request in flight; `block_size` is what the engine says of itself.
pub fn prove(usage: Usage, counters: Option<CacheCounters>, block_size: Option<u64>) -> CacheProof {
    let Some(block) = block_size.filter(|&block| block > 0) else {
        return CacheProof::Unproved {
            because: "the engine does not tell its block size".to_owned(),
        };
    };
    let cached = match cached_tokens(usage, counters, block) {
        CachedTokens::Known(cached) => cached,
        CachedTokens::Unknown { because } => return CacheProof::Unproved { because },
    };
    let n = usage.prompt;
    let eligible = n.saturating_sub(1) / block * block;
    let is_hit = eligible > 0 && cached as f64 >= HIT_SHARE * eligible as f64;
    let is_miss = cached as f64 <= (block as f64).max(MISS_SHARE * n as f64);
    match (is_hit, is_miss) {
        _ if eligible == 0 => CacheProof::Unproved {
            because: format!("a prompt of {n} tokens does not fill a block of {block}"),
        },
        (true, false) => CacheProof::Hit { cached, eligible },
        (false, true) => CacheProof::Miss { cached },
        (true, true) => CacheProof::Unproved {
            because: format!(
                "{cached} cached tokens of a prompt of {n} may be a hit or a shared first block \
                 of {block}"
            ),
        },
        (false, false) => CacheProof::Unproved {
            because: format!("{cached} of {eligible} eligible tokens came from the cache"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(prompt: u64, cached: Option<u64>) -> Usage {
        Usage {
            prompt,
            output: 16,
            cached,
        }
    }

    fn moved(queries: u64, hits: u64) -> Option<CacheCounters> {
        Some(CacheCounters { queries, hits })
    }

    fn because(proof: CacheProof) -> String {
        match proof {
            CacheProof::Unproved { because } => because,
            proved => panic!("{proved:?}"),
        }
    }

    #[test]
    fn the_figures_of_a_real_engine_prove_hits_and_misses() {
        // Blocks of 128 tokens, a prompt of 1516: 1408 are eligible.
        let hit = CacheProof::Hit {
            cached: 1408,
            eligible: 1408,
        };
        assert_eq!(prove(usage(1516, None), moved(1516, 1408), Some(128)), hit);
        let miss = CacheProof::Miss { cached: 0 };
        assert_eq!(prove(usage(1516, None), moved(1516, 0), Some(128)), miss);
        assert_eq!(prove(usage(1516, None), moved(0, 0), Some(128)), miss);
        assert_eq!(prove(usage(1516, Some(0)), moved(0, 0), Some(128)), miss);
    }

    #[test]
    fn the_bounds_are_where_they_are_said_to_be() {
        let proof = |n, cached, block| prove(usage(n, Some(cached)), None, Some(block));
        // 1000 tokens, blocks of 16: 992 eligible, 90 % of which is 892.8; 5 % of 1000 is 50.
        assert_eq!(
            proof(1000, 893, 16),
            CacheProof::Hit {
                cached: 893,
                eligible: 992
            }
        );
        because(proof(1000, 892, 16));
        assert_eq!(proof(1000, 50, 16), CacheProof::Miss { cached: 50 });
        because(proof(1000, 51, 16));
        // The last token is never cached: 1025 tokens have 64 whole blocks before it, 1024 have 63.
        assert_eq!(
            proof(1025, 1024, 16),
            CacheProof::Hit {
                cached: 1024,
                eligible: 1024
            }
        );
        assert_eq!(
            proof(1024, 1008, 16),
            CacheProof::Hit {
                cached: 1008,
                eligible: 1008
            }
        );
        // One block may be shared by all prompts.
        assert_eq!(proof(1000, 128, 128), CacheProof::Miss { cached: 128 });
    }

    #[test]
    fn short_prompts_prove_nothing_when_the_bounds_overlap() {
        let proof = |n, cached| prove(usage(n, Some(cached)), None, Some(128));
        assert!(because(proof(100, 0)).contains("does not fill a block"));
        assert!(because(proof(150, 128)).contains("may be a hit"));
        assert_eq!(proof(150, 0), CacheProof::Miss { cached: 0 });
    }

    #[test]
    fn sources_that_contradict_each_other_prove_nothing() {
        let proof = prove(usage(1000, Some(992)), moved(1000, 0), Some(16));
        assert!(because(proof).contains("usage says 992"));
        let near = prove(usage(1000, Some(992)), moved(1000, 976), Some(16));
        assert_eq!(
            near,
            CacheProof::Hit {
                cached: 992,
                eligible: 992
            }
        );
    }

    #[test]
    fn counters_that_others_moved_are_no_source() {
        assert!(because(prove(usage(1000, None), moved(2000, 992), Some(16))).contains("2000"));
        assert!(because(prove(usage(1000, None), moved(63, 62), Some(16))).contains("63"));
        let by_usage = prove(usage(1000, Some(992)), moved(2000, 992), Some(16));
        assert_eq!(
            by_usage,
            CacheProof::Hit {
                cached: 992,
                eligible: 992
            }
        );
    }

    #[test]
    fn without_a_source_or_a_block_size_nothing_is_proved() {
        assert!(because(prove(usage(1000, None), None, Some(16))).contains("neither"));
        assert!(because(prove(usage(1000, Some(0)), None, None)).contains("block size"));
        assert!(because(prove(usage(1000, Some(0)), None, Some(0))).contains("block size"));
    }
}
