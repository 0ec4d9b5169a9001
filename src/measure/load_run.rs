//! What the client alone measured of a server: requests to a summary in bounded memory, and
//! the result as it is told and written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::measure::client::ClientHealth;
use crate::measure::histogram::Histogram;
use crate::measure::request::Request;
use crate::measure::summary::Summary;
use crate::time_scale::TimeScale;

/// So many different reasons of failures are counted each by itself.
const MOST_REASONS: usize = 20;

/// Under which all further ones are counted.
const OTHER_REASONS: &str = "other reasons";

/// The requests so far.
#[derive(Debug, Default)]
pub struct LoadTally {
    n_ok: u64,
    n_failed: u64,
    n_without_usage: u64,
    output_tokens: u64,
    prompt_tokens: Histogram,
    output_per_request: Histogram,
    ttft: Histogram,
    itl: Histogram,
    tpot: Histogram,
    e2e: Histogram,
    queue: Histogram,
    errors: BTreeMap<String, u64>,
    /// The first due and the last end, in nanoseconds.
    span: Option<(u64, u64)>,
}

impl LoadTally {
    /// Takes a request that has ended; `reason` tells its failure, if it is one.
    pub fn take(&mut self, request: &Request, reason: Option<String>) {
        let instants = &request.instants;
        let (begin, end) = self.span.unwrap_or((instants.due, instants.end));
        self.span = Some((begin.min(instants.due), end.max(instants.end)));
        if let Some(reason) = reason {
            self.n_failed += 1;
            let is_known = self.errors.contains_key(&reason);
            let room = is_known || self.errors.len() < MOST_REASONS;
            let reason = if room {
                reason
            } else {
                OTHER_REASONS.to_owned()
            };
            *self.errors.entry(reason).or_default() += 1;
            return;
        }
        self.n_ok += 1;
        match request.usage {
            Some(usage) => {
                self.output_tokens += usage.output;
                self.prompt_tokens.record(usage.prompt as f64);
                self.output_per_request.record(usage.output as f64);
            }
            None => self.n_without_usage += 1,
        }
        let scale = TimeScale::ONE;
        self.queue.record(request.queue_ms(scale));
        for (histogram, value) in [
            (&mut self.ttft, request.ttft_ms(scale)),
            (&mut self.tpot, request.tpot_ms(scale)),
            (&mut self.e2e, request.e2e_ms(scale)),
        ] {
            if let Some(value) = value {
                histogram.record(value);
            }
        }
        for gap in request.itl_ms(scale) {
            self.itl.record(gap);
        }
    }

    /// Requests that ended, and how many of them failed.
    pub fn counts(&self) -> (u64, u64) {
        (self.n_ok + self.n_failed, self.n_failed)
    }

    /// Output tokens of the successful requests, as the server counts them.
    pub fn output_tokens(&self) -> u64 {
        self.output_tokens
    }

    /// The result.
    pub fn finish(&self, asked: Asked, ending: LoadEnding, client: ClientSide) -> LoadRun {
        let wall_s = self.span.map(|(begin, end)| (end - begin) as f64 / 1e9);
        let per_second = |count: u64| wall_s.filter(|&s| s > 0.0).map(|s| count as f64 / s);
        let ttft_ms = self.ttft.summary();
        let tokens_known = self.n_ok > 0 && self.n_without_usage == 0;
        let bottleneck = client.health.as_ref().and_then(|health| {
            let ttft = ttft_ms.map(|ttft| ttft.p50);
            health.bottleneck(ttft)
        });
        LoadRun {
            version: LoadRun::VERSION,
            tool: concat!("gridrun ", env!("CARGO_PKG_VERSION")).to_owned(),
            ending,
            requests: self.n_ok + self.n_failed,
            succeeded: self.n_ok,
            failed: self.n_failed,
            errors: self.errors.clone(),
            wall_s,
            requests_s: per_second(self.n_ok).filter(|_| self.n_ok > 0),
            tok_s: per_second(self.output_tokens).filter(|_| tokens_known),
            output_tokens: tokens_known.then_some(self.output_tokens),
            prompt_tokens: self.prompt_tokens.summary(),
            output_tokens_per_request: self.output_per_request.summary(),
            ttft_ms,
            itl_ms: self.itl.summary(),
            tpot_ms: self.tpot.summary(),
            e2e_ms: self.e2e.summary(),
            queue_ms: self.queue.summary(),
            client: Client {
                bottleneck,
                side: client,
            },
            asked,
        }
    }
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    pub url: String,
    pub model: String,
    /// Users at once; `None` for an open loop.
    pub concurrency: Option<u32>,
    /// Requests per second; `None` for a closed loop.
    pub rate: Option<f64>,
    /// `constant` or `poisson`, of an open loop.
    pub arrival: Option<String>,
    /// Requests at most; `None` where only time ends it.
    pub requests: Option<u64>,
    /// Seconds after which nothing more is sent.
    pub duration_s: Option<f64>,
    pub max_tokens: u32,
    pub prompt_tokens: u32,
    /// True where the server's tokenizer cut the prompts to that length.
    pub prompt_tokens_exact: bool,
    pub seed: u64,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoadEnding {
    /// All that was asked for was done.
    Whole,
    /// The user stopped it; requests in flight then are not counted.
    Interrupted,
}

/// What the client says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClientSide {
    #[serde(flatten)]
    pub health: Option<ClientHealth>,
    /// Processor time that this process used while the load ran, in seconds.
    pub cpu_s: Option<f64>,
    /// Most memory that this process had resident, in MiB.
    pub peak_memory_mib: Option<f64>,
}

