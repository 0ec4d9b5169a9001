//! The live display of a terminal: what is settled scrolls away above, then one bar for the run
//! with its expected finish, the best cell so far, and one line for the attempt at work.
//!
//! No line is wider than the terminal, and nothing is coloured.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;

use crate::decide::plain::plain;
use crate::event::{EventKind, RunEvent};
use crate::report::cut;
use crate::ui::tally::Tally;
use crate::ui::{describe, plain as plain_lines};

/// A terminal that does not tell its width is taken to have this one.
const USUAL_WIDTH: usize = 80;

/// Draws on standard error.
pub struct Progress {
    lines: MultiProgress,
    run: ProgressBar,
    /// It is there once a cell is ranked.
    best: Option<ProgressBar>,
    attempt: ProgressBar,
    /// Cell and block of the attempt at work.
    at_work: String,
}

impl Progress {
    pub fn new() -> Self {
        let lines = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        let run = lines.add(ProgressBar::new(0));
        run.set_style(style(
            "{bar:20} {pos}/{len} attempts, {elapsed_precise} so far{wide_msg}",
        ));
        // The clock goes on while nothing settles.
        run.enable_steady_tick(Duration::from_secs(1));
        let attempt = lines.add(ProgressBar::new_spinner());
        attempt.set_style(style("{spinner} {elapsed_precise} {wide_msg}"));
        attempt.enable_steady_tick(Duration::from_millis(120));
        Self {
            lines,
            run,
            best: None,
            attempt,
            at_work: String::new(),
        }
    }

    pub fn show(&mut self, event: &RunEvent, tally: &Tally) {
        if self.lines.is_hidden() {
            // The terminal cannot move its cursor: lines are all that it can show.
            plain_lines::show(&mut std::io::stderr(), event, tally);
            return;
        }
        let (done, all) = tally.progress();
        self.run.set_length(all);
        self.run.set_position(done);
        self.run.set_message(finish(event.at, tally));
        if let Some(best) = tally.best() {
            self.show_best(format!("{}{best}", stamp(tally)));
        }
        match &event.kind {
            EventKind::AttemptStarted { .. } => {
                self.at_work = describe::activity(event).unwrap_or_default();
                self.at_work_on(self.at_work.clone());
            }
            EventKind::AttemptSettled { .. } => self.at_work_on(String::new()),
            EventKind::Waiting { what } => self.at_work_on(plain(what)),
            EventKind::RunEnded { .. } => self.attempt.finish_and_clear(),
            _ => {
                if let Some(activity) = describe::activity(event) {
                    self.at_work_on(format!("{}: {activity}", self.at_work));
                }
            }
        }
        if let Some(line) = describe::line(event) {
            let stamp = match &event.kind {
                EventKind::AttemptSettled { .. } => stamp(tally),
                _ => String::new(),
            };
            let _ = self.lines.println(cut(&format!("{stamp}{line}"), width()));
        }
    }

    /// The clock of this line is the phase's own.
    fn at_work_on(&self, what: String) {
        self.attempt.reset_elapsed();
        self.attempt.set_message(what);
    }

    fn show_best(&mut self, best: String) {
        let (lines, run) = (&self.lines, &self.run);
        let bar = self.best.get_or_insert_with(|| {
            let bar = lines.insert_after(run, ProgressBar::new_spinner());
            bar.set_style(style("best so far: {wide_msg}"));
            bar
        });
        bar.set_message(best);
    }

    /// Leaves the terminal clean.
    pub fn finish(&self) {
        self.attempt.finish_and_clear();
        if let Some(best) = &self.best {
            best.finish_and_clear();
        }
        self.run.finish_and_clear();
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

/// What stands before numbers that no real model gave.
fn stamp(tally: &Tally) -> String {
    tally
        .stamp()
        .map_or_else(String::new, |stamp| format!("[{}] ", stamp.word()))
}

/// Columns of the terminal at this moment.
fn width() -> usize {
    match rustix::termios::tcgetwinsize(std::io::stderr()) {
        Ok(size) if size.ws_col > 0 => usize::from(size.ws_col),
        Ok(_) | Err(_) => USUAL_WIDTH,
    }
}

/// When the run is expected to be done, if that can be said.
fn finish(now: Timestamp, tally: &Tally) -> String {
    let Some(at) = tally.rest().and_then(|rest| now.checked_add(rest).ok()) else {
        return String::new();
    };
    format!(", done about {}", describe::time_of_day(at, now))
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is a constant that was tried")
}
