//! A picture under construction: elements with quoted attributes and escaped texts, so that the
//! same text is valid inside a page and as a file of its own.

use std::fmt::Write;

use crate::report::chart::coordinate::px;
use crate::report::chart::palette;
use crate::report::text::{escape, plain};

/// What both a page and a file of its own need to show a figure.
pub const STYLE: &str = include_str!("figure.css");

/// Hatches for what died and for what was not started. In a page they stand once, in a picture
/// that is always shown: inside a hidden one they would be lost.
pub const HATCHES: &str = concat!(
    r#"<pattern id="hatch" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">"#,
    r#"<path d="M0 0V7" stroke="var(--hatch)" stroke-width="2.4"/></pattern>"#,
    r#"<pattern id="dots" width="7" height="7" patternUnits="userSpaceOnUse">"#,
    r#"<circle cx="2" cy="2" r="1.2" fill="var(--hatch)"/></pattern>"#,
);

/// Where a text is tied to its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

impl Anchor {
    fn attribute(self) -> &'static str {
        match self {
            Self::Start => "",
            Self::Middle => r#" text-anchor="middle""#,
            Self::End => r#" text-anchor="end""#,
        }
    }
}

/// A picture.
#[derive(Debug, Clone)]
pub struct Svg {
    width: f64,
    height: f64,
    title: String,
    description: String,
    body: String,
    /// It holds points that a keyboard can reach.
    is_group: bool,
}

impl Svg {
    /// `title` and `description` are what a screen reader says of it.
    pub fn new(width: f64, height: f64, title: &str, description: &str) -> Self {
        Self {
            width,
            height,
            title: plain(title),
            description: plain(description),
            body: String::new(),
            is_group: false,
        }
    }

    pub fn text(&mut self, class: &str, (x, y): (f64, f64), anchor: Anchor, text: &str) {
        let class = match class {
            "" => String::new(),
            class => format!(r#" class="{class}""#),
        };
        let _ = write!(
            self.body,
            r#"<text{class} x="{}" y="{}"{}>{}</text>"#,
            px(x),
            px(y),
            anchor.attribute(),
            escape(text)
        );
    }

    pub fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let _ = write!(
            self.body,
            r#"<path class="{class}" d="M{} {}L{} {}"/>"#,
            px(from.0),
            px(from.1),
            px(to.0),
            px(to.1)
        );
    }

    /// `paint` is attributes of gridrun's own; `tip` is what it says when it is pointed at.
    pub fn rect(&mut self, at: (f64, f64), size: (f64, f64), paint: &str, tip: Option<&str>) {
        let _ = write!(
            self.body,
            r#"<rect x="{}" y="{}" width="{}" height="{}" {paint}{}/>"#,
            px(at.0),
            px(at.1),
            px(size.0.max(0.0)),
            px(size.1.max(0.0)),
            tip.map_or_else(String::new, says)
        );
    }

    pub fn path(&mut self, d: &str, paint: &str) {
        let _ = write!(self.body, r#"<path d="{d}" {paint}/>"#);
    }

    /// A point that a keyboard can reach and that says its text.
    pub fn point(&mut self, at: (f64, f64), radius: f64, paint: &str, tip: &str) {
        self.is_group = true;
        let _ = write!(
            self.body,
            r#"<circle class="pt" tabindex="0" role="img" cx="{}" cy="{}" r="{}" {paint} aria-label="{}"{}/>"#,
            px(at.0),
            px(at.1),
            px(radius),
            escape(&tip.replace('\n', ", ")),
            says(tip)
        );
    }

    /// A dot that is only looked at.
    pub fn dot(&mut self, at: (f64, f64), radius: f64, paint: &str, tip: Option<&str>) {
        let _ = write!(
            self.body,
            r#"<circle cx="{}" cy="{}" r="{}" {paint}{}/>"#,
            px(at.0),
            px(at.1),
            px(radius),
            tip.map_or_else(String::new, says)
        );
    }

    /// For a page that has the style and the hatches; `id` is unique in it.
    pub fn inline(&self, id: &str, class: &str) -> String {
        let role = if self.is_group { "group" } else { "img" };
        format!(
            r#"<svg class="{class}" viewBox="0 0 {w} {h}" role="{role}" aria-labelledby="{id}t {id}d"><title id="{id}t">{title}</title><desc id="{id}d">{desc}</desc>{body}</svg>"#,
            w = px(self.width),
            h = px(self.height),
            title = escape(&self.title),
            desc = escape(&self.description),
            body = self.body
        )
    }

    /// A file of its own: on light ground, with everything that it needs.
    pub fn standalone(&self) -> String {
        let (w, h) = (px(self.width), px(self.height));
        let text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\" role=\"img\">\n\
             <title>{title}</title><desc>{desc}</desc>\n<style>{STYLE}</style>\n<defs>{HATCHES}</defs>\n\
             <rect width=\"{w}\" height=\"{h}\" fill=\"var(--card)\"/>\n{body}\n</svg>\n",
            title = escape(&self.title),
            desc = escape(&self.description),
            body = self.body
        );
        palette::written_in(&text)
    }
}

/// What an element says when it is pointed at; lines are kept.
fn says(tip: &str) -> String {
    let lines: Vec<String> = tip.split('\n').map(escape).collect();
    format!(r#" data-t="{}""#, lines.join("&#10;"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_texts_stay_texts() {
        let evil = "</text><script>alert(\"1\")</script>&\u{202e}";
        let mut svg = Svg::new(10.0, 10.0, evil, evil);
        svg.text("k", (1.0, 2.0), Anchor::End, evil);
        svg.point((3.0, 4.0), 5.0, r#"fill="red""#, evil);
        for text in [svg.inline("a", "c"), svg.standalone()] {
            assert!(!text.contains("<script"), "{text}");
            assert!(!text.contains('\u{202e}'), "{text}");
            assert!(text.contains("&lt;/text&gt;&lt;script&gt;"), "{text}");
            assert!(text.contains("aria-label=\"&lt;/text&gt;"), "{text}");
        }
    }

    #[test]
    fn a_picture_with_points_is_a_group_and_others_are_one_image() {
        let mut svg = Svg::new(10.0, 10.0, "t", "d");
        assert!(
            svg.inline("x", "c")
                .contains("role=\"img\" aria-labelledby=\"xt xd\"")
        );
        svg.point((3.0, 4.0), 5.0, "", "one\ntwo");
        let text = svg.inline("x", "c");
        assert!(text.contains("role=\"group\""));
        assert!(text.contains("aria-label=\"one, two\" data-t=\"one&#10;two\""));
    }

    #[test]
    fn a_file_of_its_own_needs_nothing() {
        let text = Svg::new(10.0, 10.0, "t", "d").standalone();
        assert!(text.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" "));
        assert!(text.contains("<pattern id=\"hatch\""));
        assert!(!text.contains("var("), "{text}");
    }
}
