//! A table laid out in the columns of a terminal: headers and names fold, columns give way in
//! a stated order, and only where nothing else helps does each row become a card. Knows nothing
//! of what the table is about.

use unicode_width::UnicodeWidthStr;

use crate::report::fold::{fold, widest_piece, wrap};
use crate::report::table::Kind;
use crate::report::text::plain;

/// Columns between two columns.
const GAP: usize = 2;

/// Lines of a header above which it is hard to read.
const HIGH: usize = 6;

/// A table; every row has as many cells as there are columns.
#[derive(Debug, Clone, Default)]
pub struct Grid {
    pub columns: Vec<Column>,
    pub rows: Vec<Row>,
}

#[derive(Debug, Clone)]
pub struct Column {
    /// Lines that never join; each may fold further.
    pub header: Vec<String>,
    pub kind: Kind,
    pub room: Room,
    /// What the column means, said below the table if the column is in it.
    pub legend: Option<String>,
}

/// What a column does where there is no room for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// It keeps the width of its widest cell.
    Keeps,
    /// Its cells take several lines, in no fewer columns than this.
    Folds(usize),
    /// It is left out; lower turns go first.
    GivesWay(usize),
}

#[derive(Debug, Clone)]
pub struct Row {
    pub cells: Vec<String>,
    /// How the terminal shows it, see [`Paint`].
    pub colour: &'static str,
}

/// Parameters of the terminal's SGR sequence.
pub const BOLD: &str = "1";
pub const GREEN: &str = "32";
pub const YELLOW: &str = "33";
pub const RED: &str = "31";
pub const DIM: &str = "2";
pub const NONE: &str = "";

/// Colours a line, or leaves it as it is.
#[derive(Debug, Clone, Copy)]
pub struct Paint {
    pub colour: bool,
}

impl Paint {
    /// `code` is a parameter of the terminal's SGR sequence; an empty one changes nothing.
    pub fn with(self, code: &str, text: &str) -> String {
        match self.colour && !code.is_empty() && !text.is_empty() {
            true => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            false => text.to_owned(),
        }
    }
}

/// A table in lines, and what is not in it.
#[derive(Debug, Clone)]
pub struct Laid {
    pub lines: Vec<String>,
    pub legends: Vec<String>,
    /// Headers of the columns that gave way, in the order of the table.
    pub left_out: Vec<String>,
}

impl Grid {
    /// Lays the table out, no line wider than `width`; `heading` is the colour of the headers.
    pub fn lay_out(&self, width: usize, paint: Paint, heading: &str) -> Laid {
        let mut kept: Vec<usize> = (0..self.columns.len()).collect();
        while self.width(&kept, Names::Whole) > width {
            let next = kept
                .iter()
                .filter_map(|&column| match self.columns[column].room {
                    Room::GivesWay(turn) => Some((turn, column)),
                    Room::Keeps | Room::Folds(_) => None,
                })
                .min();
            let Some((_, column)) = next else { break };
            kept.retain(|&other| other != column);
        }
        if self.width(&kept, Names::Folded) > width {
            return self.cards(width, paint);
        }
        let widths = self.widths(&kept, width);
        let mut lines: Vec<String> = self
            .headers(&kept, &widths)
            .iter()
            .map(|line| paint.with(heading, line))
            .collect();
        for row in &self.rows {
            let cells: Vec<Vec<String>> = kept
                .iter()
                .zip(&widths)
                .map(|(&column, &width)| self.cell(row, column, width))
                .collect();
            let height = cells.iter().map(Vec::len).max().unwrap_or(0);
            lines.extend((0..height).map(|line| {
                let cells = cells.iter().map(|cell| cell.get(line));
                let text = self.line(&kept, &widths, cells);
                paint.with(row.colour, &text)
            }));
        }
        let columns = || self.columns.iter().enumerate();
        Laid {
            lines,
            legends: columns()
                .filter(|(column, _)| kept.contains(column))
                .filter_map(|(_, column)| column.legend.clone())
                .collect(),
            left_out: columns()
                .filter(|(column, _)| !kept.contains(column))
                .map(|(_, column)| column.header.join(" "))
                .collect(),
        }
    }

