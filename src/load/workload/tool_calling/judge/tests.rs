//! Tests of the judging of answers: each check by itself.

use proptest::prelude::{prop_assert, prop_assert_eq, proptest};
use serde_json::{Value, json};

use super::{Given, Judge};
use crate::load::stream::ToolCall;
use crate::measure::kind::tool_calling::Share;
use crate::measure::kind::tool_calling::format::CallFormat;
use crate::spec::workload::tool_calling::expectation::{Expectation, Presence, Rule};
use crate::spec::workload::tool_calling::{ExpectedCall, Scenario, Tool, ToolCallingSpec};

fn weather(city: &str) -> ExpectedCall {
    let optional = Expectation {
        presence: Presence::Optional,
        ..Expectation::equals(json!(1))
    };
    ExpectedCall {
        tool: "get_weather".to_owned(),
        arguments: [
            ("city".to_owned(), Expectation::equals(json!(city))),
            ("days".to_owned(), optional),
        ]
        .into(),
        result: Some(json!("sunny")),
    }
}

fn spec(steps: Vec<Vec<ExpectedCall>>) -> ToolCallingSpec {
    let tool = |name: &str, parameters: Value| Tool {
        name: name.to_owned(),
        description: "does it".to_owned(),
        parameters,
    };
    ToolCallingSpec {
        tools: vec![
            tool(
                "get_weather",
                json!({
                    "type": "object",
                    "properties": {
                        "city": { "type": "string" },
                        "days": { "type": "integer", "minimum": 1 },
                        "unit": { "type": "string", "default": "celsius" },
                    },
                    "required": ["city"],
                    "additionalProperties": false,
                }),
            ),
            tool("now", json!({ "type": "object", "properties": {} })),
            tool("hidden", json!({})),
        ],
        scenarios: vec![Scenario {
            name: "s".to_owned(),
            ask: "?".to_owned(),
            tools: vec!["get_weather".to_owned(), "now".to_owned()],
            steps,
            answer: Vec::new(),
        }],
        rounds: 1,
        concurrency: 1,
        max_tokens: 10,
        system: None,
        examples: Vec::new(),
    }
}

fn call(name: &str, arguments: &str) -> ToolCall {
    ToolCall {
        id: Some("c".to_owned()),
        name: name.to_owned(),
        arguments: arguments.to_owned(),
    }
}

fn calls(calls: Vec<ToolCall>) -> Given {
    Given {
        calls,
        output_tokens: Some(20),
        ..Given::default()
    }
}

fn text(content: &str, output: u64) -> Given {
    Given {
        content: content.to_owned(),
        output_tokens: Some(output),
        ..Given::default()
    }
}

