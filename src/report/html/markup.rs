//! Pieces of a page: sections, tables, figures. Every text that comes in is escaped here.

use std::fmt::Write;

use crate::report::chart::svg::Svg;
use crate::report::stamp::Stamp;
use crate::report::table::{Kind, Table};
use crate::report::text::{Prose, escape};

/// A page under construction.
pub struct Page {
    pub out: String,
    stamp: Option<Stamp>,
    /// Sections so far: id and name.
    sections: Vec<(&'static str, String)>,
    /// Bytes that are left for what is folded.
    room: usize,
}

/// So many bytes of a page may be folded away: with them it stays below two megabytes.
const FOLDED: usize = 450_000;

/// A figure: its sentence, its picture at two widths, and one line on how to read it.
#[derive(Debug, Clone)]
pub struct Figure {
    /// Also the name of its file.
    pub id: String,
    /// A sentence made from the data.
    pub title: String,
    pub wide: Svg,
    /// For a phone.
    pub narrow: Svg,
    pub caption: String,
}

impl Page {
    pub fn new(stamp: Option<Stamp>) -> Self {
        Self {
            out: String::new(),
            stamp,
            sections: Vec::new(),
            room: FOLDED,
        }
    }

    pub fn raw(&mut self, html: impl AsRef<str>) {
        self.out += html.as_ref();
    }

    /// Begins a section; numbers below it carry the stamp.
    pub fn section(&mut self, id: &'static str, name: &str) {
        self.sections.push((id, name.to_owned()));
        let stamp = self.stamp_chip();
        let _ = writeln!(self.out, "<h2 id=\"{id}\">{}{stamp}</h2>", escape(name));
    }

    /// A section on numbers that are not the run's: its stamp says nothing of them.
    pub fn unstamped_section(&mut self, id: &'static str, name: &str) {
        self.sections.push((id, name.to_owned()));
        let _ = writeln!(self.out, "<h2 id=\"{id}\">{}</h2>", escape(name));
    }

    pub fn heading(&mut self, text: &str) {
        let _ = writeln!(self.out, "<h3>{}</h3>", escape(text));
    }

    /// Links to all sections.
    pub fn navigation(&self) -> String {
        let links = self.sections.iter();
        let links: Vec<String> = links
            .map(|(id, name)| format!("<a href=\"#{id}\">{}</a>", escape(name)))
            .collect();
        format!("<nav aria-label=\"Sections\">{}</nav>\n", links.join(""))
    }

    /// What stands beside every heading over numbers of stand-ins.
    pub fn stamp_chip(&self) -> String {
        self.stamp.map_or_else(String::new, |stamp| {
            format!(" <span class=\"stamp\">{}</span>", escape(&stamp.word()))
        })
    }

    pub fn paragraph(&mut self, class: &str, text: &str) {
        let _ = writeln!(self.out, "<p{}>{}</p>", class_of(class), escape(text));
    }

    pub fn prose(&mut self, class: &str, prose: &Prose) {
        let _ = writeln!(self.out, "<p{}>{}</p>", class_of(class), prose.html());
    }

    pub fn bullets(&mut self, items: &[String]) {
        if items.is_empty() {
            return;
        }
        let items: Vec<String> = items
            .iter()
            .map(|item| format!("<li>{item}</li>"))
            .collect();
        let _ = writeln!(self.out, "<ul>{}</ul>", items.concat());
    }

    /// What a reader may want to see behind a click; nothing where there is nothing, and a word
    /// where there is no room for it.
    pub fn fold(&mut self, summary: &str, fill: impl FnOnce(&mut Self)) {
        let mut inner = Self::new(self.stamp);
        fill(&mut inner);
        if inner.out.is_empty() {
            return;
        }
        if inner.out.len() > self.room {
            self.paragraph(
                "cap",
                &format!("{summary}: too long for this page; it stands in report.md."),
            );
            return;
        }
        self.room -= inner.out.len();
        self.open(summary);
        self.raw(inner.out);
        self.close();
    }

    /// Opens one with `summary`; the caller closes it with [`Page::close`].
    pub fn open(&mut self, summary: &str) {
        let _ = writeln!(self.out, "<details><summary>{}</summary>", escape(summary));
    }

    pub fn close(&mut self) {
        self.out += "</details>\n";
    }

