//! A stored log read back as text: whole, or its two ends where it is huge; any bytes.
//!
//! Knows nothing of who wrote it: gridrun's own `engine.log` and logs that a user brings are
//! read alike.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Logs up to this size are read whole; of larger ones only the beginning and the end, half
/// of it each.
const WHOLE_UP_TO: usize = 2 * 1024 * 1024;
const HALF: usize = WHOLE_UP_TO / 2;

/// A log as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogText {
    pub text: String,
    /// Lines before the place at which bytes were left out; `None` for a log that is whole.
    pub whole_lines: Option<usize>,
}

/// Reads a file. One that cannot be sought in (a pipe) is read to its end as a stream is.
///
/// # Errors
/// When it cannot be opened or read.
pub fn read(path: &Path) -> io::Result<LogText> {
    let mut file = File::open(path)?;
    let about = file.metadata()?;
    let length = about.len();
    if !about.is_file() || length <= WHOLE_UP_TO as u64 {
        return read_stream(file);
    }
    let mut front = Vec::new();
    (&mut file).take(HALF as u64).read_to_end(&mut front)?;
    file.seek(SeekFrom::Start(length - HALF as u64))?;
    let mut back = Vec::new();
    file.take(HALF as u64).read_to_end(&mut back)?;
    Ok(cut(
        &front,
        length - (front.len() + back.len()) as u64,
        &back,
    ))
}

/// Reads a stream to its end; keeps no more of it than [`read`] does of a file.
///
/// # Errors
/// When it cannot be read.
pub fn read_stream(mut stream: impl Read) -> io::Result<LogText> {
    let mut front = Vec::new();
    (&mut stream)
        .take(WHOLE_UP_TO as u64)
        .read_to_end(&mut front)?;
    let mut back = front.split_off(front.len().min(HALF));
    let mut length = (front.len() + back.len()) as u64;
    loop {
        let read = (&mut stream).take(HALF as u64).read_to_end(&mut back)?;
        if read == 0 {
            break;
        }
        length += read as u64;
        back.drain(..back.len().saturating_sub(HALF));
    }
    let kept = (front.len() + back.len()) as u64;
    if kept < length {
        return Ok(cut(&front, length - kept, &back));
    }
    front.append(&mut back);
    Ok(LogText {
        text: Encoding::of(&front).decode(&front),
        whole_lines: None,
    })
}

fn cut(front: &[u8], left_out: u64, back: &[u8]) -> LogText {
    let encoding = Encoding::of(front);
    let start = encoding.decode(front);
    // A unit of two bytes may be cut in half.
    let skipped = match encoding {
        Encoding::Utf8 => 0,
        Encoding::Utf16 { .. } => (front.len() as u64 + left_out) % 2,
    };
    LogText {
        whole_lines: Some(start.lines().count()),
        text: format!(
            "{start}\n[gridrun: {left_out} bytes left out]\n{}",
            encoding.decode(&back[skipped as usize..])
        ),
    }
}

/// How the text is written. PowerShell redirects into UTF-16 with a byte order mark; whatever
/// has no such mark is UTF-8, and what is wrong in it is replaced.
#[derive(Debug, Clone, Copy)]
enum Encoding {
    Utf8,
    Utf16 { big_endian: bool },
}

impl Encoding {
    fn of(front: &[u8]) -> Self {
        match front {
            [0xff, 0xfe, ..] => Self::Utf16 { big_endian: false },
            [0xfe, 0xff, ..] => Self::Utf16 { big_endian: true },
            _ => Self::Utf8,
        }
    }

    fn decode(self, bytes: &[u8]) -> String {
        let text = match self {
            Self::Utf8 => String::from_utf8_lossy(bytes).into_owned(),
            Self::Utf16 { big_endian } => {
                let unit = |pair: &[u8]| match big_endian {
                    true => u16::from_be_bytes([pair[0], pair[1]]),
                    false => u16::from_le_bytes([pair[0], pair[1]]),
                };
                String::from_utf16_lossy(&bytes.chunks_exact(2).map(unit).collect::<Vec<_>>())
            }
        };
        match text.strip_prefix('\u{feff}') {
            Some(unmarked) => unmarked.to_owned(),
            None => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn huge() -> Vec<u8> {
        let filler = vec![b'x'; WHOLE_UP_TO];
        [b"first\nsecond".as_slice(), &filler, b"last"].concat()
    }

    #[test]
    fn a_huge_log_keeps_its_two_ends_from_a_file_and_from_a_pipe() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("engine.log");
        std::fs::write(&path, huge()).unwrap();
        let log = read(&path).unwrap();
        assert!(log.text.starts_with("first\nsecondx"));
        assert!(log.text.ends_with("xlast"));
        assert!(log.text.contains("\n[gridrun: 16 bytes left out]\n"));
        assert_eq!(log.whole_lines, Some(2));
        assert_eq!(read_stream(huge().as_slice()).unwrap(), log);
    }

    #[test]
    fn the_largest_whole_log_is_whole() {
        let bytes = vec![b'x'; WHOLE_UP_TO];
        let log = read_stream(bytes.as_slice()).unwrap();
        assert_eq!(log.text.len(), WHOLE_UP_TO);
        assert_eq!(log.whole_lines, None);
    }

    #[test]
    fn wrong_bytes_are_replaced_and_a_byte_order_mark_says_how_the_rest_is_written() {
        let text = |bytes: &[u8]| read_stream(bytes).unwrap().text;
        assert_eq!(text(b"a\xffb"), "a\u{fffd}b");
        assert_eq!(text(b"\xef\xbb\xbfab"), "ab");
        assert_eq!(text(b"\xff\xfea\0b\0\n\0"), "ab\n");
        assert_eq!(text(b"\xfe\xff\0a\0b\0"), "ab");
        assert_eq!(text(b""), "");
    }

    #[test]
    fn the_end_of_a_huge_log_of_two_byte_units_is_read_from_a_whole_unit() {
        let long = format!("\u{feff}front {} end", "x".repeat(WHOLE_UP_TO));
        let mut bytes: Vec<u8> = long.encode_utf16().flat_map(u16::to_le_bytes).collect();
        // A last half unit moves the cut to an odd place.
        bytes.push(0);
        let log = read_stream(bytes.as_slice()).unwrap();
        assert!(log.text.starts_with("front x"));
        assert!(
            log.text.ends_with("x end"),
            "{}",
            &log.text[log.text.len() - 20..]
        );
    }
}
