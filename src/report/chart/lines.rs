//! Lines over two axes: by turn, by level of load, by time, or as steps of a distribution.

use crate::decide::number;
use crate::report::chart::coordinate::px;
use crate::report::chart::label;
use crate::report::chart::plot::{self, Room};
use crate::report::chart::scale::Scale;
use crate::report::chart::svg::{Anchor, Svg};

/// Lines that can be told apart by colour.
pub const MOST: usize = 6;

/// Two names at the right end stand at least so far apart.
const NAME_ROOM: f64 = 14.0;

/// A figure of lines.
#[derive(Debug, Clone)]
pub struct Lines {
    pub title: String,
    pub x: String,
    pub y: String,
    /// At most [`MOST`]; the first is drawn strongest.
    pub lines: Vec<Line>,
    /// A bound of y, with its words.
    pub limit: Option<(f64, String)>,
    /// A distribution: the y axis goes from 0 to 100 %.
    pub is_share: bool,
}

/// One of them.
#[derive(Debug, Clone)]
pub struct Line {
    pub name: String,
    /// From left to right.
    pub points: Vec<(f64, f64)>,
    /// Lowest and highest at each point; empty for none.
    pub band: Vec<(f64, f64)>,
}

impl Lines {
    /// `None` where no line has two points.
    pub fn draw(&self, width: f64) -> Option<Svg> {
        let lines: Vec<&Line> = self.lines.iter().filter(|it| it.points.len() > 1).collect();
        if lines.is_empty() {
            return None;
        }
        let points = || lines.iter().flat_map(|line| line.points.iter().copied());
        let bands = lines.iter().flat_map(|line| line.band.iter());
        let ys: Vec<f64> = points()
            .map(|(_, y)| y)
            .chain(bands.flat_map(|&(low, high)| [low, high]))
            .collect();
        let height = if width < 500.0 { 270.0 } else { 300.0 };
        let mut room = Room::new(width, height, 5);
        // Names stand at the right end of their lines, where there is room for them.
        let longest = lines
            .iter()
            .map(|line| label::width(&line.name))
            .fold(0.0, f64::max);
        // Bold letters are wider.
        let names = longest * 1.12 + 10.0;
        let named_at_end = names < width * 0.34 && !self.is_share;
        if named_at_end {
            room.area.right -= names;
        } else {
            room.area.top += NAME_ROOM * lines.len() as f64;
        }
        let highest = ys.iter().copied().fold(f64::MIN, f64::max);
        let near = self
            .limit
            .as_ref()
            .filter(|(bound, _)| *bound <= highest * 2.0);
        let y = match self.is_share {
            true => Scale::linear([0.0, 100.0], true, room.y())?,
            false => {
                let all = ys.iter().copied().chain(near.map(|it| it.0));
                Scale::linear(all, ys.iter().all(|y| *y >= 0.0), room.y())?
            }
        };
        let xs = points().map(|(x, _)| x);
        let x = match self.is_share {
            true => Scale::fitting(xs, room.x())?,
            false => Scale::linear(xs, false, room.x())?,
        };
        let mut svg = Svg::new(width, height, &self.title, &self.description());
        plot::axes(&mut svg, &room, (&x, &self.x), (&y, &self.y));
        if let Some((bound, words)) = near {
            let at = y.at(*bound);
            svg.line("lim", (room.area.left, at), (room.area.right, at));
            svg.text("w", (room.area.left + 4.0, at - 5.0), Anchor::Start, words);
        }
        for (at, line) in lines.iter().enumerate().rev() {
            self.line(&mut svg, at, line, (&x, &y));
        }
        match named_at_end {
            true => name_ends(&mut svg, &lines, &room, &y),
            false => name_above(&mut svg, &lines),
        }
        Some(svg)
    }

