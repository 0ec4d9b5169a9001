//! What is gathered of a soak while it runs: bounded, however long it takes. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::load::metrics::MetricsPage;
use crate::load::workload::stability::is_measured;
use crate::measure::request::{Request, RequestFailure};
use crate::measure::running::RunningSummary;
use crate::measure::thinned::Thinned;
use crate::time_scale::TimeScale;

/// Requests of which times are kept one by one: 10 MB.
const MOST_POINTS: usize = 200_000;

/// Readings that are kept.
const MOST_READINGS: usize = 4_000;

const BYTES_PER_MIB: f64 = 1_048_576.0;

/// One reading of the engine's own gauges; `None` for what it does not have.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Gauges {
    /// In per cent of the KV cache.
    pub kv_cache_pct: Option<f64>,
    /// A counter since the engine's start.
    pub preemptions: Option<f64>,
    /// Of the server process.
    pub server_memory_mib: Option<f64>,
}

impl Gauges {
    pub fn of(page: &MetricsPage) -> Self {
        let share = page
            .counter("vllm:kv_cache_usage_perc")
            .or_else(|| page.counter("vllm:gpu_cache_usage_perc"));
        Self {
            // Its name says per cent, and it is a share.
            kv_cache_pct: share.map(|share| share * 100.0),
            preemptions: page.counter("vllm:num_preemptions"),
            server_memory_mib: page
                .counter("process_resident_memory_bytes")
                .map(|bytes| bytes / BYTES_PER_MIB),
        }
    }
}

/// A measured request that succeeded, in a few numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// From the start of the node to its end, in hours of the engine's time.
    pub at_h: f64,
    /// 0 short, 1 long.
    pub task: usize,
    pub ttft_ms: Option<f64>,
    pub e2e_ms: Option<f64>,
    pub tokens_per_second: Option<f64>,
}

/// A reading with its instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Read {
    pub at_h: f64,
    pub gauges: Gauges,
}

/// How a failed request failed, as far as rates tell it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    Timeout,
    Http4xx,
    Http5xx,
    Other,
}

/// The course of a soak.
#[derive(Debug)]
pub struct Course {
    /// Of the node, in nanoseconds since the attempt's.
    origin: u64,
    scale: TimeScale,
    /// The longest that a request may take, in the engine's time.
    total: Duration,
    pub n: u32,
    pub n_failed: u32,
    pub n_timeouts: u32,
    pub n_4xx: u32,
    pub n_5xx: u32,
    pub n_warm_up_failed: u32,
    pub output_tokens: u64,
    pub ttft_ms: RunningSummary,
    pub itl_ms: RunningSummary,
    pub e2e_ms: RunningSummary,
    pub tokens_per_second: RunningSummary,
    /// By kind, in words.
    pub failures: BTreeMap<String, u32>,
    /// From the start of the node to the end of the first failed request.
    pub first_failure_ms: Option<f64>,
    /// When the first measured request was due and the last ended, in hours.
    pub from_h: Option<f64>,
    pub to_h: f64,
    pub points: Thinned<Point>,
    pub ends_of_failed_h: Thinned<f64>,
    pub reads: Thinned<Read>,
}

impl Course {
    pub fn new(origin: u64, scale: TimeScale, total: Duration) -> Self {
        Self {
            origin,
            scale,
            total,
            n: 0,
            n_failed: 0,
            n_timeouts: 0,
            n_4xx: 0,
            n_5xx: 0,
            n_warm_up_failed: 0,
            output_tokens: 0,
            ttft_ms: RunningSummary::default(),
            itl_ms: RunningSummary::default(),
            e2e_ms: RunningSummary::default(),
            tokens_per_second: RunningSummary::default(),
            failures: BTreeMap::new(),
            first_failure_ms: None,
            from_h: None,
            to_h: 0.0,
            points: Thinned::new(MOST_POINTS),
            ends_of_failed_h: Thinned::new(MOST_POINTS),
            reads: Thinned::new(MOST_READINGS),
        }
    }

    pub fn read(&mut self, at: Duration, gauges: Gauges) {
        self.reads.push(Read {
            at_h: at.as_secs_f64() / 3600.0,
            gauges,
        });
    }

