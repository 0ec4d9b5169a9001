//! One metric against another: a cross for every configuration that has both, the Pareto front of
//! those that are ranked, and the zone that a gate forbids.

use crate::decide::number;
use crate::decide::pareto;
use crate::outcome::Standing;
use crate::report::chart::coordinate::px;
use crate::report::chart::label;
use crate::report::chart::plot::{self, Room};
use crate::report::chart::scale::Scale;
use crate::report::chart::svg::{Anchor, Svg};
use crate::report::measures::{Estimated, MeasureView};
use crate::report::view::View;
use crate::spec::experiment::Goal;

/// Above so many points only those that matter have crosses, names and a stop for the keyboard.
const CROWD: usize = 60;

/// Names of a title.
const NAMES: usize = 4;

/// A figure of two metrics.
#[derive(Debug, Clone)]
pub struct Scatter<'a> {
    x: &'a MeasureView,
    y: &'a MeasureView,
    points: Vec<Point>,
    /// Positions among the points, from the best in x on.
    front: Vec<usize>,
    first: Option<String>,
}

#[derive(Debug, Clone)]
struct Point {
    cell: String,
    x: Estimated,
    y: Estimated,
    is_ranked: bool,
    is_first: bool,
    is_tie: bool,
    missed: bool,
}

impl<'a> Scatter<'a> {
    /// `None` where fewer than two configurations have both numbers.
    pub fn of(view: &View, x: &'a MeasureView, y: &'a MeasureView) -> Option<Self> {
        let rows = view.cells.iter().enumerate();
        let points: Vec<Point> = rows
            .filter_map(|(index, row)| {
                Some(Point {
                    cell: row.cell.clone(),
                    x: x.estimates[index]?,
                    y: y.estimates[index]?,
                    is_ranked: row.rank.is_some(),
                    is_first: row.rank == Some(1),
                    is_tie: row.same_as_first,
                    missed: matches!(row.standing, Standing::Rejected { .. }),
                })
            })
            .collect();
        if points.len() < 2 {
            return None;
        }
        let ranked: Vec<usize> = (0..points.len())
            .filter(|&at| points[at].is_ranked)
            .collect();
        let means: Vec<(f64, f64)> = ranked
            .iter()
            .map(|&at| (points[at].x.mean, points[at].y.mean))
            .collect();
        let front = match (x.better, y.better) {
            (Some(one), Some(other)) => {
                let is_on_front = pareto::front(&means, (one, other));
                let on = ranked.into_iter().zip(is_on_front);
                let mut front: Vec<usize> = on.filter(|it| it.1).map(|it| it.0).collect();
                front.sort_by(|&a, &b| {
                    let rising = points[a].x.mean.total_cmp(&points[b].x.mean);
                    match one {
                        Goal::Min => rising,
                        Goal::Max => rising.reverse(),
                    }
                });
                front
            }
            _ => Vec::new(),
        };
        Some(Self {
            x,
            y,
            front,
            first: view.verdict.cell.clone(),
            points,
        })
    }

    /// What it shows, as a sentence.
    pub fn title(&self) -> String {
        let (x, y) = (&self.x.metric, &self.y.metric);
        let n = self.points.iter().filter(|point| point.is_ranked).count();
        let named = |at: &usize| self.points[*at].cell.clone();
        let first = self.first.as_deref();
        match self.front.as_slice() {
            [] => format!("{x} against {y} of {} configurations", self.points.len()),
            [one] if first == Some(&named(one)) => {
                format!(
                    "{} is the best of {n} ranked configurations in both {x} and {y}",
                    named(one)
                )
            }
            [one] => format!(
                "{} has the best means of {n} ranked configurations in both {x} and {y}",
                named(one)
            ),
            several => {
                let names: Vec<String> = several.iter().take(NAMES).map(named).collect();
                let more = match several.len().saturating_sub(NAMES) {
                    0 => String::new(),
                    n => format!(" and {n} more"),
                };
                let is_on = several.iter().any(|at| Some(named(at).as_str()) == first);
                let place = match first {
                    Some(first) if !is_on => format!("; {first} is not among them"),
                    Some(_) | None => String::new(),
                };
                format!(
                    "No ranked configuration beats {}{more} in both {x} and {y}{place}",
                    names.join(", ")
                )
            }
        }
    }

