//! `gridrun stand-in serve|image`.

use std::io::Write;

use anyhow::Context;

use crate::cli::args::{StandInArgs, StandInVerb};
use crate::exit::Exit;
use crate::runtime::docker;
use crate::stand_in;

pub(super) fn stand_in(args: StandInArgs) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the asynchronous runtime")?;
    match args.verb {
        StandInVerb::Serve { args } => {
            let code = runtime.block_on(stand_in::serve(args));
            // The stand-in ends with vLLM's codes, not with gridrun's.
            std::process::exit(code)
        }
        StandInVerb::Image => {
            let image = runtime.block_on(docker::make_stand_in_image())?;
            writeln!(std::io::stdout(), "{image}")?;
            Ok(Exit::Success)
        }
    }
}
