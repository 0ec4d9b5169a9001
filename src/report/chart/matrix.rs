//! Shares in a grid: rows against columns, the darker the better, and a border around what is
//! not whole.

use crate::report::chart::label;
use crate::report::chart::palette::STEPS;
use crate::report::chart::svg::{Anchor, Svg};
use crate::report::text::shorten;

/// Rows or columns beyond these cannot be read on a page.
pub const MOST: usize = 12;

/// Height of a row, and the gap between two places.
const ROW: f64 = 34.0;
const GAP: f64 = 2.0;

/// A grid.
#[derive(Debug, Clone, Default)]
pub struct Matrix {
    pub title: String,
    /// At most [`MOST`] of each are drawn.
    pub rows: Vec<String>,
    pub columns: Vec<String>,
    /// Row by row; `None` where nothing was asked.
    pub places: Vec<Vec<Option<Place>>>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// `12/12`.
    pub shown: String,
    /// From 0 to 1, the higher the better.
    pub goodness: f64,
    /// What it says when it is pointed at.
    pub tip: String,
}

impl Matrix {
    /// The same, rows as columns, for a page that is narrower than long.
    fn turned(&self) -> Self {
        let turned = (0..self.columns.len()).map(|column| {
            let of_row = self.places.iter().map(|row| row[column].clone());
            of_row.collect()
        });
        Self {
            title: self.title.clone(),
            rows: self.columns.clone(),
            columns: self.rows.clone(),
            places: turned.collect(),
        }
    }

    /// `None` where there is nothing in it.
    pub fn draw(&self, width: f64) -> Option<Svg> {
        self.places.iter().flatten().flatten().next()?;
        // Names over columns have less room than names before rows.
        let turned = self.turned();
        match self.cut(width) > turned.cut(width) {
            true => Some(turned.drawn(width)),
            false => Some(self.drawn(width)),
        }
    }

    /// Where the places begin, and how wide each is.
    fn columns_of(&self, width: f64) -> (f64, f64) {
        let left = (longest(&self.rows) + 12.0).min(width * 0.42);
        let n_columns = self.columns.len().clamp(1, MOST);
        (left, (width - left - 2.0) / n_columns as f64)
    }

    /// How much of the longest names would be cut off.
    fn cut(&self, width: f64) -> f64 {
        let (left, each) = self.columns_of(width);
        let over = |names: &[String], room: f64| (longest(names) + 10.0 - room).max(0.0);
        over(&self.rows, left) + over(&self.columns, each)
    }

