//! The command line: one file per verb. Wires the edges to the runner.

mod args;
mod check;
mod clean;
mod compare;
mod completions;
mod consolidate;
mod diagnose;
mod display;
mod doctor;
mod earlier;
mod engine_choice;
mod execute;
mod fault;
mod guard;
mod host;
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
mod restore;
mod resume;
mod run;
mod run_dir;
mod schedule;
mod schema;
mod signals;
mod source;
mod stand_in;
mod throne;
mod watch;

pub use args::Cli;
pub use fault::{exit_of, reader_is_gone};

use crate::exit::Exit;

/// Carries a command out.
///
/// # Errors
/// When the command could not do its work; [`exit_of`] gives the exit code.
pub fn dispatch(cli: Cli) -> anyhow::Result<Exit> {
    match cli.into_verb() {
        args::Verb::Run(args) => run::run(&args),
        args::Verb::Check(args) => check::check(&args),
        args::Verb::Plan(args) => plan::plan(&args),
        args::Verb::Rehearse(args) => rehearse::rehearse(&args),
        args::Verb::Resume(args) => resume::resume(&args),
        args::Verb::Replay(args) => replay::replay(&args),
        args::Verb::Report(args) => report::report(&args),
        args::Verb::Nightly(args) => nightly::nightly(&args),
        args::Verb::Schedule(args) => schedule::schedule(&args),
        args::Verb::Pack(args) => pack::pack(&args),
        args::Verb::Promote(args) => throne::promote(&args),
        args::Verb::Rollback(args) => throne::rollback(&args),
        args::Verb::List(args) => list::list(&args),
        args::Verb::Compare(args) => compare::compare(&args),
        args::Verb::Consolidate(args) => consolidate::consolidate(&args),
        args::Verb::Rank(args) => rank::rank(&args),
        args::Verb::Diagnose(args) => diagnose::diagnose(&args),
        args::Verb::Load(args) => load::load(&args),
        args::Verb::Doctor(args) => doctor::doctor(&args),
        args::Verb::Restore(args) => restore::restore(&args),
        args::Verb::Clean(args) => clean::clean(&args),
        args::Verb::Schema(args) => schema::schema(&args),
        args::Verb::Completions(args) => completions::completions(&args),
        args::Verb::Man(args) => man::man(&args),
        args::Verb::StandIn(args) => stand_in::stand_in(args),
    }
}
