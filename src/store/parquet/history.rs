//! The nights of an experiment as Parquet: one row per start. `docs/RESULTS.md` lists the
//! columns. Parquet cannot be appended to: the file is read, and written whole.

use std::io::Cursor;
use std::path::Path;

use polars::prelude::{Column, DataFrame, NamedFrom, ParquetReader, SerReader, Series};

use crate::champion::history::HistoryRow;
use crate::decide::night::Call;
use crate::runner::ports::StoreError;
use crate::store::durable;
use crate::store::parquet::encoded;

/// Puts the rows of one night into the history at `path`, which need not be there, in place of
/// what it had of that night; a crash leaves the old file or the new one.
///
/// # Errors
/// When it cannot be read or written.
pub fn put(path: &Path, rows: &[HistoryRow]) -> Result<(), StoreError> {
    let mut all = read(path)?;
    all.retain(|row| rows.iter().all(|new| new.night != row.night));
    all.extend_from_slice(rows);
    // Stable: the rows of a night stay as they are.
    all.sort_by(|a, b| (a.at, &a.night).cmp(&(b.at, &b.night)));
    durable::write(path, &bytes(&all, path)?)
}

/// The bytes of `history.parquet`; `path` is only named in errors.
///
/// # Errors
/// When the frame cannot be encoded.
pub fn bytes(rows: &[HistoryRow], path: &Path) -> Result<Vec<u8>, StoreError> {
    encoded(frame(rows), path)
}

/// All rows, oldest first; none where there is no file.
///
/// # Errors
/// When it is no history.
pub fn read(path: &Path) -> Result<Vec<HistoryRow>, StoreError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(durable::failed("cannot read", path, error)),
    };
    let unusable = |error: Box<dyn std::error::Error + Send + Sync>| StoreError {
        what: "not a history:".to_owned(),
        path: path.to_owned(),
        source: error,
    };
    let frame = ParquetReader::new(Cursor::new(bytes))
        .finish()
        .map_err(|error| unusable(Box::new(error)))?;
    rows(&frame).map_err(|error| unusable(Box::new(error)))
}

fn frame(rows: &[HistoryRow]) -> Result<DataFrame, polars::error::PolarsError> {
    let text = |name: &str, of: &dyn Fn(&HistoryRow) -> Option<String>| {
        Column::from(Series::new(
            name.into(),
            rows.iter().map(of).collect::<Vec<_>>(),
        ))
    };
    let number = |name: &str, of: &dyn Fn(&HistoryRow) -> Option<f64>| {
        Column::from(Series::new(
            name.into(),
            rows.iter().map(of).collect::<Vec<_>>(),
        ))
    };
    DataFrame::new(
        rows.len(),
        vec![
            text("night", &|row| Some(row.night.clone())),
            text("at", &|row| Some(row.at.to_string())),
            text("champion", &|row| Some(row.champion.clone())),
            text("cell", &|row| Some(row.cell.clone())),
            text("cell_name", &|row| Some(row.cell_name.clone())),
            Column::from(Series::new(
                "block".into(),
                rows.iter().map(|row| row.block).collect::<Vec<u32>>(),
            )),
            text("outcome", &|row| Some(row.outcome.clone())),
            number("score", &|row| row.score),
            text("rejected", &|row| row.rejected.clone()),
            number("aged_h", &|row| row.aged_h),
            text("ages", &|row| row.ages.clone()),
            text("conditions", &|row| Some(row.conditions.clone())),
            text("verdict", &|row| Some(row.verdict.name().to_owned())),
            text("state", &|row| Some(row.state.clone())),
        ],
    )
}

fn rows(frame: &DataFrame) -> Result<Vec<HistoryRow>, polars::error::PolarsError> {
    let texts = |name: &str| frame.column(name)?.str().cloned();
    let (night, at, champion) = (texts("night")?, texts("at")?, texts("champion")?);
    let (cell, cell_name, outcome) = (texts("cell")?, texts("cell_name")?, texts("outcome")?);
    let (rejected, conditions) = (texts("rejected")?, texts("conditions")?);
    let (verdict, state) = (texts("verdict")?, texts("state")?);
    let block = frame.column("block")?.u32()?.clone();
    let score = frame.column("score")?.f64()?.clone();
    // Nights before engines aged have no such columns.
    let aged_h = frame.column("aged_h").ok();
    let aged_h = aged_h.map(|column| column.f64().cloned()).transpose()?;
    let ages = frame.column("ages").ok();
    let ages = ages.map(|column| column.str().cloned()).transpose()?;
    let text = |of: Option<&str>| of.unwrap_or_default().to_owned();
    Ok((0..frame.height())
        .map(|row| HistoryRow {
            night: text(night.get(row)),
            at: text(at.get(row))
                .parse()
                .unwrap_or(jiff::Timestamp::UNIX_EPOCH),
            champion: text(champion.get(row)),
            cell: text(cell.get(row)),
            cell_name: text(cell_name.get(row)),
            block: block.get(row).unwrap_or(0),
            outcome: text(outcome.get(row)),
            score: score.get(row),
            rejected: rejected.get(row).map(str::to_owned),
            aged_h: aged_h.as_ref().and_then(|column| column.get(row)),
            ages: ages
                .as_ref()
                .and_then(|column| column.get(row))
                .map(str::to_owned),
            conditions: text(conditions.get(row)),
            verdict: match verdict.get(row) {
                Some("holds") => Call::Holds,
                Some("regressed") => Call::Regressed,
                Some("dethroned") => Call::Dethroned,
                _ => Call::Inconclusive,
            },
            state: text(state.get(row)),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(night: &str, score: Option<f64>, verdict: Call) -> HistoryRow {
        HistoryRow {
            night: night.to_owned(),
            at: match night {
                "one" => "2026-11-24T02:00:00Z",
                _ => "2026-11-25T02:00:00Z",
            }
            .parse()
            .unwrap(),
            champion: "c".to_owned(),
            cell: "c".to_owned(),
            cell_name: "safe".to_owned(),
            block: 3,
            outcome: "measured".to_owned(),
            score,
            rejected: score.is_none().then(|| "a gate".to_owned()),
            aged_h: score.map(|_| 12.0),
            ages: score.is_some().then(|| "it died".to_owned()),
            conditions: "{}".to_owned(),
            verdict,
            state: verdict.name().to_owned(),
        }
    }

    #[test]
    fn nights_are_added_and_read_back_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.parquet");
        assert!(read(&path).unwrap().is_empty());
        let first = [
            row("one", Some(4.5), Call::Holds),
            row("one", None, Call::Holds),
        ];
        let second = [
            row("two", Some(f64::MIN_POSITIVE), Call::Regressed),
            row("two", Some(4.6), Call::Dethroned),
            row("two", Some(4.6), Call::Inconclusive),
        ];
        put(&path, &second).unwrap();
        put(&path, &first[..1]).unwrap();
        // Judged again, it replaces what was there, in its place.
        put(&path, &first).unwrap();
        assert_eq!(read(&path).unwrap(), [&first[..], &second[..]].concat());
    }

    #[test]
    fn what_is_no_history_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.parquet");
        std::fs::write(&path, "no parquet").unwrap();
        assert!(put(&path, &[row("one", None, Call::Holds)]).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"no parquet");
    }
}
