//! A Grafana dashboard of vLLM's own metrics and of gridrun's.

use serde_json::{Value, json};

use crate::champion::text::Champion;

/// Title, unit, and queries with their legends.
type Panel = (&'static str, &'static str, Vec<(String, &'static str)>);

/// The dashboard, to be imported; it asks for its data source, and for the job.
pub fn dashboard(champion: &Champion) -> Value {
    let quantile = |q: &str, metric: &str| {
        format!("histogram_quantile({q}, sum by (le) (rate({metric}_bucket{{job=~\"$job\"}}[5m])))")
    };
    let sum = |metric: &str| format!("sum({metric}{{job=~\"$job\"}})");
    let rate = |metric: &str| format!("sum(rate({metric}{{job=~\"$job\"}}[5m]))");
    let panels: Vec<Panel> = vec![
        (
            "Time to first token",
            "s",
            vec![
                (quantile("0.5", "vllm:time_to_first_token_seconds"), "p50"),
                (quantile("0.95", "vllm:time_to_first_token_seconds"), "p95"),
            ],
        ),
        (
            "End to end",
            "s",
            vec![
                (quantile("0.5", "vllm:e2e_request_latency_seconds"), "p50"),
                (quantile("0.95", "vllm:e2e_request_latency_seconds"), "p95"),
            ],
        ),
        (
            "Requests",
            "short",
            vec![
                (sum("vllm:num_requests_running"), "running"),
                (sum("vllm:num_requests_waiting"), "waiting"),
            ],
        ),
        (
            "Tokens per second",
            "short",
            vec![
                (rate("vllm:generation_tokens_total"), "output"),
                (rate("vllm:prompt_tokens_total"), "prompt"),
            ],
        ),
        (
            "KV cache",
            "percentunit",
            vec![(
                "max(vllm:kv_cache_usage_perc{job=~\"$job\"})".to_owned(),
                "used",
            )],
        ),
        (
            "Prefix cache hits",
            "percentunit",
            vec![(
                format!(
                    "{} / {}",
                    rate("vllm:prefix_cache_hits_total"),
                    rate("vllm:prefix_cache_queries_total")
                ),
                "hit rate",
            )],
        ),
        (
            "Preemptions per second",
            "short",
            vec![(rate("vllm:num_preemptions_total"), "preemptions")],
        ),
        (
            "gridrun: attempts of the run or night that goes on",
            "short",
            vec![
                ("gridrun_attempts_planned".to_owned(), "planned"),
                (
                    "sum by (outcome) (gridrun_attempts_settled_total)".to_owned(),
                    "{{outcome}}",
                ),
            ],
        ),
    ];
    let panels: Vec<Value> = panels
        .into_iter()
        .enumerate()
        .map(|(at, (title, unit, queries))| panel(at, title, unit, &queries))
        .collect();
    json!({
        "title": format!("gridrun: {} ({})", champion.experiment, champion.cell),
        "uid": format!("gridrun-{}", &crate::id::sha256_hex(champion.experiment.as_bytes())[..12]),
        "schemaVersion": 39,
        "editable": true,
        "time": { "from": "now-24h", "to": "now" },
        "refresh": "1m",
        "templating": { "list": [
            { "name": "datasource", "type": "datasource", "query": "prometheus" },
            {
                "name": "job",
                "type": "query",
                "datasource": { "type": "prometheus", "uid": "${datasource}" },
                "query": { "query": "label_values(vllm:num_requests_running, job)", "refId": "job" },
                "includeAll": true,
                "allValue": ".*",
                "current": { "text": "All", "value": "$__all" },
            },
        ]},
        "panels": panels,
    })
}

fn panel(at: usize, title: &str, unit: &str, queries: &[(String, &str)]) -> Value {
    let targets: Vec<Value> = queries
        .iter()
        .enumerate()
        .map(|(n, (expr, legend))| {
            json!({
                "refId": char::from(b'A' + u8::try_from(n).unwrap_or(0)).to_string(),
                "expr": expr,
                "legendFormat": legend,
            })
        })
        .collect();
    json!({
        "id": at + 1,
        "type": "timeseries",
        "title": title,
        "datasource": { "type": "prometheus", "uid": "${datasource}" },
        "gridPos": { "x": 12 * (at % 2), "y": 8 * (at / 2), "w": 12, "h": 8 },
        "fieldConfig": { "defaults": { "unit": unit }, "overrides": [] },
        "targets": targets,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::champion::select::{Claim, select};
    use crate::decide::fixture;

    #[test]
    fn no_two_panels_lie_on_each_other_and_all_have_queries() {
        let champion = select(&fixture::full(), Claim::AcceptLeader).unwrap();
        let dashboard = dashboard(&champion);
        let panels = dashboard["panels"].as_array().unwrap();
        let mut places: Vec<String> = panels
            .iter()
            .map(|panel| {
                assert!(!panel["targets"].as_array().unwrap().is_empty());
                format!("{} {}", panel["gridPos"]["x"], panel["gridPos"]["y"])
            })
            .collect();
        let n = places.len();
        places.sort();
        places.dedup();
        assert_eq!((places.len(), n >= 8), (n, true));
    }
}
