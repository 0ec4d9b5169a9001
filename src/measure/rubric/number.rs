//! Numbers in a model's text: signs, thousands, decimals, fractions, percents, powers of ten,
//! units; and which of them is the answer.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use crate::measure::rubric::check::{NumberRule, Take};
use crate::measure::rubric::evidence::Verdict;
use crate::measure::rubric::marker::behind;
use crate::measure::rubric::unit::Unit;

/// A number as it stands in a text.
#[derive(Debug, Clone, PartialEq)]
struct Quantity {
    at: Range<usize>,
    /// What its digits can mean: `1,234` is a thousand and more, or a little over one.
    readings: Vec<f64>,
    unit: Option<Unit>,
}

fn expression(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the patterns of numbers are fixed")
}

/// Digits with anything that may group them.
static RUN: LazyLock<Regex> =
    LazyLock::new(|| expression(r"[0-9][[0-9].,'’\u{a0}\u{202f}\u{2009}]*"));
static SPACED: LazyLock<Regex> = LazyLock::new(|| expression(r"^(?: [0-9]{3})+\b"));
static POWER: LazyLock<Regex> = LazyLock::new(|| {
    expression(r"^(?:[eE]([+-]?[0-9]{1,3})\b|\s*[×x*]\s*10\s*\^\s*\{?([+-]?[0-9]{1,3})\}?)")
});
static OVER: LazyLock<Regex> = LazyLock::new(|| expression(r"^\s?/\s?([0-9]+(?:\.[0-9]+)?)"));
static PERCENT: LazyLock<Regex> =
    LazyLock::new(|| expression(r"(?i)^\s*(?:%|percent\b|per cent\b)"));
static SCALE: LazyLock<Regex> =
    LazyLock::new(|| expression(r"(?i)^[\s-]*(thousand|million|billion|k)\b"));
static UNIT: LazyLock<Regex> =
    LazyLock::new(|| expression(r"^[\s\u{a0}\u{202f}-]*([A-Za-z]+(?:/[A-Za-z]+)?)"));
/// `1. ` and `2) ` at the front of a line, with something behind.
static LIST_MARK: LazyLock<Regex> =
    LazyLock::new(|| expression(r"(?m)^[ \t>*#-]*([0-9]{1,3})[.)][ \t*]+[^\s*]"));

/// Judges an answer by one number in it.
pub fn judge(rule: &NumberRule, text: &str) -> Verdict {
    let text = plain(text);
    let fits = |quantity: &Quantity| is_equal(rule, quantity);
    let all = || without_list_marks(&text);
    let (within, chosen) = match rule.take {
        Take::Any => {
            return if all().iter().any(fits) || quantities(&text).iter().any(fits) {
                Verdict::Passed
            } else {
                Verdict::lost("no number in the answer is the one asked for")
            };
        }
        Take::First => (text.as_str(), all().into_iter().next()),
        Take::Last => (text.as_str(), all().pop()),
        Take::Answer => match behind(&text, rule.marker.as_deref()) {
            Some(marked) => match (answer_in(marked.part), marked.surely) {
                (Some(found), _) => (marked.part, Some(found)),
                (None, true) => {
                    let shown = marked.part.chars().take(80).collect::<String>();
                    return Verdict::lost(format!("no number where the answer stands: `{shown}`"));
                }
                (None, false) => (text.as_str(), all().pop()),
            },
            None if rule.marker.is_some() => {
                return Verdict::lost("the answer lacks the words behind which the number stands");
            }
            None => (text.as_str(), all().pop()),
        },
    };
    match chosen {
        Some(found) if fits(&found) => Verdict::Passed,
        Some(found) => Verdict::lost(format!("found {}", within[found.at].trim())),
        None => Verdict::lost("no number in the answer"),
    }
}

fn is_equal(rule: &NumberRule, quantity: &Quantity) -> bool {
    let factor = match (rule.unit, quantity.unit) {
        (Some(asked), Some(given)) => given.in_terms_of(asked).unwrap_or(1.0),
        _ => 1.0,
    };
    // Decimal fractions are not exact in binary.
    let rounding = 1e-9 * rule.equals.abs().max(1.0);
    quantity
        .readings
        .iter()
        .any(|value| (value * factor - rule.equals).abs() <= rule.allowed() + rounding)
}

