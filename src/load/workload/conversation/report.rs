//! From the turns of a `conversation` node to its report. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::load::metrics::{PrefixCounters, difference};
use crate::load::reason::{reason, tally};
use crate::measure::kind::conversation::{Detail, Turn};
use crate::measure::metric::WorkloadKind;
use crate::measure::node::{MetricValue, NodeDetail, NodeReport, NodeStatus};
use crate::measure::request::{Request, Usage};
use crate::measure::summary::Summary;
use crate::measure::trend::{Change, Slope};
use crate::time_scale::TimeScale;

/// What is kept of a turn; the whole request is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    pub conversation: u32,
    /// From 0.
    pub turn: u32,
    /// What was measured, or why nothing was.
    pub measured: Result<Measured, String>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    pub ttft_ms: f64,
    pub e2e_ms: f64,
    /// `None` for fewer than two tokens.
    pub tokens_per_second: Option<f64>,
    pub usage: Usage,
}

impl Sent {
    pub fn of(request: &Request, conversation: u32, scale: TimeScale) -> Self {
        let measured = || {
            Some(Measured {
                ttft_ms: request.ttft_ms(scale)?,
                e2e_ms: request.e2e_ms(scale)?,
                tokens_per_second: request.tokens_per_second(scale),
                usage: request.usage?,
            })
        };
        Self {
            conversation,
            turn: request.turn.unwrap_or(0),
            measured: match &request.failure {
                Some(failure) => Err(reason(failure)),
                None => measured().ok_or_else(|| "no token arrived".to_owned()),
            },
        }
    }
}

/// What a run of the workload left.
#[derive(Debug, Clone)]
pub struct Run<'a> {
    pub node: &'a str,
    pub turns: u32,
    pub block_size: Option<u64>,
    /// In the order of the conversations, each in the order of its turns.
    pub sent: &'a [Sent],
    /// The engine's counters before the first and after the last turn.
    pub counters: Option<(PrefixCounters, PrefixCounters)>,
    /// Why not every turn that made sense was sent.
    pub ended_early: Option<String>,
    /// In the engine's time.
    pub took_ms: f64,
}

/// The node's report: a failed node keeps its success rate alone.
pub fn summarise(run: &Run) -> NodeReport {
    let n_failed = run
        .sent
        .iter()
        .filter(|sent| sent.measured.is_err())
        .count();
    let status = status(run, n_failed);
    let detail = detail(run);
    let mut metrics = match status {
        NodeStatus::Completed => metrics(run, &detail),
        NodeStatus::Failed { .. } | NodeStatus::Invalid { .. } | NodeStatus::Skipped { .. } => {
            BTreeMap::new()
        }
    };
    if !run.sent.is_empty() {
        let rate = (run.sent.len() - n_failed) as f64 / run.sent.len() as f64;
        metrics.insert("success_rate".to_owned(), MetricValue::Scalar(rate));
    }
    NodeReport {
        node: run.node.to_owned(),
        kind: WorkloadKind::Conversation,
        status,
        took_ms: Some(run.took_ms),
        metrics,
        n_requests: run.sent.len() as u32,
        n_failed: n_failed as u32,
        notes: notes(run),
        client: None,
        detail: Some(NodeDetail::Conversation(detail)),
    }
}

fn status(run: &Run, n_failed: usize) -> NodeStatus {
    let failed = |because: String| NodeStatus::Failed { because };
    if let Some(because) = &run.ended_early {
        return failed(because.clone());
    }
    let reasons = failures(run).map_or(String::new(), |reasons| format!(": {reasons}"));
    let conversations: BTreeSet<u32> = run.sent.iter().map(|sent| sent.conversation).collect();
    // A failed turn ends its conversation, so that there are as many of the one as of the other.
    if n_failed * 2 > conversations.len() {
        let n = conversations.len();
        return failed(format!("{n_failed} of {n} conversations failed{reasons}"));
    }
    if n_failed == run.sent.len() {
        return failed("no turn was sent".to_owned());
    }
    NodeStatus::Completed
}

fn metrics(run: &Run, detail: &Detail) -> BTreeMap<String, MetricValue> {
    let mut metrics = BTreeMap::new();
    let values = |wanted: fn(u32) -> bool, of: fn(&Measured) -> Option<f64>| -> Vec<f64> {
        measured(run)
            .filter(|(sent, _)| wanted(sent.turn))
            .filter_map(|(_, measured)| of(measured))
            .collect()
    };
    let distributions = [
        (
            "ttft_first_turn_ms",
            values(|turn| turn == 0, |m| Some(m.ttft_ms)),
        ),
        (
            "ttft_later_ms",
            values(|turn| turn > 0, |m| Some(m.ttft_ms)),
        ),
        ("ttft_ms", values(|_| true, |m| Some(m.ttft_ms))),
        ("e2e_ms", values(|_| true, |m| Some(m.e2e_ms))),
        (
            "tokens_per_second",
            values(|_| true, |m| m.tokens_per_second),
        ),
    ];
    for (name, values) in distributions {
        if let Some(summary) = Summary::of(&values) {
            metrics.insert(name.to_owned(), MetricValue::Distribution(summary));
        }
    }
    let cache = Cache::of(run);
    let scalars = [
        ("cached_fraction", share(cache.cached, Some(cache.prompt))),
        (
            "eligible_cached_fraction",
            share(cache.cached_again, cache.eligible),
        ),
        (
            "degradation_ratio",
            detail.degradation.map(|change| change.ratio),
        ),
        (
            "degradation_pct",
            detail.degradation.map(|change| change.percent()),
        ),
        (
            "degradation_ms_per_1000_tokens",
            detail.growth.map(|growth| growth.slope * 1000.0),
        ),
    ];
    for (name, value) in scalars {
        if let Some(value) = value {
            metrics.insert(name.to_owned(), MetricValue::Scalar(value));
        }
    }
    metrics
}

