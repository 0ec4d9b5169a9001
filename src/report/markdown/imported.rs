//! The section on what was brought from elsewhere. It bears no stamp: the run's is not theirs.

use crate::report::imported::{MEANING, files, table};
use crate::report::markdown::Page;
use crate::report::text::{code, inline};
use crate::report::view::View;

impl Page {
    pub(super) fn imported(&mut self, view: &View) {
        if view.imported.is_empty() {
            return;
        }
        self.paragraph("## Brought from elsewhere: not ranked");
        self.paragraph(inline(MEANING));
        self.table(&table(&view.imported));
        let files: Vec<String> = files(&view.imported)
            .into_iter()
            .map(|(file, sha256)| format!("{}: SHA-256 {}", code(file), code(sha256)))
            .collect();
        self.bullets(&files);
    }
}
