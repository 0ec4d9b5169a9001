//! How often a parser of tool calls read an answer, and found calls in it.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::stand_in::engine::metrics::exposition::{Page, Sample};

/// What a parser is given at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// A piece of an answer that is streamed.
    Piece,
    /// A whole answer.
    Whole,
}

/// Counts of many threads.
#[derive(Debug)]
pub struct Parsing {
    /// For each of [`Read`], in their order: with calls, without.
    counts: [[AtomicU64; 2]; 2],
    created: f64,
}

impl Parsing {
    /// Counts from `created` on, in seconds since 1970.
    pub fn new(created: f64) -> Self {
        Self {
            counts: Default::default(),
            created,
        }
    }

    /// A parser was given something, and found calls in it or not.
    pub fn count(&self, read: Read, called: bool) {
        self.counts[read as usize][usize::from(!called)].fetch_add(1, Ordering::Relaxed);
    }

    /// Writes what was counted, which comes last on a page.
    pub(super) fn write(&self, page: &mut Page, model_name: &str) {
        let mut samples = Vec::new();
        for (mode, counts) in ["streaming", "non_streaming"].iter().zip(&self.counts) {
            for (outcome, count) in ["tool_call", "no_tool_call"].iter().zip(counts) {
                // Only chats have tools here.
                let chats = count.load(Ordering::Relaxed);
                for (kind, count) in [("chat_completions", chats), ("responses", 0), ("other", 0)] {
                    samples.push(Sample {
                        labels: vec![
                            ("mode", (*mode).to_owned()),
                            ("model_name", model_name.to_owned()),
                            ("outcome", (*outcome).to_owned()),
                            ("request_type", kind.to_owned()),
                        ],
                        value: count as f64,
                        created: self.created,
                    });
                }
            }
        }
        page.counter(
            "vllm:tool_call_parser_invocations",
            "Total number of ToolParser invocations. Non-streaming increments once per choice; \
             streaming increments once per delta.",
            &samples,
        );
    }
}
