//! Is the run that owns a lock file alive?
//!
//! A run holds an exclusive `flock` on its lock file for as long as it lives; the kernel lets go
//! of it when the process ends, however it ends.

use std::fs::{File, TryLockError};
use std::path::Path;

/// What a look at a run's lock file tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owned {
    /// Somebody holds it, or it cannot be looked at: nothing is removed on a guess.
    Alive,
    /// The file is there and nobody holds it.
    Dead,
    /// The file is not there: the run's folder was removed or moved, or lies where this process
    /// cannot see it.
    Nowhere,
}

/// Looks at the lock file. It is asked for as a shared lock, and only for an instant, so that
/// two sweeps do not take each other for the owner.
fn look(path: &Path) -> Owned {
    match File::open(path) {
        Ok(file) => match file.try_lock_shared() {
            Ok(()) => Owned::Dead,
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => Owned::Alive,
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Owned::Nowhere,
        Err(_) => Owned::Alive,
    }
}

/// Who sweeps, and so whose leftovers may be removed.
#[derive(Debug, Clone, Copy)]
pub enum Sweeper<'a> {
    /// The run whose lock file this is, before its first start: its own leftovers, and those of
    /// runs that are seen to be dead.
    Run(&'a Path),
    /// The user, by `gridrun clean`: also those of runs whose lock file is nowhere to be found.
    User,
}

/// What is to become of something that a run left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It goes; that it cannot be removed stops the sweeper.
    MustGo,
    /// It goes if it can be removed.
    MayGo,
    /// Nobody can tell from here whether its run lives: only the user may remove it.
    AskUser,
    Stays,
}

impl Sweeper<'_> {
    /// The fate of what `run` with the lock at `lock` left.
    pub fn fate(&self, run: &str, lock: &Path) -> Fate {
        match (self, look(lock)) {
            // The lock of a run lies in the folder that bears its name; the folder may have been
            // moved since.
            (Self::Run(own), _) if *own == lock || folder_name(own) == Some(run) => Fate::MustGo,
            (Self::Run(_), Owned::Dead) => Fate::MayGo,
            (Self::Run(_), Owned::Nowhere) => Fate::AskUser,
            (Self::User, Owned::Dead | Owned::Nowhere) => Fate::MustGo,
            (Self::Run(_) | Self::User, Owned::Alive) => Fate::Stays,
        }
    }
}

/// What is said of a leftover whose run cannot be seen from here.
pub fn unclear(whose: &str) -> String {
    format!("left {whose}: its run's folder is not to be found; `gridrun clean` removes it")
}

fn folder_name(lock: &Path) -> Option<&str> {
    lock.parent()?.file_name()?.to_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_seen_to_be_dead_or_is_ones_own_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let own = Path::new("/results/experiment/ours/run.lock");
        let fate = |sweeper: Sweeper| sweeper.fate("theirs", &path);
        // No file: perhaps a living run in another mount namespace.
        assert_eq!(fate(Sweeper::Run(own)), Fate::AskUser);
        assert_eq!(fate(Sweeper::User), Fate::MustGo);
        let file = File::create(&path).unwrap();
        assert_eq!(fate(Sweeper::Run(own)), Fate::MayGo);
        file.lock().unwrap();
        assert_eq!(fate(Sweeper::Run(own)), Fate::Stays);
        assert_eq!(fate(Sweeper::User), Fate::Stays);
        assert_eq!(fate(Sweeper::Run(&path)), Fate::MustGo);
        // The run's folder was moved.
        assert_eq!(Sweeper::Run(own).fate("ours", &path), Fate::MustGo);
        drop(file);
        assert_eq!(fate(Sweeper::User), Fate::MustGo);
    }
}
