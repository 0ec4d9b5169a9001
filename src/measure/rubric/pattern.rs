//! Regular expressions of rubrics. They are matched in time linear in the answer, whatever the
//! expression, and their compiled size is bounded.

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

/// Of a compiled expression. Expressions over words of an answer need a small part of it.
const COMPILED_BYTES: usize = 1 << 20;

/// A regular expression that compiles.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(Regex);

impl Pattern {
    /// # Errors
    /// Why the text is no regular expression, in one line.
    pub fn new(text: &str) -> Result<Self, String> {
        RegexBuilder::new(text)
            .size_limit(COMPILED_BYTES)
            .build()
            .map(Self)
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(_) => "it would be too large when compiled".to_owned(),
                // The message draws the expression over several lines and ends with the point.
                other => other
                    .to_string()
                    .lines()
                    .last()
                    .unwrap_or_default()
                    .trim_start_matches("error: ")
                    .to_owned(),
            })
    }

    pub fn text(&self) -> &str {
        self.0.as_str()
    }

    pub fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::new(&text)
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.text().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_anywhere_and_say_what_is_wrong_with_them() {
        let pattern = Pattern::new(r"(?i)\bpath:\s*a\W+c\b").unwrap();
        assert!(pattern.matches("Critical PATH: A -> C"));
        assert!(!pattern.matches("path: A -> B"));
        assert_eq!(Pattern::new("(a").unwrap_err(), "unclosed group");
        assert_eq!(
            Pattern::new(r"(\w{1000}){1000}").unwrap_err(),
            "it would be too large when compiled"
        );
    }

    #[test]
    fn no_pattern_takes_long() {
        // Of the kind that takes engines with backtracking forever.
        let pattern = Pattern::new("^(a+)+$").unwrap();
        assert!(!pattern.matches(&format!("{}b", "a".repeat(100_000))));
    }
}
