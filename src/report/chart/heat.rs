//! Where configurations die, over two axes: the best number of what lives at each place, hatches
//! where all died, and the line between the two.

use std::fmt::Write;

use crate::decide::number;
use crate::outcome::Standing;
use crate::report::atlas::{Atlas, Boundary, Edge};
use crate::report::chart::coordinate::px;
use crate::report::chart::label;
use crate::report::chart::palette::STEPS;
use crate::report::chart::svg::{Anchor, Svg};
use crate::report::measures::MeasureView;
use crate::report::text::shorten;
use crate::report::view::View;
use crate::spec::experiment::Goal;
use crate::spec::flag::FlagValue;

/// More columns or rows than this cannot be read.
const MOST: usize = 12;

/// The map.
#[derive(Debug, Clone, PartialEq)]
pub struct Heat {
    /// From left to right.
    pub x: Side,
    /// From top to bottom; `None` where one axis alone varies.
    pub y: Option<Side>,
    /// Row by row.
    places: Vec<Vec<Place>>,
    metric: Option<(String, Goal)>,
    /// The metric's best and worst number on the map.
    ends: Option<(f64, f64)>,
}

/// One of the two axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Side {
    pub name: String,
    pub values: Vec<FlagValue>,
}

/// All configurations with these two values.
#[derive(Debug, Clone, Default, PartialEq)]
struct Place {
    names: Vec<String>,
    n_lived: usize,
    n_died: usize,
    n_skipped: usize,
    /// Of the living ones.
    best: Option<f64>,
    /// It in words.
    shown: String,
}

impl Place {
    fn n_lost(&self) -> usize {
        self.n_died + self.n_skipped
    }

    fn is_dead(&self) -> bool {
        self.n_lived == 0 && self.n_lost() > 0
    }
}

impl Heat {
    /// `None` where nothing died, or no axis has two values, or too many.
    pub fn of(view: &View) -> Option<Self> {
        let atlas = view.atlas.as_ref()?;
        let mut axes: Vec<usize> = (0..view.axes.len())
            .filter(|&axis| (2..=MOST).contains(&values(view, axis).len()))
            .collect();
        // Those along which most boundaries run, then those with most values.
        axes.sort_by_key(|&axis| {
            let name = &view.axes[axis].short_name;
            let boundaries = atlas.boundaries.iter();
            let n = boundaries.filter(|boundary| boundary.axis == *name).count();
            std::cmp::Reverse((n, values(view, axis).len()))
        });
        axes.truncate(2);
        axes.sort_by_key(|&axis| std::cmp::Reverse(values(view, axis).len()));
        let side = |axis: usize| Side {
            name: view.axes[axis].short_name.clone(),
            values: values(view, axis),
        };
        let x = side(*axes.first()?);
        let y = axes.get(1).map(|&axis| side(axis));
        let measure = view.measures.first();
        let places = |row: Option<&FlagValue>| -> Vec<Place> {
            let columns = x.values.iter();
            columns
                .map(|value| {
                    let mut at = vec![(axes[0], value)];
                    at.extend(row.map(|row| (axes[1], row)));
                    place(view, measure, &at)
                })
                .collect()
        };
        let places: Vec<Vec<Place>> = match &y {
            None => vec![places(None)],
            Some(y) => y.values.iter().map(|row| places(Some(row))).collect(),
        };
        let best: Vec<f64> = places.iter().flatten().filter_map(|it| it.best).collect();
        let ends = best.iter().fold(None, |ends: Option<(f64, f64)>, &value| {
            let (low, high) = ends.unwrap_or((value, value));
            Some((low.min(value), high.max(value)))
        });
        Some(Self {
            metric: measure.and_then(|it| Some((it.metric.clone(), it.better?))),
            x,
            y,
            places,
            ends,
        })
    }

    /// How dark: the better, the darker.
    fn step(&self, value: f64) -> usize {
        let (Some((low, high)), Some((_, goal))) = (self.ends, &self.metric) else {
            return 0;
        };
        if high <= low {
            return STEPS - 1;
        }
        let share = match low > 0.0 {
            true => (value / low).ln() / (high / low).ln(),
            false => (value - low) / (high - low),
        };
        let share = match goal {
            Goal::Min => 1.0 - share,
            Goal::Max => share,
        };
        ((share * STEPS as f64) as usize).min(STEPS - 1)
    }

