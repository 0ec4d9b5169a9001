//! The program as a user runs it: one file per verb, over one folder builder.

mod check;
mod clean;
mod compare;
mod consolidate;
mod diagnose;
mod doctor;
mod folder;
mod list;
mod load;
mod man;
mod nightly;
mod pack;
mod plan;
mod rank;
mod rehearse;
mod replay;
mod report;
mod resume;
mod reuse;
mod run;
mod sampling;
mod scenario;
#[path = "../scenarios/mod.rs"]
#[allow(dead_code, reason = "the tests in Docker use the rest of it")]
mod scenarios;
mod schedule;
mod schema;
mod stand_in;
mod stored;
mod throne;
mod tools;
mod workload;
