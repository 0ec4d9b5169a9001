//! What one event of a streamed chat completion carries.
//!
//! Pure: the text of an event goes in, and what the measurement needs of it comes out. Model
//! answers themselves are not kept.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};

use crate::measure::request::Usage;

/// One event of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChatEvent {
    Chunk(ChatChunk),
    /// The server reports a failure inside a response that began as a success.
    Error {
        message: String,
    },
    /// `[DONE]`: nothing follows.
    Done,
}

/// What a `chat.completion.chunk` carries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChatChunk {
    /// Some delta has content, reasoning or a tool call. An empty role, with which vLLM opens
    /// every stream, has none.
    pub carries_token: bool,
    /// Some delta has content or a tool call: the answer proper.
    pub carries_answer: bool,
    pub finish_reason: Option<String>,
    pub usage: Option<Usage>,
}

/// The text is no event of a chat completion.
#[derive(Debug, thiserror::Error)]
pub enum ChatEventError {
    #[error("an event is not JSON of a chat completion: {0}")]
    NotChat(#[from] serde_json::Error),
    #[error("an event has neither choices nor an error")]
    Empty,
}

/// Reads the data of one event.
///
/// # Errors
/// When it is neither a chunk nor an error object nor `[DONE]`.
pub fn read_event(data: &str) -> Result<ChatEvent, ChatEventError> {
    if data.trim() == "[DONE]" {
        return Ok(ChatEvent::Done);
    }
    let wire: WireEvent = serde_json::from_str(data)?;
    if let Some(message) = wire.error_message() {
        return Ok(ChatEvent::Error { message });
    }
    let choices = wire.choices.ok_or(ChatEventError::Empty)?;
    Ok(ChatEvent::Chunk(ChatChunk {
        carries_token: choices.carries_token,
        carries_answer: choices.carries_answer,
        finish_reason: choices.finish_reason,
        usage: wire.usage.map(Usage::from),
    }))
}

/// The message of an error body, in any of the forms that OpenAI-compatible servers use: an
/// `error` object or text, or an object that calls itself `error`.
pub fn error_message(body: &serde_json::Value) -> Option<String> {
    match body.get("error") {
        Some(serde_json::Value::String(text)) => Some(text.clone()),
        Some(serde_json::Value::Null) | None => {
            let is_error = body.get("object").and_then(serde_json::Value::as_str) == Some("error");
            let message = body.get("message").and_then(serde_json::Value::as_str);
            is_error.then(|| message.unwrap_or("an error without a message").to_owned())
        }
        Some(error) => {
            let message = error.get("message").and_then(serde_json::Value::as_str);
            Some(message.map_or_else(|| error.to_string(), str::to_owned))
        }
    }
}

// Nothing below keeps a text of the usual chunk: at thousands of tokens a second, allocations
// are what a client costs.

#[derive(Deserialize)]
struct WireEvent {
    #[serde(default)]
    object: IsError,
    choices: Option<Choices>,
    usage: Option<WireUsage>,
    error: Option<serde_json::Value>,
    message: Option<serde_json::Value>,
}

impl WireEvent {
    fn error_message(&self) -> Option<String> {
        if self.error.is_none() && !self.object.0 {
            return None;
        }
        error_message(&serde_json::json!({
            "object": self.object.0.then_some("error"),
            "error": self.error,
            "message": self.message,
        }))
    }
}

/// What all choices of a chunk carry together.
#[derive(Default)]
struct Choices {
    carries_token: bool,
    carries_answer: bool,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct WireChoice {
    delta: Option<WireDelta>,
    finish_reason: Option<String>,
}

#[derive(Deserialize, Default)]
struct WireDelta {
    #[serde(default)]
    content: HasText,
    #[serde(default)]
    reasoning: HasText,
    #[serde(default)]
    reasoning_content: HasText,
    #[serde(default)]
    tool_calls: HasEntries,
}

impl<'de> Deserialize<'de> for Choices {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Folding;
        impl<'de> Visitor<'de> for Folding {
            type Value = Choices;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of choices")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Choices, A::Error> {
                let mut all = Choices::default();
                while let Some(choice) = list.next_element::<WireChoice>()? {
                    let delta = choice.delta.unwrap_or_default();
                    let answers = delta.content.0 || delta.tool_calls.0;
                    all.carries_answer |= answers;
                    all.carries_token |= answers || delta.reasoning.0 || delta.reasoning_content.0;
                    all.finish_reason = choice.finish_reason.or(all.finish_reason);
                }
                Ok(all)
            }
        }
        from.deserialize_seq(Folding)
    }
}

/// A text or null: is there any text?
#[derive(Default)]
struct HasText(bool);

/// A text or null: is it `error`?
#[derive(Default)]
struct IsError(bool);

/// A list or null: is anything in it?
#[derive(Default)]
struct HasEntries(bool);

/// Looks at a text or null without keeping it.
struct Look(fn(&str) -> bool);

impl<'de> Visitor<'de> for Look {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or null")
    }

    fn visit_str<E>(self, text: &str) -> Result<bool, E> {
        Ok((self.0)(text))
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_none<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<bool, D::Error> {
        from.deserialize_str(self)
    }
}

impl<'de> Deserialize<'de> for HasText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_option(Look(|text| !text.is_empty()))
            .map(Self)
    }
}

impl<'de> Deserialize<'de> for IsError {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_option(Look(|text| text == "error"))
            .map(Self)
    }
}

impl<'de> Deserialize<'de> for HasEntries {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        // A list of values without size takes no memory.
        let list: Option<Vec<IgnoredAny>> = Option::deserialize(from)?;
        Ok(Self(list.is_some_and(|list| !list.is_empty())))
    }
}

