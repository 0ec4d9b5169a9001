//! Is the run that owns a lock file alive?
//!
//! A run holds an exclusive `flock` on its lock file for as long as it lives; the kernel lets go
//! of it when the process ends, however it ends.

use std::fs::{File, TryLockError};
use std::path::Path;

/// Whether the run that owns the lock at `path` is gone: nobody holds it, or the file is not
/// there. A file that cannot be looked at counts as held: nothing is removed on a guess.
///
/// The lock is asked for as a shared one, and only for an instant, so that two sweeps do not
/// take each other for the owner.
pub fn is_dead(path: &Path) -> bool {
    match File::open(path) {
        Ok(file) => match file.try_lock_shared() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => false,
        },
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

/// Whose leftovers may be removed.
#[derive(Debug, Clone, Copy)]
pub enum Owner<'a> {
    /// Those of dead runs only.
    DeadRun,
    /// Those of dead runs, and of the run that asks: its lock file is this one.
    DeadRunOr(&'a Path),
}

impl Owner<'_> {
    /// Whether what the run with the lock at `lock` left may be removed.
    pub fn may_remove(&self, lock: &Path) -> bool {
        match self {
            Self::DeadRun => is_dead(lock),
            Self::DeadRunOr(own) => *own == lock || is_dead(lock),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_dead_when_nobody_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        assert!(is_dead(&path));
        let file = File::create(&path).unwrap();
        assert!(is_dead(&path));
        file.lock().unwrap();
        assert!(!is_dead(&path));
        assert!(!Owner::DeadRun.may_remove(&path));
        assert!(Owner::DeadRunOr(&path).may_remove(&path));
        drop(file);
        assert!(is_dead(&path));
    }
}
