//! Parse, run, print, exit.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use gridrun::cli::{Cli, dispatch, exit_of, reader_is_gone};
use gridrun::exit::Exit;

fn main() -> ExitCode {
    match dispatch(Cli::parse()) {
        Ok(exit) => exit.into(),
        Err(error) if reader_is_gone(&error) => Exit::Success.into(),
        Err(error) => {
            // Nobody may be listening any more.
            let _ = writeln!(std::io::stderr(), "gridrun: {error:#}");
            exit_of(&error).into()
        }
    }
}
