//! From the requests of a `kv-cache` node to its report. Pure.

use std::collections::BTreeMap;

use crate::load::proof::{CachedTokens, cached_tokens};
use crate::load::reason::{reason, tally};
use crate::measure::metric::WorkloadKind;
use crate::measure::node::{MetricValue, NodeReport, NodeStatus};
use crate::measure::prompt::NodePrompts;
use crate::measure::request::{CacheProof, Request, RequestRole};
use crate::measure::summary::Summary;
use crate::time_scale::TimeScale;

/// A prompt that an engine counts longer or shorter than the prompt book by more than this
/// share is not the same task.
const COMPARABLE_SHARE: f64 = 0.02;

/// How the sending ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Every request that made sense was sent.
    Whole,
    Early {
        because: String,
    },
}

/// What a run of the workload left.
#[derive(Debug, Clone)]
pub struct Run<'a> {
    pub node: &'a str,
    pub prompts: Option<&'a NodePrompts>,
    pub block_size: Option<u64>,
    pub requests: &'a [Request],
    pub ending: Ending,
    /// How fast the engine's time ran.
    pub scale: TimeScale,
    /// In the engine's time.
    pub took_ms: f64,
}

/// The node's report: a failed node keeps its success rate alone, because nothing else of it
/// may be ranked.
pub fn summarise(run: &Run) -> NodeReport {
    let measured: Vec<&Request> = run
        .requests
        .iter()
        .filter(|request| request.role != RequestRole::WarmUp)
        .collect();
    let n_failed = measured
        .iter()
        .filter(|request| request.failure.is_some())
        .count();
    let status = status(run, &measured, n_failed);
    let mut metrics = match status {
        NodeStatus::Completed => speed_metrics(run, &measured),
        NodeStatus::Failed { .. } | NodeStatus::Invalid { .. } | NodeStatus::Skipped { .. } => {
            BTreeMap::new()
        }
    };
    if !measured.is_empty() {
        let rate = (measured.len() - n_failed) as f64 / measured.len() as f64;
        metrics.insert("success_rate".to_owned(), MetricValue::Scalar(rate));
    }
    NodeReport {
        node: run.node.to_owned(),
        kind: WorkloadKind::KvCache,
        status,
        took_ms: Some(run.took_ms),
        metrics,
        n_requests: measured.len() as u32,
        n_failed: n_failed as u32,
        notes: notes(run, &measured),
        client: None,
        detail: None,
    }
}

fn status(run: &Run, measured: &[&Request], n_failed: usize) -> NodeStatus {
    let failed = |because: String| NodeStatus::Failed { because };
    if let Ending::Early { because } = &run.ending {
        return failed(because.clone());
    }
    let reasons = failure_tally(measured).map_or(String::new(), |reasons| format!(": {reasons}"));
    if n_failed * 2 > measured.len() {
        return failed(format!(
            "{n_failed} of {} requests failed{reasons}",
            measured.len()
        ));
    }
    for (role, name) in [
        (RequestRole::First, "first"),
        (RequestRole::Repeat, "repeated"),
    ] {
        if times(run, measured, |request| request.role == role).is_empty() {
            return failed(format!("no {name} request succeeded{reasons}"));
        }
    }
    match incomparable(run, measured) {
        Some(because) => failed(because),
        None => NodeStatus::Completed,
    }
}

fn speed_metrics(run: &Run, measured: &[&Request]) -> BTreeMap<String, MetricValue> {
    let times = |wanted: fn(&Request) -> bool| times(run, measured, wanted);
    let first = times(|request| request.role == RequestRole::First);
    let repeat = times(|request| request.role == RequestRole::Repeat);
    let speeds: Vec<f64> = measured
        .iter()
        .filter_map(|r| r.tokens_per_second(run.scale))
        .collect();
    let mut metrics = BTreeMap::new();
    let distributions = [
        ("ttft_first_ms", first.as_slice()),
        ("ttft_repeat_ms", &repeat),
        ("ttft_miss_ms", &times(is_proved_miss)),
        ("ttft_hit_ms", &times(is_proved_hit)),
        ("tokens_per_second", &speeds),
    ];
    for (name, values) in distributions {
        if let Some(summary) = Summary::of(values) {
            metrics.insert(name.to_owned(), MetricValue::Distribution(summary));
        }
    }
    if let (Some(first), Some(repeat)) = (Summary::of(&first), Summary::of(&repeat))
        && repeat.p50 > 0.0
    {
        let acceleration = MetricValue::Scalar(first.p50 / repeat.p50);
        metrics.insert("acceleration".to_owned(), acceleration);
    }
    if let Some(rate) = hit_rate(run, measured).rate() {
        metrics.insert("hit_rate".to_owned(), MetricValue::Scalar(rate));
    }
    metrics
}

