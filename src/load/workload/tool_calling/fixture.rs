//! A small workload for the tests of this folder.

use serde_json::json;

use crate::spec::workload::tool_calling::expectation::Expectation;
use crate::spec::workload::tool_calling::{ExpectedCall, Scenario, Tool, ToolCallingSpec};

/// Two tools; one simple, one chained scenario, and one that needs no tool.
pub fn spec() -> ToolCallingSpec {
    let tool = |name: &str, argument: &str, kind: &str| Tool {
        name: name.to_owned(),
        description: format!("to {name}"),
        parameters: json!({
            "type": "object",
            "properties": { argument: { "type": kind } },
            "required": [argument],
            "additionalProperties": false,
        }),
    };
    let call = |name: &str, argument: &str, value: serde_json::Value, result| ExpectedCall {
        tool: name.to_owned(),
        arguments: [(argument.to_owned(), Expectation::equals(value))].into(),
        result,
    };
    let scenario =
        |name: &str, ask: &str, steps: Vec<Vec<ExpectedCall>>, answer: &[&str]| Scenario {
            name: name.to_owned(),
            ask: ask.to_owned(),
            tools: vec!["find".to_owned(), "pay".to_owned()],
            steps,
            answer: answer.iter().map(|word| (*word).to_owned()).collect(),
        };
    ToolCallingSpec {
        tools: vec![tool("find", "name", "string"), tool("pay", "id", "integer")],
        scenarios: vec![
            scenario(
                "one",
                "Find Ada.",
                vec![vec![call("find", "name", json!("Ada"), None)]],
                &[],
            ),
            scenario(
                "chain",
                "Find Ada, then pay her.",
                vec![
                    vec![call("find", "name", json!("Ada"), Some(json!({ "id": 7 })))],
                    vec![call("pay", "id", json!(7), Some(json!("receipt R9")))],
                ],
                &["R9"],
            ),
            scenario("none", "Hello.", Vec::new(), &[]),
        ],
        rounds: 1,
        concurrency: 1,
        max_tokens: 64,
        system: None,
        examples: Vec::new(),
    }
}

pub fn chain(spec: &ToolCallingSpec) -> &Scenario {
    &spec.scenarios[1]
}
