//! The colours of report and figures, by name, on light and on dark ground.
//!
//! A page defines them as CSS variables, so that it follows its reader; a figure in a file of its
//! own has the light ones written in, because few viewers of pictures know variables.
//!
//! Text is at least 4.5:1 on page and card, marks of figures at least 3:1 (WCAG 2.2, 1.4.3 and
//! 1.4.11). The eight steps of `h` leave out the middle, on which neither ink can be read.

/// Name, on light ground, on dark ground.
pub const PALETTE: &[(&str, &str, &str)] = &[
    ("bg", "#fbfaf8", "#14171a"),
    ("card", "#ffffff", "#1b1f23"),
    ("ink", "#1d2226", "#e6e4df"),
    ("mut", "#5c666f", "#9aa4ad"),
    ("line", "#dfdcd6", "#343a40"),
    ("grid", "#ebe8e2", "#272c31"),
    ("hatch", "#b9b4ab", "#5a6068"),
    ("grey", "#858d94", "#7d868e"),
    ("blue", "#0b66b0", "#62b0f2"),
    ("tint", "#d9e8f5", "#1b3147"),
    ("band", "#eeebe6", "#24292e"),
    ("warm", "#9c4306", "#f0a15c"),
    ("zone", "#f7ebe1", "#30261d"),
    ("bad", "#a3282f", "#f0868b"),
    ("good", "#1f6b36", "#74c488"),
    ("c1", "#0b66b0", "#62b0f2"),
    ("c2", "#9c4306", "#f0a15c"),
    ("c3", "#1f6b36", "#74c488"),
    ("c4", "#7440a0", "#c49be8"),
    ("c5", "#0d6d78", "#5ac3cf"),
    ("c6", "#a3282f", "#f0868b"),
    ("h0", "#e9f1f8", "#1d3347"),
    ("h1", "#ccdbe8", "#284259"),
    ("h2", "#aec4d8", "#33516b"),
    ("h3", "#91aec8", "#3e607d"),
    ("h4", "#47759f", "#628fb7"),
    ("h5", "#336694", "#70a3ce"),
    ("h6", "#1f5688", "#7eb5e4"),
    ("h7", "#08457c", "#8cc8fb"),
    ("low", "#1d2226", "#f4f2ee"),
    ("high", "#ffffff", "#14171a"),
];

/// Steps of a heat map.
pub const STEPS: usize = 8;

/// Both sets as CSS variables.
pub fn variables() -> String {
    let set = |colour: fn(&(&str, &'static str, &'static str)) -> &'static str| -> String {
        let variables = PALETTE.iter();
        variables
            .map(|entry| format!("--{}:{};", entry.0, colour(entry)))
            .collect()
    };
    format!(
        ":root{{color-scheme:light dark;{}}}\n@media(prefers-color-scheme:dark){{:root{{{}}}}}\n",
        set(|entry| entry.1),
        set(|entry| entry.2),
    )
}

/// The light colours in the place of the variables.
pub fn written_in(text: &str) -> String {
    let mut out = text.to_owned();
    for (name, light, _) in PALETTE {
        out = out.replace(&format!("var(--{name})"), light);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn luminance(colour: &str) -> f64 {
        let channel = |at: usize| {
            let value = u8::from_str_radix(&colour[at..at + 2], 16).unwrap();
            let value = f64::from(value) / 255.0;
            match value <= 0.040_45 {
                true => value / 12.92,
                false => ((value + 0.055) / 1.055).powf(2.4),
            }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    fn contrast(one: &str, other: &str) -> f64 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[test]
    fn text_can_be_read_and_marks_can_be_seen_on_both_grounds() {
        let of = |name: &str, dark: bool| {
            let (_, light, other) = PALETTE.iter().find(|entry| entry.0 == name).unwrap();
            if dark { *other } else { *light }
        };
        for dark in [false, true] {
            for ground in ["bg", "card"] {
                for text in [
                    "ink", "mut", "blue", "warm", "bad", "good", "c1", "c2", "c3", "c4", "c5", "c6",
                ] {
                    let ratio = contrast(of(text, dark), of(ground, dark));
                    assert!(ratio >= 4.5, "{text} on {ground}, dark {dark}: {ratio:.2}");
                }
                let ratio = contrast(of("grey", dark), of(ground, dark));
                assert!(ratio >= 3.0, "grey on {ground}, dark {dark}: {ratio:.2}");
            }
            for (text, ground) in [
                ("mut", "tint"),
                ("ink", "tint"),
                ("mut", "band"),
                ("warm", "zone"),
                ("mut", "zone"),
            ] {
                let ratio = contrast(of(text, dark), of(ground, dark));
                assert!(ratio >= 4.5, "{text} on {ground}, dark {dark}: {ratio:.2}");
            }
            for step in 0..STEPS {
                let ink = if step < STEPS / 2 { "low" } else { "high" };
                let ratio = contrast(of(ink, dark), of(&format!("h{step}"), dark));
                assert!(ratio >= 4.5, "{ink} on h{step}, dark {dark}: {ratio:.2}");
            }
        }
    }

    #[test]
    fn a_figure_of_its_own_has_no_variable_left() {
        let all: String = PALETTE
            .iter()
            .map(|entry| format!("var(--{})", entry.0))
            .collect();
        assert!(!written_in(&all).contains("var("));
        assert!(variables().contains("--blue:#0b66b0;"));
        assert!(variables().contains("--blue:#62b0f2;"));
    }
}