/// Times to first token of the successful requests that are asked for.
fn times(run: &Run, measured: &[&Request], wanted: impl Fn(&Request) -> bool) -> Vec<f64> {
    measured
        .iter()
        .filter(|request| wanted(request))
        .filter_map(|r| r.ttft_ms(run.scale))
        .collect()
}

fn is_proved_miss(request: &Request) -> bool {
    request.role == RequestRole::First && matches!(request.proof, Some(CacheProof::Miss { .. }))
}

fn is_proved_hit(request: &Request) -> bool {
    request.role == RequestRole::Repeat && matches!(request.proof, Some(CacheProof::Hit { .. }))
}

/// Cached tokens among the prompt tokens of those repeats of which both are known.
#[derive(Debug, Default)]
struct HitRate {
    cached: u64,
    prompt: u64,
    n_known: usize,
    n_repeats: usize,
}

impl HitRate {
    fn rate(&self) -> Option<f64> {
        (self.prompt > 0).then(|| self.cached as f64 / self.prompt as f64)
    }
}

fn hit_rate(run: &Run, measured: &[&Request]) -> HitRate {
    // Without a block size nothing less than exact agreement of the sources counts.
    let block = run.block_size.unwrap_or(0);
    let mut total = HitRate::default();
    let repeats = measured
        .iter()
        .filter(|r| r.role == RequestRole::Repeat && r.failure.is_none());
    for request in repeats {
        total.n_repeats += 1;
        let Some(usage) = request.usage else { continue };
        if let CachedTokens::Known(cached) = cached_tokens(usage, request.counters, block) {
            total.n_known += 1;
            total.cached += cached;
            total.prompt += usage.prompt;
        }
    }
    total
}

fn failure_tally(requests: &[&Request]) -> Option<String> {
    let reasons: Vec<String> = requests
        .iter()
        .filter_map(|r| r.failure.as_ref())
        .map(reason)
        .collect();
    (!reasons.is_empty()).then(|| tally(reasons))
}

/// What a reader must know of the node.
fn notes(run: &Run, measured: &[&Request]) -> Vec<String> {
    let mut notes = Vec::new();
    let warm_up: Vec<&Request> = run
        .requests
        .iter()
        .filter(|request| request.role == RequestRole::WarmUp)
        .collect();
    if let Some(reasons) = failure_tally(&warm_up) {
        notes.push(format!("the warm-up request failed: {reasons}"));
    }
    if let Some(reasons) = failure_tally(measured) {
        notes.push(format!("failed requests: {reasons}"));
    }
    let n_unsent = measured
        .iter()
        .filter(|r| r.role == RequestRole::First && r.failure.is_some());
    match (n_unsent.count(), &run.ending) {
        (0, _) | (_, Ending::Early { .. }) => {}
        (n, Ending::Whole) => {
            notes.push(format!(
                "repeats not sent because their first requests failed: {n}"
            ));
        }
    }
    notes.extend(proof_notes(measured));
    let known = hit_rate(run, measured);
    if known.n_known < known.n_repeats {
        let (n_known, n_repeats) = (known.n_known, known.n_repeats);
        notes.push(format!(
            "cached tokens are known for {n_known} of {n_repeats} repeats"
        ));
    }
    notes
}

