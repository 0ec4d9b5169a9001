//! `gridrun resume [RUN_DIR]`.

use std::io::Write;
use std::path::Path;

use crate::cli::args::ResumeArgs;
use crate::cli::execute;
use crate::cli::fault::BadInput;
use crate::exit::Exit;
use crate::manifest::RunEnding;
use crate::store::layout::{RunDir, runs};
use crate::store::record;

pub(super) fn resume(args: &ResumeArgs) -> anyhow::Result<Exit> {
    let dir = match &args.run_dir {
        Some(path) => named(path)?,
        None => latest_unfinished(&args.output.results)?,
    };
    execute::go_on(dir, &args.output)
}

/// The run directory that the user names.
pub(super) fn named(path: &Path) -> anyhow::Result<RunDir> {
    let dir = RunDir::at(path.to_owned());
    if dir.manifest().is_file() {
        Ok(dir)
    } else {
        let why = format!(
            "{} is not a run directory: it has no run.json (one looks like results/EXPERIMENT/20261124T044826Z-3f9a)",
            path.display()
        );
        Err(BadInput(why).into())
    }
}

fn latest_unfinished(results: &Path) -> anyhow::Result<RunDir> {
    for dir in runs(results).into_iter().rev() {
        match record::read(&dir) {
            Ok(run) if matches!(run.ending, RunEnding::Complete { .. }) => {}
            Ok(_) => return Ok(dir),
            // Another version's run, or a damaged one, is no reason not to find an older one.
            Err(error) => {
                let _ = writeln!(std::io::stderr(), "passed over: {error}");
            }
        }
    }
    Err(BadInput(format!("no unfinished run under {}", results.display())).into())
}
