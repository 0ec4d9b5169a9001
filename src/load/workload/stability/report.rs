//! From the course of a soak to its report. Pure.

use std::collections::BTreeMap;

use crate::load::workload::stability::course::{Course, Point, Read};
use crate::measure::forecast::Limit;
use crate::measure::kind::stability::{Detail, Drift, FailureCount, Part, Watched};
use crate::measure::metric::WorkloadKind;
use crate::measure::node::{MetricValue, NodeDetail, NodeReport, NodeStatus};
use crate::measure::trend::Change;

/// Equal parts of the node that the report shows.
const N_PARTS: usize = 10;

/// How the sending ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    Whole,
    Early { because: String },
}

/// What a run of the workload left.
#[derive(Debug)]
pub struct Run<'a> {
    pub node: &'a str,
    /// `stability`, or `age`, which yields less.
    pub kind: WorkloadKind,
    pub course: &'a Course,
    pub ending: Ending,
    /// In the engine's time.
    pub took_ms: f64,
}

/// The node's report. One that ended early has its rates and its detail: how it came to its end
/// is what it measured.
pub fn summarise(run: &Run) -> NodeReport {
    let course = run.course;
    let status = match &run.ending {
        Ending::Early { because } => NodeStatus::Failed {
            because: because.clone(),
        },
        Ending::Whole if course.n_failed == course.n => NodeStatus::Failed {
            because: match course.n {
                0 => "no request was measured".to_owned(),
                n => format!("none of {n} requests succeeded: {}", failures(course)),
            },
        },
        Ending::Whole => NodeStatus::Completed,
    };
    let slopes = slopes(course);
    let mut metrics = rates(course);
    if status == NodeStatus::Completed {
        metrics.extend(speed(run, &slopes));
    }
    let yields = run.kind.metrics();
    metrics.retain(|name, _| yields.iter().any(|metric| metric.name == *name));
    NodeReport {
        node: run.node.to_owned(),
        kind: run.kind,
        status,
        took_ms: Some(run.took_ms),
        metrics,
        n_requests: course.n,
        n_failed: course.n_failed,
        notes: notes(course),
        client: None,
        detail: Some(NodeDetail::Stability(Detail {
            lasted_h: course.from_h.map_or(0.0, |from| course.to_h - from),
            first_failure_ms: course.first_failure_ms,
            failures: course
                .failures
                .iter()
                .map(|(what, n)| FailureCount {
                    what: what.clone(),
                    n: *n,
                })
                .collect(),
            slopes,
            parts: parts(course),
            resolution: course.itl_ms.resolution().or(course.ttft_ms.resolution()),
            death: None,
        })),
    }
}

fn rates(course: &Course) -> BTreeMap<String, MetricValue> {
    let counts = [
        ("success_rate", course.n - course.n_failed),
        ("timeout_rate", course.n_timeouts),
        ("http_4xx_rate", course.n_4xx),
        ("http_5xx_rate", course.n_5xx),
    ];
    counts
        .into_iter()
        .filter(|_| course.n > 0)
        .map(|(name, count)| {
            let rate = f64::from(count) / f64::from(course.n);
            (name.to_owned(), MetricValue::Scalar(rate))
        })
        .collect()
}

