//! `gridrun replay TABLE|RUN`: a strategy against attempts that were recorded. Starts nothing.

use std::io::Write;
use std::path::Path;

use anyhow::Context;

use crate::cli::args::{Format, ReplayArgs, StrategyChoice};
use crate::cli::run_dir;
use crate::cli::source::table;
use crate::decide::replay::{Asked, Recording, Settings, Told, of_run, of_table};
use crate::exit::Exit;
use crate::spec::experiment::Strategy;
use crate::store::record;

pub(super) fn replay(args: &ReplayArgs) -> anyhow::Result<Exit> {
    let recording = match recording(args)? {
        Ok(recording) => recording,
        Err(mistakes) => {
            let mut err = std::io::stderr().lock();
            for mistake in mistakes {
                writeln!(err, "error: {}: {mistake}", args.source.display())?;
            }
            return Ok(Exit::BadInput);
        }
    };
    let told = Told::of(
        &recording,
        args.deadline.map(|deadline| deadline.as_secs_f64()),
    );
    let mut out = std::io::stdout().lock();
    match args.format {
        Format::Text => write!(out, "{}", told.text())?,
        Format::Json => {
            let json = serde_json::to_string_pretty(&told).context("a result is plain data")?;
            writeln!(out, "{json}")?;
        }
    }
    Ok(match told.leader {
        Some(_) => Exit::Success,
        None => Exit::NothingMeasured,
    })
}

fn recording(args: &ReplayArgs) -> anyhow::Result<Result<Recording, Vec<String>>> {
    let asked = Asked {
        objectives: args.objective.clone(),
        gates: args.gate.clone(),
    };
    let settings = Settings {
        strategy: match args.strategy {
            StrategyChoice::Exhaustive => Strategy::Exhaustive,
            StrategyChoice::Race => Strategy::Race,
        },
        repeats: args.repeats,
        seed: args.seed,
    };
    let source: &Path = &args.source;
    Ok(match source.is_dir() {
        true => of_run(record::read(&run_dir::named(source)?)?, &asked, settings),
        false => of_table(&table(source)?, &asked, settings),
    })
}