/// The number that a final answer gives: of a calculation its result, else the first.
fn answer_in(part: &str) -> Option<Quantity> {
    let found = quantities(part);
    let Some(mut answer) = found.first().cloned() else {
        return in_words(part);
    };
    // `3 + 4 = 7`: on to the result, as long as only a calculation stands between.
    while let Some((between, _)) = near(part, answer.at.end).split_once('=') {
        if between.contains(['<', '>', '≤', '≥', '!', '\n']) {
            break;
        }
        let words = between
            .split(|c: char| !c.is_alphabetic())
            .filter(|word| word.len() > 1 && Unit::named(word).is_none());
        if words.count() > 0 {
            break;
        }
        let from = answer.at.end + between.len() + 1;
        match found.iter().find(|next| next.at.start >= from) {
            Some(next) => answer = next.clone(),
            None => break,
        }
    }
    Some(answer)
}

/// What stands next behind a place. Short, because an expression that captures takes time by
/// the length of what it is shown, even where it looks at the beginning only.
fn near(text: &str, from: usize) -> &str {
    const NEXT: usize = 200;
    let mut end = (from + NEXT).min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[from..end]
}

/// `seven`, where an answer is given without digits.
fn in_words(part: &str) -> Option<Quantity> {
    const WORDS: [&str; 21] = [
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
        "twenty",
    ];
    let lower = part.to_lowercase();
    let (value, word) = lower
        .split(|c: char| !c.is_alphabetic())
        .find_map(|word| Some((WORDS.iter().position(|known| *known == word)?, word)))?;
    let start = lower.find(word)?;
    // Lowering may move bytes where other alphabets stand in between.
    let at = match part.get(start..start + word.len()) {
        Some(_) => start..start + word.len(),
        None => 0..part.len(),
    };
    Some(Quantity {
        unit: unit_behind(near(part, at.end)).map(|(unit, _)| unit),
        at,
        readings: vec![value as f64],
    })
}

/// All numbers but those that only count the points of a list.
fn without_list_marks(text: &str) -> Vec<Quantity> {
    let marks: BTreeSet<usize> = LIST_MARK
        .captures_iter(text)
        .filter_map(|found| Some(found.get(1)?.start()))
        .collect();
    let mut all = quantities(text);
    all.retain(|quantity| !marks.contains(&quantity.at.start));
    all
}

