//! `gridrun report [RUN_DIR]`: everything that a run says, made from what it stored.

use std::io::{IsTerminal, Write};
use std::path::Path;

use crate::champion::history::nights;
use crate::champion::{Claim, select};
use crate::cli::args::{Format, ReportArgs};
use crate::cli::run_dir;
use crate::exit::Exit;
use crate::manifest::RunRecord;
use crate::report::{self, Beside, Course, Past, Report};
use crate::runner::ports::StoreError;
use crate::store::layout::RunDir;
use crate::store::parquet::{history, readings};
use crate::store::throne::Throne;
use crate::store::{durable, record};

pub(super) fn report(args: &ReportArgs) -> anyhow::Result<Exit> {
    let dir = match &args.run_dir {
        Some(path) => run_dir::named(path)?,
        None => run_dir::latest(&args.results)?,
    };
    let report = write(&dir, &record::read(&dir)?)?;
    if let Some(folder) = &args.figures {
        durable::make_folder(folder)?;
        for (name, svg) in report.figures() {
            durable::write(&folder.join(name), svg.as_bytes())?;
        }
    }
    match args.format {
        Format::Text => print(&report, &dir)?,
        Format::Json => writeln!(std::io::stdout(), "{}", report.json())?,
    }
    Ok(if report.measured_anything() {
        Exit::Success
    } else {
        Exit::NothingMeasured
    })
}

/// Makes the report files of a run.
///
/// # Errors
/// When one cannot be written.
pub(super) fn write(dir: &RunDir, record: &RunRecord) -> Result<Report, StoreError> {
    let beside = Beside {
        past: past(dir),
        course: course(dir, record),
    };
    let report = report::build_with(record, &beside);
    durable::write(&dir.report("report.md"), report.markdown().as_bytes())?;
    durable::write(&dir.report("report.html"), report.html().as_bytes())?;
    durable::write(&dir.report("report.json"), report.json().as_bytes())?;
    if let Ok(champion) = select(record, Claim::Champion) {
        durable::write(&dir.report("champion.toml"), champion.toml().as_bytes())?;
    }
    durable::write(&dir.report("frame.csv"), &report.csv())?;
    durable::write(&dir.report("frame.parquet"), &report.parquet())?;
    let figures = report.figures();
    if !figures.is_empty() {
        durable::make_folder(&dir.figures())?;
    }
    for (name, svg) in &figures {
        durable::write(&dir.figures().join(name), svg.as_bytes())?;
    }
    remove_others(&dir.figures(), &figures);
    Ok(report)
}

/// The nights and reigns of the run's experiment, which lie beside its folder. A report is made
/// without what cannot be read, and says so.
fn past(dir: &RunDir) -> Past {
    let root = std::path::absolute(dir.root());
    let Some(folder) = root.as_ref().ok().and_then(|root| root.parent()) else {
        return Past::default();
    };
    let mut past = Past::default();
    let mut unread = Vec::new();
    match history::read(&folder.join("history.parquet")) {
        Ok(rows) => past.nights = nights(&rows),
        Err(error) => unread.push(error.to_string()),
    }
    match Throne::at(folder.to_owned()).read() {
        Ok(reigns) => past.reigns = reigns,
        Err(error) => unread.push(error.to_string()),
    }
    past.unread = (!unread.is_empty()).then(|| unread.join("; "));
    past
}

/// What was watched beside the starts, read file by file and thinned at once.
fn course(dir: &RunDir, record: &RunRecord) -> Option<Course> {
    let mut course = Course::of(record)?;
    let mut is_there = false;
    for attempt in course.wanted() {
        for part in 0.. {
            match readings(&dir.samples(&attempt, part)) {
                Ok(Some(readings)) => {
                    is_there = true;
                    course.add(&attempt, &readings);
                }
                Ok(None) => break,
                Err(_) => {
                    course.n_unread += 1;
                    break;
                }
            }
        }
    }
    (is_there || course.n_unread > 0).then_some(course)
}

/// Figures that a report of another version made and this one does not.
fn remove_others(folder: &Path, figures: &[(String, String)]) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        let is_figure = path.extension().is_some_and(|ending| ending == "svg");
        let is_known = figures
            .iter()
            .any(|(name, _)| path.file_name().is_some_and(|other| other == name.as_str()));
        if is_figure && !is_known {
            // One that stays is in nobody's way.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Prints the table and where the files lie.
pub(super) fn print(report: &Report, dir: &RunDir) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let colour = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
    write!(out, "{}", report.terminal(width(), colour))?;
    writeln!(out, "\n{}", dir.report("report.md").display())?;
    writeln!(out, "{}", dir.report("report.html").display())
}

/// Columns of the terminal; wide where nobody looks at it.
pub(super) fn width() -> usize {
    rustix::termios::tcgetwinsize(std::io::stdout())
        .map_or(160, |size| usize::from(size.ws_col).max(60))
}
