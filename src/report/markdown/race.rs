//! The race in `report.md`: who was dropped when and why, and whether all was decided.

use crate::report::markdown::{Page, sentences};
use crate::report::race::{self, RaceView};

impl Page {
    pub(super) fn race(&mut self, race: &RaceView) {
        self.heading(2, "Racing");
        self.paragraph(race::MEANING);
        self.bullets(&sentences(&race::sentences(race)));
    }
}
