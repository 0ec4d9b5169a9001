//! What is counted of an engine's work. Names and forms of the page are not known here.

use std::time::Duration;

use crate::stand_in::engine::metrics::exposition::Histogram;
use crate::stand_in::engine::scheduler::{Counts, Gauges};

// The bounds of all versions together: a page shows those of its own.
const SECONDS_TO_FIRST: &[f64] = &[
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
    20.0, 40.0, 80.0, 160.0, 640.0, 2560.0,
];
const SECONDS_BETWEEN: &[f64] = &[
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0,
    40.0, 80.0,
];
const SECONDS: &[f64] = &[
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0,
    480.0, 960.0, 1920.0, 7680.0,
];
const TOKENS: &[f64] = &[
    1.0, 2.0, 5.0, 1e1, 2e1, 5e1, 1e2, 2e2, 5e2, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6,
    2e6, 5e6,
];
const TOKENS_OF_A_STEP: &[f64] = &[
    1.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 8096.0, 8192.0,
    16384.0,
];
const ANSWERS: &[f64] = &[1.0, 2.0, 5.0, 10.0, 20.0];
const PREEMPTIONS: &[f64] = &[1.0, 2.0, 3.0, 4.0, 5.0, 10.0, 20.0];

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// The model ended its answer.
    Stop,
    /// `max_tokens` cut it.
    Length,
    /// The client went away.
    Abort,
}

impl Finish {
    /// vLLM's word for it.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::Abort => "abort",
        }
    }
}

/// A request that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    pub how: Finish,
    pub prompt_tokens: usize,
    /// Those of them that came from the cache.
    pub cached_tokens: usize,
    pub said: usize,
    /// How many tokens it might have had.
    pub max_tokens: usize,
    /// From its coming to its first step.
    pub queued: Duration,
    /// From its first step to its first token.
    pub prefill: Duration,
    /// From its first token to its last.
    pub decode: Duration,
    pub preemptions: u32,
}

/// Counters and distributions since the start.
#[derive(Debug, Clone)]
pub struct Tally {
    pub(super) prompt_tokens: u64,
    pub(super) cached_tokens: u64,
    pub(super) generation_tokens: u64,
    pub(super) stopped: u64,
    pub(super) cut: u64,
    pub(super) aborted: u64,
    pub(super) to_first: Histogram,
    pub(super) between: Histogram,
    /// Mean time of a token after the first, once for each request.
    pub(super) per_token: Histogram,
    pub(super) in_all: Histogram,
    pub(super) queued: Histogram,
    pub(super) inference: Histogram,
    pub(super) prefill: Histogram,
    pub(super) decode: Histogram,
    pub(super) prompts: Histogram,
    pub(super) computed: Histogram,
    pub(super) generations: Histogram,
    pub(super) max_tokens: Histogram,
    pub(super) answers: Histogram,
    /// The longest of several answers.
    pub(super) longest: Histogram,
    pub(super) preemptions: Histogram,
    pub(super) steps: Histogram,
}

impl Tally {
    pub fn new() -> Self {
        let seconds = || Histogram::new(SECONDS);
        let tokens = || Histogram::new(TOKENS);
        Self {
            prompt_tokens: 0,
            cached_tokens: 0,
            generation_tokens: 0,
            stopped: 0,
            cut: 0,
            aborted: 0,
            to_first: Histogram::new(SECONDS_TO_FIRST),
            between: Histogram::new(SECONDS_BETWEEN),
            per_token: Histogram::new(SECONDS_BETWEEN),
            in_all: seconds(),
            queued: seconds(),
            inference: seconds(),
            prefill: seconds(),
            decode: seconds(),
            prompts: tokens(),
            computed: tokens(),
            generations: tokens(),
            max_tokens: tokens(),
            answers: Histogram::new(ANSWERS),
            longest: tokens(),
            preemptions: Histogram::new(PREEMPTIONS),
            steps: Histogram::new(TOKENS_OF_A_STEP),
        }
    }

