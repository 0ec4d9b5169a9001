//! The families of V1 engines, by version: their names, help texts, labels and buckets.

use crate::stand_in::engine::metrics::exposition::{Page, Sample};
use crate::stand_in::engine::metrics::family::{Families, phases};
use crate::stand_in::engine::metrics::identity::Identity;
use crate::stand_in::engine::metrics::tally::Snapshot;
use crate::stand_in::engine::metrics::v0::V0_LARGEST_STEP;
use crate::stand_in::version::VllmVersion::{V0_8_5, V0_9_2, V0_10_1, V0_11_0, V0_18_0, V0_32_0};

/// All families of a V1 engine, in their order.
pub fn write(page: &mut Page, identity: &Identity, now: &Snapshot) {
    let mut families = Families { page, identity };
    if families.between(V0_18_0, V0_32_0) {
        for (name, what) in [
            ("flops", "floating point operations per GPU"),
            ("read_bytes", "bytes read from memory per GPU"),
            ("write_bytes", "bytes written to memory per GPU"),
        ] {
            families.counter(
                &format!("estimated_{name}_per_gpu"),
                &format!("Estimated number of {what} (for Model Flops Utilization calculations)."),
                0,
            );
        }
    }
    requests(&mut families, now);
    cache(&mut families, now);
    tokens(&mut families, now);
    ends(&mut families, now);
    sizes(&mut families, now);
    latencies(&mut families, now);
    families.cache_config();
}

/// Who runs and who waits.
fn requests(families: &mut Families, now: &Snapshot) {
    families.gauge(
        "num_requests_running",
        "Number of requests in model execution batches.",
        now.gauges.running as f64,
    );
    let waiting = now.gauges.waiting as f64;
    families.gauge(
        "num_requests_waiting",
        "Number of requests waiting to be processed.",
        waiting,
    );
    if families.version() == V0_32_0 {
        let reasons = [("capacity", waiting), ("deferred", 0.0)]
            .map(|(reason, value)| families.labelled("reason", reason, value));
        families.page.gauge(
            "vllm:num_requests_waiting_by_reason",
            "Number of waiting requests by reason. Reason labels: 'capacity' = waiting for \
             scheduling capacity; 'deferred' = deferred by transient constraints (LoRA budget, KV \
             transfer, blocked status). Sum of all reasons equals vllm:num_requests_waiting.",
            &reasons,
        );
    }
    if families.between(V0_18_0, V0_32_0) {
        let states = [
            ("awake", 1.0),
            ("weights_offloaded", 0.0),
            ("discard_all", 0.0),
        ]
        .map(|(state, value)| families.labelled("sleep_state", state, value));
        families.page.gauge(
            "vllm:engine_sleep_state",
            "Engine sleep state; awake = 0 means engine is sleeping; awake = 1 means engine is \
             awake; weights_offloaded = 1 means sleep level 1; discard_all = 1 means sleep level 2.",
            &states,
        );
    }
}

/// How full the KV cache is, and what it spares.
fn cache(families: &mut Families, now: &Snapshot) {
    let usage = now.gauges.kv_usage;
    let (queries, hits) = (now.counts.prefix_queries, now.counts.prefix_hits);
    let old_name = |new: &str| match families.identity.version {
        V0_8_5 => String::new(),
        _ => format!("DEPRECATED: Use vllm:{new} instead."),
    };
    if families.between(V0_8_5, V0_10_1) {
        let help = format!(
            "GPU KV-cache usage. 1 means 100 percent usage.{}",
            old_name("kv_cache_usage_perc")
        );
        let (queries_help, hits_help) = (
            old_name("prefix_cache_queries"),
            old_name("prefix_cache_hits"),
        );
        // The first V1 engines counted blocks.
        let (unit, queries, hits) = match families.version() {
            V0_8_5 => (
                "blocks",
                now.counts.prefix_queried_blocks,
                now.counts.prefix_hit_blocks,
            ),
            _ => ("tokens", queries, hits),
        };
        families.gauge("gpu_cache_usage_perc", &help, usage);
        families.counter(
            "gpu_prefix_cache_queries",
            &format!(
                "GPU prefix cache queries, in terms of number of queried {unit}.{queries_help}"
            ),
            queries,
        );
        families.counter(
            "gpu_prefix_cache_hits",
            &format!("GPU prefix cache hits, in terms of number of cached {unit}.{hits_help}"),
            hits,
        );
    }
    if families.between(V0_9_2, V0_32_0) {
        families.gauge(
            "kv_cache_usage_perc",
            "KV-cache usage. 1 means 100 percent usage.",
            usage,
        );
        families.counter(
            "prefix_cache_queries",
            "Prefix cache queries, in terms of number of queried tokens.",
            queries,
        );
        families.counter(
            "prefix_cache_hits",
            "Prefix cache hits, in terms of number of cached tokens.",
            hits,
        );
    }
    if families.between(V0_18_0, V0_32_0) {
        for (name, help) in [
            (
                "external_prefix_cache_queries",
                "External prefix cache queries from KV connector cross-instance cache sharing, in \
                 terms of number of queried tokens.",
            ),
            (
                "external_prefix_cache_hits",
                "External prefix cache hits from KV connector cross-instance cache sharing, in \
                 terms of number of cached tokens.",
            ),
            (
                "mm_cache_queries",
                "Multi-modal cache queries, in terms of number of queried items.",
            ),
            (
                "mm_cache_hits",
                "Multi-modal cache hits, in terms of number of cached items.",
            ),
        ] {
            families.counter(name, help, 0);
        }
    }
}

