//! `gridrun rehearse FILE`: the same run with stand-in engines.

use std::path::Path;

use crate::cli::args::{RehearseArgs, RehearseRuntime};
use crate::cli::execute;
use crate::cli::fault::exit_of;
use crate::cli::{check, source};
use crate::exit::Exit;
use crate::manifest::Engines;
use crate::plan::check::Checked;
use crate::spec::diagnostic::{Diagnostic, Source, Span};
use crate::spec::profile::StandInProfile;
use crate::spec::scenario::Scenario;
use crate::time_scale::TimeScale;

pub(super) fn rehearse(args: &RehearseArgs) -> anyhow::Result<Exit> {
    let Some((checked, scenario)) = load(&args.file, args.scenario.as_deref())? else {
        return Ok(Exit::BadInput);
    };
    let numbers = checked.experiment.profile.stand_in.as_ref();
    let usual = numbers.map_or(TimeScale::ONE, |numbers| numbers.speed);
    let speed = args.speed.unwrap_or(usual);
    let warning = numbers.and_then(|numbers| too_fast(speed, numbers));
    check::print(warning.as_slice(), &checked.sources);
    let engines = match args.runtime {
        RehearseRuntime::Docker => Engines::DockerStandIn,
        RehearseRuntime::Process => Engines::ProcessStandIn,
    };
    let ran = execute::new_run(checked, engines, speed, scenario, &args.output);
    ran.map_err(|error| match exit_of(&error) {
        Exit::NoDocker => error.context("`gridrun rehearse --runtime process` needs no Docker"),
        _ => error,
    })
}

/// An experiment, and a scenario as its file gives it.
pub(super) type Rehearsed = (Checked, Option<(Scenario, Source)>);

/// Reads both; says what is wrong with both. `None` where
/// that keeps them from being run.
///
/// # Errors
/// When a file cannot be read.
pub(super) fn load(file: &Path, scenario: Option<&Path>) -> anyhow::Result<Option<Rehearsed>> {
    // Both before either is judged: all mistakes are told at once.
    let loaded = source::load(file)?;
    let scenario = scenario.map(source::load_scenario).transpose()?;
    match &loaded {
        Ok(checked) => check::print(&checked.warnings, &checked.sources),
        Err(rejected) => check::print(&rejected.diagnostics, &rejected.sources),
    }
    let scenario = match scenario {
        Some(found) => {
            check::print(&found.diagnostics, &found.source);
            match found.scenario {
                Some(scenario) => Some((scenario, found.source)),
                None => return Ok(None),
            }
        }
        None => None,
    };
    Ok(loaded.ok().map(|checked| (checked, scenario)))
}

/// What a speed does to the numbers of a stand-in whose tokens are too short for it.
fn too_fast(speed: TimeScale, numbers: &StandInProfile) -> Option<Diagnostic> {
    let token = numbers.token();
    let bearable = TimeScale::bearable(token);
    if speed.is_one() || speed <= bearable {
        return None;
    }
    let message = format!(
        "at --speed {}, about {:.0} ms are added to every time to first token that is told; a token of this \
         stand-in takes {:.0} ms",
        speed.factor(),
        speed.told_too_long().as_secs_f64() * 1e3,
        token.as_secs_f64() * 1e3,
    );
    let until = match bearable.is_one() {
        true => "only at speed 1 less than a token is added".to_owned(),
        false => format!(
            "up to --speed {} no more than a token is added",
            bearable.factor()
        ),
    };
    let help = format!("{until}; tokens per second are right at every speed");
    Some(Diagnostic::warning(None::<Span>, message).help(help))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stand_in;

    #[test]
    fn a_speed_at_which_tokens_are_too_short_is_named_with_the_highest_that_is_not() {
        let warning = |tokens_per_second: f64, speed: f64| {
            let numbers = StandInProfile {
                decode_tokens_per_second: tokens_per_second,
                ..stand_in::defaults()
            };
            let warning = too_fast(TimeScale::new(speed).unwrap(), &numbers)?;
            Some(warning.message + "; " + &warning.help.unwrap())
        };
        assert_eq!(warning(100.0, 5.0), None);
        assert_eq!(
            warning(100.0, 20.0).unwrap(),
            "at --speed 20, about 40 ms are added to every time to first token that is told; a token of this \
             stand-in takes 10 ms; up to --speed 5 no more than a token is added; tokens per second are right \
             at every speed"
        );
        assert!(warning(400.0, 2.0).unwrap().contains("only at speed 1"));
        assert_eq!(warning(400.0, 1.0), None);
    }
}