    /// What the colours say.
    pub fn caption(&self) -> String {
        let colour = match &self.metric {
            None => String::new(),
            Some((metric, goal)) => format!(
                "Number and colour: {metric}, darker is better ({}), the best of all configurations \
                 with these two values. ",
                match goal {
                    Goal::Min => "lower",
                    Goal::Max => "higher",
                }
            ),
        };
        format!(
            "{colour}Hatched: died; dotted: not started, because another one's death proves its own. \
             Empty: not in the matrix."
        )
    }

    /// Draws it.
    pub fn draw(&self, title: &str, width: f64) -> Svg {
        let rows: Vec<String> = match &self.y {
            None => vec![String::new()],
            Some(y) => y.values.iter().map(ToString::to_string).collect(),
        };
        let widest = rows.iter().map(|row| label::width(row)).fold(0.0, f64::max);
        let left = (widest + 14.0).clamp(14.0, width * 0.3);
        let top = if self.y.is_some() { 30.0 } else { 12.0 };
        let wide = (width - left - 4.0) / self.x.values.len() as f64;
        let tall = 46.0;
        let bottom = top + tall * rows.len() as f64;
        let mut svg = Svg::new(width, bottom + 40.0, title, &self.description());
        if let Some(y) = &self.y {
            svg.text("", (0.0, 14.0), Anchor::Start, &format!("{} ↓", y.name));
        }
        svg.text(
            "",
            (width - 4.0, bottom + 34.0),
            Anchor::End,
            &format!("{} →", self.x.name),
        );
        for (column, value) in self.x.values.iter().enumerate() {
            let middle = left + wide * (column as f64 + 0.5);
            let text = fitting(&value.to_string(), wide);
            svg.text("", (middle, bottom + 16.0), Anchor::Middle, &text);
        }
        for (row, name) in rows.iter().enumerate() {
            let y = top + tall * row as f64;
            let name = fitting(name, left - 8.0);
            svg.text("", (left - 8.0, y + tall / 2.0 + 4.0), Anchor::End, &name);
            for (column, place) in self.places[row].iter().enumerate() {
                let x = left + wide * column as f64;
                self.draw_place(&mut svg, place, (x, y), (wide, tall), (row, column));
            }
        }
        let line = self.boundary(left, top, wide, tall);
        if !line.is_empty() {
            svg.path(&line, r#"class="cr""#);
        }
        svg
    }

    fn draw_place(
        &self,
        svg: &mut Svg,
        place: &Place,
        (x, y): (f64, f64),
        (wide, tall): (f64, f64),
        (row, column): (usize, usize),
    ) {
        let (inner, size) = ((x + 1.0, y + 1.0), (wide - 2.0, tall - 2.0));
        if place.names.is_empty() {
            svg.rect(inner, size, r#"fill="none" stroke="var(--grid)""#, None);
            return;
        }
        let mut tip = vec![match &self.y {
            None => format!("{} = {}", self.x.name, self.x.values[column]),
            Some(side) => format!(
                "{} = {}, {} = {}",
                self.x.name, self.x.values[column], side.name, side.values[row]
            ),
        }];
        tip.push(place.names.join(", "));
        tip.push(place.words());
        let tip = tip.join("\n");
        let middle = (x + wide / 2.0, y + tall / 2.0 + 4.0);
        if place.is_dead() {
            let fill = if place.n_died > 0 { "hatch" } else { "dots" };
            svg.rect(inner, size, r#"fill="var(--card)""#, None);
            let paint = format!(r#"fill="url(#{fill})" stroke="var(--line)""#);
            svg.rect(inner, size, &paint, Some(&tip));
            let word = if place.n_died > 0 {
                "✕ died"
            } else {
                "⊘ proved"
            };
            let half = label::width(word) / 2.0 + 4.0;
            if half * 2.0 < wide {
                svg.rect(
                    (middle.0 - half, middle.1 - 14.0),
                    (half * 2.0, 19.0),
                    r#"rx="3" fill="var(--card)" pointer-events="none""#,
                    None,
                );
            }
            svg.text("", middle, Anchor::Middle, &fitting(word, wide));
            return;
        }
        let Some(best) = place.best else {
            let paint = r#"fill="var(--band)" stroke="var(--line)""#;
            svg.rect(inner, size, paint, Some(&tip));
            let word = if place.n_lived > 0 { "no number" } else { "?" };
            svg.text("", middle, Anchor::Middle, &fitting(word, wide));
            return;
        };
        let step = self.step(best);
        let ink = if step < STEPS / 2 { "low" } else { "high" };
        svg.rect(
            inner,
            size,
            &format!(r#"fill="var(--h{step})""#),
            Some(&tip),
        );
        let shift = if place.n_lost() > 0 { -7.0 } else { 0.0 };
        let at = (middle.0, middle.1 + shift);
        let shown = fitting(&place.shown, wide);
        svg.text(ink, at, Anchor::Middle, &shown);
        if place.n_lost() > 0 {
            svg.rect(
                (x + 1.0, y + tall - 16.0),
                (wide - 2.0, 15.0),
                r#"fill="var(--card)" pointer-events="none""#,
                None,
            );
            let words = format!("✕ {} of {}", place.n_lost(), place.names.len());
            svg.text(
                "",
                (middle.0, y + tall - 4.5),
                Anchor::Middle,
                &fitting(&words, wide),
            );
        }
    }

    /// Every edge between a place where something lives and one where all died.
    fn boundary(&self, left: f64, top: f64, wide: f64, tall: f64) -> String {
        let mut path = String::new();
        let mut edge = |from: (f64, f64), to: (f64, f64)| {
            let _ = write!(
                path,
                "M{} {}L{} {}",
                px(from.0),
                px(from.1),
                px(to.0),
                px(to.1)
            );
        };
        let parts = |one: &Place, other: &Place| {
            (one.n_lived > 0 && other.is_dead()) || (other.n_lived > 0 && one.is_dead())
        };
        for (row, places) in self.places.iter().enumerate() {
            for (column, place) in places.iter().enumerate() {
                let x = left + wide * (column as f64 + 1.0);
                let y = top + tall * (row as f64 + 1.0);
                if places
                    .get(column + 1)
                    .is_some_and(|next| parts(place, next))
                {
                    edge((x, y - tall), (x, y));
                }
                let below = self.places.get(row + 1).map(|below| &below[column]);
                if below.is_some_and(|next| parts(place, next)) {
                    edge((x - wide, y), (x, y));
                }
            }
        }
        path
    }

    fn description(&self) -> String {
        let mut told = Vec::new();
        for (row, places) in self.places.iter().enumerate() {
            for (column, place) in places.iter().enumerate() {
                if place.names.is_empty() {
                    continue;
                }
                let at = match &self.y {
                    None => format!("{} {}", self.x.name, self.x.values[column]),
                    Some(side) => format!(
                        "{} {}, {} {}",
                        self.x.name, self.x.values[column], side.name, side.values[row]
                    ),
                };
                told.push(format!("{at}: {}", place.words()));
            }
        }
        told.join("; ")
    }
}

impl Place {
    fn words(&self) -> String {
        let mut words = Vec::new();
        if self.n_lived > 0 {
            words.push(match self.best {
                Some(_) => format!("{} lived, best {}", self.n_lived, self.shown),
                None => format!("{} lived, no number", self.n_lived),
            });
        }
        if self.n_died > 0 {
            words.push(format!("{} died", self.n_died));
        }
        if self.n_skipped > 0 {
            words.push(format!("{} proved to die", self.n_skipped));
        }
        if words.is_empty() {
            words.push("nothing is known".to_owned());
        }
        words.join(", ")
    }
}

/// The values of an axis over all cells: numbers in order, others as they come.
fn values(view: &View, axis: usize) -> Vec<FlagValue> {
    let mut found: Vec<FlagValue> = Vec::new();
    for row in &view.cells {
        if let Some(Some(value)) = row.axes.get(axis)
            && !found.contains(value)
        {
            found.push(value.clone());
        }
    }
    let number = |value: &FlagValue| match value {
        FlagValue::Int(number) => Some(*number as f64),
        FlagValue::Float(number) => Some(*number),
        FlagValue::Bool(value) => Some(f64::from(u8::from(*value))),
        FlagValue::Text(_) | FlagValue::List(_) | FlagValue::Default => None,
    };
    found.sort_by(|one, other| match (number(one), number(other)) {
        (Some(one), Some(other)) => one.total_cmp(&other),
        (None, None) => std::cmp::Ordering::Equal,
        (one, _) => one.is_none().cmp(&true).reverse(),
    });
    found
}

fn place(view: &View, measure: Option<&MeasureView>, at: &[(usize, &FlagValue)]) -> Place {
    let mut place = Place::default();
    for (index, row) in view.cells.iter().enumerate() {
        let is_here = at
            .iter()
            .all(|(axis, value)| row.axes.get(*axis).and_then(Option::as_ref) == Some(*value));
        if !is_here {
            continue;
        }
        place.names.push(row.cell.clone());
        match &row.standing {
            Standing::Skipped { .. } => place.n_skipped += 1,
            Standing::Infeasible { .. } => place.n_died += 1,
            _ if row.tally.lived() => {
                place.n_lived += 1;
                let estimate = measure.and_then(|it| it.estimates[index]);
                let better = |one: f64, other: f64| match measure.and_then(|it| it.better) {
                    Some(Goal::Max) => one.max(other),
                    Some(Goal::Min) | None => one.min(other),
                };
                if let Some(estimate) = estimate {
                    let best = place
                        .best
                        .map_or(estimate.mean, |it| better(it, estimate.mean));
                    place.best = Some(best);
                }
            }
            Standing::Ranked | Standing::Rejected { .. } | Standing::Undecided { .. } => {}
        }
    }
    let definition = measure.and_then(|it| it.definition.as_ref());
    let shown = place.best.map(|best| number::of_metric(best, definition));
    place.shown = shown.unwrap_or_default();
    place
}

/// A text that fits into so many pixels, cut if need be.
fn fitting(text: &str, width: f64) -> String {
    let most = (width / label::CHARACTER) as usize;
    shorten(text, most.max(1))
}

/// What the atlas says, as a sentence.
pub fn title(view: &View, atlas: &Atlas) -> String {
    let n = atlas.cells.len();
    let of = view.cells.len();
    let died = format!(
        "{n} of {of} configurations {}",
        match atlas
            .cells
            .iter()
            .filter(|dead| dead.witness.is_some())
            .count()
        {
            0 => "died".to_owned(),
            skipped => format!("died or were proved to die ({skipped} not started)"),
        }
    );
    let Some(first) = atlas.boundaries.first() else {
        return format!("{died}; none has a neighbour that lived");
    };
    let alike = |boundary: &Boundary| boundary.axis == first.axis && boundary.edge == first.edge;
    let axis = &first.axis;
    let one_edge = atlas.boundaries.iter().all(alike);
    match &first.edge {
        Edge::DiesAbove {
            highest_living,
            lowest_dying,
        } if one_edge => format!(
            "{died}: along {axis} they live up to {highest_living} and die at {lowest_dying}"
        ),
        Edge::DiesBelow {
            highest_dying,
            lowest_living,
        } if one_edge => format!(
            "{died}: along {axis} they die up to {highest_dying} and live at {lowest_living}"
        ),
        Edge::DiesAbove { .. } | Edge::DiesBelow { .. } | Edge::Apart { .. } => {
            let mut axes: Vec<&str> = Vec::new();
            for boundary in &atlas.boundaries {
                if !axes.contains(&boundary.axis.as_str()) {
                    axes.push(&boundary.axis);
                }
            }
            format!("{died}; the boundary runs along {}", axes.join(" and "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture::{self, Numbers};
    use crate::diagnose::FailureClass;
    use crate::manifest::RunRecord;
    use crate::report::view_of;

    fn map(record: &RunRecord) -> (Heat, String) {
        let view = view_of(record);
        let title = title(&view, view.atlas.as_ref().unwrap());
        (Heat::of(&view).unwrap(), title)
    }

    fn run() -> RunRecord {
        let measured = |name: &str, ms: f64| fixture::measured(name, 1, Numbers::new(900.0, ms));
        let mut record = fixture::record(vec![
            measured("a", 90.0),
            measured("b", 80.0),
            measured("c", 900.0),
            fixture::died("d", 1, FailureClass::GpuOomServing),
        ]);
        record.skipped = vec![fixture::skip("e", "d")];
        record
    }

    #[test]
    fn the_two_axes_are_those_along_which_things_die() {
        let (heat, title) = map(&run());
        assert_eq!(heat.x.name, "gpu-mem");
        assert_eq!(heat.y.as_ref().unwrap().name, "prefix");
        assert_eq!(
            title,
            "2 of 6 configurations died or were proved to die (1 not started); the boundary runs \
             along gpu-mem"
        );
    }

    #[test]
    fn hatches_numbers_and_the_line_between_them() {
        let (heat, title) = map(&run());
        insta::assert_snapshot!(heat.draw(&title, 360.0).inline("h", "c"), @r#"<svg class="c" viewBox="0 0 360 162" role="img" aria-labelledby="ht hd"><title id="ht">2 of 6 configurations died or were proved to die (1 not started); the boundary runs along gpu-mem</title><desc id="hd">gpu-mem 0.85, prefix false: 1 lived, best 900; gpu-mem 0.9, prefix false: nothing is known; gpu-mem 0.95, prefix false: 1 proved to die; gpu-mem 0.85, prefix true: 1 lived, best 90.0; gpu-mem 0.9, prefix true: 1 lived, best 80.0; gpu-mem 0.95, prefix true: 1 died</desc><text x="0" y="14">prefix ↓</text><text x="356" y="156" text-anchor="end">gpu-mem →</text><text x="99.3" y="138" text-anchor="middle">0.85</text><text x="202" y="138" text-anchor="middle">0.9</text><text x="304.7" y="138" text-anchor="middle">0.95</text><text x="40" y="57" text-anchor="end">false</text><rect x="49" y="31" width="100.7" height="44" fill="var(--h0)" data-t="gpu-mem = 0.85, prefix = false&#10;c&#10;1 lived, best 900"/><text class="low" x="99.3" y="57" text-anchor="middle">900</text><rect x="151.7" y="31" width="100.7" height="44" fill="var(--band)" stroke="var(--line)" data-t="gpu-mem = 0.9, prefix = false&#10;f&#10;nothing is known"/><text x="202" y="57" text-anchor="middle">?</text><rect x="254.3" y="31" width="100.7" height="44" fill="var(--card)"/><rect x="254.3" y="31" width="100.7" height="44" fill="url(#dots)" stroke="var(--line)" data-t="gpu-mem = 0.95, prefix = false&#10;e&#10;1 proved to die"/><rect x="273.5" y="43" width="62.4" height="19" rx="3" fill="var(--card)" pointer-events="none"/><text x="304.7" y="57" text-anchor="middle">⊘ proved</text><text x="40" y="103" text-anchor="end">true</text><rect x="49" y="77" width="100.7" height="44" fill="var(--h7)" data-t="gpu-mem = 0.85, prefix = true&#10;a&#10;1 lived, best 90.0"/><text class="high" x="99.3" y="103" text-anchor="middle">90.0</text><rect x="151.7" y="77" width="100.7" height="44" fill="var(--h7)" data-t="gpu-mem = 0.9, prefix = true&#10;b&#10;1 lived, best 80.0"/><text class="high" x="202" y="103" text-anchor="middle">80.0</text><rect x="254.3" y="77" width="100.7" height="44" fill="var(--card)"/><rect x="254.3" y="77" width="100.7" height="44" fill="url(#hatch)" stroke="var(--line)" data-t="gpu-mem = 0.95, prefix = true&#10;d&#10;1 died"/><rect x="280.3" y="89" width="48.8" height="19" rx="3" fill="var(--card)" pointer-events="none"/><text x="304.7" y="103" text-anchor="middle">✕ died</text><path d="M253.3 76L253.3 122" class="cr"/></svg>"#);
    }

    #[test]
    fn a_file_of_its_own_carries_its_hatches() {
        let (heat, title) = map(&run());
        let file = heat.draw(&title, 360.0).standalone();
        assert!(file.contains("<pattern id=\"hatch\""));
        assert!(file.contains("fill=\"url(#hatch)\""));
    }

    #[test]
    fn where_nothing_died_there_is_no_map() {
        let record = fixture::record(vec![fixture::measured("a", 1, Numbers::new(900.0, 90.0))]);
        assert!(Heat::of(&view_of(&record)).is_none());
    }
}