/// Why the node did another task than the others, if it did.
fn incomparable(run: &Run, measured: &[&Request]) -> Option<String> {
    let prompts = &run.prompts?.prompts;
    let pairs = measured
        .iter()
        .filter(|request| request.failure.is_none())
        .filter_map(|request| {
            let written = prompts.get(request.prompt? as usize)?.tokens;
            Some((request.usage?.prompt, written))
        });
    let off: Vec<(u64, u64)> = pairs
        .filter(|&(counted, written)| {
            counted.abs_diff(written) as f64 > COMPARABLE_SHARE * written as f64
        })
        .collect();
    let &(counted, written) = off.first()?;
    Some(format!(
        "not comparable: {} requests had another prompt length than the prompt book says \
         ({counted} tokens instead of {written})",
        off.len()
    ))
}

/// Which requests were kept out of hits and misses, and why.
fn proof_notes(measured: &[&Request]) -> Vec<String> {
    let mut notes = Vec::new();
    let roles = [
        (RequestRole::First, "first requests", "ttft_miss_ms"),
        (RequestRole::Repeat, "repeats", "ttft_hit_ms"),
    ];
    for (role, name, metric) in roles {
        let of_role = measured.iter().filter(|request| request.role == role);
        let proofs: Vec<&CacheProof> = of_role.filter_map(|r| r.proof.as_ref()).collect();
        let reasons: Vec<String> = proofs
            .iter()
            .filter_map(|proof| match proof {
                CacheProof::Unproved { because } => Some(because.clone()),
                CacheProof::Hit { .. } | CacheProof::Miss { .. } => None,
            })
            .collect();
        if !reasons.is_empty() {
            notes.push(format!(
                "{} of {} {name} are neither proved hits nor proved misses and not in {metric}: {}",
                reasons.len(),
                proofs.len(),
                tally(reasons)
            ));
        }
        let n_contrary = proofs
            .iter()
            .filter(|proof| is_contrary(role, proof))
            .count();
        if n_contrary > 0 {
            let kind = if role == RequestRole::First {
                "hits"
            } else {
                "misses"
            };
            notes.push(format!(
                "{n_contrary} of {} {name} are proved {kind}",
                proofs.len()
            ));
        }
    }
    notes
}

