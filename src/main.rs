//! Parse, run, print, exit.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use gridrun::cli::{Cli, dispatch, exit_of};

fn main() -> ExitCode {
    match dispatch(Cli::parse()) {
        Ok(exit) => exit.into(),
        Err(error) => {
            // Nobody may be listening any more.
            let _ = writeln!(std::io::stderr(), "gridrun: {error:#}");
            exit_of(&error).into()
        }
    }
}
