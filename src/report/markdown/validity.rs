//! The sections on what was not valid, and on where configurations die.

use crate::report::atlas::{self, Atlas};
use crate::report::ledger::Ledger;
use crate::report::markdown::{Page, quoted};
use crate::report::text::{code, inline};

impl Page {
    pub(super) fn ledger(&mut self, ledger: &Ledger) {
        if ledger.entries.is_empty() {
            return;
        }
        self.heading(
            2,
            "Validity ledger: what did not count, and what became of it",
        );
        let times = match ledger.retries_invalid {
            1 => "time",
            _ => "times",
        };
        self.paragraph(format!(
            "A start in which something that an objective or a gate needs was disturbed is made \
             again at the end of its block: {} {times} at most in one place, {} in all; granted: \
             {}.",
            ledger.retries_invalid, ledger.budget, ledger.n_granted
        ));
        let entries = ledger.entries.iter();
        let items: Vec<String> = entries
            .map(|entry| format!("{}, {}", code(&entry.cell), quoted(&entry.text())))
            .collect();
        self.bullets(&items);
    }

    pub(super) fn atlas(&mut self, atlas: &Atlas) {
        self.heading(2, "Crash atlas: where configurations die");
        self.table(&atlas::table(atlas));
        if atlas.boundaries.is_empty() {
            return;
        }
        self.paragraph("With all else equal, along each axis:");
        let boundaries = atlas.boundaries.iter();
        let items: Vec<String> = boundaries
            .map(|boundary| format!("{}: {}", code(&boundary.axis), inline(&boundary.text())))
            .collect();
        self.bullets(&items);
    }
}
