//! Which of several options an answer chooses: letters and words, in the many forms in which
//! models give them, without taking the article `A` for an option.

use crate::measure::rubric::check::ChoiceRule;
use crate::measure::rubric::evidence::Verdict;
use crate::measure::rubric::marker::behind;

/// How clearly a word stands for an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    /// A bare word inside a sentence.
    Bare,
    /// Set apart: `(B)`, `**B**`, `B)`, `option B`, alone on its line.
    Apart,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mention<'a> {
    option: &'a str,
    standing: Standing,
    /// `not B`.
    denied: bool,
    start: usize,
    end: usize,
}

/// Judges an answer by the option that it chooses.
pub fn judge(rule: &ChoiceRule, text: &str) -> Verdict {
    let chosen = match behind(text, rule.marker.as_deref()) {
        Some(marked) => match (in_part(rule, marked.part), marked.surely) {
            (Chosen::None, false) => in_whole(rule, text),
            (chosen, _) => chosen,
        },
        None if rule.marker.is_some() => {
            return Verdict::lost("the answer lacks the words behind which the choice stands");
        }
        None => in_whole(rule, text),
    };
    match chosen {
        Chosen::One(option) if option == rule.equals => Verdict::Passed,
        Chosen::One(option) => Verdict::lost(format!("chose `{option}`")),
        Chosen::Several(options) => Verdict::lost(format!(
            "no clear choice: {}",
            options
                .iter()
                .map(|option| format!("`{option}`"))
                .collect::<Vec<_>>()
                .join(" and ")
        )),
        Chosen::None => Verdict::lost("chose none of the options"),
    }
}

enum Chosen<'a> {
    One(&'a str),
    Several(Vec<&'a str>),
    None,
}

/// Of what stands behind a marker: its first option, unless others are put beside it.
fn in_part<'a>(rule: &'a ChoiceRule, part: &str) -> Chosen<'a> {
    let all = mentions(rule, part);
    let said: Vec<&Mention<'_>> = all.iter().filter(|mention| !mention.denied).collect();
    let Some(first) = said
        .iter()
        .find(|mention| mention.standing == Standing::Apart)
        .or_else(|| said.first())
    else {
        return Chosen::None;
    };
    let mut options = vec![first.option];
    let mut end = first.end;
    for next in said.iter().filter(|mention| mention.start >= first.end) {
        if !joins(&part[end..next.start], first.option.len() == 1) {
            break;
        }
        if !options.contains(&next.option) {
            options.push(next.option);
        }
        end = next.end;
    }
    one_or_several(options)
}

/// Of a text without a marker: the only option that is set apart, or else the only one at all.
fn in_whole<'a>(rule: &'a ChoiceRule, text: &str) -> Chosen<'a> {
    let all = mentions(rule, text);
    for standing in [Standing::Apart, Standing::Bare] {
        let mut options = Vec::new();
        for mention in all
            .iter()
            .filter(|mention| !mention.denied && mention.standing >= standing)
        {
            if !options.contains(&mention.option) {
                options.push(mention.option);
            }
        }
        if !options.is_empty() {
            return one_or_several(options);
        }
    }
    Chosen::None
}

fn one_or_several(options: Vec<&str>) -> Chosen<'_> {
    match options.as_slice() {
        [] => Chosen::None,
        [one] => Chosen::One(one),
        _ => Chosen::Several(options),
    }
}

/// True for what puts two options beside each other: `A or B`, `A/B`, and of letters also
/// `A, B` (`Yes, no doubt` is one word and a sentence).
fn joins(between: &str, are_letters: bool) -> bool {
    let words: String = between
        .chars()
        .map(|c| if c.is_alphanumeric() { c } else { ' ' })
        .collect();
    let words: Vec<String> = words.split_whitespace().map(str::to_lowercase).collect();
    let only_joins = words
        .iter()
        .all(|word| matches!(word.as_str(), "or" | "and" | "option" | "also"));
    // Behind a stop something new begins.
    only_joins
        && !between.contains(['.', '\n', ';'])
        && (are_letters || !words.is_empty() || between.contains('/'))
}

