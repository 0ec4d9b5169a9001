//! `gridrun resume [RUN_DIR]`.

use anyhow::Context;

use crate::cli::args::ResumeArgs;
use crate::cli::{execute, nightly, run_dir};
use crate::exit::Exit;
use crate::store::layout::RunDir;
use crate::store::record;
use crate::store::throne::Throne;

pub(super) fn resume(args: &ResumeArgs) -> anyhow::Result<Exit> {
    let dir = match &args.run_dir {
        Some(path) => run_dir::named(path)?,
        None => run_dir::latest_unfinished(&args.output.results)?,
    };
    let root = std::path::absolute(dir.root()).context("cannot tell where the run lies")?;
    let dir = RunDir::at(root);
    if record::read(&dir)?.manifest.night.is_none() {
        return execute::go_on(dir, &args.output);
    }
    let experiment = dir.root().parent().unwrap_or(dir.root());
    let _night = Throne::at(experiment.to_owned()).lock_night()?;
    let exit = execute::go_on(dir.clone(), &args.output)?;
    nightly::ended(exit, &dir, args.output.format)?;
    Ok(exit)
}
