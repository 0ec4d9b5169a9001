//! What follows from the numbers in `report.md`: what to run for what, what each configuration is
//! good and bad at, and what is left to do.

use crate::report::advice::{Item, Portrait, Recommendation, State};
use crate::report::markdown::{Page, sentences};
use crate::report::text::code;

/// Configurations whose portrait the page shows; `report.json` has all.
const PORTRAITS: usize = 12;

impl Page {
    pub(super) fn recommendations(&mut self, told: &[Recommendation]) {
        self.heading(2, "What to run for what");
        let items: Vec<String> = told
            .iter()
            .map(|one| {
                let use_case = match &one.use_case {
                    None => "over all".to_owned(),
                    Some(name) => code(name),
                };
                format!("{use_case}: {}", one.text.inline())
            })
            .collect();
        self.bullets(&items);
    }

    pub(super) fn portraits(&mut self, portraits: &[Portrait]) {
        if portraits.is_empty() {
            return;
        }
        self.heading(2, "Strengths and weaknesses");
        self.paragraph(
            "Of the configurations that live, against each other: told is what is clearly better \
             or worse (the 95 % intervals of the means do not touch, and the difference is above \
             the margin) than in at least half of the others.",
        );
        for portrait in portraits.iter().take(PORTRAITS) {
            let mut items: Vec<String> = Vec::new();
            for (mark, said) in [
                ("strength", &portrait.strengths),
                ("weakness", &portrait.weaknesses),
            ] {
                items.extend(said.iter().map(|it| format!("{mark}: {}", it.inline())));
            }
            if items.is_empty() {
                items.push("nothing sets it apart".to_owned());
            }
            self.paragraph(format!("{}:", code(&portrait.cell)));
            self.bullets(&items);
        }
        if portraits.len() > PORTRAITS {
            let n_more = portraits.len() - PORTRAITS;
            self.paragraph(format!("{n_more} more are in `report.json`."));
        }
    }

    pub(super) fn checklist(&mut self, cell: Option<&str>, items: &[Item]) {
        let Some(cell) = cell.filter(|_| !items.is_empty()) else {
            return;
        };
        self.heading(2, &format!("Before {} serves", code(cell)));
        for (state, words) in [
            (State::Open, "Open:"),
            (State::Yours, "Yours to do:"),
            (State::Shown, "Shown by this run:"),
        ] {
            let of: Vec<String> = items
                .iter()
                .filter(|item| item.state == state)
                .map(|item| {
                    let mark = match state {
                        State::Shown => "[x]",
                        State::Open | State::Yours => "[ ]",
                    };
                    let text = sentences([&item.text]).concat();
                    format!("{mark} {text}")
                })
                .collect();
            if !of.is_empty() {
                self.paragraph(words);
                self.bullets(&of);
            }
        }
    }
}
