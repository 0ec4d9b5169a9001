//! `gridrun resume [RUN_DIR]`.

use crate::cli::args::ResumeArgs;
use crate::cli::{execute, run_dir};
use crate::exit::Exit;

pub(super) fn resume(args: &ResumeArgs) -> anyhow::Result<Exit> {
    let dir = match &args.run_dir {
        Some(path) => run_dir::named(path)?,
        None => run_dir::latest_unfinished(&args.output.results)?,
    };
    execute::go_on(dir, &args.output)
}
