//! What the help text of `vllm serve` does not say about its flags: which of them take numbers,
//! and in which range. Read by the generator alone; the table holds the result.
//!
//! Ranges are those that vLLM enforces or that its help words state; where neither does, a
//! count is at least 1 or at least 0 as its meaning demands. Flags that are in neither list and
//! that take a value keep the type that the help shows.

use crate::spec::vllm_flags::FlagKind::{self, Float, Int};

const fn count(min: i64) -> FlagKind {
    Int { min: Some(min) }
}

const fn at_least(min: f64) -> FlagKind {
    Float {
        min: Some(min),
        max: None,
        min_exclusive: false,
    }
}

const fn above(min: f64) -> FlagKind {
    Float {
        min: Some(min),
        max: None,
        min_exclusive: true,
    }
}

const fn share(min_exclusive: bool) -> FlagKind {
    Float {
        min: Some(0.0),
        max: Some(1.0),
        min_exclusive,
    }
}

/// Long name and kind, sorted by name.
pub(in crate::spec::vllm_flags) const KINDS: &[(&str, FlagKind)] = &[
    ("api-server-count", count(0)),
    ("block-size", count(1)),
    ("cp-kv-cache-interleave-size", count(1)),
    ("cpu-distributed-timeout-seconds", count(1)),
    ("cpu-offload-gb", at_least(0.0)),
    ("data-parallel-rank", count(0)),
    ("data-parallel-rpc-port", count(1)),
    ("data-parallel-size", count(1)),
    ("data-parallel-size-local", count(0)),
    ("data-parallel-start-rank", count(0)),
    ("data-parallel-supervisor-port", count(1)),
    ("dbo-decode-token-threshold", count(0)),
    ("dbo-prefill-token-threshold", count(0)),
    ("dcp-kv-cache-interleave-size", count(1)),
    ("decode-context-parallel-size", count(1)),
    ("distributed-timeout-seconds", count(1)),
    ("dp-supervisor-probe-failure-threshold", count(1)),
    ("dp-supervisor-probe-interval-s", above(0.0)),
    ("dp-supervisor-probe-timeout-s", above(0.0)),
    ("dp-sync-interval", count(1)),
    ("elastic-ep-max-dp-size", count(1)),
    // `CacheConfig` refuses anything outside of (0, 1] with a pydantic error.
    ("gpu-memory-utilization", share(true)),
    ("grpc-port", count(1)),
    ("h11-max-header-count", count(1)),
    ("h11-max-incomplete-event-size", count(1)),
    ("kv-cache-metrics-sample", share(true)),
    ("kv-offloading-size", at_least(0.0)),
    ("long-prefill-token-threshold", count(0)),
    ("mamba-block-size", count(1)),
    ("mamba-cache-philox-rounds", count(0)),
    ("master-port", count(1)),
    ("max-cpu-loras", count(1)),
    ("max-cudagraph-capture-size", count(0)),
    ("max-log-len", count(0)),
    ("max-logprobs", count(-1)),
    ("max-loras", count(1)),
    ("max-num-active-seqs", count(1)),
    ("max-num-queued-reqs", count(1)),
    ("max-num-seqs", count(1)),
    ("max-parallel-loading-workers", count(1)),
    ("mm-encoder-fp8-scale-save-margin", above(0.0)),
    ("mm-ipc-gpu-memory-gb", at_least(0.0)),
    ("mm-processor-cache-gb", at_least(0.0)),
    ("mm-shm-cache-max-object-size-mb", count(0)),
    ("nnodes", count(1)),
    ("node-rank", count(0)),
    ("num-gpu-blocks-override", count(1)),
    ("offload-group-size", count(0)),
    ("offload-num-in-group", count(1)),
    ("offload-prefetch-step", count(0)),
    ("pipeline-parallel-size", count(1)),
    ("port", count(1)),
    ("prefill-context-parallel-size", count(1)),
    ("prefill-schedule-interval", count(1)),
    ("prefix-match-unit", count(1)),
    ("renderer-num-workers", count(1)),
    ("replayssm-buffer-len", count(1)),
    ("safetensors-prefetch-num-threads", count(1)),
    ("seed", Int { min: None }),
    ("shutdown-timeout", at_least(0.0)),
    ("spec-tokens", count(1)),
    ("sse-keep-alive-interval", at_least(0.0)),
    ("stream-interval", count(1)),
    ("tensor-parallel-size", count(1)),
    ("ubatch-size", count(0)),
    ("video-pruning-rate", share(false)),
    ("watermark", share(false)),
];
