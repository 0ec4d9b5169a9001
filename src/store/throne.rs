//! The champion in force on disk: `champion.toml` for whoever wants the flags, and
//! `reigns.jsonl`, which only grows and decides.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::champion::reign::{self, Reign};
use crate::runner::ports::StoreError;
use crate::store::durable;
use crate::store::lock::{self, Lock, LockError};

/// The folder of an experiment under `results/`.
#[derive(Debug, Clone)]
pub struct Throne {
    root: PathBuf,
}

impl Throne {
    pub fn at(root: PathBuf) -> Self {
        Self { root }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The champion in force.
    pub fn champion(&self) -> PathBuf {
        self.root.join("champion.toml")
    }

    pub fn reigns(&self) -> PathBuf {
        self.root.join("reigns.jsonl")
    }

    /// Every start of every night.
    pub fn history(&self) -> PathBuf {
        self.root.join("history.parquet")
    }

    /// Whoever changes who reigns holds it.
    ///
    /// # Errors
    /// When another one does.
    pub fn lock(&self) -> Result<Lock, LockError> {
        lock::lock_run(&self.root.join("reigns.lock"))
    }

    /// One night at a time.
    ///
    /// # Errors
    /// When another one goes on.
    pub fn lock_night(&self) -> Result<Lock, LockError> {
        lock::lock_run(&self.root.join("night.lock"))
    }

    /// All reigns, oldest first. A torn last line did not happen.
    ///
    /// # Errors
    /// When the list cannot be read, or is of another version.
    pub fn read(&self) -> Result<Vec<Reign>, StoreError> {
        let path = self.reigns();
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(durable::failed("cannot read", &path, error)),
        };
        let mut reigns = Vec::new();
        let whole = whole_lines(&bytes);
        for (number, line) in bytes[..whole].split(|byte| *byte == b'\n').enumerate() {
            if line.is_empty() {
                continue;
            }
            let reign: Reign = serde_json::from_slice(line).map_err(|error| StoreError {
                what: format!("line {} is no reign:", number + 1),
                path: path.clone(),
                source: Box::new(error),
            })?;
            if reign.format != Reign::FORMAT {
                return Err(StoreError {
                    what: format!("format {} in", reign.format),
                    path,
                    source: format!("this gridrun reads format {}", Reign::FORMAT).into(),
                });
            }
            reigns.push(reign);
        }
        Ok(reigns)
    }

    /// Adds a line and writes `champion.toml` anew. The line decides: where the process dies in
    /// between, the next change or [`Throne::mend`] puts the file right.
    ///
    /// # Errors
    /// When either cannot be written.
    pub fn add(&self, reign: &Reign) -> Result<(), StoreError> {
        let path = self.reigns();
        let mut line = serde_json::to_vec(reign).expect("a reign is plain data");
        line.push(b'\n');
        let append = || -> std::io::Result<()> {
            let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
            let whole = whole_lines(&std::fs::read(&path)?);
            file.set_len(whole as u64)?;
            if let Err(error) = file.write_all(&line).and_then(|()| file.sync_all()) {
                // Half a line must not stand in front of the next one.
                let _ = file.set_len(whole as u64);
                return Err(error);
            }
            durable::sync_folder(&self.root)
        };
        append().map_err(|source| durable::failed("cannot write", &path, source))?;
        self.mend()
    }

    /// Makes `champion.toml` what the list says.
    ///
    /// # Errors
    /// When the list cannot be read or the file not be written.
    pub fn mend(&self) -> Result<(), StoreError> {
        let reigns = self.read()?;
        let Some(champion) = reign::reigning(&reigns) else {
            return Ok(());
        };
        let text = champion.toml();
        let path = self.champion();
        match std::fs::read_to_string(&path) {
            Ok(there) if there == text => Ok(()),
            _ => durable::write(&path, text.as_bytes()),
        }
    }
}

fn whole_lines(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::champion::reign::By;
    use crate::champion::select::{Claim, select};
    use crate::champion::text::Champion;
    use crate::decide::fixture::{self, Numbers};

    fn promote(throne: &Throne, cell: &str) -> Reign {
        let record = fixture::record(vec![fixture::measured(cell, 1, Numbers::new(900.0, 80.0))]);
        let champion = select(&record, Claim::AcceptLeader).unwrap();
        let at = jiff::Timestamp::UNIX_EPOCH;
        let reigns = throne.read().unwrap();
        let reign = Reign::promote(&reigns, champion, By::Hand, at)
            .unwrap()
            .unwrap();
        throne.add(&reign).unwrap();
        reign
    }

    fn in_force(throne: &Throne) -> String {
        let text = std::fs::read_to_string(throne.champion()).unwrap();
        Champion::read(&text).unwrap().cell
    }

    #[test]
    fn the_file_follows_the_list_also_back() {
        let folder = tempfile::tempdir().unwrap();
        let throne = Throne::at(folder.path().to_owned());
        assert!(throne.read().unwrap().is_empty());
        promote(&throne, "a");
        promote(&throne, "b");
        assert_eq!(in_force(&throne), "b");
        let back = Reign::roll_back(&throne.read().unwrap(), jiff::Timestamp::UNIX_EPOCH);
        throne.add(&back.unwrap()).unwrap();
        assert_eq!(in_force(&throne), "a");
        assert_eq!(throne.read().unwrap().len(), 3);
    }

    #[test]
    fn a_torn_line_did_not_happen_and_stands_in_front_of_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let throne = Throne::at(folder.path().to_owned());
        promote(&throne, "a");
        let mut file = OpenOptions::new()
            .append(true)
            .open(throne.reigns())
            .unwrap();
        file.write_all(b"{\"format\":1,\"at\"").unwrap();
        assert_eq!(throne.read().unwrap().len(), 1);
        promote(&throne, "b");
        assert_eq!(throne.read().unwrap().len(), 2);
        std::fs::write(throne.champion(), "edited by hand").unwrap();
        throne.mend().unwrap();
        assert_eq!(in_force(&throne), "b");
    }
}
