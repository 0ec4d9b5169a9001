//! Which tools the imagined model calls, and when it answers in words instead: decided by the
//! words of the conversation alone, so that equal conversations end alike. A stand-in's
//! understanding, no more: it matches words.

use std::collections::HashSet;

use serde_json::Value;

use crate::stand_in::model::fill::fill;
use crate::stand_in::model::tokens::content_of;
use crate::stand_in::model::tool_call::Call;
use crate::stand_in::model::words::{Join, Kind, significant, things};

/// Most characters of a tool's result that an answer quotes.
const QUOTE: usize = 600;
/// A clause must match a tool this well to ask for another call.
const ANOTHER: usize = NAME;
const NAME: usize = 4;
const PARAMETER: usize = 2;

/// What a request demands of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand<'a> {
    /// Calls or words, as the model likes.
    Free,
    /// At least one call.
    Some,
    /// A call of this function.
    Named(&'a str),
}

/// What the model wants to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Intent {
    Calls(Vec<Call>),
    /// Say this.
    Reply(String),
    /// Say anything.
    Words,
}

struct Tool<'a> {
    name: &'a str,
    parameters: &'a Value,
    name_words: HashSet<String>,
    parameter_words: HashSet<String>,
    other_words: HashSet<String>,
}

/// Decides what comes next in a conversation.
pub fn decide(messages: &[Value], tools: &[Value], demand: Demand<'_>) -> Intent {
    let tools: Vec<Tool<'_>> = tools.iter().filter_map(Tool::read).collect();
    let asked_at = messages
        .iter()
        .rposition(|message| message["role"] == "user");
    let request = asked_at.map_or_else(String::new, |place| content_of(&messages[place]));
    let since = &messages[asked_at.map_or(0, |place| place + 1)..];
    let results: Vec<String> = since
        .iter()
        .filter(|message| message["role"] == "tool")
        .map(content_of)
        .collect();
    let called = since
        .iter()
        .filter(|message| {
            message["tool_calls"]
                .as_array()
                .is_some_and(|calls| !calls.is_empty())
        })
        .count();
    let rounds = rounds(&request, &tools);
    let round = match demand {
        Demand::Free => rounds.into_iter().nth(called),
        Demand::Some => {
            let last = rounds.len().saturating_sub(1);
            let round = rounds.into_iter().nth(called.min(last));
            round.or_else(|| tools.first().map(|tool| vec![(tool, request.clone())]))
        }
        Demand::Named(name) => tools
            .iter()
            .find(|tool| tool.name == name)
            .map(|tool| vec![(tool, request.clone())]),
    };
    if let Some(round) = round {
        let mut earlier: Vec<&str> = results.iter().rev().map(String::as_str).collect();
        earlier.insert(usize::from(!earlier.is_empty()), &request);
        let calls = round
            .iter()
            .flat_map(|(tool, clause)| tool.calls(clause, &earlier));
        return Intent::Calls(calls.collect());
    }
    if results.is_empty() {
        return Intent::Words;
    }
    let told: Vec<String> = results
        .iter()
        .map(|result| result.chars().take(QUOTE).collect())
        .collect();
    Intent::Reply(format!("This is what I found: {}", told.join("; ")))
}

impl<'a> Tool<'a> {
    fn read(tool: &'a Value) -> Option<Self> {
        let function = &tool["function"];
        let name = function["name"].as_str()?;
        let mut other = significant(function["description"].as_str().unwrap_or_default());
        let mut parameter_words = HashSet::new();
        for (name, schema) in function["parameters"]["properties"]
            .as_object()
            .into_iter()
            .flatten()
        {
            parameter_words.extend(significant(name));
            for choice in schema["enum"].as_array().into_iter().flatten() {
                parameter_words.extend(significant(choice.as_str().unwrap_or_default()));
            }
            other.extend(significant(
                schema["description"].as_str().unwrap_or_default(),
            ));
        }
        Some(Self {
            name,
            parameters: &function["parameters"],
            name_words: significant(name).into_iter().collect(),
            parameter_words,
            other_words: other.into_iter().collect(),
        })
    }

