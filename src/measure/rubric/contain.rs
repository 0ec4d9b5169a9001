//! Texts that an answer must contain, forgiving of how they are written.

use crate::measure::rubric::check::ContainRule;
use crate::measure::rubric::evidence::Verdict;

/// All texts must be there.
pub fn judge_all(rule: &ContainRule, answer: &str) -> Verdict {
    let answer = folded(answer, rule.match_case);
    let missing: Vec<String> = rule
        .texts
        .iter()
        .filter(|text| !contains(&answer, &folded(text, rule.match_case)))
        .map(|text| format!("`{text}`"))
        .collect();
    if missing.is_empty() {
        Verdict::Passed
    } else {
        Verdict::lost(format!("does not contain {}", missing.join(", ")))
    }
}

/// One of the texts must be there.
pub fn judge_any(rule: &ContainRule, answer: &str) -> Verdict {
    let answer = folded(answer, rule.match_case);
    let found = rule
        .texts
        .iter()
        .any(|text| contains(&answer, &folded(text, rule.match_case)));
    if found {
        Verdict::Passed
    } else {
        Verdict::lost("contains none of the texts")
    }
}

/// Without emphasis, with plain quotes and dashes, and single spaces.
fn folded(text: &str, match_case: bool) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.chars() {
        let c = match c {
            '*' | '`' => continue,
            '‘' | '’' => '\'',
            '“' | '”' => '"',
            '‐' | '‑' | '–' | '—' | '−' => '-',
            c if c.is_whitespace() => ' ',
            c => c,
        };
        if c == ' ' && folded.ends_with(' ') {
            continue;
        }
        folded.push(c);
    }
    let folded = folded.trim();
    if match_case {
        folded.to_owned()
    } else {
        folded.to_lowercase()
    }
}

/// True where the text stands in the answer; a digit at its edge must not go on in the answer,
/// so that 17 does not contain 7.
fn contains(answer: &str, text: &str) -> bool {
    let is_digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    let (front, back) = (
        is_digit(text.chars().next()),
        is_digit(text.chars().next_back()),
    );
    answer.match_indices(text).any(|(at, found)| {
        let before = answer[..at].chars().next_back();
        let mut after = answer[at + found.len()..].chars();
        let next = after.next();
        let goes_on = is_digit(next) || (matches!(next, Some('.' | ',')) && is_digit(after.next()));
        !(front && is_digit(before) || back && goes_on)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(texts: &[&str], match_case: bool) -> ContainRule {
        ContainRule {
            texts: texts.iter().map(|text| (*text).to_owned()).collect(),
            match_case,
        }
    }

    #[test]
    fn how_a_text_is_written_does_not_matter() {
        let both = rule(&["rye bread", "don't"], false);
        for answer in [
            "Rye bread, and don't forget it",
            "**Rye**\n  bread; don’t",
            "`RYE BREAD` DON'T",
        ] {
            assert_eq!(judge_all(&both, answer), Verdict::Passed, "{answer}");
        }
        assert_eq!(
            judge_all(&both, "rye, bread"),
            Verdict::lost("does not contain `rye bread`, `don't`")
        );
        assert_eq!(judge_any(&both, "I don't know"), Verdict::Passed);
        assert_eq!(
            judge_any(&both, ""),
            Verdict::lost("contains none of the texts")
        );
        assert_ne!(judge_all(&rule(&["Rome"], true), "rome"), Verdict::Passed);
    }

    #[test]
    fn a_number_does_not_contain_its_digits() {
        let seven = rule(&["7"], false);
        for (answer, expected) in [
            ("7", true),
            ("day 7.", true),
            ("7, then 8", true),
            ("7th", true),
            ("17", false),
            ("70", false),
            ("7.5", false),
        ] {
            assert_eq!(
                judge_any(&seven, answer) == Verdict::Passed,
                expected,
                "{answer}"
            );
        }
    }
}
