//! `gridrun completions SHELL`: made when it is asked for, from the arguments themselves, so that
//! it is always that of the program that is installed.

use std::io::Write;

use clap::CommandFactory;

use crate::cli::args::{Cli, CompletionsArgs};
use crate::exit::Exit;

pub(super) fn completions(args: &CompletionsArgs) -> anyhow::Result<Exit> {
    // Made first and written then: the generator panics where a reader goes away.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "gridrun", &mut script);
    std::io::stdout().lock().write_all(&script)?;
    Ok(Exit::Success)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;
    use clap_complete::Shell;

    #[test]
    fn every_verb_is_in_the_completions_of_every_shell() {
        for shell in Shell::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "gridrun", &mut script);
            let script = String::from_utf8(script).unwrap();
            for verb in Cli::command().get_subcommands() {
                let name = verb.get_name();
                let is_whole = |at: usize| {
                    let after = script[at + name.len()..].chars().next();
                    !after.is_some_and(|c| c.is_alphanumeric() || c == '-' || c == '_')
                };
                assert!(
                    script.match_indices(name).any(|(at, _)| is_whole(at)),
                    "{shell}: {name}"
                );
            }
        }
    }
}
