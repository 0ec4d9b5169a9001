//! The promises to give production back, and how long its last starts took: files that outlive
//! a reboot, of which the next process of this user finds every one.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::guard::stay::Taken;
use crate::id::sha256_hex;
use crate::runner::guard::Records;
use crate::runner::ports::StoreError;
use crate::store::durable;
use crate::store::lock::{Lock, LockError, lock_production};

/// Where the promises of this user lie.
#[derive(Debug, Clone)]
pub struct GuardFolder {
    root: PathBuf,
}

impl GuardFolder {
    pub fn at(root: PathBuf) -> Self {
        Self { root }
    }

    /// `$GRIDRUN_STATE`; else `/var/lib/gridrun` for root, and `gridrun` in `$XDG_STATE_HOME` or
    /// in `~/.local/state` for everybody else. `None` where no home is known.
    pub fn known() -> Option<Self> {
        let set = |name: &str| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        if let Some(root) = set("GRIDRUN_STATE") {
            return Some(Self::at(root));
        }
        if rustix::process::geteuid().is_root() {
            return Some(Self::at(PathBuf::from("/var/lib/gridrun")));
        }
        let state = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")))?;
        Some(Self::at(state.join("gridrun")))
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The lock of a production: whoever holds it looks after it.
    ///
    /// # Errors
    /// When another process does.
    pub fn lock(&self, name: &str) -> Result<Lock, LockError> {
        let make = |source| LockError::Io {
            path: self.root.clone(),
            source,
        };
        std::fs::create_dir_all(&self.root).map_err(make)?;
        lock_production(&self.root.join(format!("{}.lock", stem(name))), name)
    }

    /// Every promise that was not kept yet.
    ///
    /// # Errors
    /// When one cannot be read: somebody must look at it.
    pub fn promises(&self) -> Result<Vec<Taken>, StoreError> {
        let mut promises = Vec::new();
        for entry in std::fs::read_dir(&self.root)
            .into_iter()
            .flatten()
            .flatten()
        {
            let path = entry.path();
            let is_promise = entry
                .file_name()
                .to_str()
                .is_some_and(|name| name.starts_with("production-") && name.ends_with(".json"));
            if is_promise {
                promises.push(read(&path)?);
            }
        }
        promises.sort_by_key(|taken| taken.at);
        Ok(promises)
    }

    /// How long the last proved start took.
    pub fn last_start(&self, name: &str) -> Option<Duration> {
        let text = std::fs::read_to_string(self.start_file(name)).ok()?;
        Duration::try_from_secs_f64(text.trim().parse().ok()?).ok()
    }

    /// Keeps how long a start took. Nothing is lost where it cannot be kept but an estimate.
    pub fn learn(&self, name: &str, took: Duration) {
        let text = format!("{:.3}\n", took.as_secs_f64());
        let _ = durable::write(&self.start_file(name), text.as_bytes());
    }

    fn promise(&self, taken: &Taken) -> PathBuf {
        self.root.join(format!("{}.json", stem(&taken.name)))
    }

    fn start_file(&self, name: &str) -> PathBuf {
        self.root.join(format!("{}.start", stem(name)))
    }
}

/// Names of containers are safe in paths, but for those of other engines than Docker nobody
/// knows.
fn stem(name: &str) -> String {
    let safe: String = name
        .chars()
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '_' | '-' => c,
            _ => '_',
        })
        .collect();
    let hash = &sha256_hex(name.as_bytes())[..8];
    format!("production-{safe}-{hash}")
}

fn read(path: &Path) -> Result<Taken, StoreError> {
    let unusable = |source: Box<dyn std::error::Error + Send + Sync>| StoreError {
        what: "cannot use the record of a stopped production".to_owned(),
        path: path.to_owned(),
        source,
    };
    let bytes =
        std::fs::read(path).map_err(|source| durable::failed("cannot read", path, source))?;
    let taken: Taken = serde_json::from_slice(&bytes).map_err(|error| unusable(error.into()))?;
    if taken.format != Taken::FORMAT {
        let why = format!(
            "format {}; this gridrun reads {}",
            taken.format,
            Taken::FORMAT
        );
        return Err(unusable(why.into()));
    }
    Ok(taken)
}

impl Records for GuardFolder {
    fn keep(&self, taken: &Taken) -> Result<(), StoreError> {
        durable::make_folder(&self.root)?;
        let mut bytes = serde_json::to_vec_pretty(taken).expect("a record is plain data");
        bytes.push(b'\n');
        durable::write(&self.promise(taken), &bytes)
    }

    fn forget(&self, taken: &Taken) -> Result<(), StoreError> {
        let path = self.promise(taken);
        match std::fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(durable::failed("cannot remove", &path, error)),
        }
        // Removing needs no room; that it is durable matters little: a promise that comes back
        // finds a production that serves.
        let _ = File::open(&self.root).and_then(|folder| folder.sync_all());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(name: &str) -> Taken {
        Taken {
            format: Taken::FORMAT,
            at: jiff::Timestamp::UNIX_EPOCH,
            container: "c1".to_owned(),
            name: name.to_owned(),
            url: "http://127.0.0.1:1".to_owned(),
            api_key_env: Some("KEY".to_owned()),
            model: "m".to_owned(),
            patience: Duration::from_secs(60),
            run: "r".to_owned(),
        }
    }

    #[test]
    fn a_promise_is_found_until_it_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let guard = GuardFolder::at(folder.path().join("new"));
        assert_eq!(guard.promises().unwrap(), []);
        guard.keep(&taken("prod")).unwrap();
        guard.keep(&taken("../other/prod")).unwrap();
        assert_eq!(guard.promises().unwrap().len(), 2);
        guard.forget(&taken("prod")).unwrap();
        guard.forget(&taken("prod")).unwrap();
        assert_eq!(guard.promises().unwrap(), [taken("../other/prod")]);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_record_of_another_version_is_an_error_and_never_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let guard = GuardFolder::at(folder.path().to_owned());
        guard
            .keep(&Taken {
                format: 2,
                ..taken("prod")
            })
            .unwrap();
        assert!(guard.promises().is_err());
    }

    #[test]
    fn the_second_who_looks_after_a_production_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let guard = GuardFolder::at(folder.path().to_owned());
        let first = guard.lock("prod").unwrap();
        let error = guard.lock("prod").unwrap_err().to_string();
        assert!(error.contains("looks after production prod"), "{error}");
        drop(first);
        guard.lock("prod").unwrap();
    }

    #[test]
    fn the_last_start_is_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let guard = GuardFolder::at(folder.path().to_owned());
        assert_eq!(guard.last_start("prod"), None);
        guard.learn("prod", Duration::from_millis(12_500));
        assert_eq!(
            guard.last_start("prod"),
            Some(Duration::from_millis(12_500))
        );
    }
}
