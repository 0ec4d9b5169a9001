//! The choices beside the verdict: use cases, what would change the winner, what is traded for
//! what, and what does not fit what all that rests on.

use crate::report::markdown::{Page, sentences};
use crate::report::misfit;
use crate::report::sway::SwayView;
use crate::report::table;
use crate::report::text::{code, inline};
use crate::report::tradeoff::{self, TradeOff};
use crate::report::view::{UseCaseView, View};

/// Pairs of metrics that the page shows; `report.json` has all.
const PAIRS: usize = 6;

impl Page {
    pub(super) fn sway(&mut self, sway: &SwayView) {
        if sway.sentences.is_empty() {
            return;
        }
        self.heading(2, "What would change the winner");
        self.bullets(&sentences(&sway.sentences));
    }

    pub(super) fn use_case(&mut self, case: &UseCaseView, equivalence: f64) {
        self.heading(2, &format!("Use case {}", inline(&case.name)));
        self.paragraph(format!("**{}**", case.verdict.headline.markdown()));
        self.bullets(&sentences(case.verdict.texts()));
        if !case.cells.is_empty() {
            self.table(&table::use_case(case, equivalence));
        }
        if let Some(sway) = case.sway.as_ref().filter(|sway| !sway.sentences.is_empty()) {
            self.paragraph("What would change its winner:");
            self.bullets(&sentences(&sway.sentences));
        }
        if !case.unranked.is_empty() {
            self.paragraph("Not ranked here:");
            self.bullets(&sentences(&case.unranked));
        }
    }

    pub(super) fn trade_offs(&mut self, trade_offs: &[TradeOff]) {
        if trade_offs.is_empty() {
            return;
        }
        self.heading(2, "Trade-offs");
        for trade_off in trade_offs.iter().take(PAIRS) {
            self.paragraph(format!(
                "{} against {}: of {} configurations, by their means,",
                code(&trade_off.x.metric),
                code(&trade_off.y.metric),
                trade_off.points.len()
            ));
            self.table(&tradeoff::table(trade_off));
        }
        if trade_offs.len() > PAIRS {
            let n_more = trade_offs.len() - PAIRS;
            self.paragraph(format!(
                "{n_more} more pairs of metrics are in `report.json`."
            ));
        }
    }

    pub(super) fn misfits(&mut self, view: &View) {
        let told = misfit::sentences(&view.misfits);
        if told.is_empty() {
            return;
        }
        self.heading(2, "What does not fit");
        self.paragraph(
            "Intervals and probabilities take the noise as alike in all configurations and about \
             normal on the scale of logarithms. Nothing was left out for not being so:",
        );
        self.bullets(&sentences(&told));
    }
}
