//! The end of a night, whoever brings it about: the process that began it, `resume`, or the next
//! night where nobody did. It is judged, promoted, written, told, and counted in the history last:
//! a night that is not in there is not over.

use std::io::Write;

use crate::champion::history::{
    PastNight, cells_of, champion_ages, changes, comparable, nights, rows,
};
use crate::champion::reign::{self, By, Reign};
use crate::champion::select::of_cell;
use crate::champion::text::Champion;
use crate::cli::args::{Format, NotifyForm};
use crate::cli::fault::BadInput;
use crate::cli::{guard, throne};
use crate::decide::conditions::Conditions;
use crate::decide::decision::Decision;
use crate::decide::night::{Call, CellNight, Night, judge};
use crate::exit::Exit;
use crate::guard::stay::{Return, Stay};
use crate::manifest::{NightOrders, Notify, RunRecord};
use crate::notify::{Form, Message, send};
use crate::report::nightly::age::aged;
use crate::report::nightly::{Earlier, FORMAT, NightReport};
use crate::store::layout::{RunDir, runs_of};
use crate::store::lock;
use crate::store::parquet::history;
use crate::store::throne::Throne;
use crate::store::{durable, record};

/// Earlier nights that a report knows.
const EARLIER: usize = 30;

/// What follows when a process that worked on a night has ended so: its report, unless the user
/// stopped it, who may go on with it.
pub(in crate::cli) fn ended(
    exit: Exit,
    dir: &RunDir,
    format: Format,
) -> anyhow::Result<Option<NightReport>> {
    if exit == Exit::Interrupted {
        guard::say(
            "the night was interrupted and is not judged: `gridrun resume` ends it, or the next night does"
                .to_owned(),
        );
        return Ok(None);
    }
    let report = settle(dir)?;
    let mut out = std::io::stdout().lock();
    match format {
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
    Ok(Some(report))
}

/// Ends the nights that nobody ended: killed, or stopped and not gone on with. They are judged by
/// what they measured. One that cannot be keeps no other from its end, nor tonight from running.
///
/// # Errors
/// When the history cannot be read.
pub(in crate::cli) fn make_up(throne: &Throne) -> anyhow::Result<()> {
    let known = nights(&history::read(&throne.history())?);
    for dir in runs_of(throne.root()) {
        let Ok(manifest) = record::read_manifest(&dir.manifest()) else {
            continue;
        };
        let run = manifest.run.to_string();
        let is_over = known.iter().any(|night| night.run == run);
        if manifest.night.is_none() || is_over {
            continue;
        }
        let Ok(_lock) = lock::lock_run(&dir.lock()) else {
            continue;
        };
        match settle(&dir) {
            Ok(report) => guard::say(format!(
                "the night {run} was never ended, and is judged now: {}",
                report.line()
            )),
            Err(error) => guard::say(format!("the night {run} cannot be judged: {error:#}")),
        }
    }
    Ok(())
}

/// Judges a night by what it measured. Done twice, it comes to the same.
fn settle(dir: &RunDir) -> anyhow::Result<NightReport> {
    let record = record::read(dir)?;
    let manifest = &record.manifest;
    let Some(orders) = &manifest.night else {
        anyhow::bail!("{} is no night", dir.root().display());
    };
    let root = dir.root().parent().unwrap_or(dir.root());
    let throne = Throne::at(root.to_owned());
    let reigns = throne.read()?;
    let then = reign::until(&reigns, manifest.started_at);
    let champion = reign::reigning(then).filter(|champion| champion.cell_id == orders.champion);
    let Some(champion) = champion else {
        return Err(BadInput(format!(
            "{} does not say who reigned when the night {} began",
            throne::shown(&throne.reigns()),
            manifest.run
        ))
        .into());
    };
    let history_path = throne.history();
    let mut past = nights(&history::read(&history_path)?);
    past.retain(|night| night.at < manifest.started_at);
    let decision = Decision::of(&record);
    let cells = cells_of(&record, &decision);
    let report = judged(&record, &cells, champion, &past, then);
    let report = promote(orders, report, &record, &decision, &throne)?;
    write(dir, &report)?;
    let state = report.state();
    let before = past.last().map(|night| night.state.as_str());
    if let Some(notify) = orders.notify.as_ref().filter(|_| is_news(before, &report)) {
        match webhook(notify) {
            Ok(webhook) => tell(&webhook, &message(&report)),
            Err(error) => guard::say(format!("nobody is told: {error}")),
        }
    }
    let rows = rows(&record, &cells, &report.aged, report.verdict, &state);
    history::put(&history_path, &rows)?;
    // Its report was made before anything was judged; now this night is among the nights. It is
    // judged, told and counted, whether or not there is room for that.
    if let Err(error) = crate::cli::report::write(dir, &record) {
        guard::say(format!(
            "the report could not be made again with this night in it: {error:#}"
        ));
    }
    Ok(report)
}

/// A change of state is news; so is a first night that is not quiet.
fn is_news(before: Option<&str>, report: &NightReport) -> bool {
    match before {
        Some(before) => before != report.state(),
        None => report.verdict != Call::Holds,
    }
}

/// The night of a run. Its first cell is the champion.
fn judged(
    record: &RunRecord,
    cells: &[CellNight],
    champion: &Champion,
    past: &[PastNight],
    reigns: &[Reign],
) -> NightReport {
    let margin = record.manifest.experiment.run.equivalence;
    let tonight = Night {
        champion: cells[0].clone(),
        challengers: cells[1..].to_vec(),
        was_regression: false,
    };
    let conditions = Conditions::of(&record.manifest);
    let before = comparable(past, &champion.cell_id, &conditions);
    let evidence = &champion.evidence;
    let is_evidence = conditions.breaks_since(&evidence.conditions).is_empty();
    let evidence_score = Some(evidence.score).filter(|score| is_evidence && score.is_finite());
    let judgement = judge(&tonight, &before, evidence_score, margin);
    let changed = match past.iter().any(|night| night.champion == champion.cell_id) {
        true => changes(past, &champion.cell_id, &conditions),
        false => conditions.breaks_since(&evidence.conditions),
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
    let aged = aged(record);
    let champion_ages = champion_ages(&aged, past, &champion.cell_id, &conditions);
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
        aged,
        champion_ages,
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

/// With `--promote`, whoever dethrones reigns; never after a night that says anything else, nor
/// where somebody else was put in force since the night began.
fn promote(
    orders: &NightOrders,
    mut report: NightReport,
    record: &RunRecord,
    decision: &Decision<'_>,
    throne: &Throne,
) -> anyhow::Result<NightReport> {
    if !orders.promote || report.verdict != Call::Dethroned {
        return Ok(report);
    }
    let Some(successor) = report.judgement.successor() else {
        return Ok(report);
    };
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
    let champion = of_cell(record, decision, index, because, false);
    let name = champion.cell.clone();
    let _lock = throne.lock()?;
    let reigns = throne.read()?;
    let reigning = reign::reigning(&reigns).map(|champion| &champion.cell_id);
    if reigning == Some(&champion.cell_id) {
        // A process that died on the way had done it.
        report.promoted = Some(name);
        return Ok(report);
    }
    if reigning != Some(&orders.champion) {
        return Ok(report);
    }
    let line = Reign::promote(&reigns, champion, By::Night, jiff::Timestamp::now())
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

/// Where the message goes.
pub(in crate::cli) struct Webhook {
    url: String,
    form: Form,
}

/// # Errors
/// When the variable does not hold a URL.
pub(in crate::cli) fn webhook(notify: &Notify) -> Result<Webhook, BadInput> {
    let variable = &notify.variable;
    let url = std::env::var(variable)
        .ok()
        .filter(|url| url.starts_with("http://") || url.starts_with("https://"))
        .ok_or_else(|| {
            BadInput(format!(
                "variable {variable} of --notify-env does not hold a URL"
            ))
        })?;
    let forms = FORMS.iter();
    let form = forms.copied().find(|(_, name, _)| *name == notify.form);
    let form = form
        .map(|(_, _, form)| form)
        .ok_or_else(|| BadInput(format!("no form of a message is called {}", notify.form)))?;
    Ok(Webhook { url, form })
}

/// As an argument, in `run.json`, and as it is sent.
const FORMS: [(NotifyForm, &str, Form); 3] = [
    (NotifyForm::Json, "json", Form::Json),
    (NotifyForm::Slack, "slack", Form::Slack),
    (NotifyForm::Ntfy, "ntfy", Form::Ntfy),
];

pub(in crate::cli) fn name_of(form: NotifyForm) -> &'static str {
    let mut forms = FORMS.iter();
    forms
        .find(|(argument, _, _)| *argument == form)
        .map_or("json", |(_, name, _)| name)
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
pub(in crate::cli) fn tell_failure(webhook: &Webhook, experiment: &str, error: &anyhow::Error) {
    let message = Message {
        title: format!("gridrun {experiment}: the night failed"),
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
