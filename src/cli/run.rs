//! `gridrun run FILE`, also `gridrun FILE`.

use crate::cli::args::RunArgs;
use crate::cli::execute;
use crate::cli::{check, source};
use crate::exit::Exit;
use crate::manifest::Engines;
use crate::spec::profile::RuntimeChoice;
use crate::time_scale::TimeScale;

pub(super) fn run(args: &RunArgs) -> anyhow::Result<Exit> {
    let checked = match source::load(&args.file)? {
        Ok(checked) => checked,
        Err(rejected) => return Ok(check::reject(&rejected)),
    };
    check::print(&checked.warnings, &checked.sources);
    let engines = match checked.experiment.profile.engine.runtime {
        RuntimeChoice::Docker => Engines::Docker,
        RuntimeChoice::StandIn => Engines::ProcessStandIn,
    };
    execute::new_run(checked, engines, TimeScale::ONE, None, &args.output)
}
