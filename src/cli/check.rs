//! `gridrun check FILE`.

use std::io::{IsTerminal, Write};

use crate::cli::args::{CheckArgs, Format};
use crate::cli::plan::count;
use crate::cli::source;
use crate::exit::Exit;
use crate::plan::check::{Checked, Rejected};
use crate::spec::diagnostic::{self, Colour, Diagnostic, Files};

pub(super) fn check(args: &CheckArgs) -> anyhow::Result<Exit> {
    let loaded = source::load(&args.file)?;
    let (exit, sources, diagnostics) = match &loaded {
        Ok(checked) => (Exit::Success, &checked.sources, &checked.warnings),
        Err(rejected) => (Exit::BadInput, &rejected.sources, &rejected.diagnostics),
    };
    let mut out = std::io::stdout().lock();
    match args.format {
        Format::Json => {
            let findings = diagnostic::list(diagnostics, sources);
            let ok = exit == Exit::Success;
            writeln!(
                out,
                "{}",
                serde_json::json!({ "ok": ok, "findings": findings })
            )?;
        }
        Format::Text => {
            drop(out);
            print(diagnostics, sources);
            if let Ok(checked) = &loaded {
                writeln!(std::io::stdout(), "{}", summary(checked))?;
            }
        }
    }
    Ok(exit)
}

/// Prints what is wrong, for a verb that cannot go on.
pub(super) fn reject(rejected: &Rejected) -> Exit {
    print(&rejected.diagnostics, &rejected.sources);
    Exit::BadInput
}

/// Prints findings on standard error, in colour where that is wanted.
pub(super) fn print(diagnostics: &[Diagnostic], sources: &impl Files) {
    let mut err = std::io::stderr().lock();
    let colour = if err.is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        Colour::Ansi
    } else {
        Colour::Plain
    };
    let _ = write!(err, "{}", diagnostic::render(diagnostics, sources, colour));
}

fn summary(checked: &Checked) -> String {
    let experiment = &checked.experiment;
    format!(
        "{}: {}, {}, {}",
        experiment.name,
        count(checked.cells.len(), "cell"),
        count(experiment.workloads.len(), "workload node"),
        count(
            checked.cells.len() * experiment.run.repeats as usize,
            "start"
        )
    )
}
