//! The imagined GPU and what runs on it: memory, prefix cache, scheduler, clock, counters.

pub mod alarm;
pub mod cache;
pub mod clock;
pub mod memory;
pub mod metrics;
pub mod scheduler;
pub mod time;
