//! Where everything lies under `results/`: one folder per experiment, one per run in it, one
//! per attempt in that.

use std::path::{Path, PathBuf};

use crate::id::{AttemptId, RunId};

/// The folder of one run, and the names of the files in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDir {
    root: PathBuf,
}

impl RunDir {
    /// `results/<experiment>/<run>`.
    pub fn new(results: &Path, experiment: &str, run: &RunId) -> Self {
        Self {
            root: results.join(experiment).join(run.as_str()),
        }
    }

    /// A run directory that is there already.
    pub fn at(root: PathBuf) -> Self {
        Self { root }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn manifest(&self) -> PathBuf {
        self.root.join("run.json")
    }

    pub fn journal(&self) -> PathBuf {
        self.root.join("journal.jsonl")
    }

    pub fn lock(&self) -> PathBuf {
        self.root.join("run.lock")
    }

    pub fn prompts(&self) -> PathBuf {
        self.root.join("prompts.json")
    }

    /// SHA-256 of `prompts.json`, to notice that somebody changed it.
    pub fn prompts_hash(&self) -> PathBuf {
        self.root.join("prompts.json.sha256")
    }

    pub fn attempt(&self, attempt: &AttemptId) -> PathBuf {
        self.root.join("attempts").join(attempt.to_string())
    }

    pub fn engine_log(&self, attempt: &AttemptId) -> PathBuf {
        self.attempt(attempt).join("engine.log")
    }

    /// Parts count from 0; only a long attempt has more than that one.
    pub fn requests(&self, attempt: &AttemptId, part: u32) -> PathBuf {
        let name = match part {
            0 => "requests.parquet".to_owned(),
            part => format!("requests.{part}.parquet"),
        };
        self.attempt(attempt).join(name)
    }

    /// Parts count from 0; only a long attempt has more than that one.
    pub fn samples(&self, attempt: &AttemptId, part: u32) -> PathBuf {
        let name = match part {
            0 => "samples.parquet".to_owned(),
            part => format!("samples.{part}.parquet"),
        };
        self.attempt(attempt).join(name)
    }

    pub fn profiling(&self, attempt: &AttemptId) -> PathBuf {
        self.attempt(attempt).join("gpu_profiling.json")
    }

    pub fn metrics(&self, attempt: &AttemptId) -> PathBuf {
        self.attempt(attempt).join("metrics.prom")
    }

    /// What was brought from elsewhere.
    pub fn imported(&self) -> PathBuf {
        self.root.join("imported.json")
    }

    /// The figures of the report.
    pub fn figures(&self) -> PathBuf {
        self.root.join("figures")
    }

    pub fn report(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }
}

/// Every run directory under `results/`, oldest first (run ids sort by time). A folder counts
/// as one when it holds a `run.json`.
pub fn runs(results: &Path) -> Vec<RunDir> {
    let mut found: Vec<RunDir> = folders(results)
        .flat_map(|experiment| runs_of(&experiment))
        .collect();
    found.sort_by(|a, b| a.root.file_name().cmp(&b.root.file_name()));
    found
}

/// The same under the folder of one experiment.
pub fn runs_of(experiment: &Path) -> Vec<RunDir> {
    let mut found: Vec<RunDir> = folders(experiment)
        .map(RunDir::at)
        .filter(|run| run.manifest().is_file())
        .collect();
    found.sort_by(|a, b| a.root.cmp(&b.root));
    found
}

/// The folders in a folder; none where it cannot be read.
pub fn folders(path: &Path) -> impl Iterator<Item = PathBuf> {
    std::fs::read_dir(path)
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
}
