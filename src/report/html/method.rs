//! How it was measured, and where everything comes from: for whoever must believe it, or do it
//! again.

use crate::decide::number;
use crate::report::facts::facts;
use crate::report::html::deaths::pre;
use crate::report::html::markup::Page;
use crate::report::html::verdict::ending;
use crate::report::table::{self, Kind, Table, start_names};
use crate::report::text::{Prose, escape};
use crate::report::view::View;

/// Configurations that a list of attempts names before it only counts.
const NAMES: usize = 8;

pub fn method(page: &mut Page, view: &View) {
    page.section("method", "Method and provenance");
    page.raw("<dl class=\"facts-list\">");
    for fact in facts(view) {
        page.raw(format!(
            "<dt>{}</dt><dd>{}</dd>",
            escape(fact.label),
            fact.text.html()
        ));
    }
    page.raw(format!(
        "<dt>Run</dt><dd>{}</dd></dl>\n",
        escape(&ending(view))
    ));
    attestation(page, view);
    validity(page, view);
    warnings(page, view);
    order(page, view);
    page.paragraph(
        "cap",
        "The unit of the statistics is the start: samples of one start only form its numbers. p50, \
         p95 and p99 are percentiles over the samples of one start, interpolated linearly between \
         order statistics (Hyndman and Fan, type 7). Intervals: 95 %, Student's t on the spread that \
         all configurations share, by ratios, block effects taken out; probabilities by drawing from \
         the same fit, with the experiment's seed (docs/RANKING.md).",
    );
    repeat(page, view);
}

fn attestation(page: &mut Page, view: &View) {
    if view.attestation.is_empty() {
        return;
    }
    page.heading("Do the engines run what was asked?");
    let asked: usize = view
        .attestation
        .iter()
        .map(|flag| flag.contradicted.len())
        .sum();
    page.paragraph(
        "",
        &match asked {
            0 => {
                "No engine's own state contradicts a varied flag in any measured start.".to_owned()
            }
            n => format!("In {n} cases an engine's own state contradicts the flag that was asked:"),
        },
    );
    for flag in &view.attestation {
        for found in &flag.contradicted {
            let starts = start_names(std::slice::from_ref(&found.start), NAMES);
            page.prose(
                "",
                &Prose::name_first(&flag.flag)
                    .words(format!(" in {starts}: asked was "))
                    .name(&found.asked.to_string())
                    .words(", found was ")
                    .name(&found.found)
                    .words(" by ")
                    .name(&found.by),
            );
        }
    }
    page.table("Attestation of flags", &table::attestation(view));
}

fn validity(page: &mut Page, view: &View) {
    let ledger = &view.validity;
    if ledger.entries.is_empty() {
        return;
    }
    page.heading("What did not count");
    let mut table = Table::default();
    table.column("configuration", Kind::Name);
    table.column("start, block", Kind::Number);
    table.column("what", Kind::Words);
    table.column("reason", Kind::Words);
    table.column("what became of it", Kind::Words);
    for entry in &ledger.entries {
        let what = match &entry.node {
            Some(node) => format!("`{node}` {}", entry.what.words()),
            None => entry.what.words().to_owned(),
        };
        table.rows.push(vec![
            entry.cell.clone(),
            format!("{}, {}", entry.start, entry.block),
            what,
            entry.reason.clone(),
            entry.fate.clone(),
        ]);
    }
    page.table("Validity ledger", &table);
}

fn warnings(page: &mut Page, view: &View) {
    if view.warnings.is_empty() {
        return;
    }
    page.open(&format!(
        "Warnings of the engines ({})",
        view.warnings.len()
    ));
    let items: Vec<String> = view
        .warnings
        .iter()
        .map(|warning| {
            format!(
                "<code>{}</code> ({})",
                escape(&warning.text),
                escape(&start_names(&warning.starts, NAMES))
            )
        })
        .collect();
    page.bullets(&items);
    page.close();
}

fn order(page: &mut Page, view: &View) {
    let method = &view.method;
    if !method.engines.is_empty() {
        page.open("What the engines said of themselves");
        page.table("Engines", &table::engines(view));
        page.close();
    }
    if method.blocks.is_empty() {
        return;
    }
    page.open("Order in which the starts settled");
    let items: Vec<String> = method
        .blocks
        .iter()
        .map(|block| {
            let cells: Vec<String> = block
                .cells
                .iter()
                .map(|cell| format!("<code>{}</code>", escape(cell)))
                .collect();
            format!("block {}: {}", block.block, cells.join(", "))
        })
        .collect();
    page.bullets(&items);
    page.close();
}

fn repeat(page: &mut Page, view: &View) {
    page.heading("Do it again");
    let folder = shell_words::quote(&view.folder);
    let commands = [
        format!(
            "gridrun report {folder}   # this report again, byte for byte, from the stored data"
        ),
        format!("gridrun resume {folder}   # goes on, where something is missing"),
    ];
    pre(page, commands.iter().map(String::as_str));
    page.paragraph(
        "cap",
        &format!(
            "The files that were run lie beside it, byte for byte; the seed {} decides the order \
             and the prompts, the margin is {}.",
            view.method.seed,
            number::chosen_percent(view.equivalence)
        ),
    );
}
