//! Writing so that a power cut leaves either the old file or the new one.

use std::io::Write;
use std::path::Path;

use crate::runner::ports::StoreError;

/// Writes a file whole: a temporary file beside it, synced, renamed, the folder synced.
///
/// # Errors
/// When any step fails; the old file, if any, is untouched then.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let attempt = || -> std::io::Result<()> {
        let mut file = tempfile::Builder::new()
            .prefix(".writing-")
            .tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        make_readable(file.as_file())?;
        file.persist(path).map_err(|error| error.error)?;
        sync_folder(folder)
    };
    attempt().map_err(|source| failed("cannot write", path, source))
}

/// Makes a folder and the parents that it lacks; the folder's own name is durable afterwards.
///
/// # Errors
/// When it cannot be made.
pub fn make_folder(path: &Path) -> Result<(), StoreError> {
    std::fs::create_dir_all(path)
        .and_then(|()| match path.parent() {
            // Of a single name: the folder it lies in is this one.
            Some(parent) if parent.as_os_str().is_empty() => sync_folder(Path::new(".")),
            Some(parent) => sync_folder(parent),
            None => Ok(()),
        })
        .map_err(|source| failed("cannot make the folder", path, source))
}

/// Makes the names in a folder durable.
pub fn sync_folder(path: &Path) -> std::io::Result<()> {
    std::fs::File::open(path)?.sync_all()
}

/// Wraps an I/O error with what was tried and where; a full disk says what to do.
pub fn failed(what: &str, path: &Path, source: std::io::Error) -> StoreError {
    let what = match source.kind() {
        std::io::ErrorKind::StorageFull => {
            format!(
                "the disk is full: {what} (make room, then `gridrun resume` goes on from the last settled attempt):"
            )
        }
        _ => what.to_owned(),
    };
    StoreError {
        what,
        path: path.to_owned(),
        source: Box::new(source),
    }
}

/// Temporary files are private; results are for everybody who may enter the folder.
fn make_readable(file: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json");
        write(&path, b"old").unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_error_names_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing").join("run.json");
        let error = write(&path, b"x").unwrap_err();
        assert!(error.to_string().contains("run.json"), "{error}");
    }

    #[test]
    fn a_full_disk_is_named_as_such() {
        let source = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let error = failed("cannot write", Path::new("journal.jsonl"), source);
        assert!(error.to_string().starts_with("the disk is full"), "{error}");
    }
}