/// A first request that hit, or a repeat that missed.
fn is_contrary(role: RequestRole, proof: &CacheProof) -> bool {
    match (role, proof) {
        (RequestRole::First, CacheProof::Hit { .. })
        | (RequestRole::Repeat, CacheProof::Miss { .. }) => true,
        (RequestRole::WarmUp | RequestRole::Measured | RequestRole::Probe, _)
        | (_, CacheProof::Unproved { .. })
        | (RequestRole::First, CacheProof::Miss { .. })
        | (RequestRole::Repeat, CacheProof::Hit { .. }) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::prompt::Prompt;
    use crate::measure::request::{CacheCounters, Instants, RequestFailure, Usage};

    const MS: u64 = 1_000_000;

    /// A request of a prompt of 200 tokens that was due at `due` ms, had its first token
    /// `ttft` ms later and 4 more tokens at 10 ms each.
    fn request(role: RequestRole, prompt: u32, due: u64, ttft: u64, proof: CacheProof) -> Request {
        let first = (due + ttft) * MS;
        let cached = match proof {
            CacheProof::Hit { cached, .. } | CacheProof::Miss { cached } => cached,
            CacheProof::Unproved { .. } => 100,
        };
        Request {
            node: "kv".to_owned(),
            index: 0,
            role,
            prompt: Some(prompt),
            user: 0,
            turn: None,
            label: None,
            instants: Instants {
                due: due * MS,
                sent: due * MS + 5,
                first_token: Some(first),
                first_answer: Some(first),
                last_token: Some(first + 40 * MS),
                end: first + 41 * MS,
                tokens: (0..5).map(|number| first + number * 10 * MS).collect(),
            },
            usage: Some(Usage {
                prompt: 200,
                output: 5,
                cached: None,
            }),
            counters: Some(CacheCounters {
                queries: 200,
                hits: cached,
            }),
            finish_reason: Some("length".to_owned()),
            failure: None,
            proof: Some(proof),
        }
    }

    fn failed(mut request: Request) -> Request {
        request.failure = Some(RequestFailure::Stalled { after_ms: 9 });
        (request.usage, request.counters, request.proof) = (None, None, None);
        request
    }

    fn hit() -> CacheProof {
        CacheProof::Hit {
            cached: 192,
            eligible: 192,
        }
    }

    fn miss() -> CacheProof {
        CacheProof::Miss { cached: 0 }
    }

    fn partial() -> CacheProof {
        CacheProof::Unproved {
            because: "100 of 192 eligible tokens came from the cache".to_owned(),
        }
    }

    fn report(requests: &[Request], ending: Ending) -> NodeReport {
        report_at(TimeScale::ONE, requests, ending)
    }

    fn report_at(scale: TimeScale, requests: &[Request], ending: Ending) -> NodeReport {
        let prompt = Prompt {
            text: String::new(),
            tokens: 200,
        };
        let prompts = NodePrompts {
            node: "kv".to_owned(),
            warm_up: Some(prompt.clone()),
            prompts: vec![prompt; 3],
        };
        summarise(&Run {
            node: "kv",
            prompts: Some(&prompts),
            block_size: Some(16),
            requests,
            ending,
            scale,
            took_ms: 1234.0,
        })
    }

    fn distribution(report: &NodeReport, name: &str) -> Summary {
        match report.metrics.get(name) {
            Some(MetricValue::Distribution(summary)) => *summary,
            other => panic!("{name}: {other:?}"),
        }
    }

    fn scalar(report: &NodeReport, name: &str) -> f64 {
        match report.metrics.get(name) {
            Some(MetricValue::Scalar(value)) => *value,
            other => panic!("{name}: {other:?}"),
        }
    }

    #[test]
    fn the_metrics_are_those_that_a_hand_computes() {
        let requests = [
            // The warm-up is slow, failed or not, and counts nowhere.
            failed(request(RequestRole::WarmUp, 0, 0, 9000, miss())),
            request(RequestRole::First, 0, 100, 300, miss()),
            request(RequestRole::Repeat, 0, 500, 100, hit()),
            request(RequestRole::First, 1, 1000, 340, partial()),
            request(RequestRole::Repeat, 1, 1500, 110, partial()),
            request(RequestRole::First, 2, 2000, 320, miss()),
            request(RequestRole::Repeat, 2, 2500, 150, hit()),
        ];
        let report = report(&requests, Ending::Whole);
        assert_eq!(report.status, NodeStatus::Completed);
        assert_eq!(
            (report.n_requests, report.n_failed, report.took_ms.unwrap()),
            (6, 0, 1234.0)
        );

        let first = distribution(&report, "ttft_first_ms");
        assert_eq!(
            (first.n, first.mean, first.p50, first.sd),
            (3, 320.0, 320.0, Some(20.0))
        );
        let repeat = distribution(&report, "ttft_repeat_ms");
        assert_eq!((repeat.n, repeat.mean, repeat.p50), (3, 120.0, 110.0));
        let miss = distribution(&report, "ttft_miss_ms");
        assert_eq!((miss.n, miss.p50), (2, 310.0));
        let hit = distribution(&report, "ttft_hit_ms");
        assert_eq!((hit.n, hit.p50), (2, 125.0));
        // 4 further tokens in 40 ms.
        let speed = distribution(&report, "tokens_per_second");
        assert_eq!((speed.n, speed.min, speed.max), (6, 100.0, 100.0));
        assert_eq!(scalar(&report, "acceleration"), 320.0 / 110.0);
        // 192 + 100 + 192 of 3 x 200.
        assert_eq!(scalar(&report, "hit_rate"), 484.0 / 600.0);
        assert_eq!(scalar(&report, "success_rate"), 1.0);
        assert_eq!(report.metrics.len(), 8);

        let because = "1 x 100 of 192 eligible tokens came from the cache";
        let quarantined = |name: &str, metric: &str| {
            format!(
                "1 of 3 {name} are neither proved hits nor proved misses and not in {metric}: \
                 {because}"
            )
        };
        let notes = [
            "the warm-up request failed: 1 x nothing arrived for 9 ms".to_owned(),
            quarantined("first requests", "ttft_miss_ms"),
            quarantined("repeats", "ttft_hit_ms"),
        ];
        assert_eq!(report.notes, notes);
    }

    #[test]
    fn times_and_rates_are_told_in_the_time_of_the_engine() {
        let requests = [
            request(RequestRole::First, 0, 100, 300, miss()),
            request(RequestRole::Repeat, 0, 500, 100, hit()),
        ];
        let twenty = TimeScale::new(20.0).unwrap();
        let fast = report_at(twenty, &requests, Ending::Whole);
        assert_eq!(distribution(&fast, "ttft_first_ms").p50, 20.0 * 300.0);
        assert_eq!(distribution(&fast, "ttft_miss_ms").p50, 20.0 * 300.0);
        assert_eq!(distribution(&fast, "ttft_hit_ms").p50, 20.0 * 100.0);
        // 4 further tokens in 800 ms of its time.
        assert_eq!(distribution(&fast, "tokens_per_second").p50, 5.0);
        assert_eq!(requests[0].e2e_ms(twenty), Some(20.0 * 341.0));
        // What has no time in it is the same at every speed.
        let plain = report(&requests, Ending::Whole);
        for metric in ["acceleration", "hit_rate", "success_rate"] {
            assert_eq!(scalar(&fast, metric), scalar(&plain, metric), "{metric}");
        }
    }

    #[test]
    fn a_failed_request_is_in_no_distribution() {
        let requests = [
            request(RequestRole::First, 0, 100, 300, miss()),
            request(RequestRole::Repeat, 0, 500, 100, hit()),
            request(RequestRole::First, 1, 1000, 310, miss()),
            failed(request(RequestRole::Repeat, 1, 1500, 1, hit())),
        ];
        let report = report(&requests, Ending::Whole);
        assert_eq!(
            (report.status.clone(), report.n_failed),
            (NodeStatus::Completed, 1)
        );
        assert_eq!(distribution(&report, "ttft_repeat_ms").n, 1);
        assert_eq!(distribution(&report, "tokens_per_second").n, 3);
        assert_eq!(scalar(&report, "success_rate"), 0.75);
        assert_eq!(scalar(&report, "hit_rate"), 0.96);
        assert_eq!(
            report.notes,
            ["failed requests: 1 x nothing arrived for 9 ms"]
        );
    }

    #[test]
    fn half_of_the_requests_may_fail_and_no_more() {
        let good = [
            request(RequestRole::First, 0, 100, 300, miss()),
            request(RequestRole::Repeat, 0, 500, 100, hit()),
        ];
        let bad = failed(request(RequestRole::First, 1, 1000, 310, miss()));
        let half = [&good[..], &[bad.clone(), bad.clone()]].concat();
        assert_eq!(report(&half, Ending::Whole).status, NodeStatus::Completed);
        let more = [&half[..], &[bad]].concat();
        let because = "3 of 5 requests failed: 3 x nothing arrived for 9 ms".to_owned();
        assert_eq!(
            report(&more, Ending::Whole).status,
            NodeStatus::Failed { because }
        );
    }

    #[test]
    fn what_ended_early_has_failed_however_good_it_was() {
        let requests = [
            request(RequestRole::First, 0, 100, 300, miss()),
            request(RequestRole::Repeat, 0, 500, 100, hit()),
        ];
        let because = "the engine stopped answering".to_owned();
        let early = report(
            &requests,
            Ending::Early {
                because: because.clone(),
            },
        );
        assert_eq!(early.status, NodeStatus::Failed { because });
        assert_eq!(early.metrics.keys().collect::<Vec<_>>(), ["success_rate"]);
    }

    #[test]
    fn nothing_sent_is_no_success_rate() {
        let none = report(&[], Ending::Whole);
        let because = "no first request succeeded".to_owned();
        assert_eq!(
            (none.status, none.metrics.len()),
            (NodeStatus::Failed { because }, 0)
        );
    }

    #[test]
    fn cached_prompts_that_should_be_new_are_named() {
        let requests = [
            request(RequestRole::First, 0, 100, 90, hit()),
            request(RequestRole::Repeat, 0, 500, 90, miss()),
        ];
        let report = report(&requests, Ending::Whole);
        let notes = [
            "1 of 1 first requests are proved hits",
            "1 of 1 repeats are proved misses",
        ];
        assert_eq!(report.notes, notes);
        assert!(!report.metrics.contains_key("ttft_miss_ms"));
        assert!(!report.metrics.contains_key("ttft_hit_ms"));
    }
}