    /// How much a text sounds like this tool; 0 is not at all.
    fn score(&self, words: &HashSet<String>) -> usize {
        words
            .iter()
            .map(|word| {
                if self.name_words.contains(word) {
                    NAME
                } else if self.parameter_words.contains(word) {
                    PARAMETER
                } else {
                    usize::from(self.other_words.contains(word))
                }
            })
            .sum()
    }

    /// The calls that one clause asks for: one for each of several things that are joined, where
    /// the tool takes one.
    fn calls(&self, clause: &str, earlier: &[&str]) -> Vec<Call> {
        let joined = if self.takes_one_thing() {
            joined_things(clause)
        } else {
            Vec::new()
        };
        let clauses = if joined.is_empty() {
            vec![clause.to_owned()]
        } else {
            joined
        };
        clauses
            .iter()
            .map(|clause| {
                let texts: Vec<&str> = std::iter::once(clause.as_str())
                    .chain(earlier.iter().copied())
                    .collect();
                Call {
                    name: self.name.to_owned(),
                    arguments: fill(self.parameters, &texts),
                }
            })
            .collect()
    }

    /// Exactly one required parameter holds a text or a number of the caller's choice.
    fn takes_one_thing(&self) -> bool {
        let required = self.parameters["required"].as_array();
        let open = required
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(|name| &self.parameters["properties"][name])
            .filter(|schema| schema.get("enum").is_none());
        let mut kinds = open.map(|schema| schema["type"].as_str().unwrap_or("string"));
        matches!(
            (kinds.next(), kinds.next()),
            (Some("string" | "integer" | "number"), None)
        )
    }
}

/// A clause that joins things ("in Paris and Rome"), once for each with the others left out.
fn joined_things(clause: &str) -> Vec<String> {
    let found = things(clause);
    let Some(first) = found
        .windows(2)
        .position(|pair| pair[1].joined.is_some() && pair[0].kind == pair[1].kind)
    else {
        return Vec::new();
    };
    let rest = &found[first..];
    let n = 1 + rest[1..]
        .iter()
        .take_while(|thing| thing.joined.is_some() && thing.kind == rest[0].kind)
        .count();
    let group = &rest[..n];
    // Commas alone may as well belong to one thing.
    if rest[0].kind == Kind::Quotation || group.iter().all(|thing| thing.joined != Some(Join::Word))
    {
        return Vec::new();
    }
    group
        .iter()
        .map(|kept| {
            let mut text = clause.to_owned();
            for other in group.iter().filter(|other| other.text != kept.text) {
                text = text.replacen(&other.text, "", 1);
            }
            text
        })
        .collect()
}

