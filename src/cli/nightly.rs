//! `gridrun nightly FILE`: the champion in force and a few challengers in one night, a verdict, a
//! message when the state changed.

use std::io::Write;

use anyhow::Context;

use crate::champion::conditions::Conditions;
use crate::champion::history::{
    PastNight, candidates, cells_of, changes, comparable, nights, rows,
};
use crate::champion::reign::{self, By, Reign};
use crate::champion::select::of_cell;
use crate::champion::text::Champion;
use crate::cli::args::{FailOn, Format, NightlyArgs, NotifyForm, RehearseRuntime};
use crate::cli::fault::BadInput;
use crate::cli::{check, execute, guard, plan, source, throne};
use crate::decide::decision::Decision;
use crate::decide::night::{Call, Candidacy, Candidate, Night, draw, judge};
use crate::exit::Exit;
use crate::guard::stay::{Return, Stay};
use crate::manifest::{Engines, RunRecord};
use crate::matrix::cell::Cell;
use crate::notify::{Form, Message, send};
use crate::plan::check::Checked;
use crate::report::nightly::{Earlier, FORMAT, NightReport};
use crate::spec::experiment::Strategy;
use crate::spec::profile::RuntimeChoice;
use crate::store::layout::RunDir;
use crate::store::parquet::history;
use crate::store::throne::Throne;
use crate::store::{durable, record};
use crate::time_scale::TimeScale;

/// Earlier nights that a report knows.
const EARLIER: usize = 30;

pub(super) fn nightly(args: &NightlyArgs) -> anyhow::Result<Exit> {
    let checked = match source::load(&args.file)? {
        Ok(checked) => checked,
        Err(rejected) => return Ok(check::reject(&rejected)),
    };
    check::print(&checked.warnings, &checked.sources);
    // Read before anything is started: a night must not end with a message that cannot be sent.
    let webhook = webhook(args)?;
    let (engines, speed) = engines(args, &checked);
    let results =
        std::path::absolute(&args.output.results).context("cannot tell where the results go")?;
    let throne = Throne::at(results.join(&checked.experiment.name));
    let reigns = throne.read()?;
    let Some(champion) = reign::reigning(&reigns).cloned() else {
        return Err(BadInput(format!(
            "nobody reigns in {}: run the experiment and put its champion in force with `gridrun promote RUN`",
            throne::shown(throne.root())
        ))
        .into());
    };
    let history_path = throne.root().join("history.parquet");
    let past = nights(&history::read(&history_path)?);
    let tonight = choose(&checked, &champion, &past, args.challengers)?;
    if args.dry_run {
        return say_what_would_be(args, &checked, &champion, &tonight, &past);
    }
    let _night = throne.lock_night()?;
    let margin = checked.experiment.run.equivalence;
    let begun = execute::new_run_in(
        of_tonight(checked, &tonight, args.blocks),
        engines,
        speed,
        None,
        &args.output,
    );
    let (exit, dir) = match begun {
        Ok((exit, Some(dir))) => (exit, dir),
        Ok((exit, None)) => return Ok(exit),
        Err(error) => {
            tell_failure(webhook.as_ref(), &champion, &error);
            return Err(error);
        }
    };
    if exit == Exit::Interrupted {
        guard::say("the night was interrupted: nothing is judged".to_owned());
        return Ok(exit);
    }
    let record = record::read(&dir)?;
    let report = judged(&record, &champion, &past, margin, &reigns);
    let report = promote(args, report, &record, &throne)?;
    let state = report.state();
    let decision = Decision::of(&record);
    let rows = rows(
        &record,
        &cells_of(&record, &decision),
        report.verdict,
        &state,
    );
    history::add(&history_path, &rows)?;
    write(&dir, &report)?;
    let mut out = std::io::stdout().lock();
    match args.output.format {
        Format::Text => {
            let _ = writeln!(out, "{}", report.line());
            let _ = writeln!(out, "{}", throne::shown(&dir.report("night.md")));
        }
        Format::Json => {
            let _ = writeln!(
                out,
                "{}",
                serde_json::json!({ "event": "night", "night": report })
            );
        }
    }
    drop(out);
    let before = past.last().map(|night| night.state.as_str());
    if let Some(webhook) = webhook.filter(|_| is_news(before, &report)) {
        tell(&webhook, &message(&report));
    }
    Ok(exit_of(exit, report.verdict, &args.fail_on))
}

/// A change of state is news; so is a first night that is not quiet.
fn is_news(before: Option<&str>, report: &NightReport) -> bool {
    match before {
        Some(before) => before != report.state(),
        None => report.verdict != Call::Holds,
    }
}

