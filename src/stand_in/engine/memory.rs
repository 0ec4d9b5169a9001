//! The memory of the imagined GPU: does the engine fit, and how much is left for the KV cache?
//! Arithmetic alone; in which words an engine dies is `death`'s business.
//!
//! `utilisation x GPU memory` must hold the weights, the activations of the largest batch and
//! the KV cache, which gets what the others leave (or an explicit size). What lies outside of
//! that share must hold the overhead: CUDA context, graphs, the warm-up of the sampler. All
//! numbers are those of one GPU, so the parallel size does not enter.

use crate::stand_in::command::settings::{ModelLength, Settings};

/// Longest context of the imagined model where no flag says otherwise.
pub const DERIVED_MAX_MODEL_LEN: usize = 8192;

/// What there is for the KV cache.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KvRoom {
    /// Bytes on one GPU.
    pub bytes: u64,
    pub n_blocks: usize,
    pub block_size: usize,
    /// As asked for, or as it fits where `auto` was asked for.
    pub max_model_len: usize,
}

impl KvRoom {
    pub fn n_tokens(&self) -> usize {
        self.n_blocks * self.block_size
    }

    /// How many sequences of the full length fit at once.
    pub fn max_concurrency(&self) -> f64 {
        self.n_blocks as f64 / self.max_model_len.div_ceil(self.block_size) as f64
    }
}

/// Why the engine does not fit. Sizes in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exhausted {
    /// The card cannot hold the weights.
    Weights { allocation: FailedAllocation },
    /// Nothing is left for the KV cache.
    NoCacheBlocks,
    /// The KV cache is too small for a single sequence of the full length.
    CacheTooSmall {
        needed: u64,
        available: u64,
        max_model_len: usize,
        /// The length that would fit; 0 if none would.
        longest: usize,
    },
    /// The card is full when the sampler is tried with as many requests.
    SamplerWarmUp {
        max_num_seqs: usize,
        allocation: FailedAllocation,
    },
    /// The card is full when the KV cache is made.
    Device { allocation: FailedAllocation },
    /// The card is full when CUDA graphs are captured.
    Graphs { allocation: FailedAllocation },
}

/// An allocation that the card refused, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailedAllocation {
    pub tried: u64,
    pub total: u64,
    pub free: u64,
}

/// First of four: can the card hold the weights?
pub fn hold_weights(settings: &Settings) -> Result<(), Exhausted> {
    let (weights, total) = (settings.numbers.weights, settings.numbers.gpu_memory);
    if weights > total {
        let allocation = FailedAllocation {
            tried: weights,
            total,
            free: total,
        };
        return Err(Exhausted::Weights { allocation });
    }
    Ok(())
}

/// Second of four: how much room is there for the KV cache? The card must hold the weights.
pub fn make_room(settings: &Settings) -> Result<KvRoom, Exhausted> {
    let total = settings.numbers.gpu_memory;
    let Shares {
        resident,
        cache,
        taken,
    } = Shares::of(settings);
    let room = cache_room(settings, cache)?;
    if taken > total {
        let allocation = FailedAllocation {
            tried: cache,
            total,
            free: total.saturating_sub(resident),
        };
        return Err(Exhausted::Device { allocation });
    }
    Ok(room)
}

/// Third of four: does what lies outside of the utilised share hold the graphs? There must be
/// room for the KV cache.
pub fn capture_graphs(settings: &Settings) -> Result<(), Exhausted> {
    let (total, tried) = (settings.numbers.gpu_memory, settings.numbers.overhead);
    let free = total.saturating_sub(Shares::of(settings).taken);
    if free < tried {
        let allocation = FailedAllocation { tried, total, free };
        return Err(Exhausted::Graphs { allocation });
    }
    Ok(())
}

/// Last of four: does what the graphs leave hold the sampler's warm-up?
pub fn try_sampler(settings: &Settings) -> Result<(), Exhausted> {
    let numbers = &settings.numbers;
    let (total, seqs) = (numbers.gpu_memory, settings.max_num_seqs);
    let tried = numbers.overhead_per_seq.saturating_mul(seqs as u64);
    let taken = Shares::of(settings).taken.saturating_add(numbers.overhead);
    let free = total.saturating_sub(taken);
    if free < tried {
        return Err(Exhausted::SamplerWarmUp {
            max_num_seqs: seqs,
            allocation: FailedAllocation { tried, total, free },
        });
    }
    Ok(())
}

