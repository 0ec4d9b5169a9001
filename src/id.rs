//! The names by which a run, a cell and an attempt are known: in labels, file names, the
//! journal and the report.
//!
//! What goes into a [`CellId`] is decided by `matrix`; this file only gives it its form.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// One run of an experiment: its folder name under `results/<experiment>/`.
///
/// `20261124T044826Z-3f9a`: UTC start to the second, then four random hexadecimal digits, so
/// that names sort by time and two runs of one second differ.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(String);

impl RunId {
    /// Names a run that starts `at`; `salt` tells runs of the same second apart.
    pub fn new(at: jiff::Timestamp, salt: u16) -> Self {
        Self(format!("{}-{salt:04x}", at.strftime("%Y%m%dT%H%M%SZ")))
    }

    /// Whether a name has the form of those that [`RunId::new`] makes.
    pub fn is_form_of(name: &str) -> bool {
        let form = "00000000T000000Z-0000";
        name.len() == form.len()
            && name
                .chars()
                .zip(form.chars())
                .enumerate()
                .all(|(at, (c, form))| match form {
                    '0' if at < 16 => c.is_ascii_digit(),
                    '0' => c.is_ascii_hexdigit(),
                    mark => c == mark,
                })
    }

    /// The text itself, safe as a file name and as a container label.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for RunId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let safe = !text.is_empty()
            && text.len() <= 64
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if safe {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("`{text}` is not a run id"))
        }
    }
}

/// One configuration: the hash of its canonical effective engine input, as 12 hexadecimal
/// digits (48 bits: a collision inside one matrix of 10,000 cells has a chance below one in
/// five million).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CellId(String);

impl CellId {
    /// Hashes the canonical text of an engine's input.
    pub fn of(canonical: &str) -> Self {
        Self(hex(&Sha256::digest(canonical.as_bytes()))[..12].to_owned())
    }

    /// An id as it was stored.
    pub fn stored(id: &str) -> Self {
        Self(id.to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CellId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The how-manyth start of an engine for one cell in one run, from 1. Repeats and retries
/// both count on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AttemptNo(pub u32);

/// One start of an engine for one cell: the unit of the statistics.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttemptId {
    pub cell: CellId,
    pub number: AttemptNo,
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.cell, self.number.0)
    }
}

/// SHA-256 of some bytes, as 64 hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_ids_sort_by_time_and_are_read_back() {
        let early = RunId::new(jiff::Timestamp::from_second(1_795_000_000).unwrap(), 0xffff);
        let late = RunId::new(jiff::Timestamp::from_second(1_795_000_001).unwrap(), 0);
        assert!(early < late);
        assert_eq!(early.as_str().parse::<RunId>().unwrap(), early);
        assert!("../etc".parse::<RunId>().is_err());
        assert!(RunId::is_form_of(early.as_str()));
        for other in [
            "",
            "20261124",
            "20261124T044826Z-3f9g",
            "20261124T0448Z6Z-3f9a",
        ] {
            assert!(!RunId::is_form_of(other), "{other}");
        }
    }

    #[test]
    fn a_cell_id_is_the_front_of_a_sha256() {
        let empty = sha256_hex(b"");
        assert!(empty.starts_with("e3b0c44298fc1c14"));
        assert_eq!(CellId::of("").as_str(), &empty[..12]);
    }
}