    pub fn caption(&self) -> String {
        let mut told =
            vec!["Cross: 95 % intervals of both means; filled: the first-placed one.".to_owned()];
        if self.front.len() > 1 {
            told.push("Blue line: the Pareto front of the ranked ones, by their means.".to_owned());
        }
        if self.points.iter().any(|point| point.missed) {
            told.push("Orange triangles missed a gate.".to_owned());
        }
        if self.points.len() > CROWD {
            told.push("Only the front, the first and its ties have crosses and names.".to_owned());
        }
        told.join(" ")
    }

    fn matters(&self, at: usize) -> bool {
        let point = &self.points[at];
        point.is_first || point.is_tie || self.front.contains(&at)
    }

    pub fn draw(&self, width: f64) -> Svg {
        let is_crowd = self.points.len() > CROWD;
        let shown = |of: fn(&Point) -> Estimated, measure: &MeasureView| -> Vec<f64> {
            let ends = self.points.iter().enumerate().flat_map(|(at, point)| {
                let it = of(point);
                let (low, high) = it
                    .interval
                    .filter(|_| !is_crowd || self.matters(at))
                    .unwrap_or((it.mean, it.mean));
                [low, it.mean, high]
            });
            let ends: Vec<f64> = ends.collect();
            let (least, most) = ends
                .iter()
                .fold((f64::MAX, f64::MIN), |it, v| (it.0.min(*v), it.1.max(*v)));
            let span = most - least;
            let near = measure
                .limits
                .iter()
                .map(|limit| limit.bound)
                .filter(|bound| (least - span / 2.0..=most + span / 2.0).contains(bound));
            near.chain(ends.iter().copied()).collect()
        };
        let (xs, ys) = (shown(|it| it.x, self.x), shown(|it| it.y, self.y));
        let height = if width < 500.0 { 300.0 } else { 400.0 };
        let longest = ys
            .iter()
            .map(|y| number::significant(*y).len())
            .max()
            .unwrap_or(4);
        let room = Room::new(width, height, longest);
        let title = self.title();
        let mut svg = Svg::new(width, height, &title, &self.description());
        let (Some(x), Some(y)) = (Scale::fitting(xs, room.x()), Scale::fitting(ys, room.y()))
        else {
            return svg;
        };
        self.zones(&mut svg, &room, &x, &y);
        let name = |measure: &MeasureView| plot::with_unit(&measure.metric, measure.unit);
        plot::axes(&mut svg, &room, (&x, &name(self.x)), (&y, &name(self.y)));
        self.better(&mut svg, &room);
        if self.front.len() > 1 {
            svg.path(
                &self.stairs(&x, &y),
                r#"fill="none" stroke="var(--blue)" stroke-width="1.5" stroke-opacity=".6""#,
            );
        }
        // What matters is drawn last, over the others, and named first.
        let mut order: Vec<usize> = (0..self.points.len()).collect();
        order.sort_by_key(|&at| (self.matters(at), self.points[at].is_first));
        for &at in &order {
            self.point(&mut svg, at, (&x, &y), is_crowd);
        }
        order.reverse();
        let at: Vec<(f64, f64)> = order
            .iter()
            .map(|&at| (x.at(self.points[at].x.mean), y.at(self.points[at].y.mean)))
            .collect();
        let labels: Vec<Option<&str>> = order
            .iter()
            .map(|&at| (!is_crowd || self.matters(at)).then_some(self.points[at].cell.as_str()))
            .collect();
        let places = label::place(&at, &labels, room.area);
        for ((place, label), &position) in places.iter().zip(&labels).zip(&order) {
            if let (Some(place), Some(label)) = (place, label) {
                let class = if self.matters(position) { "k" } else { "" };
                svg.text(class, (place.x, place.y), Anchor::Start, label);
            }
        }
        svg
    }

