//! What the program stored as Parquet, read back.

use std::io::Cursor;
use std::path::Path;

use polars::prelude::{DataFrame, ParquetReader, SerReader};

pub fn read(path: &Path) -> DataFrame {
    let bytes = std::fs::read(path).unwrap();
    ParquetReader::new(Cursor::new(bytes)).finish().unwrap()
}

/// Instants of single tokens in all of these requests.
pub fn n_token_times(requests: &DataFrame) -> usize {
    let tokens = requests.column("token_ns").unwrap().list().unwrap();
    (0..requests.height())
        .map(|row| {
            tokens
                .get_as_series(row)
                .map_or(0, |instants| instants.len())
        })
        .sum()
}
