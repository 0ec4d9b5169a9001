//! The race: who was dropped when and why, and after which block all was decided.

use crate::report::html::markup::{Page, from_markdown};
use crate::report::race;
use crate::report::text::Prose;
use crate::report::view::View;

/// Sentences that are open; further ones are a click away.
const OPEN: usize = 12;

pub fn race(page: &mut Page, view: &View) {
    let Some(race) = &view.race else {
        return;
    };
    page.section("race", "Racing");
    page.raw(format!("<p>{}</p>\n", from_markdown(race::MEANING)));
    let told = race::sentences(race);
    let (last, dropped) = told.split_last().expect("the end is always told");
    let html = |of: &[Prose]| of.iter().map(Prose::html).collect::<Vec<_>>();
    let (open, folded) = dropped.split_at(dropped.len().min(OPEN));
    page.bullets(&html(open));
    page.fold(&format!("{} more were dropped", folded.len()), |page| {
        page.bullets(&html(folded));
    });
    page.prose("", last);
}
