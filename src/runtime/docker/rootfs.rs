//! A root file system that holds a few programs and the shared objects that they load, as a
//! tar stream. Which objects those are is asked of the system's own loader.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::sync::mpsc;

use crate::runtime::docker::elf::Elf;

/// Size of the pieces in which the tar is handed on, in bytes.
const PIECE: usize = 256 * 1024;

/// What goes into the file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rootfs {
    /// Path inside to path on this host. Objects keep their paths, because that is where the
    /// loader looks.
    files: BTreeMap<PathBuf, PathBuf>,
    /// Folders of the shared objects, which the loader may not search without its cache.
    object_folders: BTreeSet<PathBuf>,
}

/// One program, and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    pub on_host: PathBuf,
    pub inside: PathBuf,
}

impl Rootfs {
    /// The programs, with everything that they load.
    ///
    /// # Errors
    /// A program that cannot be read, is no ELF file, or loads an object that is not there.
    pub fn of(programs: &[Placed]) -> io::Result<Self> {
        let mut files = BTreeMap::new();
        let mut object_folders = BTreeSet::new();
        for program in programs {
            files.insert(program.inside.clone(), program.on_host.clone());
            let Some(loader) = Elf::read(&program.on_host)?.loader else {
                continue;
            };
            for object in shared_objects(&loader, &program.on_host)? {
                object_folders.extend(object.parent().map(Path::to_owned));
                files.insert(object.clone(), object);
            }
            files.insert(loader.clone(), loader);
        }
        Ok(Self {
            files,
            object_folders,
        })
    }

    /// `/lib/a:/usr/lib/b`; empty when nothing is loaded.
    pub fn library_path(&self) -> String {
        let folders: Vec<_> = self
            .object_folders
            .iter()
            .map(|folder| folder.to_string_lossy())
            .collect();
        folders.join(":")
    }

    /// Writes the file system as a tar archive.
    pub fn write(&self, to: impl Write) -> io::Result<()> {
        let mut tar = tar::Builder::new(to);
        let folders: BTreeSet<&Path> = self
            .files
            .keys()
            .flat_map(|file| file.ancestors().skip(1))
            .filter(|folder| folder.parent().is_some())
            .collect();
        for folder in folders {
            append_folder(&mut tar, folder, 0o755)?;
        }
        append_folder(&mut tar, Path::new("/tmp"), 0o1777)?;
        for (inside, on_host) in &self.files {
            let file = File::open(on_host)?;
            let mut header = header(tar::EntryType::Regular, 0o755);
            let size = file.metadata()?.len();
            header.set_size(size);
            // A file that grows while it is read must not break the archive.
            tar.append_data(&mut header, relative(inside), file.take(size))?;
        }
        tar.into_inner()?.flush()
    }

    /// The archive piece by piece, made while it is read. A file that cannot be read ends it
    /// with an error.
    pub fn into_stream(self) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        let (sender, receiver) = mpsc::channel(4);
        tokio::task::spawn_blocking(move || {
            let pieces = BufWriter::with_capacity(PIECE, Pieces(sender.clone()));
            if let Err(error) = self.write(pieces) {
                // Whoever read the stream has gone when this fails.
                let _ = sender.blocking_send(Err(error));
            }
        });
        stream::unfold(receiver, |mut receiver| async move {
            receiver.recv().await.map(|piece| (piece, receiver))
        })
    }
}

