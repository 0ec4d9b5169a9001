//! The journal of a run: one JSON line per event, appended and synced. What is not in it did
//! not happen.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::event::RunEvent;
use crate::id::{AttemptId, sha256_hex};
use crate::measure::profiling::Profiling;
use crate::measure::prompt::PromptBook;
use crate::measure::request::Request;
use crate::measure::sample::SamplePart;
use crate::runner::ports::{Journal, StoreError};
use crate::store::layout::RunDir;
use crate::store::{durable, parquet};

/// The journal and the attempts' files of one run directory.
#[derive(Debug)]
pub struct FileJournal {
    dir: RunDir,
    file: File,
    /// Bytes that are whole lines. What is behind them after a failed write is cut off, so that
    /// later events do not run into half a line.
    whole: u64,
    /// The half line could not be cut off: nothing more may be written behind it.
    broken: bool,
}

impl FileJournal {
    /// Opens or makes the journal. A torn last line (the process or the machine died while it
    /// was written) is cut off: its event did not happen.
    ///
    /// # Errors
    /// When the file cannot be opened or mended.
    pub fn open(dir: RunDir) -> Result<Self, StoreError> {
        let path = dir.journal();
        let open = || -> std::io::Result<(File, u64)> {
            let file = OpenOptions::new().create(true).append(true).open(&path)?;
            let bytes = std::fs::read(&path)?;
            let whole = bytes
                .iter()
                .rposition(|byte| *byte == b'\n')
                .map_or(0, |at| at + 1);
            if whole < bytes.len() {
                file.set_len(whole as u64)?;
            }
            file.sync_all()?;
            durable::sync_folder(dir.root())?;
            Ok((file, whole as u64))
        };
        let (file, whole) =
            open().map_err(|source| durable::failed("cannot open", &path, source))?;
        Ok(Self {
            dir,
            file,
            whole,
            broken: false,
        })
    }

    pub fn dir(&self) -> &RunDir {
        &self.dir
    }
}

impl Journal for FileJournal {
    fn append(&mut self, event: &RunEvent) -> Result<(), StoreError> {
        let mut line = serde_json::to_vec(event).expect("an event is plain data");
        line.push(b'\n');
        let refused = || std::io::Error::other("an earlier event could not be written");
        let written = match self.broken {
            true => Err(refused()),
            false => self
                .file
                .write_all(&line)
                .and_then(|()| self.file.sync_data()),
        };
        match written {
            Ok(()) => {
                self.whole += line.len() as u64;
                Ok(())
            }
            Err(source) => {
                self.broken |= self.file.set_len(self.whole).is_err();
                Err(durable::failed("cannot write", &self.dir.journal(), source))
            }
        }
    }

    fn log_path(&mut self, attempt: &AttemptId) -> Result<PathBuf, StoreError> {
        let folder = self.dir.attempt(attempt);
        // Only an attempt that never settled can have left something under this number.
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(durable::failed("cannot clear", &folder, error));
            }
            Ok(()) | Err(_) => {}
        }
        durable::make_folder(&folder)?;
        Ok(self.dir.engine_log(attempt))
    }

    fn keep_requests(
        &mut self,
        attempt: &AttemptId,
        part: u32,
        requests: &[Request],
    ) -> Result<(), StoreError> {
        let path = self.dir.requests(attempt, part);
        durable::write(&path, &parquet::requests(requests, &path)?)
    }

    fn keep_samples(&mut self, attempt: &AttemptId, part: &SamplePart) -> Result<(), StoreError> {
        let path = self.dir.samples(attempt, part.number);
        durable::write(&path, &parquet::samples(part, &path)?)
    }

    fn keep_profiling(
        &mut self,
        attempt: &AttemptId,
        profiling: &Profiling,
    ) -> Result<(), StoreError> {
        let mut bytes = serde_json::to_vec_pretty(profiling).expect("a profiling is plain data");
        bytes.push(b'\n');
        durable::write(&self.dir.profiling(attempt), &bytes)
    }

    fn keep_metrics(&mut self, attempt: &AttemptId, text: &str) -> Result<(), StoreError> {
        durable::write(&self.dir.metrics(attempt), text.as_bytes())
    }

    fn prompts(&mut self) -> Result<Option<PromptBook>, StoreError> {
        let path = self.dir.prompts();
        let (bytes, hash) = match (
            std::fs::read(&path),
            std::fs::read_to_string(self.dir.prompts_hash()),
        ) {
            (Ok(bytes), Ok(hash)) => (bytes, hash),
            // Without its hash the file was never finished, and nothing was measured with it.
            (Err(error), _) | (_, Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(None);
            }
            (Err(error), _) | (_, Err(error)) => {
                return Err(durable::failed("cannot read", &path, error));
            }
        };
        if sha256_hex(&bytes) != hash.trim() {
            return Err(changed(
                &path,
                "it is not what this run wrote; start a new run",
            ));
        }
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| changed(&path, error))
    }

    fn keep_prompts(&mut self, book: &PromptBook) -> Result<(), StoreError> {
        let bytes = serde_json::to_vec_pretty(book).expect("a prompt book is plain data");
        durable::write(&self.dir.prompts(), &bytes)?;
        durable::write(
            &self.dir.prompts_hash(),
            format!("{}\n", sha256_hex(&bytes)).as_bytes(),
        )
    }
}