    /// A prompt is computed and the first token is out, so long after the request came.
    pub fn first_token(&mut self, prompt: usize, cached: usize, after: Duration) {
        self.prompt_tokens += prompt as u64;
        self.cached_tokens += cached as u64;
        self.generation_tokens += 1;
        self.to_first.observe(after.as_secs_f64());
    }

    /// A further token is out, so long after the one before.
    pub fn next_token(&mut self, after: Duration) {
        self.generation_tokens += 1;
        self.between.observe(after.as_secs_f64());
    }

    /// A step is over from which tokens came out: with their prompts, if they were the first,
    /// so many were computed for them.
    pub fn step(&mut self, tokens: usize) {
        self.steps.observe(tokens as f64);
    }

    /// A request is over.
    pub fn finished(&mut self, ended: Ended) {
        let Ended {
            how,
            prompt_tokens,
            cached_tokens,
            said,
            max_tokens,
            queued,
            prefill,
            decode,
            preemptions,
        } = ended;
        match how {
            Finish::Stop => self.stopped += 1,
            Finish::Length => self.cut += 1,
            Finish::Abort => {
                self.aborted += 1;
                return;
            }
        }
        let inference = prefill + decode;
        for (values, duration) in [
            (&mut self.in_all, queued + inference),
            (&mut self.queued, queued),
            (&mut self.inference, inference),
            (&mut self.prefill, prefill),
            (&mut self.decode, decode),
        ] {
            values.observe(duration.as_secs_f64());
        }
        // One token alone has no time of its own.
        let later = said.saturating_sub(1);
        let per_token = if later == 0 {
            0.0
        } else {
            decode.as_secs_f64() / later as f64
        };
        self.per_token.observe(per_token);
        for (values, number) in [
            (&mut self.prompts, prompt_tokens),
            (&mut self.computed, prompt_tokens - cached_tokens),
            (&mut self.generations, said),
            (&mut self.max_tokens, max_tokens),
        ] {
            values.observe(number as f64);
        }
        self.preemptions.observe(f64::from(preemptions));
    }

    /// All answers that were wanted to a prompt are over; the longest has so many tokens.
    pub fn answered(&mut self, n: usize, longest: usize) {
        self.answers.observe(n as f64);
        self.longest.observe(longest as f64);
    }

    /// Prompt tokens and answer tokens so far.
    pub fn tokens(&self) -> (u64, u64) {
        (self.prompt_tokens, self.generation_tokens)
    }
}

/// What the engine shows of itself at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub gauges: Gauges,
    pub counts: Counts,
    pub tally: Tally,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(how: Finish, said: usize) -> Ended {
        Ended {
            how,
            prompt_tokens: 100,
            cached_tokens: 48,
            said,
            max_tokens: 512,
            queued: Duration::from_millis(100),
            prefill: Duration::from_millis(400),
            decode: Duration::from_millis(600),
            preemptions: 2,
        }
    }

    #[test]
    fn the_phases_of_a_request_add_up() {
        let mut tally = Tally::new();
        tally.finished(ended(Finish::Stop, 4));
        let sums = [
            &tally.queued,
            &tally.prefill,
            &tally.decode,
            &tally.inference,
            &tally.in_all,
            &tally.per_token,
            &tally.computed,
            &tally.preemptions,
        ]
        .map(Histogram::sum);
        for (sum, expected) in sums.iter().zip([0.1, 0.4, 0.6, 1.0, 1.1, 0.2, 52.0, 2.0]) {
            assert!((sum - expected).abs() < 1e-9, "{sums:?}");
        }
    }

    #[test]
    fn an_aborted_request_is_counted_and_not_measured() {
        let mut tally = Tally::new();
        tally.finished(ended(Finish::Abort, 4));
        assert_eq!((tally.aborted, tally.in_all.count()), (1, 0));
    }
}
