//! The verdict and the table of all cells for a terminal: aligned, no wider than it, coloured
//! only where that is wanted.

use unicode_width::UnicodeWidthStr;

use crate::outcome::Standing;
use crate::report::table::{self, Causes, Kind, Need, Table};
use crate::report::text::{Prose, plain};
use crate::report::view::View;
use crate::report::wording::{STAMP, STAMP_MEANING};

/// Below this no table is readable: lines are cut at this width whatever the terminal says.
const NARROWEST: usize = 40;

/// What the last column keeps at least before other columns are left out.
const LAST_COLUMN: usize = 24;

/// Columns between two columns.
const GAP: usize = 2;

/// Renders verdict and table; ends in a line feed.
pub fn render(view: &View, width: usize, colour: bool) -> String {
    let width = width.max(NARROWEST);
    let paint = Paint { colour };
    let mut lines = Vec::new();
    if view.stand_in {
        lines.extend(
            wrap(&format!("{STAMP}: {STAMP_MEANING}"), width, 0)
                .into_iter()
                .map(|l| paint.with(YELLOW, &l)),
        );
        lines.push(String::new());
    }
    if !view.progress.missing.is_empty() {
        lines.push(paint.with(YELLOW, "This run is not complete."));
        lines.extend(bullets(&view.progress.missing, width));
        lines.push(String::new());
    }
    let headline = view.verdict.headline.plain();
    lines.extend(
        wrap(&headline, width, 0)
            .into_iter()
            .map(|line| paint.with(BOLD, &line)),
    );
    lines.extend(bullets(&view.verdict.sentences, width));
    lines.push(String::new());
    let title = match view.stand_in {
        true => format!("All configurations ({STAMP})"),
        false => "All configurations".to_owned(),
    };
    lines.push(paint.with(BOLD, &title));
    let table = table::cells(view, Causes::LeftOut);
    let colours: Vec<&str> = view
        .cells
        .iter()
        .map(|row| colour_of(&row.standing, row.rank))
        .collect();
    lines.extend(lay_out(&table, width, &paint, &colours));
    lines.join("\n") + "\n"
}

const BOLD: &str = "1";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const RED: &str = "31";
const DIM: &str = "2";
const NONE: &str = "";

struct Paint {
    colour: bool,
}

impl Paint {
    fn with(&self, code: &str, text: &str) -> String {
        match self.colour && !code.is_empty() && !text.is_empty() {
            true => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            false => text.to_owned(),
        }
    }
}

fn colour_of(standing: &Standing, rank: Option<u32>) -> &'static str {
    match standing {
        Standing::Ranked if rank == Some(1) => GREEN,
        Standing::Ranked => NONE,
        Standing::Rejected { .. } => YELLOW,
        Standing::Infeasible { .. } => RED,
        Standing::Undecided { .. } => DIM,
    }
}

fn bullets(sentences: &[Prose], width: usize) -> Vec<String> {
    let lines = sentences.iter().flat_map(|sentence| {
        let text = format!("- {}", sentence.plain());
        wrap(&text, width, 2)
    });
    lines.collect()
}

/// Breaks text at spaces; lines after the first are indented. A word that is wider than the
/// line is cut into pieces.
fn wrap(text: &str, width: usize, indent: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let mut word = word;
        loop {
            let gap = usize::from(!line.trim_end().is_empty() && !line.ends_with(' '));
            if line.width() + gap + word.width() <= width {
                if gap == 1 {
                    line.push(' ');
                }
                line += word;
                break;
            }
            if line.trim().is_empty() {
                let (front, rest) = split_at_width(word, width.saturating_sub(line.width()).max(1));
                line += front;
                word = rest;
            }
            lines.push(std::mem::replace(&mut line, " ".repeat(indent)));
        }
    }
    lines.push(line);
    lines
}

/// The longest front of at most `width` columns (at least one character), and the rest.
fn split_at_width(text: &str, width: usize) -> (&str, &str) {
    let mut end = 0;
    for (position, c) in text.char_indices() {
        let next = position + c.len_utf8();
        if end > 0 && text[..next].width() > width {
            break;
        }
        end = next;
    }
    text.split_at(end)
}