    /// Takes a request that has ended; `task` is 0 for a short one and 1 for a long one.
    pub fn take(&mut self, task: usize, request: &Request) {
        if !is_measured(request) {
            self.n_warm_up_failed += u32::from(request.failure.is_some());
            return;
        }
        self.n = self.n.saturating_add(1);
        let end_ms = self.since_start_ms(request.instants.end);
        let due_h = self.since_start_ms(request.instants.due) / 3.6e6;
        self.from_h = Some(self.from_h.map_or(due_h, |known| known.min(due_h)));
        self.to_h = self.to_h.max(end_ms / 3.6e6);
        if let Some(failure) = &request.failure {
            self.fail(failure, request, end_ms);
            return;
        }
        let point = Point {
            at_h: end_ms / 3.6e6,
            task,
            ttft_ms: request.ttft_ms(self.scale),
            e2e_ms: request.e2e_ms(self.scale),
            tokens_per_second: request.tokens_per_second(self.scale),
        };
        for (values, value) in [
            (&mut self.ttft_ms, point.ttft_ms),
            (&mut self.e2e_ms, point.e2e_ms),
            (&mut self.tokens_per_second, point.tokens_per_second),
        ] {
            value.into_iter().for_each(|value| values.push(value));
        }
        request
            .itl_ms(self.scale)
            .for_each(|gap| self.itl_ms.push(gap));
        self.output_tokens += request.usage.map_or(0, |usage| usage.output);
        self.points.push(point);
    }

    fn fail(&mut self, failure: &RequestFailure, request: &Request, end_ms: f64) {
        self.n_failed = self.n_failed.saturating_add(1);
        let took = request.instants.end.saturating_sub(request.instants.sent);
        match kind(failure, self.scale.nanos_told_ms(took), self.total) {
            FailureKind::Timeout => self.n_timeouts += 1,
            FailureKind::Http4xx => self.n_4xx += 1,
            FailureKind::Http5xx => self.n_5xx += 1,
            FailureKind::Other => {}
        }
        *self.failures.entry(words(failure)).or_default() += 1;
        let first = self
            .first_failure_ms
            .map_or(end_ms, |known| known.min(end_ms));
        self.first_failure_ms = Some(first);
        self.ends_of_failed_h.push(end_ms / 3.6e6);
    }

    fn since_start_ms(&self, instant: u64) -> f64 {
        self.scale
            .nanos_told_ms(instant.saturating_sub(self.origin))
    }
}

/// What a failure counts as. One that was cut after all the time that a request may take was cut
/// by us.
fn kind(failure: &RequestFailure, took_ms: f64, total: Duration) -> FailureKind {
    match failure {
        RequestFailure::Stalled { .. } => FailureKind::Timeout,
        RequestFailure::Cut { .. } if took_ms >= total.as_secs_f64() * 1e3 => FailureKind::Timeout,
        RequestFailure::Status { status, .. } if (400..500).contains(status) => {
            FailureKind::Http4xx
        }
        RequestFailure::Status { status, .. } if *status >= 500 => FailureKind::Http5xx,
        RequestFailure::Status { .. }
        | RequestFailure::Connect { .. }
        | RequestFailure::ErrorEvent { .. }
        | RequestFailure::Cut { .. }
        | RequestFailure::Garbled { .. }
        | RequestFailure::Unexpected { .. } => FailureKind::Other,
    }
}

/// A failure without what differs from request to request, so that there are few.
fn words(failure: &RequestFailure) -> String {
    match failure {
        RequestFailure::Status { status, .. } => format!("HTTP {status}"),
        RequestFailure::Connect { .. } => "no connection".to_owned(),
        RequestFailure::ErrorEvent { .. } => "error event".to_owned(),
        RequestFailure::Cut { .. } => "cut".to_owned(),
        RequestFailure::Stalled { .. } => "nothing arrived".to_owned(),
        RequestFailure::Garbled { .. } => "garbled".to_owned(),
        RequestFailure::Unexpected { .. } => "unexpected answer".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_apart_by_what_met_them() {
        let total = Duration::from_secs(600);
        let cut = || RequestFailure::Cut {
            detail: String::new(),
        };
        let status = |status| RequestFailure::Status {
            status,
            body: String::new(),
        };
        for (failure, took_ms, expected) in [
            (
                RequestFailure::Stalled { after_ms: 9 },
                9.0,
                FailureKind::Timeout,
            ),
            (cut(), 599_999.0, FailureKind::Other),
            (cut(), 600_000.0, FailureKind::Timeout),
            (status(429), 1.0, FailureKind::Http4xx),
            (status(500), 1.0, FailureKind::Http5xx),
            (status(503), 1.0, FailureKind::Http5xx),
            (status(302), 1.0, FailureKind::Other),
        ] {
            assert_eq!(kind(&failure, took_ms, total), expected, "{failure:?}");
        }
    }

    #[test]
    fn the_gauges_are_those_of_either_engine_and_their_own_units() {
        let page = |name: &str| {
            MetricsPage::parse(&format!(
                "{name}{{engine=\"0\"}} 0.25\nvllm:num_preemptions_total{{engine=\"0\"}} 7.0\n\
                 process_resident_memory_bytes 1048576.0\n"
            ))
        };
        for name in ["vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"] {
            let expected = Gauges {
                kv_cache_pct: Some(25.0),
                preemptions: Some(7.0),
                server_memory_mib: Some(1.0),
            };
            assert_eq!(Gauges::of(&page(name)), expected);
        }
        assert_eq!(Gauges::of(&MetricsPage::default()), Gauges::default());
    }
}
