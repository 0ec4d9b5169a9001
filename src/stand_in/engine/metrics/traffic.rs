//! What is counted of requests over HTTP, whatever they ask for.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::stand_in::engine::metrics::exposition::{Histogram, Labels, Page, Sample};

const FINE: &[f64] = &[
    0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0,
    7.5, 10.0, 30.0, 60.0,
];
const COARSE: &[f64] = &[0.1, 0.5, 1.0];

/// Paths that are asked for by machines, and that nobody counts: all that hold these words.
const UNCOUNTED: [&str; 6] = [
    "/metrics",
    "/health",
    "/load",
    "/ping",
    "/version",
    "/server_info",
];

/// A request that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// The path of its route, or as it was asked for where there is none.
    pub path: String,
    /// A route answered it.
    pub routed: bool,
    pub method: String,
    pub status: u16,
    /// Lengths that headers declared, 0 where none did.
    pub request_bytes: u64,
    pub response_bytes: u64,
    pub took: Duration,
}

/// Since when something is counted, in seconds since 1970, and the count.
#[derive(Debug, Clone, Copy)]
struct Count {
    created: f64,
    n: u64,
    sum: u64,
}

#[derive(Debug)]
struct Counted {
    /// By handler, method, class of the status, in the order in which they came.
    requests: Vec<([String; 3], Count)>,
    /// By handler.
    request_bytes: Vec<([String; 1], Count)>,
    response_bytes: Vec<([String; 1], Count)>,
    /// By handler and method.
    durations: Vec<([String; 2], f64, Histogram)>,
    all_durations: Histogram,
}

/// Counts requests of many threads.
#[derive(Debug)]
pub struct Traffic {
    counted: Mutex<Counted>,
    created: f64,
}

impl Traffic {
    /// Counts from `created` on, in seconds since 1970.
    pub fn new(created: f64) -> Self {
        Self {
            counted: Mutex::new(Counted {
                requests: Vec::new(),
                request_bytes: Vec::new(),
                response_bytes: Vec::new(),
                durations: Vec::new(),
                all_durations: Histogram::new(FINE),
            }),
            created,
        }
    }

    /// Counts a request that ended at `now`, in seconds since 1970.
    pub fn count(&self, exchange: &Exchange, now: f64) {
        if UNCOUNTED.iter().any(|path| exchange.path.contains(path)) {
            return;
        }
        let handler = if exchange.routed {
            exchange.path.clone()
        } else {
            "none".to_owned()
        };
        let method = exchange.method.clone();
        let class = format!("{}xx", exchange.status / 100);
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = &mut *counted;
        let key = [handler.clone(), method.clone(), class];
        add(&mut counted.requests, key, 1, now);
        let (request, response) = (exchange.request_bytes, exchange.response_bytes);
        add(&mut counted.request_bytes, [handler.clone()], request, now);
        add(
            &mut counted.response_bytes,
            [handler.clone()],
            response,
            now,
        );
        let seconds = exchange.took.as_secs_f64();
        counted.all_durations.observe(seconds);
        let key = [handler, method];
        let known = counted
            .durations
            .iter()
            .position(|(known, ..)| *known == key);
        let place = known.unwrap_or_else(|| {
            counted.durations.push((key, now, Histogram::new(COARSE)));
            counted.durations.len() - 1
        });
        counted.durations[place].2.observe(seconds);
    }

