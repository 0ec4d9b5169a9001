//! The champion over the nights: its score night by night, whose reign it was, what each night
//! said, and the nights that are missing.

use crate::decide::night::Call;
use crate::decide::number;
use crate::report::chart::coordinate::px;
use crate::report::chart::label;
use crate::report::chart::plot::{self, Room};
use crate::report::chart::scale::Scale;
use crate::report::chart::svg::{Anchor, Svg};
use crate::report::history::{ChallengerLine, Gap, HistoryView, NightLine, day};

/// Challengers are drawn within so many times the span of the champion's own numbers beyond them:
/// one that is ten times as slow would press all nights into a line.
const BEYOND: f64 = 1.0;

/// The least span that the axis shows, as a fraction: differences of a per mille are not made
/// mountains of.
const LEAST_SPAN: f64 = 0.1;

/// `None` where fewer than two nights have a number.
pub fn draw(history: &HistoryView, title: &str, width: f64) -> Option<Svg> {
    let nights = &history.nights;
    let numbers: Vec<f64> = nights.iter().filter_map(|night| night.ratio).collect();
    if numbers.len() < 2 {
        return None;
    }
    let height = if width < 500.0 { 280.0 } else { 320.0 };
    let mut room = Room::new(width, height, 5);
    room.area.top += 18.0;
    let (low, high) = range(&numbers);
    let y = Scale::linear([100.0 * low, 100.0 * high], false, room.y())?;
    let times = nights.iter().map(seconds);
    let x = Scale::linear(times, false, room.x())?;
    let mut svg = Svg::new(width, height, title, &description(nights));
    reigns(&mut svg, nights, &room, &x);
    let name = "champion's score, % of its first night; lower is better";
    plot::y_axis(&mut svg, &room, (&y, name));
    days(&mut svg, nights, &room, &x);
    changes(&mut svg, nights, &room, &x);
    for gap in &history.gaps {
        missed(&mut svg, gap, &room, &x);
    }
    let shown = |challenger: &ChallengerLine, night: &NightLine| -> Option<f64> {
        let at = night.ratio? * (1.0 + challenger.difference?);
        (low..=high).contains(&at).then_some(at)
    };
    for night in nights {
        for challenger in &night.challengers {
            if let Some(ratio) = shown(challenger, night) {
                let at = (x.at(seconds(night)), y.at(100.0 * ratio));
                svg.dot(at, 2.6, r#"fill="var(--card)" stroke="var(--grey)""#, None);
            }
        }
    }
    svg.path(
        &line(nights, &x, &y),
        r#"fill="none" stroke="var(--blue)" stroke-width="1.8""#,
    );
    for night in nights {
        point(&mut svg, night, &room, (&x, &y));
    }
    Some(svg)
}

fn seconds(night: &NightLine) -> f64 {
    night.at.as_second() as f64
}

/// What the axis shows: the champion's numbers, and room for challengers beside them.
fn range(numbers: &[f64]) -> (f64, f64) {
    let low = numbers.iter().copied().fold(f64::MAX, f64::min);
    let high = numbers.iter().copied().fold(f64::MIN, f64::max);
    let room = (BEYOND * (high - low)).max((LEAST_SPAN - (high - low)) / 2.0);
    ((low - room).max(0.0), high + room)
}

/// Bands behind the nights of one champion, with its name where there is room for it.
fn reigns(svg: &mut Svg, nights: &[NightLine], room: &Room, x: &Scale) {
    let area = room.area;
    let mut from = 0;
    let mut left = area.left;
    let mut is_even = true;
    for at in 1..=nights.len() {
        let ends = at == nights.len() || nights[at].champion != nights[from].champion;
        if !ends {
            continue;
        }
        let right = match nights.get(at) {
            Some(next) => (x.at(seconds(&nights[at - 1])) + x.at(seconds(next))) / 2.0,
            None => area.right,
        };
        if is_even {
            let size = (right - left, area.bottom - area.top);
            svg.rect((left, area.top), size, r#"fill="var(--band)""#, None);
        }
        let name = &nights[from].champion;
        if label::width(name) < right - left - 8.0 {
            svg.text("k", (left + 4.0, area.top - 5.0), Anchor::Start, name);
        }
        (from, left, is_even) = (at, right, !is_even);
    }
}

/// As many days below the axis as there is room for.
fn days(svg: &mut Svg, nights: &[NightLine], room: &Room, x: &Scale) {
    let area = room.area;
    svg.line("ax", (area.left, area.bottom), (area.right, area.bottom));
    let mut last = f64::NEG_INFINITY;
    for night in nights {
        let at = x.at(seconds(night));
        svg.line("ax", (at, area.bottom), (at, area.bottom + 4.0));
        let text = night.at.strftime("%-d %b").to_string();
        let half = label::width(&text) / 2.0;
        if at - half > last + 6.0 && at + half <= area.right + 14.0 {
            svg.text("", (at, area.bottom + 17.0), Anchor::Middle, &text);
            last = at + half;
        }
    }
    svg.text("", (area.right, room.height - 6.0), Anchor::End, "night →");
}

/// Where conditions changed: numbers on the two sides are not compared.
fn changes(svg: &mut Svg, nights: &[NightLine], room: &Room, x: &Scale) {
    for pair in nights.windows(2).filter(|pair| !pair[1].changed.is_empty()) {
        let at = (x.at(seconds(&pair[0])) + x.at(seconds(&pair[1]))) / 2.0;
        svg.line("lim", (at, room.area.top), (at, room.area.bottom));
        svg.text(
            "w",
            (at + 4.0, room.area.top + 12.0),
            Anchor::Start,
            "changed",
        );
    }
}

/// A mark for every missing night, where it would have been.
fn missed(svg: &mut Svg, gap: &Gap, room: &Room, x: &Scale) {
    let (from, to) = (gap.after.as_second() as f64, gap.before.as_second() as f64);
    let step = (to - from) / f64::from(gap.n_missed + 1);
    for n in 1..=gap.n_missed {
        let at = x.at(from + step * f64::from(n));
        svg.text("", (at, room.area.bottom - 6.0), Anchor::Middle, "∅");
    }
}

/// From night to night, broken where conditions or the champion changed, or a number is missing.
fn line(nights: &[NightLine], x: &Scale, y: &Scale) -> String {
    let mut path = String::new();
    let mut before: Option<&NightLine> = None;
    for night in nights {
        let Some(ratio) = night.ratio else {
            before = None;
            continue;
        };
        let goes_on = before
            .is_some_and(|before| before.champion == night.champion && night.changed.is_empty());
        let command = if goes_on { 'L' } else { 'M' };
        path += &format!(
            "{command}{} {}",
            px(x.at(seconds(night))),
            px(y.at(100.0 * ratio))
        );
        before = Some(night);
    }
    path
}

/// A night: its shape says what it said.
fn point(svg: &mut Svg, night: &NightLine, room: &Room, (x, y): (&Scale, &Scale)) {
    let at = x.at(seconds(night));
    let up = night
        .ratio
        .map_or(room.area.bottom - 10.0, |ratio| y.at(100.0 * ratio));
    let paint = match night.verdict {
        Call::Holds => r#"fill="var(--blue)" stroke="var(--card)" stroke-width="1""#,
        Call::Regressed => r#"fill="var(--bad)" stroke="var(--card)" stroke-width="1""#,
        Call::Dethroned => r#"fill="var(--warm)" stroke="var(--card)" stroke-width="1""#,
        Call::Inconclusive => r#"fill="var(--card)" stroke="var(--mut)" stroke-width="1.6""#,
    };
    svg.point((at, up), 5.0, paint, &says(night));
    let mark = match night.verdict {
        Call::Regressed => "▼ regressed",
        Call::Dethroned => "▲ dethroned",
        Call::Holds | Call::Inconclusive => return,
    };
    let half = label::width(mark) / 2.0;
    let middle = at.clamp(room.area.left + half, room.area.right - half);
    svg.text("w", (middle, up - 9.0), Anchor::Middle, mark);
}

fn says(night: &NightLine) -> String {
    let mut told = format!(
        "{}: {}\n{}",
        day(night.at),
        night.verdict.name(),
        night.champion
    );
    told += &match night.ratio {
        Some(ratio) => format!(": {} of its first night", number::percent(ratio)),
        None => ": not measured".to_owned(),
    };
    for challenger in &night.challengers {
        told += &format!("\n{} {}", challenger.cell, challenger.told());
    }
    told
}

fn description(nights: &[NightLine]) -> String {
    let told: Vec<String> = nights
        .iter()
        .map(|night| says(night).replace('\n', ", "))
        .collect();
    told.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::history::tests::view_of_past;

    #[test]
    fn reigns_marks_and_missing_nights() {
        let history = view_of_past();
        insta::assert_snapshot!(draw(&history, "t", 360.0).unwrap().inline("h", "c"), @r#"<svg class="c" viewBox="0 0 360 280" role="group" aria-labelledby="ht hd"><title id="ht">t</title><desc id="hd">1 January 2026: holds, safe: 100 % of its first night, wild 4.00 % worse; 2 January 2026: holds, safe: 101 % of its first night, wild 1.98 % better; 3 January 2026: regressed, safe: 120 % of its first night, wild 18.3 % better; 6 January 2026: dethroned, safe: 100 % of its first night, wild 20.0 % better; 7 January 2026: holds, wild-2: 100 % of its first night, wild 1.25 % worse; 8 January 2026: inconclusive, wild-2: not measured, wild not measured</desc><rect x="46" y="44" width="229.4" height="196" fill="var(--band)"/><text class="k" x="50" y="39">safe</text><text class="k" x="279.4" y="39">wild-2</text><path class="gr" d="M46 232.7L346 232.7"/><text x="40" y="236.7" text-anchor="end">80</text><path class="gr" d="M46 172.2L346 172.2"/><text x="40" y="176.2" text-anchor="end">100</text><path class="gr" d="M46 111.8L346 111.8"/><text x="40" y="115.8" text-anchor="end">120</text><path class="gr" d="M46 51.3L346 51.3"/><text x="40" y="55.3" text-anchor="end">140</text><text x="2" y="13">↑ champion&#39;s score, % of its first night; lower is better</text><path class="ax" d="M46 240L346 240"/><path class="ax" d="M57.1 240L57.1 244"/><text x="57.1" y="257" text-anchor="middle">1 Jan</text><path class="ax" d="M96.8 240L96.8 244"/><path class="ax" d="M136.5 240L136.5 244"/><text x="136.5" y="257" text-anchor="middle">3 Jan</text><path class="ax" d="M255.5 240L255.5 244"/><text x="255.5" y="257" text-anchor="middle">6 Jan</text><path class="ax" d="M295.2 240L295.2 244"/><path class="ax" d="M334.9 240L334.9 244"/><text x="334.9" y="257" text-anchor="middle">8 Jan</text><text x="346" y="274" text-anchor="end">night →</text><path class="lim" d="M275.4 44L275.4 240"/><text class="w" x="279.4" y="56">changed</text><text x="176.2" y="234" text-anchor="middle">∅</text><text x="215.8" y="234" text-anchor="middle">∅</text><circle cx="57.1" cy="160.1" r="2.6" fill="var(--card)" stroke="var(--grey)"/><circle cx="96.8" cy="175.3" r="2.6" fill="var(--card)" stroke="var(--grey)"/><circle cx="136.5" cy="178.3" r="2.6" fill="var(--card)" stroke="var(--grey)"/><circle cx="295.2" cy="168.5" r="2.6" fill="var(--card)" stroke="var(--grey)"/><path d="M57.1 172.2L96.8 169.2L136.5 111.8L255.5 172.2M295.2 172.2" fill="none" stroke="var(--blue)" stroke-width="1.8"/><circle class="pt" tabindex="0" role="img" cx="57.1" cy="172.2" r="5" fill="var(--blue)" stroke="var(--card)" stroke-width="1" aria-label="1 January 2026: holds, safe: 100 % of its first night, wild 4.00 % worse" data-t="1 January 2026: holds&#10;safe: 100 % of its first night&#10;wild 4.00 % worse"/><circle class="pt" tabindex="0" role="img" cx="96.8" cy="169.2" r="5" fill="var(--blue)" stroke="var(--card)" stroke-width="1" aria-label="2 January 2026: holds, safe: 101 % of its first night, wild 1.98 % better" data-t="2 January 2026: holds&#10;safe: 101 % of its first night&#10;wild 1.98 % better"/><circle class="pt" tabindex="0" role="img" cx="136.5" cy="111.8" r="5" fill="var(--bad)" stroke="var(--card)" stroke-width="1" aria-label="3 January 2026: regressed, safe: 120 % of its first night, wild 18.3 % better" data-t="3 January 2026: regressed&#10;safe: 120 % of its first night&#10;wild 18.3 % better"/><text class="w" x="136.5" y="102.8" text-anchor="middle">▼ regressed</text><circle class="pt" tabindex="0" role="img" cx="255.5" cy="172.2" r="5" fill="var(--warm)" stroke="var(--card)" stroke-width="1" aria-label="6 January 2026: dethroned, safe: 100 % of its first night, wild 20.0 % better" data-t="6 January 2026: dethroned&#10;safe: 100 % of its first night&#10;wild 20.0 % better"/><text class="w" x="255.5" y="163.2" text-anchor="middle">▲ dethroned</text><circle class="pt" tabindex="0" role="img" cx="295.2" cy="172.2" r="5" fill="var(--blue)" stroke="var(--card)" stroke-width="1" aria-label="7 January 2026: holds, wild-2: 100 % of its first night, wild 1.25 % worse" data-t="7 January 2026: holds&#10;wild-2: 100 % of its first night&#10;wild 1.25 % worse"/><circle class="pt" tabindex="0" role="img" cx="334.9" cy="230" r="5" fill="var(--card)" stroke="var(--mut)" stroke-width="1.6" aria-label="8 January 2026: inconclusive, wild-2: not measured, wild not measured" data-t="8 January 2026: inconclusive&#10;wild-2: not measured&#10;wild not measured"/></svg>"#);
    }

    #[test]
    fn one_night_is_no_course() {
        let mut history = view_of_past();
        history.nights.truncate(1);
        assert!(draw(&history, "t", 360.0).is_none());
    }
}
