//! What was brought from elsewhere, apart from everything that was measured.

use crate::report::html::markup::Page;
use crate::report::imported::{MEANING, files, table};
use crate::report::text::escape;
use crate::report::view::View;

pub fn imported(page: &mut Page, view: &View) {
    if view.imported.is_empty() {
        return;
    }
    page.unstamped_section("imported", "Brought from elsewhere: not ranked");
    page.paragraph("", MEANING);
    page.table("Brought from elsewhere", &table(&view.imported));
    let files: Vec<String> = files(&view.imported)
        .into_iter()
        .map(|(file, sha256)| {
            format!(
                "<code>{}</code>: SHA-256 <code>{}</code>",
                escape(file),
                escape(sha256)
            )
        })
        .collect();
    page.bullets(&files);
}
