//! The page against a real one, and against the counts that are on it.

use std::collections::HashSet;
use std::time::Duration;

use crate::stand_in::command::arguments::Arguments;
use crate::stand_in::command::settings::Settings;
use crate::stand_in::engine::memory::fit;
use crate::stand_in::engine::metrics::{
    Ended, Exchange, Finish, Identity, Parsing, Read, Snapshot, Tally, Traffic, render,
};
use crate::stand_in::engine::scheduler::{Counts, Gauges};
use crate::stand_in::version::VllmVersion;

const REAL: &str = include_str!("../../../../tests/data/vllm/metrics_after.txt");

fn identity(flags: &str) -> Identity {
    let words: Vec<String> = format!("some/model --served-model-name smollm2 {flags}")
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    let settings = Settings::resolve(&Arguments::parse(&words).unwrap(), None).unwrap();
    Identity::new(&settings, &fit(&settings).unwrap(), 1_795_487_820.5)
}

fn idle() -> Snapshot {
    Snapshot {
        gauges: Gauges {
            running: 0,
            waiting: 0,
            kv_usage: 0.0,
        },
        counts: Counts::default(),
        tally: Tally::new(),
    }
}

/// The requests that the real page has counted.
fn traffic() -> Traffic {
    let traffic = Traffic::new(1.0);
    for (path, method, status) in [
        ("/v1/models", "GET", 200),
        ("/v1/chat/completions", "POST", 200),
        ("/v1/chat/completions", "POST", 400),
    ] {
        let exchange = Exchange {
            path: path.to_owned(),
            routed: true,
            method: method.to_owned(),
            status,
            request_bytes: 0,
            response_bytes: 0,
            took: Duration::ZERO,
        };
        traffic.count(&exchange, 2.0);
    }
    traffic
}

/// Lines without their values; of lines that describe an engine or Python only the labels.
fn forms(page: &str) -> Vec<String> {
    page.lines()
        .map(|line| {
            if line.starts_with('#') {
                return line.to_owned();
            }
            let form = line.rsplit_once(' ').unwrap().0;
            if form.starts_with("vllm:cache_config_info") || form.starts_with("python_info") {
                let labels: Vec<&str> = form
                    .split("\",")
                    .map(|pair| pair.split('=').next().unwrap())
                    .collect();
                return labels.join(",");
            }
            form.to_owned()
        })
        .collect()
}

#[test]
fn the_newest_page_has_the_lines_of_a_real_one() {
    let page = render(&identity(""), &idle(), &traffic(), None);
    let (ours, real) = (forms(&page), forms(REAL));
    for (ours, real) in ours.iter().zip(&real) {
        assert_eq!(ours, real);
    }
    assert_eq!(ours.len(), real.len());
}

/// The names on a page that begin with `vllm:`.
fn names(version: VllmVersion) -> HashSet<String> {
    let flags = format!("--stand-in-version {}", version.name());
    render(&identity(&flags), &idle(), &traffic(), None)
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(['{', ' ']).next().unwrap().to_owned())
        .collect()
}

#[test]
fn with_a_parser_of_tool_calls_its_counts_come_last() {
    let parsing = Parsing::new(1_795_487_820.5);
    parsing.count(Read::Piece, true);
    let page = render(&identity(""), &idle(), &traffic(), Some(&parsing));
    let real = include_str!("../../../../tests/data/vllm/metrics_after_no_prefix_caching.txt");
    let last = |page: &str| {
        let forms = forms(page);
        let begin = forms
            .iter()
            .position(|line| line.contains("tool_call_parser"))
            .unwrap();
        forms[begin..].to_vec()
    };
    assert_eq!(last(&page), last(real));
    let count = r#"vllm:tool_call_parser_invocations_total{mode="streaming",model_name="smollm2",outcome="tool_call",request_type="chat_completions"} 1.0"#;
    assert!(page.lines().any(|line| line == count), "{page}");
}

