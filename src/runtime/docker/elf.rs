//! The two things that are read out of a program's own file: which loader it names, and by
//! which id its linker marked it.
//!
//! Knows 64-bit little-endian ELF, which is what every host has that Docker and vLLM serve.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

const INTERPRETER: u32 = 3;
const NOTE: u32 = 4;
const NOTE_GNU_BUILD_ID: u32 = 3;

const HEADER: usize = 64;
const SMALLEST_ENTRY: usize = 56;

/// What a program's file says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Elf {
    /// `None` for a static program.
    pub loader: Option<PathBuf>,
    /// Hexadecimal; `None` where the linker was not told to make one.
    pub build_id: Option<String>,
}

impl Elf {
    /// # Errors
    /// A file that cannot be read, or is no such program.
    pub fn read(program: &Path) -> io::Result<Self> {
        let mut file = File::open(program)?;
        let mut head = [0_u8; HEADER];
        let is_elf = file.read_exact(&mut head).is_ok() && head[..6] == *b"\x7fELF\x02\x01";
        if !is_elf {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{} is not a 64-bit ELF program", program.display()),
            ));
        }
        let entry_size = usize::from(u16_at(&head, 54)).max(SMALLEST_ENTRY);
        let n_entries = usize::from(u16_at(&head, 56));
        let table = read_part(
            &mut file,
            u64_at(&head, 32),
            (entry_size * n_entries) as u64,
        )?;
        let mut elf = Self::default();
        for entry in table.chunks_exact(entry_size) {
            let (at, length) = (u64_at(entry, 8), u64_at(entry, 32));
            match u32_at(entry, 0) {
                INTERPRETER => {
                    let path = read_part(&mut file, at, length)?;
                    let path = String::from_utf8_lossy(&path);
                    elf.loader = Some(PathBuf::from(path.trim_end_matches('\0')));
                }
                NOTE if elf.build_id.is_none() => {
                    let notes = read_part(&mut file, at, length)?;
                    elf.build_id = build_id(&notes, u64_at(entry, 48));
                }
                _ => {}
            }
        }
        Ok(elf)
    }
}

/// The linker's id among the notes of one segment.
fn build_id(mut notes: &[u8], align: u64) -> Option<String> {
    let align = if align == 8 { 8 } else { 4 };
    loop {
        let head = notes.get(..12)?;
        let (name_size, size) = (u32_at(head, 0) as usize, u32_at(head, 4) as usize);
        let name = notes.get(12..12 + name_size)?;
        let at = (12 + name_size).next_multiple_of(align);
        let content = notes.get(at..at.checked_add(size)?)?;
        if u32_at(head, 8) == NOTE_GNU_BUILD_ID && name == b"GNU\0" {
            return Some(content.iter().map(|byte| format!("{byte:02x}")).collect());
        }
        notes = notes.get((at + size).next_multiple_of(align)..)?;
    }
}

fn read_part(file: &mut File, at: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut part = Vec::new();
    file.seek(SeekFrom::Start(at))?;
    file.take(length).read_to_end(&mut part)?;
    Ok(part)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut value = [0; 8];
    value.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(value)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut value = [0; 4];
    value.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(value)
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(kind: u32, name: &[u8], content: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in [name.len() as u32, content.len() as u32, kind] {
            bytes.extend(number.to_le_bytes());
        }
        for part in [name, content] {
            bytes.extend(part);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    #[test]
    fn the_build_id_is_found_behind_other_notes_and_in_cut_ones_nothing_is() {
        let mut notes = note(1, b"GNU\0", &[0; 16]);
        notes.extend(note(3, b"Go\0", b"abc"));
        notes.extend(note(3, b"GNU\0", &[0xab, 0x01]));
        assert_eq!(build_id(&notes, 4).as_deref(), Some("ab01"));
        for length in 0..notes.len() - 2 {
            assert_eq!(build_id(&notes[..length], 4), None);
        }
    }

    #[test]
    fn the_shell_names_a_loader_that_is_there() {
        let loader = Elf::read(Path::new("/bin/sh")).unwrap().loader;
        assert!(loader.is_none_or(|loader| loader.exists()));
    }

    #[test]
    fn a_script_is_no_program() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("script");
        for text in ["#!/bin/sh\n".to_owned(), "#".repeat(100)] {
            std::fs::write(&script, text).unwrap();
            let error = Elf::read(&script).unwrap_err();
            assert!(
                error.to_string().ends_with("is not a 64-bit ELF program"),
                "{error}"
            );
        }
    }
}
