//! Whose start it is, and the how-manyth: by that, chance is the same when a run is repeated.

use std::str::FromStr;

/// One start of one cell. As text `CELL-NUMBER`, or the number alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// Empty where nobody has said.
    pub cell: String,
    /// From 1.
    pub number: u32,
}

impl Default for Start {
    fn default() -> Self {
        Self {
            cell: String::new(),
            number: 1,
        }
    }
}

impl FromStr for Start {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (cell, number) = text.rsplit_once('-').unwrap_or(("", text));
        let number = number.parse().map_err(|_| ())?;
        if number == 0 {
            return Err(());
        }
        Ok(Self {
            cell: cell.to_owned(),
            number,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_named_by_its_cell_and_number() {
        let start = |cell: &str, number| Start {
            cell: cell.to_owned(),
            number,
        };
        assert_eq!("0b8f1cca5537-2".parse(), Ok(start("0b8f1cca5537", 2)));
        assert_eq!("my-cell-12".parse(), Ok(start("my-cell", 12)));
        assert_eq!("3".parse(), Ok(start("", 3)));
        for bad in ["", "cell-", "cell-0", "0", "cell", "-x"] {
            assert_eq!(bad.parse::<Start>(), Err(()), "{bad}");
        }
    }
}
