//! The night on one time axis: what each start was spent on, and below it what was watched beside
//! its nodes; and how much of the night went where.

use crate::measure::profiling::AlertKind;
use crate::measure::profiling::Level;
use crate::report::chart::coordinate::px;
use crate::report::chart::label;
use crate::report::chart::scale::Scale;
use crate::report::chart::svg::{Anchor, Svg};
use crate::report::course::Course;
use crate::report::night::{Fate, NightNode, NightStart, NightView, QUANTITIES, Quantity};
use crate::report::wording::span;

/// Height of the lane of starts, and of a quantity's.
const LANE: f64 = 34.0;
const STRIP: f64 = 64.0;

/// Up to so many starts each part says what it is when it is pointed at; beyond, a pixel holds
/// several of them.
const SAYING: usize = 120;

/// What a time axis counts in.
fn unit(lasted_s: f64) -> (f64, &'static str) {
    match lasted_s {
        s if s >= 7200.0 => (3600.0, "hours since the start of the run"),
        s if s >= 120.0 => (60.0, "minutes since the start of the run"),
        _ => (1.0, "seconds since the start of the run"),
    }
}

/// The sentence over it.
pub fn title(night: &NightView) -> String {
    let lasted = night.lasted_s();
    let spent = night.spent();
    let share = |wanted: &dyn Fn(&str) -> bool| {
        let seconds: f64 = spent
            .iter()
            .filter(|it| wanted(&it.on))
            .map(|it| it.seconds)
            .sum();
        percent(seconds / lasted.max(f64::MIN_POSITIVE))
    };
    let other = [
        "starting engines",
        "starts that died",
        "starts that failed",
        "stopping, waiting, pauses",
    ];
    let died = match spent.iter().any(|it| it.on == "starts that died") {
        true => format!(
            ", {} into starts that died",
            share(&|on| on == "starts that died")
        ),
        false => String::new(),
    };
    format!(
        "Of {}, {} went into measuring, {} into starting engines{died}",
        span(lasted / 3600.0),
        share(&|on| !other.contains(&on)),
        share(&|on| on == "starting engines"),
    )
}

/// Whole per cent; what is there is never told as nothing.
fn percent(share: f64) -> String {
    match share {
        share if share > 0.0 && share < 0.005 => "under 1 %".to_owned(),
        share => format!("{:.0} %", 100.0 * share),
    }
}

/// Colour of a node: by its place among all of them.
fn colours(night: &NightView) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for node in night.starts.iter().flat_map(|start| &start.nodes) {
        if !names.contains(&node.node) {
            names.push(node.node.clone());
        }
    }
    names
}

fn colour(names: &[String], node: &str) -> usize {
    names.iter().position(|name| name == node).unwrap_or(0) % 6 + 1
}

