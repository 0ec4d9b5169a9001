//! The text of an answer, put together from its deltas.
//!
//! Only where a workload reads answers: it costs a second look at every event.

use serde::{Deserialize, Deserializer};

/// Largest answer that is kept, in bytes. A model that loops without end fills no memory.
const MAX_ANSWER_BYTES: usize = 8 << 20;

/// What a model said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    pub content: String,
    /// Its reasoning, where the server tells it apart.
    pub reasoning: String,
    /// In the order of their index.
    pub tool_calls: Vec<ToolCall>,
}

/// One call, as the server read it out of what the model said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolCall {
    pub id: Option<String>,
    pub name: String,
    /// As the model wrote them; nobody has proved that they are JSON.
    pub arguments: String,
}

/// The answer is larger than what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer is larger than {MAX_ANSWER_BYTES} bytes")]
pub struct TooLarge;

/// Puts an answer together. Strings of a call are appended to each other, as the official
/// client does (`accumulate_delta` of openai-python).
#[derive(Debug, Default)]
pub struct AnswerBuilder {
    answer: Answer,
    /// The index of each call.
    indices: Vec<u64>,
    n_bytes: usize,
}

impl AnswerBuilder {
    /// Takes an event that was found to be a chunk (or a whole completion, whose messages
    /// count as deltas). What is not the first choice's is not looked at.
    ///
    /// # Errors
    /// When there is too much of it.
    pub fn take(&mut self, event: &str) -> Result<(), TooLarge> {
        // What cannot be read here was a failure of the stream before.
        let Ok(event) = serde_json::from_str::<WireEvent>(event) else {
            return Ok(());
        };
        self.n_bytes += event
            .choices
            .iter()
            .filter(|choice| choice.index == 0)
            .map(|choice| choice.part().map_or(0, WireMessage::n_bytes))
            .sum::<usize>();
        if self.n_bytes > MAX_ANSWER_BYTES {
            return Err(TooLarge);
        }
        for choice in event.choices {
            if choice.index == 0
                && let Some(part) = choice.delta.or(choice.message)
            {
                self.append(part);
            }
        }
        Ok(())
    }

    /// What there is.
    pub fn finish(self) -> Answer {
        self.answer
    }

    fn append(&mut self, part: WireMessage) {
        self.answer.content.push_str(&part.content);
        self.answer.reasoning.push_str(&part.reasoning);
        self.answer.reasoning.push_str(&part.reasoning_content);
        for (position, call) in part.tool_calls.into_iter().enumerate() {
            let index = call.index.unwrap_or(position as u64);
            let slot = self.indices.partition_point(|&known| known < index);
            if self.indices.get(slot) != Some(&index) {
                self.indices.insert(slot, index);
                self.answer.tool_calls.insert(slot, ToolCall::default());
            }
            let known = &mut self.answer.tool_calls[slot];
            if let Some(id) = call.id {
                known.id.get_or_insert_default().push_str(&id);
            }
            if let Some(function) = call.function {
                known.name.push_str(&function.name);
                known.arguments.push_str(&function.arguments);
            }
        }
    }
}

#[derive(Deserialize)]
struct WireEvent {
    choices: Vec<WireChoice>,
}

#[derive(Deserialize)]
struct WireChoice {
    #[serde(default)]
    index: u64,
    /// Of a chunk.
    delta: Option<WireMessage>,
    /// Of a whole completion.
    message: Option<WireMessage>,
}

impl WireChoice {
    fn part(&self) -> Option<&WireMessage> {
        self.delta.as_ref().or(self.message.as_ref())
    }
}

#[derive(Deserialize)]
struct WireMessage {
    #[serde(default, deserialize_with = "or_default")]
    content: String,
    #[serde(default, deserialize_with = "or_default")]
    reasoning: String,
    #[serde(default, deserialize_with = "or_default")]
    reasoning_content: String,
    #[serde(default, deserialize_with = "or_default")]
    tool_calls: Vec<WireCall>,
}

