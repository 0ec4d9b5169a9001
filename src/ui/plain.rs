//! Plain lines, for logs and pipes: the time, how far the run is, what happened.

use std::io::Write;

use jiff::Timestamp;
use jiff::tz::TimeZone;

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
        let stamp = tally
            .stamp()
            .map_or_else(String::new, |stamp| format!(" {}", stamp.word()));
        let _ = writeln!(out, "{} [{done}/{all}{stamp}] {text}", time(event.at));
    }
}

/// The time of day that a line begins with, for lines about no event.
pub fn now() -> String {
    time(Timestamp::now())
}

fn time(at: Timestamp) -> String {
    at.to_zoned_datetime(TimeZone::system())
        .strftime("%H:%M:%S")
        .to_string()
}
