//! Who may write where: one lock per run directory, and one per GPU against two runs on one
//! card. Locks are `flock`s: the kernel lets go of them when a process dies, however it dies.
//! On network file systems they decide nothing.

use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::spec::profile::Gpus;

/// A held lock; dropping it lets go.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("another gridrun ({holder}) works in {}; wait for it or stop it", path.display())]
    RunHeld { path: PathBuf, holder: String },
    #[error(
        "another gridrun run ({holder}) holds {what}; two runs on one GPU would measure each other"
    )]
    GpuHeld { what: String, holder: String },
    #[error("another gridrun ({holder}) looks after production {name}; wait for it or stop it")]
    ProductionHeld { name: String, holder: String },
    #[error("cannot use the lock file {}", path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Exclusive,
    Shared,
}

/// Takes the lock of a run directory.
///
/// # Errors
/// When another process has it, or the file cannot be used.
pub fn lock_run(path: &Path) -> Result<Lock, LockError> {
    match take(path, Mode::Exclusive)? {
        Ok(lock) => Ok(lock),
        Err(holder) => Err(LockError::RunHeld {
            path: path.to_owned(),
            holder,
        }),
    }
}

/// Takes the lock of a production.
///
/// # Errors
/// When another process has it, or the file cannot be used.
pub fn lock_production(path: &Path, name: &str) -> Result<Lock, LockError> {
    take(path, Mode::Exclusive)?.map_err(|holder| LockError::ProductionHeld {
        name: name.to_owned(),
        holder,
    })
}

/// Takes the locks of all GPUs that a run uses.
///
/// Without a look at the cards nobody knows which index is which UUID or how many there are:
/// "all", a count and UUIDs therefore take all cards, and only plain indices share the machine.
///
/// # Errors
/// When another run holds one of them.
pub fn lock_gpus(gpus: &Gpus, folder: &Path) -> Result<Vec<Lock>, LockError> {
    let indices = match gpus {
        Gpus::None => return Ok(Vec::new()),
        Gpus::All | Gpus::Count(_) => None,
        Gpus::Ids(ids) => ids
            .iter()
            .map(|id| id.parse::<u32>().ok())
            .collect::<Option<Vec<u32>>>(),
    };
    let make = |source| LockError::Io {
        path: folder.to_owned(),
        source,
    };
    std::fs::create_dir_all(folder).map_err(make)?;
    let whole = folder.join(ALL_GPUS);
    let mode = if indices.is_some() {
        Mode::Shared
    } else {
        Mode::Exclusive
    };
    let mut locks = vec![take(&whole, mode)?.map_err(|holder| LockError::GpuHeld {
        what: "the GPUs".to_owned(),
        holder,
    })?];
    for index in indices.into_iter().flatten() {
        let lock = take(&folder.join(format!("gpu-{index}.lock")), Mode::Exclusive)?;
        locks.push(lock.map_err(|holder| LockError::GpuHeld {
            what: format!("GPU {index}"),
            holder,
        })?);
    }
    Ok(locks)
}

const SHARED_FOLDER: &str = "/run/lock/gridrun";

/// The lock of a run that uses any GPU: exclusive for one that uses all, else shared.
pub(in crate::store) const ALL_GPUS: &str = "gpus.lock";

/// Where the locks of GPUs lie: one folder for all users of the machine, into which everybody
/// may write and in which nobody may remove what is another's, as in /tmp. Only where it cannot
/// be had, a folder of the user's own.
pub fn gpu_lock_folder() -> PathBuf {
    let shared = Path::new(SHARED_FOLDER);
    if std::fs::create_dir(shared).is_ok() {
        let _ = std::fs::set_permissions(shared, Permissions::from_mode(0o1777));
    }
    known_gpu_lock_folder()
}

/// The same without making it.
pub fn known_gpu_lock_folder() -> PathBuf {
    let shared = Path::new(SHARED_FOLDER);
    if shared.is_dir() {
        return shared.to_owned();
    }
    match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(folder) => Path::new(&folder).join("gridrun"),
        None => std::env::temp_dir().join("gridrun"),
    }
}

/// The lock, or who holds it.
fn take(path: &Path, mode: Mode) -> Result<Result<Lock, String>, LockError> {
    let io = |source| LockError::Io {
        path: path.to_owned(),
        source,
    };
    let mut file = open(path).map_err(io)?;
    let tried = match mode {
        Mode::Exclusive => file.try_lock(),
        Mode::Shared => file.try_lock_shared(),
    };
    match tried {
        Ok(()) => {
            sign(path);
            Ok(Ok(Lock { _file: file }))
        }
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            let holder = holder.trim();
            Ok(Err(if holder.is_empty() {
                "process unknown".to_owned()
            } else {
                holder.to_owned()
            }))
        }
        Err(TryLockError::Error(source)) => Err(io(source)),
    }
}

/// Opens a lock file, making it if need be. Reading is enough to lock, and the kernel keeps
/// users from opening each other's files to create them in a folder that everybody may write.
fn open(path: &Path) -> std::io::Result<File> {
    match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        opened => return opened,
    }
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    file.set_permissions(Permissions::from_mode(0o666))?;
    Ok(file)
}

/// Leaves the process id in the file, for the message that another process will print. Only a
/// courtesy: a file that cannot be written locks as well.
fn sign(path: &Path) {
    let _ = OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(path)
        .and_then(|mut file| write!(file, "process {}", std::process::id()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_run_in_a_directory_is_refused_and_told_who_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.lock");
        let first = lock_run(&path).unwrap();
        let error = lock_run(&path).unwrap_err().to_string();
        assert!(
            error.contains(&format!("process {}", std::process::id())),
            "{error}"
        );
        drop(first);
        lock_run(&path).unwrap();
    }

    #[test]
    fn runs_share_a_machine_only_by_plain_and_different_indices() {
        let folder = tempfile::tempdir().unwrap();
        let ids = |ids: &[&str]| Gpus::Ids(ids.iter().map(|id| (*id).to_owned()).collect());
        let zero = lock_gpus(&ids(&["0"]), folder.path()).unwrap();
        let one = lock_gpus(&ids(&["1"]), folder.path()).unwrap();
        assert!(lock_gpus(&ids(&["1", "2"]), folder.path()).is_err());
        assert!(lock_gpus(&Gpus::All, folder.path()).is_err());
        assert!(lock_gpus(&ids(&["GPU-8a"]), folder.path()).is_err());
        assert!(lock_gpus(&Gpus::None, folder.path()).unwrap().is_empty());
        drop((zero, one));
        let all = lock_gpus(&Gpus::All, folder.path()).unwrap();
        assert!(lock_gpus(&ids(&["0"]), folder.path()).is_err());
        drop(all);
    }
}
