//! `report.html`: one file that needs nothing else, in the order of the decision. It opens from
//! disk, follows the reader's light or dark, prints, and has all of its figures without its
//! script; the script only sorts, filters, points and copies.

use crate::report::chart::{palette, svg};
use crate::report::html::markup::{Figure, Page};
use crate::report::text::escape;
use crate::report::view::View;

mod advice;
mod cells;
mod chooser;
mod deaths;
mod history;
mod imported;
mod markup;
mod method;
mod night;
mod policy;
mod race;
mod trade_off;
mod verdict;
mod workload;

/// How the page looks.
const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");

/// Every figure of the page, by its name.
pub fn figures(view: &View) -> Vec<Figure> {
    let mut figures = trade_off::figures(view);
    figures.extend(deaths::map(view));
    figures.extend(workload::figures(view));
    figures.extend(night::figures(view));
    figures.extend(history::figures(view));
    figures
}

/// Renders the report.
pub fn render(view: &View) -> String {
    let mut head = Page::new(view.stamp);
    verdict::head(&mut head, view);
    verdict::verdict(&mut head, view);
    let mut page = Page::new(view.stamp);
    advice::uses(&mut page, view);
    cells::cells(&mut page, view);
    race::race(&mut page, view);
    trade_off::trade_off(&mut page, view);
    deaths::deaths(&mut page, view);
    workload::workloads(&mut page, view);
    night::night(&mut page, view);
    history::history(&mut page, view);
    imported::imported(&mut page, view);
    method::method(&mut page, view);
    let style = format!("{}{}{STYLE}", palette::variables(), svg::STYLE);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <title>{title}</title>\n<style>{style}</style>\n</head>\n<body>\n\
         <svg class=\"defs\" aria-hidden=\"true\"><defs>{hatches}</defs></svg>\n<main>\n\
         {head}{navigation}{body}</main>\n<div id=\"tip\" role=\"status\"></div>\n\
         <script>{SCRIPT}</script>\n</body>\n</html>\n",
        policy = policy::policy(&style, SCRIPT),
        title = escape(&format!(
            "{}gridrun: {}",
            view.stamp
                .map_or_else(String::new, |stamp| format!("{}: ", stamp.title())),
            view.experiment
        )),
        hatches = svg::HATCHES,
        head = head.out,
        navigation = page.navigation(),
        body = page.out,
    )
}

#[cfg(test)]
mod tests;