fn mentions<'a>(rule: &'a ChoiceRule, text: &str) -> Vec<Mention<'a>> {
    let mut all: Vec<Mention<'a>> = rule
        .options
        .iter()
        .flat_map(|option| mentions_of(option, text))
        .collect();
    // `north` is not mentioned where `north-east` is.
    let whole = all.clone();
    all.retain(|mention| {
        !whole.iter().any(|other| {
            other.end - other.start > mention.end - mention.start
                && other.start <= mention.start
                && mention.end <= other.end
        })
    });
    all.sort_by_key(|mention| mention.start);
    all
}

fn mentions_of<'a>(option: &'a str, text: &str) -> Vec<Mention<'a>> {
    let is_letter = option.chars().count() == 1;
    let mut found = Vec::new();
    for (start, written) in occurrences(option, text) {
        let end = start + written.len();
        let (before, after) = (&text[..start], &text[end..]);
        let touches = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        if touches(before.chars().next_back()) || touches(after.chars().next()) {
            continue;
        }
        let standing = if is_apart(before, after) {
            Standing::Apart
        } else {
            Standing::Bare
        };
        if is_letter && standing == Standing::Bare && is_a_word(option, written, before, after) {
            continue;
        }
        let denied = last_word(before).is_some_and(|word| {
            matches!(
                word.to_lowercase().as_str(),
                "not" | "isn't" | "never" | "than"
            )
        });
        found.push(Mention {
            option,
            standing,
            denied,
            start,
            end,
        });
    }
    found
}

/// Where the option stands, in any case. ASCII letters keep their bytes when their case
/// changes, so that places in one text are places in the other.
fn occurrences<'t>(option: &str, text: &'t str) -> Vec<(usize, &'t str)> {
    let (low_text, low_option) = (text.to_ascii_lowercase(), option.to_ascii_lowercase());
    low_text
        .match_indices(&low_option)
        .map(|(at, found)| (at, &text[at..at + found.len()]))
        .collect()
}

/// In brackets, in emphasis, numbered, named an option, or alone on its line.
fn is_apart(before: &str, after: &str) -> bool {
    let left = before.chars().next_back();
    let right = after.chars().next();
    let in_marks = matches!(
        left,
        Some('(' | '[' | '*' | '_' | '`' | '"' | '{' | '“' | '\'')
    ) && matches!(
        right,
        Some(')' | ']' | '*' | '_' | '`' | '"' | '}' | '”' | '\'' | '.' | ':')
    );
    let starts_line = before.rsplit('\n').next().is_some_and(|line| {
        line.trim_matches(['*', '#', '>', '-', ' ', '\t', '_'])
            .is_empty()
    });
    let numbered = starts_line && matches!(right, Some(')' | '.' | ':' | '*'));
    let ends_line = after.split('\n').next().is_some_and(|line| {
        line.trim_matches(['*', '.', '!', ' ', '\t', '\r', '_', '`', '$', '}'])
            .is_empty()
    });
    let named = last_word(before).is_some_and(|word| {
        matches!(
            word.to_lowercase().as_str(),
            "option" | "choice" | "answer" | "is"
        )
    }) && !after.starts_with([' ', '-']);
    let named_option = last_word(before)
        .is_some_and(|word| matches!(word.to_lowercase().as_str(), "option" | "choice"));
    in_marks || numbered || (starts_line && ends_line) || named || named_option
}

/// True for letters that are words of the language where they stand: `a train`, `I think`, and
/// any small letter inside a sentence.
fn is_a_word(option: &str, written: &str, before: &str, after: &str) -> bool {
    let upper = option.to_ascii_uppercase();
    if option.chars().all(char::is_alphabetic) && written != upper && !before.trim().is_empty() {
        return true;
    }
    let next_is_word = after
        .strip_prefix(' ')
        .and_then(|rest| rest.chars().next())
        .is_some_and(char::is_lowercase);
    let quoted = after.starts_with(['\'', '’']);
    // `B is right` speaks of the option, `A train` of a train.
    let of_option = after.split_whitespace().next().is_some_and(|word| {
        matches!(
            word,
            "is" | "or" | "and" | "because" | "since" | "as" | "would" | "-" | "—"
        )
    });
    match upper.as_str() {
        "A" => (next_is_word && !of_option) || quoted,
        "I" => next_is_word || quoted,
        _ => quoted,
    }
}