fn speed(run: &Run, slopes: &[Drift]) -> Vec<(String, MetricValue)> {
    let course = run.course;
    let distributions = [
        ("ttft_ms", course.ttft_ms.summary()),
        ("itl_ms", course.itl_ms.summary()),
        ("e2e_ms", course.e2e_ms.summary()),
        ("tokens_per_second", course.tokens_per_second.summary()),
    ];
    let lasted_s = course.from_h.map(|from| (course.to_h - from) * 3600.0);
    let in_all = lasted_s
        .filter(|lasted| *lasted > 0.0 && course.output_tokens > 0)
        .map(|lasted| course.output_tokens as f64 / lasted);
    let drift = |of: Watched| {
        let found = slopes.iter().find(|drift| drift.of == of)?;
        Some(found.per_hour)
    };
    let scalars = [
        ("output_tokens_per_second", in_all),
        ("degradation_pct", degradation(course)),
        ("ttft_drift_pct_per_h", drift(Watched::Ttft)),
        (
            "tokens_per_second_drift_pct_per_h",
            drift(Watched::TokensPerSecond),
        ),
        (
            "failure_free_ms",
            Some(course.first_failure_ms.unwrap_or(run.took_ms)),
        ),
    ];
    let distributions = distributions
        .into_iter()
        .filter_map(|(name, summary)| Some((name, MetricValue::Distribution(summary?))));
    let scalars = scalars
        .into_iter()
        .filter_map(|(name, value)| Some((name, MetricValue::Scalar(value?))));
    distributions
        .chain(scalars)
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// By how much response times of the last third are above those of the first, of the short and
/// of the long requests each, taken together by their geometric mean: a third with one long
/// request more is not slower.
fn degradation(course: &Course) -> Option<f64> {
    let of_task = |task: usize| -> Vec<f64> {
        let points = course.points.points().iter();
        points
            .filter(|point| point.task == task)
            .filter_map(|point| point.e2e_ms)
            .collect()
    };
    Change::of(&[of_task(0), of_task(1)]).map(|change| change.percent())
}

fn slopes(course: &Course) -> Vec<Drift> {
    let reads = course.reads.points();
    let gauge = |value: fn(&Read) -> Option<f64>| -> Vec<(f64, f64)> {
        let points = reads.iter();
        points
            .filter_map(|read| Some((read.at_h, value(read)?)))
            .collect()
    };
    let series = [
        (
            Watched::Ttft,
            relative(course, |point| point.ttft_ms),
            Limit::Never,
        ),
        (
            Watched::TokensPerSecond,
            relative(course, |point| point.tokens_per_second),
            Limit::Never,
        ),
        (
            Watched::ServerMemory,
            gauge(|read| read.gauges.server_memory_mib),
            Limit::Unknown,
        ),
        (
            Watched::KvCache,
            gauge(|read| read.gauges.kv_cache_pct),
            Limit::At(100.0),
        ),
        (
            Watched::Preemptions,
            preemptions_per_hour(reads),
            Limit::Never,
        ),
    ];
    series
        .into_iter()
        .filter_map(|(of, points, limit)| Drift::of(of, &points, limit))
        .collect()
}

/// Values in per cent of the median of their length of request.
fn relative(course: &Course, value: fn(&Point) -> Option<f64>) -> Vec<(f64, f64)> {
    let points = course.points.points();
    let medians = [0, 1].map(|task| {
        let of = points.iter().filter(|point| point.task == task);
        median(of.filter_map(value))
    });
    points
        .iter()
        .filter_map(|point| {
            let usual = medians[point.task].filter(|usual| *usual > 0.0)?;
            Some((point.at_h, value(point)? / usual * 100.0))
        })
        .collect()
}

/// From one reading to the next; a counter that was set back tells nothing.
fn preemptions_per_hour(reads: &[Read]) -> Vec<(f64, f64)> {
    reads
        .windows(2)
        .filter_map(|pair| {
            let (before, after) = (&pair[0], &pair[1]);
            let more = after.gauges.preemptions? - before.gauges.preemptions?;
            let took = after.at_h - before.at_h;
            (more >= 0.0 && took > 0.0).then(|| (after.at_h, more / took))
        })
        .collect()
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 0 => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
        _ => Some(sorted[middle]),
    }
}

fn parts(course: &Course) -> Vec<Part> {
    let Some(from_h) = course.from_h.filter(|from| course.to_h > *from) else {
        return Vec::new();
    };
    let width = (course.to_h - from_h) / N_PARTS as f64;
    (0..N_PARTS)
        .map(|part| {
            let lower = from_h + part as f64 * width;
            let upper = lower + width;
            let last = part + 1 == N_PARTS;
            let within = |at: f64| at >= lower && (at < upper || last);
            let points: Vec<&Point> = course
                .points
                .points()
                .iter()
                .filter(|point| within(point.at_h))
                .collect();
            let reads: Vec<&Read> = course
                .reads
                .points()
                .iter()
                .filter(|read| within(read.at_h))
                .collect();
            let failed = course.ends_of_failed_h.points().iter();
            let n_failed = failed.filter(|at| within(**at)).count() as u64;
            let n_failed = n_failed * course.ends_of_failed_h.stride();
            let n_good = points.len() as u64 * course.points.stride();
            let of = |value: fn(&Point) -> Option<f64>| {
                median(points.iter().filter_map(|point| value(point)))
            };
            let counters: Vec<f64> = reads
                .iter()
                .filter_map(|read| read.gauges.preemptions)
                .collect();
            let preemptions = match (counters.first(), counters.last()) {
                (Some(first), Some(last)) if counters.len() > 1 && last >= first => {
                    Some(last - first)
                }
                _ => None,
            };
            Part {
                from_h: lower,
                to_h: upper,
                n_requests: u32::try_from(n_good + n_failed).unwrap_or(u32::MAX),
                n_failed: u32::try_from(n_failed).unwrap_or(u32::MAX),
                ttft_ms: of(|point| point.ttft_ms),
                e2e_ms: of(|point| point.e2e_ms),
                tokens_per_second: of(|point| point.tokens_per_second),
                kv_cache_pct: reads
                    .iter()
                    .filter_map(|read| read.gauges.kv_cache_pct)
                    .max_by(f64::total_cmp),
                preemptions,
                server_memory_mib: reads
                    .iter()
                    .rev()
                    .find_map(|read| read.gauges.server_memory_mib),
            }
        })
        .collect()
}

fn failures(course: &Course) -> String {
    let kinds = course.failures.iter();
    let kinds: Vec<String> = kinds.map(|(what, n)| format!("{n} x {what}")).collect();
    kinds.join(", ")
}

/// What a reader must know of the node.
fn notes(course: &Course) -> Vec<String> {
    let mut notes = Vec::new();
    if course.n_warm_up_failed > 0 {
        notes.push(format!(
            "warm-up requests failed: {}",
            course.n_warm_up_failed
        ));
    }
    if course.n_failed > 0 {
        notes.push(format!("failed requests: {}", failures(course)));
    }
    if course.points.stride() > 1 {
        notes.push(format!(
            "slopes and parts are of every {}th request",
            course.points.stride()
        ));
    }
    notes
}

#[cfg(test)]
mod tests;
