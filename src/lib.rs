//! gridrun: a declarative grid search over vLLM flags.
//!
//! `docs/ARCHITECTURE.md` is the map: a pure core at the top, the runner that knows only traits
//! in the middle, the edges to the outside world below, the command line around them.

// Core: no I/O, no clock, no async.
pub mod attest;
pub mod diagnose;
pub mod id;
pub mod manifest;
pub mod matrix;
pub mod measure;
pub mod outcome;
pub mod spec;

// Runner.
pub mod runner;