/// Every event of a journal's file, in order; a torn last line is left out, and a file that is
/// not there is a journal without events.
///
/// # Errors
/// When the file cannot be read, or a line other than the torn last one is not an event.
pub fn read(path: &Path) -> Result<Vec<RunEvent>, StoreError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(durable::failed("cannot read", path, error)),
    };
    parse(&bytes).map_err(|error| StoreError {
        what: format!("line {} is not an event of this version:", error.line),
        path: path.to_owned(),
        source: Box::new(error.source),
    })
}

/// A line of a journal that is no event.
#[derive(Debug, thiserror::Error)]
#[error("line {line} is not an event of this version")]
pub struct NotAnEvent {
    /// From 1.
    pub line: usize,
    #[source]
    pub source: serde_json::Error,
}

/// Every event of a journal, in order; a torn last line is left out.
///
/// # Errors
/// When a line other than the torn last one is not an event.
pub fn parse(bytes: &[u8]) -> Result<Vec<RunEvent>, NotAnEvent> {
    let whole = bytes
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    bytes[..whole]
        .split(|byte| *byte == b'\n')
        .enumerate()
        .filter(|(_, line)| !line.is_empty())
        .map(|(index, line)| {
            serde_json::from_slice(line).map_err(|source| NotAnEvent {
                line: index + 1,
                source,
            })
        })
        .collect()
}

fn changed(path: &Path, why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError {
        what: "cannot use".to_owned(),
        path: path.to_owned(),
        source: why.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventKind;

    fn event(text: &str) -> RunEvent {
        RunEvent {
            at: jiff::Timestamp::UNIX_EPOCH,
            elapsed_ms: 1.5,
            kind: EventKind::Notice {
                text: text.to_owned(),
            },
        }
    }

    fn dir() -> (tempfile::TempDir, RunDir) {
        let folder = tempfile::tempdir().unwrap();
        let dir = RunDir::at(folder.path().to_owned());
        (folder, dir)
    }

    #[test]
    fn a_torn_tail_is_cut_off_and_writing_goes_on_after_it() {
        let (_folder, dir) = dir();
        let mut journal = FileJournal::open(dir.clone()).unwrap();
        journal.append(&event("one")).unwrap();
        let whole = std::fs::read(dir.journal()).unwrap();
        for torn in 1..whole.len() {
            let mut bytes = whole.clone();
            bytes.extend_from_slice(&whole[..torn]);
            bytes.pop_if(|byte| *byte == b'\n');
            std::fs::write(dir.journal(), &bytes).unwrap();
            assert_eq!(read(&dir.journal()).unwrap(), [event("one")]);
            FileJournal::open(dir.clone())
                .unwrap()
                .append(&event("two"))
                .unwrap();
            assert_eq!(read(&dir.journal()).unwrap(), [event("one"), event("two")]);
        }
    }

    #[test]
    fn half_a_line_of_a_full_disk_is_taken_back() {
        let (folder, dir) = dir();
        let mut journal = FileJournal::open(dir.clone()).unwrap();
        journal.append(&event("one")).unwrap();
        // Opened for reading only, the file takes neither bytes nor a new length.
        let writable = std::mem::replace(&mut journal.file, File::open(dir.journal()).unwrap());
        assert!(journal.append(&event("lost")).is_err());
        assert!(journal.broken);
        journal.file = writable;
        assert!(journal.append(&event("behind half a line")).is_err());
        assert_eq!(read(&dir.journal()).unwrap(), [event("one")]);
        drop(folder);
    }

    #[test]
    fn a_broken_line_in_the_middle_is_named() {
        let (_folder, dir) = dir();
        std::fs::write(dir.journal(), "{}\n{\"at\":\n").unwrap();
        let error = read(&dir.journal()).unwrap_err().to_string();
        assert!(
            error.contains("line 1") && error.contains("journal.jsonl"),
            "{error}"
        );
    }

    #[test]
    fn prompts_are_read_back_and_a_change_is_noticed() {
        let (_folder, dir) = dir();
        let mut journal = FileJournal::open(dir.clone()).unwrap();
        assert_eq!(journal.prompts().unwrap(), None);
        let book = PromptBook {
            version: 1,
            model: "m".to_owned(),
            seed: 1,
            nodes: Vec::new(),
        };
        journal.keep_prompts(&book).unwrap();
        assert_eq!(journal.prompts().unwrap(), Some(book));
        std::fs::write(dir.prompts(), "{}").unwrap();
        assert!(journal.prompts().is_err());
    }

    #[test]
    fn an_attempt_that_never_settled_leaves_nothing_under_its_number() {
        let (_folder, dir) = dir();
        let mut journal = FileJournal::open(dir).unwrap();
        let attempt = AttemptId {
            cell: crate::id::CellId::of("a"),
            number: crate::id::AttemptNo(1),
        };
        let log = journal.log_path(&attempt).unwrap();
        std::fs::write(&log, "half a log").unwrap();
        assert!(!journal.log_path(&attempt).unwrap().exists());
    }
}
