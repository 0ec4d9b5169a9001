//! Continuous batching, one step at a time: who runs, who waits, whose KV blocks are taken
//! away, and how long the step takes. Pure: it neither sleeps nor knows who asks.
//!
//! As in vLLM: running sequences come first, then waiting ones in the order of arrival, all
//! under one budget of tokens per step. With chunked prefill a long prompt is computed in
//! pieces that fit the budget; without it a prompt is computed whole, in one long step in which
//! nobody else's tokens come out. When the blocks run out, the youngest running sequence loses
//! its own, goes back to the front of the queue and is computed anew.
//!
//! The law of time is simple: a step takes its prefill tokens divided by the prefill rate, plus
//! (if anything decodes) one token at the decode rate, lengthened by [`BATCH_SLOWDOWN`] for each
//! further sequence that decodes in it. No step is shorter than one token at the decode rate:
//! an engine reads all of its weights in every step.

use std::collections::VecDeque;
use std::time::Duration;

use crate::stand_in::engine::cache::{BlockId, BlockPool, PrefixCaching, extend_hashes};
use crate::stand_in::model::tokens::TokenId;

/// How much longer a step takes for each sequence after the first that decodes in it: 32 at
/// once get 62 % of the speed of one, and 20 times its throughput.
pub const BATCH_SLOWDOWN: f64 = 0.02;

/// Whether a prompt may be computed in pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChunkedPrefill {
    On,
    Off,
}

/// Bounds of one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most sequences that run at once.
    pub max_num_seqs: usize,
    /// Most tokens that one step computes.
    pub max_num_batched_tokens: usize,
    pub chunked: ChunkedPrefill,
}

/// How fast the engine is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speed {
    /// Tokens that are computed for the first time, per second.
    pub prefill_tokens_per_second: f64,
    /// Tokens of a single sequence that come out, per second.
    pub decode_tokens_per_second: f64,
}

/// A request as the scheduler knows it.
pub type SequenceId = u64;

#[derive(Debug)]
struct Sequence {
    id: SequenceId,
    /// The prompt and what was said so far.
    tokens: Vec<TokenId>,
    /// What remains to be said.
    unsaid: VecDeque<TokenId>,
    said_something: bool,
    /// Tokens at the front of `tokens` whose KV is in `blocks`.
    computed: usize,
    blocks: Vec<BlockId>,
    hashes: Vec<u64>,
    /// Blocks at the front of `blocks` that were made known.
    remembered: usize,
    /// It was admitted before, and counted.
    counted: bool,
}

/// What comes out of a step, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A request began to run for the first time; so many of its prompt's tokens were taken
    /// from the cache.
    Admitted {
        id: SequenceId,
        cached_tokens: usize,
    },
    /// The next token of an answer.
    Token {
        id: SequenceId,
        token: TokenId,
        last: bool,
    },
}

/// One step: its events come out at its end.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    pub took: Duration,
    /// The sequences that it computes for.
    pub batch: Vec<SequenceId>,
    /// The tokens that it computes.
    pub tokens: usize,
    pub events: Vec<Event>,
    /// Requests that lost their blocks since the step before, each as often as it did.
    pub preempted: Vec<SequenceId>,
}

/// What has been counted since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Prompt tokens that were looked up in the prefix cache; 0 for ever without one.
    pub prefix_queries: u64,
    /// Those of them that were there.
    pub prefix_hits: u64,
    /// The same two in whole blocks.
    pub prefix_queried_blocks: u64,
    pub prefix_hit_blocks: u64,
    pub preemptions: u64,
}

/// How things stand between two steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gauges {
    pub running: usize,
    pub waiting: usize,
    /// Share of the KV blocks in use, 0 to 1.
    pub kv_usage: f64,
}

/// The engine's state without its clock.
#[derive(Debug)]
pub struct Scheduler {
    limits: Limits,
    speed: Speed,
    pool: BlockPool,
    waiting: VecDeque<Sequence>,
    running: Vec<Sequence>,
    counts: Counts,
    /// Who lost blocks since the last step.
    preempted: Vec<SequenceId>,
}