/// Starts and quantities over time.
pub fn draw(night: &NightView, course: Option<&Course>, title: &str, width: f64) -> Option<Svg> {
    let (left, right) = (44.0, width - 8.0);
    let lasted = night.lasted_s();
    let x = Scale::linear([0.0, lasted], true, (left, right))?;
    let nodes = || night.starts.iter().flat_map(|start| &start.nodes);
    let stretches = |at: usize| course.map_or_else(Vec::new, |course| course.stretches(at));
    let drawn: Vec<(&Quantity, Vec<Stretch>)> = QUANTITIES
        .iter()
        .enumerate()
        .map(|(at, quantity)| (quantity, stretches(at)))
        .filter(|(quantity, stretches)| {
            !stretches.is_empty() || nodes().any(|node| level(node, quantity).is_some())
        })
        .take(5)
        .collect();
    let names = colours(night);
    let rows = keys(&names, width);
    let top = 8.0 + 16.0 * rows.len() as f64;
    let bottom = top + LANE + drawn.len() as f64 * (STRIP + 22.0);
    let mut svg = Svg::new(width, bottom + 36.0, title, &description(night));
    for (at, row) in rows.iter().enumerate() {
        for (place, name) in row {
            let y = 12.0 + 16.0 * at as f64;
            let paint = format!(r#"rx="2" fill="var(--c{})""#, colour(&names, name));
            match name.as_str() {
                "starting" => svg.rect(
                    (*place, y - 9.0),
                    (10.0, 10.0),
                    r#"rx="2" fill="var(--grey)""#,
                    None,
                ),
                "died" => svg.rect(
                    (*place, y - 9.0),
                    (10.0, 10.0),
                    r#"fill="url(#hatch)" stroke="var(--bad)""#,
                    None,
                ),
                _ => svg.rect((*place, y - 9.0), (10.0, 10.0), &paint, None),
            }
            svg.text("", (place + 14.0, y), Anchor::Start, name);
        }
    }
    // A phone has no pointer.
    let says = night.starts.len() <= SAYING && width > 500.0;
    for start in &night.starts {
        draw_start(&mut svg, start, &x, (top, says), &names);
    }
    for (at, (quantity, stretches)) in drawn.iter().enumerate() {
        let from = top + LANE + 22.0 + at as f64 * (STRIP + 22.0);
        let strip = Strip {
            night,
            quantity,
            stretches,
        };
        strip.draw(&mut svg, &x, (from, right));
    }
    let (by, words) = unit(lasted);
    let axis = Scale::linear([0.0, lasted / by], true, (left, right))?;
    let about = ((right - left) / 90.0) as usize;
    svg.line("ax", (left, bottom + 4.0), (right, bottom + 4.0));
    for (value, text) in axis.ticks(about.max(2)) {
        let at = axis.at(value);
        svg.line("ax", (at, bottom + 4.0), (at, bottom + 8.0));
        svg.text("", (at, bottom + 20.0), Anchor::Middle, &text);
    }
    svg.text(
        "",
        (right, bottom + 33.0),
        Anchor::End,
        &format!("{words} →"),
    );
    Some(svg)
}

/// Names with their colours, in rows that fit.
fn keys(names: &[String], width: f64) -> Vec<Vec<(f64, String)>> {
    let mut rows: Vec<Vec<(f64, String)>> = vec![Vec::new()];
    let mut at = 4.0;
    let all = ["starting".to_owned()]
        .into_iter()
        .chain(names.iter().cloned());
    for name in all.chain(["died".to_owned()]) {
        let wide = label::width(&name) + 28.0;
        if at + wide > width && at > 4.0 {
            rows.push(Vec::new());
            at = 4.0;
        }
        if let Some(row) = rows.last_mut() {
            row.push((at, name));
        }
        at += wide;
    }
    rows
}

fn draw_start(
    svg: &mut Svg,
    start: &NightStart,
    x: &Scale,
    (top, says): (f64, bool),
    names: &[String],
) {
    let name = format!("{} (start {})", start.start.cell, start.start.start);
    let mut part = |from: f64, took: f64, paint: &str, tip: &str| {
        let (a, b) = (x.at(from), x.at(from + took));
        svg.rect(
            (a, top + 4.0),
            ((b - a).max(0.6), LANE - 10.0),
            paint,
            says.then_some(tip),
        );
    };
    let ended = match start.fate {
        Fate::Measured => None,
        Fate::Died => Some(("died", r#"fill="url(#hatch)" stroke="var(--bad)""#)),
        Fate::Failed => Some(("failed", r#"fill="url(#dots)" stroke="var(--mut)""#)),
        Fate::Cancelled => Some(("cancelled", r#"fill="none" stroke="var(--mut)""#)),
    };
    if let Some((word, paint)) = ended {
        let tip = format!("{name}\n{word} after {}", span(start.took_s / 3600.0));
        part(start.from_s, start.took_s, paint, &tip);
        return;
    }
    let whole = format!("{name}\n{} in all", span(start.took_s / 3600.0));
    part(start.from_s, start.took_s, r#"fill="var(--band)""#, &whole);
    if let Some(ready) = start.ready_s {
        let tip = format!("{name}\nready after {}", span(ready / 3600.0));
        part(start.from_s, ready, r#"fill="var(--grey)""#, &tip);
    }
    for node in &start.nodes {
        let paint = format!(r#"fill="var(--c{})""#, colour(names, &node.node));
        let mut tip = format!("{name}\n{}: {}", node.node, span(node.took_s / 3600.0));
        for alert in &node.alerts {
            tip += &format!("\n▲ {}", alert.text);
        }
        part(node.from_s, node.took_s, &paint, &tip);
    }
    for node in start.nodes.iter().filter(|node| !node.alerts.is_empty()) {
        let at = x.at(node.from_s + node.took_s / 2.0);
        svg.text("w", (at, top + 3.0), Anchor::Middle, "▲");
    }
}

fn level(node: &NightNode, quantity: &Quantity) -> Option<Level> {
    (quantity.of)(node.watched.as_ref()?)
}

/// Middle of a part of the run, its lowest and its highest value; one after the other.
type Stretch = Vec<(f64, f64, f64)>;

/// One quantity over the night.
struct Strip<'a> {
    night: &'a NightView,
    quantity: &'a Quantity,
    /// Empty where no samples are stored.
    stretches: &'a [Stretch],
}

impl Strip<'_> {
    fn nodes(&self) -> impl Iterator<Item = (&NightNode, Level)> {
        let nodes = self.night.starts.iter().flat_map(|start| &start.nodes);
        nodes.filter_map(|node| Some((node, level(node, self.quantity)?)))
    }

    fn draw(&self, svg: &mut Svg, x: &Scale, (top, right): (f64, f64)) {
        let sampled = self.stretches.iter().flatten().map(|part| part.2);
        let highest = self.nodes().map(|(_, level)| level.max);
        let highest = sampled.chain(highest);
        let Some(y) = Scale::linear(highest, true, (top + STRIP, top)) else {
            return;
        };
        svg.text("", (2.0, top - 5.0), Anchor::Start, self.quantity.name);
        for (value, text) in y.ticks(2) {
            svg.line("gr", (44.0, y.at(value)), (right, y.at(value)));
            svg.text("", (38.0, y.at(value) + 4.0), Anchor::End, &text);
        }
        match self.stretches.is_empty() {
            true => self.by_node(svg, x, &y, top),
            false => self.by_sample(svg, x, &y),
        }
        self.alerts(svg, x, &y, right);
    }

    /// From the lowest to the highest sample of each part of the night. It has a stroke of its
    /// own: a level without height would not be seen.
    fn by_sample(&self, svg: &mut Svg, x: &Scale, y: &Scale) {
        let mut path = String::new();
        for stretch in self.stretches {
            for (at, part) in stretch.iter().enumerate() {
                let command = if at == 0 { 'M' } else { 'L' };
                path += &format!("{command}{} {}", px(x.at(part.0)), px(y.at(part.2)));
            }
            for part in stretch.iter().rev() {
                path += &format!("L{} {}", px(x.at(part.0)), px(y.at(part.1)));
            }
            path.push('z');
        }
        let paint =
            r#"fill="var(--blue)" fill-opacity=".35" stroke="var(--blue)" stroke-width="1""#;
        svg.path(&path, paint);
    }

    /// The mean of each node as an area, its highest as a line over it: two paths for all nodes,
    /// so that a picture of a long night stays small.
    fn by_node(&self, svg: &mut Svg, x: &Scale, y: &Scale, top: f64) {
        let (mut means, mut highest) = (String::new(), String::new());
        for (node, level) in self.nodes() {
            let (a, b) = (x.at(node.from_s), x.at(node.from_s + node.took_s));
            let (a, b) = (px(a), px(b.max(a + 0.6)));
            let (floor, mean) = (px(top + STRIP), px(y.at(level.mean)));
            means += &format!("M{a} {floor}V{mean}H{b}V{floor}z");
            highest += &format!("M{a} {}H{b}", px(y.at(level.max)));
        }
        svg.path(&means, r#"fill="var(--blue)" fill-opacity=".35""#);
        // A line of its own: a level without height would not be seen.
        svg.path(
            &highest,
            r#"fill="none" stroke="var(--blue)" stroke-width="2""#,
        );
    }

    /// A mark at the highest sample of the node in which a bound was passed, and the bound.
    fn alerts(&self, svg: &mut Svg, x: &Scale, y: &Scale, right: f64) {
        let mut bounds: Vec<f64> = Vec::new();
        for (node, level) in self.nodes() {
            let about = |kind: &AlertKind| self.quantity.alerts.contains(kind);
            for alert in node.alerts.iter().filter(|alert| about(&alert.kind)) {
                if self.quantity.has_bound && !bounds.contains(&alert.bound) {
                    bounds.push(alert.bound);
                }
                let within = node.from_s..=node.from_s + node.took_s;
                let parts = self.stretches.iter().flatten();
                let highest = parts
                    .filter(|part| within.contains(&part.0))
                    .max_by(|one, other| one.2.total_cmp(&other.2));
                let (at, value) = highest
                    .map_or((node.from_s + node.took_s / 2.0, level.max), |part| {
                        (part.0, part.2)
                    });
                let at = (x.at(at), y.at(value) - 2.0);
                svg.text("w", at, Anchor::Middle, "▲");
            }
        }
        for bound in bounds.into_iter().filter(|bound| y.contains(*bound)) {
            svg.line("lim", (44.0, y.at(bound)), (right, y.at(bound)));
        }
    }
}

/// How much of the night went where, as bars.
pub fn spent(night: &NightView, title: &str, width: f64) -> Option<Svg> {
    let spent = night.spent();
    let longest = spent
        .iter()
        .map(|it| label::width(&it.on))
        .fold(0.0, f64::max);
    let left = (longest + 10.0).min(width * 0.5);
    let most = spent.iter().map(|it| it.seconds).fold(0.0, f64::max);
    let lasted = night.lasted_s();
    let room = width - left - 110.0;
    if most <= 0.0 || room <= 0.0 {
        return None;
    }
    let names = colours(night);
    let told: Vec<String> = spent
        .iter()
        .map(|it| format!("{}: {}", it.on, span(it.seconds / 3600.0)))
        .collect();
    let mut svg = Svg::new(
        width,
        24.0 * spent.len() as f64 + 6.0,
        title,
        &told.join("; "),
    );
    for (at, it) in spent.iter().enumerate() {
        let y = 4.0 + 24.0 * at as f64;
        let fill = match it.on.as_str() {
            "starting engines" => "var(--grey)".to_owned(),
            "starts that died" => "url(#hatch)".to_owned(),
            "starts that failed" => "url(#dots)".to_owned(),
            "stopping, waiting, pauses" => "var(--line)".to_owned(),
            node => format!("var(--c{})", colour(&names, node)),
        };
        svg.text("", (left - 8.0, y + 13.0), Anchor::End, &it.on);
        let wide = room * it.seconds / most;
        let paint = format!(r#"rx="2" fill="{fill}" stroke="var(--line)""#);
        svg.rect((left, y), (wide.max(1.0), 17.0), &paint, None);
        let words = format!(
            "{} · {}",
            span(it.seconds / 3600.0),
            percent(it.seconds / lasted)
        );
        svg.text("k", (left + wide + 6.0, y + 13.0), Anchor::Start, &words);
    }
    Some(svg)
}

fn description(night: &NightView) -> String {
    let of = |fate: Fate| {
        night
            .starts
            .iter()
            .filter(|start| start.fate == fate)
            .count()
    };
    format!(
        "{} starts: {} measured, {} died, {} failed",
        night.starts.len(),
        of(Fate::Measured),
        of(Fate::Died),
        of(Fate::Failed)
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::decide::fixture;
    use crate::measure::profiling::{GpuBrief, Watched};
    use crate::report::course::Reading;
    use crate::report::night::NightAlert;
    use crate::report::view_of;

    #[test]
    fn the_title_says_where_the_night_went() {
        let night = view_of(&fixture::full()).night.unwrap();
        assert_eq!(
            title(&night),
            "Of 21.6 min, 13 % went into measuring, 38 % into starting engines, 15 % into starts \
             that died"
        );
    }

    #[test]
    fn starts_lie_on_one_axis_and_the_dead_are_hatched() {
        let mut record = fixture::full();
        record.settled.truncate(3);
        let night = view_of(&record).night.unwrap();
        insta::assert_snapshot!(draw(&night, None, "t", 360.0).unwrap().inline("n", "c"), @r#"<svg class="c" viewBox="0 0 360 94" role="img" aria-labelledby="nt nd"><title id="nt">t</title><desc id="nd">3 starts: 2 measured, 1 died, 0 failed</desc><rect x="4" y="3" width="10" height="10" rx="2" fill="var(--grey)"/><text x="18" y="12">starting</text><rect x="86.4" y="3" width="10" height="10" rx="2" fill="var(--c1)"/><text x="100.4" y="12">kv-cache</text><rect x="168.8" y="3" width="10" height="10" fill="url(#hatch)" stroke="var(--bad)"/><text x="182.8" y="12">died</text><rect x="299.7" y="28" width="40.5" height="24" fill="var(--band)"/><rect x="299.7" y="28" width="26.2" height="24" fill="var(--grey)"/><rect x="325.9" y="28" width="8.9" height="24" fill="var(--c1)"/><rect x="299.7" y="28" width="40.5" height="24" fill="url(#hatch)" stroke="var(--bad)"/><rect x="299.7" y="28" width="40.5" height="24" fill="var(--band)"/><rect x="299.7" y="28" width="26.2" height="24" fill="var(--grey)"/><rect x="325.9" y="28" width="8.9" height="24" fill="var(--c1)"/><path class="ax" d="M44 62L352 62"/><path class="ax" d="M44 62L44 66"/><text x="44" y="78" text-anchor="middle">0</text><path class="ax" d="M171.8 62L171.8 66"/><text x="171.8" y="78" text-anchor="middle">5</text><path class="ax" d="M299.7 62L299.7 66"/><text x="299.7" y="78" text-anchor="middle">10</text><text x="352" y="91" text-anchor="end">minutes since the start of the run →</text></svg>"#);
        insta::assert_snapshot!(spent(&night, "t", 360.0).unwrap().inline("n", "c"), @r#"<svg class="c" viewBox="0 0 360 102" role="img" aria-labelledby="nt nd"><title id="nt">t</title><desc id="nd">starting engines: 2.1 min; kv-cache: 42 s; starts that died: 95 s; stopping, waiting, pauses: 7.2 min</desc><text x="172" y="17" text-anchor="end">starting engines</text><rect x="180" y="4" width="19.8" height="17" rx="2" fill="var(--grey)" stroke="var(--line)"/><text class="k" x="205.8" y="17">2.1 min · 18 %</text><text x="172" y="41" text-anchor="end">kv-cache</text><rect x="180" y="28" width="6.8" height="17" rx="2" fill="var(--c1)" stroke="var(--line)"/><text class="k" x="192.8" y="41">42 s · 6 %</text><text x="172" y="65" text-anchor="end">starts that died</text><rect x="180" y="52" width="15.3" height="17" rx="2" fill="url(#hatch)" stroke="var(--line)"/><text class="k" x="201.3" y="65">95 s · 14 %</text><text x="172" y="89" text-anchor="end">stopping, waiting, pauses</text><rect x="180" y="76" width="70" height="17" rx="2" fill="var(--line)" stroke="var(--line)"/><text class="k" x="256" y="89">7.2 min · 63 %</text></svg>"#);
    }

    /// A card that was so hot, and nothing else.
    fn hottest(max: f64) -> Watched {
        let card = GpuBrief {
            index: 0,
            utilisation_pct: None,
            memory_used_bytes: None,
            temperature_c: Some(Level { mean: 70.0, max }),
            power_w: None,
            sm_clock_mhz: None,
            energy_j: None,
        };
        Watched {
            n_samples: 3,
            states: BTreeMap::new(),
            gpus: vec![card],
            host_cpu_pct: None,
            host_memory_bytes: None,
            engine_cpu_pct: None,
            engine_memory_bytes: None,
            requests_running: None,
            requests_waiting: None,
            kv_cache_pct: None,
            preemptions: None,
        }
    }

    #[test]
    fn samples_are_a_band_with_a_stroke_and_alerts_stand_at_their_peak() {
        let record = fixture::full();
        let mut night = view_of(&record).night.unwrap();
        let mut course = Course::of(&record).unwrap();
        let attempt = course.wanted().remove(0);
        let hot = |at_s: i64, temperature: f64| Reading {
            at_ns: at_s * 1_000_000_000,
            gpu_temperature_c: Some(temperature),
            ..Reading::default()
        };
        course.add(&attempt, &[hot(0, 60.0), hot(5, 60.0), hot(10, 91.0)]);
        let start = night
            .starts
            .iter_mut()
            .find(|start| start.ready_s.is_some());
        let node = &mut start.unwrap().nodes[0];
        node.watched = Some(hottest(91.0));
        node.alerts = vec![NightAlert {
            kind: AlertKind::TemperatureAbove,
            bound: 85.0,
            text: "hot".to_owned(),
        }];
        let svg = draw(&night, Some(&course), "t", 360.0)
            .unwrap()
            .inline("n", "c");
        assert!(svg.contains("GPU temperature"), "{svg}");
        let band = svg
            .split("<path d=\"")
            .find(|it| it.contains("stroke-width=\"1\""))
            .unwrap();
        assert!(
            band.contains("stroke=\"var(--blue)\""),
            "a flat stretch is seen: {band}"
        );
        // One in the lane of starts, one at the peak.
        assert_eq!(svg.matches(">▲<").count(), 2);
        assert_eq!(svg.matches("class=\"lim\"").count(), 1);
    }
}
