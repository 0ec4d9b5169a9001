//! What the axes did to the objectives.

use crate::report::markdown::Page;
use crate::report::mattered::table;
use crate::report::text::code;
use crate::report::view::View;

impl Page {
    pub(super) fn mattered(&mut self, view: &View) {
        let tables: Vec<_> = view
            .mattered
            .iter()
            .filter_map(|effects| Some((effects, table(effects)?)))
            .collect();
        if tables.is_empty() {
            return;
        }
        self.heading(2, "What mattered");
        self.paragraph(
            "How many times as much a number is after a change of one flag, as the mean over all \
             pairs of ranked configurations that are alike in everything else; with two changes, \
             how many times as much the one does where the other was made too (1 is: no more \
             than by itself). What died or missed a gate is in no pair.",
        );
        for (effects, table) in tables {
            self.paragraph(format!("On {}:", code(&effects.metric)));
            self.table(&table);
        }
    }
}