/// The calls that a request asks for, one round after the other: each tool with the part of
/// the request that names it.
fn rounds<'t, 'a>(request: &str, tools: &'t [Tool<'a>]) -> Vec<Vec<(&'t Tool<'a>, String)>> {
    let mut rounds = Vec::new();
    for step in steps(request) {
        let mut round: Vec<(&Tool<'_>, String)> = Vec::new();
        // What stands in front of the first clause that names a tool.
        let mut before = String::new();
        for clause in clauses(step) {
            let words: HashSet<String> = significant(clause).into_iter().collect();
            let best = tools
                .iter()
                .map(|tool| (tool.score(&words), tool))
                // Of equals the first counts.
                .rev()
                .max_by_key(|(score, _)| *score)
                .filter(|(score, _)| *score > 0);
            match (best, round.last_mut()) {
                (None, None) => append(&mut before, clause),
                (None, Some((_, text))) => append(text, clause),
                (Some((score, tool)), Some((last, text))) => {
                    if score < ANOTHER {
                        append(text, clause);
                    } else if last.name != tool.name && points_back(clause) {
                        rounds.push(std::mem::take(&mut round));
                        round.push((tool, clause.to_owned()));
                    } else {
                        round.push((tool, clause.to_owned()));
                    }
                }
                (Some((_, tool)), None) => {
                    let mut text = std::mem::take(&mut before);
                    append(&mut text, clause);
                    round.push((tool, text));
                }
            }
        }
        if !round.is_empty() {
            rounds.push(round);
        }
    }
    rounds
}

fn append(text: &mut String, clause: &str) {
    if !text.is_empty() {
        text.push_str(" and ");
    }
    text.push_str(clause);
}

/// Whether a clause speaks of what another one brings.
fn points_back(clause: &str) -> bool {
    clause
        .to_lowercase()
        .split(|letter: char| !letter.is_alphanumeric())
        .any(|word| ["it", "its", "them", "that", "result", "results"].contains(&word))
}

/// The parts of a request that come one after the other.
fn steps(request: &str) -> Vec<&str> {
    split(
        request,
        &[
            "and then ",
            "then ",
            "after that ",
            "afterwards ",
            "finally ",
        ],
    )
}

/// The parts of a step that may ask for different things.
fn clauses(step: &str) -> Vec<&str> {
    split(step, &["and ", ". ", "; ", "? ", "! "])
}

/// Splits a text at every one of some words or signs; only whole words count.
fn split<'a>(text: &'a str, borders: &[&str]) -> Vec<&'a str> {
    // The same letters in the same places, whatever their case.
    let lower = text.to_ascii_lowercase();
    let (mut parts, mut start, mut at) = (Vec::new(), 0, 0);
    while at < text.len() {
        let border = borders.iter().find(|border| {
            let is_word = border.starts_with(|letter: char| letter.is_alphabetic());
            let free = !is_word || at == 0 || !lower.as_bytes()[at - 1].is_ascii_alphanumeric();
            free && lower.as_bytes()[at..].starts_with(border.as_bytes())
        });
        if let Some(border) = border {
            parts.push(&text[start..at]);
            at += border.len();
            start = at;
        } else {
            at += 1;
        }
    }
    parts.push(&text[start..]);
    parts.retain(|part| part.contains(char::is_alphanumeric));
    parts
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
    use serde_json::json;

    use super::*;

    fn tool(name: &str, description: &str, properties: &Value, required: &[&str]) -> Value {
        json!({"type": "function", "function": {
            "name": name, "description": description,
            "parameters": {"type": "object", "properties": properties, "required": required},
        }})
    }

    fn tools() -> Vec<Value> {
        let text = json!({"type": "string"});
        vec![
            tool(
                "get_weather",
                "Get the weather for a city",
                &json!({"city": text}),
                &["city"],
            ),
            tool(
                "get_time",
                "The local time of a place",
                &json!({"place": text}),
                &["place"],
            ),
            tool(
                "search_flights",
                "Search flights between two cities",
                &json!({"origin": text, "destination": text}),
                &["origin", "destination"],
            ),
            tool(
                "book_flight",
                "Book a flight by its id",
                &json!({"flight_id": text}),
                &["flight_id"],
            ),
            tool("factorial", "", &json!({"n": {"type": "integer"}}), &["n"]),
        ]
    }

    fn calls_of(messages: &Value, demand: Demand<'_>) -> String {
        match decide(messages.as_array().unwrap(), &tools(), demand) {
            Intent::Calls(calls) => calls
                .iter()
                .map(|call| format!("{}{}", call.name, Value::Object(call.arguments.clone())))
                .collect::<Vec<_>>()
                .join(" "),
            Intent::Reply(text) => text,
            Intent::Words => "words".to_owned(),
        }
    }

    fn asked(text: &str) -> String {
        calls_of(&json!([{"role": "user", "content": text}]), Demand::Free)
    }

    #[test]
    fn the_tool_that_a_request_names_is_called() {
        for (text, calls) in [
            (
                "What is the weather in Paris?",
                r#"get_weather{"city":"Paris"}"#,
            ),
            (
                "I need flights from Oslo to Rome, please",
                r#"search_flights{"origin":"Oslo","destination":"Rome"}"#,
            ),
            (
                "What's the weather like in San Francisco, CA?",
                r#"get_weather{"city":"San Francisco, CA"}"#,
            ),
            ("Who wrote Faust?", "words"),
        ] {
            assert_eq!(asked(text), calls, "{text}");
        }
    }

    #[test]
    fn joined_things_and_joined_clauses_are_parallel_calls() {
        for (text, calls) in [
            (
                "What is the weather in Paris and New York?",
                r#"get_weather{"city":"Paris"} get_weather{"city":"New York"}"#,
            ),
            (
                "Compare the weather of Paris, Rome and Oslo.",
                r#"get_weather{"city":"Paris"} get_weather{"city":"Rome"} get_weather{"city":"Oslo"}"#,
            ),
            (
                "Give me the weather in Paris and the time in Tokyo",
                r#"get_weather{"city":"Paris"} get_time{"place":"Tokyo"}"#,
            ),
            (
                "factorial of 5 and 7",
                r#"factorial{"n":5} factorial{"n":7}"#,
            ),
            (
                "Search flights from Oslo to Rome",
                r#"search_flights{"origin":"Oslo","destination":"Rome"}"#,
            ),
        ] {
            assert_eq!(asked(text), calls, "{text}");
        }
    }

    #[test]
    fn a_second_step_is_called_after_the_first_has_answered() {
        for text in [
            "Search flights from Oslo to Rome and then book the cheapest flight",
            "Search flights from Oslo to Rome and book it.",
        ] {
            let mut messages = json!([{"role": "user", "content": text}]);
            let first = r#"search_flights{"origin":"Oslo","destination":"Rome"}"#;
            assert_eq!(calls_of(&messages, Demand::Free), first);
            let turn = |id: &str, result: &str| {
                [
                    json!({"role": "assistant", "content": null, "tool_calls": [
                        {"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}}]}),
                    json!({"role": "tool", "tool_call_id": id, "content": result}),
                ]
            };
            let list = messages.as_array_mut().unwrap();
            list.extend(turn("a", r#"[{"flight_id": "SK-4711", "price": 90}]"#));
            assert_eq!(
                calls_of(&messages, Demand::Free),
                r#"book_flight{"flight_id":"SK-4711"}"#
            );
            messages
                .as_array_mut()
                .unwrap()
                .extend(turn("b", "booked, seat 12F"));
            assert_eq!(
                calls_of(&messages, Demand::Free),
                r#"This is what I found: [{"flight_id": "SK-4711", "price": 90}]; booked, seat 12F"#
            );
        }
    }

    #[test]
    fn a_demand_is_met_whatever_the_request_says() {
        let messages = json!([{"role": "user", "content": "Hello Ada"}]);
        assert_eq!(calls_of(&messages, Demand::Free), "words");
        assert_eq!(
            calls_of(&messages, Demand::Some),
            r#"get_weather{"city":"Ada"}"#
        );
        assert_eq!(
            calls_of(&messages, Demand::Named("get_time")),
            r#"get_time{"place":"Ada"}"#
        );
    }

    /// Any JSON, with the words of schemas in it.
    fn any_json() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "(string|integer|array|object|boolean|number|#/properties/a|é)".prop_map(Value::from),
        ];
        let key =
            "(a|type|properties|required|items|enum|const|default|minimum|anyOf|\\$ref|maxLength)";
        scalar.prop_recursive(5, 40, 4, move |inner| {
            prop_oneof![
                vec(inner.clone(), 0..4).prop_map(Value::from),
                vec((key, inner), 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_conversation_with_any_tools_is_decided_alike_every_time(
            words in "(get|weather|Paris|a|,|'é|\"|and|then|it|7|-|1e9|\\.| |🦀\n){0,30}",
            result in any_json(),
            parameters in any_json(),
        ) {
            let tools = [json!({"function": {"name": "get_weather", "parameters": parameters}})];
            let messages = [
                json!({"role": "user", "content": words}),
                json!({"role": "assistant", "tool_calls": [{}]}),
                json!({"role": "tool", "content": result.to_string()}),
            ];
            for demand in [Demand::Free, Demand::Some, Demand::Named("get_weather")] {
                for n in [1, 3] {
                    let intent = decide(&messages[..n], &tools, demand);
                    assert_eq!(intent, decide(&messages[..n], &tools, demand));
                    let calls = matches!(&intent, Intent::Calls(calls) if !calls.is_empty());
                    assert!(calls || demand == Demand::Free, "{intent:?}");
                }
            }
        }
    }
}
