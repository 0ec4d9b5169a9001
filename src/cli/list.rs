//! `gridrun list [EXPERIMENT]`: the runs under the results, and what is to be known of each.

use std::collections::{BTreeMap, HashMap};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use crate::champion::history::{PastNight, nights};
use crate::champion::reign::{reigning, since};
use crate::cli::args::{Format, ListArgs};
use crate::cli::fault::BadInput;
use crate::cli::report;
use crate::cli::throne::shown;
use crate::decide::night::Call;
use crate::doctor::lock::Holding;
use crate::exit::Exit;
use crate::id::RunId;
use crate::report::listing::{
    Around, ExperimentRuns, FORMAT, Listing, PassedOver, Reigning, RunRow,
};
use crate::store::holder::held;
use crate::store::layout::{RunDir, folders};
use crate::store::lock::known_gpu_lock_folder;
use crate::store::parquet::history;
use crate::store::record;
use crate::store::throne::Throne;

pub(super) fn list(args: &ListArgs) -> anyhow::Result<Exit> {
    let listing = gather(args)?;
    let mut out = std::io::stdout().lock();
    match args.format {
        Format::Text => {
            let colour = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
            write!(out, "{}", listing.text(report::width(), colour))?;
        }
        Format::Json => write!(out, "{}", listing.json())?,
    }
    Ok(Exit::Success)
}

fn gather(args: &ListArgs) -> Result<Listing, BadInput> {
    let running: Vec<PathBuf> = held(&known_gpu_lock_folder(), &args.results)
        .into_iter()
        .filter_map(|held| match held.what {
            Holding::Run(root) => Some(root),
            _ => None,
        })
        .collect();
    let mut listing = Listing {
        format: FORMAT,
        experiments: Vec::new(),
        passed_over: Vec::new(),
    };
    let mut by_name: BTreeMap<String, PathBuf> = folders(&args.results)
        .map(|folder| (name(&folder), folder))
        .collect();
    if let Some(wanted) = &args.experiment {
        let folder = by_name.remove(wanted).ok_or_else(|| {
            let known: Vec<String> = by_name.into_keys().collect();
            BadInput(format!(
                "no experiment `{wanted}` under {}; there are: {}",
                args.results.display(),
                known.join(", ")
            ))
        })?;
        by_name = BTreeMap::from([(wanted.clone(), folder)]);
    }
    for (experiment, folder) in by_name {
        let court = Court::of(&folder, &mut listing.passed_over);
        let mut runs = Vec::new();
        for root in folders(&folder) {
            match row(&root, &running, &court) {
                None => {}
                Some(Ok(row)) => runs.push(row),
                Some(Err(because)) => listing.passed_over.push(PassedOver {
                    folder: shown(&root),
                    because,
                }),
            }
        }
        runs.sort_by(|a, b| (b.started_at, &b.run).cmp(&(a.started_at, &a.run)));
        if !runs.is_empty() {
            listing.experiments.push(ExperimentRuns {
                experiment,
                folder: shown(&folder),
                reigning: court.reigning,
                runs,
            });
        }
    }
    Ok(listing)
}

/// What an experiment's folder says of its runs: who reigns, and what the nights were called.
struct Court {
    reigning: Option<Reigning>,
    calls: HashMap<String, Call>,
}

impl Court {
    /// What cannot be read is named and keeps nobody from the runs.
    fn of(folder: &Path, passed_over: &mut Vec<PassedOver>) -> Self {
        let mut pass = |path: PathBuf, because: String| {
            passed_over.push(PassedOver {
                folder: shown(&path),
                because,
            });
        };
        let throne = Throne::at(folder.to_owned());
        let reigns = throne.read().unwrap_or_else(|error| {
            pass(throne.reigns(), told(error));
            Vec::new()
        });
        let champion = reigning(&reigns).map(|champion| Reigning {
            cell: champion.cell.clone(),
            cell_id: champion.cell_id.to_string(),
            run: champion.evidence.run.to_string(),
            since: since(&reigns),
            stand_in: champion.evidence.conditions.stand_in,
        });
        let path = throne.history();
        let past = history::read(&path).map(|rows| nights(&rows));
        let past: Vec<PastNight> = past.unwrap_or_else(|error| {
            pass(path, told(error));
            Vec::new()
        });
        Self {
            reigning: champion,
            calls: past
                .into_iter()
                .map(|night| (night.run, night.verdict))
                .collect(),
        }
    }
}

/// A run; why it is none, for a folder that is called like one; `None` for any other folder.
fn row(root: &Path, running: &[PathBuf], court: &Court) -> Option<Result<RunRow, String>> {
    let dir = RunDir::at(root.to_owned());
    if !dir.manifest().is_file() {
        return RunId::is_form_of(&name(root))
            .then(|| Err("it has no run.json: the run ended before its first start".to_owned()));
    }
    let record = match record::read(&dir) {
        Ok(record) => record,
        Err(error) => return Some(Err(told(error))),
    };
    let run = record.manifest.run.as_str();
    let around = Around {
        folder: shown(root),
        is_running: running.iter().any(|other| other == root),
        night: court.calls.get(run).copied(),
        reigns: court.reigning.as_ref().is_some_and(|one| one.run == run),
    };
    Some(Ok(RunRow::of(&record, around)))
}

fn told(error: impl std::error::Error + Send + Sync + 'static) -> String {
    format!("{:#}", anyhow::Error::new(error))
}

fn name(path: &Path) -> String {
    path.file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}