fn share(part: Option<u64>, whole: Option<u64>) -> Option<f64> {
    let whole = whole.filter(|whole| *whole > 0)?;
    Some(part? as f64 / whole as f64)
}

/// Prompt tokens of the turns that succeeded, and what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cache {
    prompt: u64,
    /// `None` where the engine does not say.
    cached: Option<u64>,
    /// Whole blocks of what the engine had seen of each conversation; `None` where the size of
    /// a block is not known.
    eligible: Option<u64>,
    /// Of the eligible ones, those that were cached: what first turns found (a system prompt),
    /// and blocks that nobody expected, do not make up for blocks that were lost.
    cached_again: Option<u64>,
}

impl Cache {
    fn of(run: &Run) -> Self {
        let mut cache = Self {
            prompt: 0,
            cached: Some(0),
            eligible: run.block_size.map(|_| 0),
            cached_again: Some(0),
        };
        let mut before: Option<(u32, Usage)> = None;
        for (sent, measured) in measured(run) {
            let usage = measured.usage;
            cache.prompt += usage.prompt;
            cache.cached = cache.cached.zip(usage.cached).map(|(sum, more)| sum + more);
            if let (Some(sum), Some(block)) = (&mut cache.eligible, run.block_size)
                && let Some((_, previous)) = before.filter(|(one, _)| *one == sent.conversation)
            {
                // The last token of a prompt is always computed.
                let seen = (previous.prompt + previous.output).min(usage.prompt.saturating_sub(1));
                let eligible = seen / block.max(1) * block;
                *sum += eligible;
                let again = usage.cached.map(|cached| cached.min(eligible));
                cache.cached_again = cache.cached_again.zip(again).map(|(sum, more)| sum + more);
            }
            before = Some((sent.conversation, usage));
        }
        if cache.cached.is_none() {
            cache.cached = counted(run, cache.prompt);
            // Nobody knows which turn found how much.
            cache.cached_again = cache.cached.zip(cache.eligible).map(|(a, b)| a.min(b));
        }
        cache
    }
}

/// Cached tokens by the counters of the whole engine: nobody else asks it anything. `None`
/// where they have moved by another number of prompt tokens than these turns had, such as those
/// of failed ones.
fn counted(run: &Run, prompt: u64) -> Option<u64> {
    let (before, after) = run.counters?;
    let queries = difference(before.queries, after.queries)?;
    (queries == prompt).then(|| difference(before.hits, after.hits))?
}

fn detail(run: &Run) -> Detail {
    let turns = (0..run.turns).filter_map(|turn| {
        let all: Vec<&Measured> = measured(run)
            .filter(|(sent, _)| sent.turn == turn)
            .map(|(_, measured)| measured)
            .collect();
        let median = |of: fn(&Measured) -> Option<f64>| {
            let values: Option<Vec<f64>> = all.iter().map(|measured| of(measured)).collect();
            Some(Summary::of(&values?)?.p50)
        };
        Some(Turn {
            turn: turn + 1,
            n: all.len() as u32,
            ttft_ms: median(|m| Some(m.ttft_ms))?,
            e2e_ms: median(|m| Some(m.e2e_ms))?,
            prompt_tokens: median(|m| Some(m.usage.prompt as f64))?,
            cached_tokens: median(|m| m.usage.cached.map(|cached| cached as f64)),
        })
    });
    let points: Vec<(f64, f64)> = measured(run)
        .map(|(_, measured)| (measured.usage.prompt as f64, measured.e2e_ms))
        .collect();
    Detail {
        turns: turns.collect(),
        degradation: Change::of(&whole_conversations(run)),
        growth: Slope::of(&points),
    }
}

/// Times of the conversations that came to their end: those of a broken one lack the turns that
/// are to be compared.
fn whole_conversations(run: &Run) -> Vec<Vec<f64>> {
    let mut series: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for (sent, measured) in measured(run) {
        series
            .entry(sent.conversation)
            .or_default()
            .push(measured.e2e_ms);
    }
    series
        .into_values()
        .filter(|times| times.len() == run.turns as usize)
        .collect()
}

fn measured<'a>(run: &'a Run<'_>) -> impl Iterator<Item = (&'a Sent, &'a Measured)> {
    run.sent
        .iter()
        .filter_map(|sent| Some((sent, sent.measured.as_ref().ok()?)))
}

fn failures(run: &Run) -> Option<String> {
    let reasons: Vec<String> = run
        .sent
        .iter()
        .filter_map(|sent| sent.measured.as_ref().err().cloned())
        .collect();
    (!reasons.is_empty()).then(|| tally(reasons))
}

fn notes(run: &Run) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(reasons) = failures(run) {
        notes.push(format!(
            "failed turns, each the end of its conversation: {reasons}"
        ));
    }
    let cache = Cache::of(run);
    if cache.cached.is_none() {
        notes.push(
            "the engine does not say how many tokens were cached: set \
             enable-prompt-tokens-details = true in the profile"
                .to_owned(),
        );
    }
    if run.turns < 3 {
        notes.push("fewer than three turns have no thirds to compare".to_owned());
    }
    notes
}

#[cfg(test)]
mod tests;
