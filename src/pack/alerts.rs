//! Alert rules of Prometheus for a production that runs the champion.
//!
//! Production's requests are not the workloads' requests, so that no measured time is a bound
//! for them: what is compared is production with itself a day before, and what is taken from the
//! measurements is how much is noise.

use crate::champion::text::{ALERT, Champion};

/// How full the reference case lets memory be.
const MEMORY: f64 = 0.95;

/// Rules for a job of Prometheus. `allowed` is what the champion's own nights call usual, as a
/// fraction; the reference case's 15 % until there is one.
pub fn rules(champion: &Champion, job: &str, allowed: Option<f64>) -> String {
    let slower = 1.0 + allowed.unwrap_or(ALERT).max(0.05);
    let source = match allowed {
        Some(allowed) => format!("usual between nights is up to {:.1} %", allowed * 100.0),
        None => format!(
            "the reference case's {:.0} %, until there are 8 nights",
            ALERT * 100.0
        ),
    };
    let job = json(job);
    let stamp = match champion.evidence.conditions.stand_in {
        true => "# STAND-IN: no real model answered; the noise below is that of stand-ins.\n",
        false => "",
    };
    let ttft = |offset: &str| {
        format!(
            "histogram_quantile(0.95, sum by (le) (rate(vllm:time_to_first_token_seconds_bucket{{job={job}}}[30m]{offset})))"
        )
    };
    let itl = |offset: &str| {
        format!(
            "(sum(rate(vllm:request_time_per_output_token_seconds_sum{{job={job}}}[30m]{offset})) / \
             sum(rate(vllm:request_time_per_output_token_seconds_count{{job={job}}}[30m]{offset})))"
        )
    };
    let mut out = format!(
        "# Alert rules for production with the champion {} of {}, run {}.\n{stamp}\
         # A change counts from x{slower:.3} on: {source}.\n\
         groups:\n  - name: {}\n    rules:\n",
        one_line(&champion.cell),
        one_line(&champion.experiment),
        champion.evidence.run,
        json(&format!("gridrun-{}", champion.experiment)),
    );
    let mut rule = |name: &str, expr: &str, wait: &str, severity: &str, summary: &str| {
        out += &format!(
            "      - alert: {name}\n        expr: {}\n        for: {wait}\n        labels:\n          severity: {severity}\n\
             \x20       annotations:\n          summary: {}\n",
            json(expr),
            json(summary),
        );
    };
    rule(
        "GridrunProductionDown",
        &format!("up{{job={job}}} == 0"),
        "5m",
        "critical",
        "production does not answer; after a night, `gridrun restore` starts it again",
    );
    rule(
        "GridrunTtftDegraded",
        &format!("{} > {slower:.3} * {}", ttft(""), ttft(" offset 1d")),
        "30m",
        "warning",
        "the 95th percentile of the time to first token is worse than a day before by more than is noise",
    );
    rule(
        "GridrunTokensDegraded",
        &format!("{} > {slower:.3} * {}", itl(""), itl(" offset 1d")),
        "30m",
        "warning",
        "a token takes longer than a day before by more than is noise",
    );
    rule(
        "GridrunKvCacheFull",
        &format!("max(vllm:kv_cache_usage_perc{{job={job}}}) > {MEMORY}"),
        "10m",
        "warning",
        "the KV cache is over 95 % full: requests will be preempted",
    );
    rule(
        "GridrunPreemptions",
        &format!("sum(rate(vllm:num_preemptions_total{{job={job}}}[10m])) > 0.1"),
        "10m",
        "warning",
        "requests are preempted: the KV cache is too small for this load",
    );
    rule(
        "GridrunQueue",
        &format!(
            "sum(vllm:num_requests_waiting{{job={job}}}) > 0 and on() sum(rate(vllm:request_success_total{{job={job}}}[10m])) == 0"
        ),
        "10m",
        "critical",
        "requests wait and none ends: the engine may be dead behind a green /health",
    );
    rule(
        "GridrunGpuMemoryFull",
        &format!(
            "max by (gpu) (DCGM_FI_DEV_FB_USED / (DCGM_FI_DEV_FB_USED + DCGM_FI_DEV_FB_FREE)) > {MEMORY}"
        ),
        "10m",
        "warning",
        "a card's memory is over 95 % full (from NVIDIA's exporter, where there is one)",
    );
    out
}

/// A text as YAML reads it whatever is in it: JSON is YAML.
pub(in crate::pack) fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

pub(in crate::pack) fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::champion::select::{Claim, select};
    use crate::decide::fixture;

    #[test]
    fn bounds_are_the_reference_cases_until_there_is_a_history() {
        let champion = select(&fixture::full(), Claim::AcceptLeader).unwrap();
        assert!(rules(&champion, "vllm", None).contains("> 1.150 * "));
        assert!(rules(&champion, "vllm", Some(0.08)).contains("> 1.080 * "));
        // Production is noisier than a night: nobody is woken for less than 5 %.
        assert!(rules(&champion, "vllm", Some(0.021)).contains("> 1.050 * "));
        assert!(rules(&champion, "a\"b", None).contains("a\\\\\\\"b"));
    }
}
