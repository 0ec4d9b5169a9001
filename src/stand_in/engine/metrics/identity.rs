//! What a page says that does not change while an engine lives: whose it is, and what it says of
//! its cache.

use crate::stand_in::command::settings::Settings;
use crate::stand_in::engine::cache::PrefixCaching;
use crate::stand_in::engine::memory::KvRoom;
use crate::stand_in::engine::metrics::exposition::Labels;
use crate::stand_in::version::VllmVersion::{
    self, V0_6_4, V0_8_5, V0_9_2, V0_10_1, V0_11_0, V0_18_0, V0_32_0,
};

/// An engine as its metrics name it.
#[derive(Debug, Clone)]
pub struct Identity {
    pub(super) version: VllmVersion,
    pub(super) model_name: String,
    /// Labels of `vllm:cache_config_info`.
    pub(super) cache: Labels,
    /// Longest sequence, in tokens: no bucket of tokens goes beyond it.
    pub(super) max_model_len: usize,
    /// Start of the engine, in seconds since 1970.
    pub(super) created: f64,
}

impl Identity {
    pub fn new(settings: &Settings, room: &KvRoom, created: f64) -> Self {
        let version = settings.numbers.vllm_version;
        Self {
            version,
            model_name: settings.served_names[0].clone(),
            cache: cache_labels(version, settings, room),
            max_model_len: room.max_model_len,
            created,
        }
    }
}

fn truth(value: bool) -> String {
    if value { "True" } else { "False" }.to_owned()
}

/// The fields of vLLM's cache configuration, as Python writes their values. Each version shows
/// all that it has.
fn cache_labels(version: VllmVersion, settings: &Settings, room: &KvRoom) -> Labels {
    let block_size = room.block_size.to_string();
    let none = || "None".to_owned();
    let n_blocks = match version {
        // The front end's copy is never told.
        V0_8_5 => none(),
        V0_6_4 | V0_9_2 | V0_10_1 | V0_11_0 | V0_18_0 | V0_32_0 => room.n_blocks.to_string(),
    };
    let explicit = settings
        .kv_cache_memory_bytes
        .map_or_else(none, |bytes| bytes.to_string());
    let fixed = |value: &str| value.to_owned();
    // Label, value, the first version that has it and the last.
    let all: [(&'static str, String, VllmVersion, VllmVersion); 43] = [
        ("block_size", block_size.clone(), V0_6_4, V0_32_0),
        (
            "cache_dtype",
            settings.kv_cache_dtype.clone(),
            V0_6_4,
            V0_32_0,
        ),
        (
            "enable_prefix_caching",
            truth(settings.caching == PrefixCaching::On),
            V0_6_4,
            V0_32_0,
        ),
        (
            "gpu_memory_utilization",
            format!("{:?}", settings.gpu_memory_utilization),
            V0_6_4,
            V0_32_0,
        ),
        ("is_attention_free", truth(false), V0_6_4, V0_32_0),
        ("num_cpu_blocks", none(), V0_8_5, V0_32_0),
        ("num_cpu_blocks", fixed("0"), V0_6_4, V0_6_4),
        ("num_gpu_blocks", n_blocks, V0_6_4, V0_32_0),
        ("num_gpu_blocks_override", none(), V0_6_4, V0_32_0),
        ("sliding_window", none(), V0_6_4, V0_32_0),
        ("cpu_offload_gb", fixed("0"), V0_6_4, V0_11_0),
        ("swap_space_bytes", fixed("4294967296"), V0_6_4, V0_11_0),
        ("swap_space", fixed("4"), V0_8_5, V0_11_0),
        ("calculate_kv_scales", truth(false), V0_8_5, V0_18_0),
        (
            "prefix_caching_hash_algo",
            fixed("builtin"),
            V0_8_5,
            V0_10_1,
        ),
        ("engine", fixed("0"), V0_9_2, V0_32_0),
        ("cpu_kvcache_space_bytes", none(), V0_9_2, V0_18_0),
        ("mamba_page_size_padded", none(), V0_10_1, V0_32_0),
        ("mamba_cache_dtype", fixed("auto"), V0_10_1, V0_32_0),
        ("mamba_ssm_cache_dtype", fixed("auto"), V0_10_1, V0_32_0),
        ("kv_sharing_fast_prefill", truth(false), V0_10_1, V0_32_0),
        (
            "prefix_caching_hash_algo",
            fixed("sha256"),
            V0_11_0,
            V0_32_0,
        ),
        ("kv_cache_memory_bytes", explicit, V0_11_0, V0_32_0),
        ("_block_size_resolved", truth(true), V0_18_0, V0_32_0),
        (
            "user_specified_block_size",
            truth(settings.arguments.get("block-size").is_some()),
            V0_18_0,
            V0_32_0,
        ),
        (
            "user_specified_mamba_block_size",
            truth(false),
            V0_18_0,
            V0_18_0,
        ),
        ("kv_cache_dtype_skip_layers", fixed("[]"), V0_18_0, V0_32_0),
        ("mamba_block_size", none(), V0_18_0, V0_32_0),
        ("mamba_cache_mode", fixed("none"), V0_18_0, V0_32_0),
        ("kv_offloading_size", none(), V0_18_0, V0_32_0),
        ("kv_offloading_backend", fixed("native"), V0_18_0, V0_32_0),
        ("cache_hit_alignment_tokens", none(), V0_32_0, V0_32_0),
        (
            "effective_attention_block_size",
            block_size,
            V0_32_0,
            V0_32_0,
        ),
        (
            "enable_mamba_shared_prefix_checkpoint",
            truth(false),
            V0_32_0,
            V0_32_0,
        ),
        ("hash_block_size", none(), V0_32_0, V0_32_0),
        ("kv_cache_layout", none(), V0_32_0, V0_32_0),
        (
            "kv_cache_max_concurrency",
            format!("{:?}", room.max_concurrency()),
            V0_32_0,
            V0_32_0,
        ),
        (
            "kv_cache_size_tokens",
            room.n_tokens().to_string(),
            V0_32_0,
            V0_32_0,
        ),
        (
            "prefix_cache_retention_interval",
            fixed("0"),
            V0_32_0,
            V0_32_0,
        ),
        ("prefix_match_unit", none(), V0_32_0, V0_32_0),
        ("replayssm_buffer_len", fixed("16"), V0_32_0, V0_32_0),
        ("skip_page_size_padded", none(), V0_32_0, V0_32_0),
        ("swa_bounded_replay", truth(true), V0_32_0, V0_32_0),
    ];
    let switches = ["use_kda_recoverssm", "use_replayssm"].map(|label| (label, truth(false)));
    let newest = switches.into_iter().filter(|_| version == V0_32_0);
    all.into_iter()
        .filter(|(_, _, first, last)| (*first..=*last).contains(&version))
        .map(|(label, value, _, _)| (label, value))
        .chain(newest)
        .collect()
}
