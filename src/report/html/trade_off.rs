//! One metric against another: the pairs of what decides as pictures, all others by choice.

use crate::decide::wanted::Role;
use crate::measure::metric::Scale;
use crate::report::chart::scatter::Scatter;
use crate::report::html::chooser::chooser;
use crate::report::html::markup::{Figure, Page};
use crate::report::measures::MeasureView;
use crate::report::view::View;

/// Pairs that are drawn; all others can be chosen where the script runs.
const PAIRS: usize = 6;

/// Every pair of metrics that something asks for, the objectives first. Shares are left out:
/// where all is well they are all 1.
pub fn figures(view: &View) -> Vec<Figure> {
    let is_drawn = |measure: &&MeasureView| {
        let scale = measure.definition.as_ref().map(|it| it.scale);
        measure.role != Role::Other && scale != Some(Scale::Proportion)
    };
    let mut measures: Vec<&MeasureView> = view.measures.iter().filter(is_drawn).collect();
    // A single objective is shown against what else was measured with it.
    if measures.len() < 2 {
        let others = view
            .measures
            .iter()
            .filter(|measure| measure.role == Role::Other && measure.better.is_some());
        measures.extend(others.take(2));
    }
    let pairs = measures.iter().enumerate().flat_map(|(at, x)| {
        let rest = measures[at + 1..].iter();
        rest.map(move |y| (*x, *y))
    });
    let figures = pairs.filter_map(|(x, y)| figure(view, x, y));
    figures.take(PAIRS).collect()
}

fn figure(view: &View, x: &MeasureView, y: &MeasureView) -> Option<Figure> {
    let scatter = Scatter::of(view, x, y)?;
    Some(Figure {
        id: format!("trade-off-{}-{}", slug(&x.metric), slug(&y.metric)),
        title: scatter.title(),
        wide: scatter.draw(960.0),
        narrow: scatter.draw(360.0),
        caption: scatter.caption(),
    })
}

/// A name for files and anchors: letters, digits and dashes.
pub fn slug(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        match c {
            c if c.is_ascii_alphanumeric() => out.push(c.to_ascii_lowercase()),
            _ if out.ends_with('-') || out.is_empty() => {}
            _ => out.push('-'),
        }
    }
    out.trim_end_matches('-').to_owned()
}

pub fn trade_off(page: &mut Page, view: &View) {
    let figures = figures(view);
    let [first, others @ ..] = figures.as_slice() else {
        return;
    };
    page.section("trade-off", "Trade-off");
    page.figure(first);
    if !others.is_empty() {
        page.open(&format!("{} more pairs", others.len()));
        for figure in others {
            page.figure(figure);
        }
        page.close();
    }
    chooser(page, view);
}