#[test]
fn each_check_is_answered_by_itself() {
    let spec = spec(vec![vec![weather("Oslo")]]);
    let judge = Judge::new(&spec).unwrap();
    let scenario = &spec.scenarios[0];
    let share = |n, of| Share { n, of };
    // What came; parsed, right function, valid, right arguments; a word of the fault.
    for (given, parsed, function, valid, arguments, fault) in [
        (
            calls(vec![call("get_weather", r#"{"city": "Oslo"}"#)]),
            true,
            Some(true),
            share(1, 1),
            Some(true),
            None,
        ),
        (
            calls(vec![call(
                "get_weather",
                r#"{"city": "Oslo", "days": 1, "unit": "celsius"}"#,
            )]),
            true,
            Some(true),
            share(1, 1),
            Some(true),
            None,
        ),
        (
            calls(vec![call(
                "get_weather",
                r#"{"city": "Oslo", "unit": "kelvin"}"#,
            )]),
            true,
            Some(true),
            share(1, 1),
            Some(false),
            Some("was not asked for"),
        ),
        (
            calls(vec![call("get_weather", r#"{"city": "Rome"}"#)]),
            true,
            Some(true),
            share(1, 1),
            Some(false),
            Some("city is \"Rome\" instead of \"Oslo\""),
        ),
        (
            calls(vec![call("get_weather", r#"{"city": "Oslo", "days": 0}"#)]),
            true,
            Some(true),
            share(0, 1),
            Some(false),
            Some("against its schema"),
        ),
        (
            calls(vec![call("get_weather", r#"{"city": "Oslo"#)]),
            true,
            Some(true),
            share(0, 1),
            Some(false),
            Some("are no JSON"),
        ),
        (
            calls(vec![call("get_weather", r#""Oslo""#)]),
            true,
            Some(true),
            share(0, 1),
            Some(false),
            Some("no JSON object"),
        ),
        (
            calls(vec![call("now", "")]),
            true,
            Some(false),
            share(1, 1),
            None,
            Some("called now where get_weather was needed"),
        ),
        (
            calls(vec![call("hidden", "{}")]),
            true,
            Some(false),
            share(0, 0),
            None,
            Some("hidden was not offered"),
        ),
        (
            calls(vec![
                call("get_weather", r#"{"city": "Oslo"}"#),
                call("get_weather", r#"{"city": "Oslo"}"#),
            ]),
            true,
            Some(false),
            share(2, 2),
            None,
            Some("called get_weather, get_weather"),
        ),
        (
            text("It is sunny.", 5),
            false,
            None,
            share(0, 0),
            None,
            Some("no call came"),
        ),
        (
            text("", 9),
            false,
            None,
            share(0, 0),
            None,
            Some("though the model wrote"),
        ),
    ] {
        let verdict = judge.step(scenario, &scenario.steps[0], &given);
        assert_eq!(verdict.parsed, parsed, "{given:?}");
        assert_eq!(verdict.right_function, function, "{given:?}");
        assert_eq!(verdict.valid_arguments, valid, "{given:?}");
        assert_eq!(verdict.right_arguments, arguments, "{given:?}");
        assert_eq!(verdict.is_right(), fault.is_none(), "{given:?}");
        match fault {
            Some(fault) => assert!(verdict.faults.join("; ").contains(fault), "{verdict:?}"),
            None => assert_eq!(verdict.faults, [] as [&str; 0]),
        }
    }
}

#[test]
fn parallel_calls_are_matched_in_any_order_and_need_all_of_them() {
    let spec = spec(vec![vec![weather("Oslo"), weather("Rome")]]);
    let judge = Judge::new(&spec).unwrap();
    let scenario = &spec.scenarios[0];
    let oslo = call("get_weather", r#"{"city": "Oslo"}"#);
    let rome = call("get_weather", r#"{"city": "Rome"}"#);
    let both = judge.step(
        scenario,
        &scenario.steps[0],
        &calls(vec![rome.clone(), oslo.clone()]),
    );
    assert!(both.is_right());
    assert_eq!(both.stands_for, [Some(1), Some(0)]);
    let one = judge.step(scenario, &scenario.steps[0], &calls(vec![oslo.clone()]));
    assert_eq!((one.parsed, one.right_function), (true, Some(false)));
    let twice = judge.step(
        scenario,
        &scenario.steps[0],
        &calls(vec![oslo.clone(), oslo]),
    );
    assert_eq!(twice.right_arguments, Some(false));
    assert_eq!(twice.stands_for, [Some(0), Some(1)]);
    let wrong = call("get_weather", r#"{"city": "Bonn"}"#);
    let near = judge.step(scenario, &scenario.steps[0], &calls(vec![wrong, rome]));
    assert_eq!(near.stands_for, [Some(0), Some(1)]);
}

#[test]
fn a_leak_is_no_structured_call_and_never_right() {
    let spec = spec(vec![vec![weather("Oslo")]]);
    let judge = Judge::new(&spec).unwrap();
    let scenario = &spec.scenarios[0];
    let leaked = "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Oslo\"}}\n</tool_call>";
    let verdict = judge.step(scenario, &scenario.steps[0], &text(leaked, 30));
    assert_eq!(verdict.leak.as_ref().unwrap().format, CallFormat::Hermes);
    assert_eq!((verdict.parsed, verdict.right_function), (false, None));
    assert!(!verdict.is_right());
    let mut beside = calls(vec![call("get_weather", r#"{"city": "Oslo"}"#)]);
    beside.content = leaked.to_owned();
    assert!(judge.step(scenario, &scenario.steps[0], &beside).is_right());
}

#[test]
fn words_need_no_call_and_something_said() {
    let spec = spec(Vec::new());
    let judge = Judge::new(&spec).unwrap();
    let scenario = &spec.scenarios[0];
    let words = |must: &[&str], given: &Given| {
        let must: Vec<String> = must.iter().map(|word| (*word).to_owned()).collect();
        let verdict = judge.words(scenario, &must, given);
        (verdict.none_called, verdict.answered)
    };
    assert_eq!(words(&[], &text("Paris.", 3)), (true, true));
    assert_eq!(words(&["paris"], &text("It is PARIS.", 5)), (true, true));
    assert_eq!(words(&["Rome"], &text("Paris.", 3)), (true, false));
    assert_eq!(words(&[], &text(" \n", 1)), (true, false));
    assert_eq!(words(&[], &calls(vec![call("now", "{}")])), (false, false));
    let leaked = "[now()]";
    assert_eq!(words(&[], &text(leaked, 6)), (false, true));
}

#[test]
fn an_empty_answer_is_swallowed_only_if_the_model_wrote_something() {
    assert!(text("", 9).is_swallowed());
    assert!(!text("", 1).is_swallowed());
    assert!(!text("x", 9).is_swallowed());
    let mut thinking = text("", 9);
    thinking.reasoning = "so".to_owned();
    assert!(!thinking.is_swallowed());
    let unknown = Given::default();
    assert!(!unknown.is_swallowed());
}

#[test]
fn streamed_and_whole_agree_when_they_do_the_same() {
    let one = calls(vec![call("now", r#"{"a": 1, "b": 2}"#)]);
    let spaced = calls(vec![call("now", r#"{ "b":2, "a":1.0 }"#)]);
    assert!(one.agrees_with(&calls(vec![call("now", r#"{"b":2,"a":1}"#)])));
    assert!(
        !one.agrees_with(&spaced),
        "1 and 1.0 are written differently by one model"
    );
    assert!(!one.agrees_with(&calls(vec![call("later", r#"{"a": 1, "b": 2}"#)])));
    assert!(!one.agrees_with(&text("now", 3)));
    assert!(text("a", 1).agrees_with(&text("b", 1)));
    assert!(!text("a", 1).agrees_with(&text("", 1)));
    let broken = calls(vec![call("now", "{")]);
    assert!(broken.agrees_with(&broken.clone()));
}

proptest! {
    /// Whatever comes, no check is answered that could not be asked, and nothing is right that
    /// has a fault.
    #[test]
    fn verdicts_are_consistent(
        names in proptest::collection::vec("get_weather|now|hidden|fly", 0..4),
        arguments in "\\{\"city\": \"(Oslo|Rome)\"\\}|\\{\\}|\\[|null|",
        content in "\\PC{0,40}",
    ) {
        let spec = spec(vec![vec![weather("Oslo")]]);
        let judge = Judge::new(&spec).unwrap();
        let scenario = &spec.scenarios[0];
        let given = Given {
            content,
            ..calls(names.iter().map(|name| call(name, &arguments)).collect())
        };
        let verdict = judge.step(scenario, &scenario.steps[0], &given);
        prop_assert_eq!(verdict.parsed, !names.is_empty());
        prop_assert_eq!(verdict.right_function.is_some(), verdict.parsed);
        prop_assert_eq!(verdict.right_arguments.is_some(), verdict.right_function == Some(true));
        prop_assert_eq!(verdict.is_right(), verdict.faults.is_empty());
        prop_assert!(verdict.valid_arguments.n <= verdict.valid_arguments.of);
        prop_assert_eq!(verdict.stands_for.len(), names.len());
    }

    /// `Contains`, `Near` and the others never panic on any value.
    #[test]
    fn rules_take_any_value(number in proptest::num::f64::ANY, text in "\\PC{0,20}") {
        for rule in [
            Rule::Near { number, within: 1.0 },
            Rule::Contains(text.clone()),
            Rule::Equals(json!(text)),
        ] {
            let expected = Expectation { rule, ..Expectation::equals(Value::Null) };
            let _ = expected.accepts(&json!(number));
            let _ = expected.accepts(&json!(text));
        }
    }
}