/// Without the commands of LaTeX that stand in and around numbers.
fn plain(text: &str) -> String {
    static WRAPPED: LazyLock<Regex> = LazyLock::new(|| {
        expression(r"\\(?:text|mathrm|textbf|mathbf|operatorname)\s*\{([^{}]*)\}")
    });
    static FRACTION: LazyLock<Regex> =
        LazyLock::new(|| expression(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}"));
    if !text.contains('\\') && !text.contains("{,}") {
        return text.to_owned();
    }
    let text = text
        .replace("{,}", ",")
        .replace(r"\,", "\u{202f}")
        .replace(r"\;", " ")
        .replace(r"\!", "")
        .replace(r"\%", "%")
        .replace(r"\$", "$")
        .replace(r"\times", "×")
        .replace(r"\cdot", "×");
    let text = WRAPPED.replace_all(&text, " $1");
    FRACTION.replace_all(&text, "$1/$2").into_owned()
}

/// The numbers of a text, in their order.
fn quantities(text: &str) -> Vec<Quantity> {
    let mut all: Vec<Quantity> = Vec::new();
    let mut from = 0;
    while let Some(run) = RUN.find_at(text, from) {
        let (start, digits) = (
            run.start(),
            run.as_str().trim_end_matches(|c: char| !c.is_ascii_digit()),
        );
        let end = start + digits.len();
        from = end;
        let before = text[..start].chars().next_back();
        // `1h30`: the minutes have no unit of their own.
        let minutes = all
            .last()
            .filter(|last| last.at.end == start && last.unit == Unit::named("h"))
            .and_then(|_| Unit::named("min"));
        if minutes.is_none() && before.is_some_and(|c| c.is_ascii_alphabetic() || c == '_') {
            continue;
        }
        let mut tokens = meanings(digits, start);
        let Some((span, mut readings)) = tokens.pop() else {
            continue;
        };
        for (at, readings) in tokens {
            all.push(Quantity {
                at,
                readings,
                unit: None,
            });
        }
        if span.start == start && starts_with_point(text, start) {
            readings = vec![format!("0.{digits}").parse().unwrap_or(0.0)];
        }
        let (at, readings, unit) = extend(text, span, readings);
        from = from.max(at.end);
        let sign = if is_negative(text, at.start) {
            -1.0
        } else {
            1.0
        };
        all.push(Quantity {
            at,
            readings: readings.into_iter().map(|value| value * sign).collect(),
            unit: unit.or(minutes),
        });
    }
    joined(text, all)
}

/// What the digits of a run mean: one number, or the numbers of a list without spaces.
fn meanings(digits: &str, start: usize) -> Vec<(Range<usize>, Vec<f64>)> {
    let whole = start..start + digits.len();
    let clean: String = digits
        .chars()
        .filter(|c| !matches!(c, '\'' | '’' | '\u{a0}' | '\u{202f}' | '\u{2009}'))
        .collect();
    let parse = |text: &str| text.parse::<f64>().ok().filter(|value| value.is_finite());
    let one = |value: Option<f64>| match value {
        Some(value) => vec![(whole.clone(), vec![value])],
        None => Vec::new(),
    };
    let commas = clean.matches(',').count();
    let points = clean.matches('.').count();
    match (commas, points) {
        (0, 0 | 1) => one(parse(&clean)),
        (1, 0) => {
            let decimal = parse(&clean.replace(',', "."));
            match (is_grouped(&clean, ','), decimal) {
                (true, Some(decimal)) => parse(&clean.replace(',', ""))
                    .map(|thousands| vec![(whole.clone(), vec![thousands, decimal])])
                    .unwrap_or_default(),
                (_, decimal) => one(decimal),
            }
        }
        (0, _) if is_grouped(&clean, '.') => one(parse(&clean.replace('.', ""))),
        // A version or a date.
        (0, _) => Vec::new(),
        (_, 0) if is_grouped(&clean, ',') => one(parse(&clean.replace(',', ""))),
        (_, 1) if clean.rfind(',') < clean.rfind('.') => {
            let (front, _) = clean.split_once('.').unwrap_or((&clean, ""));
            if is_grouped(front, ',') {
                one(parse(&clean.replace(',', "")))
            } else {
                list(digits, start)
            }
        }
        (1, _) => {
            let (front, _) = clean.split_once(',').unwrap_or((&clean, ""));
            if is_grouped(front, '.') {
                one(parse(&clean.replace('.', "").replace(',', ".")))
            } else {
                list(digits, start)
            }
        }
        _ => list(digits, start),
    }
}

fn list(digits: &str, start: usize) -> Vec<(Range<usize>, Vec<f64>)> {
    let mut at = start;
    let mut found = Vec::new();
    for part in digits.split(',') {
        if let Ok(value) = part.parse::<f64>() {
            found.push((at..at + part.len(), vec![value]));
        }
        at += part.len() + 1;
    }
    found
}

/// `12,345,678`: groups of three behind one to three digits.
fn is_grouped(text: &str, separator: char) -> bool {
    let mut groups = text.split(separator);
    let first = groups.next().unwrap_or_default();
    // A leading zero begins no thousands.
    (1..=3).contains(&first.len())
        && !first.starts_with('0')
        && groups.all(|group| group.len() == 3)
}

/// What stands behind a number and belongs to it.
fn extend(
    text: &str,
    at: Range<usize>,
    readings: Vec<f64>,
) -> (Range<usize>, Vec<f64>, Option<Unit>) {
    let (mut end, mut readings) = (at.end, readings);
    let digits = &text[at.clone()];
    if digits.len() <= 3
        && !digits.starts_with('0')
        && digits.bytes().all(|b| b.is_ascii_digit())
        && let Some(groups) = SPACED.find(near(text, end))
    {
        let all: String = format!("{digits}{}", groups.as_str().replace(' ', ""));
        if let Ok(value) = all.parse() {
            readings.insert(0, value);
            end += groups.end();
        }
    }
    if let Some(power) = POWER.captures(near(text, end))
        && let Some(exponent) = power.get(1).or(power.get(2))
        && let Ok(exponent) = exponent.as_str().parse::<i32>()
    {
        readings = readings
            .into_iter()
            .map(|value| value * 10_f64.powi(exponent))
            .filter(|value| value.is_finite())
            .collect();
        end += power.get(0).map_or(0, |whole| whole.end());
    }
    if let Some(over) = OVER.captures(near(text, end))
        && let Some(below) = over.get(1).and_then(|n| n.as_str().parse::<f64>().ok())
        && below != 0.0
    {
        readings = readings.into_iter().map(|value| value / below).collect();
        end += over.get(0).map_or(0, |whole| whole.end());
    }
    if let Some(scale) = SCALE.captures(near(text, end)) {
        let word = scale.get(1).map_or("", |word| word.as_str()).to_lowercase();
        let factor = match word.as_str() {
            "million" => 1e6,
            "billion" => 1e9,
            _ => 1e3,
        };
        readings = readings.into_iter().map(|value| value * factor).collect();
        end += scale.get(0).map_or(0, |whole| whole.end());
    }
    if let Some(percent) = PERCENT.find(near(text, end)) {
        let shares: Vec<f64> = readings.iter().map(|value| value / 100.0).collect();
        readings.extend(shares);
        return (at.start..end + percent.end(), readings, None);
    }
    match unit_behind(near(text, end)) {
        Some((unit, width)) => (at.start..end + width, readings, Some(unit)),
        None => (at.start..end, readings, None),
    }
}

fn unit_behind(text: &str) -> Option<(Unit, usize)> {
    let found = UNIT.captures(text)?;
    let (whole, word) = (found.get(0)?, found.get(1)?);
    let first = word.as_str().split('/').next().unwrap_or_default();
    let exact = Unit::named(word.as_str()).map(|unit| (unit, whole.end()));
    exact.or_else(|| Unit::named(first).map(|unit| (unit, word.start() + first.len())))
}

/// `.5`
fn starts_with_point(text: &str, start: usize) -> bool {
    let mut before = text[..start].chars().rev();
    before.next() == Some('.') && !before.next().is_some_and(char::is_alphanumeric)
}

fn is_negative(text: &str, start: usize) -> bool {
    let front = text[..start].trim_end_matches(['$', '€', '£', '¥', '.']);
    let Some(before) = front.strip_suffix(['-', '−']) else {
        return false;
    };
    // `10-3` and `A-3` subtract or join; ` -3`, `(-3` and `=-3` are below zero.
    !before
        .chars()
        .next_back()
        .is_some_and(|c| c.is_alphanumeric() || matches!(c, ')' | ']' | '-'))
}

/// `1 h 30 min` is one time.
fn joined(text: &str, all: Vec<Quantity>) -> Vec<Quantity> {
    let mut joined: Vec<Quantity> = Vec::new();
    for quantity in all {
        if let Some(last) = joined.last_mut()
            && let (Some(larger), Some(smaller)) = (last.unit, quantity.unit)
            && let Some(factor) = larger.in_terms_of(smaller)
            && factor > 1.0
            && matches!(
                text[last.at.end..quantity.at.start].trim(),
                "" | "," | "and" | ", and"
            )
            && let ([high], [low]) = (last.readings.as_slice(), quantity.readings.as_slice())
            && (0.0..factor).contains(low)
        {
            *last = Quantity {
                at: last.at.start..quantity.at.end,
                readings: vec![high * factor + low],
                unit: Some(smaller),
            };
            continue;
        }
        joined.push(quantity);
    }
    joined
}

#[cfg(test)]
mod tests;
