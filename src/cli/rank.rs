//! `gridrun rank [RUN_DIR...]`: decides again from what runs stored. Starts and writes nothing.

use std::io::{IsTerminal, Write};

use crate::cli::args::{Format, RankArgs};
use crate::cli::fault::BadInput;
use crate::cli::{report, run_dir};
use crate::decide::pool::pool;
use crate::exit::Exit;
use crate::manifest::RunRecord;
use crate::report::build;
use crate::spec::criteria;
use crate::spec::experiment::Experiment;
use crate::store::record;

pub(super) fn rank(args: &RankArgs) -> anyhow::Result<Exit> {
    let mut record = read(args)?;
    apply(args, &mut record.manifest.experiment)?;
    if !args.objectives.is_empty() {
        // The noise of another score.
        record.manifest.prior_noise.clear();
    }
    let report = build(&record).printed_only();
    let mut out = std::io::stdout().lock();
    match args.format {
        Format::Text => {
            let colour = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
            write!(out, "{}", report.terminal(report::width(), colour))?;
        }
        Format::Json => writeln!(out, "{}", report.json())?,
    }
    Ok(match report.measured_anything() {
        true => Exit::Success,
        false => Exit::NothingMeasured,
    })
}

/// The runs that are meant, as one.
fn read(args: &RankArgs) -> anyhow::Result<RunRecord> {
    let dirs = match args.runs.as_slice() {
        [] => vec![run_dir::latest(&args.results)?],
        named => named
            .iter()
            .map(|path| run_dir::named(path))
            .collect::<Result<_, _>>()?,
    };
    let records = dirs.iter().map(record::read).collect::<Result<_, _>>()?;
    let pooled = pool(records).map_err(|apart| BadInput(apart.to_string()))?;
    Ok(pooled.expect("one run at least is named"))
}

/// Puts what the user asked for in the place of what the file says. Other objectives than the
/// file's are one decision: its use cases are then left out.
fn apply(args: &RankArgs, experiment: &mut Experiment) -> Result<(), BadInput> {
    let wrong = |option: &str, text: &str| {
        let option = option.to_owned();
        let text = text.to_owned();
        move |why: String| BadInput(format!("{option} `{text}`: {why}"))
    };
    if !args.objectives.is_empty() {
        experiment.objectives = args
            .objectives
            .iter()
            .map(|text| {
                let objective = criteria::objective(text, &experiment.workloads);
                objective.map_err(wrong("--objective", text))
            })
            .collect::<Result<_, _>>()?;
        for (at, objective) in experiment.objectives.iter().enumerate() {
            if experiment.objectives[..at]
                .iter()
                .any(|o| o.metric == objective.metric)
            {
                let why = "it is an objective twice; give it a weight instead".to_owned();
                return Err(wrong("--objective", &args.objectives[at])(why));
            }
        }
        experiment.use_cases = Vec::new();
    }
    if !args.gates.is_empty() || args.no_gates {
        experiment.gates = args
            .gates
            .iter()
            .map(|text| criteria::gate(text, &experiment.workloads).map_err(wrong("--gate", text)))
            .collect::<Result<_, _>>()?;
    }
    if let Some(equivalence) = args.equivalence {
        experiment.run.equivalence = equivalence;
    }
    Ok(())
}
