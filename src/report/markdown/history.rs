//! The nights in `report.md`.

use crate::report::history::{self, HistoryView};
use crate::report::markdown::{Page, sentences};

/// Nights that the page lists; `report.html` has more.
const NIGHTS: usize = 14;

impl Page {
    pub(super) fn history(&mut self, history: &HistoryView) {
        self.heading(2, "Night after night");
        let title = history.title();
        if !title.is_empty() {
            self.paragraph(format!("{title}."));
        }
        self.bullets(&sentences(&history.sentences()));
        if !history.nights.is_empty() {
            self.table(&history::table(history, NIGHTS));
        }
        if history.nights.len() > NIGHTS {
            let n_more = history.nights.len() - NIGHTS;
            self.paragraph(format!(
                "{n_more} nights before these are in `report.json`."
            ));
        }
        if !history.reigns.is_empty() {
            self.paragraph("Who followed whom:");
            self.table(&history::reigns_table(history));
        }
    }
}
