//! From the requests of a `kv-cache` node to its report. Pure.

use std::collections::BTreeMap;

use crate::load::proof::{CachedTokens, cached_tokens};
use crate::load::reason::{reason, tally};
use crate::measure::kind::kv_cache::{Detail, Pair};
use crate::measure::metric::WorkloadKind;
use crate::measure::node::{MetricValue, NodeDetail, NodeReport, NodeStatus};
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
        detail: Some(NodeDetail::KvCache(detail(run, &measured))),
    }
}

fn detail(run: &Run, measured: &[&Request]) -> Detail {
    let mut pairs: BTreeMap<u32, Pair> = BTreeMap::new();
    for request in measured {
        let Some(prompt) = request.prompt else {
            continue;
        };
        let pair = pairs.entry(prompt).or_default();
        pair.prompt = prompt;
        let (time, proof) = (request.ttft_ms(run.scale), request.proof.clone());
        match request.role {
            RequestRole::First => (pair.first_ms, pair.first_proof) = (time, proof),
            RequestRole::Repeat => (pair.repeat_ms, pair.repeat_proof) = (time, proof),
            RequestRole::WarmUp | RequestRole::Measured | RequestRole::Probe => {}
        }
    }
    let quarantined = measured
        .iter()
        .filter(|request| matches!(request.proof, Some(CacheProof::Unproved { .. })));
    Detail {
        n_quarantined: quarantined.count() as u32,
        pairs: pairs.into_values().take(Detail::MOST_PAIRS).collect(),
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
mod tests;