/// All four.
#[cfg(test)]
pub fn fit(settings: &Settings) -> Result<KvRoom, Exhausted> {
    hold_weights(settings)?;
    let room = make_room(settings)?;
    capture_graphs(settings)?;
    try_sampler(settings)?;
    Ok(room)
}

/// Who takes how much of the card, in bytes.
struct Shares {
    /// Weights and the activations of the largest batch.
    resident: u64,
    cache: u64,
    /// What the engine takes for itself; the rest is outside.
    taken: u64,
}

impl Shares {
    fn of(settings: &Settings) -> Self {
        let numbers = &settings.numbers;
        let batch = settings.max_num_batched_tokens as u64;
        let activations = numbers.activation_bytes_per_token.saturating_mul(batch);
        let resident = numbers.weights.saturating_add(activations);
        let share = share_of(numbers.gpu_memory, settings.gpu_memory_utilization);
        let (cache, taken) = match settings.kv_cache_memory_bytes {
            Some(explicit) => (explicit, resident.saturating_add(explicit)),
            None => (share.saturating_sub(resident), share),
        };
        Self {
            resident,
            cache,
            taken,
        }
    }
}

fn cache_room(settings: &Settings, bytes: u64) -> Result<KvRoom, Exhausted> {
    if bytes == 0 {
        return Err(Exhausted::NoCacheBlocks);
    }
    let block_size = settings.block_size;
    let per_token = bytes_per_token(
        settings.numbers.kv_bytes_per_token,
        &settings.kv_cache_dtype,
    );
    let per_block = per_token * block_size as f64;
    // The conversion saturates; no GPU holds that many blocks.
    let n_blocks = (bytes as f64 / per_block) as usize;
    let longest = n_blocks * block_size;
    let wanted = match settings.max_model_len {
        ModelLength::Fixed(length) => length,
        ModelLength::Fitted => DERIVED_MAX_MODEL_LEN.min(longest.max(block_size)),
    };
    let needed_blocks = wanted.div_ceil(block_size);
    if needed_blocks > n_blocks {
        return Err(Exhausted::CacheTooSmall {
            needed: (needed_blocks as f64 * per_block) as u64,
            available: bytes,
            max_model_len: wanted,
            longest,
        });
    }
    Ok(KvRoom {
        bytes,
        n_blocks,
        block_size,
        max_model_len: wanted,
    })
}

/// What nobody has taken of the card when the engine serves, in bytes.
pub fn free_while_serving(settings: &Settings, room: &KvRoom) -> u64 {
    let numbers = &settings.numbers;
    let batch = settings.max_num_batched_tokens as u64;
    let seqs = settings.max_num_seqs as u64;
    [
        numbers.weights,
        numbers.activation_bytes_per_token.saturating_mul(batch),
        room.bytes,
        numbers.overhead,
        numbers.overhead_per_seq.saturating_mul(seqs),
    ]
    .into_iter()
    .fold(numbers.gpu_memory, u64::saturating_sub)
}

fn share_of(total: u64, utilization: f64) -> u64 {
    (total as f64 * utilization).floor() as u64
}

