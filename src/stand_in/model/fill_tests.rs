//! Arguments out of all kinds of texts.

use serde_json::json;

use super::*;

fn filled(properties: Value, required: &[&str], texts: &[&str]) -> Value {
    let schema = json!({"type": "object", "properties": properties, "required": required});
    Value::Object(fill(&schema, texts))
}

#[test]
fn values_come_from_the_text_by_type_and_by_the_words_around_them() {
    let text =
        "Book a direct flight from Oslo to New York on 2026-12-01 for 2 adults in business class";
    let properties = json!({
        "destination": {"type": "string"},
        "origin": {"type": "string"},
        "date": {"type": "string", "format": "date"},
        "adults": {"type": "integer"},
        "class": {"type": "string", "enum": ["economy", "business"]},
        "direct": {"type": "boolean"},
        "meal": {"type": "string"},
    });
    assert_eq!(
        filled(properties, &["origin", "destination", "date"], &[text]),
        json!({
            "destination": "New York", "origin": "Oslo", "date": "2026-12-01", "adults": 2,
            "class": "business", "direct": true,
        })
    );
}

#[test]
fn required_values_are_always_there_and_optional_ones_only_when_named() {
    let properties = json!({
        "city": {"type": "string", "maxLength": 5},
        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
        "days": {"type": "integer", "minimum": 1, "maximum": 7},
        "detailed": {"type": "boolean", "default": false},
    });
    let ask = |required: &[&str], text: &str| filled(properties.clone(), required, &[text]);
    assert_eq!(ask(&["city"], "weather in paris"), json!({"city": "paris"}));
    assert_eq!(
        ask(
            &["city", "unit", "days", "detailed"],
            "How is it in Barcelona?"
        ),
        json!({"city": "Barce", "unit": "celsius", "days": 1, "detailed": false})
    );
    assert_eq!(
        ask(
            &["city"],
            "Weather in Rome, in Fahrenheit, not detailed, for 30 days"
        ),
        json!({"city": "Rome", "unit": "fahrenheit", "days": 7, "detailed": false})
    );
}

#[test]
fn nested_values_lists_and_references_are_filled() {
    let schema = json!({
        "type": "object",
        "properties": {
            "numbers": {"type": "array", "items": {"type": "number"}},
            "person": {"$ref": "#/$defs/Person"},
            "tags": {"anyOf": [{"type": "null"}, {"type": "array", "items": {"type": "string"}}]},
        },
        "required": ["numbers", "person", "tags"],
        "$defs": {"Person": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "email": {"type": "string"}},
            "required": ["name", "email"],
        }},
    });
    let text = "Add 3, 4.5 and 10 for a person named Ada, email ada@x.org, tags 'a' and 'b'";
    assert_eq!(
        Value::Object(fill(&schema, &[text])),
        json!({"numbers": [3, 4.5, 10], "person": {"name": "Ada", "email": "ada@x.org"}, "tags": ["a", "b"]})
    );
}

#[test]
fn what_the_request_does_not_say_comes_from_earlier_texts() {
    let properties = json!({"user_id": {"type": "string"}, "body": {"type": "string"}});
    assert_eq!(
        filled(
            properties,
            &["user_id", "body"],
            &["then send 'well done' to them", "{\"user_id\": \"u_77\"}"]
        ),
        json!({"user_id": "u_77", "body": "well done"})
    );
    let expression = json!({"expression": {"type": "string"}});
    assert_eq!(
        filled(expression, &["expression"], &["What is (12 + 5) * 3?"]),
        json!({"expression": "(12 + 5) * 3"})
    );
}

#[test]
fn choices_are_those_that_their_parameters_announce_and_no_two_parameters_share_one() {
    let currencies = ["CHF", "EUR", "JPY", "USD"];
    let properties = json!({
        "from": {"type": "string", "enum": currencies},
        "to": {"type": "string", "enum": currencies},
    });
    let ask = |text: &str| filled(properties.clone(), &["from", "to"], &[text]);
    for text in [
        "Convert 40 USD to CHF.",
        "What are 40 USD in CHF?",
        "How much to CHF from USD?",
    ] {
        assert_eq!(ask(text), json!({"from": "USD", "to": "CHF"}), "{text}");
    }
    assert_eq!(ask("From EUR?"), json!({"from": "EUR", "to": "EUR"}));
}
