//! The live display of a terminal: one bar for the run with its expected finish and the best
//! cell so far, one line for the attempt at work; what is settled scrolls away above.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::event::{EventKind, RunEvent};
use crate::ui::describe;
use crate::ui::tally::Tally;

/// Draws on standard error.
pub struct Progress {
    lines: MultiProgress,
    run: ProgressBar,
    attempt: ProgressBar,
    /// Cell and block of the attempt at work.
    at_work: String,
}

impl Progress {
    pub fn new() -> Self {
        let lines = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        let run = lines.add(ProgressBar::new(0));
        run.set_style(style(
            "{bar:30} {pos}/{len} attempts, {elapsed_precise} so far{msg}",
        ));
        let attempt = lines.add(ProgressBar::new_spinner());
        attempt.set_style(style("{spinner} {msg}"));
        attempt.enable_steady_tick(Duration::from_millis(120));
        Self {
            lines,
            run,
            attempt,
            at_work: String::new(),
        }
    }

    pub fn show(&mut self, event: &RunEvent, tally: &Tally) {
        let (done, all) = tally.progress();
        self.run.set_length(all);
        self.run.set_position(done);
        self.run.set_message(outlook(event, tally));
        match &event.kind {
            EventKind::AttemptStarted { .. } => {
                self.at_work = describe::activity(event).unwrap_or_default();
                self.attempt.set_message(self.at_work.clone());
            }
            EventKind::RunEnded { .. } => self.attempt.finish_and_clear(),
            _ => {
                if let Some(activity) = describe::activity(event) {
                    self.attempt
                        .set_message(format!("{}: {activity}", self.at_work));
                }
            }
        }
        if let Some(line) = describe::line(event) {
            let _ = self.lines.println(line);
        }
    }

    /// Leaves the terminal clean.
    pub fn finish(&self) {
        self.attempt.finish_and_clear();
        self.run.finish_and_clear();
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

/// Expected finish and best so far, where they are known.
fn outlook(event: &RunEvent, tally: &Tally) -> String {
    let finish = tally
        .rest()
        .and_then(|rest| event.at.checked_add(rest).ok())
        .map(|at| {
            format!(
                ", done about {}",
                at.to_zoned_datetime(jiff::tz::TimeZone::system())
                    .strftime("%H:%M")
            )
        });
    let best = tally.best().map(|best| format!("\n  best so far: {best}"));
    format!("{}{}", finish.unwrap_or_default(), best.unwrap_or_default())
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is a constant that was tried")
}
