//! Reads a run back: its manifest and journal as one [`RunRecord`], from which reports are made
//! and a resume goes on.

use std::path::Path;

use crate::event::EventKind;
use crate::manifest::imported::Imported;
use crate::manifest::{Manifest, RunEnding, RunRecord};
use crate::outcome::Race;
use crate::runner::ports::StoreError;
use crate::store::layout::RunDir;
use crate::store::{durable, journal};

/// Writes `run.json`.
///
/// # Errors
/// When it cannot be written.
pub fn write_manifest(dir: &RunDir, manifest: &Manifest) -> Result<(), StoreError> {
    let mut bytes = serde_json::to_vec_pretty(manifest).expect("a manifest is plain data");
    bytes.push(b'\n');
    durable::write(&dir.manifest(), &bytes)
}

/// Reads a run as its stored data tell it.
///
/// # Errors
/// When a file is missing, unreadable, or of another version of the format.
pub fn read(dir: &RunDir) -> Result<RunRecord, StoreError> {
    let manifest = read_manifest(&dir.manifest())?;
    let mut settled = Vec::new();
    let mut skipped = Vec::new();
    let mut race = Race::default();
    let mut ending = RunEnding::Open;
    let mut production = None;
    for event in journal::read(&dir.journal())? {
        match event.kind {
            EventKind::AttemptSettled { settled: one } => settled.push(*one),
            EventKind::CellSkipped { skip } => skipped.push(skip),
            EventKind::CellDropped { dropped } => race.dropped.push(dropped),
            EventKind::RaceDecided { decided } => race.decided = Some(decided),
            EventKind::RunEnded { ending: last } => ending = last,
            EventKind::ProductionReturned { stay } => production = Some(stay),
            EventKind::RunStarted { .. } => ending = RunEnding::Open,
            EventKind::Swept { .. }
            | EventKind::AttemptStarted { .. }
            | EventKind::AttemptPhase { .. }
            | EventKind::NodeStarted { .. }
            | EventKind::NodeFinished { .. }
            | EventKind::Forecast { .. }
            | EventKind::Waiting { .. }
            | EventKind::Notice { .. } => {}
        }
    }
    Ok(RunRecord {
        manifest,
        settled,
        skipped,
        race,
        ending,
        production,
        imported: read_imported(&dir.imported())?,
    })
}

/// Writes what was brought from elsewhere.
///
/// # Errors
/// When it cannot be written.
pub fn write_imported(dir: &RunDir, rows: &[Imported]) -> Result<(), StoreError> {
    let mut bytes = serde_json::to_vec_pretty(rows).expect("rows are plain data");
    bytes.push(b'\n');
    durable::write(&dir.imported(), &bytes)
}

fn read_imported(path: &Path) -> Result<Vec<Imported>, StoreError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(durable::failed("cannot read", path, error)),
    };
    serde_json::from_slice(&bytes).map_err(|error| StoreError {
        what: "no list of imported rows:".to_owned(),
        path: path.to_owned(),
        source: Box::new(error),
    })
}

/// Reads `run.json` alone.
///
/// # Errors
/// When it is missing, unreadable, or of another version of the format.
pub fn read_manifest(path: &Path) -> Result<Manifest, StoreError> {
    let bytes =
        std::fs::read(path).map_err(|source| durable::failed("cannot read", path, source))?;
    let unusable = |what: String, source: Box<dyn std::error::Error + Send + Sync>| StoreError {
        what,
        path: path.to_owned(),
        source,
    };
    let value: serde_json::Value = serde_json::from_slice(&bytes)
        .map_err(|error| unusable("not a manifest:".to_owned(), Box::new(error)))?;
    let format = value.get("format").and_then(serde_json::Value::as_u64);
    if format != Some(u64::from(Manifest::FORMAT)) {
        let found = format.map_or_else(|| "none".to_owned(), |format| format.to_string());
        let why = format!("this gridrun reads format {}", Manifest::FORMAT);
        return Err(unusable(format!("results format {found} in"), why.into()));
    }
    serde_json::from_value(value).map_err(|error| {
        unusable(
            "not a manifest of this version:".to_owned(),
            Box::new(error),
        )
    })
}
