//! The night: what each start was spent on, what was watched beside it, and the alerts.

use crate::report::chart::night as chart;
use crate::report::course::{Course, PARTS, STARTS};
use crate::report::html::markup::{Figure, Page};
use crate::report::machine;
use crate::report::table::start_names;
use crate::report::text::{Prose, escape};
use crate::report::view::View;

/// Alerts that are told one by one.
const ALERTS: usize = 20;

/// Configurations that a list of attempts names before it only counts.
const NAMES: usize = 8;

pub fn figures(view: &View) -> Vec<Figure> {
    let Some(night) = view.night.as_ref().filter(|it| it.starts.len() <= STARTS) else {
        return Vec::new();
    };
    let course = view.course.as_ref();
    let title = chart::title(night);
    let axis = || {
        Some(Figure {
            id: "the-night".to_owned(),
            wide: chart::draw(night, course, &title, 1060.0)?,
            narrow: chart::draw(night, course, &title, 360.0)?,
            title: title.clone(),
            caption: caption(course),
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

fn caption(course: Option<&Course>) -> String {
    let below = match course {
        Some(_) => format!(
            "Below the starts, the lowest and highest sample of each {PARTS}th of the run; where \
             no samples are stored, of every node its mean as an area and its highest as a line."
        ),
        None => "Below the starts, for every node: its mean as an area, its highest as a line."
            .to_owned(),
    };
    let unread = match course.map_or(0, |course| course.n_unread) {
        0 => String::new(),
        1 => " The samples of 1 start could not be read.".to_owned(),
        n => format!(" The samples of {n} starts could not be read."),
    };
    format!(
        "By the clock. {below} ▲ a card passed a bound. Every sample is in samples.parquet.{unread}"
    )
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