fn engines(args: &NightlyArgs, checked: &Checked) -> (Engines, TimeScale) {
    let profile = &checked.experiment.profile;
    let usual = profile
        .stand_in
        .as_ref()
        .map_or(TimeScale::ONE, |numbers| numbers.speed);
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
    Ok(Tonight {
        cells,
        candidates: chosen,
        is_outside: inside.is_none(),
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
    let estimate = plan::time_of(checked, &args.output.results, n_starts);
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
    writeln!(out, "{} blocks, {n_starts} starts; {estimate}", args.blocks)?;
    Ok(Exit::Success)
}

/// The night of a run.
fn judged(
    record: &RunRecord,
    champion: &Champion,
    past: &[PastNight],
    margin: f64,
    reigns: &[Reign],
) -> NightReport {
    let decision = Decision::of(record);
    let mut cells = cells_of(record, &decision);
    let tonight = Night {
        champion: cells.remove(0),
        challengers: cells,
        was_regression: false,
    };
    let conditions = Conditions::of(&record.manifest);
    let before = comparable(past, &champion.cell_id, &conditions);
    let evidence = &champion.evidence;
    let is_evidence = conditions.changes_since(&evidence.conditions).is_empty();
    let evidence_score = Some(evidence.score).filter(|score| is_evidence && score.is_finite());
    let judgement = judge(&tonight, &before, evidence_score, margin);
    let changed = match past.iter().any(|night| night.champion == champion.cell_id) {
        true => changes(past, &champion.cell_id, &conditions),
        false => conditions.changes_since(&evidence.conditions),
    };
    let yielded = matches!(
        &record.production,
        Some(Stay {
            outcome: Return::ByOtherHands,
            ..
        })
    );
    let ended =
        yielded.then(|| "production was started by other hands, and the night gave way".to_owned());
    let (experiment, run) = (&record.manifest.experiment.name, &record.manifest.run);
    NightReport {
        format: FORMAT,
        experiment: experiment.clone(),
        run: run.to_string(),
        at: record.manifest.started_at,
        stand_in: record.manifest.is_stand_in(),
        verdict: match yielded {
            true => Call::Inconclusive,
            false => judgement.call,
        },
        ended,
        judgement,
        margin,
        changed,
        reigns_since: reign::since(reigns),
        promoted: None,
        production: record.production.clone(),
        earlier: past.iter().rev().take(EARLIER).map(earlier).collect(),
        folder: format!("results/{experiment}/{run}"),
    }
}

fn earlier(night: &PastNight) -> Earlier {
    let is_champion = |cell: &&crate::decide::night::CellNight| cell.cell == night.champion;
    Earlier {
        at: night.at,
        run: night.run.clone(),
        champion: night
            .cells
            .iter()
            .find(is_champion)
            .map_or_else(|| night.champion.to_string(), |cell| cell.name.clone()),
        challengers: night
            .cells
            .iter()
            .filter(|cell| !is_champion(cell))
            .map(|cell| cell.name.clone())
            .collect(),
        verdict: night.verdict,
    }
}

/// With `--promote`, whoever dethrones reigns; never after a night that says anything else.
fn promote(
    args: &NightlyArgs,
    mut report: NightReport,
    record: &RunRecord,
    throne: &Throne,
) -> anyhow::Result<NightReport> {
    if !args.promote || report.verdict != Call::Dethroned {
        return Ok(report);
    }
    let Some(successor) = report.judgement.successor() else {
        return Ok(report);
    };
    let decision = Decision::of(record);
    let index = decision
        .cells
        .iter()
        .position(|cell| cell.cell.id == successor.cell);
    let Some(index) = index else {
        return Ok(report);
    };
    let because = format!(
        "dethroned {} in the night {}",
        report.judgement.champion.name, report.run
    );
    let champion = of_cell(record, &decision, index, because, false);
    let name = champion.cell.clone();
    let _lock = throne.lock()?;
    let line = Reign::promote(&throne.read()?, champion, By::Night, jiff::Timestamp::now())
        .map_err(|refused| BadInput(refused.to_string()))?;
    if let Some(line) = line {
        throne.add(&line)?;
        report.promoted = Some(name);
    }
    Ok(report)
}

fn write(dir: &RunDir, report: &NightReport) -> anyhow::Result<()> {
    durable::write(&dir.report("night.md"), report.markdown().as_bytes())?;
    durable::write(&dir.report("night.json"), report.json().as_bytes())?;
    durable::write(&dir.report("junit.xml"), report.junit().as_bytes())?;
    Ok(())
}

struct Webhook {
    url: String,
    form: Form,
}

fn webhook(args: &NightlyArgs) -> Result<Option<Webhook>, BadInput> {
    let Some(variable) = &args.notify_env else {
        return Ok(None);
    };
    let url = std::env::var(variable)
        .ok()
        .filter(|url| url.starts_with("http://") || url.starts_with("https://"))
        .ok_or_else(|| {
            BadInput(format!(
                "variable {variable} of --notify-env does not hold a URL"
            ))
        })?;
    let form = match args.notify_as {
        NotifyForm::Json => Form::Json,
        NotifyForm::Slack => Form::Slack,
        NotifyForm::Ntfy => Form::Ntfy,
    };
    Ok(Some(Webhook { url, form }))
}

fn message(report: &NightReport) -> Message {
    let down = report.production.as_ref().is_some_and(Stay::is_down);
    Message {
        title: format!("gridrun {}: {}", report.experiment, report.verdict.name()),
        text: format!("{}\n{}/night.md", report.line(), report.folder),
        urgent: down || report.verdict == Call::Regressed,
        detail: serde_json::to_value(report).unwrap_or_default(),
    }
}

/// A night that could not be carried out is told as well, by its error alone.
fn tell_failure(webhook: Option<&Webhook>, champion: &Champion, error: &anyhow::Error) {
    let Some(webhook) = webhook else { return };
    let message = Message {
        title: format!("gridrun {}: the night failed", champion.experiment),
        text: format!("{error:#}"),
        urgent: true,
        detail: serde_json::Value::Null,
    };
    tell(webhook, &message);
}

/// Nobody who does not listen fails a night.
fn tell(webhook: &Webhook, message: &Message) {
    let sent = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map(|runtime| runtime.block_on(send(&webhook.url, webhook.form, message)));
    match sent {
        Ok(Ok(())) => {}
        Ok(Err(error)) => guard::say(error.to_string()),
        Err(error) => guard::say(format!("nobody could be told: {error}")),
    }
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