    fn line(&self, svg: &mut Svg, at: usize, line: &Line, (x, y): (&Scale, &Scale)) {
        let colour = at + 1;
        if line.band.len() == line.points.len() {
            let upper = line.points.iter().zip(&line.band);
            let mut path = String::new();
            for (position, (point, band)) in upper.clone().enumerate() {
                let command = if position == 0 { 'M' } else { 'L' };
                path += &format!("{command}{} {}", px(x.at(point.0)), px(y.at(band.1)));
            }
            for (point, band) in upper.rev() {
                path += &format!("L{} {}", px(x.at(point.0)), px(y.at(band.0)));
            }
            // With a stroke, so that a band without height is still seen.
            let paint = format!(
                r#"fill="var(--c{colour})" stroke="var(--c{colour})" stroke-width=".8" fill-opacity=".13" stroke-opacity=".3""#
            );
            svg.path(&(path + "Z"), &paint);
        }
        let mut path = String::new();
        for (position, point) in line.points.iter().enumerate() {
            let (right, up) = (px(x.at(point.0)), px(y.at(point.1)));
            path += &match (position, self.is_share) {
                (0, _) => format!("M{right} {up}"),
                (_, true) => format!("H{right}V{up}"),
                (_, false) => format!("L{right} {up}"),
            };
        }
        let wide = if at == 0 { 2.4 } else { 1.6 };
        let paint = format!(
            r#"fill="none" stroke="var(--c{colour})" stroke-width="{wide}" stroke-linejoin="round""#
        );
        svg.path(&path, &paint);
        if !self.is_share && line.points.len() <= 30 {
            for point in &line.points {
                let tip = format!(
                    "{}\n{} {}: {}",
                    line.name,
                    self.x,
                    number::significant(point.0),
                    number::significant(point.1)
                );
                let paint = format!(r#"fill="var(--c{colour})""#);
                svg.dot((x.at(point.0), y.at(point.1)), 3.2, &paint, Some(&tip));
            }
        }
    }

    fn description(&self) -> String {
        let told = self.lines.iter().map(|line| {
            let ends = [line.points.first(), line.points.last()];
            let ends: Vec<String> = ends
                .into_iter()
                .flatten()
                .map(|(x, y)| format!("{} at {}", number::significant(*y), number::significant(*x)))
                .collect();
            format!("{}: {}", line.name, ends.join(" to "))
        });
        let told: Vec<String> = told.collect();
        told.join("; ")
    }
}

fn name_ends(svg: &mut Svg, lines: &[&Line], room: &Room, y: &Scale) {
    let mut ends: Vec<(f64, usize)> = lines
        .iter()
        .enumerate()
        .filter_map(|(at, line)| Some((y.at(line.points.last()?.1), at)))
        .collect();
    ends.sort_by(|one, other| one.0.total_cmp(&other.0));
    // Pushed apart downwards, then the whole column up where it ran out of room.
    let mut last = f64::NEG_INFINITY;
    for (end, _) in &mut ends {
        *end = end.max(last + NAME_ROOM);
        last = *end;
    }
    // What ran out of room at the bottom is pushed back up, no further than it must be.
    let mut lowest = room.area.bottom;
    for (end, _) in ends.iter_mut().rev() {
        *end = end.min(lowest);
        lowest = *end - NAME_ROOM;
    }
    for (end, at) in ends {
        let place = (room.area.right + 6.0, end + 4.0);
        let class = format!("s{}", at + 1);
        svg.text(&class, place, Anchor::Start, &lines[at].name);
    }
}

fn name_above(svg: &mut Svg, lines: &[&Line]) {
    for (at, line) in lines.iter().enumerate() {
        let y = 13.0 + NAME_ROOM * (at as f64 + 1.0);
        svg.text(
            &format!("s{}", at + 1),
            (8.0, y),
            Anchor::Start,
            &format!("━ {}", line.name),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> Lines {
        let line = |name: &str, from: f64| Line {
            name: name.to_owned(),
            points: (1..=4)
                .map(|x| (f64::from(x), from + 10.0 * f64::from(x)))
                .collect(),
            band: (1..=4)
                .map(|x| (from + 9.0 * f64::from(x), from + 12.0 * f64::from(x)))
                .collect(),
        };
        Lines {
            title: "It grows".to_owned(),
            x: "turn".to_owned(),
            y: "ms".to_owned(),
            lines: vec![line("a", 100.0), line("b", 102.0)],
            limit: Some((150.0, "limit 150 ms".to_owned())),
            is_share: false,
        }
    }

    #[test]
    fn lines_have_bands_points_a_limit_and_names_at_their_ends() {
        insta::assert_snapshot!(lines().draw(360.0).unwrap().inline("l", "c"), @r#"<svg class="c" viewBox="0 0 360 270" role="img" aria-labelledby="lt ld"><title id="lt">It grows</title><desc id="ld">a: 110 at 1.00 to 140 at 4.00; b: 112 at 1.00 to 142 at 4.00</desc><path class="gr" d="M46 230L328.4 230"/><text x="40" y="234" text-anchor="end">0</text><path class="gr" d="M46 164.6L328.4 164.6"/><text x="40" y="168.6" text-anchor="end">50</text><path class="gr" d="M46 99.2L328.4 99.2"/><text x="40" y="103.2" text-anchor="end">100</text><path class="gr" d="M46 33.8L328.4 33.8"/><text x="40" y="37.8" text-anchor="end">150</text><text x="2" y="13">↑ ms</text><path class="ax" d="M143.6 230L143.6 234"/><text x="143.6" y="247" text-anchor="middle">2</text><path class="ax" d="M317.9 230L317.9 234"/><text x="317.9" y="247" text-anchor="middle">4</text><path class="ax" d="M46 230L328.4 230"/><text x="328.4" y="264" text-anchor="end">turn →</text><path class="lim" d="M46 33.8L328.4 33.8"/><text class="w" x="50" y="28.8">limit 150 ms</text><path d="M56.5 80.9L143.6 65.2L230.8 49.5L317.9 33.8L317.9 49.5L230.8 61.3L143.6 73.1L56.5 84.8Z" fill="var(--c2)" stroke="var(--c2)" stroke-width=".8" fill-opacity=".13" stroke-opacity=".3"/><path d="M56.5 83.5L143.6 70.5L230.8 57.4L317.9 44.3" fill="none" stroke="var(--c2)" stroke-width="1.6" stroke-linejoin="round"/><circle cx="56.5" cy="83.5" r="3.2" fill="var(--c2)" data-t="b&#10;turn 1.00: 112"/><circle cx="143.6" cy="70.5" r="3.2" fill="var(--c2)" data-t="b&#10;turn 2.00: 122"/><circle cx="230.8" cy="57.4" r="3.2" fill="var(--c2)" data-t="b&#10;turn 3.00: 132"/><circle cx="317.9" cy="44.3" r="3.2" fill="var(--c2)" data-t="b&#10;turn 4.00: 142"/><path d="M56.5 83.5L143.6 67.8L230.8 52.2L317.9 36.5L317.9 52.2L230.8 63.9L143.6 75.7L56.5 87.5Z" fill="var(--c1)" stroke="var(--c1)" stroke-width=".8" fill-opacity=".13" stroke-opacity=".3"/><path d="M56.5 86.2L143.6 73.1L230.8 60L317.9 46.9" fill="none" stroke="var(--c1)" stroke-width="2.4" stroke-linejoin="round"/><circle cx="56.5" cy="86.2" r="3.2" fill="var(--c1)" data-t="a&#10;turn 1.00: 110"/><circle cx="143.6" cy="73.1" r="3.2" fill="var(--c1)" data-t="a&#10;turn 2.00: 120"/><circle cx="230.8" cy="60" r="3.2" fill="var(--c1)" data-t="a&#10;turn 3.00: 130"/><circle cx="317.9" cy="46.9" r="3.2" fill="var(--c1)" data-t="a&#10;turn 4.00: 140"/><text class="s2" x="334.4" y="48.3">b</text><text class="s1" x="334.4" y="62.3">a</text></svg>"#);
    }

    #[test]
    fn names_at_the_ends_keep_their_distance() {
        let text = lines().draw(640.0).unwrap().inline("l", "c");
        let names: Vec<f64> = text
            .match_indices("class=\"s")
            .map(|(at, _)| {
                let y = text[at..].split("y=\"").nth(1).unwrap();
                y.split('"').next().unwrap().parse().unwrap()
            })
            .collect();
        assert_eq!(names.len(), 2);
        assert!((names[0] - names[1]).abs() >= NAME_ROOM - 0.2, "{names:?}");
    }

    #[test]
    fn a_flat_band_is_still_seen_and_one_point_is_no_line() {
        let mut flat = lines();
        for line in &mut flat.lines {
            line.band.iter_mut().for_each(|band| *band = (100.0, 100.0));
        }
        let text = flat.draw(360.0).unwrap().inline("l", "c");
        assert!(text.contains("stroke-opacity=\".3\""), "{text}");
        for line in &mut flat.lines {
            line.points.truncate(1);
        }
        assert!(flat.draw(360.0).is_none());
    }
}