    /// Writes what was counted, which comes last on a page.
    pub(super) fn write(&self, page: &mut Page) {
        let counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let requests: Vec<Sample> = counted
            .requests
            .iter()
            .map(|([handler, method, status], count)| Sample {
                labels: vec![
                    ("handler", handler.clone()),
                    ("method", method.clone()),
                    ("status", status.clone()),
                ],
                value: count.n as f64,
                created: count.created,
            })
            .collect();
        page.counter(
            "http_requests",
            "Total number of requests by method, status and handler.",
            &requests,
        );
        let header = "Only value of header is respected. Otherwise ignored. No percentile \
                      calculated. ";
        page.summary(
            "http_request_size_bytes",
            &format!("Content length of incoming requests by handler. {header}"),
            &bytes(&counted.request_bytes),
        );
        page.summary(
            "http_response_size_bytes",
            &format!("Content length of outgoing responses by handler. {header}"),
            &bytes(&counted.response_bytes),
        );
        let nothing = |labels: Labels, created: f64| Sample {
            labels,
            value: 0.0,
            created,
        };
        page.histogram(
            "http_request_duration_highr_seconds",
            "Latency with many buckets but no API specific labels. Made for more accurate \
             percentile calculations. ",
            |_| true,
            &[(&counted.all_durations, nothing(Vec::new(), self.created))],
        );
        let durations: Vec<(&Histogram, Sample)> = counted
            .durations
            .iter()
            .map(|([handler, method], created, values)| {
                let labels = vec![("handler", handler.clone()), ("method", method.clone())];
                (values, nothing(labels, *created))
            })
            .collect();
        page.histogram(
            "http_request_duration_seconds",
            "Latency with only few buckets by handler. Made to be only used if aggregation by \
             handler is important. ",
            |_| true,
            &durations,
        );
    }
}

fn add<const N: usize>(
    counts: &mut Vec<([String; N], Count)>,
    key: [String; N],
    sum: u64,
    now: f64,
) {
    let known = counts.iter().position(|(known, _)| *known == key);
    let place = known.unwrap_or_else(|| {
        let count = Count {
            created: now,
            n: 0,
            sum: 0,
        };
        counts.push((key, count));
        counts.len() - 1
    });
    counts[place].1.n += 1;
    counts[place].1.sum += sum;
}

fn bytes(counts: &[([String; 1], Count)]) -> Vec<(u64, Sample)> {
    counts
        .iter()
        .map(|([handler], count)| {
            let sample = Sample {
                labels: vec![("handler", handler.clone())],
                value: count.sum as f64,
                created: count.created,
            };
            (count.n, sample)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stand_in::engine::metrics::exposition::CreationTimes;

    fn exchange(path: &str, routed: bool, status: u16) -> Exchange {
        Exchange {
            path: path.to_owned(),
            routed,
            method: "GET".to_owned(),
            status,
            request_bytes: 0,
            response_bytes: 25,
            took: Duration::from_millis(200),
        }
    }

    #[test]
    fn requests_are_counted_by_route_method_and_class() {
        let traffic = Traffic::new(1.0);
        for exchange in [
            exchange("/v1/models", true, 200),
            exchange("/v1/models", true, 200),
            exchange("/v1/models", true, 404),
            exchange("/nothing", false, 404),
            exchange("/elsewhere", false, 405),
            exchange("/health", true, 200),
            exchange("/metrics/", false, 307),
        ] {
            traffic.count(&exchange, 2.0);
        }
        let mut page = Page::new(CreationTimes::Shown);
        traffic.write(&mut page);
        let text = page.into_text();
        let counts: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("http_requests_total{"))
            .collect();
        assert_eq!(
            counts,
            [
                r#"http_requests_total{handler="/v1/models",method="GET",status="2xx"} 2.0"#,
                r#"http_requests_total{handler="/v1/models",method="GET",status="4xx"} 1.0"#,
                r#"http_requests_total{handler="none",method="GET",status="4xx"} 2.0"#,
            ]
        );
        for line in [
            r#"http_response_size_bytes_sum{handler="/v1/models"} 75.0"#,
            r#"http_request_duration_seconds_bucket{handler="none",le="0.1",method="GET"} 0.0"#,
            r#"http_request_duration_seconds_bucket{handler="none",le="0.5",method="GET"} 2.0"#,
            "http_request_duration_highr_seconds_count 5.0",
            r#"http_requests_created{handler="none",method="GET",status="4xx"} 2.0"#,
            "http_request_duration_highr_seconds_created 1.0",
        ] {
            assert!(
                text.lines().any(|shown| shown == line),
                "{line}\nis not in\n{text}"
            );
        }
    }
}