/// The profile's figure is for 16-bit values; smaller types take their share of it.
fn bytes_per_token(at_16_bits: u64, dtype: &str) -> f64 {
    let bits = match dtype {
        "turboquant_3bit_nc" => 3.0,
        "turboquant_k3v4_nc" => 3.5,
        "turboquant_k8v4" => 6.0,
        four if four.starts_with("int4") || four.starts_with("nvfp4") || four.contains("4bit") => {
            4.0
        }
        eight if eight.starts_with("fp8") || eight.starts_with("int8") => 8.0,
        _ => 16.0,
    };
    at_16_bits.max(1) as f64 * bits / 16.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stand_in::command::arguments::Arguments;

    const MIB: u64 = 1 << 20;

    /// A card of 1000 MiB; weights of 300 MiB; 1 MiB of KV cache for a block of 16 tokens.
    fn fit_with(flags: &str) -> Result<KvRoom, Exhausted> {
        let base = "m --stand-in-gpu-memory 1000MiB --stand-in-weights 300MiB \
                    --stand-in-kv-bytes-per-token 64KiB --max-model-len 1600 --max-num-seqs 32 \
                    --gpu-memory-utilization 0.8";
        let words: Vec<String> = base
            .split_whitespace()
            .chain(flags.split_whitespace())
            .map(str::to_owned)
            .collect();
        fit(&Settings::resolve(&Arguments::parse(&words).unwrap(), None).unwrap())
    }

    #[test]
    fn the_kv_cache_gets_what_weights_and_activations_leave() {
        let room = fit_with("").unwrap();
        assert_eq!(
            (room.bytes, room.n_blocks, room.n_tokens()),
            (500 * MIB, 500, 8000)
        );
        assert!((room.max_concurrency() - 5.0).abs() < 1e-9);
        let room =
            fit_with("--stand-in-activation-bytes-per-token 100KiB --max-num-batched-tokens 2048")
                .unwrap();
        assert_eq!(room.bytes, 300 * MIB);
    }

    #[test]
    fn a_small_kv_dtype_holds_more_tokens() {
        assert_eq!(fit_with("--kv-cache-dtype fp8").unwrap().n_blocks, 1000);
        assert_eq!(fit_with("--kv-cache-dtype nvfp4").unwrap().n_blocks, 2000);
    }

    #[test]
    fn nothing_left_is_no_cache_blocks() {
        assert_eq!(
            fit_with("--gpu-memory-utilization 0.3"),
            Err(Exhausted::NoCacheBlocks)
        );
    }

    #[test]
    fn less_than_one_full_sequence_is_too_small_and_names_the_length_that_fits() {
        assert_eq!(
            fit_with("--gpu-memory-utilization 0.35"),
            Err(Exhausted::CacheTooSmall {
                needed: 100 * MIB,
                available: 50 * MIB,
                max_model_len: 1600,
                longest: 800,
            })
        );
        let fitted = fit_with("--gpu-memory-utilization 0.35 --max-model-len auto").unwrap();
        assert_eq!(fitted.max_model_len, 800);
    }

    #[test]
    fn overhead_lives_outside_of_the_utilised_share() {
        assert!(fit_with("--stand-in-overhead 200MiB").is_ok());
        let allocation = FailedAllocation {
            tried: 201 * MIB,
            total: 1000 * MIB,
            free: 200 * MIB,
        };
        assert_eq!(
            fit_with("--stand-in-overhead 201MiB"),
            Err(Exhausted::Graphs { allocation })
        );
    }

    #[test]
    fn overhead_per_sequence_dies_in_the_warm_up_of_the_sampler() {
        let flags = "--stand-in-overhead 104MiB --stand-in-overhead-per-seq 3MiB";
        assert!(fit_with(flags).is_ok());
        let allocation = FailedAllocation {
            tried: 99 * MIB,
            total: 1000 * MIB,
            free: 96 * MIB,
        };
        assert_eq!(
            fit_with(&format!("{flags} --max-num-seqs 33")),
            Err(Exhausted::SamplerWarmUp {
                max_num_seqs: 33,
                allocation
            })
        );
    }

    #[test]
    fn an_explicit_cache_size_replaces_the_utilised_share() {
        assert_eq!(
            fit_with("--kv-cache-memory-bytes 650M").unwrap().n_blocks,
            650
        );
        let allocation = FailedAllocation {
            tried: 701 * MIB,
            total: 1000 * MIB,
            free: 700 * MIB,
        };
        assert_eq!(
            fit_with("--kv-cache-memory-bytes 701M"),
            Err(Exhausted::Device { allocation })
        );
    }

    #[test]
    fn weights_larger_than_the_card_die_while_loading() {
        assert!(matches!(
            fit_with("--stand-in-weights 1001MiB"),
            Err(Exhausted::Weights { .. })
        ));
    }
}
