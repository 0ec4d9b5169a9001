//! `gridrun compare RUN_A RUN_B...`: what became better or worse. Starts and writes nothing.

use std::io::{IsTerminal, Write};

use crate::cli::args::{CompareArgs, Format};
use crate::cli::fault::BadInput;
use crate::cli::{report, run_dir};
use crate::decide::compare::{self, Comparison};
use crate::exit::Exit;
use crate::report::compared;
use crate::store::record;

pub(super) fn compare(args: &CompareArgs) -> anyhow::Result<Exit> {
    let reference = record::read(&run_dir::named(&args.reference)?)?;
    let mut comparisons: Vec<Comparison> = Vec::new();
    for path in &args.runs {
        let run = record::read(&run_dir::named(path)?)?;
        let compared = compare::compare(&reference, &run, args.equivalence, args.all);
        comparisons.push(compared.map_err(|refusal| BadInput(refusal.to_string()))?);
    }
    let mut out = std::io::stdout().lock();
    match args.format {
        Format::Json => write!(out, "{}", compared::json(&comparisons))?,
        Format::Text => {
            let colour = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
            for (at, comparison) in comparisons.iter().enumerate() {
                if at > 0 {
                    writeln!(out)?;
                }
                write!(
                    out,
                    "{}",
                    compared::text(comparison, report::width(), colour)
                )?;
            }
        }
    }
    Ok(Exit::Success)
}
