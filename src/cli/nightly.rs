//! `gridrun nightly FILE`: the champion in force and a few challengers in one night, a verdict, a
//! message when the state changed.

mod settle;

use std::io::Write;

use anyhow::Context;

use crate::champion::history::{PastNight, aged_lately, candidates, nights};
use crate::champion::reign;
use crate::champion::text::Champion;
use crate::cli::args::{FailOn, NightlyArgs, RehearseRuntime};
use crate::cli::fault::BadInput;
use crate::cli::{execute, plan, rehearse, throne};
use crate::decide::night::{Call, Candidacy, Candidate, draw, whose_age};
use crate::exit::Exit;
use crate::id::CellId;
use crate::manifest::{Engines, NightOrders, Notify};
use crate::matrix::cell::Cell;
use crate::plan::check::Checked;
use crate::spec::experiment::{Strategy, Workload};
use crate::spec::profile::RuntimeChoice;
use crate::store::parquet::history;
use crate::store::throne::Throne;
use crate::time_scale::TimeScale;

pub(in crate::cli) use settle::ended;

pub(super) fn nightly(args: &NightlyArgs) -> anyhow::Result<Exit> {
    let Some((checked, scenario)) = rehearse::load(&args.file, args.scenario.as_deref())? else {
        return Ok(Exit::BadInput);
    };
    // Read before anything is started: a night must not end with a message that cannot be sent.
    let notify = args.notify_env.clone().map(|variable| Notify {
        variable,
        form: settle::name_of(args.notify_as).to_owned(),
    });
    let webhook = notify.as_ref().map(settle::webhook).transpose()?;
    let (engines, speed) = engines(args, &checked);
    let results =
        std::path::absolute(&args.output.results).context("cannot tell where the results go")?;
    let throne = Throne::at(results.join(&checked.experiment.name));
    let history = throne.history();
    let champion = reigning(&throne)?;
    if args.dry_run {
        let past = nights(&history::read(&history)?);
        let tonight = choose(&checked, &champion, &past, args.challengers)?;
        return say_what_would_be(args, &checked, &champion, &tonight, &past);
    }
    let _night = throne.lock_night()?;
    if let Some(exit) = execute::keep_promises()? {
        return Ok(exit);
    }
    settle::make_up(&throne)?;
    // A night that is made up for may have changed who reigns.
    let champion = reigning(&throne)?;
    let past = nights(&history::read(&history)?);
    let tonight = choose(&checked, &champion, &past, args.challengers)?;
    let orders = NightOrders {
        champion: champion.cell_id.clone(),
        ages: tonight.ages.clone(),
        promote: args.promote,
        notify,
    };
    let begun = execute::new_run_in(
        of_tonight(checked, &tonight, args.blocks),
        Some(orders),
        engines,
        speed,
        scenario,
        &args.output,
    );
    let (exit, dir) = match begun {
        Ok((exit, Some(dir))) => (exit, dir),
        Ok((exit, None)) => return Ok(exit),
        Err(error) => {
            if let Some(webhook) = &webhook {
                settle::tell_failure(webhook, &champion.experiment, &error);
            }
            return Err(error);
        }
    };
    let Some(report) = settle::ended(exit, &dir, args.output.format)? else {
        return Ok(exit);
    };
    Ok(exit_of(exit, report.verdict, &args.fail_on))
}

fn reigning(throne: &Throne) -> anyhow::Result<Champion> {
    let reigns = throne.read()?;
    reign::reigning(&reigns).cloned().ok_or_else(|| {
        BadInput(format!(
            "nobody reigns in {}: run the experiment and put its champion in force with `gridrun promote RUN`",
            throne::shown(throne.root())
        ))
        .into()
    })
}

fn engines(args: &NightlyArgs, checked: &Checked) -> (Engines, TimeScale) {
    let profile = &checked.experiment.profile;
    let usual = profile
        .stand_in
        .as_ref()
        .map_or(TimeScale::ONE, |numbers| numbers.speed);
    let usual = args.speed.unwrap_or(usual);
    match (args.rehearse, profile.engine.runtime) {
        (Some(RehearseRuntime::Docker), _) => (Engines::DockerStandIn, usual),
        (Some(RehearseRuntime::Process), _) => (Engines::ProcessStandIn, usual),
        (None, RuntimeChoice::Docker) => (Engines::Docker, TimeScale::ONE),
        (None, RuntimeChoice::StandIn) => (Engines::ProcessStandIn, TimeScale::ONE),
    }
}