    fn point(&self, svg: &mut Svg, at: usize, (x, y): (&Scale, &Scale), is_crowd: bool) {
        let point = &self.points[at];
        let (px_x, px_y) = (x.at(point.x.mean), y.at(point.y.mean));
        let colour = match point {
            Point { missed: true, .. } => "warm",
            _ if self.matters(at) => "blue",
            _ => "grey",
        };
        let matters = self.matters(at);
        if !is_crowd || matters {
            let mut cross = String::new();
            if let Some((low, high)) = point.x.interval {
                cross += &format!("M{} {}H{}", px(x.at(low)), px(px_y), px(x.at(high)));
            }
            if let Some((low, high)) = point.y.interval {
                cross += &format!("M{} {}V{}", px(px_x), px(y.at(low)), px(y.at(high)));
            }
            if !cross.is_empty() {
                let paint = format!(
                    r#"fill="none" stroke="var(--{colour})" stroke-width="1.6" stroke-opacity=".45""#
                );
                svg.path(&cross, &paint);
            }
        }
        if point.missed {
            svg.path(
                &format!(
                    "M{} {}l5.5 9.5h-11z",
                    px(px_x),
                    px(px_y - 6.0)
                ),
                r#"fill="var(--card)" stroke="var(--warm)" stroke-width="1.6" pointer-events="none""#,
            );
            let paint = r#"fill="transparent""#;
            match is_crowd {
                true => svg.dot((px_x, px_y), 7.0, paint, Some(&self.says(point))),
                false => svg.point((px_x, px_y), 7.0, paint, &self.says(point)),
            }
            return;
        }
        let fill = if point.is_first { colour } else { "card" };
        let paint = format!(r#"fill="var(--{fill})" stroke="var(--{colour})" stroke-width="2""#);
        let says = self.says(point);
        match is_crowd && !matters {
            true => svg.dot((px_x, px_y), 3.5, &paint, Some(&says)),
            false => svg.point((px_x, px_y), 5.0, &paint, &says),
        }
    }

    fn says(&self, point: &Point) -> String {
        let of = |measure: &MeasureView, it: &Estimated| {
            let definition = measure.definition.as_ref();
            let interval = it.interval.map_or(String::new(), |(low, high)| {
                let (low, high) = (
                    number::of_metric(low, definition),
                    number::of_metric(high, definition),
                );
                format!(" [{low}, {high}]")
            });
            format!(
                "{} {}{interval}",
                measure.metric,
                number::with_unit(it.mean, definition)
            )
        };
        format!(
            "{}\n{}\n{}",
            point.cell,
            of(self.x, &point.x),
            of(self.y, &point.y)
        )
    }

    /// What gates forbid.
    fn zones(&self, svg: &mut Svg, room: &Room, x: &Scale, y: &Scale) {
        let area = room.area;
        for limit in self.y.limits.iter().filter(|limit| y.contains(limit.bound)) {
            let at = y.at(limit.bound);
            let (top, bottom) = match limit.is_upper() {
                true => (area.top, at),
                false => (at, area.bottom),
            };
            let size = (area.right - area.left, bottom - top);
            svg.rect((area.left, top), size, r#"fill="var(--zone)""#, None);
            svg.line("lim", (area.left, at), (area.right, at));
            let words = format!("gate {}", limit.gate);
            svg.text("w", (area.left + 6.0, at - 5.0), Anchor::Start, &words);
        }
        for limit in self.x.limits.iter().filter(|limit| x.contains(limit.bound)) {
            let at = x.at(limit.bound);
            let (left, right) = match limit.is_upper() {
                true => (at, area.right),
                false => (area.left, at),
            };
            let size = (right - left, area.bottom - area.top);
            svg.rect((left, area.top), size, r#"fill="var(--zone)""#, None);
            svg.line("lim", (at, area.top), (at, area.bottom));
            let words = format!("gate {}", limit.gate);
            svg.text("w", (at - 5.0, area.top + 12.0), Anchor::End, &words);
        }
    }

    /// In which corner it is best.
    fn better(&self, svg: &mut Svg, room: &Room) {
        let arrow = match (self.x.better, self.y.better) {
            (Some(Goal::Min), Some(Goal::Min)) => "↙ better",
            (Some(Goal::Max), Some(Goal::Min)) => "better ↘",
            (Some(Goal::Min), Some(Goal::Max)) => "↖ better",
            (Some(Goal::Max), Some(Goal::Max)) => "better ↗",
            _ => return,
        };
        svg.text("k", (room.area.right, 13.0), Anchor::End, arrow);
    }

    /// Along the front, in steps: what lies beyond is beaten by nothing.
    fn stairs(&self, x: &Scale, y: &Scale) -> String {
        let mut path = String::new();
        for (at, &position) in self.front.iter().enumerate() {
            let point = &self.points[position];
            let (x, y) = (px(x.at(point.x.mean)), px(y.at(point.y.mean)));
            path += &match at {
                0 => format!("M{x} {y}"),
                _ => format!("H{x}V{y}"),
            };
        }
        path
    }

    fn description(&self) -> String {
        let points: Vec<String> = self
            .points
            .iter()
            .take(CROWD)
            .map(|point| self.says(point).replace('\n', " "))
            .collect();
        points.join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture::{self, Numbers};
    use crate::report::view_of;

    fn view() -> View {
        let starts = [("a", 90.0, 44.0), ("b", 80.0, 41.0), ("c", 95.0, 40.0)];
        let starts = starts.iter().flat_map(|&(cell, ms, speed)| {
            (1..=2).map(move |number| {
                let wobble = 1.0 + 0.01 * f64::from(number);
                let numbers = Numbers::new(900.0, ms * wobble).speed(speed * wobble);
                fixture::measured(cell, number, numbers)
            })
        });
        let mut record = fixture::record(starts.collect());
        record.manifest.experiment.use_cases = vec![fixture::use_case_by_speed()];
        record.manifest.experiment.gates = vec![fixture::gate("kv-cache.ttft_repeat_ms.p50 < 100")];
        view_of(&record)
    }

    #[test]
    fn the_title_names_the_front() {
        let view = view();
        let scatter = Scatter::of(&view, &view.measures[0], &view.measures[1]).unwrap();
        assert_eq!(
            scatter.title(),
            "No ranked configuration beats b, a in both kv-cache.ttft_repeat_ms.p50 and \
             kv-cache.tokens_per_second.p50"
        );
    }

    #[test]
    fn crosses_front_zone_and_names() {
        let view = view();
        let scatter = Scatter::of(&view, &view.measures[0], &view.measures[1]).unwrap();
        insta::assert_snapshot!(scatter.draw(360.0).inline("s", "c"), @r#"<svg class="c" viewBox="0 0 360 300" role="group" aria-labelledby="st sd"><title id="st">No ranked configuration beats b, a in both kv-cache.ttft_repeat_ms.p50 and kv-cache.tokens_per_second.p50</title><desc id="sd">b kv-cache.ttft_repeat_ms.p50 81.2 ms [81.2, 81.2] kv-cache.tokens_per_second.p50 41.6 tok/s [41.6, 41.6]; a kv-cache.ttft_repeat_ms.p50 91.3 ms [91.3, 91.4] kv-cache.tokens_per_second.p50 44.7 tok/s [44.7, 44.7]; c kv-cache.ttft_repeat_ms.p50 96.4 ms [96.4, 96.4] kv-cache.tokens_per_second.p50 40.6 tok/s [40.6, 40.6]</desc><rect x="334.6" y="26" width="11.4" height="234" fill="var(--zone)"/><path class="lim" d="M334.6 26L334.6 260"/><text class="w" x="329.6" y="38" text-anchor="end">gate kv-cache.ttft_repeat_ms.p50 &lt; 100</text><path class="gr" d="M39.2 230L346 230"/><text x="33.2" y="234" text-anchor="end">41</text><path class="gr" d="M39.2 176.6L346 176.6"/><text x="33.2" y="180.6" text-anchor="end">42</text><path class="gr" d="M39.2 123.3L346 123.3"/><text x="33.2" y="127.3" text-anchor="end">43</text><path class="gr" d="M39.2 69.9L346 69.9"/><text x="33.2" y="73.9" text-anchor="end">44</text><text x="2" y="13">↑ kv-cache.tokens_per_second.p50 (tok/s)</text><path class="ax" d="M108 260L108 264"/><text x="108" y="277" text-anchor="middle">85</text><path class="ax" d="M183.5 260L183.5 264"/><text x="183.5" y="277" text-anchor="middle">90</text><path class="ax" d="M259.1 260L259.1 264"/><text x="259.1" y="277" text-anchor="middle">95</text><path class="ax" d="M334.6 260L334.6 264"/><text x="334.6" y="277" text-anchor="middle">100</text><path class="ax" d="M39.2 260L346 260"/><text x="346" y="294" text-anchor="end">kv-cache.ttft_repeat_ms.p50 (ms) →</text><text class="k" x="346" y="13" text-anchor="end">↖ better</text><path d="M50.6 197.2H203.9V34.7" fill="none" stroke="var(--blue)" stroke-width="1.5" stroke-opacity=".6"/><path d="M280.6 251.3H280.6M280.6 251.3V251.3" fill="none" stroke="var(--grey)" stroke-width="1.6" stroke-opacity=".45"/><circle class="pt" tabindex="0" role="img" cx="280.6" cy="251.3" r="5" fill="var(--card)" stroke="var(--grey)" stroke-width="2" aria-label="c, kv-cache.ttft_repeat_ms.p50 96.4 ms [96.4, 96.4], kv-cache.tokens_per_second.p50 40.6 tok/s [40.6, 40.6]" data-t="c&#10;kv-cache.ttft_repeat_ms.p50 96.4 ms [96.4, 96.4]&#10;kv-cache.tokens_per_second.p50 40.6 tok/s [40.6, 40.6]"/><path d="M203.9 34.7H203.9M203.9 34.7V34.7" fill="none" stroke="var(--blue)" stroke-width="1.6" stroke-opacity=".45"/><circle class="pt" tabindex="0" role="img" cx="203.9" cy="34.7" r="5" fill="var(--card)" stroke="var(--blue)" stroke-width="2" aria-label="a, kv-cache.ttft_repeat_ms.p50 91.3 ms [91.3, 91.4], kv-cache.tokens_per_second.p50 44.7 tok/s [44.7, 44.7]" data-t="a&#10;kv-cache.ttft_repeat_ms.p50 91.3 ms [91.3, 91.4]&#10;kv-cache.tokens_per_second.p50 44.7 tok/s [44.7, 44.7]"/><path d="M50.6 197.2H50.6M50.6 197.2V197.2" fill="none" stroke="var(--blue)" stroke-width="1.6" stroke-opacity=".45"/><circle class="pt" tabindex="0" role="img" cx="50.6" cy="197.2" r="5" fill="var(--blue)" stroke="var(--blue)" stroke-width="2" aria-label="b, kv-cache.ttft_repeat_ms.p50 81.2 ms [81.2, 81.2], kv-cache.tokens_per_second.p50 41.6 tok/s [41.6, 41.6]" data-t="b&#10;kv-cache.ttft_repeat_ms.p50 81.2 ms [81.2, 81.2]&#10;kv-cache.tokens_per_second.p50 41.6 tok/s [41.6, 41.6]"/><text class="k" x="59.6" y="201.2">b</text><text class="k" x="212.9" y="38.7">a</text><text x="289.6" y="255.3">c</text></svg>"#);
    }

    #[test]
    fn with_one_configuration_there_is_nothing_to_trade() {
        let one = fixture::measured("a", 1, Numbers::new(900.0, 90.0));
        let view = view_of(&fixture::record(vec![one]));
        assert!(Scatter::of(&view, &view.measures[0], &view.measures[1]).is_none());
    }

    #[test]
    fn a_crowd_has_few_stops_for_the_keyboard() {
        let view = fixture::crowd(120);
        let view = view_of(&view);
        let scatter = Scatter::of(&view, &view.measures[0], &view.measures[1]).unwrap();
        let text = scatter.draw(640.0).inline("s", "c");
        assert_eq!(text.matches("<circle").count(), 96);
        assert!(text.matches("tabindex").count() < 20, "{text}");
    }
}
