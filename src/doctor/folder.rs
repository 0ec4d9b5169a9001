//! Folders: what they lie on, what is free there, and whether results may go into one.

use std::path::PathBuf;

use bytesize::ByteSize;

use crate::doctor::finding::{Check, Fault, Finding, Topic};

/// Of a file system, in bytes; `free` is what this user may take of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    pub total: u64,
    pub free: u64,
}

/// A kind of file system, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileSystem {
    /// On a disk of this machine, or of a kind that nobody knows.
    Local,
    /// Shared with other machines, by its usual name.
    Network(&'static str),
    /// A program of its own answers for it.
    Fuse,
    /// The upper layer of a container.
    Overlay,
    /// In memory.
    Memory,
}

impl FileSystem {
    /// By the number that `statfs` gives; the numbers are those of Linux's `magic.h` and of the
    /// file systems that are not in it.
    pub fn of(magic: u64) -> Self {
        match magic {
            0x6969 => Self::Network("NFS"),
            0xff53_4d42 | 0xfe53_4d42 | 0x517b => Self::Network("SMB"),
            0x0102_1997 => Self::Network("9p"),
            0x00c3_6400 => Self::Network("Ceph"),
            0x0bd0_0bd0 => Self::Network("Lustre"),
            0x4750_4653 => Self::Network("GPFS"),
            0x5346_414f | 0x6b41_4653 => Self::Network("AFS"),
            0x6573_5546 => Self::Fuse,
            0x794c_7630 => Self::Overlay,
            0x0102_1994 | 0x8584_58f6 => Self::Memory,
            _ => Self::Local,
        }
    }
}

/// A folder as results would go into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderState {
    /// As the user names it.
    pub path: PathBuf,
    /// The folder itself, or the nearest above it that exists.
    pub nearest: PathBuf,
    /// Whether this user may make files in `nearest`.
    pub writable: bool,
    pub file_system: FileSystem,
    pub space: Space,
}

/// Logs, requests and reports of a long run are some hundred megabytes.
const LITTLE: u64 = 2 << 30;
/// Not even a short one.
const NOTHING: u64 = 50 << 20;

/// Whether results may go there.
pub fn examine(folder: Option<&FolderState>, results: &std::path::Path) -> Vec<Finding> {
    let check = |name| Check {
        topic: Topic::Results,
        name,
    };
    let shown = results.display();
    let Some(folder) = folder else {
        return vec![check("folder").fail(
            Fault::Missing,
            format!("{shown} cannot be looked at"),
            "name another folder with --results DIR",
        )];
    };
    let is_there = folder.nearest == folder.path;
    let place = if is_there {
        format!("{shown}")
    } else {
        format!("{shown}, to be made in {}", folder.nearest.display())
    };
    let write = if folder.writable {
        check("folder").ok(format!("results go into {place}"))
    } else {
        check("folder").fail(
            Fault::Missing,
            format!("results cannot go into {place}: this user may not write there"),
            "name another folder with --results DIR, or take this one",
        )
    };
    vec![
        write,
        locks(folder, check("file-system")),
        room(folder, check("space")),
    ]
}

fn locks(folder: &FolderState, check: Check) -> Finding {
    const ELSEWHERE: &str = "name a folder on a disk of this machine with --results DIR";
    match folder.file_system {
        FileSystem::Local => check.ok("results lie on a disk of this machine: locks hold"),
        FileSystem::Network(name) => check.warn(
            format!("results lie on {name}: locks do not keep a run of another machine out"),
            ELSEWHERE,
        ),
        FileSystem::Fuse => check.warn(
            "results lie on a FUSE file system: it may ignore locks and the order to write through",
            ELSEWHERE,
        ),
        FileSystem::Overlay => check.warn(
            "results lie in the layer of a container: they go when it goes",
            "mount a folder of the host there",
        ),
        FileSystem::Memory => check.warn(
            "results lie in memory: they go when the machine goes down",
            ELSEWHERE,
        ),
    }
}

fn room(folder: &FolderState, check: Check) -> Finding {
    let found = format!("{} free for results", ByteSize(folder.space.free));
    if folder.space.free < NOTHING {
        check.fail(Fault::Missing, found, "free some disk space")
    } else if folder.space.free < LITTLE {
        check.warn(found, "free some disk space: a full disk stops a run")
    } else {
        check.ok(found)
    }
}

#[cfg(test)]
pub(in crate::doctor) mod tests {
    use super::*;
    use crate::doctor::finding::Mark;
    use std::path::Path;

    pub fn folder() -> FolderState {
        FolderState {
            path: "results".into(),
            nearest: "results".into(),
            writable: true,
            file_system: FileSystem::Local,
            space: Space {
                total: 100 << 30,
                free: 50 << 30,
            },
        }
    }

    /// Puts one thing out of order.
    type Harm = fn(&mut FolderState);

    #[test]
    fn each_fault_of_the_folder_is_found_alone() {
        let missing = Mark::Fail(Fault::Missing);
        let cases: [(Harm, Option<(&str, Mark)>); 9] = [
            (|_| {}, None),
            (|folder| folder.nearest = ".".into(), None),
            (|folder| folder.writable = false, Some(("folder", missing))),
            (
                |folder| folder.file_system = FileSystem::Network("NFS"),
                Some(("file-system", Mark::Warn)),
            ),
            (
                |folder| folder.file_system = FileSystem::Fuse,
                Some(("file-system", Mark::Warn)),
            ),
            (
                |folder| folder.file_system = FileSystem::Overlay,
                Some(("file-system", Mark::Warn)),
            ),
            (
                |folder| folder.file_system = FileSystem::Memory,
                Some(("file-system", Mark::Warn)),
            ),
            (
                |folder| folder.space.free = 1 << 30,
                Some(("space", Mark::Warn)),
            ),
            (
                |folder| folder.space.free = 1 << 20,
                Some(("space", missing)),
            ),
        ];
        for (change, expected) in cases {
            let mut folder = folder();
            change(&mut folder);
            let found: Vec<_> = examine(Some(&folder), Path::new("results"))
                .into_iter()
                .filter(|finding| finding.mark != Mark::Ok)
                .map(|finding| (finding.check, finding.mark))
                .collect();
            assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
        }
        let unseen = examine(None, Path::new("results"));
        assert_eq!(unseen[0].mark, missing);
    }

    #[test]
    fn file_systems_are_known_by_their_numbers() {
        for (magic, expected) in [
            (0xef53, FileSystem::Local),
            (0x6969, FileSystem::Network("NFS")),
            (0xff53_4d42, FileSystem::Network("SMB")),
            (0x6573_5546, FileSystem::Fuse),
            (0x794c_7630, FileSystem::Overlay),
            (0x0102_1994, FileSystem::Memory),
        ] {
            assert_eq!(FileSystem::of(magic), expected, "{magic:x}");
        }
    }
}