impl Scheduler {
    /// An idle engine. The pool must hold at least one sequence of the greatest length that
    /// will ever be submitted.
    pub fn new(limits: Limits, speed: Speed, pool: BlockPool) -> Self {
        Self {
            limits,
            speed,
            pool,
            waiting: VecDeque::new(),
            running: Vec::new(),
            counts: Counts::default(),
            preempted: Vec::new(),
        }
    }

    /// Queues a request. Prompt and answer must not be empty.
    pub fn submit(&mut self, id: SequenceId, prompt: Vec<TokenId>, answer: Vec<TokenId>) {
        let mut hashes = Vec::new();
        extend_hashes(&mut hashes, &prompt, self.pool.block_size());
        self.waiting.push_back(Sequence {
            id,
            tokens: prompt,
            unsaid: answer.into(),
            said_something: false,
            computed: 0,
            blocks: Vec::new(),
            hashes,
            remembered: 0,
            counted: false,
        });
    }

    /// Forgets a request wherever it is; nothing happens if it is finished.
    pub fn abort(&mut self, id: SequenceId) {
        self.waiting.retain(|sequence| sequence.id != id);
        if let Some(place) = self.running.iter().position(|sequence| sequence.id == id) {
            let sequence = self.running.remove(place);
            self.pool.release(&sequence.blocks);
        }
    }