    /// A paragraph per row: its first two cells and its last, then the others by their headers.
    fn cards(&self, width: usize, paint: Paint) -> Laid {
        let mut lines = Vec::new();
        let last = self.columns.len() - 1;
        for row in &self.rows {
            let cells: Vec<String> = row.cells.iter().map(|cell| squeezed(cell)).collect();
            let heading = format!("{} {}: {}", cells[0], cells[1], cells[last]);
            let facts: Vec<String> = (2..last)
                .map(|column| {
                    let header = self.columns[column].header.join(" ");
                    format!("{header}: {}", cells[column])
                })
                .collect();
            let facts = format!("  {}", facts.join("; "));
            let card = [wrap(&heading, width, 2), wrap(&facts, width, 2)].concat();
            lines.extend(
                card.iter()
                    .map(|line| paint.with(row.colour, line.trim_end())),
            );
        }
        Laid {
            lines,
            legends: self
                .columns
                .iter()
                .filter_map(|column| column.legend.clone())
                .collect(),
            left_out: Vec::new(),
        }
    }

    /// Least width of a table of these columns.
    fn width(&self, kept: &[usize], names: Names) -> usize {
        let widths = kept.iter().map(|&column| self.least(column, names));
        widths.sum::<usize>() + GAP * kept.len().saturating_sub(1)
    }

    fn least(&self, column: usize, names: Names) -> usize {
        let header = &self.columns[column].header;
        let header = header.iter().map(|line| widest_piece(line)).max();
        let header = header.unwrap_or(0);
        let cells = self.wanted(column);
        match (self.columns[column].room, self.columns[column].kind, names) {
            (Room::Folds(_), Kind::Name, Names::Whole) => cells.max(header),
            (Room::Folds(least), _, _) => cells.min(least).max(header),
            (Room::Keeps | Room::GivesWay(_), _, _) => cells.max(header),
        }
    }

    /// Width of the widest cell.
    fn wanted(&self, column: usize) -> usize {
        let cells = self
            .rows
            .iter()
            .map(|row| plain(&row.cells[column]).width());
        cells.max().unwrap_or(0)
    }

    /// From the least widths on: room goes to headers that are too high, then to cells that
    /// would fold, then to headers again.
    fn widths(&self, kept: &[usize], width: usize) -> Vec<usize> {
        let names = match self.width(kept, Names::Whole) <= width {
            true => Names::Whole,
            false => Names::Folded,
        };
        let mut widths: Vec<usize> = kept
            .iter()
            .map(|&column| self.least(column, names))
            .collect();
        let mut spare = width - self.width(kept, names);
        self.flatten(kept, &mut widths, &mut spare, HIGH);
        for (&column, current) in kept.iter().zip(&mut widths) {
            let more = self.wanted(column).saturating_sub(*current).min(spare);
            *current += more;
            spare -= more;
        }
        self.flatten(kept, &mut widths, &mut spare, 1);
        widths
    }

    /// Makes headers that are higher than `height` wider, while there is room to spare.
    fn flatten(&self, kept: &[usize], widths: &mut [usize], spare: &mut usize, height: usize) {
        while let Some((position, more)) = self.flatter(kept, widths, height) {
            if more > *spare {
                break;
            }
            widths[position] += more;
            *spare -= more;
        }
    }

    /// The highest header, if it is higher than `limit` and can be made lower, and how much wider it must be for that.
    fn flatter(&self, kept: &[usize], widths: &[usize], limit: usize) -> Option<(usize, usize)> {
        let heights = kept
            .iter()
            .zip(widths)
            .map(|(&column, &width)| self.header(column, width).len());
        let (position, height) = heights
            .enumerate()
            .filter(|&(_, height)| height > limit)
            .max_by_key(|&(position, height)| (height, std::cmp::Reverse(position)))?;
        let column = kept[position];
        let widest = self.columns[column].header.iter().map(|line| line.width());
        let more = (widths[position]..=widest.max()?)
            .find(|&width| self.header(column, width).len() < height)?;
        Some((position, more - widths[position]))
    }

    fn header(&self, column: usize, width: usize) -> Vec<String> {
        let lines = self.columns[column].header.iter();
        lines.flat_map(|line| fold(line, width.max(1))).collect()
    }