/// Tokens in and out.
fn tokens(families: &mut Families, now: &Snapshot) {
    let tally = &now.tally;
    families.counter(
        "num_preemptions",
        "Cumulative number of preemption from the engine.",
        now.counts.preemptions,
    );
    families.counter(
        "prompt_tokens",
        "Number of prefill tokens processed.",
        tally.prompt_tokens,
    );
    if families.between(V0_18_0, V0_32_0) {
        families.counters(
            "prompt_tokens_by_source",
            "Number of prompt tokens by source.",
            "source",
            &[
                ("local_compute", tally.prompt_tokens - tally.cached_tokens),
                ("local_cache_hit", tally.cached_tokens),
                ("external_kv_transfer", 0),
            ],
        );
        families.counter(
            "prompt_tokens_cached",
            "Number of cached prompt tokens (local + external).",
            tally.cached_tokens,
        );
    }
    if families.version() == V0_18_0 {
        families.counter(
            "prompt_tokens_recomputed",
            "Number of cached tokens recomputed for forward pass.",
            0,
        );
    }
    if families.version() == V0_32_0 {
        families.counters(
            "prompt_tokens_cached_by_source",
            "Prefix-cache hit tokens by the cache tier that supplied them: device (local HBM), \
             host (offloaded to DRAM), disk, p2p (transferred from another vLLM instance) or \
             external_unspecified. Counted at admission; sums to vllm:prefix_cache_hits + \
             vllm:external_prefix_cache_hits.",
            "source",
            &[
                ("device", now.counts.prefix_hits),
                ("host", 0),
                ("p2p", 0),
                ("disk", 0),
                ("external_unspecified", 0),
            ],
        );
    }
    families.counter(
        "generation_tokens",
        "Number of generation tokens processed.",
        tally.generation_tokens,
    );
}

/// How requests ended.
fn ends(families: &mut Families, now: &Snapshot) {
    let tally = &now.tally;
    let mut reasons = vec![
        ("stop", tally.stopped),
        ("length", tally.cut),
        ("abort", tally.aborted),
    ];
    if families.between(V0_18_0, V0_32_0) {
        reasons.extend([("error", 0), ("repetition", 0)]);
    }
    families.counters(
        "request_success",
        "Count of successfully processed requests.",
        "finished_reason",
        &reasons,
    );
    if families.version() == V0_32_0 {
        // The front end rejects, not an engine.
        let samples = ["max_num_queued_reqs", "max_num_queued_tokens"].map(|reason| Sample {
            labels: vec![
                ("model_name", families.identity.model_name.clone()),
                ("reason", reason.to_owned()),
            ],
            value: 0.0,
            created: families.identity.created,
        });
        families.page.counter(
            "vllm:admission_rejections",
            "Number of admission attempts rejected by a queue limit, by reason.",
            &samples,
        );
    }
}

/// How large requests and steps were.
fn sizes(families: &mut Families, now: &Snapshot) {
    let tally = &now.tally;
    families.tokens(
        "request_prompt_tokens",
        "Number of prefill tokens processed.",
        &tally.prompts,
    );
    families.tokens(
        "request_generation_tokens",
        "Number of generation tokens processed.",
        &tally.generations,
    );
    families.histogram(
        "iteration_tokens_total",
        "Histogram of number of tokens per engine_step.",
        &tally.steps,
        |bound| bound != V0_LARGEST_STEP,
    );
    families.tokens(
        "request_max_num_generation_tokens",
        "Histogram of maximum number of requested generation tokens.",
        &tally.longest,
    );
    families.seconds(
        "request_params_n",
        "Histogram of the n request parameter.",
        &tally.answers,
    );
    families.tokens(
        "request_params_max_tokens",
        "Histogram of the max_tokens request parameter.",
        &tally.max_tokens,
    );
}

/// How long requests took, in all and in parts.
fn latencies(families: &mut Families, now: &Snapshot) {
    let tally = &now.tally;
    families.seconds(
        "time_to_first_token_seconds",
        "Histogram of time to first token in seconds.",
        &tally.to_first,
    );
    if families.between(V0_8_5, V0_11_0) {
        let help = match families.version() {
            V0_11_0 => {
                "Histogram of time per output token in seconds.DEPRECATED: Use \
                 vllm:inter_token_latency_seconds instead."
            }
            _ => "Histogram of time per output token in seconds.",
        };
        families.seconds("time_per_output_token_seconds", help, &tally.between);
    }
    if families.between(V0_11_0, V0_32_0) {
        families.seconds(
            "inter_token_latency_seconds",
            "Histogram of inter-token latency in seconds.",
            &tally.between,
        );
        families.seconds(
            "request_time_per_output_token_seconds",
            "Histogram of time_per_output_token_seconds per request.",
            &tally.per_token,
        );
    }
    families.seconds(
        "e2e_request_latency_seconds",
        "Histogram of e2e request latency in seconds.",
        &tally.in_all,
    );
    phases(families, now);
    if families.version() == V0_32_0 {
        families.seconds(
            "request_num_preemptions",
            "Histogram of the number of times a request was preempted.",
            &tally.preemptions,
        );
    }
    if families.between(V0_18_0, V0_32_0) {
        families.tokens(
            "request_prefill_kv_computed_tokens",
            "Histogram of new KV tokens computed during prefill (excluding cached tokens).",
            &tally.computed,
        );
    }
}
