//! Where in a model's text its final answer stands.

use std::sync::LazyLock;

use regex::{Regex, RegexBuilder};

/// A line that gives the answer: `ANSWER: 42`, `**Final answer:** 42`, `### Answer = 42`.
static STRONG: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?im)^[\s*_#>`~\-]*(?:the\s+)?(?:my\s+)?(?:final\s+)?(?:correct\s+)?(?:answer|result)[ \t*_`]*[:=：][ \t*_`]*",
    )
});

/// A sentence that does: `the answer is 42`, `so the correct option: B`.
static WEAK: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?i)\b(?:answer|result|solution|option|choice)[\s*_`]*(?:is|are|would\s+be|:|=|：)[ \t*_`:]*",
    )
});

fn expression(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the patterns of markers are fixed")
}

/// What stands behind a marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marked<'a> {
    pub part: &'a str,
    /// The marker can only lead to the answer; a mere sentence may speak of it (`the answer is
    /// easy to check`).
    pub surely: bool,
}

/// What stands behind the last marker, to the end of its line (of the next one, where nothing
/// stands on its own). `None` without a marker.
pub fn behind<'a>(text: &'a str, own: Option<&str>) -> Option<Marked<'a>> {
    let sure = |part| Marked { part, surely: true };
    if let Some(own) = own {
        return last(text, &of_words(own)?).map(sure);
    }
    // A box may stand in the line of a marker, or where there is none.
    boxed(text)
        .or_else(|| last(text, &STRONG))
        .map(sure)
        .or_else(|| {
            let part = last(text, &WEAK)?;
            Some(Marked {
                part,
                surely: false,
            })
        })
}

/// The words of a task's own marker, in any case, with or without marks of emphasis, colon and
/// equals sign behind them.
fn of_words(words: &str) -> Option<Regex> {
    let words = words.trim().trim_end_matches([':', '=']).trim();
    let parts: Vec<String> = words.split_whitespace().map(regex::escape).collect();
    if parts.is_empty() {
        return None;
    }
    let pattern = format!(r"(?i){}[ \t*_`]*[:=：]?[ \t*_`]*", parts.join(r"[\s*_`]+"));
    RegexBuilder::new(&pattern).build().ok()
}

fn last<'a>(text: &'a str, marker: &Regex) -> Option<&'a str> {
    let found = marker
        .find_iter(text)
        .filter(|found| !text[found.end()..].trim().is_empty())
        .last()?;
    text[found.end()..]
        .lines()
        .map(str::trim)
        .find(|line| line.chars().any(char::is_alphanumeric))
}

/// The inside of the last `\boxed{...}`.
fn boxed(text: &str) -> Option<&str> {
    const OPEN: &str = r"\boxed{";
    let start = text.rfind(OPEN)? + OPEN.len();
    let mut depth = 1;
    for (at, c) in text[start..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(text[start..start + at].trim());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_marker_leads_to_the_answer() {
        for (text, expected) in [
            ("ANSWER: 42", Some("42")),
            ("ANSWER: 41\nWait.\nANSWER: 42", Some("42")),
            ("**ANSWER:** 42", Some("42")),
            ("**Answer**: 42", Some("42")),
            ("### Final Answer:\n\n**42**", Some("**42**")),
            ("The answer is 42 apples.", Some("42 apples.")),
            ("So the answer is:\n42", Some("42")),
            (
                "Answer: 42\n\nI checked that the answer is right.",
                Some("42"),
            ),
            (r"so $\boxed{\frac{3}{4}}$.", Some(r"\frac{3}{4}")),
            (r"\boxed{42", None),
            ("there is none here", None),
            ("ANSWER:", None),
            ("", None),
        ] {
            assert_eq!(
                behind(text, None).map(|found| found.part),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn a_task_may_have_a_marker_of_its_own() {
        for (text, expected) in [
            ("Total time: 95 minutes", Some("95 minutes")),
            ("**total  time** = 95", Some("95")),
            ("ANSWER: 95", None),
        ] {
            let found = behind(text, Some("Total time:")).map(|found| found.part);
            assert_eq!(found, expected, "{text}");
        }
        assert_eq!(behind("x", Some(" : ")), None);
    }
}