    /// The header lines, the last ones at the bottom.
    fn headers(&self, kept: &[usize], widths: &[usize]) -> Vec<String> {
        let headers: Vec<Vec<String>> = kept
            .iter()
            .zip(widths)
            .map(|(&column, &width)| self.header(column, width))
            .collect();
        let height = headers.iter().map(Vec::len).max().unwrap_or(0);
        (0..height)
            .map(|line| {
                let words = headers.iter().map(|header| {
                    (line + header.len())
                        .checked_sub(height)
                        .map(|at| &header[at])
                });
                self.line(kept, widths, words)
            })
            .collect()
    }

    fn cell(&self, row: &Row, column: usize, width: usize) -> Vec<String> {
        let text = plain(&row.cells[column]);
        match (self.columns[column].room, self.columns[column].kind) {
            (Room::Folds(_), Kind::Name) => fold(&text, width),
            (Room::Folds(_), Kind::Number | Kind::Words) => wrap(&text, width, 0),
            (Room::Keeps | Room::GivesWay(_), _) => vec![text],
        }
    }

    fn line<'a>(
        &self,
        kept: &[usize],
        widths: &[usize],
        cells: impl Iterator<Item = Option<&'a String>>,
    ) -> String {
        let mut out = String::new();
        for ((&column, &width), cell) in kept.iter().zip(widths).zip(cells) {
            let cell = cell.map_or("", String::as_str);
            let space = " ".repeat(width.saturating_sub(cell.width()));
            out += &match self.columns[column].kind {
                Kind::Number => space + cell,
                Kind::Name | Kind::Words => cell.to_owned() + &space,
            };
            out += &" ".repeat(GAP);
        }
        out.trim_end().to_owned()
    }
}

/// Whether names stand on one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    Whole,
    Folded,
}

/// Without the space that aligns a number with its neighbours in a column.
fn squeezed(cell: &str) -> String {
    plain(cell).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> Grid {
        let column = |header: &[&str], kind, room| Column {
            header: header.iter().map(|line| (*line).to_owned()).collect(),
            kind,
            room,
            legend: None,
        };
        let mut grid = Grid {
            columns: vec![
                column(&["#"], Kind::Number, Room::Keeps),
                column(&["name"], Kind::Name, Room::Folds(6)),
                column(&["spare"], Kind::Number, Room::GivesWay(0)),
                column(&["useful"], Kind::Number, Room::GivesWay(1)),
                column(&["node", "ttft_first_ms"], Kind::Number, Room::Keeps),
                column(&["outcome"], Kind::Words, Room::Folds(8)),
            ],
            rows: Vec::new(),
        };
        for (name, outcome) in [("long-name", "leader"), ("b", "died while starting")] {
            let cells = ["1", name, "2", "3", "12.7", outcome];
            grid.rows.push(Row {
                cells: cells.map(str::to_owned).to_vec(),
                colour: "",
            });
        }
        grid
    }

    fn lines(width: usize) -> String {
        let laid = grid().lay_out(width, Paint { colour: false }, "");
        let mut lines = laid.lines;
        if !laid.left_out.is_empty() {
            lines.push(format!("without {}", laid.left_out.join(", ")));
        }
        lines.join("\n")
    }

    #[test]
    fn room_is_given_up_in_order() {
        insta::assert_snapshot!(lines(80), @r#"
                                      node
#  name       spare  useful  ttft_first_ms  outcome
1  long-name      2       3           12.7  leader
1  b              2       3           12.7  died while starting
"#);
        insta::assert_snapshot!(lines(50), @r#"
                               node
                              ttft_
                             first_
#  name       spare  useful      ms  outcome
1  long-name      2       3    12.7  leader
1  b              2       3    12.7  died while
                                     starting
"#);
        insta::assert_snapshot!(lines(40), @r#"
                        node
                       ttft_
                      first_
#  name       useful      ms  outcome
1  long-name       3    12.7  leader
1  b               3    12.7  died while
                              starting
without spare
"#);
        insta::assert_snapshot!(lines(33), @r#"
                node
               ttft_
              first_
#  name           ms  outcome
1  long-name    12.7  leader
1  b            12.7  died while
                      starting
without spare, useful
"#);
        insta::assert_snapshot!(lines(27), @r#"
             node
            ttft_
           first_
#  name        ms  outcome
1  long-     12.7  leader
   name
1  b         12.7  died
                   while
                   starting
without spare, useful
"#);
    }
}
