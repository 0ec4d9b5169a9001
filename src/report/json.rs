//! `report.json`: the view as it is, for machines.

use crate::report::view::View;

/// Pretty-printed, with a line feed at the end. Numbers that were not measured are null.
pub fn render(view: &View) -> String {
    let json = serde_json::to_string_pretty(view).expect("a view holds only plain data");
    json + "\n"
}
