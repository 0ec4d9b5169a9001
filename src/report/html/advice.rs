//! What follows from the numbers: what to run for what, what each configuration is good and bad
//! at, and what is left to do before one serves.

use crate::report::advice::{Item, Portrait, Recommendation, State};
use crate::report::html::markup::Page;
use crate::report::table;
use crate::report::text::{Prose, escape};
use crate::report::view::View;

/// Configurations whose portrait is open; the others are a click away.
const OPEN: usize = 8;

pub fn uses(page: &mut Page, view: &View) {
    page.section("uses", "What to run for what");
    let rows: Vec<String> = view
        .advice
        .recommendations
        .iter()
        .map(recommendation)
        .collect();
    page.raw(format!("<dl class=\"uses\">{}</dl>\n", rows.concat()));
    for case in &view.use_cases {
        let n = case.cells.len();
        page.fold(&format!("{}: its ranking ({n})", case.name), |page| {
            page.prose("", &case.verdict.headline);
            let told: Vec<String> = case.verdict.texts().map(Prose::html).collect();
            page.bullets(&told);
            if !case.cells.is_empty() {
                page.table(&case.name, &table::use_case(case, view.equivalence));
            }
            let swayed = case.sway.iter().flat_map(|sway| &sway.sentences);
            let told: Vec<String> = swayed.chain(&case.unranked).map(Prose::html).collect();
            page.bullets(&told);
        });
    }
    portraits(page, &view.advice.portraits);
}

fn recommendation(one: &Recommendation) -> String {
    let name = match &one.use_case {
        None => "over all".to_owned(),
        Some(name) => format!("<code>{}</code>", escape(name)),
    };
    format!("<div><dt>{name}</dt><dd>{}</dd></div>", one.text.html())
}

fn portraits(page: &mut Page, portraits: &[Portrait]) {
    if portraits.is_empty() {
        return;
    }
    page.heading("Strengths and weaknesses of what lives");
    let (open, folded) = portraits.split_at(portraits.len().min(OPEN));
    list(page, open);
    page.paragraph(
        "cap",
        "Told is what is clearly better or worse than in at least half of the others that live: \
         the 95 % intervals of the means do not touch, and the difference is above the margin.",
    );
    page.fold(&format!("{} more configurations", folded.len()), |page| {
        if !folded.is_empty() {
            list(page, folded);
        }
    });
}

fn list(page: &mut Page, portraits: &[Portrait]) {
    let side = |class: &str, word: &str, said: &[Prose]| -> String {
        let said: Vec<String> = said
            .iter()
            .map(|it| {
                format!(
                    "<li class=\"{class}\"><span class=\"sr\">{word}: </span>{}</li>",
                    it.html()
                )
            })
            .collect();
        said.concat()
    };
    let all: Vec<String> = portraits
        .iter()
        .map(|portrait| {
            let told = side("plus", "strength", &portrait.strengths)
                + &side("minus", "weakness", &portrait.weaknesses);
            let told = match told.as_str() {
                "" => "<li>nothing sets it apart</li>".to_owned(),
                _ => told,
            };
            format!(
                "<div><dt><code>{}</code></dt><dd><ul>{told}</ul></dd></div>",
                escape(&portrait.cell)
            )
        })
        .collect();
    page.raw(format!("<dl class=\"uses\">{}</dl>\n", all.concat()));
}

/// What is left to do, beside the command.
pub fn checklist(page: &mut Page, items: &[Item]) {
    if items.is_empty() {
        return;
    }
    let count = |state: State| items.iter().filter(|item| item.state == state).count();
    page.open(&format!(
        "Before it serves: {} open, {} yours to do, {} shown by this run",
        count(State::Open),
        count(State::Yours),
        count(State::Shown)
    ));
    let mut told = String::new();
    for state in [State::Open, State::Yours, State::Shown] {
        let (class, word) = match state {
            State::Open => ("open", "open"),
            State::Yours => ("yours", "yours"),
            State::Shown => ("shown", "shown"),
        };
        for item in items.iter().filter(|item| item.state == state) {
            told += &format!(
                "<li><span class=\"state {class}\">{word}</span> {}</li>",
                item.text.html()
            );
        }
    }
    page.raw(format!("<ul class=\"check\">{told}</ul>\n"));
    page.close();
}
