//! From the requests of one level of load to what that level comes to. Pure.
//!
//! Times are of every measured request. Rates are of the steady window: of a closed loop the
//! longest one in which nearly all users were at work, of an open loop from the first measured
//! request that was due to the last.

use std::collections::BTreeMap;

use crate::load::metrics::MetricsPage;
use crate::load::reason::reason;
use crate::load::workload::traffic::Sample;
use crate::measure::kind::load::Rung;
use crate::measure::request::{Request, RequestRole};
use crate::measure::running::RunningSummary;
use crate::measure::saturation::Saturated;
use crate::measure::slo::{Measures, Slo, broken, is_good};
use crate::measure::steady::{STEADY_SHARE, Window, steady_window};
use crate::measure::summary::Summary;
use crate::spec::workload::load::{Demand, LoadSpec};
use crate::time_scale::TimeScale;

/// What the engine's own histogram of queueing says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Queue {
    sum_s: f64,
    n: f64,
}

impl Queue {
    pub fn of(page: &MetricsPage) -> Option<Self> {
        Some(Self {
            sum_s: page.counter("vllm:request_queue_time_seconds_sum")?,
            n: page.counter("vllm:request_queue_time_seconds_count")?,
        })
    }

    /// What came between two readings.
    pub fn between(before: Option<Self>, after: Option<Self>) -> Option<Self> {
        let (before, after) = (before?, after?);
        Some(Self {
            sum_s: after.sum_s - before.sum_s,
            n: after.n - before.n,
        })
    }

    /// Its seconds are the engine's own.
    fn mean_ms(self) -> Option<f64> {
        (self.n > 0.0 && self.sum_s >= 0.0).then(|| self.sum_s / self.n * 1e3)
    }
}

/// Whether a request kept every bound alone.
pub fn is_good_alone(slos: &[Slo], request: &Request, scale: TimeScale) -> bool {
    let one = |value: Option<f64>| Summary::of(value.as_slice());
    let gaps: Vec<f64> = request.itl_ms(scale).collect();
    is_good(
        slos,
        &Measures {
            ttft_ms: one(request.ttft_ms(scale)),
            itl_ms: Summary::of(&gaps),
            tpot_ms: one(request.tpot_ms(scale)),
            e2e_ms: one(request.e2e_ms(scale)),
            tokens_per_second: one(request.tokens_per_second(scale)),
            success_rate: Some(f64::from(u8::from(request.failure.is_none()))),
        },
    )
}

/// What is gathered of a rung while it runs.
#[derive(Debug)]
pub struct RungRun<'a> {
    level: f64,
    spec: &'a LoadSpec,
    scale: TimeScale,
    /// Of the load, warm-up included.
    samples: Vec<Sample>,
    itl_ms: RunningSummary,
    probe_ttft_ms: RunningSummary,
    pub queue: Option<Queue>,
    pub saturated: Option<Saturated>,
    /// In words.
    pub first_failure: Option<String>,
}

impl<'a> RungRun<'a> {
    pub fn new(level: f64, spec: &'a LoadSpec, scale: TimeScale) -> Self {
        Self {
            level,
            spec,
            scale,
            samples: Vec::new(),
            itl_ms: RunningSummary::default(),
            probe_ttft_ms: RunningSummary::default(),
            queue: None,
            saturated: None,
            first_failure: None,
        }
    }

    /// Takes a request that has ended, with its sample.
    pub fn take(&mut self, request: &Request, sample: Sample) {
        match sample.role {
            RequestRole::Probe => {
                if let Some(ttft) = request.ttft_ms(self.scale) {
                    self.probe_ttft_ms.push(ttft);
                }
                return;
            }
            RequestRole::WarmUp => {}
            RequestRole::First | RequestRole::Repeat | RequestRole::Measured => {
                request
                    .itl_ms(self.scale)
                    .for_each(|gap| self.itl_ms.push(gap));
                if let (None, Some(failure)) = (&self.first_failure, &request.failure) {
                    self.first_failure = Some(reason(failure));
                }
            }
        }
        self.samples.push(sample);
    }

    /// What it comes to.
    pub fn summarise(&self) -> Rung {
        let measured: Vec<&Sample> = self.samples.iter().filter(is_measured).collect();
        let n_failed = measured.iter().filter(|sample| !sample.succeeded).count();
        let times = |value: fn(&Sample, TimeScale) -> Option<f64>| {
            let values = measured
                .iter()
                .filter(|sample| sample.succeeded)
                .filter_map(|sample| value(sample, self.scale));
            Summary::of(&values.collect::<Vec<_>>())
        };
        let delays: Vec<f64> = measured
            .iter()
            .map(|sample| sample.sent.saturating_sub(sample.due) as f64 / 1e6)
            .collect();
        let success_rate = (!measured.is_empty())
            .then(|| (measured.len() - n_failed) as f64 / measured.len() as f64);
        let measures = Measures {
            ttft_ms: times(ttft_ms),
            itl_ms: self.itl_ms.summary(),
            tpot_ms: times(tpot_ms),
            e2e_ms: times(e2e_ms),
            tokens_per_second: times(tokens_per_second),
            success_rate,
        };
        let window = self.window(&measured);
        let rates = window.map(|window| Rates::of(&self.samples, window, self.scale));
        let bounds = !self.spec.slo.is_empty();
        Rung {
            level: self.level,
            n_requests: measured.len() as u32,
            n_failed: n_failed as u32,
            steady_ms: window.map(|window| self.scale.nanos_told_ms(window.length())),
            asked_rps: matches!(self.spec.demand, Demand::Rate { .. }).then_some(self.level),
            achieved_rps: rates.map(|rates| rates.achieved_rps),
            goodput_rps: rates.filter(|_| bounds).map(|rates| rates.goodput_rps),
            output_tokens_per_second: rates.map(|rates| rates.output_tokens_per_second),
            ttft_ms: measures.ttft_ms,
            itl_ms: measures.itl_ms,
            tpot_ms: measures.tpot_ms,
            e2e_ms: measures.e2e_ms,
            tokens_per_second: measures.tokens_per_second,
            probe_ttft_ms: self.probe_ttft_ms.summary(),
            schedule_delay_ms: Summary::of(&delays),
            queue_mean_ms: self.queue.and_then(Queue::mean_ms),
            mean_in_flight: rates.map(|rates| rates.mean_in_flight),
            broken: match bounds {
                true => broken(&self.spec.slo, &measures),
                false => Vec::new(),
            },
            saturated: self.saturated,
        }
    }

