//! Numbers as models write them.

use super::*;

fn rule(equals: f64) -> NumberRule {
    NumberRule {
        equals,
        tolerance: 0.0,
        relative: 0.0,
        unit: None,
        take: Take::Answer,
        marker: None,
    }
}

fn passes(rule: &NumberRule, text: &str) -> bool {
    judge(rule, text) == Verdict::Passed
}

#[test]
fn numbers_are_read_as_people_write_them() {
    for (text, value) in [
        ("42", 42.0),
        ("-42", -42.0),
        ("\u{2212}42", -42.0),
        ("x = -42", -42.0),
        ("(-42)", -42.0),
        ("$1,234.50", 1234.5),
        ("-$5", -5.0),
        ("1,234,567", 1_234_567.0),
        ("1.234.567", 1_234_567.0),
        ("1.234,5", 1234.5),
        ("1 234 567", 1_234_567.0),
        ("1\u{202f}234", 1234.0),
        ("1'234", 1234.0),
        (r"1{,}234", 1234.0),
        (r"1\,234", 1234.0),
        ("3,5", 3.5),
        ("0,125", 0.125),
        (".5", 0.5),
        ("3/4", 0.75),
        (r"\frac{3}{4}", 0.75),
        ("85%", 85.0),
        ("85 %", 0.85),
        ("1.5 million", 1_500_000.0),
        ("3k", 3000.0),
        ("1.5e3", 1500.0),
        ("1.5 × 10^3", 1500.0),
        (r"1.5 \times 10^{3}", 1500.0),
        (r"42\text{ km}", 42.0),
        ("42.", 42.0),
        ("**42**", 42.0),
    ] {
        for answer in [text.to_owned(), format!("ANSWER: {text}")] {
            assert!(
                passes(&rule(value), &answer),
                "{answer}: {:?}",
                judge(&rule(value), &answer)
            );
        }
    }
}

#[test]
fn what_is_no_number_of_its_own_is_none() {
    for text in [
        "",
        "none",
        "H2O",
        "step_3",
        "v1.2.3",
        "ANSWER: unknown, though 3 seemed right",
    ] {
        for value in [1.0, 2.0, 1.2] {
            assert!(!passes(&rule(value), text), "{text}");
        }
    }
    // A difference is no negative number.
    assert!(!passes(&rule(-3.0), "10-3"));
    assert!(passes(&rule(3.0), "10-3"));
}

#[test]
fn the_answer_is_found_where_it_stands() {
    for text in [
        "ANSWER: 42",
        "I count 3 boxes of 14.\n**ANSWER: 42**",
        "ANSWER: 3 × 14 = 42",
        "ANSWER: 3 * (10 + 4) = 3 * 14 = 42 apples",
        "ANSWER: x = 42",
        "ANSWER: 42 apples, because 3 x 14 = 42 and 2 were no apples",
        "ANSWER: 42 (with 17 left over)",
        "Answer:\n\n42",
        "The answer is 42. I am 99% sure.",
        "First 40, then 2 more. The answer is easy: it is 42",
        "Thus there are **42**.",
        r"Therefore $\boxed{42}$. (3 boxes were checked)",
        r"$$\boxed{x = 42}$$",
        "1. Count: 40\n2. Add 2\n3. So 42",
        "The result would be 42",
        "ANSWER: 42.0",
    ] {
        assert!(
            passes(&rule(42.0), text),
            "{text}: {:?}",
            judge(&rule(42.0), text)
        );
    }
    for text in [
        "ANSWER: 41",
        "42 was my first guess.\nANSWER: 41",
        "ANSWER: 42 + 1 = 43",
        "The answer is not a number",
        "ANSWER: 142",
        "ANSWER: 42000",
        "ANSWER: 4.2",
        "ANSWER: -42",
    ] {
        assert!(!passes(&rule(42.0), text), "{text}");
    }
    assert!(passes(&rule(7.0), "ANSWER: Seven"));
    assert!(passes(&rule(7.0), "ANSWER: **seven** days"));
}

