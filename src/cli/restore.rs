//! `gridrun restore`: production that a dead run stopped is started and proved.

use std::io::Write;

use anyhow::Context;

use crate::cli::args::{Format, RestoreArgs};
use crate::cli::guard::{self, Restored};
use crate::exit::Exit;

pub(super) fn restore(args: &RestoreArgs) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the asynchronous runtime")?;
    let Restored {
        stays,
        looked_after,
    } = runtime.block_on(guard::keep_promises())?;
    let mut out = std::io::stdout().lock();
    match args.format {
        Format::Json => writeln!(
            out,
            "{}",
            serde_json::json!({ "production": stays, "looked_after": looked_after })
        )?,
        Format::Text => {
            for stay in &stays {
                writeln!(out, "{}", stay.told())?;
            }
            for name in &looked_after {
                writeln!(out, "production {name} is looked after by a run that lives")?;
            }
            if stays.is_empty() && looked_after.is_empty() {
                writeln!(out, "no production waits to be started again")?;
            }
        }
    }
    Ok(match stays.iter().any(|stay| stay.is_down()) {
        true => Exit::ProductionDown,
        false => Exit::Success,
    })
}
