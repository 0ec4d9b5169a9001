//! `gridrun rehearse FILE`: the same run with stand-in engines.

use crate::cli::args::{RehearseArgs, RehearseRuntime};
use crate::cli::execute;
use crate::cli::{check, source};
use crate::exit::Exit;
use crate::manifest::Engines;

pub(super) fn rehearse(args: &RehearseArgs) -> anyhow::Result<Exit> {
    let checked = match source::load(&args.file)? {
        Ok(checked) => checked,
        Err(rejected) => return Ok(check::reject(&rejected)),
    };
    check::print(&checked.warnings, &checked.sources);
    let engines = match args.runtime {
        RehearseRuntime::Docker => Engines::DockerStandIn,
        RehearseRuntime::Process => Engines::ProcessStandIn,
    };
    execute::new_run(checked, engines, args.speed, &args.output)
}
