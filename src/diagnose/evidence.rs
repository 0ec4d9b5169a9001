//! What is known about an engine's end.

use std::time::Duration;

use crate::diagnose::class::Phase;
use crate::measure::memory::MemorySample;
use crate::measure::sample::CardMemory;
use crate::spec::flag::FlagValue;

/// Everything that a diagnosis may use. Fields that nobody knows are `None`, never guessed.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// The engine's log, or what is left of it: any length, any age of vLLM, any decoration.
    pub log: &'a str,
    pub exit_code: Option<i64>,
    /// Docker's `State.OOMKilled`.
    pub oom_killed: Option<bool>,
    /// The runtime's own words when it could not start the engine.
    pub runtime_error: Option<&'a str>,
    /// Where the observer knows that the engine was; `None` lets the log decide.
    pub phase: Option<Phase>,
    /// What the observer saw of its service; `None` lets the log decide.
    pub service: Option<Service>,
    /// Readings of its memory from start to end, in order; empty where nobody looked.
    pub memory: &'a [MemorySample],
    /// The memory of its GPUs when they were last looked at; empty where nobody looked.
    pub gpu_memory: &'a [CardMemory],
    /// Flags that the experiment varies for this cell, by long name: an argument error about
    /// one of them is the cell's own making, about any other the profile's.
    pub varied_flags: &'a [&'a str],
    /// What the engine was given, by long name, where that is known: advice quotes it.
    pub flags: &'a [(&'a str, &'a FlagValue)],
}

/// What an observer saw of a serving engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    /// From ready to the death.
    pub lasted: Duration,
    /// Requests of workloads that were answered in full; what proved it ready does not count.
    pub n_answered: u64,
}

impl<'a> Evidence<'a> {
    /// A log, and nothing else is known.
    pub fn of(log: &'a str) -> Self {
        Self {
            log,
            exit_code: None,
            oom_killed: None,
            runtime_error: None,
            phase: None,
            service: None,
            memory: &[],
            gpu_memory: &[],
            varied_flags: &[],
            flags: &[],
        }
    }
}