    fn drawn(&self, width: f64) -> Svg {
        let n_rows = self.rows.len().min(MOST);
        let (left, each) = self.columns_of(width);
        let top = 24.0;
        let height = top + ROW * n_rows as f64 + 4.0;
        let mut svg = Svg::new(width, height, &self.title, &self.description());
        for (at, name) in self.columns.iter().take(MOST).enumerate() {
            let middle = left + each * (at as f64 + 0.5);
            svg.text("", (middle, 15.0), Anchor::Middle, &fitted(name, each));
        }
        for (at, (name, row)) in self.rows.iter().zip(&self.places).take(MOST).enumerate() {
            let y = top + ROW * at as f64;
            let name = fitted(name, left);
            svg.text("", (left - 8.0, y + ROW / 2.0 + 3.0), Anchor::End, &name);
            for (column, place) in row.iter().take(MOST).enumerate() {
                let x = left + each * column as f64;
                let size = (each - GAP, ROW - GAP);
                let middle = (x + size.0 / 2.0, y + ROW / 2.0 + 3.0);
                let Some(place) = place else {
                    svg.rect((x, y), size, r#"fill="var(--band)""#, None);
                    svg.text("", middle, Anchor::Middle, "–");
                    continue;
                };
                let step = (place.goodness.clamp(0.0, 1.0) * (STEPS - 1) as f64) as usize;
                let border = match place.goodness < 1.0 {
                    true => r#" stroke="var(--bad)" stroke-width="1.6""#,
                    false => "",
                };
                let paint = format!(r#"fill="var(--h{step})"{border}"#);
                svg.rect((x, y), size, &paint, Some(&place.tip));
                let ink = if step < STEPS / 2 { "low" } else { "high" };
                svg.text(ink, middle, Anchor::Middle, &place.shown);
            }
        }
        svg
    }

    /// Names that the picture leaves out, for the line below it.
    pub fn left_out(&self) -> usize {
        self.rows.len().saturating_sub(MOST) + self.columns.len().saturating_sub(MOST)
    }

    fn description(&self) -> String {
        let places = self.places.iter().flatten().flatten();
        let told: Vec<String> = places.map(|place| place.tip.replace('\n', ": ")).collect();
        told.join("; ")
    }
}

fn fitted(name: &str, width: f64) -> String {
    shorten(name, ((width - 8.0) / label::CHARACTER) as usize)
}

fn longest(names: &[String]) -> f64 {
    let wide = names.iter().take(MOST).map(|name| label::width(name));
    wide.fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix() -> Matrix {
        let place = |shown: &str, goodness: f64| {
            Some(Place {
                shown: shown.to_owned(),
                goodness,
                tip: format!("tip\n{shown}"),
            })
        };
        Matrix {
            title: "t".to_owned(),
            rows: vec!["hermes".to_owned(), "qwen3_xml".to_owned()],
            columns: ["solved", "parsed", "none called"]
                .map(str::to_owned)
                .into(),
            places: vec![
                vec![place("12/12", 1.0), place("12/12", 1.0), None],
                vec![place("3/12", 0.25), place("0/12", 0.0), place("2/2", 1.0)],
            ],
        }
    }

    #[test]
    fn what_is_not_whole_has_a_border_and_what_was_not_asked_a_dash() {
        insta::assert_snapshot!(matrix().draw(700.0).unwrap().inline("m", "c"), @r#"<svg class="c" viewBox="0 0 700 96" role="img" aria-labelledby="mt md"><title id="mt">t</title><desc id="md">tip: 12/12; tip: 12/12; tip: 3/12; tip: 0/12; tip: 2/2</desc><text x="177.3" y="15" text-anchor="middle">solved</text><text x="385.6" y="15" text-anchor="middle">parsed</text><text x="593.9" y="15" text-anchor="middle">none called</text><text x="65.2" y="44" text-anchor="end">hermes</text><rect x="73.2" y="24" width="206.3" height="32" fill="var(--h7)" data-t="tip&#10;12/12"/><text class="high" x="176.3" y="44" text-anchor="middle">12/12</text><rect x="281.5" y="24" width="206.3" height="32" fill="var(--h7)" data-t="tip&#10;12/12"/><text class="high" x="384.6" y="44" text-anchor="middle">12/12</text><rect x="489.7" y="24" width="206.3" height="32" fill="var(--band)"/><text x="592.9" y="44" text-anchor="middle">–</text><text x="65.2" y="78" text-anchor="end">qwen3_xml</text><rect x="73.2" y="58" width="206.3" height="32" fill="var(--h1)" stroke="var(--bad)" stroke-width="1.6" data-t="tip&#10;3/12"/><text class="low" x="176.3" y="78" text-anchor="middle">3/12</text><rect x="281.5" y="58" width="206.3" height="32" fill="var(--h0)" stroke="var(--bad)" stroke-width="1.6" data-t="tip&#10;0/12"/><text class="low" x="384.6" y="78" text-anchor="middle">0/12</text><rect x="489.7" y="58" width="206.3" height="32" fill="var(--h7)" data-t="tip&#10;2/2"/><text class="high" x="592.9" y="78" text-anchor="middle">2/2</text></svg>"#);
    }

    #[test]
    fn on_a_phone_the_longer_side_is_upright() {
        let text = matrix().draw(240.0).unwrap().inline("m", "c");
        let place = |name: &str| text.find(&format!(">{name}<")).unwrap();
        assert!(place("hermes") < place("solved"), "{text}");
        assert_eq!(text.matches("<rect").count(), 6);
    }

    #[test]
    fn nothing_is_no_picture() {
        assert!(Matrix::default().draw(700.0).is_none());
    }
}
