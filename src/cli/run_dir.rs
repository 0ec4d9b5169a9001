//! Which run directory a command means: the one that the user names, else the latest that fits.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::cli::fault::BadInput;
use crate::manifest::RunEnding;
use crate::store::layout::{RunDir, runs};
use crate::store::record;

/// The run directory at `path`.
///
/// # Errors
/// When it is none.
pub(super) fn named(path: &Path) -> Result<RunDir, BadInput> {
    let dir = RunDir::at(path.to_owned());
    if dir.manifest().is_file() {
        Ok(dir)
    } else {
        let instead = match latest_in(path) {
            Some(latest) => format!("the latest in it is {}", latest.display()),
            None => "one looks like results/EXPERIMENT/20261124T044826Z-3f9a".to_owned(),
        };
        Err(BadInput(format!(
            "{} is not a run directory: it has no run.json ({instead})",
            path.display()
        )))
    }
}

/// The latest run in the folder of an experiment: run directories sort by time.
fn latest_in(experiment: &Path) -> Option<PathBuf> {
    std::fs::read_dir(experiment)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| RunDir::at(path.clone()).manifest().is_file())
        .max()
}

/// The latest run under `results`.
///
/// # Errors
/// When there is none.
pub(super) fn latest(results: &Path) -> Result<RunDir, BadInput> {
    runs(results)
        .pop()
        .ok_or_else(|| BadInput(format!("no run under {}", results.display())))
}

/// The latest run under `results` that is not complete.
///
/// # Errors
/// When there is none.
pub(super) fn latest_unfinished(results: &Path) -> Result<RunDir, BadInput> {
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
    Err(BadInput(format!(
        "no unfinished run under {}",
        results.display()
    )))
}