#[test]
fn each_age_has_names_of_its_own() {
    use VllmVersion::*;
    let has = |version, name: &str| names(version).contains(name);
    for (name, with, without) in [
        (
            "vllm:gpu_cache_usage_perc",
            &[V0_6_4, V0_8_5, V0_9_2, V0_10_1][..],
            &[V0_11_0, V0_18_0, V0_32_0][..],
        ),
        (
            "vllm:kv_cache_usage_perc",
            &[V0_9_2, V0_10_1, V0_11_0, V0_18_0, V0_32_0],
            &[V0_6_4, V0_8_5],
        ),
        (
            "vllm:gpu_prefix_cache_hits_total",
            &[V0_8_5, V0_9_2, V0_10_1],
            &[V0_6_4, V0_11_0, V0_18_0, V0_32_0],
        ),
        (
            "vllm:prefix_cache_hits_total",
            &[V0_9_2, V0_10_1, V0_11_0, V0_18_0, V0_32_0],
            &[V0_6_4, V0_8_5],
        ),
        (
            "vllm:time_per_output_token_seconds_sum",
            &[V0_6_4, V0_8_5, V0_9_2, V0_10_1, V0_11_0],
            &[V0_18_0, V0_32_0],
        ),
        (
            "vllm:inter_token_latency_seconds_sum",
            &[V0_11_0, V0_18_0, V0_32_0],
            &[V0_6_4, V0_8_5, V0_9_2, V0_10_1],
        ),
        (
            "vllm:prompt_tokens_created",
            &[V0_8_5, V0_9_2, V0_10_1, V0_11_0, V0_18_0, V0_32_0],
            &[V0_6_4],
        ),
        (
            "vllm:num_requests_swapped",
            &[V0_6_4],
            &[V0_8_5, V0_9_2, V0_10_1, V0_11_0, V0_18_0, V0_32_0],
        ),
        (
            "http_requests_total",
            &[V0_8_5, V0_9_2, V0_10_1, V0_11_0, V0_18_0, V0_32_0],
            &[V0_6_4],
        ),
    ] {
        for version in with {
            assert!(has(*version, name), "{name} is not in {version:?}");
        }
        for version in without {
            assert!(!has(*version, name), "{name} is in {version:?}");
        }
    }
}

#[test]
fn what_was_counted_is_shown() {
    let mut now = idle();
    now.tally.first_token(100, 48, Duration::from_millis(250));
    now.tally.next_token(Duration::from_millis(20));
    now.tally.step(53);
    now.tally.finished(Ended {
        how: Finish::Length,
        prompt_tokens: 100,
        cached_tokens: 48,
        said: 2,
        max_tokens: 2,
        queued: Duration::from_millis(50),
        prefill: Duration::from_millis(200),
        decode: Duration::from_millis(20),
        preemptions: 3,
    });
    now.gauges = Gauges {
        running: 1,
        waiting: 2,
        kv_usage: 0.25,
    };
    now.counts = Counts {
        prefix_queries: 100,
        prefix_hits: 48,
        prefix_queried_blocks: 6,
        prefix_hit_blocks: 3,
        preemptions: 3,
    };
    let engine = r#"engine="0""#;
    let model = r#"model_name="smollm2""#;
    let page = render(&identity(""), &now, &traffic(), None);
    for line in [
        format!("vllm:prefix_cache_queries_total{{{engine},{model}}} 100.0"),
        format!("vllm:prefix_cache_queries_created{{{engine},{model}}} 1.7954878205e+09"),
        format!("vllm:num_requests_waiting_by_reason{{{engine},{model},reason=\"capacity\"}} 2.0"),
        format!("vllm:kv_cache_usage_perc{{{engine},{model}}} 0.25"),
        format!("vllm:num_preemptions_total{{{engine},{model}}} 3.0"),
        format!("vllm:request_success_total{{{engine},finished_reason=\"length\",{model}}} 1.0"),
        format!(
            "vllm:prompt_tokens_by_source_total{{{engine},{model},source=\"local_compute\"}} 52.0"
        ),
        format!(
            "vllm:prompt_tokens_cached_by_source_total{{{engine},{model},source=\"device\"}} 48.0"
        ),
        format!("vllm:time_to_first_token_seconds_bucket{{{engine},le=\"0.1\",{model}}} 0.0"),
        format!("vllm:time_to_first_token_seconds_bucket{{{engine},le=\"0.25\",{model}}} 1.0"),
        format!("vllm:request_num_preemptions_sum{{{engine},{model}}} 3.0"),
        format!("vllm:request_params_max_tokens_sum{{{engine},{model}}} 2.0"),
        format!("vllm:iteration_tokens_total_sum{{{engine},{model}}} 53.0"),
        format!("vllm:request_prefill_kv_computed_tokens_sum{{{engine},{model}}} 52.0"),
        format!("vllm:request_queue_time_seconds_sum{{{engine},{model}}} 0.05"),
    ] {
        assert!(
            page.lines().any(|shown| shown == line),
            "{line}\nis not in\n{page}"
        );
    }
    // The first V1 engines count blocks, and V0 shows a share.
    let page = render(
        &identity("--stand-in-version 0.8.5"),
        &now,
        &traffic(),
        None,
    );
    assert!(page.contains(&format!(
        "vllm:gpu_prefix_cache_hits_total{{{engine},{model}}} 3.0\n"
    )));
    let page = render(
        &identity("--stand-in-version 0.6.4"),
        &now,
        &traffic(),
        None,
    );
    assert!(page.contains(&format!("vllm:gpu_prefix_cache_hit_rate{{{model}}} 0.48\n")));
}

#[test]
fn buckets_of_tokens_end_with_the_longest_sequence() {
    let bounds = |flags: &str| {
        render(&identity(flags), &idle(), &traffic(), None)
            .lines()
            .filter(|line| line.starts_with("vllm:request_prompt_tokens_bucket"))
            .count()
    };
    assert_eq!(bounds("--max-model-len 100"), 8);
    assert_eq!(bounds("--max-model-len 20000"), 15);
}
