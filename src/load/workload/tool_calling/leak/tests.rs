//! Tests of the recognition of leaked calls: on what vLLM's own parsers left of real forms, on
//! texts by hand, and on any text.

use std::collections::BTreeMap;

use proptest::prelude::{prop_assert, proptest};
use serde_json::Value;

use super::{Leak, find};
use crate::measure::kind::tool_calling::format::CallFormat;

const TOOLS: &[&str] = &["get_weather", "now"];

fn parsed() -> Vec<Value> {
    let text = include_str!("../../../../../tests/data/vllm/tool-parsers.json");
    serde_json::from_str(text).unwrap()
}

fn has_calls(row: &Value, field: &str) -> bool {
    row[field].as_array().is_some_and(|calls| !calls.is_empty())
}

/// For each text the parsers of vLLM that found its calls, streamed and whole.
fn readers(rows: &[Value]) -> BTreeMap<String, Vec<String>> {
    let mut readers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows {
        let known = readers.entry(row["text"].as_str().unwrap().to_owned());
        if has_calls(row, "calls") && has_calls(row, "streamed_calls") {
            let parser = row["parser"].as_str().unwrap();
            known.or_default().push(parser.to_owned());
        } else {
            known.or_default();
        }
    }
    readers
}

/// The ground truth: texts as models write them, and what each parser of vLLM 0.32 made of
/// them.
#[test]
fn what_a_parser_of_vllm_leaves_in_the_text_is_recognised_and_the_advice_is_a_parser_that_reads_it()
{
    let rows = parsed();
    let readers = readers(&rows);
    let tried: Vec<&str> = rows
        .iter()
        .filter_map(|row| row["parser"].as_str())
        .collect();
    let mut n_leaks = 0;
    for row in rows.iter().filter(|row| row["ends"] == true) {
        let text = row["text"].as_str().unwrap();
        let able = &readers[text];
        for (calls, content) in [("calls", "content"), ("streamed_calls", "streamed_content")] {
            let Some(left) = row[content].as_str() else {
                continue;
            };
            if able.is_empty() || has_calls(row, calls) || left.trim().is_empty() {
                continue;
            }
            let case = format!("{} on {text:?} left {left:?}", row["parser"]);
            let found = find(left, TOOLS).unwrap_or_else(|| panic!("nothing found: {case}"));
            assert!(!found.names.is_empty(), "{case}");
            for parser in found.format.parsers() {
                if tried.contains(parser) {
                    let reads = able.iter().any(|known| known == parser);
                    // Of several calls, and of thoughts in front, the data have the parser alone
                    // that the text was written for.
                    let asked = rows
                        .iter()
                        .any(|row| row["text"] == text && row["parser"] == *parser);
                    assert!(reads || !asked, "{parser} does not read: {case}");
                }
            }
            n_leaks += 1;
        }
    }
    assert!(n_leaks > 150, "{n_leaks}");
}

#[test]
fn what_names_no_call_is_none_whoever_left_it() {
    for row in parsed() {
        let case = row["case"].as_str().unwrap();
        if [
            "words",
            "angle",
            "thought words",
            "prompted words",
            "no thought",
        ]
        .contains(&case)
        {
            assert_eq!(find(row["text"].as_str().unwrap(), TOOLS), None, "{case}");
        }
    }
}

fn found(text: &str) -> Option<(CallFormat, Vec<String>)> {
    find(text, TOOLS).map(|Leak { format, names }| (format, names))
}

#[test]
fn every_format_is_recognised_by_its_marks() {
    for (text, format) in [
        (
            "Sure.\n<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {}}\n</tool_call>",
            CallFormat::Hermes,
        ),
        (
            "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Par",
            CallFormat::Hermes,
        ),
        (
            "<tool_call>\n<function=get_weather>\n<parameter=city>\nParis\n</parameter>",
            CallFormat::QwenXml,
        ),
        (
            "<function=get_weather>\n<parameter=city>\nParis\n</parameter>\n</function>",
            CallFormat::QwenXml,
        ),
        (
            "<|python_tag|>{\"name\": \"get_weather\", \"parameters\": {\"city\": \"Paris\"}}",
            CallFormat::LlamaJson,
        ),
        (
            "{\"type\": \"function\", \"name\": \"get_weather\", \"parameters\": {}}",
            CallFormat::LlamaJson,
        ),
        (
            "```json\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Paris\"}}\n```",
            CallFormat::LlamaJson,
        ),
        (
            "{\"name\": \"get_weather\", \"parameters\": {\"city\": \"Pa",
            CallFormat::LlamaJson,
        ),
        (
            "{\"name\": \"get_weather\", \"arguments\": {}}\n</tool_call>",
            CallFormat::Hermes,
        ),
        (
            "[TOOL_CALLS] [{\"name\": \"get_weather\", \"arguments\": {}}]",
            CallFormat::Mistral,
        ),
        (
            "[TOOL_CALLS]get_weather{\"city\": \"Paris\"}",
            CallFormat::Mistral,
        ),
        (
            "[TOOL_CALLS]get_weather[ARGS]{\"city\": \"Paris\"}",
            CallFormat::Mistral,
        ),
        (
            "[get_weather(city=\"Par)]is\", days=3)]",
            CallFormat::Pythonic,
        ),
        (
            "I look it up.\n[get_weather(city='Rome', tags=[1, 2])]",
            CallFormat::Pythonic,
        ),
        ("[get_weather(city=\"Pa", CallFormat::Pythonic),
        (
            "[{\"name\": \"get_weather\", \"arguments\": {}}]",
            CallFormat::JsonList,
        ),
        (
            "<tool_calls>[{\"name\": \"get_weather\", \"arguments\": {}}]</tool_calls>",
            CallFormat::TaggedList,
        ),
        (
            "<longcat_tool_call>\n{\"name\": \"get_weather\", \"arguments\": {}}",
            CallFormat::Longcat,
        ),
        (
            "<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Paris</arg_value>\n</tool_call>",
            CallFormat::Glm,
        ),
        (
            "<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:0\
             <|tool_call_argument_begin|>{}<|tool_call_end|>",
            CallFormat::KimiK2,
        ),
        (
            "<minimax:tool_call>\n<invoke name=\"get_weather\">\n<parameter name=\"city\">Paris</parameter>",
            CallFormat::MinimaxM2,
        ),
        (
            "functools[{\"name\": \"get_weather\", \"arguments\": {}}]",
            CallFormat::Phi4Mini,
        ),
        (
            "<seed:tool_call>\n<function=get_weather>\n<parameter=city>Paris</parameter>",
            CallFormat::SeedOss,
        ),
        (
            "<|tool_call_start|>[get_weather(city=\"Paris\")]<|tool_call_end|>",
            CallFormat::Lfm2,
        ),
        (
            "{\"type\": \"function\", \"function\": {\"name\": \"get_weather\", \"arguments\": \"{}\"}}",
            CallFormat::Other,
        ),
        (
            "<function=get_weather>{\"city\": \"Paris\"}</function>",
            CallFormat::Other,
        ),
        ("get_weather(city=\"Paris\")", CallFormat::Other),
    ] {
        let names = vec!["get_weather".to_owned()];
        assert_eq!(found(text), Some((format, names)), "{text}");
    }
}

