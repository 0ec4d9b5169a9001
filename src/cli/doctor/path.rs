//! Looks at files and folders without making or opening any.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access, statfs, statvfs};

use crate::doctor::folder::{FileSystem, FolderState, Space};
use crate::doctor::profile::PathState;

/// Of the file system that a folder lies on.
pub(super) fn space(folder: &Path) -> Option<Space> {
    let stat = statvfs(folder).ok()?;
    Some(Space {
        total: stat.f_blocks.saturating_mul(stat.f_frsize),
        free: stat.f_bavail.saturating_mul(stat.f_frsize),
    })
}

/// Whether this user may make files in a folder.
fn is_writable(folder: &Path) -> bool {
    access(folder, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

pub(super) fn state(path: &Path) -> PathState {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => PathState::Missing,
        Err(_) => PathState::Closed,
        Ok(found) if found.is_dir() => {
            if access(path, Access::READ_OK | Access::EXEC_OK).is_err() {
                return PathState::Closed;
            }
            PathState::Folder {
                writable: is_writable(path),
                free: space(path).map_or(0, |space| space.free),
            }
        }
        Ok(_) if access(path, Access::READ_OK).is_err() => PathState::Closed,
        Ok(_) => PathState::File,
    }
}

/// The folder for results, or the nearest above it that exists.
pub(super) fn results(folder: &Path) -> Option<FolderState> {
    let nearest = nearest(folder)?;
    Some(FolderState {
        path: folder.to_owned(),
        writable: is_writable(&nearest),
        file_system: FileSystem::of(magic(&nearest)?),
        space: space(&nearest)?,
        nearest,
    })
}

/// As the user would write it.
fn nearest(folder: &Path) -> Option<PathBuf> {
    let here = |path: &Path| match path.as_os_str().is_empty() {
        true => PathBuf::from("."),
        false => path.to_owned(),
    };
    folder.ancestors().map(here).find(|path| path.is_dir())
}

/// The number of a file system's kind, as `magic.h` has it: 32 bits, whatever the field's width
/// and sign are here.
fn magic(folder: &Path) -> Option<u64> {
    let kind = statfs(folder).ok()?.f_type;
    #[expect(
        clippy::cast_sign_loss,
        clippy::cast_possible_truncation,
        reason = "only the bits matter"
    )]
    Some(u64::from(kind as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_folder_that_exists_is_looked_at_and_none_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a/b");
        let found = results(&deep).unwrap();
        assert_eq!(
            (found.path, found.nearest),
            (deep.clone(), folder.path().to_owned())
        );
        assert!(found.writable && found.space.total > 0);
        assert!(!deep.exists() && !folder.path().join("a").exists());
        assert_eq!(
            results(Path::new("no-such-folder")).unwrap().nearest,
            Path::new(".")
        );
    }

    #[test]
    fn paths_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        assert_eq!(state(&folder.path().join("none")), PathState::Missing);
        assert_eq!(state(&folder.path().join("file")), PathState::File);
        assert!(matches!(
            state(folder.path()),
            PathState::Folder { writable: true, .. }
        ));
        // Something below a file is not to be reached, which is not the same as not there.
        assert_eq!(state(&folder.path().join("file/x")), PathState::Closed);
    }
}