    /// Forgets the prefix cache; false, and no change, while sequences run. With `preempt` they
    /// lose their blocks first and are computed anew.
    pub fn reset_prefix_cache(&mut self, preempt: bool) -> bool {
        while preempt && !self.running.is_empty() {
            self.preempt_youngest();
        }
        self.pool.forget()
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    pub fn gauges(&self) -> Gauges {
        Gauges {
            running: self.running.len(),
            waiting: self.waiting.len(),
            kv_usage: self.pool.usage(),
        }
    }

    /// Computes one step; `None` when there is nothing to do.
    pub fn step(&mut self) -> Option<Step> {
        let mut budget = self.limits.max_num_batched_tokens;
        let mut events = Vec::new();
        // For each running sequence, how many of its tokens this step computes.
        let mut shares = Vec::new();
        let preempted = self.schedule_running(&mut budget, &mut shares);
        if !preempted {
            self.admit_waiting(&mut budget, &mut shares, &mut events);
        }
        if shares.is_empty() {
            return None;
        }
        let took = self.time_of(&shares);
        let batch = self.running.iter().zip(&shares);
        let batch = batch.map(|(sequence, _)| sequence.id).collect();
        let tokens = shares.iter().sum();
        self.compute(&shares, &mut events);
        Some(Step {
            took,
            batch,
            tokens,
            events,
            preempted: std::mem::take(&mut self.preempted),
        })
    }

    /// Gives running sequences their share; true if one had to be preempted.
    fn schedule_running(&mut self, budget: &mut usize, shares: &mut Vec<usize>) -> bool {
        let mut preempted = false;
        while shares.len() < self.running.len() && *budget > 0 {
            let place = shares.len();
            let sequence = &self.running[place];
            let share = (sequence.tokens.len() - sequence.computed).min(*budget);
            let wanted = self.pool.blocks_for(sequence.computed + share) - sequence.blocks.len();
            if let Some(blocks) = self.pool.give_out(wanted) {
                self.running[place].blocks.extend(blocks);
                shares.push(share);
                *budget -= share;
            } else {
                self.preempt_youngest();
                preempted = true;
            }
        }
        preempted
    }

    fn preempt_youngest(&mut self) {
        let Some(mut sequence) = self.running.pop() else {
            return;
        };
        self.pool.release(&sequence.blocks);
        sequence.blocks.clear();
        sequence.computed = 0;
        sequence.remembered = 0;
        self.counts.preemptions += 1;
        self.preempted.push(sequence.id);
        self.waiting.push_front(sequence);
    }

    fn admit_waiting(
        &mut self,
        budget: &mut usize,
        shares: &mut Vec<usize>,
        events: &mut Vec<Event>,
    ) {
        // A running sequence that got no share means that the budget is spent.
        while *budget > 0 && self.running.len() < self.limits.max_num_seqs {
            let Some(sequence) = self.waiting.front() else {
                break;
            };
            let prefix = self
                .pool
                .longest_prefix(&sequence.hashes, sequence.tokens.len());
            let cached = prefix.len() * self.pool.block_size();
            let remaining = sequence.tokens.len() - cached;
            let share = match self.limits.chunked {
                ChunkedPrefill::On => remaining.min(*budget),
                ChunkedPrefill::Off if remaining > *budget => break,
                ChunkedPrefill::Off => remaining,
            };
            let wanted = self.pool.blocks_for(cached + share) - prefix.len();
            if !self.pool.has_room(&prefix, wanted) {
                break;
            }
            self.pool.take_over(&prefix);
            let fresh = self
                .pool
                .give_out(wanted)
                .expect("has_room has counted these blocks");
            let mut sequence = self.waiting.pop_front().expect("the queue has a front");
            if !sequence.counted {
                sequence.counted = true;
                if self.pool.caching() == PrefixCaching::On {
                    let whole = sequence.tokens.len() / self.pool.block_size();
                    self.counts.prefix_queries += sequence.tokens.len() as u64;
                    self.counts.prefix_hits += cached as u64;
                    self.counts.prefix_queried_blocks += whole as u64;
                    self.counts.prefix_hit_blocks += prefix.len() as u64;
                }
                events.push(Event::Admitted {
                    id: sequence.id,
                    cached_tokens: cached,
                });
            }
            sequence.computed = cached;
            sequence.remembered = prefix.len();
            sequence.blocks = prefix;
            sequence.blocks.extend(fresh);
            self.remember(&mut sequence, cached + share);
            self.running.push(sequence);
            shares.push(share);
            *budget -= share;
        }
    }

    fn time_of(&self, shares: &[usize]) -> Duration {
        let (mut prefill, mut decoding) = (0, 0_u32);
        for (sequence, share) in self.running.iter().zip(shares) {
            if sequence.said_something && sequence.computed + 1 == sequence.tokens.len() {
                decoding += 1;
            } else {
                prefill += share;
            }
        }
        let token = 1.0 / self.speed.decode_tokens_per_second;
        let mut seconds = prefill as f64 / self.speed.prefill_tokens_per_second;
        if decoding > 0 {
            seconds += token * (1.0 + BATCH_SLOWDOWN * f64::from(decoding - 1));
        }
        Duration::from_secs_f64(seconds.max(token))
    }

    fn compute(&mut self, shares: &[usize], events: &mut Vec<Event>) {
        let mut running = std::mem::take(&mut self.running);
        for (sequence, share) in running.iter_mut().zip(shares) {
            sequence.computed += share;
            let computed = sequence.computed;
            self.remember(sequence, computed);
            if computed == sequence.tokens.len()
                && let Some(token) = sequence.unsaid.pop_front()
            {
                sequence.tokens.push(token);
                sequence.said_something = true;
                let last = sequence.unsaid.is_empty();
                events.push(Event::Token {
                    id: sequence.id,
                    token,
                    last,
                });
            }
        }
        running.retain(|sequence| {
            let done = sequence.unsaid.is_empty();
            if done {
                self.pool.release(&sequence.blocks);
            }
            !done
        });
        self.running = running;
    }

    /// Makes the blocks that `computed` tokens fill known. vLLM does so when it schedules a
    /// step, so that a request that is admitted in the same step already finds them.
    fn remember(&mut self, sequence: &mut Sequence, computed: usize) {
        let full = computed / self.pool.block_size();
        if full > sequence.remembered {
            extend_hashes(
                &mut sequence.hashes,
                &sequence.tokens,
                self.pool.block_size(),
            );
            let new = sequence.remembered..full;
            self.pool
                .remember(&sequence.blocks[new.clone()], &sequence.hashes[new]);
            sequence.remembered = full;
        }
    }
}

#[cfg(test)]
#[path = "scheduler_tests.rs"]
mod tests;
