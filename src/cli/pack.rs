//! `gridrun pack CHAMPION`: what a production that runs the champion needs around it.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::champion::history::{comparable, nights};
use crate::champion::text::Champion;
use crate::cli::args::PackArgs;
use crate::cli::fault::BadInput;
use crate::cli::throne;
use crate::decide::night::{Against, judge};
use crate::exit::Exit;
use crate::manifest::Manifest;
use crate::pack::{alerts, compose, dashboard};
use crate::report::deploy_command;
use crate::store::layout::RunDir;
use crate::store::parquet::history;
use crate::store::{durable, record};

pub(super) fn pack(args: &PackArgs) -> anyhow::Result<Exit> {
    let path = champion_file(&args.champion, &args.results)?;
    let text = std::fs::read_to_string(&path)
        .map_err(|error| BadInput(format!("cannot read {}: {error}", path.display())))?;
    let champion =
        Champion::read(&text).map_err(|error| BadInput(format!("{}: {error}", path.display())))?;
    let cell = champion
        .as_cell()
        .map_err(|error| BadInput(format!("{}: {error}", path.display())))?;
    let manifest = manifest(&path, &champion);
    let allowed = allowed(&path, &champion);
    let image = manifest
        .as_ref()
        .and_then(|manifest| manifest.experiment.profile.engine.image.clone());
    let mut files = vec![
        ("alerts.yml", alerts::rules(&champion, &args.job, allowed)),
        (
            "dashboard.json",
            format!("{:#}\n", dashboard::dashboard(&champion)),
        ),
        (
            "compose.override.yml",
            compose::compose_override(&champion, &args.service, image.as_deref()),
        ),
    ];
    if let Some(manifest) = &manifest {
        let command = deploy_command(&manifest.experiment.profile, &cell);
        files.push((
            "docker-run.sh",
            format!(
                "#!/bin/sh\n# The champion {} by hand.\n{command}\n",
                one_line(&champion.cell)
            ),
        ));
    }
    durable::make_folder(&args.out)?;
    let mut out = std::io::stdout().lock();
    for (name, text) in &files {
        let path = args.out.join(name);
        durable::write(&path, text.as_bytes())?;
        writeln!(out, "{}{}", throne::stamp(&champion), path.display())?;
    }
    if manifest.is_none() {
        writeln!(
            out,
            "docker-run.sh is left out: the run {} of the champion is not beside it, and only it knows the profile",
            champion.evidence.run
        )?;
    }
    let noise = match allowed {
        Some(allowed) => format!("what its nights call usual: up to {:.1} %", allowed * 100.0),
        None => "the reference case's 15 %: fewer than 8 comparable nights so far".to_owned(),
    };
    writeln!(out, "bounds: {noise}")?;
    Ok(Exit::Success)
}

/// A file, the folder of an experiment, or its name.
fn champion_file(champion: &Path, results: &Path) -> Result<PathBuf, BadInput> {
    let candidates = [
        champion.to_owned(),
        champion.join("champion.toml"),
        results.join(champion).join("champion.toml"),
    ];
    candidates.into_iter().find(|path| path.is_file()).ok_or_else(|| {
        BadInput(format!(
            "{} is neither a champion.toml nor an experiment with one; `gridrun promote RUN` makes one",
            champion.display()
        ))
    })
}

/// The run that selected it, beside the file or around it.
fn manifest(path: &Path, champion: &Champion) -> Option<Manifest> {
    let folder = path.parent()?;
    let run = champion.evidence.run.as_str();
    let candidates = [folder.join(run), folder.to_owned()];
    candidates.into_iter().find_map(|root| {
        let record = record::read(&RunDir::at(root)).ok()?;
        (record.manifest.run == champion.evidence.run).then_some(record.manifest)
    })
}

/// What the champion's nights call usual, as a fraction; `None` before there are enough.
fn allowed(path: &Path, champion: &Champion) -> Option<f64> {
    let folder = path.parent()?;
    let beside = [
        folder.join("history.parquet"),
        folder.parent()?.join("history.parquet"),
    ];
    let rows = beside
        .iter()
        .find(|path| path.is_file())
        .and_then(|path| history::read(path).ok())?;
    let past = nights(&rows);
    let conditions = past.last()?.conditions.clone()?;
    let before = comparable(&past, &champion.cell_id, &conditions);
    let last = before.last()?.clone();
    match judge(&last, &before, None, 0.02).champion.against {
        Against::History { allowed, .. } => Some(allowed),
        Against::Reference { .. } | Against::Nothing | Against::NotMeasured => None,
    }
}

fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