#[test]
fn several_calls_are_named_once_each() {
    let two =
        "{\"name\": \"now\", \"parameters\": {}}; {\"name\": \"get_weather\", \"parameters\": {}}";
    let names = vec!["now".to_owned(), "get_weather".to_owned()];
    assert_eq!(found(two), Some((CallFormat::LlamaJson, names.clone())));
    assert_eq!(
        found("[now(), get_weather(city=\"Rome\")]"),
        Some((CallFormat::Pythonic, names))
    );
    let twice = "<tool_call>\n<function=now>\n</function>\n</tool_call>\n<tool_call>\n<function=now>\n</function>";
    assert_eq!(
        found(twice),
        Some((CallFormat::QwenXml, vec!["now".to_owned()]))
    );
}

/// A mark carries a call whatever it names: the model called, the tool is its invention.
#[test]
fn a_marked_call_of_an_undeclared_tool_is_a_leak_and_a_bare_one_is_not() {
    let marked = "<tool_call>\n{\"name\": \"fly\", \"arguments\": {}}\n</tool_call>";
    assert_eq!(
        found(marked),
        Some((CallFormat::Hermes, vec!["fly".to_owned()]))
    );
    assert_eq!(found("{\"name\": \"fly\", \"arguments\": {}}"), None);
    assert_eq!(found("[fly(to=\"Rome\")]"), None);
}

#[test]
fn prose_and_code_that_show_json_are_no_leak() {
    for text in [
        "",
        "It is sunny in Paris.",
        "Some models write a <tool_call> tag in front of their calls, others [TOOL_CALLS].",
        "Use `<tool_call>` and `</tool_call>`.",
        "The function get_weather takes a city; call get_weather(city) with it.",
        "```json\n{\"name\": \"Ada\", \"age\": 36}\n```",
        "```json\n{\"name\": \"Ada\", \"arguments\": {\"x\": 1}}\n```",
        "{\"name\": \"get_weather\"}",
        "{\"city\": \"Paris\", \"days\": 3}",
        "[1, 2, 3]",
        "[get_weather]",
        "[see (a), (b)]",
        "A list like [get_weather(city == 1)] compares.",
        "An object such as {\"name\": \"get_weather\", \"arguments\": {}} is what it would send, \
         if it were needed.",
        "```python\ndef get_weather(city):\n    return [city]\n```",
        "for x in [now(y) for y in z]: pass",
        "The functools module has functools.partial.",
        "<function=> is no tag, nor is <function",
        "[TOOL_CALLS]",
        "<tool_call>",
        "{",
        "[[[[",
    ] {
        assert_eq!(found(text), None, "{text}");
    }
}

#[test]
fn a_long_text_is_looked_at_from_its_front() {
    let far = format!(
        "{}\n{{\"name\": \"now\", \"parameters\": {{}}}}",
        "é".repeat(100_000)
    );
    assert_eq!(found(&far), None);
    let nested = "[".repeat(100_000);
    assert_eq!(found(&nested), None);
}

proptest! {
    #[test]
    fn no_text_is_too_strange(text in "\\PC{0,200}") {
        let _ = find(&text, TOOLS);
    }

    #[test]
    fn pieces_of_calls_never_panic(pieces in proptest::collection::vec(0_usize..12, 0..20)) {
        const PIECES: [&str; 12] = [
            "<tool_call>", "{\"name\": \"now\"", ", \"arguments\": {}", "}", "[", "]", "now(",
            "x=\"", ")", "\n", "<｜tool▁call▁begin｜>", "<function=",
        ];
        let text: String = pieces.iter().map(|place| PIECES[*place]).collect();
        let _ = find(&text, TOOLS);
    }

    /// Words alone never make a call.
    #[test]
    fn words_are_no_call(words in proptest::collection::vec("[a-z]{1,8}|get_weather|now", 0..30)) {
        prop_assert!(find(&words.join(" "), TOOLS).is_none());
    }
}
