//! The messages of a scenario, and the bodies of its requests.
//!
//! Pure. What the tools answer is the scenario's: nothing is ever executed.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::load::workload::tool_calling::judge::{Given, StepVerdict};
use crate::spec::workload::tool_calling::{ExpectedCall, Scenario, ToolCallingSpec};

/// What a request says beside its messages.
#[derive(Debug, Clone, Copy)]
pub struct Manner<'a> {
    pub model: &'a str,
    pub max_tokens: u32,
    pub seed: u64,
    pub streamed: bool,
}

/// Whether the template is told of the tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    Tools,
    Nothing,
}

/// What was said so far in one scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversation {
    messages: Vec<Value>,
    tools: Value,
}

impl Conversation {
    /// It begins with what stands in front of every scenario, and the question.
    pub fn new(spec: &ToolCallingSpec, scenario: &Scenario) -> Self {
        let mut messages = Vec::new();
        if let Some(system) = &spec.system {
            messages.push(json!({ "role": "system", "content": system }));
        }
        for example in &spec.examples {
            messages.push(json!({ "role": "user", "content": example.user }));
            messages.push(json!({ "role": "assistant", "content": example.assistant }));
        }
        messages.push(json!({ "role": "user", "content": scenario.ask }));
        let tools = spec.offered(scenario).map(|tool| {
            json!({
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.parameters,
                },
            })
        });
        Self {
            messages,
            tools: Value::Array(tools.collect()),
        }
    }

    /// The JSON body of the next request: temperature 0 and a seed; the model stops by itself.
    pub fn body(&self, manner: Manner<'_>) -> Bytes {
        let mut body = json!({
            "model": manner.model,
            "messages": self.messages,
            "tools": self.tools,
            "tool_choice": "auto",
            "max_tokens": manner.max_tokens,
            "temperature": 0,
            // vLLM takes seeds as signed 64-bit integers.
            "seed": manner.seed & i64::MAX as u64,
            "stream": manner.streamed,
        });
        if manner.streamed {
            body["stream_options"] = json!({ "include_usage": true });
        }
        Bytes::from(body.to_string())
    }

    /// The chat as `/tokenize` is asked for it.
    pub fn chat(&self, offer: Offer) -> Value {
        match offer {
            Offer::Tools => json!({ "messages": self.messages, "tools": self.tools }),
            Offer::Nothing => json!({ "messages": self.messages }),
        }
    }

    /// Adds an answer with calls, and what the tools say to them.
    pub fn feed_back(&mut self, given: &Given, verdict: &StepVerdict, expected: &[ExpectedCall]) {
        // Calls need ids, and Mistral's template wants nine letters or digits.
        let id = |place: usize, id: &Option<String>| {
            id.clone().unwrap_or_else(|| format!("call{place:05}"))
        };
        let calls = given.calls.iter().enumerate().map(|(place, call)| {
            let arguments = match call.arguments.trim() {
                "" => "{}",
                arguments => arguments,
            };
            json!({
                "id": id(place, &call.id),
                "type": "function",
                "function": { "name": call.name, "arguments": arguments },
            })
        });
        self.messages.push(json!({
            "role": "assistant",
            "content": given.content,
            "tool_calls": calls.collect::<Vec<_>>(),
        }));
        for (place, (call, stands_for)) in given.calls.iter().zip(&verdict.stands_for).enumerate() {
            let result = stands_for
                .and_then(|place| expected.get(place))
                .and_then(|expected| expected.result.as_ref());
            let content = match result {
                Some(Value::String(text)) => text.clone(),
                Some(result) => result.to_string(),
                None => "null".to_owned(),
            };
            self.messages.push(json!({
                "role": "tool",
                "tool_call_id": id(place, &call.id),
                "content": content,
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::stream::ToolCall;
    use crate::load::workload::tool_calling::fixture;
    use crate::load::workload::tool_calling::judge::Judge;
    use crate::spec::workload::tool_calling::Example;

    fn manner(streamed: bool) -> Manner<'static> {
        Manner {
            model: "m",
            max_tokens: 64,
            seed: u64::MAX,
            streamed,
        }
    }

    fn read(body: &Bytes) -> Value {
        serde_json::from_slice(body).unwrap()
    }

    #[test]
    fn a_request_stops_by_itself_at_temperature_0_with_a_seed() {
        let mut spec = fixture::spec();
        spec.system = Some("Be brief.".to_owned());
        spec.examples = vec![Example {
            user: "hi".to_owned(),
            assistant: "ho".to_owned(),
        }];
        let said = Conversation::new(&spec, fixture::chain(&spec));
        let body = read(&said.body(manner(true)));
        assert_eq!(body["temperature"], 0);
        assert_eq!(body["seed"], i64::MAX);
        assert_eq!(body["max_tokens"], 64);
        assert_eq!(body.get("ignore_eos"), None);
        assert_eq!(body["tool_choice"], "auto");
        assert_eq!(body["stream_options"]["include_usage"], true);
        let roles: Vec<&str> = body["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|message| message["role"].as_str().unwrap())
            .collect();
        assert_eq!(roles, ["system", "user", "assistant", "user"]);
        assert_eq!(body["tools"].as_array().unwrap().len(), spec.tools.len());
        let whole = read(&said.body(manner(false)));
        assert_eq!(
            (&whole["stream"], whole.get("stream_options")),
            (&json!(false), None)
        );
        let (with, without) = (said.chat(Offer::Tools), said.chat(Offer::Nothing));
        assert_eq!(with["tools"], body["tools"]);
        assert_eq!(without.get("tools"), None);
        assert_eq!(with["messages"], without["messages"]);
    }

    #[test]
    fn results_are_fed_back_to_the_calls_that_they_belong_to() {
        let spec = fixture::spec();
        let scenario = fixture::chain(&spec);
        let given = Given {
            calls: vec![ToolCall {
                id: Some("x1".to_owned()),
                name: "find".to_owned(),
                arguments: "{\"name\": \"Ada\"}".to_owned(),
            }],
            ..Given::default()
        };
        let judge = Judge::new(&spec).unwrap();
        let verdict = judge.step(scenario, &scenario.steps[0], &given);
        let mut said = Conversation::new(&spec, scenario);
        said.feed_back(&given, &verdict, &scenario.steps[0]);
        let messages = &read(&said.body(manner(false)))["messages"];
        assert_eq!(messages[1]["tool_calls"][0]["id"], "x1");
        assert_eq!(
            messages[1]["tool_calls"][0]["function"]["arguments"],
            "{\"name\": \"Ada\"}"
        );
        assert_eq!(messages[2]["role"], "tool");
        assert_eq!(messages[2]["tool_call_id"], "x1");
        assert_eq!(messages[2]["content"], "{\"id\":7}");
    }
}