/// Hands what is written to the reader of a stream.
struct Pieces(mpsc::Sender<io::Result<Bytes>>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .blocking_send(Ok(Bytes::copy_from_slice(bytes)))
            .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn append_folder(tar: &mut tar::Builder<impl Write>, folder: &Path, mode: u32) -> io::Result<()> {
    let mut header = header(tar::EntryType::Directory, mode);
    tar.append_data(&mut header, relative(folder), io::empty())
}

/// A header without times and owners: equal files make equal archives.
fn header(entry: tar::EntryType, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(entry);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(0);
    header
}

fn relative(path: &Path) -> PathBuf {
    path.components()
        .filter(|part| !matches!(part, Component::RootDir))
        .collect()
}

/// What the loader would load for a program; it is not executed.
fn shared_objects(loader: &Path, program: &Path) -> io::Result<Vec<PathBuf>> {
    let listing = Command::new(loader).arg("--list").arg(program).output()?;
    if !listing.status.success() {
        return Err(io::Error::other(format!(
            "{} does not say what {} loads: {}",
            loader.display(),
            program.display(),
            String::from_utf8_lossy(&listing.stderr).trim()
        )));
    }
    parse_listing(&String::from_utf8_lossy(&listing.stdout))
}

/// Reads lines such as `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f..)`. Lines
/// without an arrow are the loader itself, and what the kernel provides.
fn parse_listing(listing: &str) -> io::Result<Vec<PathBuf>> {
    let mut objects = Vec::new();
    for line in listing.lines() {
        let Some((name, found)) = line.split_once("=>") else {
            continue;
        };
        let path = found
            .rsplit_once('(')
            .map_or(found, |(path, _)| path)
            .trim();
        if path.starts_with('/') {
            objects.push(PathBuf::from(path));
        } else if path.contains("not found") {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("the shared object {} is not there", name.trim()),
            ));
        }
    }
    Ok(objects)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt;

    #[test]
    fn the_loaders_listing_is_read() {
        let listing = "\tlinux-vdso.so.1 (0x00007ffc)\n\
                       \tlibgcc_s.so.1 => /lib/x86/libgcc_s.so.1 (0x00007f01)\n\
                       \tlibc.so.6 => /lib/x86/libc.so.6 (0x00007f02)\n\
                       \t/lib64/ld-linux-x86-64.so.2 (0x00007f03)\n";
        assert_eq!(
            parse_listing(listing).unwrap(),
            [
                Path::new("/lib/x86/libgcc_s.so.1"),
                Path::new("/lib/x86/libc.so.6")
            ]
        );
        let error = parse_listing("\tlibx.so => not found\n").unwrap_err();
        assert_eq!(error.to_string(), "the shared object libx.so is not there");
    }

    #[tokio::test]
    async fn a_program_comes_with_its_loader_and_its_objects() {
        let shell = Placed {
            on_host: "/bin/sh".into(),
            inside: "/opt/it/shell".into(),
        };
        let rootfs = Rootfs::of(&[shell]).unwrap();
        assert!(!rootfs.library_path().is_empty());

        let mut bytes = Vec::new();
        let mut pieces = std::pin::pin!(rootfs.clone().into_stream());
        while let Some(piece) = pieces.next().await {
            bytes.extend_from_slice(&piece.unwrap());
        }
        let mut archive = tar::Archive::new(bytes.as_slice());
        let mut names = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = format!("/{}", entry.path().unwrap().display());
            if name == "/opt/it/shell" {
                let mut content = Vec::new();
                entry.read_to_end(&mut content).unwrap();
                assert_eq!(content, std::fs::read("/bin/sh").unwrap());
                assert_eq!(entry.header().mode().unwrap(), 0o755);
            }
            names.push(name.trim_end_matches('/').to_owned());
        }
        for expected in ["/opt", "/opt/it", "/opt/it/shell", "/tmp"] {
            assert!(
                names.contains(&expected.to_owned()),
                "{expected} in {names:?}"
            );
        }
        for file in rootfs.files.keys() {
            assert!(
                names.contains(&file.display().to_string()),
                "{file:?} in {names:?}"
            );
        }
    }

    #[tokio::test]
    async fn a_file_that_vanishes_ends_the_stream_with_an_error() {
        let rootfs = Rootfs {
            files: BTreeMap::from([("/x".into(), "/nowhere/x".into())]),
            object_folders: BTreeSet::new(),
        };
        let pieces: Vec<_> = rootfs.into_stream().collect().await;
        assert!(pieces.last().unwrap().is_err());
    }
}
