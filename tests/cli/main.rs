//! The program as a user runs it: one file per verb, over one folder builder.

mod check;
mod clean;
mod diagnose;
mod folder;
mod man;
mod plan;
mod rehearse;
mod report;
mod resume;
mod run;
mod schema;
