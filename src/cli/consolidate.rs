//! `gridrun consolidate RUN_DIR|FILE...`: runs of one experiment, and what other tools wrote, as
//! one run directory with one frame and one report. Starts nothing.

use std::io::Write;
use std::path::Path;

use anyhow::Context;

use crate::cli::args::{ConsolidateArgs, Format, ToolChoice};
use crate::cli::fault::BadInput;
use crate::cli::source::table;
use crate::cli::{report, run_dir};
use crate::decide::import::{About, Tool, of_json, of_table};
use crate::decide::pool::{consolidate as pooled, of_files};
use crate::event::{EventKind, RunEvent};
use crate::exit::Exit;
use crate::id::{RunId, sha256_hex};
use crate::manifest::imported::Imported;
use crate::manifest::{RunEnding, RunRecord};
use crate::runner::ports::Journal;
use crate::store::journal::FileJournal;
use crate::store::layout::RunDir;
use crate::store::{durable, lock, record};

pub(super) fn consolidate(args: &ConsolidateArgs) -> anyhow::Result<Exit> {
    let (runs, files): (Vec<&Path>, Vec<&Path>) = args
        .sources
        .iter()
        .map(std::path::PathBuf::as_path)
        .partition(|path| path.is_dir());
    let mut imported = import(args, &files)?;
    let now = jiff::Timestamp::now();
    let run = RunId::new(now, rand::random());
    let dirs = runs
        .iter()
        .map(|path| run_dir::named(path))
        .collect::<Result<Vec<RunDir>, BadInput>>()?;
    let records = dirs
        .iter()
        .map(record::read)
        .collect::<Result<Vec<RunRecord>, _>>()?;
    let latest = records
        .iter()
        .zip(&dirs)
        .max_by_key(|(record, _)| record.manifest.started_at)
        .map(|(_, dir)| dir.clone());
    let pooled = pooled(records, &run, now).map_err(|apart| BadInput(apart.to_string()))?;
    let mut whole = match (pooled, &args.experiment) {
        (Some(pooled), _) => pooled,
        (None, Some(name)) => of_files(name, &run, now),
        (None, None) => {
            return Err(BadInput(
                "no run is named: say with --experiment NAME where the files' rows go".to_owned(),
            )
            .into());
        }
    };
    if let Some(name) = &args.experiment {
        whole.manifest.experiment.name = checked(name)?;
    }
    imported.retain(|row| !whole.imported.contains(row));
    whole.imported.append(&mut imported);
    let dir = RunDir::new(&args.results, &whole.manifest.experiment.name, &run);
    store(&dir, &whole, latest.as_ref())?;
    // From what is stored, so that `gridrun report` says the same.
    let report = report::write(&dir, &record::read(&dir)?)?;
    match args.format {
        Format::Text => report::print(&report, &dir)?,
        Format::Json => writeln!(std::io::stdout(), "{}", report.json())?,
    }
    Ok(Exit::Success)
}

/// The name of an experiment becomes a folder.
fn checked(name: &str) -> Result<String, BadInput> {
    let is_safe = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    match !name.is_empty() && !name.starts_with('.') && name.chars().all(is_safe) {
        true => Ok(name.to_owned()),
        false => Err(BadInput(format!(
            "--experiment `{name}`: expected letters, digits, `-`, `_` and `.`, as it becomes a folder"
        ))),
    }
}

/// The rows of all files; every file's mistakes at once.
fn import(args: &ConsolidateArgs, files: &[&Path]) -> anyhow::Result<Vec<Imported>> {
    let tool = args.tool.map(|tool| match tool {
        ToolChoice::VllmBench => Tool::VllmBench,
        ToolChoice::Guidellm => Tool::GuideLlm,
        ToolChoice::Aiperf => Tool::AiPerf,
    });
    let (mut rows, mut mistakes) = (Vec::new(), Vec::new());
    for path in files {
        let shown = path.display().to_string();
        let bytes = std::fs::read(path)
            .map_err(|error| BadInput(format!("{shown}: cannot be read: {error}")))?;
        let about = About {
            file: shown.clone(),
            sha256: sha256_hex(&bytes),
            cell: args.cell.clone(),
            estimated: args.estimated,
        };
        let is_table = path
            .extension()
            .is_some_and(|ending| ending == "csv" || ending == "parquet");
        let read = match is_table {
            true => of_table(&table(path)?, &about),
            false => match std::str::from_utf8(&bytes) {
                Ok(text) => of_json(text, tool, &about).map_err(|mistake| vec![mistake]),
                Err(error) => Err(vec![format!(
                    "byte {}: this is no text; JSON is expected, or a name that ends in .csv or .parquet",
                    error.valid_up_to()
                )]),
            },
        };
        match read {
            Ok(read) => rows.extend(read),
            Err(found) => mistakes.extend(found.iter().map(|one| format!("{shown}: {one}"))),
        }
    }
    match mistakes.is_empty() {
        true => Ok(rows),
        false => Err(BadInput(mistakes.join("\n")).into()),
    }
}

fn store(dir: &RunDir, whole: &RunRecord, latest: Option<&RunDir>) -> anyhow::Result<()> {
    durable::make_folder(dir.root())?;
    let _lock = lock::lock_run(&dir.lock())?;
    for source in &whole.manifest.sources {
        let from = latest.map(|latest| latest.root().join(&source.copy));
        if let Some(bytes) = from.and_then(|from| std::fs::read(from).ok()) {
            durable::write(&dir.root().join(&source.copy), &bytes)?;
        }
    }
    if !whole.imported.is_empty() {
        record::write_imported(dir, &whole.imported)?;
    }
    let mut journal = FileJournal::open(dir.clone()).context("cannot begin the journal")?;
    let settled = whole.settled.iter().map(|one| EventKind::AttemptSettled {
        settled: Box::new(one.clone()),
    });
    let skipped = whole
        .skipped
        .iter()
        .map(|skip| EventKind::CellSkipped { skip: skip.clone() });
    let ended = EventKind::RunEnded {
        ending: RunEnding::Complete {
            at: whole.manifest.started_at,
        },
    };
    for kind in settled.chain(skipped).chain([ended]) {
        journal.append(&RunEvent {
            at: whole.manifest.started_at,
            elapsed_ms: 0.0,
            kind,
        })?;
    }
    // Last: a directory without it is no run.
    record::write_manifest(dir, &whole.manifest)?;
    Ok(())
}
