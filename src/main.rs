//! Parse, run, print, exit.

use std::process::ExitCode;

use clap::Parser;

use gridrun::cli::{Cli, dispatch, exit_of};

fn main() -> ExitCode {
    match dispatch(Cli::parse()) {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("gridrun: {error:#}");
            exit_of(&error).into()
        }
    }
}