/// The same with what follows from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Client {
    /// Why the numbers are the client's and not the server's, if they are.
    pub bottleneck: Option<String>,
    #[serde(flatten)]
    pub side: ClientSide,
}

/// The result. Times are in milliseconds, of successful requests only; `null` is what was not
/// measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadRun {
    /// Version of this format.
    pub version: u32,
    pub tool: String,
    pub ending: LoadEnding,
    /// Requests that ended.
    pub requests: u64,
    pub succeeded: u64,
    pub failed: u64,
    /// Why requests failed, with counts.
    pub errors: BTreeMap<String, u64>,
    /// From the first request due to the last byte.
    pub wall_s: Option<f64>,
    /// Successful requests in that time.
    pub requests_s: Option<f64>,
    /// Output tokens of the successful requests in that time, by the server's `usage`.
    pub tok_s: Option<f64>,
    pub output_tokens: Option<u64>,
    /// What the server counted in the prompts, over the requests.
    pub prompt_tokens: Option<Summary>,
    pub output_tokens_per_request: Option<Summary>,
    pub ttft_ms: Option<Summary>,
    pub itl_ms: Option<Summary>,
    pub tpot_ms: Option<Summary>,
    pub e2e_ms: Option<Summary>,
    pub queue_ms: Option<Summary>,
    pub client: Client,
    pub asked: Asked,
}

impl LoadRun {
    pub const VERSION: u32 = 1;

    /// What a reader must know beside the numbers.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let asked = &self.asked;
        if !asked.prompt_tokens_exact {
            notes.push(
                "the server has no /tokenize: prompts have about as many tokens as asked for"
                    .to_owned(),
            );
        }
        if let Some(output) = self.output_tokens_per_request
            && output.min < f64::from(asked.max_tokens)
        {
            notes.push(format!(
                "some answers ended before their {} tokens (the shortest after {}): the server does \
                 not know `ignore_eos`",
                asked.max_tokens, output.min
            ));
        }
        if self.succeeded > 0 && self.tok_s.is_none() {
            notes.push(
                "some answers came without usage: tokens per second cannot be told".to_owned(),
            );
        }
        if self.ending == LoadEnding::Interrupted {
            notes.push("stopped by the user: requests in flight are not counted".to_owned());
        }
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::request::{Instants, RequestFailure, RequestRole, Usage};

    const MS: u64 = 1_000_000;

    /// Due at `due` ms, sent 2 ms later, `n` tokens at 10 ms each after a first one at 50 ms.
    fn request(due: u64, n: u64) -> Request {
        let first = (due + 50) * MS;
        let mut instants = Instants::due_at(due * MS);
        instants.sent = (due + 2) * MS;
        instants.first_token = Some(first);
        instants.last_token = Some(first + (n - 1) * 10 * MS);
        instants.end = first + (n - 1) * 10 * MS + MS;
        instants.tokens = (0..n).map(|number| first + number * 10 * MS).collect();
        Request {
            node: "load".to_owned(),
            index: 0,
            role: RequestRole::Measured,
            prompt: None,
            user: 0,
            turn: None,
            label: None,
            instants,
            usage: Some(Usage {
                prompt: 64,
                output: n,
                cached: None,
            }),
            counters: None,
            finish_reason: Some("length".to_owned()),
            failure: None,
            proof: None,
        }
    }

