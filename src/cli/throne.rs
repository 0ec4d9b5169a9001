//! `gridrun promote RUN` and `gridrun rollback EXPERIMENT`: who reigns from now on.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::champion::reign::{self, Act, By, Reign};
use crate::champion::select::{Claim, NoChampion, select};
use crate::champion::text::Champion;
use crate::cli::args::{PromoteArgs, RollbackArgs};
use crate::cli::fault::BadInput;
use crate::cli::run_dir;
use crate::exit::Exit;
use crate::store::durable;
use crate::store::record;
use crate::store::throne::Throne;

pub(super) fn promote(args: &PromoteArgs) -> anyhow::Result<Exit> {
    let dir = run_dir::named(&args.run_dir)?;
    let record = record::read(&dir)?;
    let claim = match args.accept_leader {
        true => Claim::AcceptLeader,
        false => Claim::Champion,
    };
    let champion = select(&record, claim).map_err(|refused| match refused {
        NoChampion::OnlyALeader { .. } => BadInput(format!(
            "{refused}; repeat the run with more repeats, or put it in force all the same with --accept-leader"
        )),
        NoChampion::NothingRanked { .. } => BadInput(refused.to_string()),
    })?;
    let root = std::path::absolute(dir.root()).context("cannot tell where the run lies")?;
    let throne = Throne::at(root.parent().unwrap_or(&root).to_owned());
    let _lock = throne.lock()?;
    // The run keeps its own copy, also where it was only a leader's.
    durable::write(&dir.report("champion.toml"), champion.toml().as_bytes())?;
    put_in_force(&throne, champion, By::Hand)
}

/// Makes a champion reign and says who it follows.
pub(super) fn put_in_force(throne: &Throne, champion: Champion, by: By) -> anyhow::Result<Exit> {
    let reigns = throne.read()?;
    let name = champion.cell.clone();
    let stamp = stamp(&champion);
    let because = champion.because.clone();
    let line = Reign::promote(&reigns, champion, by, jiff::Timestamp::now())
        .map_err(|refused| BadInput(refused.to_string()))?;
    let mut out = std::io::stdout().lock();
    let Some(line) = line else {
        throne.mend()?;
        writeln!(out, "{stamp}{name} reigns already; nothing changed")?;
        return Ok(Exit::Success);
    };
    throne.add(&line)?;
    let followed = match &line.act {
        Act::Promoted {
            followed: Some(followed),
            ..
        } => format!("follows {followed}"),
        _ => "is the first champion".to_owned(),
    };
    writeln!(out, "{stamp}{name} reigns ({because}) and {followed}")?;
    writeln!(out, "{}", shown(&throne.champion()))?;
    if reign::throne(&reigns).is_empty() {
        return Ok(Exit::Success);
    }
    writeln!(
        out,
        "the way back: gridrun rollback {}",
        shell_words::quote(&shown(throne.root()))
    )?;
    Ok(Exit::Success)
}

pub(super) fn rollback(args: &RollbackArgs) -> anyhow::Result<Exit> {
    let throne = named(&args.experiment, &args.results)?;
    let _lock = throne.lock()?;
    let reigns = throne.read()?;
    let line = Reign::roll_back(&reigns, jiff::Timestamp::now())
        .map_err(|refused| BadInput(format!("{}: {refused}", shown(throne.root()))))?;
    throne.add(&line)?;
    let reigns = throne.read()?;
    let champion = reign::reigning(&reigns).context("whoever is rolled back to reigns")?;
    let Act::RolledBack { from, .. } = &line.act else {
        anyhow::bail!("a way back is a way back");
    };
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{}{} reigns again, of run {}; {from} does not any more",
        stamp(champion),
        champion.cell,
        champion.evidence.run,
    )?;
    writeln!(out, "{}", shown(&throne.champion()))?;
    Ok(Exit::Success)
}

/// The throne of an experiment: a folder, or a name under `results`.
///
/// # Errors
/// When there is none.
pub(super) fn named(experiment: &Path, results: &Path) -> Result<Throne, BadInput> {
    let candidates: [PathBuf; 2] = [experiment.to_owned(), results.join(experiment)];
    for root in candidates {
        let throne = Throne::at(root);
        if throne.reigns().is_file() {
            return Ok(throne);
        }
    }
    Err(BadInput(format!(
        "nobody reigns in {} or in {}: there is no reigns.jsonl; put a run in force with `gridrun promote RUN`",
        experiment.display(),
        results.join(experiment).display(),
    )))
}

pub(super) fn stamp(champion: &Champion) -> &'static str {
    match champion.evidence.conditions.stand_in {
        true => "STAND-IN: ",
        false => "",
    }
}

/// A path as the user would write it: from here, where it lies below.
pub(super) fn shown(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let relative = here.and_then(|here| path.strip_prefix(here).ok().map(Path::to_owned));
    relative
        .filter(|path| !path.as_os_str().is_empty())
        .unwrap_or_else(|| path.to_owned())
        .display()
        .to_string()
}
