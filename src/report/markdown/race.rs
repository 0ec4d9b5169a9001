//! The race in `report.md`: who was dropped when and why, and whether all was decided.

use crate::decide::race::{cause, decided};
use crate::report::markdown::Page;
use crate::report::race::RaceView;
use crate::report::text::{code, inline};

impl Page {
    pub(super) fn race(&mut self, race: &RaceView) {
        self.heading(2, "Racing");
        self.paragraph(
            "A configuration that is surely worse than the margin is started no more, and when \
             every ranking is decided nothing is (`strategy = \"race\"`). The fewer starts of who \
             was dropped are by design: nothing failed.",
        );
        let dropped = race.dropped.iter().map(|dropped| {
            format!(
                "{}: dropped after block {} of {}: {}.",
                code(&dropped.cell_name),
                dropped.after_block,
                race.repeats,
                inline(&cause(&dropped.cause))
            )
        });
        let mut lines: Vec<String> = dropped.collect();
        if lines.is_empty() {
            lines.push("Nobody was dropped.".to_owned());
        }
        lines.push(match &race.decided {
            Some(all) => {
                let words = inline(&decided(all));
                format!("The race was {words}; nothing was started after it.")
            }
            None => "It was not decided before the last block that was begun.".to_owned(),
        });
        self.bullets(&lines);
    }
}
