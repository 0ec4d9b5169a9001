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
}

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