#[test]
fn tolerances_are_absolute_and_relative() {
    let close = NumberRule {
        tolerance: 0.5,
        relative: 0.01,
        ..rule(100.0)
    };
    for (value, expected) in [("101.5", true), ("98.5", true), ("101.6", false)] {
        assert_eq!(
            passes(&close, &format!("ANSWER: {value}")),
            expected,
            "{value}"
        );
    }
}

#[test]
fn units_are_converted_and_times_put_together() {
    let minutes = NumberRule {
        unit: Unit::named("min"),
        ..rule(90.0)
    };
    for text in [
        "90",
        "90 minutes",
        "90min",
        "1.5 hours",
        "1 h 30 min",
        "1h30",
        "1 hour and 30 minutes",
        "5400 s",
        "90 apples",
        r"90\text{ minutes}",
    ] {
        let answer = format!("ANSWER: {text}");
        assert!(
            passes(&minutes, &answer),
            "{answer}: {:?}",
            judge(&minutes, &answer)
        );
    }
    for text in ["90 hours", "1 h 31 min", "90 s", "1.5", "1.5 minutes"] {
        assert!(!passes(&minutes, &format!("ANSWER: {text}")), "{text}");
    }
    let speed = NumberRule {
        unit: Unit::named("km/h"),
        ..rule(72.0)
    };
    assert!(passes(&speed, "ANSWER: 20 m/s"));
    assert!(passes(&speed, "ANSWER: 72 km/h"));
}

#[test]
fn first_last_and_any_take_what_they_say() {
    let taking = |take| NumberRule { take, ..rule(2.0) };
    let text = "1. There are 2 of them\n2. and 3 others, 4 in all";
    assert!(passes(&taking(Take::First), text));
    assert!(passes(&taking(Take::Any), text));
    assert!(!passes(&taking(Take::Last), text));
    assert!(passes(
        &NumberRule {
            take: Take::Last,
            ..rule(4.0)
        },
        text
    ));
    let own = NumberRule {
        marker: Some("Total:".to_owned()),
        ..rule(2.0)
    };
    assert!(passes(&own, "Total: 2\nANSWER: 9"));
    assert_eq!(
        judge(&own, "ANSWER: 2"),
        Verdict::lost("the answer lacks the words behind which the number stands")
    );
}

#[test]
fn the_reason_shows_what_was_found() {
    assert_eq!(
        judge(&rule(42.0), "ANSWER: 41 apples"),
        Verdict::lost("found 41")
    );
    assert_eq!(
        judge(&rule(42.0), "no idea"),
        Verdict::lost("no number in the answer")
    );
    assert_eq!(
        judge(&rule(42.0), "ANSWER: no idea"),
        Verdict::lost("no number where the answer stands: `no idea`")
    );
}

#[test]
fn huge_and_odd_texts_are_read_without_harm() {
    for text in [
        "9".repeat(20_000),
        "1,".repeat(10_000),
        "1.".repeat(10_000),
        "1 111".repeat(5_000),
        "1=".repeat(10_000),
        "\u{202f}1e999e999".repeat(1000),
        r"\boxed{".repeat(10_000),
        "ANSWER: ".repeat(10_000),
    ] {
        for take in [Take::Answer, Take::Any, Take::Last] {
            let _ = judge(&NumberRule { take, ..rule(1.0) }, &text);
        }
    }
}

proptest::proptest! {
    #[test]
    fn any_text_is_judged(text in ".{0,200}") {
        let _ = judge(&rule(1.0), &text);
    }

    #[test]
    fn any_number_is_found_again(value in -1_000_000_i64..1_000_000) {
        let answer = format!("It is clear.\nANSWER: {value}");
        proptest::prop_assert!(passes(&rule(value as f64), &answer));
    }
}
