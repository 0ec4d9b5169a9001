//! The program as a user runs it, with Docker. Where no Docker is reachable, every test that
//! needs it says so and passes.

mod bench;
mod daemon;
#[path = "../cli/folder.rs"]
#[allow(dead_code, reason = "the tests without Docker use the rest of it")]
mod folder;
mod house;
mod program;
mod turn;

mod clean;
mod death;
mod interrupt;
mod production;
mod production_refused;
mod resume;
mod run;
mod scenario;
#[path = "../scenarios/mod.rs"]
#[allow(dead_code, reason = "the tests without Docker use the rest of it")]
mod scenarios;
mod unprepared;