    /// A table that scrolls by itself where the page is too narrow for it. `name` is what a
    /// screen reader calls it.
    pub fn table(&mut self, name: &str, table: &Table) {
        let _ = write!(
            self.out,
            "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{}\"><table><thead><tr>",
            escape(name)
        );
        for column in &table.columns {
            let lines: Vec<String> = column.header.iter().map(|line| escape(line)).collect();
            let class = class_of(kind_class(column.kind));
            let _ = write!(
                self.out,
                "<th scope=\"col\"{class}>{}</th>",
                lines.join("<br>")
            );
        }
        self.out += "</tr></thead><tbody>";
        for row in &table.rows {
            self.out += "<tr>";
            for (column, cell) in table.columns.iter().zip(row) {
                let shown = match column.kind {
                    Kind::Name => format!("<code>{}</code>", escape(cell)),
                    Kind::Number => escape(cell),
                    Kind::Words => Prose::quoted(cell).html(),
                };
                let class = class_of(kind_class(column.kind));
                let _ = write!(self.out, "<td{class}>{shown}</td>");
            }
            self.out += "</tr>";
        }
        self.out += "</tbody></table></div>\n";
    }

    pub fn figure(&mut self, figure: &Figure) {
        let id = &figure.id;
        let _ = writeln!(
            self.out,
            "<figure id=\"{id}\"><figcaption>{}</figcaption>{}{}<p class=\"cap\">{}</p></figure>",
            escape(&figure.title),
            figure.wide.inline(&format!("{id}-w"), "c wide"),
            figure.narrow.inline(&format!("{id}-n"), "c nar"),
            escape(&figure.caption)
        );
    }
}

fn class_of(class: &str) -> String {
    match class {
        "" => String::new(),
        class => format!(" class=\"{class}\""),
    }
}

fn kind_class(kind: Kind) -> &'static str {
    match kind {
        Kind::Name => "",
        Kind::Number => "num",
        Kind::Words => "words",
    }
}

/// A finished line of gridrun's own Markdown: code spans, bold and escapes, nothing else; a block
/// to paste behind it stays a block.
pub fn from_markdown(text: &str) -> String {
    let (line, block) = match text.split_once("\n") {
        Some((line, block)) => (line, Some(block)),
        None => (text, None),
    };
    let mut out = String::new();
    let mut rest = line;
    let mut is_bold = false;
    while let Some(c) = rest.chars().next() {
        let ticks = rest.len() - rest.trim_start_matches('`').len();
        if ticks > 0 {
            let fence = &rest[..ticks];
            let inside = &rest[ticks..];
            if let Some(end) = closing(inside, fence) {
                let code = &inside[..end];
                let bare = code.strip_prefix(' ').and_then(|it| it.strip_suffix(' '));
                let code = bare.filter(|it| it.contains('`')).unwrap_or(code);
                out += &format!("<code>{}</code>", escape(code));
                rest = &inside[end + ticks..];
            } else {
                out += fence;
                rest = inside;
            }
        } else if let Some(after) = rest.strip_prefix('\\').filter(|it| !it.is_empty()) {
            let c = after.chars().next().unwrap_or_default();
            out += &escape(&c.to_string());
            rest = &after[c.len_utf8()..];
        } else if let Some(after) = rest.strip_prefix("**") {
            out += if is_bold { "</b>" } else { "<b>" };
            is_bold = !is_bold;
            rest = after;
        } else {
            out += &escape(&c.to_string());
            rest = &rest[c.len_utf8()..];
        }
    }
    if is_bold {
        out += "</b>";
    }
    if let Some(block) = block {
        let lines = block.lines().map(str::trim_end);
        let lines: Vec<String> = lines
            .filter(|line| !line.trim_start().starts_with("```"))
            .map(|line| escape(line.strip_prefix("  ").unwrap_or(line)))
            .collect();
        out += &format!("<pre tabindex=\"0\">{}</pre>", lines.join("\n"));
    }
    out
}

/// Where a run of exactly as many backticks begins.
fn closing(text: &str, fence: &str) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = text[from..].find('`') {
        let at = from + at;
        let ticks = text[at..].len() - text[at..].trim_start_matches('`').len();
        if ticks == fence.len() {
            return Some(at);
        }
        from = at + ticks;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::text;

    #[test]
    fn gridruns_own_markdown_becomes_html_and_nothing_else_does() {
        let cases = [
            (
                "`a` is **b** \\<i\\>",
                "<code>a</code> is <b>b</b> &lt;i&gt;",
            ),
            ("``a`b`` <script>", "<code>a`b</code> &lt;script&gt;"),
            ("an ` alone and **open", "an ` alone and <b>open</b>"),
            (
                "Add:\n  ```toml\n  [[when]]\n  a = 1\n  ```",
                "Add:<pre tabindex=\"0\">[[when]]\na = 1</pre>",
            ),
        ];
        for (markdown, html) in cases {
            assert_eq!(from_markdown(markdown), html);
        }
        for evil in ["</code><script>`x`", "`</code>`", "\\`a\\`", "**|`*<b>"] {
            assert_eq!(from_markdown(&text::markdown(evil)), text::escape(evil));
            let code = format!("<code>{}</code>", text::escape(evil));
            assert_eq!(from_markdown(&text::code(evil)), code);
        }
    }
}