#[derive(Deserialize)]
struct WireUsage {
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
    prompt_tokens_details: Option<WirePromptDetails>,
}

#[derive(Deserialize)]
struct WirePromptDetails {
    cached_tokens: Option<u64>,
}

impl From<WireUsage> for Usage {
    fn from(wire: WireUsage) -> Self {
        Self {
            prompt: wire.prompt_tokens,
            output: wire.completion_tokens,
            cached: wire
                .prompt_tokens_details
                .and_then(|details| details.cached_tokens),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::sse::SseDecoder;

    fn chunk(data: &str) -> ChatChunk {
        match read_event(data).unwrap() {
            ChatEvent::Chunk(chunk) => chunk,
            other => panic!("{data}: {other:?}"),
        }
    }

    fn delta(delta: &str) -> ChatChunk {
        chunk(&format!(
            r#"{{"choices":[{{"index":0,"delta":{delta},"finish_reason":null}}]}}"#
        ))
    }

    fn events_of(sample: &str) -> Vec<ChatEvent> {
        let (_, body) = sample
            .split_once("\r\n\r\n")
            .expect("a head before the body");
        let mut events = Vec::new();
        SseDecoder::default()
            .push(body.as_bytes(), |event| {
                events.push(read_event(event.data).unwrap());
            })
            .unwrap();
        events
    }

    #[test]
    fn only_a_delta_with_something_in_it_carries_a_token() {
        let empty = [
            r#"{"role":"assistant","content":""}"#,
            r#"{"content":null}"#,
            r#"{"tool_calls":[]}"#,
            r#"{"reasoning":""}"#,
            "{}",
        ];
        for text in empty {
            assert!(!delta(text).carries_token, "{text}");
        }
        let full = [
            r#"{"content":" "}"#,
            r#"{"reasoning":"so"}"#,
            r#"{"reasoning_content":"so"}"#,
            r#"{"tool_calls":[{"index":0,"function":{"name":"f"}}]}"#,
        ];
        for text in full {
            assert!(delta(text).carries_token, "{text}");
            let answers = !text.contains("reasoning");
            assert_eq!(delta(text).carries_answer, answers, "{text}");
        }
        let both = r#"{"reasoning":"so","content":"\u00e9"}"#;
        assert!(delta(both).carries_answer);
    }

    #[test]
    fn a_real_stream_has_one_role_seven_tokens_a_reason_and_a_usage() {
        let events = events_of(include_str!("../../tests/data/vllm/stream_chat_sse.txt"));
        let chunks: Vec<&ChatChunk> = events
            .iter()
            .filter_map(|event| match event {
                ChatEvent::Chunk(chunk) => Some(chunk),
                ChatEvent::Error { .. } | ChatEvent::Done => None,
            })
            .collect();
        assert_eq!(events.last(), Some(&ChatEvent::Done));
        assert!(!chunks[0].carries_token);
        assert_eq!(chunks.iter().filter(|chunk| chunk.carries_token).count(), 7);
        let reasons: Vec<&str> = chunks
            .iter()
            .filter_map(|c| c.finish_reason.as_deref())
            .collect();
        assert_eq!(reasons, ["stop"]);
        let usages: Vec<Usage> = chunks.iter().filter_map(|chunk| chunk.usage).collect();
        assert_eq!(
            usages,
            [Usage {
                prompt: 37,
                output: 8,
                cached: None
            }]
        );
    }

    #[test]
    fn a_real_stream_of_a_dying_engine_ends_in_an_error_event() {
        let events = events_of(include_str!("../../tests/data/vllm/enginedead_stream.txt"));
        let [.., error, ChatEvent::Done] = events.as_slice() else {
            panic!("no `[DONE]` at the end");
        };
        let message =
            "EngineCore encountered an issue. See stack trace (above) for the root cause.";
        assert_eq!(
            error,
            &ChatEvent::Error {
                message: message.to_owned()
            }
        );
    }

    #[test]
    fn errors_are_read_in_every_form() {
        for (data, message) in [
            (r#"{"error":"Unauthorized"}"#, "Unauthorized"),
            (r#"{"error":{"message":"no","code":404}}"#, "no"),
            (r#"{"error":{"code":7}}"#, r#"{"code":7}"#),
            (r#"{"object":"error","message":"old form"}"#, "old form"),
        ] {
            assert_eq!(
                read_event(data).unwrap(),
                ChatEvent::Error {
                    message: message.to_owned()
                }
            );
        }
    }

    #[test]
    fn what_is_no_chat_event_is_an_error() {
        for data in [
            "",
            "{",
            "{}",
            "[]",
            "null",
            r#"{"choices":3}"#,
            r#"{"choices":[{"delta":{"content":3}}]}"#,
            r#"{"choices":[{"delta":3}]}"#,
            r#"{"choices":[],"usage":{}}"#,
        ] {
            assert!(read_event(data).is_err(), "{data}");
        }
    }

    #[test]
    fn cached_tokens_are_known_only_when_said() {
        let with = |details: &str| {
            chunk(&format!(
                r#"{{"choices":[],"usage":{{"prompt_tokens":9,"completion_tokens":2,"prompt_tokens_details":{details}}}}}"#
            ))
            .usage
            .unwrap()
            .cached
        };
        assert_eq!(with("null"), None);
        assert_eq!(with("{}"), None);
        assert_eq!(with(r#"{"cached_tokens":8}"#), Some(8));
        assert_eq!(with(r#"{"cached_tokens":0}"#), Some(0));
    }
}