    fn asked() -> Asked {
        Asked {
            url: "http://h".to_owned(),
            model: "m".to_owned(),
            concurrency: Some(2),
            rate: None,
            arrival: None,
            requests: Some(3),
            duration_s: None,
            max_tokens: 11,
            prompt_tokens: 64,
            prompt_tokens_exact: true,
            seed: 1,
        }
    }

    fn client(lag_ms: f64) -> ClientSide {
        let lags = Summary::of(&vec![lag_ms; 300]).unwrap();
        ClientSide {
            health: Some(ClientHealth {
                schedule_delay_ms: lags,
                loop_lag_ms: lags,
            }),
            cpu_s: None,
            peak_memory_mib: None,
        }
    }

    #[test]
    fn the_numbers_are_those_that_a_hand_computes() {
        let mut tally = LoadTally::default();
        tally.take(&request(0, 11), None);
        tally.take(&request(849, 11), None);
        let mut failed = request(500, 11);
        failed.failure = Some(RequestFailure::Stalled { after_ms: 1 });
        tally.take(&failed, Some("nothing arrived".to_owned()));
        let run = tally.finish(asked(), LoadEnding::Whole, client(1.0));
        assert_eq!((run.requests, run.succeeded, run.failed), (3, 2, 1));
        assert_eq!(run.errors["nothing arrived"], 1);
        // From 0 to 849 + 50 + 100 + 1 ms.
        assert_eq!(run.wall_s, Some(1.0));
        assert_eq!((run.tok_s, run.requests_s), (Some(22.0), Some(2.0)));
        let of = |summary: Option<Summary>| {
            let summary = summary.unwrap();
            (summary.n, summary.mean)
        };
        assert_eq!(of(run.ttft_ms), (2, 50.0));
        assert_eq!(of(run.itl_ms), (20, 10.0));
        assert_eq!(of(run.tpot_ms), (2, 10.0));
        assert_eq!(of(run.e2e_ms), (2, 151.0));
        assert_eq!(of(run.queue_ms), (2, 2.0));
        assert_eq!(of(run.prompt_tokens), (2, 64.0));
        assert_eq!(run.client.bottleneck, None);
        assert_eq!(run.notes(), Vec::<String>::new());
    }

    #[test]
    fn what_was_not_measured_stays_away() {
        let tally = LoadTally::default();
        let run = tally.finish(asked(), LoadEnding::Whole, client(1.0));
        assert_eq!((run.requests, run.tok_s, run.ttft_ms), (0, None, None));
        let json = serde_json::to_value(&run).unwrap();
        assert_eq!(json["ttft_ms"], serde_json::Value::Null);

        let mut tally = LoadTally::default();
        let mut without = request(0, 11);
        without.usage = None;
        tally.take(&without, None);
        tally.take(&request(0, 11), None);
        let run = tally.finish(asked(), LoadEnding::Interrupted, client(1.0));
        assert_eq!((run.tok_s, run.output_tokens), (None, None));
        assert_eq!(run.notes().len(), 2);
    }

    #[test]
    fn a_late_client_says_so() {
        let mut tally = LoadTally::default();
        tally.take(&request(0, 11), None);
        let run = tally.finish(asked(), LoadEnding::Whole, client(11.0));
        assert!(run.client.bottleneck.is_some());
        let json = serde_json::to_value(&run).unwrap();
        assert_eq!(json["client"]["loop_lag_ms"]["p99"], 11.0);
        assert_eq!(serde_json::from_value::<LoadRun>(json).unwrap(), run);
    }

    #[test]
    fn reasons_without_end_fill_no_memory() {
        let mut tally = LoadTally::default();
        for number in 0..1000 {
            tally.take(&request(0, 2), Some(format!("reason {number}")));
        }
        let run = tally.finish(asked(), LoadEnding::Whole, client(1.0));
        assert_eq!(run.errors.len(), MOST_REASONS + 1);
        assert_eq!(run.errors.values().sum::<u64>(), 1000);
    }
}
