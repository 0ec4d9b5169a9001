//! The frame that most figures share: two axes with round ticks, their names, and the room
//! between them.

use crate::report::chart::label::{self, Area};
use crate::report::chart::scale::Scale;
use crate::report::chart::svg::{Anchor, Svg};

/// A picture with its room for data, before the axes are known.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    pub height: f64,
    pub area: Area,
}

impl Room {
    /// With room left for ticks of so many characters at the y axis.
    pub fn new(width: f64, height: f64, y_characters: usize) -> Self {
        let left = (y_characters as f64 * label::CHARACTER + 12.0).clamp(34.0, width * 0.25);
        Self {
            height,
            area: Area {
                left,
                top: 26.0,
                right: width - 14.0,
                bottom: height - 40.0,
            },
        }
    }

    pub fn x(&self) -> (f64, f64) {
        (self.area.left, self.area.right)
    }

    pub fn y(&self) -> (f64, f64) {
        (self.area.bottom, self.area.top)
    }
}

/// Grid, ticks and name of the y axis.
pub fn y_axis(svg: &mut Svg, room: &Room, (y, name): (&Scale, &str)) {
    let area = room.area;
    let about = ((area.bottom - area.top) / 55.0) as usize;
    for (value, text) in y.ticks(about.max(2)) {
        let at = y.at(value);
        svg.line("gr", (area.left, at), (area.right, at));
        svg.text("", (area.left - 6.0, at + 4.0), Anchor::End, &text);
    }
    svg.text("", (2.0, 13.0), Anchor::Start, &format!("↑ {name}"));
}

/// Grid, ticks and names of both axes.
pub fn axes(svg: &mut Svg, room: &Room, x: (&Scale, &str), y: (&Scale, &str)) {
    let area = room.area;
    y_axis(svg, room, y);
    let about = ((area.right - area.left) / 95.0) as usize;
    let mut last = f64::NEG_INFINITY;
    for (value, text) in x.0.ticks(about.max(2)) {
        let at = x.0.at(value);
        svg.line("ax", (at, area.bottom), (at, area.bottom + 4.0));
        let half = label::width(&text) / 2.0;
        if at - half > last + 4.0 {
            svg.text("", (at, area.bottom + 17.0), Anchor::Middle, &text);
            last = at + half;
        }
    }
    svg.line("ax", (area.left, area.bottom), (area.right, area.bottom));
    let name = format!("{} →", x.1);
    svg.text("", (area.right, room.height - 6.0), Anchor::End, &name);
}

/// `ttft_ms.p95 (ms)`.
pub fn with_unit(name: &str, unit: &str) -> String {
    match unit {
        "" => name.to_owned(),
        unit => format!("{name} ({unit})"),
    }
}