fn last_word(before: &str) -> Option<&str> {
    before
        .trim_end_matches(['(', '[', '*', '_', '`', '"', '{', ':', '“', ' ', '\''])
        .rsplit(|c: char| c.is_whitespace() || matches!(c, '(' | '"' | '*'))
        .next()
        .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(equals: &str, options: &[&str]) -> ChoiceRule {
        ChoiceRule {
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            equals: equals.to_owned(),
            marker: None,
        }
    }

    fn passes(rule: &ChoiceRule, text: &str) -> bool {
        judge(rule, text) == Verdict::Passed
    }

    const LETTERS: &[&str] = &["A", "B", "C", "D"];

    #[test]
    fn a_letter_is_found_in_many_forms() {
        for text in [
            "B",
            "b",
            "B.",
            "(B)",
            "**B**",
            "B) the baker",
            "ANSWER: B",
            "**ANSWER: B**",
            "**ANSWER:** (B) the baker",
            "ANSWER: B. The baker",
            "ANSWER: b",
            "Answer: option B",
            "The answer is B.",
            "The answer is B because a baker never lies",
            "The correct answer is **B**: the baker",
            "Therefore, the correct option is (B).",
            r"The answer is $\boxed{B}$.",
            r"\boxed{\text{B}}",
            "Not A, since A train is late; C fails too.\nANSWER: B",
            "A) fails. C) fails. D) fails.\n\n**Final Answer:**\n\n**B**",
            "I choose option B",
            "ANSWER: not A but B",
            "A baker said so. Hence (B).",
            "B is right.",
        ] {
            assert!(
                passes(&rule("B", LETTERS), text),
                "{text}: {:?}",
                judge(&rule("B", LETTERS), text)
            );
        }
    }

    #[test]
    fn words_are_no_letters_and_two_letters_no_choice() {
        for text in [
            "",
            "ANSWER: A",
            "ANSWER: A or B",
            "ANSWER: A and B",
            "ANSWER: A/B",
            "A) first\nB) second\nC) third",
            "It may be (A) or (B).",
            "The answer is not B.",
            "The Baker did it",
            "plan b",
        ] {
            assert!(!passes(&rule("B", LETTERS), text), "{text}");
        }
        for text in [
            "A baker did it.",
            "ANSWER: a baker",
            "I saw A's shop",
            "It was a long day.",
            "The answer is a secret.",
        ] {
            assert!(
                !passes(&rule("A", LETTERS), text),
                "{text}: {:?}",
                judge(&rule("A", LETTERS), text)
            );
        }
        assert!(passes(&rule("A", LETTERS), "ANSWER: A"));
        assert!(passes(
            &rule("A", LETTERS),
            "A is the one, because a baker lies."
        ));
        assert_eq!(
            judge(&rule("B", LETTERS), "ANSWER: A or C"),
            Verdict::lost("no clear choice: `A` and `C`")
        );
        assert_eq!(
            judge(&rule("B", LETTERS), "ANSWER: D"),
            Verdict::lost("chose `D`")
        );
    }

    #[test]
    fn options_may_be_words() {
        let winds = &["north", "north-east", "east"];
        for (text, equals) in [
            ("ANSWER: North", "north"),
            ("ANSWER: **north-east**", "north-east"),
            ("The wind comes from the east.", "east"),
            ("The answer is: it blows east", "east"),
        ] {
            assert!(
                passes(&rule(equals, winds), text),
                "{text}: {:?}",
                judge(&rule(equals, winds), text)
            );
        }
        assert!(!passes(&rule("east", winds), "ANSWER: northeast"));
        assert!(passes(
            &rule("yes", &["yes", "no"]),
            "ANSWER: Yes, no doubt"
        ));
        assert!(!passes(&rule("yes", &["yes", "no"]), "ANSWER: No"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_judged(text in "[ABCDab ().*:\n/’é]{0,80}") {
            let _ = judge(&rule("B", LETTERS), &text);
        }
    }
}
