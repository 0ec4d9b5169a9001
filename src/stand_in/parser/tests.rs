//! Any calls, written in any format and cut anywhere, through the parser that fits.

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop, prop_oneof, proptest};
use serde_json::{Map, Value, json};

use crate::spec::imagined::ToolFormat;
use crate::stand_in::model::tool_call::{Call, Form};
use crate::stand_in::parser::delta::{Delta, ToolReader};
use crate::stand_in::parser::guided::{GuidedCalls, NamedCall};
use crate::stand_in::parser::parameters::Thoughts;
use crate::stand_in::parser::registry::tool_parser;

/// Texts with everything in them that means something to one of the formats, but its tags.
fn text() -> impl Strategy<Value = String> {
    const BRACKETS: &str = "[a-z{}()<>=,:;\"'\\\\` é漢🦀\\[\\]]{1,8}";
    prop_oneof![
        "[a-z ]{0,8}",
        // Line breaks at either end belong to the tags of Qwen's format.
        (BRACKETS, BRACKETS).prop_map(|(front, back)| format!("{front}\n{back}")),
        Just("</tool".to_owned()),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        text().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<i16>().prop_map(|number| json!(f64::from(number) + 0.5)),
        any::<bool>().prop_map(Value::from),
    ];
    scalar.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            vec(("[a-z]{1,6}", inner), 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let arguments = vec(("[a-z][a-z_]{0,6}", value()), 0..4);
    let call = ("[a-z][a-z_]{0,8}", arguments).prop_map(|(name, arguments)| Call {
        name,
        arguments: arguments.into_iter().collect(),
    });
    vec(call, 1..4)
}

/// Tools of which these are calls.
fn tools(calls: &[Call]) -> Vec<Value> {
    let kind = |value: &Value| match value {
        Value::String(_) | Value::Null => "string",
        Value::Number(number) if number.is_i64() => "integer",
        Value::Number(_) => "number",
        Value::Bool(_) => "boolean",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    calls
        .iter()
        .map(|call| {
            let arguments = call.arguments.iter();
            let properties: Map<String, Value> = arguments
                .map(|(name, value)| (name.clone(), json!({"type": kind(value)})))
                .collect();
            json!({"function": {"name": call.name, "parameters": {"properties": properties}}})
        })
        .collect()
}

/// Content, and name and arguments of each call.
type Heard = (String, Vec<(String, String)>);

/// What a reader hears in a text that is cut into pieces of these lengths.
fn heard(reader: &mut dyn ToolReader, text: &str, cuts: &[usize]) -> Heard {
    let mut letters = text.chars().peekable();
    let mut content = String::new();
    let mut calls: Vec<(String, String)> = Vec::new();
    let mut hear = |delta: Delta| {
        content.push_str(&delta.content.unwrap_or_default());
        for call in delta.calls {
            if let Some(name) = call.name {
                assert_eq!(call.index, calls.len(), "a call begins out of turn");
                calls.push((name, String::new()));
            }
            calls[call.index]
                .1
                .push_str(&call.arguments.unwrap_or_default());
        }
    };
    for length in cuts.iter().cycle() {
        let mut delta = Delta::default();
        let piece: String = letters.by_ref().take(*length).collect();
        reader.read(&piece, &mut delta);
        if letters.peek().is_none() {
            reader.end(&mut delta);
            hear(delta);
            break;
        }
        hear(delta);
    }
    (content, calls)
}

proptest! {
    #[test]
    fn fragments_are_the_whole_and_the_whole_is_what_was_called(
        format in prop::sample::select(&ToolFormat::ALL[1..]),
        mut calls in calls(),
        cuts in vec(1..9_usize, 1..20),
        speaks in any::<bool>(),
    ) {
        // Calls of one tool have one schema.
        let mut seen = std::collections::HashSet::new();
        calls.retain(|call| seen.insert(call.name.clone()));
        if format == ToolFormat::Internlm {
            calls.truncate(1);
        }
        let may_speak = !matches!(format, ToolFormat::Pythonic | ToolFormat::Llama3Json | ToolFormat::Xlam);
        let before = if speaks && may_speak { "Well: " } else { "" };
        let text = before.to_owned() + &Form::of(format).unwrap().write(&calls);
        let parser = tool_parser(format.name()).unwrap();
        let tools = tools(&calls);
        let (content, streamed) = heard(&mut *parser.reader(&tools, Thoughts::Text), &text, &cuts);
        let whole = parser.reader(&tools, Thoughts::Text).whole(&text);
        assert_eq!(whole.calls, streamed, "{text}");
        assert_eq!(content.trim_end(), before.trim_end(), "{text}");
        assert_eq!(whole.content.unwrap_or_default().trim_end(), before.trim_end(), "{text}");
        let written: Vec<(String, Value)> = calls
            .iter()
            .map(|call| (call.name.clone(), Value::Object(call.arguments.clone())))
            .collect();
        let read: Vec<(String, Value)> = whole
            .calls
            .iter()
            .map(|(name, arguments)| (name.clone(), serde_json::from_str(arguments).unwrap()))
            .collect();
        assert_eq!(read, written, "{text}");
    }

    #[test]
    fn forced_calls_are_read_without_a_parser(
        calls in calls(),
        cuts in vec(1..9_usize, 1..20),
    ) {
        let text = Form::Guided.write(&calls);
        let (_, streamed) = heard(&mut GuidedCalls::new(), &text, &cuts);
        assert_eq!(GuidedCalls::new().whole(&text).calls, streamed);
        let names: Vec<&str> = streamed.iter().map(|(name, _)| name.as_str()).collect();
        let written: Vec<&str> = calls.iter().map(|call| call.name.as_str()).collect();
        assert_eq!(names, written);
        let text = Form::Arguments.write(&calls);
        let (_, streamed) = heard(&mut NamedCall::new("f"), &text, &cuts);
        assert_eq!(NamedCall::new("f").whole(&text).calls, streamed);
        let arguments: Map<String, Value> = serde_json::from_str(&streamed[0].1).unwrap();
        assert_eq!(arguments, calls[0].arguments);
    }

    /// No text upsets a parser, and whatever it hears it hears in every cut.
    #[test]
    fn any_text_is_read(
        text in "(<tool_call>|</tool_call>|<function=|<parameter=|</parameter>|\\[TOOL_CALLS\\]|<｜tool▁call▁begin｜>|<｜tool▁calls▁begin｜>|<｜tool▁sep｜>|[a-z{}()\"=:>\\[\\], \n\\\\]{1,4}){0,12}",
        format in prop::sample::select(&ToolFormat::ALL[1..]),
        cuts in vec(1..9_usize, 1..20),
    ) {
        let reader = || tool_parser(format.name()).unwrap().reader(&[], Thoughts::Text);
        let (content, calls) = heard(&mut *reader(), &text, &cuts);
        let (at_once, same) = heard(&mut *reader(), &text, &[usize::MAX]);
        assert_eq!((content, calls), (at_once, same));
        let whole = reader().whole(&text);
        assert!(whole.content.is_none_or(|content| content.len() <= text.len()));
    }
}
