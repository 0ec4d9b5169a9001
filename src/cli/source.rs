//! Reads what the user brings: the experiment and the profile that it names, a scenario, which it
//! checks, and tables of recorded attempts.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cli::fault::BadInput;
use crate::decide::replay::RawTable;
use crate::plan::check::{Checked, Rejected, check};
use crate::spec;
use crate::spec::diagnostic::{Diagnostic, Source};
use crate::spec::scenario::Scenario;
use crate::store::parquet;

/// Reads a table, CSV or Parquet.
///
/// # Errors
/// When it cannot be read or is no table: the user's mistake.
pub(super) fn table(file: &Path) -> Result<RawTable, BadInput> {
    parquet::table(file).map_err(|error| BadInput(format!("{:#}", anyhow::Error::new(error))))
}

/// Reads and checks an experiment with its profile.
///
/// # Errors
/// When the experiment file itself cannot be read; everything else is a finding.
pub(super) fn load(file: &Path) -> anyhow::Result<Result<Checked, Rejected>> {
    let source = read(file, "experiment")?;
    let loaded = spec::load_with(
        source,
        &mut |profile| find_profile(file, profile),
        &mut |path| find_data(file, path),
    );
    Ok(check(loaded))
}

/// A scenario file with what is wrong with it.
pub(super) struct FoundScenario {
    /// `None` when anything is.
    pub scenario: Option<Scenario>,
    pub source: Source,
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads and checks a scenario.
///
/// # Errors
/// When the file itself cannot be read; everything else is a finding.
pub(super) fn load_scenario(file: &Path) -> anyhow::Result<FoundScenario> {
    let source = read(file, "scenario")?;
    let loaded = spec::load_scenario(&source);
    Ok(FoundScenario {
        scenario: loaded.scenario,
        source,
        diagnostics: loaded.diagnostics,
    })
}

fn read(file: &Path, what: &str) -> Result<Source, BadInput> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        BadInput(format!(
            "cannot read the {what} file {}: {error}",
            file.display()
        ))
    })?;
    Ok(Source {
        path: file.display().to_string(),
        text: Arc::from(text),
    })
}

/// A name means `profiles/NAME.toml` in the nearest folder above the experiment that has one; a
/// path is taken from the experiment's own folder.
fn find_profile(experiment: &Path, profile: &str) -> Result<Source, String> {
    let folder = folder_of(experiment);
    let path = if profile.contains('/') || profile.ends_with(".toml") {
        folder.join(profile)
    } else {
        nearest(&folder, profile)?
    };
    read_text(&path)
}

/// A path is taken from the experiment's own folder.
fn find_data(experiment: &Path, path: &str) -> Result<Source, String> {
    let path = tidy(&folder_of(experiment).join(path));
    read_text(&path)
}

fn folder_of(experiment: &Path) -> PathBuf {
    match experiment.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn read_text(path: &Path) -> Result<Source, String> {
    std::fs::read_to_string(path)
        .map(|text| Source {
            path: path.display().to_string(),
            text: Arc::from(text),
        })
        .map_err(|error| format!("cannot read {}: {error}", path.display()))
}

fn nearest(folder: &Path, profile: &str) -> Result<PathBuf, String> {
    let absolute = std::path::absolute(folder).map_err(|error| error.to_string())?;
    let file = format!("{profile}.toml");
    let mut seen = Vec::new();
    for (steps, ancestor) in absolute.ancestors().enumerate() {
        let profiles = ancestor.join("profiles");
        if profiles.join(&file).is_file() {
            // As the user would write it, not as an absolute path.
            let up: PathBuf = std::iter::repeat_n("..", steps).collect();
            let relative = folder.join(up).join("profiles").join(&file);
            return Ok(tidy(&relative));
        }
        if profiles.is_dir() {
            seen.extend(names(&profiles));
        }
    }
    seen.sort();
    seen.dedup();
    Err(match seen.as_slice() {
        [] => format!(
            "no folder above {} has a profiles/ folder with {file}",
            folder.display()
        ),
        names => format!(
            "no profiles/{file} above {}; there are: {}",
            folder.display(),
            names.join(", ")
        ),
    })
}

/// `experiments/../profiles/x.toml` is `profiles/x.toml`.
fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for component in path.components() {
        match component {
            std::path::Component::ParentDir
                if matches!(
                    tidy.components().next_back(),
                    Some(std::path::Component::Normal(_))
                ) =>
            {
                tidy.pop();
            }
            std::path::Component::CurDir if tidy.as_os_str().is_empty() => {}
            other => tidy.push(other),
        }
    }
    tidy
}

fn names(profiles: &Path) -> Vec<String> {
    std::fs::read_dir(profiles)
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .filter_map(|path| {
            path.file_stem()
                .map(|stem| stem.to_string_lossy().into_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_found_in_the_nearest_ancestor_and_named_shortly() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("experiments/deep")).unwrap();
        std::fs::create_dir_all(root.path().join("profiles")).unwrap();
        std::fs::write(root.path().join("profiles/medium.toml"), "x").unwrap();
        let found = find_profile(&root.path().join("experiments/deep/e.toml"), "medium").unwrap();
        assert_eq!(
            found.path,
            root.path()
                .join("profiles/medium.toml")
                .display()
                .to_string()
        );
        let missing =
            find_profile(&root.path().join("experiments/deep/e.toml"), "large").unwrap_err();
        assert!(missing.contains("there are: medium"), "{missing}");
    }
}