/// Lays a table out in `width` columns. Where there is no room, spare columns are left out
/// first, then useful ones, and that is said; the last column wraps.
fn lay_out(table: &Table, width: usize, paint: &Paint, colours: &[&str]) -> Vec<String> {
    let mut kept: Vec<usize> = (0..table.columns.len()).collect();
    let mut left_out: Vec<&str> = Vec::new();
    for need in [Need::Spare, Need::Useful] {
        if needed_width(table, &kept) <= width {
            break;
        }
        let (out, rest) = kept
            .into_iter()
            .partition(|&column| table.columns[column].need == need);
        kept = rest;
        let out: Vec<usize> = out;
        left_out.extend(
            out.iter()
                .map(|&column| table.columns[column].header.as_str()),
        );
    }
    if needed_width(table, &kept) > width {
        return stack(table, width, paint, colours);
    }
    let (&last, front) = kept
        .split_last()
        .expect("columns that a reader must have are kept");
    let widths: Vec<usize> = front
        .iter()
        .map(|&column| header_aware_width(table, column))
        .collect();
    let indent: usize = widths.iter().map(|width| width + GAP).sum();
    let room = width - indent;

    let mut lines = headers(table, front, &widths, last)
        .into_iter()
        .map(|line| paint.with(BOLD, line.trim_end()))
        .collect::<Vec<_>>();
    for (row, colour) in table.rows.iter().zip(colours) {
        let mut line = String::new();
        for (&column, &width) in front.iter().zip(&widths) {
            line += &pad(&plain(&row[column]), width, table.columns[column].kind);
            line += &" ".repeat(GAP);
        }
        for (position, piece) in wrap(&plain(&row[last]), room, 0).into_iter().enumerate() {
            let front = match position {
                0 => std::mem::take(&mut line),
                _ => " ".repeat(indent),
            };
            lines.push(paint.with(colour, format!("{front}{piece}").trim_end()));
        }
    }
    if !left_out.is_empty() {
        let note = format!("Left out for want of width: {}.", left_out.join(", "));
        lines.extend(
            wrap(&note, width, 0)
                .into_iter()
                .map(|line| paint.with(DIM, &line)),
        );
    }
    lines
}

/// Where not even the most needed columns fit: a paragraph per row.
fn stack(table: &Table, width: usize, paint: &Paint, colours: &[&str]) -> Vec<String> {
    let rows = table.rows.iter().zip(colours);
    let lines = rows.flat_map(|(row, colour)| {
        let cells = table.columns.iter().zip(row).skip(2);
        let heading = wrap(&plain(&format!("{} {}", row[0], row[1])), width, 2);
        let facts = cells.flat_map(|(column, cell)| {
            let fact = plain(&format!("{}: {cell}", column.header));
            let lines = wrap(&fact, width - GAP, GAP);
            lines.into_iter().map(|line| format!("{:GAP$}{line}", ""))
        });
        let lines: Vec<String> = heading
            .into_iter()
            .chain(facts)
            .map(|line| paint.with(colour, line.trim_end()))
            .collect();
        lines
    });
    lines.collect()
}

fn needed_width(table: &Table, kept: &[usize]) -> usize {
    let front = &kept[..kept.len().saturating_sub(1)];
    let widths = front
        .iter()
        .map(|&column| header_aware_width(table, column) + GAP);
    widths.sum::<usize>() + LAST_COLUMN
}

/// Headers wrap at their spaces, so a column is as wide as its widest cell or header word.
fn header_aware_width(table: &Table, column: usize) -> usize {
    let cells = table.rows.iter().map(|row| plain(&row[column]).width());
    let words = table.columns[column]
        .header
        .split(' ')
        .map(UnicodeWidthStr::width);
    cells.chain(words).max().unwrap_or(0)
}

/// The header lines, words at the bottom.
fn headers(table: &Table, front: &[usize], widths: &[usize], last: usize) -> Vec<String> {
    let wrapped: Vec<Vec<String>> = front
        .iter()
        .zip(widths)
        .map(|(&column, &width)| wrap(&table.columns[column].header, width, 0))
        .collect();
    let height = wrapped.iter().map(Vec::len).max().unwrap_or(1);
    (0..height)
        .map(|line| {
            let mut out = String::new();
            for ((words, &width), &column) in wrapped.iter().zip(widths).zip(front) {
                let word = (line + words.len())
                    .checked_sub(height)
                    .map_or("", |i| words[i].as_str());
                out += &pad(word, width, table.columns[column].kind);
                out += &" ".repeat(GAP);
            }
            if line + 1 == height {
                out += &table.columns[last].header;
            }
            out
        })
        .collect()
}

fn pad(text: &str, width: usize, kind: Kind) -> String {
    let space = " ".repeat(width.saturating_sub(text.width()));
    match kind {
        Kind::Number => space + text,
        Kind::Name | Kind::Words => text.to_owned() + &space,
    }
}
