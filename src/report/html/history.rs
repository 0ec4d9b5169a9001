//! The nights: the champion over time, who reigned and who challenged, and what each night said.

use crate::report::chart::history as chart;
use crate::report::history;
use crate::report::html::markup::{Figure, Page};
use crate::report::text::Prose;
use crate::report::view::View;

pub fn figures(view: &View) -> Vec<Figure> {
    let figure = || {
        let history = view.history.as_ref()?;
        let title = history.title();
        Some(Figure {
            id: "history".to_owned(),
            wide: chart::draw(history, &title, 960.0)?,
            narrow: chart::draw(history, &title, 360.0)?,
            title,
            caption:
                "The mean of a night's starts. Small rings: challengers, where they are near. \
                      ∅ a daily night that is missing. Bands: reigns. Where something changed \
                      (image, driver, workloads, machine) the numbers begin anew at 100 and are \
                      not compared with those before."
                    .to_owned(),
        })
    };
    figure().into_iter().collect()
}

pub fn history(page: &mut Page, view: &View) {
    let Some(history) = &view.history else {
        return;
    };
    page.section("history", "Night after night");
    for figure in figures(view) {
        page.figure(&figure);
    }
    let told: Vec<String> = history.sentences().iter().map(Prose::html).collect();
    page.bullets(&told);
    if !history.nights.is_empty() {
        let older = match history.n_older {
            0 => String::new(),
            n => format!(", and {n} older ones in history.parquet"),
        };
        page.fold(
            &format!("Night by night ({}{older})", history.nights.len()),
            |page| {
                page.table(
                    "Night by night",
                    &history::table(history, history.nights.len()),
                );
            },
        );
    }
    if !history.reigns.is_empty() {
        page.fold(
            &format!("Who followed whom ({})", history.reigns.len()),
            |page| page.table("Reigns", &history::reigns_table(history)),
        );
    }
}
