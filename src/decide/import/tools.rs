//! Where each tool keeps what: members of its export, by the names that all tools share here.

use std::collections::BTreeMap;

use crate::decide::import::pointer::At;
use crate::decide::import::{About, Tool};
use crate::manifest::imported::Imported;

type Numbers = BTreeMap<String, f64>;

/// `vllm bench serve --save-result`.
const VLLM_BENCH: &[(&str, &str)] = &[
    ("completed", "completed"),
    ("failed", "failed"),
    ("requests_per_second", "request_throughput"),
    ("output_tokens_per_second", "output_throughput"),
    ("ttft_ms.mean", "mean_ttft_ms"),
    ("ttft_ms.p50", "median_ttft_ms"),
    ("ttft_ms.p95", "p95_ttft_ms"),
    ("ttft_ms.p99", "p99_ttft_ms"),
    ("tpot_ms.mean", "mean_tpot_ms"),
    ("tpot_ms.p50", "median_tpot_ms"),
    ("tpot_ms.p99", "p99_tpot_ms"),
    ("itl_ms.mean", "mean_itl_ms"),
    ("itl_ms.p50", "median_itl_ms"),
    ("itl_ms.p99", "p99_itl_ms"),
    ("e2e_ms.mean", "mean_e2el_ms"),
    ("e2e_ms.p50", "median_e2el_ms"),
    ("e2e_ms.p99", "p99_e2el_ms"),
];

/// A distribution of GuideLLM: our name, its member of `metrics`, and milliseconds per unit.
const GUIDELLM: &[(&str, &str, f64)] = &[
    ("ttft_ms", "time_to_first_token_ms", 1.0),
    ("tpot_ms", "time_per_output_token_ms", 1.0),
    ("itl_ms", "inter_token_latency_ms", 1.0),
    ("e2e_ms", "request_latency", 1000.0),
];

/// A distribution of AIPerf: our name, its member.
const AIPERF: &[(&str, &str)] = &[
    ("ttft_ms", "time_to_first_token"),
    ("itl_ms", "inter_token_latency"),
    ("e2e_ms", "request_latency"),
];

fn add(numbers: &mut Numbers, name: &str, at: &At<'_>, times: f64) -> Result<(), String> {
    if let Some(number) = at.number()? {
        numbers.insert(name.to_owned(), number * times);
    }
    Ok(())
}

pub fn vllm_bench(root: &At<'_>, about: &About) -> Result<Imported, String> {
    let mut numbers = Numbers::new();
    for (name, member) in VLLM_BENCH {
        add(&mut numbers, name, &root.at(member), 1.0)?;
    }
    if numbers.is_empty() {
        return Err(root.at("request_throughput").expected("a number"));
    }
    let mut row = about.row(Tool::VllmBench, root.path(), numbers);
    row.from.model = root.at("model_id").text();
    row.from.at = root.at("date").text();
    let at_once = root.at("max_concurrency").text();
    let rate = root.at("request_rate").text().filter(|rate| rate != "inf");
    let words = [
        at_once.map(|n| format!("{n} at once")),
        rate.map(|rate| format!("{rate} requests/s")),
    ];
    row.from.load = joined(words);
    Ok(row)
}

pub fn guidellm(root: &At<'_>, about: &About) -> Result<Vec<Imported>, String> {
    let benchmarks = root.at("benchmarks").list()?;
    let rows = benchmarks.iter().map(|benchmark| {
        let metrics = benchmark.at("metrics");
        let mut numbers = Numbers::new();
        for (name, member, ms) in GUIDELLM {
            let successful = metrics.at(&format!("{member}.successful"));
            for (stat, at) in [
                ("mean", "mean"),
                ("p50", "percentiles.p50"),
                ("p95", "percentiles.p95"),
                ("p99", "percentiles.p99"),
            ] {
                add(
                    &mut numbers,
                    &format!("{name}.{stat}"),
                    &successful.at(at),
                    *ms,
                )?;
            }
        }
        for (name, at) in [
            ("completed", "request_totals.successful"),
            ("failed", "request_totals.errored"),
            ("requests_per_second", "requests_per_second.successful.mean"),
            (
                "output_tokens_per_second",
                "output_tokens_per_second.successful.mean",
            ),
        ] {
            add(&mut numbers, name, &metrics.at(at), 1.0)?;
        }
        if numbers.is_empty() {
            return Err(metrics.expected("the metrics of a benchmark"));
        }
        let mut row = about.row(Tool::GuideLlm, benchmark.path(), numbers);
        row.from.version = root.at("metadata.guidellm_version").text();
        row.from.model = root.at("config.backend.model").text();
        row.from.at = benchmark.at("scheduler_metrics.start_time").text();
        let strategy = benchmark.at("config.strategy");
        row.from.load = joined([
            strategy.at("type_").text(),
            strategy
                .at("streams")
                .text()
                .map(|n| format!("{n} streams")),
            strategy
                .at("rate")
                .text()
                .map(|rate| format!("{rate} requests/s")),
        ]);
        Ok(row)
    });
    rows.collect()
}

pub fn aiperf(root: &At<'_>, about: &About) -> Result<Imported, String> {
    let mut numbers = Numbers::new();
    for (name, member) in AIPERF {
        let metric = root.at(member);
        let unit = metric.at("unit");
        let ms = match unit.text().as_deref() {
            Some("ms") => 1.0,
            Some("s" | "sec" | "seconds") => 1000.0,
            Some("us") => 0.001,
            None if metric.at("avg").number()?.is_none() => continue,
            _ => return Err(unit.expected("ms, s or us")),
        };
        for (stat, at) in [
            ("mean", "avg"),
            ("p50", "p50"),
            ("p95", "p95"),
            ("p99", "p99"),
        ] {
            add(&mut numbers, &format!("{name}.{stat}"), &metric.at(at), ms)?;
        }
    }
    for (name, at) in [
        ("completed", "request_count.avg"),
        ("failed", "error_request_count.avg"),
        ("requests_per_second", "request_throughput.avg"),
        ("output_tokens_per_second", "output_token_throughput.avg"),
    ] {
        add(&mut numbers, name, &root.at(at), 1.0)?;
    }
    if numbers.is_empty() {
        return Err(root
            .at("request_throughput")
            .expected("a metric with its unit"));
    }
    let mut row = about.row(Tool::AiPerf, root.path(), numbers);
    row.from.version = root.at("aiperf_version").text();
    row.from.at = root.at("start_time").text();
    if root.at("is_complete").is(false) || root.at("was_cancelled").is(true) {
        let why = root.at("incomplete_reason").text();
        let why = why.map_or_else(String::new, |why| format!(": {why}"));
        row.from
            .notes
            .push(format!("the tool says that it is not complete{why}"));
    }
    Ok(row)
}

fn joined<const N: usize>(words: [Option<String>; N]) -> Option<String> {
    let words: Vec<String> = words.into_iter().flatten().collect();
    (!words.is_empty()).then(|| words.join(", "))
}