impl WireMessage {
    fn n_bytes(&self) -> usize {
        let calls = self.tool_calls.iter().map(WireCall::n_bytes);
        self.content.len()
            + self.reasoning.len()
            + self.reasoning_content.len()
            + calls.sum::<usize>()
    }
}

#[derive(Deserialize)]
struct WireCall {
    index: Option<u64>,
    id: Option<String>,
    function: Option<WireFunction>,
}

impl WireCall {
    fn n_bytes(&self) -> usize {
        let function = self.function.as_ref();
        // The call itself counts, so that a flood of empty ones ends as well.
        size_of::<ToolCall>()
            + self.id.as_ref().map_or(0, String::len)
            + function.map_or(0, |function| function.name.len() + function.arguments.len())
    }
}

#[derive(Deserialize)]
struct WireFunction {
    #[serde(default, deserialize_with = "or_default")]
    name: String,
    #[serde(default, deserialize_with = "or_default")]
    arguments: String,
}

/// `null` is nothing.
fn or_default<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::deserialize(from).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(deltas: &[&str]) -> Answer {
        let mut builder = AnswerBuilder::default();
        for delta in deltas {
            let event = format!(r#"{{"choices":[{{"index":0,"delta":{delta}}}]}}"#);
            builder.take(&event).unwrap();
        }
        builder.finish()
    }

    #[test]
    fn texts_are_put_together_in_their_order() {
        let found = answer(&[
            r#"{"role":"assistant","content":""}"#,
            r#"{"reasoning":"so "}"#,
            r#"{"reasoning_content":"it is","content":null}"#,
            r#"{"content":"7\u00b0"}"#,
            r#"{"content":"."}"#,
            "{}",
        ]);
        let expected = Answer {
            content: "7\u{b0}.".to_owned(),
            reasoning: "so it is".to_owned(),
            tool_calls: Vec::new(),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn calls_are_put_together_by_their_index() {
        let found = answer(&[
            r#"{"tool_calls":[{"index":1,"id":"b","function":{"name":"g","arguments":""}}]}"#,
            r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f"}}]}"#,
            r#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"x\":"}}]}"#,
            r#"{"tool_calls":[{"index":0,"function":{"name":null,"arguments":"1}"}}]}"#,
            r#"{"tool_calls":null}"#,
        ]);
        let call = |id: &str, name: &str, arguments: &str| ToolCall {
            id: Some(id.to_owned()),
            name: name.to_owned(),
            arguments: arguments.to_owned(),
        };
        assert_eq!(
            found.tool_calls,
            [call("a", "f", r#"{"x":1}"#), call("b", "g", "")]
        );
    }

    #[test]
    fn a_whole_completion_is_read_in_the_same_way() {
        let mut builder = AnswerBuilder::default();
        let whole = r#"{"choices":[
            {"index":1,"message":{"content":"other"}},
            {"index":0,"message":{"content":null,"tool_calls":[
                {"id":"a","type":"function","function":{"name":"f","arguments":"{}"}},
                {"id":"b","type":"function","function":{"name":"g","arguments":"{}"}}]}}]}"#;
        builder.take(whole).unwrap();
        let found = builder.finish();
        let names: Vec<&str> = found
            .tool_calls
            .iter()
            .map(|call| call.name.as_str())
            .collect();
        assert_eq!((found.content.as_str(), names), ("", vec!["f", "g"]));
    }

    #[test]
    fn an_answer_without_end_is_refused() {
        let mut builder = AnswerBuilder::default();
        let event = format!(
            r#"{{"choices":[{{"delta":{{"content":"{}"}}}}]}}"#,
            "x".repeat(1 << 20)
        );
        let n_taken = (0..20).take_while(|_| builder.take(&event).is_ok()).count();
        assert_eq!(n_taken, MAX_ANSWER_BYTES >> 20);
    }
}
