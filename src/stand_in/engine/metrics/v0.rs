//! The families of a V0 engine: their names, help texts, labels and buckets.

use crate::stand_in::engine::metrics::exposition::Page;
use crate::stand_in::engine::metrics::family::{Families, V0_LONGEST, phases};
use crate::stand_in::engine::metrics::identity::Identity;
use crate::stand_in::engine::metrics::tally::Snapshot;

/// V0's last bucket of tokens in a step; a slip that V1 put right.
pub const V0_LARGEST_STEP: f64 = 8096.0;
/// All families of a V0 engine that it has when it serves.
pub fn write(page: &mut Page, identity: &Identity, now: &Snapshot) {
    let mut families = Families { page, identity };
    let Snapshot {
        gauges,
        counts,
        tally,
    } = now;
    let hit_rate = match counts.prefix_queries {
        // Without a cache.
        0 => -1.0,
        queries => counts.prefix_hits as f64 / queries as f64,
    };
    for (name, help, value) in [
        (
            "num_requests_running",
            "Number of requests currently running on GPU.",
            gauges.running as f64,
        ),
        (
            "num_requests_waiting",
            "Number of requests waiting to be processed.",
            gauges.waiting as f64,
        ),
        (
            "num_requests_swapped",
            "Number of requests swapped to CPU.",
            0.0,
        ),
        (
            "gpu_cache_usage_perc",
            "GPU KV-cache usage. 1 means 100 percent usage.",
            gauges.kv_usage,
        ),
        (
            "cpu_cache_usage_perc",
            "CPU KV-cache usage. 1 means 100 percent usage.",
            0.0,
        ),
        (
            "cpu_prefix_cache_hit_rate",
            "CPU prefix cache block hit rate.",
            -1.0,
        ),
        (
            "gpu_prefix_cache_hit_rate",
            "GPU prefix cache block hit rate.",
            hit_rate,
        ),
    ] {
        families.gauge(name, help, value);
    }
    for (name, help, value) in [
        (
            "num_preemptions",
            "Cumulative number of preemption from the engine.",
            counts.preemptions,
        ),
        (
            "prompt_tokens",
            "Number of prefill tokens processed.",
            tally.prompt_tokens,
        ),
        (
            "generation_tokens",
            "Number of generation tokens processed.",
            tally.generation_tokens,
        ),
        (
            "tokens",
            "Number of prefill plus generation tokens processed.",
            tally.prompt_tokens + tally.generation_tokens,
        ),
    ] {
        families.counter(name, help, value);
    }
    families.histogram(
        "iteration_tokens_total",
        "Histogram of number of tokens per engine_step.",
        &tally.steps,
        |bound| bound <= V0_LARGEST_STEP,
    );
    families.histogram(
        "time_to_first_token_seconds",
        "Histogram of time to first token in seconds.",
        &tally.to_first,
        |bound| bound <= 10.0,
    );
    families.histogram(
        "time_per_output_token_seconds",
        "Histogram of time per output token in seconds.",
        &tally.between,
        |bound| bound <= 2.5,
    );
    let brief = |bound: f64| bound <= V0_LONGEST;
    families.histogram(
        "e2e_request_latency_seconds",
        "Histogram of end to end request latency in seconds.",
        &tally.in_all,
        brief,
    );
    phases(&mut families, now);
    families.histogram(
        "time_in_queue_requests",
        "Histogram of time the request spent in the queue in seconds.",
        &tally.queued,
        brief,
    );
    sizes_v0(&mut families, now);
    families.counters(
        "request_success",
        "Count of successfully processed requests.",
        "finished_reason",
        &[
            ("stop", tally.stopped),
            ("length", tally.cut),
            ("abort", tally.aborted),
        ],
    );
    families.cache_config();
}

fn sizes_v0(families: &mut Families, now: &Snapshot) {
    let tally = &now.tally;
    for (name, help, values) in [
        (
            "request_prompt_tokens",
            "Number of prefill tokens processed.",
            &tally.prompts,
        ),
        (
            "request_generation_tokens",
            "Number of generation tokens processed.",
            &tally.generations,
        ),
        (
            "request_max_num_generation_tokens",
            "Histogram of maximum number of requested generation tokens.",
            &tally.longest,
        ),
        (
            "request_params_max_tokens",
            "Histogram of the max_tokens request parameter.",
            &tally.max_tokens,
        ),
    ] {
        families.tokens(name, help, values);
    }
    families.seconds(
        "request_params_n",
        "Histogram of the n request parameter.",
        &tally.answers,
    );
}
