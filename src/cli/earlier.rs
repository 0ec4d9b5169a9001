//! Earlier runs of an experiment whose numbers may stand beside those of a new one.

use crate::decide::pool::differences;
use crate::manifest::{Manifest, RunRecord};
use crate::store::layout::RunDir;
use crate::store::record;

/// How many are looked at: what is older says little of tonight.
const RUNS: usize = 10;

/// When this program was built: what stand-ins did before that, other ones did.
fn built() -> Option<jiff::Timestamp> {
    let file = std::env::current_exe().ok()?.metadata().ok()?;
    file.modified().ok()?.try_into().ok()
}

/// The latest runs beside `dir` that began before this one and measured the same on the same
/// ground, the latest first. What cannot be read is no reason not to begin a run.
pub(super) fn comparable(dir: &RunDir, manifest: &Manifest) -> Vec<RunRecord> {
    let Some(experiment) = dir.root().parent() else {
        return Vec::new();
    };
    let folders = std::fs::read_dir(experiment).into_iter().flatten();
    let mut dirs: Vec<RunDir> = folders
        .filter_map(|folder| Some(RunDir::at(folder.ok()?.path())))
        .filter(|other| other.manifest().is_file())
        .collect();
    let since = built().filter(|_| manifest.is_stand_in());
    // Names of runs sort by time.
    dirs.sort_by(|a, b| b.root().cmp(a.root()));
    dirs.iter()
        .filter_map(|dir| record::read(dir).ok())
        .filter(|other| {
            other.manifest.started_at < manifest.started_at
                && since.is_none_or(|since| other.manifest.started_at >= since)
                && differences(&other.manifest, manifest).is_empty()
        })
        .take(RUNS)
        .collect()
}