/// Who runs tonight, the champion first.
struct Tonight {
    cells: Vec<Cell>,
    /// Of the challengers, in their order.
    candidates: Vec<Candidate>,
    /// The matrix no longer has the champion.
    is_outside: bool,
    /// Whose last start carries the `age` nodes.
    ages: Option<CellId>,
}

fn choose(
    checked: &Checked,
    champion: &Champion,
    past: &[PastNight],
    k: usize,
) -> anyhow::Result<Tonight> {
    let inside = checked
        .cells
        .iter()
        .find(|cell| cell.id == champion.cell_id);
    let reigning = match inside {
        Some(cell) => cell.clone(),
        None => champion
            .as_cell()
            .map_err(|error| BadInput(format!("the champion in force cannot run: {error}")))?,
    };
    // What was measured last under this champion decides who is near; the night's own
    // conditions are known only when it runs.
    let last = past
        .iter()
        .rev()
        .find(|night| night.champion == champion.cell_id);
    let conditions = last.and_then(|night| night.conditions.clone());
    let conditions = conditions.unwrap_or_else(|| champion.evidence.conditions.clone());
    let margin = checked.experiment.run.equivalence;
    let all = candidates(&checked.cells, past, &champion.cell_id, &conditions, margin);
    let drawn = draw(&all, k);
    let mut cells = vec![reigning];
    let mut chosen = Vec::new();
    for id in &drawn {
        cells.extend(checked.cells.iter().find(|cell| cell.id == *id).cloned());
        chosen.extend(all.iter().find(|one| one.cell == *id).cloned());
    }
    let has_age = checked.experiment.workloads.iter().any(Workload::is_ageing);
    let aged = aged_lately(past);
    let ages = has_age.then(|| whose_age(&champion.cell_id, &drawn, &aged).clone());
    Ok(Tonight {
        cells,
        candidates: chosen,
        is_outside: inside.is_none(),
        ages,
    })
}

/// The experiment with tonight's cells, each started once a block: differences are paired, so
/// that nobody is dropped on the way, and a night's numbers are that night's.
fn of_tonight(mut checked: Checked, tonight: &Tonight, blocks: u32) -> Checked {
    checked.cells.clone_from(&tonight.cells);
    let run = &mut checked.experiment.run;
    run.repeats = blocks;
    run.strategy = Strategy::Exhaustive;
    run.reuse = None;
    checked
}

fn say_what_would_be(
    args: &NightlyArgs,
    checked: &Checked,
    champion: &Champion,
    tonight: &Tonight,
    past: &[PastNight],
) -> anyhow::Result<Exit> {
    let n_starts = u32::try_from(tonight.cells.len())
        .unwrap_or(u32::MAX)
        .saturating_mul(args.blocks);
    let estimate = plan::time_of(checked, &args.output.results, n_starts, 1);
    let mut out = std::io::stdout().lock();
    let outside = match tonight.is_outside {
        true => ", which the matrix no longer has",
        false => "",
    };
    let since = past
        .iter()
        .filter(|night| night.champion == champion.cell_id)
        .count();
    writeln!(
        out,
        "{}champion {}{outside}, with {since} nights behind it",
        throne::stamp(champion),
        champion.cell
    )?;
    for (cell, candidate) in tonight.cells.iter().skip(1).zip(&tonight.candidates) {
        let last = match candidate.last_ran {
            None => "never validated".to_owned(),
            Some(1) => "validated last night".to_owned(),
            Some(nights) => format!("validated {nights} nights ago"),
        };
        let standing = match candidate.standing {
            Candidacy::Leading => ", leads and is not settled",
            Candidacy::Contender => "",
            Candidacy::Far => ", far behind or dead when it ran",
        };
        writeln!(out, "challenger {}: {last}{standing}", cell.name)?;
    }
    let ages = tonight.cells.iter();
    let ages = ages.filter(|cell| tonight.ages.as_ref() == Some(&cell.id));
    for cell in ages {
        writeln!(out, "{} ages in the last start of the night", cell.name)?;
    }
    writeln!(out, "{} blocks, {n_starts} starts; {estimate}", args.blocks)?;
    Ok(Exit::Success)
}

fn exit_of(exit: Exit, verdict: Call, fail_on: &[FailOn]) -> Exit {
    let fails = |on| fail_on.contains(&on);
    match (exit, verdict) {
        (Exit::ProductionDown, _) => exit,
        (_, Call::Regressed) if fails(FailOn::Regressed) => Exit::Regressed,
        (_, Call::Dethroned) if fails(FailOn::Dethroned) => Exit::Dethroned,
        (_, Call::Inconclusive) if fails(FailOn::Inconclusive) => Exit::Inconclusive,
        _ => exit,
    }
}
