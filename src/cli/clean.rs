//! `gridrun clean`: what dead runs left on this host goes.

use std::io::Write;

use anyhow::Context;

use crate::cli::args::{CleanArgs, Format};
use crate::exit::Exit;
use crate::runtime::{StandInImages, Swept, sweep_all};

pub(super) fn clean(args: &CleanArgs) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the asynchronous runtime")?;
    let images = if args.images {
        StandInImages::Remove
    } else {
        StandInImages::Keep
    };
    let Swept {
        said,
        without_docker,
    } = runtime.block_on(sweep_all(images))?;
    let note = without_docker.map(|error| format!("containers were not looked at: {error}"));
    let mut out = std::io::stdout().lock();
    match args.format {
        Format::Json => writeln!(
            out,
            "{}",
            serde_json::json!({ "found": said, "note": note })
        )?,
        Format::Text => {
            for line in &said {
                writeln!(out, "{line}")?;
            }
            if said.is_empty() {
                writeln!(out, "nothing of a dead run was left")?;
            }
            if let Some(note) = note {
                writeln!(out, "{note}")?;
            }
        }
    }
    Ok(Exit::Success)
}
