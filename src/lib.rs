//! gridrun: a declarative grid search over vLLM flags.
//!
//! `docs/ARCHITECTURE.md` is the map: a pure core at the top, the runner that knows only traits
//! in the middle, the edges to the outside world below, the command line around them.

// The core: no I/O, no clock, no async.
pub mod attest;
pub mod champion;
pub mod decide;
pub mod diagnose;
pub mod doctor;
pub mod event;
pub mod guard;
pub mod id;
pub mod manifest;
pub mod matrix;
pub mod measure;
pub mod outcome;
pub mod pack;
pub mod plan;
pub mod random;
pub mod report;
pub mod spec;
pub mod time_scale;

// The runner: knows traits, not vendors.
pub mod runner;

// The edges: one outside world each.
pub mod gpu;
pub mod host;
pub mod load;
pub mod notify;
pub mod runtime;
pub mod stand_in;
pub mod store;
pub mod ui;

// The shell.
pub mod cli;
pub mod exit;