    fn window(&self, measured: &[&Sample]) -> Option<Window> {
        let window = match self.spec.demand {
            Demand::Concurrency => {
                let mut users: BTreeMap<u32, Window> = BTreeMap::new();
                for sample in measured {
                    let span = users.entry(sample.user).or_insert(Window {
                        from: sample.due,
                        to: sample.end,
                    });
                    span.from = span.from.min(sample.due);
                    span.to = span.to.max(sample.end);
                }
                let spans: Vec<Window> = users.into_values().collect();
                steady_window(&spans, STEADY_SHARE)?
            }
            Demand::Rate { .. } => Window {
                from: measured.iter().map(|sample| sample.due).min()?,
                to: measured.iter().map(|sample| sample.due).max()?,
            },
        };
        (window.length() > 0).then_some(window)
    }
}

/// What happened in a window, per second of the engine's time.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Rates {
    achieved_rps: f64,
    goodput_rps: f64,
    output_tokens_per_second: f64,
    mean_in_flight: f64,
}

impl Rates {
    /// Of all requests of the load, those of the warm-up included: they are in flight as well.
    fn of(samples: &[Sample], window: Window, scale: TimeScale) -> Self {
        let per_second = |count: f64| scale.per_second(count, window.length());
        let within = |wanted: fn(&Sample) -> bool| -> f64 {
            samples
                .iter()
                .filter(|sample| sample.succeeded && wanted(sample))
                .map(|sample| share_within(sample, window))
                .sum()
        };
        let tokens: f64 = samples
            .iter()
            .filter(|sample| sample.succeeded)
            .map(|sample| tokens_within(sample, window))
            .sum();
        let in_flight: f64 = samples
            .iter()
            .map(|sample| overlap(sample.sent, sample.end, window) as f64)
            .sum();
        Self {
            achieved_rps: per_second(within(|_| true)),
            goodput_rps: per_second(within(|sample| sample.good)),
            output_tokens_per_second: per_second(tokens),
            mean_in_flight: in_flight / window.length() as f64,
        }
    }
}

/// The share of a request's time that lies within a window. Counting ends instead would let few
/// requests that run in step count by where the window happens to be cut.
fn share_within(sample: &Sample, window: Window) -> f64 {
    match sample.end.saturating_sub(sample.due) {
        0 => f64::from(u8::from(window.holds(sample.end))),
        span => overlap(sample.due, sample.end, window) as f64 / span as f64,
    }
}

/// Output tokens of a request that came within a window: the first at its instant, the others
/// evenly until the last.
fn tokens_within(sample: &Sample, window: Window) -> f64 {
    let (Some(first), Some(last)) = (sample.first, sample.last) else {
        return 0.0;
    };
    let opening = f64::from(u8::from(window.from < first && first <= window.to));
    let others = sample.output.saturating_sub(1) as f64;
    match last - first {
        0 => opening * (1.0 + others),
        span => opening + others * overlap(first, last, window) as f64 / span as f64,
    }
}

fn overlap(from: u64, to: u64, window: Window) -> u64 {
    to.min(window.to).saturating_sub(from.max(window.from))
}

fn is_measured(sample: &&Sample) -> bool {
    sample.role == RequestRole::Measured
}

fn ttft_ms(sample: &Sample, scale: TimeScale) -> Option<f64> {
    Some(scale.nanos_told_ms(sample.first?.saturating_sub(sample.due)))
}

fn e2e_ms(sample: &Sample, scale: TimeScale) -> Option<f64> {
    Some(scale.nanos_told_ms(sample.end.saturating_sub(sample.due)))
}

fn tpot_ms(sample: &Sample, scale: TimeScale) -> Option<f64> {
    let span = sample.last?.checked_sub(sample.first?)?;
    (sample.output >= 2).then(|| scale.nanos_told_ms(span) / (sample.output - 1) as f64)
}

fn tokens_per_second(sample: &Sample, scale: TimeScale) -> Option<f64> {
    let span = sample.last?.checked_sub(sample.first?)?;
    (sample.output >= 2 && span > 0).then(|| scale.per_second((sample.output - 1) as f64, span))
}

#[cfg(test)]
mod tests;
