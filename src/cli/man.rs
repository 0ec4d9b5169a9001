//! `gridrun man`: manual pages, made when they are asked for, from the arguments themselves.

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use clap::{Command, CommandFactory};
use clap_mangen::Man;

use crate::cli::args::{Cli, ManArgs};
use crate::exit::Exit;

pub(super) fn man(args: &ManArgs) -> anyhow::Result<Exit> {
    match &args.dir {
        None => {
            let mut page = Vec::new();
            Man::new(whole()).render(&mut page)?;
            std::io::stdout().lock().write_all(&page)?;
        }
        Some(dir) => {
            std::fs::create_dir_all(dir)
                .with_context(|| format!("cannot make the folder {}", dir.display()))?;
            let n_pages = write_pages(whole(), dir)
                .with_context(|| format!("cannot write manual pages into {}", dir.display()))?;
            let shown = dir.display();
            writeln!(std::io::stdout(), "{n_pages} manual pages in {shown}")?;
        }
    }
    Ok(Exit::Success)
}

/// The program with the full names of its verbs.
fn whole() -> Command {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    command
}

/// The page of a command and those of all below it; how many they are.
fn write_pages(command: Command, dir: &Path) -> std::io::Result<usize> {
    let mut n_pages = 1;
    for verb in command.get_subcommands() {
        n_pages += write_pages(verb.clone(), dir)?;
    }
    Man::new(command).generate_to(dir)?;
    Ok(n_pages)
}
