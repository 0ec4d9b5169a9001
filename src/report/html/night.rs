//! The night: what each start was spent on, what was watched beside it, and the alerts.

use crate::report::chart::night as chart;
use crate::report::html::markup::{Figure, Page};
use crate::report::machine;
use crate::report::table::start_names;
use crate::report::text::{Prose, escape};
use crate::report::view::View;

/// Above so many starts the bars of a picture are thinner than a line.
const STARTS: usize = 1500;

/// Alerts that are told one by one.
const ALERTS: usize = 20;

/// Configurations that a list of attempts names before it only counts.
const NAMES: usize = 8;

pub fn figures(view: &View) -> Vec<Figure> {
    let Some(night) = view.night.as_ref().filter(|it| it.starts.len() <= STARTS) else {
        return Vec::new();
    };
    let title = chart::title(night);
    let axis = || {
        Some(Figure {
            id: "the-night".to_owned(),
            wide: chart::draw(night, &title, 1060.0)?,
            narrow: chart::draw(night, &title, 360.0)?,
            title: title.clone(),
            caption: "By the clock. Below the starts, for every node: its mean as an area, its \
                      highest as a line. ▲ a card passed a bound. Every sample is in \
                      samples.parquet."
                .to_owned(),
        })
    };
    let spent = || {
        let title = "What the night was spent on";
        Some(Figure {
            id: "the-night-spent".to_owned(),
            wide: chart::spent(night, title, 760.0)?,
            narrow: chart::spent(night, title, 360.0)?,
            title: title.to_owned(),
            caption: String::new(),
        })
    };
    axis().into_iter().chain(spent()).collect()
}

pub fn night(page: &mut Page, view: &View) {
    let figures = figures(view);
    if figures.is_empty() && view.machine.is_none() {
        return;
    }
    page.section("night", "The night");
    for figure in &figures {
        page.figure(figure);
    }
    let Some(machine) = &view.machine else {
        page.paragraph("cap", "Nothing was sampled beside the nodes.");
        return;
    };
    if let Some(because) = &machine.without_gpus {
        page.prose(
            "cap",
            &Prose::new("No card was watched: ")
                .words(because.as_str())
                .words("."),
        );
    }
    let alerts: Vec<String> = machine
        .alerts
        .iter()
        .take(ALERTS)
        .map(|alert| {
            format!(
                "▲ <code>{}</code>: {}",
                escape(&alert.cell),
                Prose::quoted(&alert.text).html()
            )
        })
        .collect();
    page.bullets(&alerts);
    if machine.alerts.len() > ALERTS {
        let n = machine.alerts.len() - ALERTS;
        page.paragraph("cap", &format!("{n} more alerts stand in report.md."));
    }
    page.fold(
        "Cards, host and engine beside each node, in numbers",
        |page| {
            for node in &machine.nodes {
                page.raw(format!("<p><code>{}</code></p>\n", escape(&node.node)));
                if let Some(table) = machine::cards(node) {
                    page.table(&format!("{}: cards", node.node), &table);
                }
                page.table(
                    &format!("{}: host and engine", node.node),
                    &machine::host(node),
                );
            }
            for note in &machine.notes {
                page.raw(format!(
                    "<p class=\"cap\"><b>{}:</b> {}</p>\n",
                    escape(&start_names(&note.starts, NAMES)),
                    Prose::quoted(&note.text).html()
                ));
            }
        },
    );
}
