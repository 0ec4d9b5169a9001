//! Events as JSON lines, for machines: the same records as the journal's.

use std::io::Write;

use crate::event::RunEvent;

/// Writes one line per event. A reader that went away is no reason to stop a run.
pub fn show(out: &mut impl Write, event: &RunEvent) {
    if let Ok(line) = serde_json::to_string(event) {
        let _ = writeln!(out, "{line}");
    }
}
