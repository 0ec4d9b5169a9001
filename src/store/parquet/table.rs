//! A table of recorded attempts that somebody brings, CSV or Parquet, as text: what its columns
//! mean is `decide::replay`'s.

use std::io::Cursor;
use std::path::Path;

use polars::prelude::{CsvReadOptions, DataFrame, DataType, ParquetReader, PolarsError, SerReader};

use crate::decide::replay::RawTable;
use crate::runner::ports::StoreError;
use crate::store::durable;

/// Reads a file that ends in `.parquet` as such, and any other as CSV with a header.
///
/// # Errors
/// When it cannot be read or is no table.
pub fn table(path: &Path) -> Result<RawTable, StoreError> {
    let bytes =
        std::fs::read(path).map_err(|source| durable::failed("cannot read", path, source))?;
    let is_parquet = path.extension().is_some_and(|ending| ending == "parquet");
    let frame = match is_parquet {
        true => ParquetReader::new(Cursor::new(bytes)).finish(),
        // No inference: what a value is follows from its column, not from its neighbours.
        false => CsvReadOptions::default()
            .with_has_header(true)
            .with_infer_schema_length(Some(0))
            .into_reader_with_file_handle(Cursor::new(bytes))
            .finish(),
    };
    frame
        .and_then(|frame| as_text(&frame))
        .map_err(|source| StoreError {
            what: format!(
                "not a {} table:",
                if is_parquet { "Parquet" } else { "CSV" }
            ),
            path: path.to_owned(),
            // What follows is for whoever programs with polars.
            source: first_paragraph(&source).into(),
        })
}

fn first_paragraph(error: &PolarsError) -> String {
    let text = error.to_string();
    text.split("\n\n").next().unwrap_or_default().to_owned()
}

fn as_text(frame: &DataFrame) -> Result<RawTable, PolarsError> {
    let mut columns = Vec::new();
    for column in frame.columns() {
        let text = column.cast(&DataType::String)?;
        let values = text.str()?.iter();
        let values = values.map(|value| value.map(|text| text.trim().to_owned()));
        let values = values.map(|value| value.filter(|text| !text.is_empty()));
        columns.push((column.name().to_string(), values.collect()));
    }
    Ok(RawTable {
        n_rows: frame.height(),
        columns,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_as_text_and_what_is_missing_stays_missing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        std::fs::write(&path, "cell,attempt,metric.x\na,1,2.50\n\"b, c\",2,\n").unwrap();
        let read = table(&path).unwrap();
        assert_eq!(read.n_rows, 2);
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            read.columns,
            [
                ("cell".to_owned(), vec![text("a"), text("b, c")]),
                ("attempt".to_owned(), vec![text("1"), text("2")]),
                ("metric.x".to_owned(), vec![text("2.50"), None]),
            ]
        );
        let missing = table(&folder.path().join("none.csv")).unwrap_err();
        assert!(missing.to_string().contains("none.csv"), "{missing}");
    }
}
