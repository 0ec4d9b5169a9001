//! Plain lines, for logs and pipes: the time, how far the run is, what happened.

use std::io::Write;

use crate::event::{EventKind, RunEvent};
use crate::ui::describe;
use crate::ui::tally::Tally;

/// Writes what is worth a line.
pub fn show(out: &mut impl Write, event: &RunEvent, tally: &Tally) {
    let text = match &event.kind {
        EventKind::AttemptStarted { .. } => {
            describe::activity(event).map(|what| format!("{what}: starting"))
        }
        _ => describe::line(event),
    };
    if let Some(text) = text {
        let (done, all) = tally.progress();
        let time = event
            .at
            .to_zoned_datetime(jiff::tz::TimeZone::system())
            .strftime("%H:%M:%S");
        let _ = writeln!(out, "{time} [{done}/{all}] {text}");
    }
}
