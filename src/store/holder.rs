//! Who holds a lock, seen from outside: the kernel lists all locks, and to look at the list
//! takes none, so that a run which starts at that instant finds its lock free.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::doctor::lock::{Held, Holding};
use crate::store::layout::runs;
use crate::store::lock::ALL_GPUS;

/// The kernel's list.
const LIST: &str = "/proc/locks";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Exclusive,
    Shared,
}

/// One lock of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Listed {
    mode: Mode,
    /// `None` for a process of another namespace.
    process: Option<u32>,
    /// Major and minor number of the device.
    device: (u32, u32),
    inode: u64,
}

/// The locks that are held of the GPUs, in `gpus`, and of the runs under `results`.
pub fn held(gpus: &Path, results: &Path) -> Vec<Held> {
    let list = std::fs::read_to_string(LIST).unwrap_or_default();
    let listed: Vec<Listed> = list.lines().filter_map(listed).collect();
    let mut held = Vec::new();
    for (path, gpu) in gpu_locks(gpus) {
        let Some((lock, since)) = find(&path, &listed) else {
            continue;
        };
        let what = match (gpu, lock.mode) {
            (Some(index), _) => Holding::Gpu(index),
            (None, Mode::Exclusive) => Holding::EveryGpu,
            (None, Mode::Shared) => Holding::SomeGpus,
        };
        held.push(Held {
            what,
            process: lock.process,
            since,
        });
    }
    for run in runs(results) {
        if let Some((lock, since)) = find(&run.lock(), &listed) {
            held.push(Held {
                what: Holding::Run(run.root().to_owned()),
                process: lock.process,
                since,
            });
        }
    }
    held
}

/// The lock files of GPUs, each with the index of its card; that of all cards has none.
fn gpu_locks(folder: &Path) -> Vec<(PathBuf, Option<u32>)> {
    let mut locks = vec![(folder.join(ALL_GPUS), None)];
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let index = entry.file_name().to_str().and_then(|name| {
            name.strip_prefix("gpu-")?
                .strip_suffix(".lock")?
                .parse()
                .ok()
        });
        locks.extend(index.map(|index| (entry.path(), Some(index))));
    }
    locks.sort();
    locks
}

/// The lock of a file, and when it was taken: who takes one writes its name into the file.
fn find(path: &Path, listed: &[Listed]) -> Option<(Listed, Option<Timestamp>)> {
    let file = std::fs::metadata(path).ok()?;
    let signed = std::fs::read_to_string(path).unwrap_or_default();
    let lock = listed.iter().find(|lock| is_of(lock, &file, &signed))?;
    let since = file.modified().ok().and_then(|at| at.try_into().ok());
    Some((*lock, since))
}

/// Some file systems give their files another device number than the kernel's list does; there
/// the holder's own signature tells.
fn is_of(lock: &Listed, file: &Metadata, signed: &str) -> bool {
    let device = (rustix::fs::major(file.dev()), rustix::fs::minor(file.dev()));
    let is_signed = || {
        lock.process
            .is_some_and(|process| signed.trim() == format!("process {process}"))
    };
    lock.inode == file.ino() && (lock.device == device || is_signed())
}

/// Reads `1: FLOCK  ADVISORY  WRITE 4711 fe:01:1234 0 EOF`. A process that waits for a lock is
/// listed too, behind an arrow; it holds none.
fn listed(line: &str) -> Option<Listed> {
    let mut words = line.split_whitespace().skip(1);
    if words.next()? != "FLOCK" {
        return None;
    }
    let mode = match words.nth(1)? {
        "WRITE" => Mode::Exclusive,
        _ => Mode::Shared,
    };
    let process = words.next()?.parse().ok().filter(|process| *process > 0);
    let mut place = words.next()?.split(':');
    let device = (
        u32::from_str_radix(place.next()?, 16).ok()?,
        u32::from_str_radix(place.next()?, 16).ok()?,
    );
    Some(Listed {
        mode,
        process,
        device,
        inode: place.next()?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::profile::Gpus;
    use crate::store::lock::{lock_gpus, lock_run};

    #[test]
    fn lines_of_the_list_are_read_and_waiting_ones_are_not() {
        assert_eq!(
            listed("1: FLOCK  ADVISORY  WRITE 4711 fe:01:1234 0 EOF"),
            Some(Listed {
                mode: Mode::Exclusive,
                process: Some(4711),
                device: (0xfe, 1),
                inode: 1234,
            })
        );
        assert_eq!(
            listed("2: FLOCK  ADVISORY  READ  -1 00:1b:99 0 EOF"),
            Some(Listed {
                mode: Mode::Shared,
                process: None,
                device: (0, 0x1b),
                inode: 99,
            })
        );
        for line in [
            "1: -> FLOCK  ADVISORY  WRITE 4711 fe:01:1234 0 EOF",
            "3: POSIX  ADVISORY  WRITE 4711 fe:01:1234 0 EOF",
            "",
        ] {
            assert_eq!(listed(line), None, "{line}");
        }
    }

    #[test]
    fn held_locks_are_seen_with_their_holder_and_free_ones_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let (gpus, results) = (folder.path().join("gpus"), folder.path().join("results"));
        let run = results.join("e/20261124T070014Z-f06e");
        std::fs::create_dir_all(&run).unwrap();
        std::fs::write(run.join("run.json"), "{}").unwrap();
        assert_eq!(held(&gpus, &results), []);
        let ids = Gpus::Ids(vec!["1".to_owned()]);
        let locks = (
            lock_gpus(&ids, &gpus).unwrap(),
            lock_run(&run.join("run.lock")).unwrap(),
        );
        let found = held(&gpus, &results);
        let what: Vec<&Holding> = found.iter().map(|held| &held.what).collect();
        assert_eq!(
            what,
            [
                &Holding::Gpu(1),
                &Holding::SomeGpus,
                &Holding::Run(run.clone())
            ]
        );
        for held in &found {
            assert_eq!(held.process, Some(std::process::id()), "{held:?}");
            assert!(held.since.is_some(), "{held:?}");
        }
        drop(locks);
        let all = lock_gpus(&Gpus::All, &gpus).unwrap();
        let found = held(&gpus, &results);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].what, Holding::EveryGpu);
        drop(all);
        assert_eq!(held(&gpus, &results), []);
    }
}
